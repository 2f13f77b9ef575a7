"""CoreSet: greedy k-center."""

import time
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._kernels.demand import at_most_1
from skxssr._kernels.distances import argmax_allowed, lower_to_point
from skxssr._utils.threads import over_blocks
from skxssr.base import BaseSelector, Selection
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.selection._engine.farthest_first import FarthestFirst
from skxssr.selection._engine.farthest_first_on_device import FarthestOnDevice


class CoreSetSelector(BaseSelector):
    """Greedy k-center: always the row farthest from everything picked or labelled.

    Known in active learning as CoreSet [1]_.

    Parameters
    ----------
    initialize : {"medoid", "random"} or int, default="medoid"
        First pick where nothing is labelled: the candidate nearest the mean of the pool, a random
        one, or the row with this index. The medoid needs no seed and is never an outlier.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    engine : {"lazy", "torch"}, default="lazy"
        Both return the same picks. "torch" is for millions of rows and a GPU: it looks at all rows
        at every pick, on `device`, which holds them as float32.
    device : str, default="auto"
        For ``engine="torch"``: a torch device, or "auto" for a CUDA GPU where there is one. A
        MemoryError says when the rows do not fit.
    random_state : int, RandomState instance or None, default=0
        For ``initialize="random"``.
    n_jobs : int, optional
        Threads; the picks do not depend on it.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score is the distance to the nearest pick (times the
        row's `sample_weight`), the term "diversity" that distance.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing: the source is not a center.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    XSSRSelector : Weighs density and novelty too, and is less drawn to outliers.

    Notes
    -----
    Ties go to the lowest index. With `sample_weight` the farthest row is that of the largest
    weight times distance. The first score has no distance and is NaN.

    References
    ----------
    .. [1] Sener, Savarese. Active Learning for Convolutional Neural Networks: A Core-Set
       Approach. ICLR 2018. :arxiv:`1708.00489`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import CoreSetSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> CoreSetSelector(initialize=0, preprocess=None).select(X, 3)
    array([0, 3, 2])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "initialize": [
            StrOptions({"medoid", "random"}),
            Interval(Integral, 0, None, closed="left"),
        ],
        "engine": [StrOptions({"lazy", "torch"})],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        initialize: str | int = "medoid",
        metric: str = "euclidean",
        preprocess: Any = "auto",
        engine: str = "lazy",
        device: str = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.initialize = initialize
        self.metric = metric
        self.preprocess = preprocess
        self.engine = engine
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        start = time.perf_counter()
        quota = GroupConstraint(len(X), request)
        weight = at_most_1(request.weight) ** 2  # of squared distances
        labeled = request.labeled.astype(np.int64)
        budget = len(labeled) + request.budget
        far = (
            FarthestOnDevice(X, weight, quota, budget, n_jobs=self.n_jobs, device=self.device)
            if self.engine == "torch"
            else FarthestFirst(X, weight, quota, budget, n_jobs=self.n_jobs)
        )
        indices = np.empty(request.budget, dtype=np.int64)
        distances = np.full(request.budget, np.nan)
        first = 0
        if len(labeled):
            far.start(labeled)
        else:
            indices[0], first = self._first(X, quota.allowed), 1
            quota.take(indices[0])
            if request.budget > 1:
                far.start(indices[:1])
        for t in range(first, request.budget):
            pick = far.best()
            indices[t], distances[t] = pick, np.sqrt(far.nearest[pick])
            opened = quota.take(pick)
            if t + 1 < request.budget:
                far.add(pick, opened=opened)
        with np.errstate(over="ignore"):  # a distance may be infinite as float32
            scores = (distances * request.weight[indices]).astype(np.float32)
        return Selection(
            indices=indices,
            scores=scores,
            terms={"diversity": distances},
            scales={"exact": True, "n_distance_evaluations": far.n_evaluations},
            elapsed={
                "distances": far.seconds,
                "picks": time.perf_counter() - start - far.seconds,
            },
        )

    def _first(self, X: np.ndarray, allowed: np.ndarray) -> int:
        if self.initialize == "random":
            return int(check_random_state(self.random_state).choice(np.flatnonzero(allowed)))
        if self.initialize == "medoid":
            distance = np.full(len(X), np.inf)
            center = X.mean(axis=0, dtype=np.float64)
            over_blocks(
                lambda lo, hi: lower_to_point(X, lo, hi, center, distance),
                len(X),
                n_jobs=self.n_jobs,
            )
            return int(argmax_allowed(-distance, -distance, allowed))
        index = int(self.initialize)
        if index >= len(X) or not allowed[index]:
            raise ValueError(
                f"initialize={index} cannot be the first pick: the pool has {len(X)} rows and the "
                "first must be one that may be picked. Choose another index or 'medoid'."
            )
        return index
