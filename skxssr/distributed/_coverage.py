"""Residual densities over blocks: what MaxHerding and the residual form of XSSR pick by."""

from typing import Any, NamedTuple

import numpy as np

from skxssr._kernels import greedy as kernels
from skxssr._kernels.cover import cover
from skxssr._kernels.demand import Demand, make_demand, put_rows
from skxssr._kernels.density import density_within_reach
from skxssr._kernels.distances import lower_to_point
from skxssr._utils.threads import limit_threads
from skxssr.base.request import Request
from skxssr.distributed._chains import ChainBlock, Head
from skxssr.distributed._rounds import Answer, Key
from skxssr.distributed._serving import columns_of
from skxssr.selection._engine.coverage_state import CoverageBatch, largest_density, start_state
from skxssr.selection._engine.lazy_greedy import LazyGreedy


class Points(NamedTuple):
    """The demand and what covers it first, as every block is told.

    Attributes
    ----------
    X : ndarray of shape (m, p)
    starts : ndarray of int
        See `make_demand`, as for `precision`, `diameter` and `largest`.
    weight : ndarray of shape (m,)
    factor : ndarray of shape (m,) or None
        What weights are multiplied by once they are at most 1.
    left_out : bool
        Whether a row is left out of its own density.
    labeled : ndarray of shape (n_labeled, p)
    credit : ndarray or None
        What is covered besides, see `start_state`.
    budget : int
    """

    X: np.ndarray
    starts: np.ndarray
    weight: np.ndarray
    factor: np.ndarray | None
    left_out: bool
    precision: float
    diameter: float
    largest: float
    labeled: np.ndarray
    credit: np.ndarray | None
    budget: int

    def beside(self, X: np.ndarray, room: int) -> tuple[np.ndarray, Demand, np.ndarray]:
        """Rows `X`, the points, the labelled rows and room for others, in one array.

        Returns the array, the demand of a view of it, and the column of each point.
        """
        n = len(X)
        rows = np.concatenate([X, self.X, self.labeled, np.repeat(self.X[:1], room, axis=0)])
        view = rows.view()
        view.flags.writeable = False
        demand = make_demand(
            view,
            n + np.arange(len(self.X)),
            self.weight,
            sampled=False,
            precision=self.precision,
            diameter=self.diameter,
            starts=self.starts,
            largest=self.largest,
        )
        point = demand.rows - n
        if self.factor is not None:
            demand = demand._replace(weight=demand.weight * self.factor[point])
        column = np.empty(len(self.X), dtype=np.int64)
        used = np.flatnonzero(~demand.filler)
        column[point[used]] = used
        return rows, demand, column

    def request(self, candidates: np.ndarray, first_labeled: int) -> Request:
        """Of one block, whose labelled rows begin at a place."""
        labeled = first_labeled + np.arange(len(self.labeled))
        return Request(self.budget, labeled, candidates, None, None, np.empty(0))


class CoveredRows:
    """The rows of a region with the demand beside them, before the first pick; for any alpha.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    is_open : ndarray of shape (n,), bool, or None
    point : ndarray of shape (n,), int, or None
        Which demand point a row is; -1: none.
    points : Points

    Attributes
    ----------
    largest : float
        The largest first density.
    """

    def __init__(
        self,
        X: np.ndarray,
        is_open: np.ndarray | None,
        point: np.ndarray | None,
        points: Points,
    ) -> None:
        self._made_of = (X, is_open, point, points)
        n = len(X)
        self.X, self.points = X, points
        self.rows, self.demand, column = points.beside(X, points.budget)
        if points.left_out and point is not None:
            is_point = np.flatnonzero(point >= 0)
            self.demand.own[is_point] = column[point[is_point]]
        open_rows = np.arange(n) if is_open is None else np.flatnonzero(is_open)
        self.request = points.request(open_rows, n + len(points.X))
        self.room = n + len(points.X) + len(points.labeled)
        with limit_threads(1):
            self.start = start_state(
                self.demand, self.request, points.diameter, n_jobs=1, credit=points.credit
            )
            rows = open_rows.astype(np.int32)
            self.density = np.zeros(len(self.rows))
            self.largest = 0.0
            if len(rows):
                batch = CoverageBatch(self.demand, self.start, 1, n_jobs=1)
                self.density[rows] = batch.bounds(rows, [0], n_jobs=1)[0]
                self.largest = largest_density(
                    self.demand, rows, self.density[rows], self.start, n_jobs=1
                )

    def __reduce__(self) -> tuple:
        return type(self), self._made_of

    def __sizeof__(self) -> int:
        return 2 * self.X.nbytes + 40 * len(self.rows)


def largest_of(covered: CoveredRows) -> float:
    return covered.largest


