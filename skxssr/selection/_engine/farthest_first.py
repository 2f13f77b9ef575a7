"""Greedy k-center that looks only at rows which could be farthest.

The distance of a row to its nearest pick never rises, so a distance to the picks of a while ago
bounds today's. The active rows, those of the largest bounds (see `active_set`), are kept up to
date, side by side in memory; the others are looked at again only when no active row is farther than
all their bounds, and then by a matrix product with a margin, after which hardly a pair has to be
computed exactly.
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
from skxssr.selection._engine.active_set import ActiveSetSize

_ROWS = 1024  # of a matrix product
_LEAST, _MOST = 512, 8_192  # rows of a refill
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
        self._active, self._active_nearest = np.empty(0, dtype=np.int64), np.empty(0)
        self._columns = np.empty((p, 0), dtype=X.dtype)
        self._rest_bound, self._size = np.inf, ActiveSetSize(_LEAST, _MOST, patience=2)

    def start(self, points: np.ndarray) -> None:
        """Look at the first picks, rows of X, from everywhere."""
        self._first_look(points)
        if len(points) > 1:
            self._look_again(np.arange(len(self._X)))

    def add(self, pick: int, *, opened: bool) -> None:
        """Look at a further pick; `opened`: rows that were blocked are allowed now."""
        self._note(pick)
        lower_columns(self._columns, self._X[pick], self._active_nearest)
        self.n_evaluations += len(self._active)
        self._size.update_cost += self._columns.size
        if opened:
            self._rest_bound = np.inf

    def best(self) -> int:
        """The allowed row farthest from the picks; ties to the lowest index."""
        while True:
            allowed = self._quota.allowed[self._active]
            score = self._active_nearest * self._weight[self._active]
            at = argmax_allowed(score, self._active_nearest, allowed)
            if at >= 0 and score[at] > self._rest_bound:
                pick = int(self._active[at])
                self.nearest[pick] = self._active_nearest[at]
                n_active = len(self._active)
                if self._size.is_too_large(self._refill_cost(n_active), n_active):
                    self._keep(np.argpartition(score, len(score) // 2)[len(score) // 2 :])
                return pick
            if len(self._active) and self._rest_bound == -np.inf:
                return int(self._active[at])
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

    def _refill(self, incumbent: float) -> None:
        """Look again at the rows of the largest bounds, and keep the farthest as active rows."""
        self._size.before_refill(self._refill_cost(self._size.wanted), len(self._X))
        self.nearest[self._active], self._seen[self._active] = self._active_nearest, self._t
        bound = np.where(self._quota.allowed, self.nearest * self._weight, -1.0)
        bound_of_active = bound[self._active]
        bound[self._active] = -1.0
        wanted = min(self._size.wanted, len(bound) - 1)
        order = np.argpartition(bound, len(bound) - 1 - wanted)
        rest, again = order[: len(bound) - wanted], order[len(bound) - wanted :]
        again = again[bound[again] >= 0.0]
        level = float(bound[rest].max(initial=-1.0))
        self._look_again(again)
        fresh = self.nearest[again] * self._weight[again]
        # rows that are below the bounds of the rest need not be kept up to date
        active = np.concatenate([self._active[bound_of_active >= level], again[fresh >= level]])
        active = active[self._quota.allowed[active]]
        self._gather(active)
        dropped = np.concatenate([bound_of_active[bound_of_active < level], fresh[fresh < level]])
        self._rest_bound = max(level, float(dropped.max(initial=-1.0)))
        if self._rest_bound < 0.0:
            self._rest_bound = -np.inf

    def _refill_cost(self, n_rows: int) -> int:
        """Cost of a refill that takes so many rows, in updates of one value of an active row."""
        n, p = self._X.shape
        return _PER_ROW * n + _PER_VALUE * n_rows * p

    def _gather(self, active: np.ndarray) -> None:
        self._active, self._size.update_cost = np.sort(active), 0
        self._active_nearest = self.nearest[self._active].copy()
        self._columns = np.ascontiguousarray(self._X[self._active].T)

    def _keep(self, kept: np.ndarray) -> None:
        """Leave out all active rows but those at the positions `kept`, the farthest."""
        self.nearest[self._active], self._seen[self._active] = self._active_nearest, self._t
        left = np.delete(self._active, kept)
        left = left[self._quota.allowed[left]]
        self._rest_bound = max(
            self._rest_bound, float((self.nearest[left] * self._weight[left]).max(initial=-1.0))
        )
        self._gather(self._active[kept])
        self._size.halve()

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
