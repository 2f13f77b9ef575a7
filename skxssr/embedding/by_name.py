"""Embedders as the command line names them, and saved ones. `_torch` only inside functions.

Whatever can be wrong with a name is found here, before any image is read.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skxssr._torch import backend
from skxssr._utils.files import read_json
from skxssr.embedding._checks import check_sizes
from skxssr.embedding.contrastive import ContrastiveEmbedder
from skxssr.embedding.joined import CONFIG, MEMBERS, JoinedEmbedder
from skxssr.embedding.mae import MAEEmbedder
from skxssr.embedding.module import TorchEmbedder
from skxssr.embedding.random_features import RandomFeaturesEmbedder

__all__ = ["NamedEmbedder", "embedder_by_name", "load_embedder"]

RANDOM_FEATURES, MAE, TIMM = "random-features", "mae", "timm:"
CONTRASTIVE = ("simclr", "moco")
TRAINED = (MAE, *CONTRASTIVE)
POSSIBLE = (
    f"{RANDOM_FEATURES}, {', '.join(TRAINED)}, {TIMM}NAME, {TIMM}NAME=WEIGHTS_FILE, or the folder "
    "of a saved embedder"
)
SAVED: Mapping[str, Any] = {**MEMBERS, "JoinedEmbedder": JoinedEmbedder}


class NamedEmbedder(NamedTuple):
    """What `embedder_by_name` returns.

    Attributes
    ----------
    embedder : transformer
        Of images.
    fitted : bool
        Whether it was saved, and needs no `fit`.
    trains : bool
        Whether its `fit` trains a network.
    """

    embedder: Any
    fitted: bool
    trains: bool


def embedder_by_name(
    name: str | os.PathLike,
    *,
    image_size: int | None = None,
    steps: int | None = None,
    n_seeds: int = 1,
    random_state: int = 0,
    device: str = "auto",
    verbose: int = 0,
) -> NamedEmbedder:
    """The embedder that ``--embedder`` names: ready to fit, or loaded from its folder.

    Parameters
    ----------
    name : str or path
        "random-features" (`RandomFeaturesEmbedder`), "mae" (`MAEEmbedder`), "simclr" or "moco"
        (`ContrastiveEmbedder`), "timm:NAME" or "timm:NAME=WEIGHTS_FILE"
        (`TorchEmbedder.from_timm`), or a folder that an embedder was saved to. A folder that is
        named like an embedder is written with its place: "./mae".
    image_size : int or None, default=None
        Side in pixels of the square that images are resized to. None: the embedder's own default.
        A saved embedder has its own.
    steps : int or None, default=None
        Training steps; for "mae", "simclr" and "moco" alone.
    n_seeds : int, default=1
        Networks to train, with the seeds `random_state`, ``random_state + 1`` and so on; above
        1 they are joined (`JoinedEmbedder`). For those that `steps` is for.
    random_state : int, default=0
        Seed of the training. "random-features" always has its own, so that it never changes.
    device, verbose
        As for every embedder.

    Returns
    -------
    NamedEmbedder

    Raises
    ------
    ValueError
        The name is none of those, timm knows no such model, the device is not there, or a parameter
        is given that this embedder does not have.
    FileNotFoundError
        The file of the weights is not there.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch"), or lightly
        (extra "contrastive").

    Examples
    --------
    >>> from skxssr.embedding.by_name import embedder_by_name
    >>> embedder_by_name("random-features").embedder
    RandomFeaturesEmbedder()
    >>> embedder_by_name("mae", steps=200).trains
    True
    """
    name = os.fspath(name)
    if n_seeds < 1:
        raise ValueError(f"--seeds {n_seeds} (n_seeds={n_seeds}) must be at least 1.")
    backend("device", caller=f"--embedder {name}").resolve_device(device)
    common: dict[str, Any] = {"device": device, "verbose": verbose}
    own = common if image_size is None else common | {"image_size": image_size}
    if name not in TRAINED:
        for option, given in (("steps", steps), ("seeds", None if n_seeds == 1 else n_seeds)):
            if given is not None:
                raise ValueError(
                    f"--{option} {given} is for --embedder {', '.join(TRAINED)}, which are trained "
                    f"here; {name!r} is not: leave --{option} away, or give --embedder {MAE}."
                )
    if name == RANDOM_FEATURES:
        return NamedEmbedder(_valid(RandomFeaturesEmbedder(**own)), fitted=False, trains=False)
    if name in TRAINED:
        embedder: Any = _trained(name, own | {"steps": steps, "random_state": random_state})
        if n_seeds > 1:
            embedder = JoinedEmbedder(
                embedder, seeds=[random_state + number for number in range(n_seeds)]
            )
        return NamedEmbedder(embedder, fitted=False, trains=True)
    if name.startswith(TIMM):
        return NamedEmbedder(_from_timm(name, own), fitted=False, trains=False)
    embedder = load_embedder(name)
    if image_size is not None:
        raise ValueError(
            f"--image-size {image_size} cannot change the saved embedder in {name}: leave "
            "--image-size away."
        )
    nested = "embedder__" if isinstance(embedder, JoinedEmbedder) else ""
    embedder.set_params(**{nested + key: value for key, value in common.items()})
    return NamedEmbedder(embedder, fitted=True, trains=False)


def load_embedder(path: str | os.PathLike) -> Any:
    """Read a saved embedder of any class; its ``config.json`` says which.

    Parameters
    ----------
    path : path
        A folder that `save` wrote.

    Returns
    -------
    MAEEmbedder, ContrastiveEmbedder, RandomFeaturesEmbedder or JoinedEmbedder
        Fitted; see their `load`.

    Raises
    ------
    ValueError
        It is no such folder, or holds something else.
    FileNotFoundError
        The weights are missing.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skxssr import RandomFeaturesEmbedder
    >>> from skxssr.embedding import load_embedder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     RandomFeaturesEmbedder(image_size=32).fit(np.zeros((1, 32, 32))).save(folder)
    ...     load_embedder(folder)
    RandomFeaturesEmbedder(image_size=32)
    """
    config = read_json(Path(path) / CONFIG)
    if not isinstance(config, dict):
        raise ValueError(
            f"embedder={os.fspath(path)!r} is neither the name of an embedder nor the folder of a "
            f"saved one (it holds no {CONFIG} that can be read). Possible are: {POSSIBLE}."
        )
    if config.get("class") not in SAVED:
        raise ValueError(
            f"{path} holds a {config.get('class')}, which is none of the embedders that are saved: "
            f"{', '.join(SAVED)}."
        )
    return SAVED[config["class"]].load(path)


def _trained(name: str, parameters: Mapping[str, Any]) -> MAEEmbedder | ContrastiveEmbedder:
    if name in CONTRASTIVE:
        backend("contrastive", caller=f"--embedder {name}", extra="contrastive")
        return _valid(ContrastiveEmbedder(method=name, **parameters))
    embedder = _valid(MAEEmbedder(**parameters))
    check_sizes(embedder)
    return embedder


def _from_timm(name: str, parameters: Mapping[str, Any]) -> TorchEmbedder:
    model, given, weights = name.removeprefix(TIMM).partition("=")
    if not model or (given and not weights):
        raise ValueError(
            f"embedder={name!r} must be {TIMM}NAME or {TIMM}NAME=WEIGHTS_FILE, such as "
            f"{TIMM}resnet50.a1_in1k; timm.list_pretrained() names the models."
        )
    if given and not Path(weights).is_file():
        raise FileNotFoundError(
            f"embedder={name!r}: there is no file {weights!r}. Give the path of the model's weights"
        )
    return _valid(TorchEmbedder.from_timm(model, weights=weights or None, **parameters))


def _valid(embedder: Any) -> Any:
    embedder._validate_params()
    return embedder
