"""`JoinedEmbedder`, one embedder of several seeds side by side."""

import copy
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skxssr._utils.files import read_json, write_text
from skxssr._utils.parameters import RUN_ONLY
from skxssr.embedding._base import ImageEmbedder
from skxssr.embedding.contrastive import ContrastiveEmbedder
from skxssr.embedding.mae import MAEEmbedder
from skxssr.embedding.random_features import RandomFeaturesEmbedder
from skxssr.io import Images

__all__ = ["JoinedEmbedder"]

CONFIG = "config.json"
MEMBERS: dict[str, Any] = {
    "ContrastiveEmbedder": ContrastiveEmbedder,
    "MAEEmbedder": MAEEmbedder,
    "RandomFeaturesEmbedder": RandomFeaturesEmbedder,
}
_FLAT = 1e-5  # of the largest value: deviations below it are rounding of float32


class JoinedEmbedder(ImageEmbedder):
    """Embeddings of one embedder fitted with several seeds, side by side.

    What a network learns depends on its seed, and so do the picks made from its embeddings. With
    the embeddings of several seeds side by side each has the same say, and picks depend less on
    any of them.

    Parameters
    ----------
    embedder : MAEEmbedder, ContrastiveEmbedder or RandomFeaturesEmbedder
        Cloned and fitted once for each seed; its own `random_state` has no say. Other transformers
        of images with a parameter `random_state` can be joined too, but not saved.
    seeds : sequence of int, default=(0, 1, 2)
        The seeds, all different. Time and number of features grow with their number.

    Attributes
    ----------
    embedders_ : list of estimator
        Those fitted, in the order of `seeds`.
    scales_ : ndarray of shape (n_seeds,), float64
        What the embeddings of each seed are multiplied by: the inverse square root of their total
        variance over the images of `fit`. 1 where that is 0, as for a single image.
    n_features_out_ : int
        Those of all seeds together.
    weights_sha256_ : str
        Of the scales and of the weights of all seeds.

    Raises
    ------
    ValueError
        No seeds, equal ones, or ones that are no integers from 0; an embedder that has no
        `random_state`; whatever the embedder raises.

    See Also
    --------
    MAEEmbedder : What depends on its seed the most.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import JoinedEmbedder, RandomFeaturesEmbedder
    >>> images = np.random.default_rng(0).random((6, 32, 40))
    >>> embedder = JoinedEmbedder(RandomFeaturesEmbedder(image_size=32), seeds=[0, 1])
    >>> Z = embedder.fit_transform(images)
    >>> Z.shape, round(float(Z.var(axis=0).sum()), 3)
    ((6, 3080), 2.0)
    >>> [part.shape for part in embedder.split(Z)]
    [(6, 1540), (6, 1540)]
    """

    def __init__(self, embedder: Any, *, seeds: Any = (0, 1, 2)) -> None:
        self.embedder = embedder
        self.seeds = seeds

    _parameter_constraints: dict = {
        "embedder": [HasMethods(["fit", "transform", "get_params", "set_params"])],
        "seeds": ["array-like"],
    }

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, images: Any, y: Any = None) -> Self:
        """Fit a clone of the embedder for each seed, one after another.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for the embedder.
        y : None
            Ignored.

        Returns
        -------
        JoinedEmbedder
            Itself. With a `checkpoint_dir` of the embedder each seed has a folder of its own there.
        """
        seeds = _check_seeds(self.seeds)
        parameters = self.embedder.get_params(deep=False)
        if "random_state" not in parameters:
            raise ValueError(
                f"embedder={self.embedder!r} has no parameter random_state: all its seeds would be "
                "the same. Use it by itself"
            )
        images = Images(images)
        members, scales = [], []
        for seed in seeds:
            member = clone(self.embedder).set_params(random_state=seed)
            if parameters.get("checkpoint_dir") is not None:
                folder = Path(parameters["checkpoint_dir"]) / f"seed-{seed}"
                member.set_params(checkpoint_dir=folder)
            members.append(member.fit(images))
            scales.append(_scale(member.transform(images)))
        self._set_fitted(members, np.array(scales))
        return self

    def transform(self, images: Any) -> np.ndarray:
        """Embed images with every seed.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for the embedder.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            C-contiguous, ``n_features_out_`` features: the scaled embeddings of each seed in turn.
        """
        check_is_fitted(self)
        images = Images(images)
        # where and how to run is told by the embedder as it is now, not as it was in fit
        run = {
            name: value
            for name, value in self.embedder.get_params(deep=False).items()
            if name in RUN_ONLY
        }
        parts = [
            np.float32(scale) * copy.copy(member).set_params(**run).transform(images)
            for member, scale in zip(self.embedders_, self.scales_, strict=True)
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def split(self, X: Any) -> list[np.ndarray]:
        """The parts of embeddings that each seed made.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            From `transform`.

        Returns
        -------
        list of ndarray of shape (n, n_features_of_a_seed)
            In the order of `seeds`.
        """
        check_is_fitted(self)
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.n_features_out_:
            raise ValueError(
                f"X has shape {X.shape}, but embeddings of this embedder have "
                f"{self.n_features_out_} columns: give what transform returned"
            )
        return np.split(X, np.cumsum(self._widths)[:-1], axis=1)

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted embedder into a folder, without pickle.

        Parameters
        ----------
        path : path
            A folder, made if need be. It gets ``config.json`` and a folder for each seed.

        Raises
        ------
        ValueError
            The embedder is none that can be saved.

        See Also
        --------
        load : The way back.
        """
        check_is_fitted(self)
        kind = type(self.embedder).__name__
        if MEMBERS.get(kind) is not type(self.embedder):
            raise ValueError(
                f"embedder={self.embedder!r} cannot be saved: only {' and '.join(MEMBERS)} can"
            )
        folder, seeds = Path(path), _check_seeds(self.seeds)
        for seed, member in zip(seeds, self.embedders_, strict=True):
            member.save(folder / f"seed-{seed}")
        config = {
            "class": type(self).__name__,
            "embedder": kind,
            "seeds": seeds,
            "scales": self.scales_.tolist(),
            "weights_sha256": self.weights_sha256_,
        }
        write_text(folder / CONFIG, json.dumps(config, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what `save` wrote; safe on files from strangers, since nothing is unpickled.

        Parameters
        ----------
        path : path
            The folder.

        Returns
        -------
        JoinedEmbedder
            Fitted. `device`, `cache_dir` and their kind have their defaults.

        Raises
        ------
        FileNotFoundError
            The folder or a file in it is missing.
        ValueError
            It holds another estimator, or weights that do not match their SHA-256.
        """
        folder = Path(path)
        config = read_json(folder / CONFIG)
        if config is None:
            raise FileNotFoundError(
                f"{folder} holds no {CONFIG} that can be read: path must be a folder that "
                f"{cls.__name__}.save wrote"
            )
        if config.get("class") != cls.__name__ or config.get("embedder") not in MEMBERS:
            raise ValueError(
                f"{folder} holds a {config.get('class')}, not a {cls.__name__}: load it with "
                f"{config.get('class')}.load"
            )
        seeds = _check_seeds(config["seeds"])
        kind = MEMBERS[config["embedder"]]
        members = [kind.load(folder / f"seed-{seed}") for seed in seeds]
        loaded = cls(clone(members[0]), seeds=seeds)
        loaded._set_fitted(members, np.array(config["scales"], dtype=np.float64))
        if loaded.weights_sha256_ != config["weights_sha256"]:
            raise ValueError(
                f"{folder} has scales and weights with SHA-256 {loaded.weights_sha256_}, but "
                f"{CONFIG} says {config['weights_sha256']}: a file is of another embedder; save it "
                "anew"
            )
        return loaded

    @property
    def _widths(self) -> list[int]:
        return [member.n_features_out_ for member in self.embedders_]

    def _set_fitted(self, members: list[Any], scales: np.ndarray) -> None:
        self.embedders_ = members
        self.scales_ = scales
        self.n_features_out_ = sum(self._widths)
        hashes = [getattr(member, "weights_sha256_", "") for member in members]
        text = json.dumps([hashes, scales.tolist()])
        self.weights_sha256_ = hashlib.sha256(text.encode()).hexdigest()


def _check_seeds(seeds: Sequence[Any]) -> list[int]:
    seeds = list(seeds)
    whole = all(isinstance(seed, int | np.integer) and 0 <= seed < 2**32 for seed in seeds)
    if not seeds or not whole or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds={seeds!r} must be different integers from 0 to {2**32 - 1}, at least one"
        )
    return [int(seed) for seed in seeds]


def _scale(Z: np.ndarray) -> float:
    """What brings the total variance to 1; 1 where nothing varies beyond rounding."""
    Z = Z.astype(np.float64)
    total = float(Z.var(axis=0).sum())
    return 1.0 if total <= (_FLAT * np.abs(Z).max()) ** 2 else total**-0.5
