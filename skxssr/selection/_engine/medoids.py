"""Facility location and k-medoids: greedy BUILD, then swaps."""

from typing import Any

import numpy as np

from skxssr._kernels import medoids as kernels
from skxssr._kernels.demand import make_demand
from skxssr._utils.threads import over_blocks
from skxssr.base.request import Request
from skxssr.base.selection import Selection
from skxssr.metrics.coverage import coverage_curve, diameter_bound
from skxssr.neighbors import kneighbors
from skxssr.selection._engine.scales import demand_rows
from skxssr.selection._engine.serving import build, serving_cost

_TIE = 1e-6  # relative fall of the cost below which an exchange is not worth making
_ROUNDING = 1e-12  # in units of the cost: falls below are those of the last bits
_MOST_BLOCKS = 64  # each holds one proposal a pick


def select_medoids(
    source: np.ndarray | None,
    X: np.ndarray,
    request: Request,
    *,
    passes: int,
    seed: int,
    n_jobs: int | None,
) -> Selection:
    """Pick rows that lower the mean distance of the pool to the picks; see `KMedoidsSelector`.

    Parameters
    ----------
    source : ndarray of shape (n_source, p) or None
        Rows that serve besides the picks.
    X : ndarray of shape (n, p)
    request : Request
    passes : int
        Most passes of swaps; 0: the greedy picks.
    seed : int
        Of the demand sample.
    n_jobs : int or None

    Returns
    -------
    Selection
        With the term "gain" and the mean distance to labelled rows and picks as coverage.
    """
    demand, notes = demand_rows(len(X), request, seed)
    cost = serving_cost(X, demand, request, sampled=notes["demand_sampled"])
    fixed, bound, offset = _before_the_first(source, cost, demand, request, n_jobs)
    cost = cost._replace(unit=cost.unit * (float(bound) or 1.0))
    indices, gains, n_evaluations = build(cost, fixed, request, offset=offset, n_jobs=n_jobs)
    notes |= {"exact": True, "n_gain_evaluations": n_evaluations}
    if passes:
        indices, exchange_notes = _exchange(cost, indices, fixed, request, passes, n_jobs)
        notes |= exchange_notes
        gains = _gains_in_order(cost, indices, fixed)
    return Selection(
        indices=indices,
        scores=(gains / cost.unit).astype(np.float32),
        terms={"gain": gains / (cost.whole or 1.0)},
        coverage=coverage_curve(
            make_demand(
                X,
                demand,
                request.weight[demand],
                sampled=False,
                precision=-1.0,
                diameter=diameter_bound(X, n_jobs=n_jobs),
            ),
            request.labeled.astype(np.int64),
            indices,
            request.weight,
        )[1:],
        calibration="mean_distance",
        scales=notes,
    )


def _before_the_first(
    source: np.ndarray | None,
    cost: kernels.Cost,
    demand: np.ndarray,
    request: Request,
    n_jobs: int | None,
) -> tuple[np.ndarray, float, float]:
    """Distances of the demand to what serves without a pick; their bound; the offset of `build`.

    Where nothing serves yet, the distance is one bound on all distances within the pool.
    """
    if source is not None:
        nearest, _ = kneighbors(cost.X[demand], source, 1, algorithm="exact", n_jobs=n_jobs)
        fixed = nearest[:, 0].copy()
    else:
        fixed = np.full(len(demand), diameter_bound(cost.X, n_jobs=n_jobs))
    bound = float(fixed.max())
    offset = cost.whole * bound if source is None and not len(request.labeled) else 0.0
    served = np.empty(len(demand))
    for row in request.labeled:
        kernels.costs_of_row(cost, row, served)
        np.minimum(fixed, served, out=fixed)
    return fixed, bound, offset


def _gains_in_order(cost: kernels.Cost, picks: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """What each pick adds to those before it."""
    current, served, gain = fixed.copy(), np.empty(len(fixed)), np.empty(len(cost.X))
    for t, pick in enumerate(picks):
        kernels.gains_of_rows(cost, picks, t, t + 1, current, gain)
        kernels.costs_of_row(cost, pick, served)
        np.minimum(current, served, out=current)
    return gain[picks]


def _exchange(
    cost: kernels.Cost,
    picks: np.ndarray,
    fixed: np.ndarray,
    request: Request,
    passes: int,
    n_jobs: int | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Exchange picks for rows of the same group while that lowers the cost.

    A pass finds the best replacement of every pick, then makes the swaps, the best first, each
    if it still helps after those before it. What a demand point that is itself the new pick would
    save is not counted where the demand is a sample; the cost falls with every exchange all the
    same, so that none is ever undone in a circle.
    """
    picks = picks.copy()
    b, m = len(picks), len(fixed)
    group = np.zeros(len(cost.X), dtype=np.int64) if request.groups is None else request.groups
    group = group.astype(np.int64, copy=False)
    near, second = np.empty(m), np.empty(m)
    slot, rival = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    kernels.assign(cost, picks, -1, fixed, near, slot, second, rival)

    def propose(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        served = slot >= 0
        removal = np.bincount(
            slot[served], weights=(cost.weight * (second - near))[served], minlength=b
        )
        size = max(64, -(-len(rows) // _MOST_BLOCKS))
        lowest = np.zeros((-(-len(rows) // size), b), dtype=np.float32)
        replacement = np.full(lowest.shape, -1, dtype=np.int64)

        def scan(lo: int, hi: int) -> None:
            at = lo // size
            kernels.best_exchanges(
                cost,
                rows,
                lo,
                hi,
                group,
                group[picks],
                near,
                slot,
                second,
                removal,
                lowest[at],
                replacement[at],
            )

        over_blocks(scan, len(rows), n_jobs=n_jobs, size=size)
        first = lowest.argmin(axis=0)  # of the first block among equals: the lowest index
        return lowest[first, np.arange(b)], replacement[first, np.arange(b)]

    n_exchanges, n_passes, settled = 0, 0, False
    while n_passes < passes and not settled:
        n_passes += 1
        settled = True
        rows = np.setdiff1d(request.candidates, picks)
        if not len(rows):
            break
        lowest, replacement = propose(rows)
        for t in np.argsort(lowest, kind="stable"):
            row = replacement[t]
            worth = -_ROUNDING - _TIE * float((cost.weight * near).sum()) / cost.unit
            if lowest[t] >= worth or row in picks:
                continue
            if not settled and propose(np.array([row]))[0][t] >= worth:
                continue
            picks[t] = row
            kernels.assign(cost, picks, t, fixed, near, slot, second, rival)
            n_exchanges += 1
            settled = False
    return picks, {
        "n_exchanges": n_exchanges,
        "n_exchange_passes": n_passes,
        "exchanges_settled": settled,
    }
