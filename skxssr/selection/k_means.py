"""The row nearest to each k-means center."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.clusters import find_clusters, pick_from_clusters


class KMeansSelector(BaseSelector):
    """The row nearest to the center of each of `budget` k-means clusters, largest cluster first.

    Under the name ALPS the best selector for segmentation in a benchmark of medical images [1]_.

    Parameters
    ----------
    n_init : int, default=10
        Runs of k-means from different seeds; the one of least inertia counts. One run of
        scikit-learn's default often ends in a poor optimum where clusters are few and small.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    random_state : int, RandomState instance or None, default=0
        Seed of k-means.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score is minus the distance to the center, the terms
        "distance" that distance, "cluster" the number of the cluster and "cluster_weight" the sum
        of its weights.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    TypiClustSelector : The row in the densest place of each cluster.
    USLSelector : That, far from the picks of other clusters.

    Notes
    -----
    Labelled rows add to the number of clusters, and clusters that hold one come last. Where the
    pool has fewer distinct rows than clusters are wanted, or quotas and candidates leave a cluster
    empty, the next pick comes from the largest cluster with the fewest picks. `sample_weight`
    weighs the rows in k-means and the size of clusters.

    k-means is scikit-learn's, by mini-batches where rows times clusters exceed 10 million, always
    on one thread: on several its sums, and now and then a pick, would depend on how many they are.

    References
    ----------
    .. [1] MedCAL-Bench: a comprehensive benchmark on cold-start active learning with foundation
       models for medical image analysis. https://github.com/HiLab-git/MedCAL-Bench.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import KMeansSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    >>> KMeansSelector(preprocess=None).select(X, 2)
    array([1, 3])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_init: int = 10,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.n_init = n_init
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        clusters = find_clusters(
            X,
            len(request.labeled) + request.budget,
            request.weight,
            n_init=self.n_init,
            random_state=self.random_state,
        )
        picks = pick_from_clusters(clusters, -clusters.distance, request)
        return Selection(
            indices=picks,
            scores=-clusters.distance[picks].astype(np.float32),
            terms={"distance": clusters.distance[picks], **clusters.terms(picks)},
            scales=clusters.notes,
        )
