"""The score of XSSR whose diversity is by clusters of the pool.

The pool is cut into as many k-means clusters as there are picks and labelled rows. Each pick is
the row of highest typicality x novelty^alpha in the largest cluster that has the fewest picks.
Formulas: docs/method.rst.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skxssr._kernels.demand import make_demand
from skxssr.base.request import Request
from skxssr.metrics.coverage import precision_of
from skxssr.selection._engine.clusters import (
    Clusters,
    find_clusters,
    pick_from_clusters,
    typicality_within,
)
from skxssr.selection._engine.lazy_greedy import Run, empty_run
from skxssr.selection._engine.scales import Scales, coverage_of

# Rows. Smaller clusters are outliers as a rule and come last (as in TypiClust), unless the mean
# cluster is that small: then they are what the pool consists of.
SMALLEST = 5
MAX_CLUSTERS = 2_000  # beyond it, clusters are picked from more than once
N_NEIGHBORS = 20  # within the cluster, whose mean distance is the typicality (as in TypiClust)
N_INIT = 10  # runs of k-means, of which the one of least inertia counts


def cluster_scale(request: Request, n: int, *, diversity: bool) -> tuple[int, int]:
    """How many clusters are wanted, and the rows below which one comes last."""
    wanted = len(request.labeled) + request.budget
    wanted = min(wanted, MAX_CLUSTERS) if diversity else 1
    return wanted, SMALLEST if n >= SMALLEST * wanted else 1


class ClusterScore:
    """What the score needs but alpha: clusters, typicality and novelty.

    It has the interface of `skxssr.selection._engine.objective.Objective`.

    Parameters
    ----------
    clusters : Clusters
    typical : ndarray of shape (n,) or None
        Typicality of each row; None: every row is as typical as any other.
    far : ndarray of shape (n,) or None
        Novelty in units of distance; None: there is none.
    request : Request
    diameter : float
        Unit of `far`.
    min_size : int
        Clusters of fewer rows come last.
    exact : bool
        Whether the neighbours behind `typical` are certainly the nearest.
    coverage : callable
        See `coverage` of `Objective`.

    Attributes
    ----------
    notes : dict
        What it adds to `Selection.scales`.
    exact : bool
        Whether k-means saw all rows, and the neighbours are certainly the nearest.
    n_starts : int
        Scans of all candidates before the first pick: none.
    """

    def __init__(
        self,
        clusters: Clusters,
        typical: np.ndarray | None,
        far: np.ndarray | None,
        request: Request,
        *,
        diameter: float,
        min_size: int,
        exact: bool,
        coverage: Callable[[np.ndarray, np.ndarray, str], np.ndarray],
    ) -> None:
        self.n_starts = 0
        self._request, self._clusters, self._min_size = request, clusters, min_size
        self.notes = dict(clusters.notes)
        self.exact = bool(self.notes.pop("exact")) and exact
        self.coverage = coverage
        self._typical = np.ones(len(clusters.labels))
        if typical is not None:
            self._typical = typical / (typical.max() or 1.0)
        self._far = None if far is None else far / (diameter or 1.0)

    def _score(self, alpha: float) -> np.ndarray:
        weight = self._request.weight
        score = self._typical * (weight / weight.max())
        return score if self._far is None else score * self._far**alpha

    def runs(self, alphas: list[float], on_stage: Callable[[str], object]) -> Iterator[Run]:
        """Yield the picks of each alpha, in order; call `on_stage` after each stage."""
        on_stage("clusters")
        for alpha in alphas:
            score = self._score(alpha)
            picks = pick_from_clusters(
                self._clusters, score, self._request, min_size=self._min_size
            )
            run = empty_run(len(picks), 1.0)
            run.indices[:], run.scores[:] = picks, score[picks]
            run.density[:] = self._typical[picks]
            weight = self._clusters.weight
            run.diversity[:] = weight[self._clusters.labels[picks]] / weight.sum()
            yield run
        on_stage("picks")

    def full_scan(self, alpha: float, run: Run) -> Run:
        """The same as `run`, that of `alpha`, with the utility of each row at each pick."""
        shape = (len(run.indices), len(self._typical))
        run.utilities = np.full(shape, np.nan, dtype=np.float32)
        pick_from_clusters(
            self._clusters,
            self._score(alpha),
            self._request,
            min_size=self._min_size,
            utilities=run.utilities,
        )
        return run


def make_cluster_score(
    X: np.ndarray,
    far: np.ndarray | None,
    request: Request,
    scales: Scales,
    *,
    n_neighbors: int | None,
    random_state: Any,
    density: bool,
    diversity: bool,
    n_jobs: int | None,
) -> ClusterScore:
    """The score of rows in memory.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    far : ndarray of shape (n,) or None
        Novelty in units of distance; None: there is none.
    request : Request
    scales : Scales
    n_neighbors : int or None
        Neighbours that typicality looks at; None: 20.
    random_state : int, RandomState instance or None
        Of k-means.
    density, diversity : bool
        Whether the score has the term. Without density every row is as typical; without diversity
        the pool is one cluster.
    n_jobs : int or None
    """
    demand = make_demand(
        X,
        scales.demand,
        request.weight[scales.demand],
        sampled=scales.notes["demand_sampled"],
        precision=precision_of(scales.bandwidth),
        diameter=scales.diameter,
        starts=scales.blocks,
    )
    wanted, min_size = cluster_scale(request, len(X), diversity=diversity)
    clusters = find_clusters(X, wanted, request.weight, n_init=N_INIT, random_state=random_state)
    typical, exact = None, True
    if density:
        k = n_neighbors or N_NEIGHBORS
        typical, exact = typicality_within(X, clusters, k, n_jobs=n_jobs)
    return ClusterScore(
        clusters,
        typical,
        far,
        request,
        diameter=scales.diameter,
        min_size=min_size,
        exact=exact,
        coverage=coverage_of(demand, request),
    )
