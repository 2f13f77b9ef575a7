"""The rows of one lazy greedy run, and which could still win. Imports `cover` and `greedy`.

Scores never rise over picks, so that a stale score bounds the fresh one. A row at the top of the
heap is brought up to date in steps, each dearer and closer, and goes down as far as its bound does:
its distance to the picks, a bound of the density, the density.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel
from skxssr._kernels.cover import lower_nearest
from skxssr._kernels.greedy import MARGIN, composite, sift_down

# What the score of a row knows of the picks made. One number for each row holds this and how many
# they are, so that every row is stale after a pick.
STALE, NEAREST, BOUNDED, LEVELS = 0, 1, 2, 3


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
    seen : (n,) int32
        How many picks `nearest` knows.
    """

    heap: np.ndarray
    bound: np.ndarray
    level: np.ndarray
    density: np.ndarray
    nearest: np.ndarray
    seen: np.ndarray


@kernel
def pop(demand, score, rows, size, picks, picks32, allowed, direct, worth, most, out, parked):
    """Take off the heap rows that could still win: those whose bound is at least `worth`.

    On the way rows are brought to level `NEAREST`, to `BOUNDED` if `direct`: no bound of the
    density is to come. `picks` (t,) are the rows picked, `picks32` (p, >= t) their rows of
    `Demand.X32`, one a column. Taken are rows of one level, that of the first, largest bound first
    and up to ``most[level]`` of them.

    Rows that are not `allowed` go to `parked`, with their stale bound, for the caller to push when
    they are. Returns the size of the heap, the number of rows, the number parked, and the level.
    """
    heap, bound, level, base = rows.heap, rows.bound, rows.level, LEVELS * len(picks)
    n_rows = 0
    n_parked = 0
    found = 0
    while size > 0:
        i = heap[0]
        if allowed[i]:
            if bound[i] < worth:
                break
            own = max(level[i] - base, STALE)
            if own == STALE:
                lower_nearest(demand, heap, 0, 1, picks, picks32, rows.seen, rows.nearest)
                level[i] = base + (BOUNDED if direct else NEAREST)
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
