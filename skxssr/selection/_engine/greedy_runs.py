"""Greedy runs side by side, and the full scan."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs

from skxssr._kernels import greedy as kernels
from skxssr._kernels.cover import Cover, cover
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import density_of_rows
from skxssr._kernels.distances import argmax_allowed, lower_to_point
from skxssr._utils.threads import limit_threads, over_blocks
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.selection._engine.coverage_state import (
    ROWS_BLOCK,
    CoverageBatch,
    InitialState,
    densities_on,
    largest_density,
)
from skxssr.selection._engine.lazy_greedy import LazyGreedy, Run, empty_run


def greedy_runs(
    demands: list[Demand],
    scores: list[kernels.Score],
    start: InitialState,
    constant: np.ndarray,
    request: Request,
    *,
    n_jobs: int | None,
    on_stage: Callable[[str], object] = lambda _: None,
    device: str | None = None,
) -> Iterator[Run]:
    """Select greedily by each of the `scores`; yields the runs in order.

    Parameters
    ----------
    demands : list of Demand
        One for all scores, or one for each; they differ in the weights alone.
    scores : list of Score
        But for their `density_scale`.
    start : InitialState
    constant : ndarray of shape (n,)
        Densities if there is no demand.
    request : Request
    n_jobs : int, optional
    on_stage : callable, optional
        Told when a stage ends: "first bounds" (all rows before the first pick), "bounds" (of later
        densities) or "walks" (the rest).
    device : str, optional
        Where torch computes bounds of densities; by default numba does.
    """
    rows = request.candidates.astype(np.int32)
    teams: list[RunBatch] = []
    on_device = None
    if device is not None and len(demands[0].rows):  # demands differ in weights alone
        on_device = densities_on(device, demands[0], n_jobs=n_jobs)
    with limit_threads(1):  # the threads are ours; a kernel of bounds multiplies small matrices
        for d, demand in enumerate(demands):
            own = scores[d :: len(demands)]
            ledger = CoverageBatch(demand, start, len(own), n_jobs=n_jobs, on_device=on_device)
            density, scale = constant, 1.0
            if len(demand.rows):
                density = np.zeros(len(demand.X))
                density[rows] = ledger.bounds(rows, [0], n_jobs=n_jobs)[0]
                scale = largest_density(demand, rows, density[rows], start, n_jobs=n_jobs) or 1.0
            walks = [
                LazyGreedy(
                    demand, score._replace(density_scale=scale), start, covered, density, request
                )
                for score, covered in zip(own, ledger.runs, strict=True)
            ]
            teams.append(RunBatch(ledger, walks))
        on_stage("first bounds")
        _run_teams(teams, n_jobs=n_jobs, on_stage=on_stage)
    yield from (walk.run for team in teams for walk in team.walks)


class RunBatch(NamedTuple):
    """Runs that cover the same demand, whose bounds are computed together."""

    ledger: CoverageBatch
    walks: list[LazyGreedy]

    def bound(self, rows: np.ndarray, *, n_jobs: int | None) -> None:
        """Give bounds of the densities of `rows` to all runs that are not at their end."""
        walks = [walk for walk in self.walks if walk.t < len(walk.run.indices)]
        rows = self.ledger.in_order(rows)
        # runs of the same picks cover the same
        keys = [walk.run.indices[: walk.t].tobytes() for walk in walks]
        states = {key: self.walks.index(walk) for key, walk in zip(keys, walks, strict=True)}
        bound = self.ledger.bounds(rows, list(states.values()), n_jobs=n_jobs)
        of_state = dict(zip(states, bound, strict=True))
        for walk, key in zip(walks, keys, strict=True):
            walk.take_bounds(rows, of_state[key])


def _run_teams(
    teams: list[RunBatch], *, n_jobs: int | None, on_stage: Callable[[str], object]
) -> None:
    """Make all picks of all runs, in threads."""
    walks = [walk for team in teams for walk in team.walks]
    steps = [walk.run_to_end() for walk in walks]
    asked: list[np.ndarray | None] = []
    with ThreadPoolExecutor(min(effective_n_jobs(n_jobs), len(walks))) as pool:
        while True:
            asked = list(pool.map(lambda step: next(step, None), steps))
            on_stage("walks")
            if all(rows is None for rows in asked):
                return
            wanted = dict(zip(map(id, walks), asked, strict=True))
            for team in teams:
                of_team = [wanted[id(walk)] for walk in team.walks]
                rows = [some for some in of_team if some is not None]
                if rows:
                    team.bound(np.unique(np.concatenate(rows)), n_jobs=n_jobs)
            on_stage("bounds")


def run_full(
    demand: Demand,
    score: kernels.Score,
    start: InitialState,
    constant: np.ndarray,
    request: Request,
    *,
    n_jobs: int | None,
) -> Run:
    """Greedy selection that scores every candidate at every pick: the oracle of `greedy_runs`.

    `constant` (n,) are the densities if there is no demand. `Run.utilities` holds all scores, NaN
    where a row could not be picked.
    """
    X, m = demand.X, len(demand.rows)
    state = Cover(*(part.copy() for part in start.cover))
    nearest = start.nearest.copy()
    density = constant.copy() if m == 0 else np.zeros(len(X))
    quota = GroupConstraint(len(X), request)
    rows = request.candidates.astype(np.int32)
    values = np.zeros(len(X), dtype=np.float32)
    run = empty_run(request.budget, score.density_scale)
    run.utilities = np.full((request.budget, len(X)), np.nan, dtype=np.float32)

    def scan(lo: int, hi: int) -> None:
        if m:
            density_of_rows(demand, rows, lo, hi, state.covered, density)
        kernels.composites(score, rows[lo:hi], density, nearest, 1.0, values)

    for t in range(request.budget):
        over_blocks(scan, len(rows), n_jobs=n_jobs, size=ROWS_BLOCK)
        run.utilities[t, quota.allowed] = values[quota.allowed]
        pick = argmax_allowed(values, nearest, quota.allowed)
        run.indices[t], run.scores[t] = pick, values[pick]
        run.density[t] = density[pick] / run.density_scale
        run.diversity[t] = np.sqrt(nearest[pick])
        run.n_evaluations += len(rows)
        quota.take(pick)
        lower_to_point(X, 0, len(X), X[pick], nearest)
        if m:
            cover(demand, run.indices[t : t + 1], 0, len(demand.radius32), state)
    return run
