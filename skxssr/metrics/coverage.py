"""How well a selection covers a pool, label-free; a loss. Imports `_kernels` and `_request`."""

import numpy as np
from sklearn.utils import check_array

from skxssr._kernels.distances import lower_to_point
from skxssr._kernels.greedy import cover
from skxssr._request import check_rows, check_weight
from skxssr._threads import over_blocks

COVERAGE_LOSSES = ("mean_distance", "radius", "kernel")


def precision_of(bandwidth: float) -> float:
    """1 / (2 h^2) as the kernels take it; a bandwidth of 0 (exact matches only) is -1.

    So is one whose square is too small to divide by.
    """
    return 0.5 / bandwidth**2 if bandwidth > 1e-150 else -1.0


def coverage_curve(
    demand: np.ndarray,
    weight: np.ndarray,
    labeled: np.ndarray,
    picks: np.ndarray,
    *,
    kind: str = "mean_distance",
    bandwidth: float = 0.0,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Loss of `demand` after each of the `picks`, given as rows of features; see `coverage_loss`.

    Returns an array of shape (n_picks + 1,): first the loss under `labeled` alone, infinite if
    nothing is labelled and the loss is a distance.
    """
    losses = np.empty(len(picks) + 1)
    if kind == "kernel":
        transposed = np.ascontiguousarray(demand.T, dtype=np.float64)
        covered = np.zeros(len(demand))
        precision = precision_of(bandwidth)
    nearest = np.full(len(demand), np.inf)
    positive = weight > 0
    points = [*labeled, *picks]
    for t in range(len(points) + 1):
        if t >= len(labeled):
            if kind == "kernel":
                losses[t - len(labeled)] = 1.0 - np.average(covered, weights=weight)
            elif kind == "radius":
                losses[t - len(labeled)] = np.sqrt(nearest[positive].max())
            else:
                losses[t - len(labeled)] = np.average(
                    np.sqrt(nearest[positive]), weights=weight[positive]
                )
        if t == len(points):
            break
        point = points[t]
        if kind == "kernel":
            cover(point, transposed, precision, covered)
        else:
            over_blocks(
                lambda lo, hi, point=point: lower_to_point(demand, lo, hi, point, nearest),  # type: ignore[misc]
                len(demand),
                n_jobs=n_jobs,
            )
    return losses


def coverage_loss(
    X: np.ndarray,
    selected: np.ndarray,
    *,
    kind: str = "mean_distance",
    bandwidth: float | None = None,
    sample_weight: np.ndarray | None = None,
) -> float:
    """How badly the rows `selected` cover the pool; lower is better.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The pool, in the space in which distances are meant.
    selected : array-like of int, or boolean mask of shape (n_samples,)
        Rows that cover, at least one.
    kind : {"mean_distance", "radius", "kernel"}, default="mean_distance"
        "mean_distance" is the mean distance of a row to the nearest selected one (the k-median
        objective), "radius" the largest (the k-center objective), "kernel" 1 minus the mean over
        rows of the largest Gaussian kernel to a selected one (generalised coverage [1]_).
    bandwidth : float, optional
        Of the Gaussian, required for "kernel", in units of distance.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row in the mean; "radius" ignores rows of weight 0.

    Returns
    -------
    float
        In units of distance, or for "kernel" in [0, 1].

    Raises
    ------
    ValueError
        `kind` is unknown, `selected` is empty or out of range, `sample_weight` is negative or of
        the wrong length, or "kernel" has no bandwidth.

    References
    ----------
    .. [1] Bae, Noh, Sutherland. Generalized Coverage for More Robust Low-Budget Active Learning.
       ECCV 2024. :arxiv:`2407.12212`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.metrics import coverage_loss
    >>> coverage_loss(np.array([[0.0], [1.0], [5.0]]), [0])
    2.0
    >>> coverage_loss(np.array([[0.0], [1.0], [5.0]]), [0], kind="radius")
    5.0
    """
    if kind not in COVERAGE_LOSSES:
        raise ValueError(f"kind must be one of {COVERAGE_LOSSES}. Got {kind!r} instead.")
    if kind == "kernel" and (bandwidth is None or not bandwidth > 0):
        raise ValueError(f"kind='kernel' needs a positive bandwidth. Got {bandwidth!r} instead.")
    X = check_array(X, dtype=[np.float64, np.float32], order="C", input_name="X")
    selected = check_rows(selected, len(X), "selected")
    if selected.size == 0:
        raise ValueError("selected is empty: coverage needs at least one row.")
    weight = check_weight(sample_weight, len(X))
    curve = coverage_curve(X, weight, X[:0], X[selected], kind=kind, bandwidth=bandwidth or 0.0)
    return float(curve[-1])
