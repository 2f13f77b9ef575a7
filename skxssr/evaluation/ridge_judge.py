"""Thousands of selections, judged by a segmenter in closed form.

The normal equations of a `RidgeSegmenter` add over images: those of each image of a pool are kept,
and the network of a selection is their sum and one solve.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr.evaluation._runs.jobs import unit_names
from skxssr.evaluation._runs.task import Pool, Task
from skxssr.segmentation import RidgeSegmenter

__all__ = ["RidgeJudge"]

TOGETHER = 64  # selections scored in one pass over the test images


class RidgeJudge:
    """How good a segmenter would these images train? Answered in milliseconds, for any subset.

    The segmenter is `skxssr.segmentation.RidgeSegmenter`. Features and normal equations of all
    images are computed once, in the constructor; each selection then costs a sum, one solve and the
    scoring of the test images. So selectors, budgets and pools can be compared by thousands of
    selections where a network that is trained allows tens.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
        All that may be picked or tested on, as for `skxssr.io.Images`.
    masks : ndarray of shape (n, H, W), or sequence of paths or arrays
        Theirs, as for `skxssr.io.Masks`.
    image_size : int, default=64
        Side in pixels of the square that images are resized to. Memory grows with its square.
    classes : sequence of int or None, default=None
        The raw values a mask may hold; the lowest is the background. None takes those that any of
        the masks holds, and 0.
    ignore : sequence of int or None, default=None
        As for `RidgeSegmenter`.
    penalty : float, default=1e-3
        As for `RidgeSegmenter`.
    batch_size : int, default=8
        Images of which features are computed at a time.
    device : str, default="auto"
        Where features are computed; all else is done on the CPU.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept; see `RidgeSegmenter`.
    random_state : int, default=0
        Draws the features. `skxssr.RandomFeaturesEmbedder` draws others from the same seed, so that
        a selector and its judge never see the same features.
    verbose : int, default=0
        Above 0 a progress bar is shown while features are computed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The raw values, ascending; the first is the background.
    nbytes : int
        Memory of features and normal equations: with two classes and 64 pixels 1.2 MB an image.

    Raises
    ------
    ValueError
        As for `RidgeSegmenter`; rows that are none, or beyond the images.
    ImageReadError
        A file cannot be decoded; it is named.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

    See Also
    --------
    judge_selectors : What this judge says of selectors.
    compare_selectors : The same question asked of networks that are trained.
    summarize : Tables from `runs`.

    Notes
    -----
    For ``rows`` the network is that of ``RidgeSegmenter().fit(images[rows], masks[rows])`` with the
    same parameters, up to rounding, if those rows show colour and classes as all the images do;
    `segmenter` returns it.

    Scores are of the square, not of the image's own size: of every second pixel in both directions,
    what was added to make it square included. An image without foreground has no Dice here; it is
    NaN and left out of means, since one wrong pixel would make it 0.

    The judge is no substitute for the network one means to train. Measure on a few pools whether
    both rank selections alike before relying on it.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import RidgeJudge
    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((12, 32, 32), dtype=np.uint8)
    >>> for mask, top in zip(masks, rng.integers(4, 16, 12)):
    ...     mask[top : top + 10, 8:20] = 1
    >>> images = 0.5 * rng.random((12, 32, 32)) + 0.4 * masks
    >>> judge = RidgeJudge(images, masks, image_size=32)
    >>> judge.dice([0, 1, 2], test=[9, 10, 11]).shape
    (3,)
    >>> bool(judge.score([0, 1, 2], test=[9, 10, 11]) > 0.9)
    True
    """

    def __init__(
        self,
        images: Any,
        masks: Any,
        *,
        image_size: int = 64,
        classes: Any = None,
        ignore: Any = None,
        penalty: float = 1e-3,
        batch_size: int = 8,
        device: str = "auto",
        cache_dir: str | os.PathLike | None = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self._prototype = RidgeSegmenter(
            image_size=image_size,
            classes=classes,
            ignore=ignore,
            penalty=penalty,
            batch_size=batch_size,
            device=device,
            cache_dir=cache_dir,
            random_state=random_state,
            verbose=verbose,
        )
        self._pool, *self._seen = self._prototype._pool(images, masks)
        self.classes_ = self._seen[1]
        self.random_state = random_state
        self.nbytes = self._pool.nbytes

    def __len__(self) -> int:
        return len(self._pool)

    @property
    def prototype(self) -> RidgeSegmenter:
        """The segmenter that it stands for, not fitted."""
        return clone(self._prototype)

    def segmenter(self, rows: Any) -> RidgeSegmenter:
        """The network of a selection, to look at its predictions.

        Parameters
        ----------
        rows : array-like of int
            Images to learn from.

        Returns
        -------
        RidgeSegmenter
            Fitted.
        """
        network = self._pool.network(self._check(rows, "rows"))
        fitted = clone(self._prototype)
        fitted._set_fitted(network, *self._seen)
        return fitted

    def dice(self, rows: Any, test: Any) -> np.ndarray:
        """Dice of each test image for the network of a selection.

        Parameters
        ----------
        rows : array-like of int
            Images to learn from; their order does not matter.
        test : array-like of int
            Images to predict.

        Returns
        -------
        ndarray of shape (n_test,), float64
            In [0, 1], in the order of `test`; of several classes the mean over those that the image
            shows. NaN where an image shows none.
        """
        return _dice(self._counts([rows], test)[0])

    def score(self, rows: Any, test: Any) -> float:
        """Mean Dice of the test images that show any class.

        Parameters
        ----------
        rows : array-like of int
            Images to learn from.
        test : array-like of int
            Images to predict.

        Returns
        -------
        float
            In [0, 1]; NaN if no test image shows any class.
        """
        return float(self.scores([rows], test)[0])

    def scores(self, selections: Sequence[Any], test: Any) -> np.ndarray:
        """`score` of many selections: the test images are gone through once for 64 of them.

        Parameters
        ----------
        selections : sequence of array-like of int
            Images to learn from, each time.
        test : array-like of int
            Images to predict.

        Returns
        -------
        ndarray of shape (n_selections,), float64
        """
        return np.array([_mean(_dice(counts)) for counts in self._counts(selections, test)])

    def runs(
        self, task: Task, picks: Sequence[Mapping[str, Any]], *, segmenter: str = "ridge"
    ) -> list[dict[str, Any]]:
        """Judge selections of a task, as runs that `summarize` and its kind understand.

        Parameters
        ----------
        task : Task
            Whose ``images`` and ``masks`` this judge was made of.
        picks : sequence of mapping
            One a selection: "pool" (number in ``task.pools``), "rows" (of the target), "selector",
            and, if they matter, "embedder" ("none"), "budget" (the number of rows), "draw" (0) and
            whatever else shall be passed on.
        segmenter : str, default="ridge"
            Name of the judge in the runs.

        Returns
        -------
        list of dict
            As `Comparison.runs`, in the order of `picks`. With patients, Dice is that of all images
            of a patient together. Equal selections are judged once.

        Raises
        ------
        ValueError
            The task has another number of images, or a line lacks a key or names no pool of it.

        Examples
        --------
        >>> import numpy as np
        >>> from skxssr.evaluation import RidgeJudge, Task, random_pools, summarize
        >>> rng = np.random.default_rng(0)
        >>> masks = np.zeros((20, 16, 16), dtype=np.uint8)
        >>> masks[:, 4:9, 5:12] = 1
        >>> images = 0.5 * rng.random((20, 16, 16)) + 0.4 * masks
        >>> task = Task("toy", images, masks, images, masks, random_pools(20, n_pools=2))
        >>> picks = [
        ...     {"pool": p, "selector": name, "rows": rng.choice(pool.rows, 3, False)}
        ...     for p, pool in enumerate(task.pools) for name in ("random", "mine")
        ... ]
        >>> runs = RidgeJudge(task.images, task.masks, image_size=16).runs(task, picks)
        >>> [row["selector"] for row in summarize(runs).rows]
        ['mine', 'random']
        """
        if len(task.images) != len(self):
            raise ValueError(
                f"task {task.name!r} has {len(task.images)} target images, the judge knows "
                f"{len(self)}: make it of task.images and task.masks"
            )
        by_pool: dict[int, dict[tuple[int, ...], Any]] = {}
        for number, line in enumerate(picks):
            _check_line(line, number, len(task.pools))
            by_pool.setdefault(line["pool"], {})[_key(line["rows"])] = line["rows"]
        judged = {
            number: self._judge(task, task.pools[number], selections)
            for number, selections in by_pool.items()
        }
        shared = {"task": task.name, "block": "picks", "segmenter": segmenter}
        runs = []
        for line in picks:
            rows = [int(row) for row in line["rows"]]
            usual = {"embedder": "none", "budget": len(rows), "draw": 0}
            fixed = shared | {"seed": self.random_state, "labels": len(rows), "rows": rows}
            runs.append(usual | dict(line) | fixed | judged[line["pool"]][_key(rows)])
        return runs

    def _judge(
        self, task: Task, pool: Pool, selections: Mapping[tuple[int, ...], Any]
    ) -> dict[tuple[int, ...], dict[str, Any]]:
        """Units and their Dice for each selection of one pool."""
        units = unit_names(task, pool)
        unit_of_row = np.arange(len(pool.test))
        if task.groups is not None:
            unit_of_row = np.unique(task.groups[pool.test], return_inverse=True)[1]
        judged = {}
        together = self._counts(list(selections.values()), pool.test)
        for key, counts in zip(selections, together, strict=True):
            total = np.zeros((len(units), *counts.shape[1:]))
            np.add.at(total, unit_of_row, counts)
            judged[key] = {"units": units, "dice": _plain(_dice(total))}
        return judged

    def _counts(self, selections: Sequence[Any], test: Any) -> np.ndarray:
        """(n_selections, n_test, n_classes - 1, 3): pixels in both, in truth, in prediction."""
        test = self._check(test, "test")
        found = []
        for start in range(0, len(selections), TOGETHER):
            part = selections[start : start + TOGETHER]
            networks = [self._pool.network(self._check(rows, "rows")) for rows in part]
            found.append(self._pool.counts(networks, test).numpy())
        return np.concatenate(found)

    def _check(self, rows: Any, name: str) -> np.ndarray:
        index = np.asarray(rows)
        if index.ndim != 1 or index.dtype.kind not in "iu" or not len(index):
            raise ValueError(f"{name} must be a non-empty 1-D sequence of integers. Got {rows!r}.")
        if index.min() < 0 or index.max() >= len(self):
            raise ValueError(
                f"{name} holds {index.min()} to {index.max()}, but the judge knows the images 0 "
                f"to {len(self) - 1}"
            )
        return np.sort(index) if name == "rows" else index


def _dice(counts: np.ndarray) -> np.ndarray:
    """Dice (n,) from pixels in both, in truth and in prediction (n, n_classes - 1, 3)."""
    both, true, pred = np.moveaxis(counts, -1, 0)
    shown = true > 0
    dice = np.divide(2 * both, true + pred, out=np.zeros_like(both), where=shown)
    number = shown.sum(axis=1)
    out = np.full(len(dice), np.nan)
    return np.divide(dice.sum(axis=1), number, out=out, where=number > 0)


def _mean(dice: np.ndarray) -> float:
    known = dice[np.isfinite(dice)]
    return float(known.mean()) if len(known) else float("nan")


def _check_line(line: Mapping[str, Any], number: int, n_pools: int) -> None:
    missing = {"pool", "rows", "selector"} - set(line)
    if missing or line["pool"] not in range(n_pools):
        what = f"lacks {', '.join(sorted(missing))}" if missing else "has an unknown pool"
        raise ValueError(
            f"picks[{number}] {what}: each needs pool (0 to {n_pools - 1}), rows and selector"
        )


def _key(rows: Any) -> tuple[int, ...]:
    """The same for equal selections, whatever their order."""
    return tuple(sorted(int(row) for row in rows))


def _plain(dice: np.ndarray) -> list[float | None]:
    return [round(float(value), 5) if np.isfinite(value) else None for value in dice]
