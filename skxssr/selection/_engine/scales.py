"""Fixed before the greedy loop: demand, bandwidth, novelty.

Formulas and their reasons: docs/method.rst.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from skxssr._kernels.blocks import kernel_values
from skxssr._kernels.demand import Demand, near_each_other
from skxssr._kernels.distances import lower_to_point
from skxssr._utils.warn import warn_caller
from skxssr.base.preprocess import evenly_spaced
from skxssr.base.request import Request
from skxssr.metrics.coverage import coverage_curve, diameter_bound
from skxssr.neighbors import kneighbors

MIN_DEMAND = 5_000
DEMAND_PER_PICK = 30
MAX_BANDWIDTH = 5_000
MAX_SOURCE = 5_000
MAX_RANGE = 1_000
_TINY = 1e-12


@dataclass(frozen=True)
class Scales:
    """Scales of one selection.

    Attributes
    ----------
    demand : ndarray of shape (m,), int
        Rows of the pool that stand for all of them.
    blocks : ndarray of shape (n_blocks + 1,), int
        First of each block of `demand`, see `near_each_other`.
    n_neighbors : int
        The k of density and novelty.
    bandwidth : float
        Of the Gaussian kernel; 0: exact matches only.
    diameter : float
        A bound on every distance within the pool: diversity before the first pick.
    notes : dict
        What `Selection.scales` reports.
    """

    demand: np.ndarray
    blocks: np.ndarray
    n_neighbors: int
    bandwidth: float
    diameter: float
    notes: dict[str, Any]


def demand_rows(n: int, request: Request, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Rows that stand for the whole pool, and what the record says of them.

    Parameters
    ----------
    n : int
        Rows of the pool.
    request : Request
    seed : int
        Offset of the sample, if it is one.

    Returns
    -------
    demand : ndarray of shape (m,), int
        All rows, or evenly spaced ones of positive weight: at least 5,000 and 30 a pick.
    notes : dict
        "n_demand" and "demand_sampled".
    """
    total = len(request.labeled) + request.budget
    m = min(n, max(MIN_DEMAND, DEMAND_PER_PICK * total))
    # rows without weight are no demand: a sample is not spent on them
    rows = np.arange(n) if m == n else np.flatnonzero(request.weight)
    demand = rows[evenly_spaced(len(rows), m, np.random.default_rng(seed).random())]
    return demand, {"n_demand": len(demand), "demand_sampled": len(demand) < len(rows)}


def fix_scales(
    X: np.ndarray,
    request: Request,
    *,
    n_neighbors: int | None,
    algorithm: str,
    seed: int,
    n_jobs: int | None,
    bandwidth_scale: float = 2.0,
) -> Scales:
    """Choose the demand set, k and the bandwidth for a pool and a budget."""
    demand, notes = demand_rows(len(X), request, seed)
    return scales_of_demand(
        X[demand],
        demand,
        notes,
        len(request.labeled) + request.budget,
        diameter_bound(X, n_jobs=n_jobs),
        n_neighbors=n_neighbors,
        algorithm=algorithm,
        seed=seed,
        n_jobs=n_jobs,
        bandwidth_scale=bandwidth_scale,
    )


def scales_of_demand(
    points: np.ndarray,
    demand: np.ndarray,
    notes: dict[str, Any],
    total: int,
    diameter: float,
    *,
    n_neighbors: int | None,
    algorithm: str,
    seed: int,
    n_jobs: int | None,
    bandwidth_scale: float = 2.0,
) -> Scales:
    """The scales of a demand set: `points` (m, p) are its rows `demand` (m,) of the pool.

    `notes` are those of `demand_rows`, `total` is how many rows cover in the end, and `diameter` is
    a bound on every distance within the pool.
    """
    order, blocks = near_each_other(points, np.arange(len(demand)))
    demand, points = demand[order], points[order]
    m = len(demand)
    if n_neighbors is None:
        k = int(np.clip(np.floor(m / total / 2 + 0.5), 5, 20))
    else:
        k = n_neighbors
    if k > m - 1:
        if n_neighbors is not None:
            warn_caller(f"n_neighbors={n_neighbors} was lowered to {m - 1}: the pool has {m} rows.")
        k = m - 1
    some = points[evenly_spaced(m, MAX_BANDWIDTH, np.random.default_rng(seed).random())]
    graph, exact = kneighbors(  # the nearest to each is the point itself
        some, points, k + 1, algorithm=algorithm, random_state=seed, n_jobs=n_jobs
    )
    reach = graph[:, -1] if k else np.empty(0)
    reach = reach[reach > 0]
    bandwidth = bandwidth_scale * float(np.median(reach)) if reach.size else 0.0
    return Scales(
        demand=demand,
        blocks=blocks,
        n_neighbors=k,
        bandwidth=bandwidth,
        diameter=diameter,
        notes={
            **notes,
            "n_neighbors": k,
            "bandwidth": bandwidth,
            "n_bandwidth_rows": len(some),
            "exact": bool(exact),
        },
    )


