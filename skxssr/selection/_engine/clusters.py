"""k-means clusters, typical rows, and the order of picks.

Shared by the selectors that take one row of each cluster.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans

from skxssr._kernels.distances import lower_to_point
from skxssr._utils.threads import limit_threads, over_blocks
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.neighbors import kneighbors

MINIBATCH_FROM = 10_000_000  # rows x clusters; ten runs of k-means on 20,000 x 200 took 10 s
_BATCH = 5_000
TINY = 1e-12


@dataclass(frozen=True)
class Clusters:
    """A partition of the pool, clusters numbered in the order of their first rows.

    Attributes
    ----------
    labels : ndarray of shape (n,), int
        Cluster of each row.
    rows : list of ndarray of int
        Rows of each cluster, ascending; none is empty.
    weight : ndarray of shape (n_clusters,), float64
        Demand of each cluster: the sum over its rows, where the largest weight of a row is 1.
    distance : ndarray of shape (n,), float64
        Distance of each row to the center of its cluster; empty where nobody asked for it.
    notes : dict
        What `Selection.scales` reports.
    """

    labels: np.ndarray
    rows: list[np.ndarray]
    weight: np.ndarray
    distance: np.ndarray
    notes: dict[str, Any]

    def visits(self, picked: np.ndarray) -> np.ndarray:
        """How many of the rows `picked` lie in each cluster."""
        return np.bincount(self.labels[picked], minlength=len(self.rows))

    def terms(self, picks: np.ndarray) -> dict[str, np.ndarray]:
        """Number and weight of the cluster of each pick, for the record."""
        cluster = self.labels[picks]
        return {"cluster": cluster.astype(np.float64), "cluster_weight": self.weight[cluster]}


class Frame(NamedTuple):
    """Rows as k-means takes them: moved to the mean, and scaled by a power of 2.

    Squares then neither overflow nor vanish; a power of 2 changes no other bit.
    """

    center: np.ndarray
    exponent: int = 0

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Rows of the pool in this frame, float64."""
        return np.ldexp(X - self.center, -self.exponent)


def exponent_of(largest: float) -> int:
    """The exponent of a `Frame` whose moved rows have no larger magnitude."""
    return int(np.frexp(largest)[1])


def is_minibatch(n: int, n_clusters: int) -> bool:
    """Whether so many rows are clustered by mini-batches."""
    return n * min(n_clusters, n) > MINIBATCH_FROM


def minibatch_parameters(n_clusters: int, n_init: int, random_state: Any) -> dict[str, Any]:
    """The parameters of the `MiniBatchKMeans` of a large pool."""
    return {
        "n_clusters": n_clusters,
        "batch_size": _BATCH,
        "n_init": n_init,
        "random_state": random_state,
    }


def fit_k_means(
    Z: np.ndarray, n_clusters: int, weight: np.ndarray, *, n_init: int, random_state: Any
) -> Any:
    """k-means on rows in a `Frame`, all of positive weight: of scikit-learn, on one thread.

    With several, the order of its additions, and with it now and then a label, differs from run to
    run.
    """
    with limit_threads(1):
        if is_minibatch(len(Z), n_clusters):
            wanted = min(n_clusters, len(Z))
            model = MiniBatchKMeans(**minibatch_parameters(wanted, n_init, random_state))
        else:
            wanted = min(n_clusters, len(np.unique(Z, axis=0)))
            model = KMeans(wanted, n_init=n_init, random_state=random_state)
        return model.fit(Z, sample_weight=weight)


