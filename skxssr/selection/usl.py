"""USL: dense rows of each cluster, far from the picks of the others."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.clusters import (
    TINY,
    Clusters,
    find_clusters,
    inverse_spread,
    pick_from_clusters,
    radius,
    squared_to,
)


class USLSelector(BaseSelector):
    """Unsupervised selective labeling: of each cluster the dense row far from the other picks.

    Of each of `budget` k-means clusters the row of the largest density - lambda * closeness is
    picked, then the closeness to those picks is updated, and so on for a few rounds [1]_.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours, in the whole pool, of the density: 1 / mean distance to them. [1]_ takes 20 on
        ImageNet and 400 on CIFAR-10. All others of a smaller pool.
    regularization : float, default=0.5
        The weight lambda of the closeness.
    alpha : float, default=0.5
        Closeness is the sum of 1 / distance^alpha to what is picked or labelled in other clusters.
    momentum : float, default=0.9
        Share of the former closeness in a moving average over the rounds.
    n_iter : int, default=10
        Rounds. In the first the closeness is 0.
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
        Threads of distances; the picks do not depend on it. k-means runs on one.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score is density - lambda * closeness, the terms
        "density" (times the row's `sample_weight`, the largest of which is 1), "closeness",
        "cluster" and "cluster_weight".
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    KMeansSelector : The row nearest to each center.
    TypiClustSelector : Without the closeness, and with neighbours of the same cluster alone.

    Notes
    -----
    The numbers are the defaults of the authors' code, which does the same with squared distances
    in density and closeness, on features of length 1. So that they mean the same for features of
    any length, distances are in units of the pool's radius (root mean square distance to its
    mean); none counts as less than 1e-12. The authors' limit on how far closeness reaches is left
    out: at its default it spans the whole sphere.

    Labelled rows add to the number of clusters, count as picks in the closeness, and clusters that
    hold one come last. `sample_weight` also weighs the rows in k-means and the size of clusters.
    k-means goes by mini-batches where rows times clusters exceed 10 million; neighbours of more
    than 50,000 rows are approximate.

    References
    ----------
    .. [1] Wang, Lian, Yu. Unsupervised Selective Labeling for More Effective Semi-Supervised
       Learning. ECCV 2022. :arxiv:`2110.03006`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import USLSelector
    >>> X = np.array([[0.0], [1.0], [1.1], [2.4], [10.0], [11.0], [11.1]])
    >>> USLSelector(n_neighbors=1, preprocess=None).select(X, 2)
    array([1, 6])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        n_neighbors: int = 20,
        regularization: float = 0.5,
        alpha: float = 0.5,
        momentum: float = 0.9,
        n_iter: int = 10,
        n_init: int = 10,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.regularization = regularization
        self.alpha = alpha
        self.momentum = momentum
        self.n_iter = n_iter
        self.n_init = n_init
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        clusters = find_clusters(
            X,
            len(request.labeled) + request.budget,
            request.weight,
            n_init=self.n_init,
            random_state=self.random_state,
        )
        unit = radius(X, n_jobs=self.n_jobs)
        density, exact = inverse_spread(X, self.n_neighbors, unit, n_jobs=self.n_jobs)
        density *= unit * (request.weight / request.weight.max())
        closeness = np.zeros(len(X))
        score = density
        picks = pick_from_clusters(clusters, score, request)
        fresh = None
        for _ in range(self.n_iter - 1):
            if fresh is None:
                chosen = np.concatenate([request.labeled, picks])
                fresh = self._closeness(X, clusters, chosen, unit)
            closeness = self.momentum * closeness + (1 - self.momentum) * fresh
            score = density - self.regularization * closeness
            before, picks = picks, pick_from_clusters(clusters, score, request)
            if not np.array_equal(np.sort(before), np.sort(picks)):
                fresh = None
        return Selection(
            indices=picks,
            scores=score[picks].astype(np.float32),
            terms={
                "density": density[picks],
                "closeness": closeness[picks],
                **clusters.terms(picks),
            },
            scales={
                **clusters.notes,
                "n_neighbors": min(self.n_neighbors, len(X) - 1),
                "unit": unit,
                "exact": bool(clusters.notes["exact"] and exact),
            },
        )

    def _closeness(
        self, X: np.ndarray, clusters: Clusters, chosen: np.ndarray, unit: float
    ) -> np.ndarray:
        """Sum of 1 / distance^alpha to the rows `chosen` that lie in another cluster."""
        total = np.zeros(len(X))
        for row in np.sort(chosen):
            distance = np.sqrt(squared_to(X, X[row], n_jobs=self.n_jobs)) / unit
            term = np.maximum(distance, TINY) ** -self.alpha
            term[clusters.rows[clusters.labels[row]]] = 0.0
            total += term
        return total
