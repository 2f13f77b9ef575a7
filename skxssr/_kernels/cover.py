"""What picks cover, and how far off the nearest pick is: exact. Imports `blocks`."""

import numpy as np

from skxssr._kernels._jit import kernel
from skxssr._kernels.blocks import (
    ZERO_BEYOND,
    block_of_squares,
    count_within,
    largest_reach,
    out_of_reach,
    squared_distance,
    squares_at,
    values_within,
    within,
)
from skxssr._kernels.demand import BLOCK

_ONE_ULP = 1.0 + 2e-7  # above a rounding to float32


@kernel
def reach_of(demand, covered, lo, hi, reach):
    """Fill `reach[lo:hi]`: a float32 square beyond it means a kernel of at most `covered`."""
    for y in range(lo, hi):
        reach[y] = _reach(demand, covered[y])


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
def cover(demand, rows, lo, hi, covered, reach):
    """Raise `covered[lo:hi]` to the largest kernel with `rows`, and lower `reach` with it.

    `lo` is the first point of a block.
    """
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    for start in range(lo, hi, BLOCK):
        stop = min(start + BLOCK, hi)
        farthest = largest_reach(reach, start, stop)
        for i in rows:
            if out_of_reach(demand, i, start // BLOCK, farthest):
                continue
            n_within = values_within(demand, i, start, stop, reach, squares, columns, values)
            for e in range(n_within):
                y = columns[e]
                if values[e] > covered[y]:
                    covered[y] = values[e]
                    reach[y] = _reach(demand, covered[y])


@kernel
def lower_nearest(demand, rows, lo, hi, picks, picks32, seen, nearest):
    """Lower `nearest` of `rows[lo:hi]` to the squared distances to the `picks` not seen yet.

    `picks32` (p, >= n_picks) holds their float32 rows, one a column.
    """
    squares = np.empty(BLOCK, dtype=np.float32)
    n_picks = picks.shape[0]
    for r in range(lo, hi):
        i = rows[r]
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
def lower_columns(demand, i, lo, hi, nearest, limit):
    """Lower `nearest[lo:hi]` of the demand points to the squared distance to row i.

    `limit` (m,) float32 belongs to `nearest` as `reach` does to what is covered.
    """
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    for start in range(lo, hi, BLOCK):
        n = min(start + BLOCK, hi) - start
        farthest = largest_reach(limit, start, start + n)
        if out_of_reach(demand, i, start // BLOCK, farthest):
            continue
        block_of_squares(demand.X32[i], demand.points32, start, start + n, squares)
        if count_within(squares, limit, start, n) == 0:
            continue
        n_within = within(squares, limit, start, n, columns)
        squares_at(demand, i, columns, n_within, values)
        for e in range(n_within):
            y = columns[e]
            if values[e] < nearest[y]:
                nearest[y] = values[e]
                limit[y] = upper_square(demand, values[e])
