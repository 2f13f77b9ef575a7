"""What a comparison runs on: a source, a target with masks, and pools of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from skxssr.io import Images, Masks

__all__ = ["Pool", "Task", "fold_pools", "random_pools"]


class Pool(NamedTuple):
    """One repetition: what may be picked, and what it is tested on.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the target from which selectors pick, ascending.
    test : ndarray of int
        Rows of the target on which networks are scored; none is in `rows`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import Pool
    >>> Pool(rows=np.arange(6), test=np.arange(6, 9)).test
    array([6, 7, 8])
    """

    rows: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Task:
    """A labelled source and a labelled target, for `compare_selectors`.

    Parameters
    ----------
    name : str
        Under which results are filed.
    source_images : images
        As for `skxssr.io.Images`.
    source_masks : masks
        As for `skxssr.io.Masks`.
    images, masks : images and masks
        Of the target. Its masks are read for what a selector picked and to score, never to select.
    pools : sequence of Pool
        From `random_pools` or `fold_pools`.
    ids : sequence of str, optional
        Names of the target images; numbers by default.
    groups : array-like of shape (n_target,), optional
        Patient of each target image. Given, picks are spread over patients and scores are those
        of patients.
    spacing : tuple of float, optional
        Height and width of a pixel in mm, for distances between surfaces.
    sites : array-like of shape (n_target,), optional
        Hospital of each target image: the strata of `skxssr.StratifiedRandomSelector`.

    Raises
    ------
    ValueError
        Numbers of images, masks, ids, groups and sites differ; a pool shares a row, or a patient,
        with its test set.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import Task, random_pools
    >>> images, masks = np.zeros((20, 8, 8)), np.zeros((20, 8, 8), dtype=np.uint8)
    >>> pools = random_pools(20, n_pools=3, test=0.25, share=0.8, random_state=0)
    >>> task = Task("toy", images, masks, images, masks, pools)
    >>> [(len(pool.rows), len(pool.test)) for pool in task.pools]
    [(12, 5), (12, 5), (12, 5)]
    """

    name: str
    source_images: Any
    source_masks: Any
    images: Any
    masks: Any
    pools: Sequence[Pool]
    ids: Sequence[str] = ()
    groups: Any = None
    spacing: tuple[float, float] | None = field(default=None, kw_only=True)
    sites: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        assign = object.__setattr__
        for name in ("source_images", "images"):
            assign(self, name, Images(getattr(self, name)))
        for name in ("source_masks", "masks"):
            assign(self, name, Masks(getattr(self, name)))
        n = len(self.images)
        assign(self, "ids", [str(i) for i in (self.ids if len(self.ids) else range(n))])
        lengths = {"masks": len(self.masks), "ids": len(self.ids)}
        for name in ("groups", "sites"):
            if getattr(self, name) is not None:
                assign(self, name, np.asarray(getattr(self, name)))
                lengths[name] = len(getattr(self, name))
        for name, length in lengths.items():
            if length != n:
                raise ValueError(f"The task has {n} target images but {length} {name}.")
        if len(self.source_images) != len(self.source_masks):
            raise ValueError(
                f"The task has {len(self.source_images)} source images but "
                f"{len(self.source_masks)} source masks."
            )
        if len(set(self.ids)) != n:
            raise ValueError("ids must differ from one another: results are filed under them.")
        for number, pool in enumerate(self.pools):
            both = np.intersect1d(self.of(pool.rows), self.of(pool.test))
            if both.size:
                noun = "rows" if self.groups is None else "patients"
                raise ValueError(
                    f"Pool {number} and its test set share {both.size} {noun}, such as {both[0]}: "
                    "a score on them would mean nothing. Split by patient."
                )

    def of(self, rows: np.ndarray) -> np.ndarray:
        """The patient of each row, or the row itself where there are no patients.

        Parameters
        ----------
        rows : ndarray of int
            Rows of the target.

        Returns
        -------
        ndarray
            One entry a row.
        """
        return rows if self.groups is None else self.groups[rows]


def random_pools(
    n: int,
    *,
    n_pools: int,
    test: Any = 0.25,
    share: float = 0.7,
    groups: Any = None,
    random_state: Any = None,
) -> list[Pool]:
    """Random parts of a target, so that a comparison does not hang on one pool.

    Parameters
    ----------
    n : int
        Number of target images.
    n_pools : int
        Repetitions.
    test : float or array-like of int, default=0.25
        A share: each pool has a test set of its own, drawn first (rotation, to make choices).
        Rows: the same test set for every pool (to report).
    share : float, default=0.7
        Part of the remaining images, or patients, that a pool holds.
    groups : array-like of shape (n,), optional
        Patients, never divided.
    random_state : int, optional
        Pool i does not depend on `n_pools`.

    Returns
    -------
    list of Pool

    Raises
    ------
    ValueError
        A share is not in (0, 1], or leaves a pool or a test set empty.

    Examples
    --------
    >>> from skxssr.evaluation import random_pools
    >>> pools = random_pools(40, n_pools=2, test=0.25, share=0.5, random_state=0)
    >>> [(len(pool.rows), len(pool.test)) for pool in pools]
    [(15, 10), (15, 10)]
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1. Got {share!r} instead.")
    members = (
        np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    entropy = np.random.SeedSequence(random_state if random_state is not None else None)
    pools = []
    for seed in entropy.spawn(n_pools):
        rng = np.random.default_rng(seed)
        units = rng.permutation(int(members.max()) + 1)
        if np.ndim(test) == 0:
            if not 0 < test < 1:
                raise ValueError(f"test must be a share in (0, 1) or rows. Got {test!r} instead.")
            cut = round(test * len(units))
            tested, rest = units[:cut], units[cut:]
            held = np.flatnonzero(np.isin(members, tested))
        else:
            held = np.sort(np.asarray(test))
            rest = units[~np.isin(units, members[held])]
        kept = rest[: round(share * len(rest))]
        rows = np.flatnonzero(np.isin(members, kept))
        if not len(rows) or not len(held):
            raise ValueError(
                f"test={test!r} and share={share!r} leave {len(rows)} images to pick from and "
                f"{len(held)} to test on, of {n}: change the shares."
            )
        pools.append(Pool(rows, held))
    return pools


def fold_pools(groups: Any, *, n_folds: int = 5, random_state: Any = None) -> list[Pool]:
    """Cross-validation by patient: each fold is a test set once, the rest its pool.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Patient of each image; ``np.arange(n)`` where each is its own.
    n_folds : int, default=5
        Number of folds.
    random_state : int, optional
        Of the shuffling of the patients.

    Returns
    -------
    list of Pool

    Examples
    --------
    >>> from skxssr.evaluation import fold_pools
    >>> [pool.test.tolist() for pool in fold_pools([0, 0, 1, 1], n_folds=2, random_state=0)]
    [[0, 1], [2, 3]]
    """
    members = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(members.max()) + 1
    if not 2 <= n_folds <= count:
        raise ValueError(f"n_folds must be from 2 to {count}, the patients. Got {n_folds}.")
    order = np.random.default_rng(random_state).permutation(count)
    pools = []
    for part in np.array_split(order, n_folds):
        held = np.isin(members, part)
        pools.append(Pool(np.flatnonzero(~held), np.flatnonzero(held)))
    return pools
