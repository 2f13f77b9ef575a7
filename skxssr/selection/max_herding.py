"""MaxHerding: greedy kernel coverage."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skxssr._kernels.demand import make_demand
from skxssr._kernels.greedy import Score
from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.metrics.coverage import coverage_curve, precision_of
from skxssr.selection._engine.coverage_state import start_state
from skxssr.selection._engine.greedy_runs import greedy_runs
from skxssr.selection._engine.scales import fix_scales


class MaxHerdingSelector(BaseSelector):
    """MaxHerding: always the row that raises the kernel coverage of the pool most.

    The coverage of a row is its largest Gaussian kernel to anything picked or labelled; the greedy
    selection maximises the weighted mean [1]_. This is the density of `XSSRSelector` without
    novelty and without diversity, at the same bandwidth by default: what the two differ by is the
    repulsion between picks.

    Parameters
    ----------
    bandwidth : float, optional
        Of the Gaussian, in units of distance after preprocessing. By default twice the median
        distance to the k-th neighbour, as for `XSSRSelector`.
    n_neighbors : int, optional
        The k that sets the default bandwidth: half of the rows that each pick stands for, within 5
        and 20, unless given. Lowered, with a warning, where the pool is smaller.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    random_state : int, RandomState instance or None, default=0
        Offset of the demand set, in pools above 5,000 rows.
    n_jobs : int, optional
        Threads; the picks do not depend on it.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score and the term "density" are the demand that the pick
        newly covered, relative to the most that any first pick could cover. `coverage` is the
        kernel coverage loss after each pick.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    XSSRSelector : With novelty, and with diversity that keeps picks apart.
    ProbCoverSelector : Coverage by balls of one radius: a kernel that is 1 or 0.

    Notes
    -----
    Greedy maximisation of a monotone submodular function: at least 1 - 1/e of the best coverage,
    half of that with `groups`. Ties go to the row farther from what is picked or labelled, then to
    the lowest index, as for `XSSRSelector`. In pools above 5,000 rows the mean is over a sample of
    at least 5,000 and 30 a pick, recorded in ``selection_.scales``.

    References
    ----------
    .. [1] Bae, Noh, Sutherland. Generalized Coverage for More Robust Low-Budget Active Learning.
       ECCV 2024. :arxiv:`2407.12212`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import MaxHerdingSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [30.0]])
    >>> MaxHerdingSelector(bandwidth=1.0, preprocess=None).select(X, 3)
    array([1, 4, 5])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        bandwidth: float | None = None,
        n_neighbors: int | None = None,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        scales = fix_scales(
            X,
            request,
            n_neighbors=self.n_neighbors,
            algorithm="auto",
            seed=seed,
            n_jobs=self.n_jobs,
        )
        notes = dict(scales.notes)
        bandwidth = scales.bandwidth
        if self.bandwidth is not None:
            notes["bandwidth"] = bandwidth = float(self.bandwidth)
            notes["exact"] = True  # whatever the neighbours, they were not needed
        demand = make_demand(
            X,
            scales.demand,
            request.weight[scales.demand],
            sampled=notes["demand_sampled"],
            precision=precision_of(bandwidth),
            diameter=scales.diameter,
            starts=scales.blocks,
        )
        score = Score(1.0, 1.0, np.ones(len(X)), alpha=1.0)  # diversity to the power 0
        start = start_state(demand, request, scales.diameter, n_jobs=self.n_jobs)
        none = np.empty(0)
        (run,) = greedy_runs([demand], [score], start, none, request, n_jobs=self.n_jobs)
        notes["n_density_evaluations"] = len(request.candidates) + run.n_evaluations
        return Selection(
            indices=run.indices,
            scores=run.scores,
            terms={"density": run.density},
            coverage=coverage_curve(
                demand,
                request.labeled.astype(np.int64),
                run.indices,
                request.weight,
                kind="kernel",
            )[1:],
            calibration="kernel",
            scales=notes,
        )
