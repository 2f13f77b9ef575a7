"""Drive the greedy kernels: full scan and exact lazy greedy. Imports `_kernels`, `_quota`."""

from dataclasses import dataclass

import numpy as np

from skxssr._kernels import greedy as kernels
from skxssr._kernels.distances import argmax_allowed, lower_to_point
from skxssr._quota import Quota, Request
from skxssr._threads import over_blocks

_DENSITY_BLOCK = 64  # a density costs m distances, so that few rows are already work for a thread


@dataclass
class Start:
    """State before the first pick, shared by every alpha: what the labelled rows cover.

    Attributes
    ----------
    covered : ndarray of shape (m,)
    density : ndarray of shape (n,)
        Raw density of the candidates; 0 elsewhere.
    nearest : ndarray of shape (n,)
        Squared distance to the nearest labelled row, or the square of the common bound.
    """

    covered: np.ndarray
    density: np.ndarray
    nearest: np.ndarray


@dataclass
class Run:
    """One greedy run: the picks, what each won with, and the number of densities refreshed."""

    indices: np.ndarray
    scores: np.ndarray
    density: np.ndarray
    diversity: np.ndarray
    n_evaluations: int = 0
    utilities: np.ndarray | None = None


def start_state(
    field: kernels.Field,
    request: Request,
    diameter: float,
    *,
    n_jobs: int | None,
    credit: np.ndarray | None = None,
) -> Start:
    """Cover by the labelled rows, on top of a `credit` (m,), and compute every first density."""
    n = len(field.X)
    covered = np.zeros(field.demand.shape[1]) if credit is None else credit.copy()
    nearest = np.full(n, diameter**2)
    for row in request.labeled:
        point = field.X[row]
        if len(covered):
            kernels.cover(point, field.demand, field.precision, covered)
        over_blocks(
            lambda lo, hi, point=point: lower_to_point(field.X, lo, hi, point, nearest),  # type: ignore[misc]
            n,
            n_jobs=n_jobs,
        )
    density = np.zeros(n)
    rows = request.candidates
    over_blocks(
        lambda lo, hi: kernels.density_of_rows(field, rows, lo, hi, covered, density),
        len(rows),
        n_jobs=n_jobs,
        size=_DENSITY_BLOCK,
    )
    return Start(covered, density, nearest)


def run_lazy(field: kernels.Field, start: Start, request: Request) -> Run:
    """Greedy selection that refreshes only scores which could still win.

    Scores never rise over picks, so a stale score bounds the fresh one and the picks are those of
    `run_full`.
    """
    n = len(field.X)
    covered, density, nearest = start.covered.copy(), start.density.copy(), start.nearest.copy()
    quota = Quota(n, request)
    heap = request.candidates.astype(np.int64)
    size = len(heap)
    bound = np.zeros(n, dtype=np.float32)
    score = np.zeros(n, dtype=np.float32)
    kernels.bounds(field, heap, density, nearest, bound)
    kernels.heapify(heap, bound)
    seen = np.zeros(n, dtype=np.int64)
    buffer, fresh = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    parked: list[np.ndarray] = []
    run = _empty_run(request.budget)
    for t in range(request.budget):
        pick, size, n_parked, n_fresh = kernels.lazy_pick(
            field,
            heap,
            size,
            bound,
            quota.allowed,
            buffer,
            run.indices[:t],
            seen,
            covered,
            density,
            nearest,
            score,
            fresh,
        )
        if n_parked:
            parked.append(buffer[:n_parked].copy())
        _note(run, t, pick, score, density, nearest)
        run.n_evaluations += n_fresh if t else 0
        if quota.take(pick) and parked:
            size = kernels.push(heap, size, np.concatenate(parked), bound)
            parked.clear()
        if len(covered):
            kernels.cover(field.X[pick], field.demand, field.precision, covered)
    return run


def run_full(field: kernels.Field, start: Start, request: Request, *, n_jobs: int | None) -> Run:
    """Greedy selection that scores every candidate at every pick: the oracle of `run_lazy`.

    `Run.utilities` holds all scores, NaN where a row could not be picked.
    """
    n = len(field.X)
    covered, density, nearest = start.covered.copy(), start.density.copy(), start.nearest.copy()
    quota = Quota(n, request)
    rows = request.candidates
    score = np.zeros(n, dtype=np.float32)
    run = _empty_run(request.budget)
    run.utilities = np.full((request.budget, n), np.nan, dtype=np.float32)
    last = -1
    for t in range(request.budget):
        over_blocks(
            lambda lo, hi, last=last: kernels.scan(  # type: ignore[misc]
                field, rows, lo, hi, last, covered, density, nearest, score
            ),
            len(rows),
            n_jobs=n_jobs,
            size=_DENSITY_BLOCK,
        )
        run.utilities[t, quota.allowed] = score[quota.allowed]
        last = argmax_allowed(score, nearest, quota.allowed)
        _note(run, t, last, score, density, nearest)
        run.n_evaluations += len(rows) if t else 0
        quota.take(last)
        if len(covered):
            kernels.cover(field.X[last], field.demand, field.precision, covered)
    return run


def _empty_run(budget: int) -> Run:
    return Run(
        indices=np.empty(budget, dtype=np.int64),
        scores=np.empty(budget, dtype=np.float32),
        density=np.empty(budget),
        diversity=np.empty(budget),
    )


def _note(
    run: Run, t: int, pick: int, score: np.ndarray, density: np.ndarray, nearest: np.ndarray
) -> None:
    run.indices[t] = pick
    run.scores[t] = score[pick]
    run.density[t] = density[pick]
    run.diversity[t] = np.sqrt(nearest[pick])