def number_clusters(raw: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Clusters in the order of their first rows.

    Returns the number of each row, the rows of each cluster, and the label in `raw` of each.
    """
    found, first, inverse = np.unique(raw, return_index=True, return_inverse=True)
    order = np.argsort(first)
    labels = np.argsort(order)[inverse]
    sizes = np.bincount(labels)
    rows = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    return labels, rows, found[order]


def find_clusters(
    X: np.ndarray, n_clusters: int, weight: np.ndarray, *, n_init: int, random_state: Any
) -> Clusters:
    """k-means on the rows with weight; every row then belongs to its nearest center.

    There are fewer than `n_clusters` where the pool has fewer distinct rows. By mini-batches where
    rows times clusters exceed 10 million.
    """
    center = X.mean(axis=0, dtype=np.float64)
    frame = Frame(center, exponent_of(np.abs(X - center).max()))
    Z = frame(X)
    demand = np.flatnonzero(weight)
    weight = weight / weight.max()
    model = fit_k_means(
        Z[demand], n_clusters, weight[demand], n_init=n_init, random_state=random_state
    )
    with limit_threads(1):
        raw = model.predict(Z)
    labels, rows, found = number_clusters(raw)
    centers = model.cluster_centers_[found]
    distance = np.empty(len(Z))
    for cluster, members in enumerate(rows):
        difference = Z[members] - centers[cluster]
        distance[members] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    minibatch = is_minibatch(len(demand), n_clusters)
    return Clusters(
        labels=labels,
        rows=rows,
        weight=np.bincount(labels, weights=weight),
        distance=np.ldexp(distance, frame.exponent),
        notes=cluster_notes(len(rows), minibatch),
    )


def cluster_notes(n_clusters: int, minibatch: bool) -> dict[str, Any]:
    """What the record says of the clusters."""
    return {"n_clusters": n_clusters, "minibatch": minibatch, "exact": not minibatch}


def radius(X: np.ndarray, *, n_jobs: int | None) -> float:
    """Root mean square distance of the rows to their mean; 1 if they are all equal."""
    squared = squared_to(X, X.mean(axis=0, dtype=np.float64), n_jobs=n_jobs)
    return float(np.sqrt(squared.mean())) or 1.0


def squared_to(X: np.ndarray, point: np.ndarray, *, n_jobs: int | None) -> np.ndarray:
    """Squared distance of every row to `point`."""
    out = np.full(len(X), np.inf)
    over_blocks(lambda lo, hi: lower_to_point(X, lo, hi, point, out), len(X), n_jobs=n_jobs)
    return out


def inverse_spread(
    X: np.ndarray, k: int, unit: float, *, n_jobs: int | None
) -> tuple[np.ndarray, bool]:
    """1 / mean distance to the `k` nearest other rows, at most 1e12 / `unit`; and whether exact.

    All others where there are fewer; 0 for a row alone.
    """
    k = min(k, len(X) - 1)
    if k == 0:
        return np.zeros(len(X)), True
    distances, exact = kneighbors(None, X, k, n_jobs=n_jobs)
    return 1.0 / np.maximum(distances.mean(axis=1), TINY * unit), exact


def typicality_within(
    X: np.ndarray, clusters: Clusters, k: int, *, n_jobs: int | None
) -> tuple[np.ndarray, bool]:
    """`inverse_spread` of each row among the rows of its cluster; and whether all are exact."""
    unit = radius(X, n_jobs=n_jobs)
    typicality, exact = np.empty(len(X)), True
    for rows in clusters.rows:
        typicality[rows], found_exactly = inverse_spread(X[rows], k, unit, n_jobs=n_jobs)
        exact = exact and found_exactly
    return typicality, exact


def pick_from_clusters(
    clusters: Clusters,
    score: np.ndarray,
    request: Request,
    *,
    min_size: int = 1,
    utilities: np.ndarray | None = None,
) -> np.ndarray:
    """The picks, in order: the best row of the largest cluster with the fewest picks.

    Labelled rows count as picks of their cluster. Clusters of fewer than `min_size` rows come
    after all others. A cluster with no row that may be picked now is skipped. Ties go to the
    cluster that holds the lowest row and, within a cluster, to the lowest row.

    `utilities` of shape (budget, n) is filled, for each row that may be picked, with its score as
    a share of the largest, less 1 for every cluster that comes first: the pick has the highest.
    """
    constraint = GroupConstraint(len(score), request)
    visits = clusters.visits(request.labeled)
    small = np.array([len(rows) < min_size for rows in clusters.rows])
    picks = np.empty(request.budget, dtype=np.int64)
    for t in range(request.budget):
        order = np.lexsort((-clusters.weight, visits, small))
        if utilities is not None:
            _fill(utilities[t], clusters, score, order, constraint.allowed)
        for cluster in order:
            rows = clusters.rows[cluster]
            rows = rows[constraint.allowed[rows]]
            if len(rows):
                break
        picks[t] = rows[np.argmax(score[rows])]
        visits[cluster] += 1
        constraint.take(picks[t])
    return picks


def _fill(
    utility: np.ndarray,
    clusters: Clusters,
    score: np.ndarray,
    order: np.ndarray,
    allowed: np.ndarray,
) -> None:
    """The utilities of one pick; see `pick_from_clusters`."""
    is_open = np.bincount(clusters.labels[allowed], minlength=len(order)) > 0
    order = order[is_open[order]]
    place = np.zeros(len(is_open))
    place[order] = np.arange(len(order))
    utility[allowed] = score[allowed] / (score.max() or 1.0) - place[clusters.labels[allowed]]
