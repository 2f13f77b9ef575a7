"""TypiClust: the most typical row of each cluster."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.clusters import (
    Clusters,
    find_clusters,
    pick_from_clusters,
    typicality_within,
)


class TypiClustSelector(BaseSelector):
    """The most typical row of the largest cluster that holds the fewest picks, again and again.

    Typical is a row whose nearest neighbours are near [1]_.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours, within the cluster, whose mean distance is taken; all others of a smaller
        cluster. 20 as in [1]_.
    max_clusters : int, default=500
        Upper limit of the number of clusters, else one a pick and labelled row. 500 as in [1]_:
        beyond it clusters are picked from more than once.
    min_cluster_size : int, default=5
        Clusters with fewer rows come after all others: they are outliers as a rule.
    n_init : int, default=10
        Runs of k-means from different seeds; the one of least inertia counts.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    random_state : int, RandomState instance or None, default=0
        Seed of k-means.
    n_jobs : int, optional
        Threads of the neighbour search; the picks do not depend on it. k-means runs on one.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score is the typicality (times the row's `sample_weight`,
        the largest of which is 1), the terms "typicality", "cluster" and "cluster_weight".
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    KMeansSelector : The row nearest to each center.
    USLSelector : Typical rows far from the picks of other clusters.

    Notes
    -----
    Typicality is 1 / mean distance to the nearest neighbours, whether picked or labelled or not,
    so that it is computed once; the authors' code drops rows from the neighbours once they are
    picked, which matters only where a cluster is picked from twice. It also drops clusters of
    5 rows itself, and takes at most half of a cluster as neighbours. A row alone in its cluster has
    typicality 0, and no mean distance counts as less than 1e-12 of the pool's radius.
    `sample_weight` also weighs the rows in k-means and the size of clusters. k-means goes by
    mini-batches where rows times clusters exceed 10 million.

    References
    ----------
    .. [1] Hacohen, Dekel, Weinshall. Active Learning on a Budget: Opposite Strategies Suit High
       and Low Budgets. ICML 2022. :arxiv:`2202.02794`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import TypiClustSelector
    >>> X = np.array([[0.0], [1.0], [1.1], [2.4], [10.0], [11.0]])
    >>> TypiClustSelector(n_neighbors=1, min_cluster_size=1, preprocess=None).select(X, 2)
    array([1, 4])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_clusters": [Interval(Integral, 1, None, closed="left")],
        "min_cluster_size": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        n_neighbors: int = 20,
        max_clusters: int = 500,
        min_cluster_size: int = 5,
        n_init: int = 10,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.max_clusters = max_clusters
        self.min_cluster_size = min_cluster_size
        self.n_init = n_init
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        clusters = find_clusters(
            X,
            self._n_clusters(request),
            request.weight,
            n_init=self.n_init,
            random_state=self.random_state,
        )
        typicality, exact = typicality_within(X, clusters, self.n_neighbors, n_jobs=self.n_jobs)
        return self._pick(clusters, typicality, exact, request)

    def _n_clusters(self, request: Request) -> int:
        return min(len(request.labeled) + request.budget, self.max_clusters)

    def _pick(
        self, clusters: Clusters, typicality: np.ndarray, exact: bool, request: Request
    ) -> Selection:
        exact = bool(clusters.notes["exact"] and exact)
        score = typicality * (request.weight / request.weight.max())
        picks = pick_from_clusters(clusters, score, request, min_size=self.min_cluster_size)
        return Selection(
            indices=picks,
            scores=score[picks].astype(np.float32),
            terms={"typicality": typicality[picks], **clusters.terms(picks)},
            scales={**clusters.notes, "n_neighbors": self.n_neighbors, "exact": exact},
        )
