"""Distances and kernel values from one row to a block of demand points.

Exact ones are float64, summed from the first feature to the last, so that the same two rows give
the same bits wherever they meet. Float32 ones are bounds: `Demand` holds their margin.
"""

import numpy as np

from skxssr._kernels._jit import bound_kernel, kernel
from skxssr._kernels.demand import BLOCK

MANY = 32  # points of a block above which computing all of them side by side is faster
ZERO_BEYOND = 745.0  # exponents beyond this give 0
_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ZERO = np.float32(0.0)
_SHORTER = np.float32(1.0 - 1e-4)  # of a distance, below its error
_POWER_OF_2 = np.ldexp(1.0, -np.arange(1100))  # exact, as a power function need not be


@kernel
def _gaussian(squared, precision):
    """exp(-squared * precision) from additions and products alone: the same bits on any machine."""
    t = squared * precision
    if t > ZERO_BEYOND:
        return 0.0
    k = np.floor(t * _LOG2E + 0.5)
    r = (k * _LN2_HIGH - t) + k * _LN2_LOW  # -t = -k ln 2 + r, |r| <= ln 2 / 2
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _POWER_OF_2[int(k)]


@kernel
def kernel_value(squared, precision):
    if precision < 0.0:
        return 1.0 if squared == 0.0 else 0.0
    return _gaussian(squared, precision)


@kernel
def kernel_values(squared, precision, out):
    """Fill `out` with the kernel of each of the `squared` distances."""
    for y in range(squared.shape[0]):
        out[y] = kernel_value(squared[y], precision)


@kernel
def squared_distance(a, b):
    """Squared distance of two rows, in float64, from the first feature to the last."""
    total = 0.0
    for j in range(a.shape[0]):
        u = np.float64(a[j]) - np.float64(b[j])
        total += u * u
    return total


@kernel
def block_of_values(row, points, start, stop, precision, out):
    """Fill `out[:stop - start]` with K(row, points[:, start:stop])."""
    n = stop - start
    out[:n] = 0.0
    for j in range(row.shape[0]):
        x = np.float64(row[j])
        column = points[j, start:stop]
        for y in range(n):
            u = x - column[y]
            out[y] += u * u
    if precision < 0.0:
        for y in range(n):
            out[y] = 1.0 if out[y] == 0.0 else 0.0
    else:
        for y in range(n):
            out[y] = _gaussian(out[y], precision)


@bound_kernel
def block_of_squares(row, points, start, stop, out):
    """Fill `out[:stop - start]` with float32 squared distances; four features a pass."""
    n = stop - start
    p = row.shape[0]
    out[:n] = _ZERO
    j = 0
    while j + 4 <= p:
        a, b, c, d = row[j], row[j + 1], row[j + 2], row[j + 3]
        # slices, since an index that might be negative keeps a loop from being vectorised
        A, B = points[j, start:stop], points[j + 1, start:stop]
        C, D = points[j + 2, start:stop], points[j + 3, start:stop]
        for y in range(n):
            s, t, u, v = a - A[y], b - B[y], c - C[y], d - D[y]
            out[y] += (s * s + t * t) + (u * u + v * v)
        j += 4
    while j < p:
        a = row[j]
        A = points[j, start:stop]
        for y in range(n):
            s = a - A[y]
            out[y] += s * s
        j += 1


@kernel
def within(squares, limits, start, columns):
    """Write to `columns` which of the block of points from `start` are within their limits."""
    found = np.int64(0)
    for y in range(BLOCK):
        columns[found] = start + y
        found += np.int64(squares[y] <= limits[y])
    return found


@kernel
def squares_at(demand, i, columns, n, out):
    """Fill `out[:n]` with squared distances from row i to the demand points `columns[:n]`.

    Four points go side by side, since one alone would wait on its own additions.
    """
    row = demand.X[i]
    e = 0
    while e + 4 <= n:
        A, B = demand.X[demand.rows[columns[e]]], demand.X[demand.rows[columns[e + 1]]]
        C, D = demand.X[demand.rows[columns[e + 2]]], demand.X[demand.rows[columns[e + 3]]]
        a = b = c = d = 0.0
        for j in range(row.shape[0]):
            x = np.float64(row[j])
            s, t = x - np.float64(A[j]), x - np.float64(B[j])
            u, v = x - np.float64(C[j]), x - np.float64(D[j])
            a += s * s
            b += t * t
            c += u * u
            d += v * v
        out[e], out[e + 1], out[e + 2], out[e + 3] = a, b, c, d
        e += 4
    while e < n:
        out[e] = squared_distance(row, demand.X[demand.rows[columns[e]]])
        e += 1


@kernel
def values_at(demand, i, columns, n, out):
    """Fill `out[:n]` with K(X[i], the demand points `columns[:n]`)."""
    squares_at(demand, i, columns, n, out)
    for e in range(n):
        out[e] = kernel_value(out[e], demand.precision)


@bound_kernel
def count_within(squares, limits):
    """How many of a block of `squares` are within their limits."""
    found = np.int32(0)
    for y in range(BLOCK):
        found += np.int32(squares[y] <= limits[y])
    return found


@kernel
def values_within(demand, i, block, reach, squares, columns, values):
    """Write the points of a block within `reach` of row i, and their kernels.

    Where they are many it writes all. `squares`, `columns` and `values` are buffers; returns how
    many were written.
    """
    start, stop = block * BLOCK, (block + 1) * BLOCK
    block_of_squares(demand.X32[i], demand.points32, start, stop, squares)
    n_within = count_within(squares, reach[start:stop])
    if n_within > MANY:
        for y in range(BLOCK):
            columns[y] = start + y
        block_of_values(demand.X[i], demand.points, start, stop, demand.precision, values)
        return np.int64(BLOCK)
    if n_within > 0:
        within(squares, reach[start:stop], start, columns)
        values_at(demand, i, columns, n_within, values)
    return np.int64(n_within)


@bound_kernel
def gaps(demand, i, lo, hi, out):
    """Fill `out[:hi - lo]` with lower bounds, float32 squares, of the way to blocks `lo` to `hi`.

    No point of a block is nearer to row i. 0 where the row may be among them.
    """
    block_of_squares(demand.X32[i], demand.centers32, lo, hi, out)
    radius = demand.radius32[lo:hi]
    for b in range(hi - lo):
        gap = max(np.sqrt(out[b]) * _SHORTER - radius[b], _ZERO)
        out[b] = gap * gap


@bound_kernel
def nearest_blocks(demand, lo, hi, out):
    """Fill `out[lo:hi]` with the block whose middle is nearest to each row."""
    n_blocks = demand.radius32.shape[0]
    squares = np.empty(n_blocks, dtype=np.float32)
    for i in range(lo, hi):
        block_of_squares(demand.X32[i], demand.centers32, 0, n_blocks, squares)
        out[i] = squares.argmin()


@bound_kernel
def largest_reach(reach, block):
    """The largest `reach` (m,) of a block."""
    largest = np.float32(-1.0)
    part = reach[block * BLOCK : (block + 1) * BLOCK]
    for y in range(BLOCK):
        largest = max(largest, part[y])
    return largest
