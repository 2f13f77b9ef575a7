"""The rows of one lazy greedy run, and which could still win. Imports `cover`, `density`, `greedy`.

Scores never rise over picks, so that a stale score bounds the fresh one. A row at the top of the
heap is brought up to date in steps, each dearer and closer, and goes down as far as its bound does:
its distance to the picks, what the nearest of them covers, a bound of the density, the density.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel
from skxssr._kernels.cover import lower_nearest
from skxssr._kernels.demand import BLOCK
from skxssr._kernels.density import covered_by_pick
from skxssr._kernels.greedy import MARGIN, composite, sift_down

# What the score of a row knows of the picks made. One number for each row holds this and the pick,
# so that every row is stale after a pick.
STALE, NEAREST, LOWERED, BOUNDED, LEVELS = 0, 1, 2, 3, 4


class Rows(NamedTuple):
    """State of the rows in one run.

    Attributes
    ----------
    heap : (n_candidates,) int32
        Row indices, the first of them in the order of a heap by `bound`.
    bound : (n,) float32
        Upper bound of the score.
    level : (n,) int32
        ``LEVELS * t`` plus what it knows of the first t picks.
    density, nearest : (n,) float64
        Upper bound of the density, and of the squared distance to what is picked or labelled.
    seen, near : (n,) int32
        How many picks `nearest` knows, and the pick that lowered it last.
    known : (n,) int32
        How many picks `density` knows, of the last only what they cover near them.
    """

    heap: np.ndarray
    bound: np.ndarray
    level: np.ndarray
    density: np.ndarray
    nearest: np.ndarray
    seen: np.ndarray
    near: np.ndarray
    known: np.ndarray


class Picks(NamedTuple):
    """The picks of one run, and what the last of them covered where they covered most.

    Pick s has place ``s % n_last`` in what is kept of the last ones.

    Attributes
    ----------
    rows : (budget,) int64
    rows32 : (p, budget) float32
        Their rows of `Demand.X32`, one a column.
    blocks : (n_last, b) int64
        For each pick some blocks of demand points.
    before, after : (n_last, b, BLOCK) float32
        What was covered there without it, rounded up, and with it, rounded down.
    """

    rows: np.ndarray
    rows32: np.ndarray
    blocks: np.ndarray
    before: np.ndarray
    after: np.ndarray


@kernel
def pop(demand, weight32, score, rows, size, picks, t, allowed, direct, worth, most, out, parked):
    """Take off the heap rows that could still win: those whose bound is at least `worth`.

    On the way rows are brought to level `LOWERED`; if `direct`, distances are all there is to know
    before the density, and they are `BOUNDED` then. Taken are rows of one of the two levels, that
    of the first, up to ``most[level]`` of them and largest bound first.

    Rows that are not `allowed` go to `parked`, with their stale bound, for the caller to push when
    they are. Returns the size of the heap, the number of rows, the number parked, and the level.
    """
    K = np.empty(BLOCK, dtype=np.float32)
    power = np.empty(BLOCK, dtype=np.int32)
    heap, bound, level = rows.heap, rows.bound, rows.level
    n_last = len(picks.blocks)
    n_rows = 0
    n_parked = 0
    found = 0
    while size > 0:
        i = heap[0]
        if allowed[i]:
            if bound[i] < worth:
                break
            own = max(level[i] - LEVELS * t, 0)
            if own < LOWERED:
                if own == STALE:
                    lower_nearest(
                        demand,
                        heap,
                        0,
                        1,
                        picks.rows[:t],
                        picks.rows32,
                        rows.seen,
                        rows.nearest,
                        rows.near,
                    )
                    own = BOUNDED if direct else NEAREST
                else:
                    s = rows.near[i]
                    if s >= max(rows.known[i], t - n_last):
                        rows.density[i] = covered_by_pick(
                            demand,
                            weight32,
                            i,
                            rows.near[i] % n_last,
                            picks,
                            rows.density[i],
                            K,
                            power,
                        )
                        rows.known[i] = t
                    own = LOWERED
                level[i] = LEVELS * t + own
                bound[i] = composite(score, i, rows.density[i], rows.nearest[i], MARGIN)
                sift_down(heap, size, 0, bound)
                continue
            if n_rows == 0:
                found = own
            if own != found or n_rows == most[found]:
                break
        size -= 1
        if size > 0:
            heap[0] = heap[size]
            sift_down(heap, size, 0, bound)
        if allowed[i]:
            out[n_rows] = i
            n_rows += 1
        else:
            parked[n_parked] = i
            n_parked += 1
    return size, n_rows, n_parked, found
