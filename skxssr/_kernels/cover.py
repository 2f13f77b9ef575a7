"""What picks cover, and how far off the nearest pick is: exact."""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel
from skxssr._kernels.blocks import (
    ZERO_BEYOND,
    block_of_squares,
    count_within,
    gaps,
    largest_reach,
    squared_distance,
    squares_at,
    values_within,
    within,
)
from skxssr._kernels.demand import BLOCK

_ONE_ULP = 1.0 + 2e-7  # above a rounding to float32


class Cover(NamedTuple):
    """What rows cover of the demand, and from how far off more could be covered.

    Attributes
    ----------
    covered : (m,) float64
        The largest kernel value to a row that covers.
    reach : (m,) float32
        A float32 square beyond it means a kernel of at most `covered`.
    farthest : (n_blocks,) float32
        The largest `reach` of each block.
    """

    covered: np.ndarray
    reach: np.ndarray
    farthest: np.ndarray


@kernel
def reach_of(demand, state):
    """Fill `reach` and `farthest` of a `Cover` from what it covers."""
    for y in range(demand.rows.shape[0]):
        state.reach[y] = _reach(demand, state.covered[y])
    for block in range(demand.radius32.shape[0]):
        state.farthest[block] = largest_reach(state.reach, block)


@kernel
def _reach(demand, covered):
    squared = 0.0
    if demand.precision > 0.0:
        t = ZERO_BEYOND + 1.0
        if covered > 0.0:
            t = min(t, -np.log(covered) * (1.0 + 1e-12) + 1e-12)
        squared = t / demand.precision
    return upper_square(demand, squared)


@kernel
def upper_square(demand, squared):
    """A float32 square above it means a squared distance of `X` above `squared`."""
    return np.float32(
        (squared + demand.absolute) / (demand.unit * (1.0 - demand.relative)) * _ONE_ULP
    )


@kernel
def cover(demand, rows, lo, hi, state):
    """Let `rows` cover the demand in the blocks `lo` to `hi`, in a `Cover`."""
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    gap = np.empty(hi - lo, dtype=np.float32)
    covered, reach = state.covered, state.reach
    for r in range(rows.shape[0]):
        i = np.int64(rows[r])  # one type, so that helpers are compiled once
        gaps(demand, i, lo, hi, gap)
        for block in range(lo, hi):
            if gap[block - lo] > state.farthest[block]:
                continue
            n_within = values_within(demand, i, block, reach, squares, columns, values)
            for e in range(n_within):
                y = columns[e]
                if values[e] > covered[y]:
                    covered[y] = values[e]
                    reach[y] = _reach(demand, covered[y])
            if n_within > 0:
                state.farthest[block] = largest_reach(reach, block)


@kernel
def lower_nearest(demand, rows, lo, hi, picks, picks32, seen, nearest):
    """Lower `nearest` of `rows[lo:hi]` to the squared distances to the `picks` not seen yet.

    `picks32` (p, >= n_picks) holds their float32 rows, one a column.
    """
    squares = np.empty(BLOCK, dtype=np.float32)
    n_picks = picks.shape[0]
    for r in range(lo, hi):
        i = np.int64(rows[r])
        limit = upper_square(demand, nearest[i])
        for start in range(seen[i], n_picks, BLOCK):
            stop = min(start + BLOCK, n_picks)
            block_of_squares(demand.X32[i], picks32, start, stop, squares)
            for t in range(stop - start):
                if squares[t] <= limit:
                    squared = squared_distance(demand.X[i], demand.X[picks[start + t]])
                    if squared < nearest[i]:
                        nearest[i] = squared
                        limit = upper_square(demand, squared)
        seen[i] = n_picks


@kernel
def lower_columns(demand, i, nearest, limit, farthest):
    """Lower `nearest` (m,) of the demand points to the squared distance to row i.

    `limit` (m,) and `farthest` (n_blocks,) belong to `nearest` as those of a `Cover` to `covered`.
    """
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    n_blocks = demand.radius32.shape[0]
    gap = np.empty(n_blocks, dtype=np.float32)
    gaps(demand, i, 0, n_blocks, gap)
    for block in range(n_blocks):
        if gap[block] > farthest[block]:
            continue
        start, stop = block * BLOCK, (block + 1) * BLOCK
        block_of_squares(demand.X32[i], demand.points32, start, stop, squares)
        if count_within(squares, limit[start:stop]) == 0:
            continue
        n_within = within(squares, limit[start:stop], start, columns)
        squares_at(demand, i, columns, n_within, values)
        for e in range(n_within):
            y = columns[e]
            if values[e] < nearest[y]:
                nearest[y] = values[e]
                limit[y] = upper_square(demand, values[e])
        farthest[block] = largest_reach(limit, block)