class CoverageBlock(ChainBlock):
    """One greedy run in a region, by the engine of one machine.

    Runs of the same `covered` come one after the other: they put the picks of other blocks into the
    same places.

    Parameters
    ----------
    covered : CoveredRows
    rows, is_open, groups
        See `ChainBlock`.
    powered : ndarray of shape (n,), or None
        `Score.novelty_power` of the rows; None: 1.
    score : Score
        But for that.
    """

    names = ("value", "power")

    def __init__(
        self,
        covered: CoveredRows,
        rows: np.ndarray,
        is_open: np.ndarray | None,
        groups: np.ndarray | None,
        powered: np.ndarray | None,
        score: kernels.Score,
    ) -> None:
        super().__init__(covered.X, rows, is_open, groups)
        self._made_of = (covered, rows, is_open, groups, powered, score)
        power = np.ones(len(covered.rows))
        if powered is not None:
            power[: len(rows)] = powered
        self._power, self._covered = power, covered
        self._batch = CoverageBatch(covered.demand, covered.start, 1, n_jobs=1)
        self._greedy = LazyGreedy(
            covered.demand,
            score._replace(novelty_power=power),
            covered.start,
            self._batch.runs[0],
            covered.density,
            covered.request,
        )

    def count(self, place: int, x: np.ndarray) -> None:
        if place < 0:
            place = self._covered.room + self._greedy.t
            put_rows(self._covered.demand, self._covered.rows, np.array([place]), x)
        self._greedy.take_other(place)

    def step(self, allowed: np.ndarray) -> Head:
        greedy = self._greedy
        greedy.set_allowed(allowed)
        for rows in greedy.pick():
            rows = self._batch.in_order(np.unique(rows))
            greedy.take_bounds(rows, self._batch.bounds(rows, [0], n_jobs=1)[0])
        place = int(greedy.run.indices[greedy.t - 1])
        score = float(greedy.run.scores[greedy.t - 1])
        value = float(greedy.run.density[greedy.t - 1]) * greedy.run.density_scale
        extra = {"value": value, "power": float(self._power[place])}
        return Head(place, score, greedy.nearest, extra)

    def bounds(self) -> np.ndarray:
        return self._greedy.densities

    def lower(self, places: np.ndarray, bounds: np.ndarray) -> None:
        self._greedy.lower_densities(places, bounds)

    def save(self) -> Any:
        return self._greedy.save()

    def restore(self, saved: Any) -> None:
        self._greedy.restore(saved)


class CoverageJudge:
    """Densities of heads and their distance to all picks.

    Parameters
    ----------
    points : Points
    rows : ndarray of int
        Rows of the pool that the points are.
    score : Score
    most : int
        Heads of a round, at the most.
    """

    def __init__(self, points: Points, rows: np.ndarray, score: kernels.Score, most: int) -> None:
        self._most = most
        self._all, self._demand, self._column = points.beside(points.X[:0], most)
        self._room = len(points.X) + len(points.labeled)
        self._points, self._ascending = rows if points.left_out else rows[:0], np.argsort(rows)
        request = points.request(np.empty(0, dtype=np.int64), len(points.X))
        state = start_state(self._demand, request, points.diameter, n_jobs=1, credit=points.credit)
        self._cover = state.cover
        self._score = score._replace(novelty_power=np.ones(len(self._all)))
        self._density, self._nearest = np.zeros(len(self._all)), np.zeros(len(self._all))
        self._value = np.zeros(len(self._all), dtype=np.float32)

    def load(self, sent: Answer) -> None:
        places = self._put(sent.X)
        self._rows, self._X = sent.rows, np.ascontiguousarray(sent.X)
        point = columns_of(sent.rows, self._points, self._ascending)
        self._demand.own[places] = np.where(point >= 0, self._column[point], -1)
        self._score.novelty_power[places] = sent.extra["power"]
        self._tie = sent.tie.copy()

    def _put(self, X: np.ndarray) -> np.ndarray:
        places = self._room + np.arange(len(X))
        put_rows(self._demand, self._all, places, X)
        return places

    def key(self, at: int) -> tuple[Key, dict[str, float]]:
        place = np.array([self._room + at], dtype=np.int32)
        self._nearest[place] = self._tie[at]
        density_within_reach(self._demand, place, 0, 1, self._cover, self._density)
        kernels.composites(self._score, place, self._density, self._nearest, 1.0, self._value)
        key = float(self._value[place[0]]), float(self._tie[at]), -int(self._rows[at])
        return key, {"density": float(self._density[place[0]])}

    def add(self, at: int) -> None:
        self._cover_by(np.array([self._room + at]))
        lower_to_point(self._X, 0, len(self._X), self._X[at], self._tie)

    def note(self, X: np.ndarray) -> None:
        for lo in range(0, len(X), self._most):
            self._cover_by(self._put(X[lo : lo + self._most]))

    def _cover_by(self, places: np.ndarray) -> None:
        cover(self._demand, places, 0, len(self._demand.radius32), self._cover)
