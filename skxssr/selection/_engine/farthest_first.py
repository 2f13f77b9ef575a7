"""Greedy k-center that looks only at rows which could be farthest.

The distance of a row to its nearest pick never rises, so a distance to the picks of a while ago
bounds today's. A few rows, those of the largest bounds, are kept up to date, side by side in
memory; the rest is looked at again only when none of the few is farther than all bounds of the
rest, and then by a matrix product with a margin that leaves few pairs to be computed exactly.
"""

import time

import numpy as np

from skxssr._kernels.distances import (
    argmax_allowed,
    lower_columns,
    lower_to_point,
    lower_where_near,
    move_rows,
)
from skxssr._utils.threads import in_threads, limit_threads, over_blocks
from skxssr.base.group_constraint import GroupConstraint

_ROWS = 1024  # of a matrix product
_FEWEST, _MOST = 512, 8_192  # rows looked at again at a time, at first and at the most
_PER_ROW, _PER_VALUE = 40, 8  # cost of a refill, a row of the pool and a value of those taken
_ROUNDING = 2.0**-24  # of float32


class FarthestFirst:
    """Squared distances to the nearest pick, as far as they matter.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    weight : ndarray of shape (n,)
        Squared distances are compared times this.
    quota : GroupConstraint
    budget : int
        Picks to come, at the most.
    n_jobs : int, optional

    Attributes
    ----------
    nearest : ndarray of shape (n,)
        Squared distance to the nearest of the picks looked at so far: exact at the last pick.
    n_evaluations : int
        Distances looked at, by whatever means.
    seconds : float
        Spent on looking at many of them at once.
    """

    def __init__(
        self,
        X: np.ndarray,
        weight: np.ndarray,
        quota: GroupConstraint,
        budget: int,
        *,
        n_jobs: int | None,
    ) -> None:
        n, p = X.shape
        self.nearest, self.n_evaluations, self.seconds = np.full(n, np.inf), 0, 0.0
        self._X, self._weight, self._quota, self._n_jobs = X, weight, quota, n_jobs
        self._seen = np.zeros(n, dtype=np.int32)
        self._picks, self._t = np.empty(budget, dtype=np.int64), 0
        self._picks32, self._norms = np.empty((budget, p), dtype=np.float32), np.empty(budget)
        self._center = X[0].copy()
        self._scale = 1.0
        self._few, self._few_nearest = np.empty(0, dtype=np.int64), np.empty(0)
        self._columns = np.empty((p, 0), dtype=X.dtype)
        self._rest, self._take, self._spent = np.inf, _FEWEST, 0

    def start(self, points: np.ndarray) -> None:
        """Look at the first picks, rows of X, from everywhere."""
        self._first_look(points)
        if len(points) > 1:
            self._look_again(np.arange(len(self._X)))

    def add(self, pick: int, *, opened: bool) -> None:
        """Look at a further pick; `opened`: rows that were blocked are allowed now."""
        self._note(pick)
        lower_columns(self._columns, self._X[pick], self._few_nearest)
        self.n_evaluations += len(self._few)
        self._spent += self._columns.size
        if opened:
            self._rest = np.inf

    def best(self) -> int:
        """The allowed row farthest from the picks; ties to the lowest index."""
        while True:
            allowed = self._quota.allowed[self._few]
            score = self._few_nearest * self._weight[self._few]
            at = argmax_allowed(score, self._few_nearest, allowed)
            if at >= 0 and score[at] > self._rest:
                pick = int(self._few[at])
                self.nearest[pick] = self._few_nearest[at]
                if self._spent > 2 * self._price(len(self._few)) and len(self._few) > _FEWEST:
                    self._keep(np.argpartition(score, len(score) // 2)[len(score) // 2 :])
                return pick
            if len(self._few) and self._rest == -np.inf:
                return int(self._few[at])
            self._refill(score[at] if at >= 0 else -np.inf)

    def _first_look(self, points: np.ndarray) -> None:
        """Look at the first of `points` from everywhere, and note them all."""
        first = self._X[points[0]].copy()
        self._lower_all(first)
        # no row is farther from the first pick than this, which becomes the origin
        reach = float(np.sqrt(self.nearest.max()))
        self._scale = float(2.0 ** -np.ceil(np.log2(reach))) if reach > 0 else 1.0
        # float32 need not hold a difference from the origin before it is scaled
        self._center = first if 1e-30 < self._scale < 1e30 else first.astype(np.float64)
        self._seen[:] = 1
        for point in points:
            self._note(point)

    def _moved(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of X about the first pick and scaled, as float32, and their squared norms."""
        out, norms = np.empty((len(rows), self._X.shape[1]), dtype=np.float32), np.empty(len(rows))
        move_rows(self._X, rows, self._center, self._scale, out, norms)
        return out, norms

    def _note(self, pick: int) -> None:
        t = self._t
        self._picks[t] = pick
        self._picks32[t : t + 1], self._norms[t : t + 1] = self._moved(self._picks[t : t + 1])
        self._t += 1

    def _lower_all(self, point: np.ndarray) -> None:
        start = time.perf_counter()
        over_blocks(
            lambda lo, hi: lower_to_point(self._X, lo, hi, point, self.nearest),
            len(self._X),
            n_jobs=self._n_jobs,
        )
        self.n_evaluations += len(self._X)
        self.seconds += time.perf_counter() - start

    def _refill(self, worth: float) -> None:
        """Look again at the rows of the largest bounds, and keep the farthest as the few."""
        if self._spent < self._price(self._take):
            # those that did not do for one pick are doubled without end: bounds may all be equal
            self._take = min(2 * self._take, _MOST if self._spent else len(self._X))
        self.nearest[self._few], self._seen[self._few] = self._few_nearest, self._t
        bound = np.where(self._quota.allowed, self.nearest * self._weight, -1.0)
        bound_of_few = bound[self._few]
        bound[self._few] = -1.0
        wanted = min(self._take, len(bound) - 1)
        order = np.argpartition(bound, len(bound) - 1 - wanted)
        rest, again = order[: len(bound) - wanted], order[len(bound) - wanted :]
        again = again[bound[again] >= 0.0]
        level = float(bound[rest].max(initial=-1.0))
        self._look_again(again)
        fresh = self.nearest[again] * self._weight[again]
        # rows that are below the bounds of the rest need not be kept up to date
        few = np.concatenate([self._few[bound_of_few >= level], again[fresh >= level]])
        few = few[self._quota.allowed[few]]
        self._gather(few)
        dropped = np.concatenate([bound_of_few[bound_of_few < level], fresh[fresh < level]])
        self._rest = max(level, float(dropped.max(initial=-1.0)))
        if self._rest < 0.0:
            self._rest = -np.inf

    def _price(self, n_rows: int) -> int:
        """Cost of a refill that takes so many rows, in values of the few looked at."""
        n, p = self._X.shape
        return _PER_ROW * n + _PER_VALUE * n_rows * p

    def _gather(self, few: np.ndarray) -> None:
        self._few, self._spent = np.sort(few), 0
        self._few_nearest = self.nearest[self._few].copy()
        self._columns = np.ascontiguousarray(self._X[self._few].T)

    def _keep(self, kept: np.ndarray) -> None:
        """Leave out all of the few but those at the positions `kept`, the farthest."""
        self.nearest[self._few], self._seen[self._few] = self._few_nearest, self._t
        left = np.delete(self._few, kept)
        left = left[self._quota.allowed[left]]
        self._rest = max(
            self._rest, float((self.nearest[left] * self._weight[left]).max(initial=-1.0))
        )
        self._gather(self._few[kept])
        self._take = max(_FEWEST, self._take // 2)

    def _look_again(self, rows: np.ndarray) -> None:
        """Make `nearest[rows]` exact for all picks."""
        start = time.perf_counter()
        seen = self._seen[rows]
        todo: list[tuple[np.ndarray, int]] = []
        for first in np.unique(seen).tolist():  # as int: a count may be more than int32 holds
            if first < self._t:
                same = np.sort(rows[seen == first])
                self.n_evaluations += len(same) * (self._t - first)
                todo += [(same[lo : lo + _ROWS], first) for lo in range(0, len(same), _ROWS)]
        with limit_threads(1):
            list(in_threads(self._lower, todo, n_jobs=self._n_jobs))
        self._seen[rows] = self._t
        self.seconds += time.perf_counter() - start

    def _lower(self, item: tuple[np.ndarray, int]) -> None:
        rows, first = item
        block, norms = self._moved(rows)
        # p products and their sums are rounded, here and in the norms, and so is each value, once
        slack = 2.0 * (block.shape[1] + 8) * _ROUNDING + 1e-30
        lower_where_near(
            *(self._X, rows, self._picks[first : self._t]),
            block @ self._picks32[first : self._t].T,
            *(norms, self._norms[first : self._t], slack, self._scale**-2.0, self.nearest),
        )
