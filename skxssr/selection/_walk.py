"""One greedy run that refreshes only scores which could still win. Imports `_kernels`, `_ground`.

Scores never rise over picks, so a stale score bounds the fresh one. A row is refreshed in steps,
each dearer and closer: its distance to the picks, a float32 bound of its density, its density. The
picks are those of a full scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skxssr._kernels import greedy as kernels
from skxssr._kernels.cover import cover
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import density_within_reach
from skxssr._kernels.lazy import BOUNDED, LEVELS, NEAREST, STALE, Rows, pop
from skxssr._quota import Quota, Request
from skxssr.selection._ground import Start, rounded_down, rounded_up

# Rows taken off the heap at a time, by level: the first time in a pick, the most.
_FIRST, _MOST = np.zeros(LEVELS, dtype=np.int64), np.zeros(LEVELS, dtype=np.int64)
_FIRST[[NEAREST, BOUNDED]], _MOST[[NEAREST, BOUNDED]] = (8, 1), (4096, 64)


@dataclass
class Run:
    """One greedy run: the picks, what each won with, and the number of densities refreshed.

    Densities are divided by `density_scale`, the largest before the first pick.
    """

    indices: np.ndarray
    scores: np.ndarray
    density: np.ndarray
    diversity: np.ndarray
    density_scale: float
    n_evaluations: int = 0
    utilities: np.ndarray | None = None


def empty_run(budget: int, density_scale: float) -> Run:
    """A run with room for so many picks."""
    return Run(
        indices=np.empty(budget, dtype=np.int64),
        scores=np.empty(budget, dtype=np.float32),
        density=np.empty(budget),
        diversity=np.empty(budget),
        density_scale=density_scale,
    )


class Walk:
    """The state of one greedy run.

    Parameters
    ----------
    demand : Demand
        With the weights of this run. No demand point if the density is constant.
    score : Score
    start : Start
    density : ndarray of shape (n,)
        Upper bounds of the first densities; exact, and constant, without demand points.
    request : Request

    Attributes
    ----------
    run : Run
    t : int
        Picks made.
    covered, reach, covered32, weight32 : ndarray
        The demand covered by now, its reach, and what the bounds take.
    """

    def __init__(
        self,
        demand: Demand,
        score: kernels.Score,
        start: Start,
        density: np.ndarray,
        request: Request,
    ) -> None:
        n = len(demand.X)
        self.demand, self.score = demand, score
        self.run, self.t = empty_run(request.budget, score.density_scale), 0
        self.covered, self.reach = start.covered.copy(), start.reach.copy()
        self.weight32 = rounded_up(demand.weight)[None]
        self.covered32 = rounded_down(self.covered)[None]
        self._constant = len(demand.rows) == 0
        self._exact = self._constant or demand.precision < 0
        self._quota = Quota(n, request)
        candidates = request.candidates.astype(np.int32)
        allowed = self._quota.allowed[candidates]
        self._parked = [candidates[~allowed]]
        self._size = int(allowed.sum())
        self._rows = Rows(
            heap=np.concatenate([candidates[allowed], candidates[~allowed]]),
            bound=np.zeros(n, dtype=np.float32),
            level=np.full(n, BOUNDED if self._exact else STALE, dtype=np.int32),
            density=density.copy(),
            nearest=start.nearest.copy(),
            seen=np.zeros(n, dtype=np.int32),
        )
        self._bounded = np.zeros(n, dtype=np.int32)  # how many picks the whole density knows
        self._picks32 = np.empty((demand.X.shape[1], request.budget), dtype=np.float32)
        self._composites(candidates, kernels.MARGIN)
        kernels.heapify(self._rows.heap, self._size, self._rows.bound)
        self._buffer = np.empty(_MOST.max(), dtype=np.int32)
        self._park_buffer = np.empty(len(candidates), dtype=np.int32)

    def run_to_end(self) -> Iterator[np.ndarray]:
        """Make all picks.

        Yields rows of which it needs a bound of the density, for `take_bounds`, before it goes on.
        """
        while self.t < len(self.run.indices):
            yield from self._pick()

    def take_bounds(self, rows: np.ndarray, bound: np.ndarray) -> None:
        """Take bounds of the densities of `rows`, as they are after the picks made.

        Of more rows than it asked for, if there are: it may need them yet.
        """
        self._rows.density[rows] = np.minimum(self._rows.density[rows], bound)
        self._bounded[rows] = self.t
        self.run.n_evaluations += len(rows)

    def _composites(self, rows: np.ndarray, margin: float) -> None:
        state = self._rows
        kernels.composites(self.score, rows, state.density, state.nearest, margin, state.bound)

    def _push(self, rows: np.ndarray) -> None:
        if len(rows):
            self._size = kernels.push(self._rows.heap, self._size, rows, self._rows.bound)

    def _pop(self, worth: float, most: np.ndarray) -> tuple[np.ndarray, int]:
        self._size, n_rows, n_parked, level = pop(
            *(self.demand, self.score, self._rows, self._size),
            *(self.run.indices[: self.t], self._picks32, self._quota.allowed, self._exact),
            *(worth, most, self._buffer, self._park_buffer),
        )
        if n_parked:
            self._parked.append(self._park_buffer[:n_parked].copy())
        return self._buffer[:n_rows].copy(), level

    def _pick(self) -> Iterator[np.ndarray]:
        best, worth = -1, -np.inf
        done: list[np.ndarray] = []  # rows with an exact score, which `bound` holds meanwhile
        most = _FIRST.copy()
        while True:
            rows, level = self._pop(worth, most)
            if not len(rows):
                break
            most[level] = min(2 * most[level], _MOST[level])
            if level == BOUNDED:
                self._evaluate(rows)
                self._composites(rows, 1.0)
                done.append(rows)
                best = kernels.best_of(rows, self._rows.bound, self._rows.nearest, best)
                worth = self._rows.bound[best]
                continue
            unknown = rows[self._bounded[rows] != self.t]
            if len(unknown):
                yield unknown
            self._rows.level[rows] = LEVELS * self.t + BOUNDED
            self._composites(rows, kernels.MARGIN)
            self._push(rows)
        self._take(best)
        rows = np.concatenate(done)
        rows = rows[rows != best]
        self._composites(rows, kernels.MARGIN)
        self._push(rows)

    def _evaluate(self, rows: np.ndarray) -> None:
        """Make the densities of `rows` exact."""
        if self._constant:
            return
        self.run.n_evaluations += len(rows)
        density_within_reach(
            self.demand, rows, 0, len(rows), self.covered, self.reach, self._rows.density
        )
        self._bounded[rows] = self.t

    def _take(self, pick: int) -> None:
        run, t = self.run, self.t
        run.indices[t], run.scores[t] = pick, self._rows.bound[pick]
        run.density[t] = self._rows.density[pick] / run.density_scale
        run.diversity[t] = np.sqrt(self._rows.nearest[pick])
        self._picks32[:, t] = self.demand.X32[pick]
        self.t += 1
        if self._quota.take(pick):
            for rows in self._parked:
                self._push(rows)
            self._parked.clear()
        m = len(self.demand.rows)
        if m:
            cover(self.demand, run.indices[t : t + 1], 0, m, self.covered, self.reach)
            self.covered32 = rounded_down(self.covered)[None]
