"""Greedy runs side by side, and the full scan. Imports `_kernels`, `_ground` and `_walk`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs

from skxssr._kernels import greedy as kernels
from skxssr._kernels.cover import cover
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import density_of_rows
from skxssr._kernels.distances import argmax_allowed, lower_to_point
from skxssr._quota import Quota, Request
from skxssr._threads import over_blocks
from skxssr.selection._ground import (
    ROWS_BLOCK,
    Start,
    bounds_of,
    largest_density,
    rounded_down,
    rounded_up,
)
from skxssr.selection._walk import Run, Walk, empty_run


def greedy_runs(
    demands: list[Demand],
    scores: list[kernels.Score],
    start: Start,
    constant: np.ndarray,
    request: Request,
    *,
    n_jobs: int | None,
) -> Iterator[Run]:
    """Select greedily by each of the `scores`; yields the runs in order.

    Parameters
    ----------
    demands : list of Demand
        One for all scores, or one for each; they differ in the weights alone.
    scores : list of Score
        But for their `density_scale`.
    start : Start
    constant : ndarray of shape (n,)
        Densities if there is no demand.
    request : Request
    n_jobs : int, optional
    """
    rows = request.candidates.astype(np.int32)
    n, covered = len(demands[0].X), rounded_down(start.covered)[None]
    walks: list[Walk] = []
    for d, demand in enumerate(demands):
        density, scale = constant, 1.0
        if len(demand.rows):
            density = np.zeros(n)
            weight = rounded_up(demand.weight)[None]
            density[rows] = bounds_of(demand, rows, covered, weight, start.reach, n_jobs=n_jobs)[0]
            scale = largest_density(demand, rows, density[rows], start, n_jobs=n_jobs) or 1.0
        walks += [
            Walk(
                demand,
                score._replace(density_scale=scale),
                start,
                density,
                request,
            )
            for score in scores[d :: len(demands)]
        ]
    yield from _run_walks(walks, n_jobs=n_jobs)


def _run_walks(walks: list[Walk], *, n_jobs: int | None) -> Iterator[Run]:
    """Make all picks of each of the `walks`, in threads; yields their runs in order."""
    waiting = [(walk, walk.run_to_end()) for walk in walks]
    with ThreadPoolExecutor(min(effective_n_jobs(n_jobs), len(walks))) as pool:
        while waiting:
            asked = list(pool.map(lambda pair: next(pair[1], None), waiting))
            waiting = [pair for pair, rows in zip(waiting, asked, strict=True) if rows is not None]
            if waiting:
                wanted = np.unique(np.concatenate([rows for rows in asked if rows is not None]))
                _bound_together([walk for walk, _ in waiting], wanted, n_jobs=n_jobs)
    yield from (walk.run for walk in walks)


def _bound_together(walks: list[Walk], rows: np.ndarray, *, n_jobs: int | None) -> None:
    """Bound the densities of `rows` for all `walks`; the kernels are computed once."""
    # runs of the same weights and picks cover the same
    keys = [(id(w.demand.weight), w.run.indices[: w.t].tobytes()) for w in walks]
    states = dict(zip(keys, walks, strict=True))
    distinct = list(states.values())
    bound = bounds_of(
        walks[0].demand,
        rows,
        np.concatenate([walk.covered32 for walk in distinct]),
        np.concatenate([walk.weight32 for walk in distinct]),
        np.max([walk.reach for walk in distinct], axis=0),
        n_jobs=n_jobs,
    )
    of_state = dict(zip(states, bound, strict=True))
    for walk, key in zip(walks, keys, strict=True):
        walk.take_bounds(rows, of_state[key])


def run_full(
    demand: Demand,
    score: kernels.Score,
    start: Start,
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
    covered, reach, nearest = start.covered.copy(), start.reach.copy(), start.nearest.copy()
    density = constant.copy() if m == 0 else np.zeros(len(X))
    quota = Quota(len(X), request)
    rows = request.candidates.astype(np.int32)
    values = np.zeros(len(X), dtype=np.float32)
    run = empty_run(request.budget, score.density_scale)
    run.utilities = np.full((request.budget, len(X)), np.nan, dtype=np.float32)

    def scan(lo: int, hi: int) -> None:
        if m:
            density_of_rows(demand, rows, lo, hi, covered, density)
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
            cover(demand, run.indices[t : t + 1], 0, m, covered, reach)
    return run
