"""k-means clusters of rows on the cluster, and how typical each row is of its own."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from skxssr._kernels.distances import lower_to_point
from skxssr._utils.threads import limit_threads
from skxssr.base.request import Request
from skxssr.distributed._journal import Journal
from skxssr.distributed._minibatch import can_draw, fit_minibatches
from skxssr.distributed._pool import MOST_BYTES, Pool, take_rows
from skxssr.selection._engine.clusters import (
    Clusters,
    Frame,
    cluster_notes,
    exponent_of,
    fit_k_means,
    inverse_spread,
    is_minibatch,
    minibatch_parameters,
    number_clusters,
)

MOST_HERE = 512 * 2**20  # bytes of rows that k-means by mini-batches takes whole


def _largest(block: np.ndarray, center: np.ndarray) -> float:
    return float(np.abs(block - center).max())


def _nearest_center(block: np.ndarray, frame: Frame, model: Any) -> np.ndarray:
    with limit_threads(1):
        return model.predict(frame(block)).astype(np.int32)


def _squared(block: np.ndarray, center: np.ndarray) -> np.ndarray:
    out = np.full(len(block), np.inf)
    lower_to_point(block, 0, len(block), center, out)
    return out


def clusters_of(
    pool: Pool,
    n_clusters: int,
    request: Request,
    journal: Journal,
    *,
    n_init: int,
    random_state: Any,
) -> Clusters:
    """The clusters that `find_clusters` finds among the same rows in memory.

    The centers are fitted here: on all rows with weight where they are few, else on those that
    mini-batches draw. Labels come from the workers, in blocks that begin where scikit-learn's do.
    """
    center = pool.mean()
    frame = Frame(center, exponent_of(max(pool.cluster.compute(pool.each(_largest, center)))))
    demand = np.flatnonzero(request.weight)
    weight = request.weight / request.weight.max()

    def fit() -> list[Any]:
        return _fit(pool, frame, demand, weight[demand], n_clusters, n_init, random_state).tolist()

    centers = np.array(journal.of("centers", fit), dtype=np.float64)
    raw = pool.column(_nearest_center, frame, _model_of(centers))
    labels, rows, _ = number_clusters(raw)
    return Clusters(
        labels=labels,
        rows=rows,
        weight=np.bincount(labels, weights=weight),
        distance=np.empty(0),
        notes=cluster_notes(len(rows), is_minibatch(len(demand), n_clusters)),
    )


def _fit(
    pool: Pool,
    frame: Frame,
    demand: np.ndarray,
    weight: np.ndarray,
    n_clusters: int,
    n_init: int,
    random_state: Any,
) -> np.ndarray:
    """Centers, in the order of scikit-learn."""
    n = len(demand)
    parameters = minibatch_parameters(min(n_clusters, n), n_init, random_state)
    by_draws = is_minibatch(n, n_clusters) and can_draw(n, parameters)
    if by_draws and n * pool.p * 8 > MOST_HERE:
        return fit_minibatches(
            n, pool.p, lambda drawn: frame(pool.rows(demand[drawn])), weight, parameters
        )
    Z = frame(pool.rows(demand))
    model = fit_k_means(Z, n_clusters, weight, n_init=n_init, random_state=random_state)
    return np.array(model.cluster_centers_)


def _model_of(centers: np.ndarray) -> KMeans:
    """A small model that predicts by the `centers`: fitted on them, and set to them again."""
    model = KMeans(1, n_init=1, max_iter=1, random_state=0)
    with limit_threads(1):
        model.fit(centers[:1])
    model.n_clusters, model.cluster_centers_ = len(centers), centers
    return model


class _Typical(NamedTuple):
    """How typical the rows of some clusters are, and whether the neighbours are exact."""

    values: np.ndarray
    exact: bool


def _typical(labels: np.ndarray, k: int, unit: float, *parts: np.ndarray) -> _Typical:
    """Typicality of rows, which lie in `parts` in their order, within the clusters `labels`."""
    X = np.concatenate(parts)
    order = np.argsort(labels, kind="stable")
    values, exact = np.empty(len(X)), True
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        values[members], found_exactly = inverse_spread(X[members], k, unit, n_jobs=None)
        exact = exact and found_exactly
    return _Typical(values, exact)


def typicality_of(pool: Pool, clusters: Clusters, k: int) -> tuple[np.ndarray, bool]:
    """`typicality_within` of every row; each cluster is brought together on one worker."""
    squared = pool.column(_squared, pool.mean())
    unit = float(np.sqrt(squared.mean())) or 1.0
    row_bytes = pool.p * pool.dtype.itemsize
    _check_fits(pool, clusters, row_bytes)
    sizes = np.array([len(rows) for rows in clusters.rows])
    n_bins = max(2 * pool.cluster.n_threads, pool.n * row_bytes // MOST_BYTES + 1)
    bins = np.minimum((np.cumsum(sizes) - sizes) * n_bins // pool.n, n_bins - 1)
    tasks, members = [], []
    for b in np.unique(bins):
        first, last = np.searchsorted(bins, [b, b + 1])
        rows = np.sort(np.concatenate(clusters.rows[first:last]))
        own = [(positions,) for positions in pool.split(rows)]
        parts = pool.each(take_rows, own=own)
        labels = clusters.labels[rows].astype(np.int32)
        tasks.append(pool.cluster.delayed(_typical, labels, k, unit, *parts))
        members.append(rows)
    typical, exact = np.empty(pool.n), True
    for rows, found in zip(members, pool.cluster.compute(tasks), strict=True):
        typical[rows] = found.values
        exact = exact and found.exact
    return typical, exact


def _check_fits(pool: Pool, clusters: Clusters, row_bytes: int) -> None:
    """Refuse a cluster that no worker could hold twice, which the search of neighbours needs."""
    limit = pool.cluster.least_memory
    largest = max(len(rows) for rows in clusters.rows)
    if limit and 2 * largest * row_bytes > limit:
        raise ValueError(
            f"The largest of {len(clusters.rows)} clusters has {largest} rows, "
            f"{largest * row_bytes / 2**30:.3g} GiB, and must fit twice into the memory of a "
            f"worker, whose limit is {limit / 2**30:.3g} GiB. Ask for more picks, which makes "
            "clusters smaller, or give workers more memory (memory_limit=)."
        )
