"""How well a selection covers a pool, label-free; a loss."""

import numpy as np
from sklearn.utils import check_array

from skxssr._kernels.blocks import kernel_values
from skxssr._kernels.cover import Cover, cover, lower_columns, lower_nearest, reach_of
from skxssr._kernels.demand import Demand, make_demand
from skxssr._kernels.distances import lower_to_point
from skxssr._utils.threads import over_blocks
from skxssr.base.request import check_rows, check_weight

COVERAGE_LOSSES = ("mean_distance", "radius", "kernel")


def precision_of(bandwidth: float) -> float:
    """1 / (2 h^2) as the kernels take it; a bandwidth of 0 (exact matches only) is -1.

    So is one whose square is too small to divide by.
    """
    return 0.5 / bandwidth**2 if bandwidth > 1e-150 else -1.0


def coverage_curve(
    demand: Demand,
    labeled: np.ndarray,
    picks: np.ndarray,
    weight: np.ndarray,
    *,
    kind: str = "mean_distance",
) -> np.ndarray:
    """Loss of the demand after each of the `picks`, row indices; see `coverage_loss`.

    `weight` (n,) is that of the rows, of which the demand points matter. Returns an array of shape
    (n_picks + 1,): first the loss under the rows `labeled` alone, infinite if there are none and
    the loss is a distance.
    """
    m, n_blocks = len(demand.rows), len(demand.radius32)
    kernel = kind == "kernel"
    value = np.zeros(m) if kernel else np.full(m, np.inf)  # covered, or squared distances
    state = Cover(
        value,
        np.full(m, np.inf, dtype=np.float32),
        np.full(n_blocks, np.inf, dtype=np.float32),
    )
    if kernel:
        reach_of(demand, state)
        cover(demand, labeled, 0, n_blocks, state)
    else:
        for row in labeled:
            lower_columns(demand, row, *state)
    used = np.flatnonzero(~demand.filler)
    weight = weight[demand.rows[used]]
    losses = [_loss(value[used], weight, kind)]
    for t in range(len(picks)):
        if kernel:
            cover(demand, picks[t : t + 1], 0, n_blocks, state)
        else:
            lower_columns(demand, picks[t], *state)
        losses.append(_loss(value[used], weight, kind))
    return np.array(losses)


def _loss(state: np.ndarray, weight: np.ndarray, kind: str) -> float:
    """The loss where `state` is what is covered, or for the other kinds squared distances."""
    if kind == "kernel":
        return 1.0 - float(np.average(state, weights=weight))
    positive = weight > 0
    if kind == "radius":
        return float(np.sqrt(state[positive].max()))
    return float(np.average(np.sqrt(state[positive]), weights=weight[positive]))


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
    nearest, precision = np.full(len(X), np.inf), precision_of(bandwidth or 0.0)
    bound = diameter_bound(X, n_jobs=None)
    none = np.empty(0, dtype=np.int64)
    demand = make_demand(X, none, np.empty(0), sampled=False, precision=precision, diameter=bound)
    rows, picks = np.arange(len(X), dtype=np.int32), selected.astype(np.int64)
    picks32 = np.ascontiguousarray(demand.X32[picks].T)
    seen = np.zeros(len(X), dtype=np.int32)
    lower_nearest(demand, rows, 0, len(rows), picks, picks32, seen, nearest)
    if kind == "kernel":
        kernel_values(nearest, precision, nearest)
    return _loss(nearest, weight, kind)


def diameter_bound(X: np.ndarray, *, n_jobs: int | None) -> float:
    """Twice the largest distance to the mean: no two rows are farther apart."""
    nearest = np.full(len(X), np.inf)
    center = X.mean(axis=0, dtype=np.float64)
    over_blocks(lambda lo, hi: lower_to_point(X, lo, hi, center, nearest), len(X), n_jobs=n_jobs)
    return 2.0 * float(np.sqrt(nearest.max())) * (1 + 1e-9)
