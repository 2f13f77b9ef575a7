"""One greedy run that refreshes only scores which could still win.

Scores never rise over picks, so a stale score bounds the fresh one. The active rows, those of the
largest bounds (see `active_set`), are updated after every pick. Those of them that could win are
refreshed in two steps: a float32 bound of the density, then the density. The picks are those of a
full scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from skxssr._kernels import greedy as kernels
from skxssr._kernels import lazy
from skxssr._kernels.cover import cover
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import density_within_reach
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.selection._engine.active_set import ActiveSetSize
from skxssr.selection._engine.coverage_state import InitialState, RunCoverage

# Rows at first that get a bound, or an exact density; then twice as many, and so on.
_FIRST, _MOST = (64, 1), (4096, 64)
_LEAST, _MOST_ACTIVE = 512, 32_768  # rows of a refill


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


class LazyGreedy:
    """The state of one greedy run.

    Parameters
    ----------
    demand : Demand
        With the weights of this run. No demand point if the density is constant.
    score : Score
    start : InitialState
    covered : RunCoverage
        Where this run keeps what is covered.
    density : ndarray of shape (n,)
        Upper bounds of the first densities; exact, and constant, without demand points.
    request : Request

    Attributes
    ----------
    run : Run
    t : int
        Picks made.
    nearest : float
        Squared distance of the last pick to what was picked or labelled before it.
    """

    def __init__(
        self,
        demand: Demand,
        score: kernels.Score,
        start: InitialState,
        covered: RunCoverage,
        density: np.ndarray,
        request: Request,
    ) -> None:
        n = len(demand.X)
        self.demand, self.covered = demand, covered
        self.run, self.t = empty_run(request.budget, score.density_scale), 0
        self.nearest = np.inf
        self._score = score
        self._constant = len(demand.rows) == 0
        self._direct = self._constant or demand.precision < 0
        self._quota = GroupConstraint(n, request)
        self._picks32 = np.empty((demand.X.shape[1], request.budget), dtype=np.float32)
        self._rows = lazy.Rows(
            bound=np.zeros(n, dtype=np.float32),
            known=np.zeros(n, dtype=np.int32),
            density=density.copy(),
            nearest=start.nearest.copy(),
            seen=np.zeros(n, dtype=np.int32),
        )
        self._composites(request.candidates, kernels.MARGIN)
        self._active = np.empty(0, dtype=np.int32)
        self._rest_bound = np.inf  # no other allowed row has a larger bound
        self._size = ActiveSetSize(_LEAST, _MOST_ACTIVE, patience=4)
        self._buffer = np.empty(0, dtype=np.int32)

    def run_to_end(self) -> Iterator[np.ndarray]:
        """Make all picks.

        Yields rows of which it needs a bound of the density, for `take_bounds`, before it goes on.
        """
        while self.t < len(self.run.indices):
            yield from self.pick()

    def take_bounds(self, rows: np.ndarray, bound: np.ndarray) -> None:
        """Take bounds of the densities of `rows`, as they are after the picks made.

        Of more rows than it asked for, if there are: it may need them yet.
        """
        lazy.take_bounds(self._score, self._rows, rows, bound, self.t)
        self.run.n_evaluations += len(rows)

    def take_other(self, pick: int) -> None:
        """Let a row of `demand.X` count as picked that this run did not find."""
        self.count(pick)
        if self.t < len(self.run.indices):
            self._update_active(pick)

    def set_allowed(self, allowed: np.ndarray) -> None:
        """Let only the rows `allowed` (k,) of the first k be picked next."""
        now = self._quota.allowed[: len(allowed)]
        if (allowed & ~now).any():
            self._rest_bound = np.inf
        now[:] = allowed

    @property
    def densities(self) -> np.ndarray:
        """Upper bounds of the densities of all rows."""
        return self._rows.density

    def lower_densities(self, rows: np.ndarray, bound: np.ndarray) -> None:
        """Take upper bounds of the densities of `rows`, as they are after the picks made."""
        self._rows.density[rows] = np.minimum(self._rows.density[rows], bound)
        self._composites(rows.astype(np.int32), kernels.MARGIN)

    def save(self) -> tuple:
        """What `restore` needs to take later picks back."""
        exact = self.covered.exact
        arrays = (*self._rows, *exact, self.covered.weighted32, self._quota.allowed)
        others = (self.t, self._active, self._rest_bound, replace(self._size), self._buffer)
        return tuple(array.copy() for array in arrays), others

    def restore(self, saved: tuple) -> None:
        """Go back to where `save` was called."""
        arrays, others = saved
        exact = self.covered.exact
        now = (*self._rows, *exact, self.covered.weighted32, self._quota.allowed)
        for array, old in zip(now, arrays, strict=True):
            array[...] = old
        self.t, self._active, self._rest_bound, size, self._buffer = others
        self._size = replace(size)

    def _composites(self, rows: np.ndarray, margin: float) -> None:
        state = self._rows
        kernels.composites(self._score, rows, state.density, state.nearest, margin, state.bound)

    def pick(self) -> Iterator[np.ndarray]:
        """Make one pick; yields as `run_to_end` does."""
        best, incumbent = -1, float(-np.inf)
        done: list[np.ndarray] = []  # rows with an exact score, which `bound` holds meanwhile
        most = list(_FIRST)
        while True:
            n, bounded = lazy.leaders(
                *(self._rows, self._active, self._quota.allowed, self.t, self._direct),
                *(incumbent, self._rest_bound, self._buffer),
            )
            if n == 0:
                if incumbent > self._rest_bound:
                    break
                self._refill(incumbent)
                if done:  # a refill leaves bounds, with their margin, where scores are compared
                    self._composites(np.concatenate(done), 1.0)
                continue
            kind = int(bounded)
            rows = self._first_of(self._buffer[:n], most[kind])
            most[kind] = min(2 * most[kind], _MOST[kind])
            if bounded:
                self._evaluate(rows)
                done.append(rows)
                best = kernels.best_of(rows, self._rows.bound, self._rows.nearest, best)
                incumbent = float(self._rows.bound[best])
            else:
                yield rows
        self._take(best)
        self._composites(np.concatenate(done), kernels.MARGIN)
        if self.t < len(self.run.indices):
            self._update_active(best)

    def _first_of(self, rows: np.ndarray, n: int) -> np.ndarray:
        """The `n` of the largest bounds."""
        if len(rows) > n:
            rows = rows[np.argpartition(-self._rows.bound[rows], n - 1)[:n]]
        return rows.copy()

    def _refill(self, incumbent: float) -> None:
        """Let the active rows be those of the largest bounds: all that could win, and more."""
        state = self._rows
        self._size.before_refill(self._refill_cost(), len(self.demand.X))
        state.seen[self._active] = self.t
        rows = np.flatnonzero(self._quota.allowed).astype(np.int32)
        bound = state.bound[rows]
        if np.isnan(bound).any():  # no row would ever win
            raise FloatingPointError(
                f"The scores of {np.isnan(bound).sum()} rows are not numbers: the embeddings or "
                "the sample_weight are too large for float64. Divide them by their largest value."
            )
        wanted = max(self._size.wanted, int((bound >= incumbent).sum()) if incumbent >= 0.0 else 0)
        level = float(-np.inf)
        if wanted < len(rows):
            order = np.argpartition(bound, len(rows) - wanted)
            level = float(bound[order[: len(rows) - wanted]].max())
            rows = rows[order[len(rows) - wanted :]]
            rows.sort()
        lazy.bring_up(
            *(self.demand, self._score, state, rows),
            *(self.run.indices[: self.t], self._picks32),
        )
        self._rest_bound = level
        self._keep(rows, state.bound[rows] >= level)

    def _keep(self, active: np.ndarray, kept: np.ndarray) -> None:
        """Leave out the rows of `active` that are not `kept`."""
        self._rest_bound = max(
            self._rest_bound, float(self._rows.bound[active[~kept]].max(initial=-np.inf))
        )
        self._active, self._size.update_cost = active[kept], 0
        self._buffer = np.empty(len(self._active), dtype=np.int32)

    def _refill_cost(self) -> int:
        """What a refill costs, in updates of one row."""
        return len(self.demand.X) // 16 + 2 * self._size.wanted

    def _update_active(self, pick: int) -> None:
        """Lower the bounds of the active rows for a pick; halve them if they cost too much."""
        active = self._active
        lazy.lower_few(self.demand, self._score, self._rows, active, pick)
        self._size.update_cost += len(active)
        if self._size.is_too_large(self._refill_cost(), len(active)):
            self._rows.seen[active] = self.t
            bound = self._rows.bound[active]
            self._keep(active, bound >= np.partition(bound, len(active) // 2)[len(active) // 2])
            self._size.halve()

    def _evaluate(self, rows: np.ndarray) -> None:
        """Make densities and scores of `rows` exact."""
        if not self._constant:
            self.run.n_evaluations += len(rows)
            density_within_reach(
                self.demand, rows, 0, len(rows), self.covered.exact, self._rows.density
            )
        self._rows.known[rows] = 2 * self.t + 1
        self._composites(rows, 1.0)

    def _take(self, pick: int) -> None:
        run, t = self.run, self.t
        run.scores[t] = self._rows.bound[pick]
        run.density[t] = self._rows.density[pick] / run.density_scale
        self.nearest = float(self._rows.nearest[pick])
        run.diversity[t] = np.sqrt(self.nearest)
        self.count(pick)
        if self._quota.take(pick):
            self._rest_bound = np.inf

    def count(self, pick: int) -> None:
        """Let a row of `demand.X` count as picked, whoever picked it."""
        run, t = self.run, self.t
        run.indices[t] = pick
        self._picks32[:, t] = self.demand.X32[pick]
        self.t += 1
        if len(self.demand.rows):
            n_blocks = len(self.demand.radius32)
            cover(self.demand, run.indices[t : t + 1], 0, n_blocks, self.covered.exact)
            self.covered.round_down()
