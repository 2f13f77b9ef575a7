"""Which masks are predicted from which others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__: list[str] = []

_FEW = 50  # masks; below, each of them is worth more to a model than the time of further folds
_FOLDS = (10, 5)  # with few masks, and with more


def draw_folds(
    n: int, groups: Sequence[Any] | None, n_folds: int | None, random_state: int
) -> np.ndarray:
    """The fold of each mask, drawn at random; masks of a group are in one fold.

    A patient whose images were drawn by one annotator would else confirm that annotator.
    """
    labels = np.arange(n) if groups is None else np.unique(list(groups), return_inverse=True)[1]
    n_groups = len(np.unique(labels))
    what = "masks" if groups is None else "patients"
    if n_groups < 3:
        raise ValueError(
            f"there are {n_groups} {what}, and each is compared with what the others say: give 3 "
            "or more, better 10"
        )
    wanted = n_folds if n_folds is not None else _FOLDS[n > _FEW]
    if wanted < 2:
        raise ValueError(f"n_folds ({wanted}) must be 2 or more.")
    order = np.random.default_rng(random_state).permutation(n_groups)
    return (np.argsort(order) % min(wanted, n_groups))[labels].astype(np.intp)
