"""The default preprocessing: scale by both sides, then PCA of them.

The same floats come out on any number of threads: fitted on one, applied in fixed blocks of rows.
"""

from collections.abc import Callable

import numpy as np
from scipy import linalg

from skxssr._utils.threads import limit_threads, over_blocks

MAX_FIT_ROWS = 20_000
MAX_COMPONENTS = 32
BLOCK = (
    4096  # rows transformed at a time, from the first: a matrix product of others may round anew
)

Transform = Callable[[np.ndarray], np.ndarray]


def evenly_spaced(n: int, m: int, offset: float = 0.5) -> np.ndarray:
    """`m` distinct positions of `range(n)` at even spacing, shifted by `offset` in [0, 1)."""
    if m >= n:
        return np.arange(n)
    positions = np.floor((np.arange(m) + offset) * (n / m)).astype(np.intp)
    return np.minimum(positions, n - 1)


def fit_positions(n: int) -> np.ndarray:
    """The rows of a side of `n` that the preprocessing is fitted on."""
    return evenly_spaced(n, MAX_FIT_ROWS)


def _fit_rows(X: np.ndarray) -> np.ndarray:
    return np.asarray(X[fit_positions(len(X))], dtype=np.float64, order="C")


def _mean(X: np.ndarray) -> np.ndarray:
    """Mean of each column, exact where the column is constant."""
    return X[0] + (X - X[0]).mean(axis=0)


def _spread(X: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Deviation of each column about `center`; 0 where only rounding makes it differ from 0."""
    deviation = np.sqrt(np.mean((X - center) ** 2, axis=0))
    rounding = 10 * np.finfo(np.float64).eps * np.abs(X).max(axis=0)
    return np.where(deviation <= rounding, 0.0, deviation)


def fit_scale_and_pca(
    source: np.ndarray | None, target: np.ndarray, *, n_jobs: int | None = None
) -> Transform:
    """Fit the default preprocessing.

    Parameters
    ----------
    source : ndarray of shape (n_source, d) or None
        None: the target alone gives scales and axes.
    target : ndarray of shape (n, d)
        Counts as much as the source, however many rows either has.
    n_jobs : int, optional
        Threads of the transform.

    Returns
    -------
    callable
        Takes an array of shape (rows, d), returns float32 of shape
        (rows, min(32, d, rows used in the fit - 1)), at least one column.

    Notes
    -----
    The scale of a feature is its deviation about the mean of the two means, each side weighing one
    half. The source's deviation alone would blow up a feature that is nearly constant at the
    source and varies at the target, up to a thousandfold. Principal axes are those of the
    covariance with the same weights. At most 20,000 evenly spaced rows of a side are used. Signs
    are fixed by making the largest entry of each axis positive.
    """
    sides = [_fit_rows(target)] if source is None else [_fit_rows(source), _fit_rows(target)]
    center = np.mean([_mean(side) for side in sides], axis=0)
    scale = np.sqrt(np.mean([_spread(side, center) ** 2 for side in sides], axis=0))
    scale[scale == 0.0] = 1.0

    stacked = np.vstack([(side - center) / scale / np.sqrt(len(side)) for side in sides])
    rows, d = stacked.shape
    n_components = max(1, min(MAX_COMPONENTS, d, rows - 1))
    with limit_threads(1):
        if d <= rows:
            top = [d - n_components, d - 1]
            axes = linalg.eigh(stacked.T @ stacked, subset_by_index=top)[1].T[::-1]
        else:
            axes = linalg.svd(stacked, full_matrices=False)[2][:n_components]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = np.ascontiguousarray((axes * np.where(largest < 0, -1.0, 1.0)).T)

    def transform(X: np.ndarray) -> np.ndarray:
        out = np.empty((len(X), n_components), dtype=np.float32)

        def project(lo: int, hi: int) -> None:
            block = np.subtract(X[lo:hi], center, order="C")
            block /= scale
            out[lo:hi] = block @ axes

        with limit_threads(1):
            over_blocks(project, len(X), n_jobs=n_jobs, size=BLOCK)
        return out

    return transform


def normalize_rows(X: np.ndarray) -> np.ndarray:
    """Rows of length 1 in the dtype of `X`; a zero row stays zero."""
    norms = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    norms[norms == 0.0] = 1.0
    return (X / norms[:, None]).astype(X.dtype)
