"""ProbCover: greedy coverage by balls of one radius."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._kernels.medoids import costs_of_row
from skxssr.base import BaseSelector, Selection
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.neighbors import kneighbors
from skxssr.selection._engine.clusters import find_clusters
from skxssr.selection._engine.scales import demand_rows
from skxssr.selection._engine.serving import LazyGains, serving_cost


class ProbCoverSelector(BaseSelector):
    """ProbCover: always the row whose ball covers most of what no ball covers yet.

    Every pick and every labelled row covers the rows within one radius of it [1]_.

    Parameters
    ----------
    radius : "auto" or float, default="auto"
        Of the balls, in units of distance after preprocessing; the boundary is covered. "auto" is
        the largest radius at which balls are pure: at least the share `purity` of the rows have
        only rows of their own cluster within it. The clusters are those of k-means, one for each
        pick and labelled row, at least two.
    purity : float in (0, 1], default=0.95
        For ``radius="auto"``; the value of [1]_.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    random_state : int, RandomState instance or None, default=0
        Seed of k-means, and offset of the demand set in pools above 5,000 rows.
    n_jobs : int, optional
        Threads; the picks do not depend on it.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The score and the term "gain" are the share of the demand that
        the pick newly covered, in the round that the term "round" tells, numbered from 0.
        ``scales`` holds the radius, the share of pure balls and the share covered at the end.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    MaxHerdingSelector : Smooth balls, less sensitive to their radius.

    Notes
    -----
    Where no row that may be picked covers anything new, a new round starts, which [1]_ leaves open:
    what is covered once counts as uncovered again until it is covered twice, and so on.

    Greedy maximisation of a monotone submodular function, lazy and exact: at least 1 - 1/e of the
    best coverage in the first round, half of that with `groups`. Ties, of which there are many,
    go to the lowest index. In pools above 5,000 rows, radius and coverage are measured on a sample
    of at least 5,000 and 30 a pick, recorded in ``selection_.scales``. No matrix of distances and
    no graph is kept.

    References
    ----------
    .. [1] Yehuda, Dekel, Hacohen, Weinshall. Active Learning Through a Covering Lens. NeurIPS 2022.
       :arxiv:`2205.11320`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import ProbCoverSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [30.0]])
    >>> ProbCoverSelector(radius=1.0, preprocess=None).select(X, 3)
    array([1, 3, 5])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "radius": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "purity": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        radius: str | float = "auto",
        purity: float = 0.95,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.radius = radius
        self.purity = purity
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        demand, notes = demand_rows(len(X), request, seed)
        notes["exact"] = True
        if self.radius == "auto":
            total = len(request.labeled) + request.budget
            weight = request.weight[demand]
            radius, radius_notes = self._pure_radius(X[demand], weight, total, seed)
            notes |= radius_notes
        else:
            radius = float(self.radius)
        cost = serving_cost(X, demand, request, sampled=notes["demand_sampled"], radius=radius)
        served = np.empty(len(demand))
        times = np.zeros(len(demand), dtype=np.int64)  # how often each demand point is covered

        def cover(row: int) -> None:
            costs_of_row(cost, row, served)
            times[served == 0.0] += 1

        for row in request.labeled:
            cover(row)
        counts = cost.weight > 0
        quota = GroupConstraint(len(X), request)
        lazy = LazyGains(cost, request.candidates, n_jobs=self.n_jobs)
        indices = np.empty(request.budget, dtype=np.int64)
        gains, rounds = np.empty(request.budget), np.empty(request.budget)
        now = 0
        lazy.scan((times <= now).astype(np.float64))
        for t in range(request.budget):
            pick = lazy.best((times <= now).astype(np.float64), quota.allowed)
            while lazy.gain[pick] == 0.0 and now < times[counts].max():
                now = max(now + 1, int(times[counts].min()))
                lazy.scan((times <= now).astype(np.float64))
                pick = lazy.best((times <= now).astype(np.float64), quota.allowed)
            indices[t], gains[t], rounds[t] = pick, lazy.gain[pick] / cost.unit, now
            quota.take(pick)
            cover(pick)
        notes |= {
            "radius": radius,
            "covered_share": float(np.average(times > 0, weights=cost.weight)),
            "n_rounds": now + 1,
            "n_gain_evaluations": lazy.n_evaluations,
        }
        return Selection(
            indices=indices,
            scores=gains.astype(np.float32),
            terms={"gain": gains, "round": rounds},
            scales=notes,
        )

    def _pure_radius(
        self, Z: np.ndarray, weight: np.ndarray, n_clusters: int, seed: int
    ) -> tuple[float, dict[str, Any]]:
        """The largest radius at which the balls around enough of the rows `Z` are pure.

        A ball is pure if it does not reach the nearest row of another cluster, so that one distance
        a row decides: no radius is tried, and the clusters are searched one after another.
        """
        clusters = find_clusters(Z, max(2, n_clusters), weight, n_init=1, random_state=seed)
        notes = {"n_clusters": len(clusters.rows), "exact": bool(clusters.notes["exact"])}
        if len(clusters.rows) == 1:  # all rows are equal
            return 0.0, notes | {"pure_share": 1.0}
        reach = np.empty(len(Z))
        others = np.ones(len(Z), dtype=bool)
        for rows in clusters.rows:
            others[rows] = False
            nearest, _ = kneighbors(Z[rows], Z[others], 1, algorithm="exact", n_jobs=self.n_jobs)
            reach[rows] = nearest[:, 0]
            others[rows] = True
        order = np.argsort(reach, kind="stable")
        impure = np.cumsum(weight[order]) / weight.sum()
        first = min(int(np.searchsorted(impure, 1 - self.purity + 1e-9, "right")), len(Z) - 1)
        radius = float(np.nextafter(reach[order[first]], 0.0))
        share = float(np.average(reach > radius, weights=weight))
        return radius, notes | {"pure_share": share}
