"""Facility location over blocks."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr._kernels import medoids as kernels
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.base.selection import Selection
from skxssr.distributed._chains import ChainBlock, ChainRounds, Head
from skxssr.distributed._demand import DemandHere
from skxssr.distributed._greedi import merge, random_parts
from skxssr.distributed._journal import Journal
from skxssr.distributed._prepare import Prepared
from skxssr.distributed._regions import Parts, regions_of
from skxssr.distributed._rounds import Answer, Key
from skxssr.selection._engine.scales import demand_rows
from skxssr.selection._engine.serving import LazyGains


def with_rows(cost: kernels.Cost, X: np.ndarray, own: np.ndarray) -> kernels.Cost:
    """The same cost of serving the demand from other rows."""
    view = X.view()
    view.flags.writeable = False
    return cost._replace(X=view, own=own)


class ServingBlock(ChainBlock):
    """Lazy gains of the rows of a region, by the engine of one machine.

    Parameters
    ----------
    own : ndarray of shape (n,), int
        Demand point that a row is.
    cost : Cost
        Of other rows, see `with_rows`.
    fixed : ndarray of shape (m,)
        Cost of the demand before the first pick.
    offset : float
        Taken from gains when the first picks are compared.
    """

    def __init__(
        self,
        X: np.ndarray,
        rows: np.ndarray,
        is_open: np.ndarray | None,
        groups: np.ndarray | None,
        own: np.ndarray,
        cost: kernels.Cost,
        fixed: np.ndarray,
        offset: float,
    ) -> None:
        super().__init__(X, rows, is_open, groups, own, cost, fixed, offset)
        self._all = np.concatenate([X, X[:1]])  # and a place for picks of other blocks
        self._cost = with_rows(cost, self._all, np.append(own, -1))
        self._current, self._served = fixed.copy(), np.empty(len(fixed))
        self._offset = offset
        self._gains = LazyGains(self._cost, np.flatnonzero(self._open), n_jobs=1)
        self._scanned = False

    def count(self, place: int, x: np.ndarray) -> None:
        self._all[len(self.X)] = x
        self._serve(place if place >= 0 else len(self.X))

    def _serve(self, place: int) -> None:
        kernels.costs_of_row(self._cost, place, self._served)
        np.minimum(self._current, self._served, out=self._current)

    def step(self, allowed: np.ndarray) -> Head:
        offset = 0.0 if self.t + self.n_steps else self._offset
        place = self._gains.best(self._current, np.append(allowed, False), offset=offset)
        self._serve(place)
        value = {"value": float(self._gains.gain[place])}
        return Head(place, float(self._gains.score[place]), 0.0, value)

    def bounds(self) -> np.ndarray:
        return self._gains.gain

    def lower(self, places: np.ndarray, bounds: np.ndarray) -> None:
        self._gains.set_gains(bounds, places)

    def save(self) -> Any:
        if not self._scanned:
            self._gains.scan(self._current)
            self._scanned = True
        return self._current.copy(), self._gains.gain.copy()

    def restore(self, saved: Any) -> None:
        self._current[:], gain = saved
        self._gains.set_gains(gain)


class ServingJudge:
    """Gains of heads."""

    def __init__(
        self, cost: kernels.Cost, demand: np.ndarray, fixed: np.ndarray, offset: float
    ) -> None:
        self._cost, self._current, self._offset = cost, fixed.copy(), offset
        self._served = np.empty(len(fixed))
        self._demand = demand  # rows of the demand points where a row is left out of its own gain
        self._columns = np.argsort(demand)

    def load(self, sent: Answer) -> None:
        self._rows = sent.rows
        own = columns_of(sent.rows, self._demand, self._columns)
        self._of = with_rows(self._cost, np.ascontiguousarray(sent.X), own)
        self._gain, self._score = np.zeros(len(own)), np.zeros(len(own), dtype=np.float32)

    def key(self, at: int) -> tuple[Key, dict[str, float]]:
        places = np.array([at])
        kernels.gains_of_rows(self._of, places, 0, 1, self._current, self._gain)
        kernels.scores_of_gains(self._of, places, self._offset, self._gain, self._score)
        key = float(self._score[at]), 0.0, -int(self._rows[at])
        return key, {"gain": float(self._gain[at])}

    def add(self, at: int) -> None:
        self._serve(self._of, at)

    def note(self, X: np.ndarray) -> None:
        cost = with_rows(self._cost, np.ascontiguousarray(X), np.full(len(X), -1))
        for place in range(len(X)):
            self._serve(cost, place)

    def _serve(self, cost: kernels.Cost, place: int) -> None:
        kernels.costs_of_row(cost, place, self._served)
        np.minimum(self._current, self._served, out=self._current)
        self._offset = 0.0


def columns_of(rows: np.ndarray, demand: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """The place of each of `rows` in `demand`, which `ascending` sorts; -1: not there."""
    if not len(demand):
        return np.full(len(rows), -1)
    at = np.minimum(np.searchsorted(demand[ascending], rows), len(demand) - 1)
    return np.where(demand[ascending][at] == rows, ascending[at], -1)


def facility_location(
    selector: Any,
    prepared: Prepared,
    request: Request,
    journal: Journal,
    verbose: int,
    *,
    approximate: bool = False,
) -> Selection:
    """The picks of `skxssr.FacilityLocationSelector`."""
    pool = prepared.target
    seed = int(check_random_state(selector.random_state).randint(np.iinfo(np.int32).max))
    rows, notes = demand_rows(pool.n, request, seed)
    here = DemandHere(pool, request, rows)
    bound = pool.diameter()
    cost, fixed, offset = _before_the_first(here, request, bound)
    parts = Parts(pool, random_parts(pool, seed) if approximate else regions_of(pool, here.points))
    here.pool = parts
    left_out = rows if notes["demand_sampled"] else np.empty(0, dtype=np.int64)
    own = columns_of(np.arange(pool.n), left_out, np.argsort(left_out))
    before = (cost, fixed, offset)
    blocks = pool.cluster.persist(
        parts.each(ServingBlock, *before, own=parts.columns(request, own))
    )
    judge = ServingJudge(cost, left_out, fixed, offset)
    if approximate:
        picks, more = merge(
            parts,
            blocks,
            lambda rows, X: ServingBlock(X, rows, None, None, own[rows], *before),
            judge,
            request.budget,
        )
    else:
        rounds = ChainRounds(
            parts,
            blocks,
            GroupConstraint(pool.n, request),
            judge,
            journal=journal,
            verbose=verbose,
        )
        picks, more = rounds.run(request.budget, alone=offset > 0.0), rounds.notes()
    gains = np.array([pick.extra["gain"] for pick in picks])
    indices = np.array([pick.row for pick in picks], dtype=np.int64)
    return Selection(
        indices=indices,
        scores=(gains / cost.unit).astype(np.float32),
        terms={"gain": gains / (cost.whole or 1.0)},
        coverage=here.coverage(
            indices, request.weight, "mean_distance", precision=-1.0, diameter=bound
        )[1:],
        calibration="mean_distance",
        scales={**notes, "exact": True, **more},
    )


def _before_the_first(
    here: DemandHere, request: Request, bound: float
) -> tuple[kernels.Cost, np.ndarray, float]:
    """The cost of serving the demand, what it is before the first pick, and the offset of gains."""
    weight = request.weight[here.rows]
    weight = weight / (weight.max() or 1.0)
    whole = float(weight.sum())
    none: Any = SimpleNamespace()
    cost = kernels.Cost(
        X=none,
        demand=np.ascontiguousarray(here.points.T, dtype=np.float64),
        weight=weight,
        whole=whole,
        own=none,
        radius=-1.0,
        unit=(whole or 1.0) * (bound or 1.0),
    )
    fixed, served = np.full(len(weight), bound), np.empty(len(weight))
    offset = 0.0 if len(request.labeled) else whole * bound
    if len(request.labeled):
        of = with_rows(cost, here.labeled, np.full(len(here.labeled), -1))
        for place in range(len(here.labeled)):
            kernels.costs_of_row(of, place, served)
            np.minimum(fixed, served, out=fixed)
    return cost, fixed, offset
