"""Which picture each pick stands for: the pictures to which it is the nearest."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from skxssr.base.preprocess import fit_scale_and_pca

__all__ = ["Represented", "find_represented", "reasons_of"]


class Represented(NamedTuple):
    """What `find_represented` returns, one entry a row of the pool.

    Attributes
    ----------
    nearest : ndarray of shape (n_samples,), int32
        Position of the nearest pick, from 0 in pick order; -1 where a labelled row is nearer.
    distance : ndarray of shape (n_samples,), float32
        Distance to it, or to the labelled row.
    """

    nearest: np.ndarray
    distance: np.ndarray


def find_represented(
    source: np.ndarray | None,
    X: np.ndarray,
    picks: np.ndarray,
    labeled: Sequence[int] | np.ndarray = (),
) -> Represented:
    """Find the nearest pick of every row, after the default preprocessing of the selectors.

    Of several at the same distance the first picked counts; a pick stands for itself, and a row
    that is labelled already for itself too.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features) or None
        Embeddings of the source, which have a say in the preprocessing alone.
    X : ndarray of shape (n_samples, n_features)
        The pool.
    picks : ndarray of shape (n_picks,), int
        In pick order.
    labeled : sequence of int, optional
        Rows that were labelled before.

    Returns
    -------
    Represented

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.workflows.represented import find_represented, reasons_of
    >>> found = find_represented(None, np.array([[0.0], [1.0], [9.0], [8.0], [9.5]]), [0, 2])
    >>> found.nearest
    array([0, 0, 1, 1, 1], dtype=int32)
    >>> reasons_of(found, 2)
    ['stands for 1 image like it', 'stands for 2 images like it']
    """
    Z = fit_scale_and_pca(source, X)(X)
    centers = np.concatenate([picks, np.asarray(labeled, dtype=np.intp)]).astype(np.intp)
    nearest, distance = pairwise_distances_argmin_min(Z, Z[centers])
    nearest[centers], distance[centers] = np.arange(len(centers)), 0.0
    nearest = np.where(nearest < len(picks), nearest, -1)
    return Represented(nearest.astype(np.int32), distance.astype(np.float32))


def reasons_of(represented: Represented, n_picks: int) -> list[str]:
    """For each pick, in a few words, how many other images it is the nearest pick of.

    Parameters
    ----------
    represented : Represented
        What `find_represented` returned.
    n_picks : int
        How many picks there are.

    Returns
    -------
    list of str
        In pick order.
    """
    nearest = represented.nearest
    others = np.bincount(nearest[nearest >= 0], minlength=n_picks) - 1
    return [
        "stands for itself alone"
        if n == 0
        else f"stands for {n} {'image' if n == 1 else 'images'} like it"
        for n in others
    ]