def coverage_of(
    demand: Demand, request: Request
) -> Callable[[np.ndarray, np.ndarray, str], np.ndarray]:
    """What returns the coverage curve of picks: a function of picks, weights (n,) and the kind."""

    def curve(picks: np.ndarray, weight: np.ndarray, kind: str) -> np.ndarray:
        return coverage_curve(demand, request.labeled.astype(np.int64), picks, weight, kind=kind)

    return curve


def typicality(
    X: np.ndarray, k: int, *, algorithm: str, seed: int, n_jobs: int | None
) -> tuple[np.ndarray, bool]:
    """Rank of 1 / mean distance to the k nearest other rows, as (r + 1) / n, ties the highest.

    Returns it with whether the neighbours are certainly the nearest.
    """
    distances, exact = kneighbors(
        None, X, min(k, len(X) - 1), algorithm=algorithm, random_state=seed, n_jobs=n_jobs
    )
    spread = distances.mean(axis=1) if distances.shape[1] else np.zeros(len(X))
    return ranks(-spread), exact


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank r of each value, the lowest 0, as (r + 1) / n; ties share the highest."""
    return rankdata(values, method="max") / len(values)


def distance_range(X: np.ndarray, *, seed: int) -> float:
    """95th percentile of the distances between rows of the pool, or of a seeded sample of it.

    0 if nearly all pairs are equal.
    """
    rows = X[evenly_spaced(len(X), MAX_RANGE, np.random.default_rng(seed).random())]
    pairs = [np.empty(0)]
    for i in range(1, len(rows)):
        squared = np.full(len(rows), np.inf)
        lower_to_point(rows, 0, i, rows[i], squared)
        pairs.append(squared[:i])
    squared = np.concatenate(pairs)
    return float(np.percentile(np.sqrt(squared), 95)) if squared.size else 0.0


def novelty(
    X: np.ndarray,
    source: np.ndarray,
    k: int,
    *,
    diameter: float,
    algorithm: str,
    seed: int,
    n_jobs: int | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Mean distance of each row to its k nearest source rows, and what was sampled.

    Floored at a tiny share of the `diameter` of the pool, so that it does not depend on the unit.
    """
    source = source[source_sample(len(source), seed)]
    used = len(source)
    k = min(k, used)
    distances, exact = kneighbors(
        X, source, k, algorithm=algorithm, random_state=seed, n_jobs=n_jobs
    )
    notes = {"n_source_used": used, "novelty_neighbors": k, "novelty_exact": bool(exact)}
    return np.maximum(distances.mean(axis=1), _TINY * (diameter or 1.0)), notes


def source_cover(source: np.ndarray, demand: Demand, *, seed: int) -> np.ndarray:
    """Largest kernel value of each demand point to a source row."""
    rows = source[source_sample(len(source), seed)]
    nearest = np.full(len(demand.rows), np.inf)
    points = np.ascontiguousarray(demand.points.T)
    for row in rows:
        lower_to_point(points, 0, len(points), row, nearest)
    kernel_values(nearest, demand.precision, nearest)
    return nearest


def source_sample(n: int, seed: int) -> np.ndarray:
    """The rows of a source of `n` that stand for it: all, or evenly spaced ones."""
    if n <= MAX_SOURCE:
        return np.arange(n)
    return evenly_spaced(n, MAX_SOURCE, np.random.default_rng(seed).random())
