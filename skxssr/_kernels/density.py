"""Densities of rows over a demand set: exact, and bounds of them. Imports `_jit` and `blocks`.

The exact density of a row adds the demand it would newly cover, in float64 and from the first
demand point to the last. The fast kernels return the same bits, since they leave out only points
of which a float32 distance with a margin shows that nothing would be added, or they return an
upper bound.
"""

import numpy as np

from skxssr._kernels._jit import bound_kernel, kernel
from skxssr._kernels.blocks import (
    block_of_squares,
    block_of_values,
    count_within,
    largest_reach,
    out_of_reach,
    values_within,
)
from skxssr._kernels.demand import BLOCK

_LOG2E = 1.4426950408889634
# 2^-f on [0, 1] within 2e-7, by interpolation at Chebyshev nodes; tests hold it to the margin.
_EXP2 = np.polynomial.chebyshev.Chebyshev.interpolate(lambda f: 2.0**-f, 6, [0, 1])
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    np.float32(c) for c in _EXP2.convert(kind=np.polynomial.Polynomial).coef
)
_RAISE = np.float32(1.0 + 2e-6)  # of a float32 kernel value, above its error
_RAISE_SUM = 1.0 + 3e-5  # of a sum of a block in float32, above its error
_CLAMP = np.float32(120.0)  # 2^-120 counts as the smallest kernel value of a bound
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def density_of_rows(demand, rows, lo, hi, covered, out):
    """Fill `out[rows[lo:hi]]` with exact densities, from every demand point: the plain way."""
    values = np.empty(BLOCK)
    m = demand.points.shape[1]
    for r in range(lo, hi):
        i = rows[r]
        total = 0.0
        own = demand.own[i]
        for start in range(0, m, BLOCK):
            stop = min(start + BLOCK, m)
            block_of_values(demand.X[i], demand.points, start, stop, demand.precision, values)
            for y in range(start, stop):
                gain = values[y - start] - covered[y]
                if gain > 0.0 and y != own:
                    total += demand.weight[y] * gain
        out[i] = total


@kernel
def density_within_reach(demand, rows, lo, hi, covered, reach, out):
    """The same bits, from the demand points whose float32 distance is within `reach` (m,)."""
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    m = demand.points.shape[1]
    for r in range(lo, hi):
        out[rows[r]] = 0.0
    for start in range(0, m, BLOCK):  # outside, so that the rows find the points in the cache
        stop = min(start + BLOCK, m)
        farthest = largest_reach(reach, start, stop)
        for r in range(lo, hi):
            i = rows[r]
            if out_of_reach(demand, i, start // BLOCK, farthest):
                continue
            n_within = values_within(demand, i, start, stop, reach, squares, columns, values)
            own = demand.own[i]
            total = out[i]
            for e in range(n_within):
                y = columns[e]
                gain = values[e] - covered[y]
                if gain > 0.0 and y != own:
                    total += demand.weight[y] * gain
            out[i] = total


@bound_kernel
def density_bounds(demand, rows, lo, hi, covered32, reach, weight32, out):
    """Fill `out[a, lo:hi]` with upper bounds of the densities of `rows[lo:hi]`.

    One for each of several states: `covered32` (a, m) rounded down, `weight32` (a, m) rounded up.
    `reach` (m,) is the largest of theirs. The kernel is computed once for all of them.
    """
    K = np.empty(BLOCK, dtype=np.float32)
    bits = K.view(np.int32)
    power = np.empty(BLOCK, dtype=np.int32)
    m = demand.points32.shape[1]
    n_states = covered32.shape[0]
    # float32 arithmetic on the exponent is relative to it as well: 1e-6 is above it
    slope = np.float32(_LOG2E * demand.precision * demand.unit * (1.0 - demand.relative - 1e-6))
    offset = np.float32(_LOG2E * demand.precision * demand.absolute * (1.0 + 1e-6))
    out[:, lo:hi] = 0.0
    for start in range(0, m, BLOCK):  # outside, so that the rows find the points in the cache
        stop = min(start + BLOCK, m)
        n = stop - start
        block = start // BLOCK
        farthest = largest_reach(reach, start, stop)
        for r in range(lo, hi):
            i = rows[r]
            own = demand.own[i]
            if out_of_reach(demand, i, block, farthest):
                continue
            block_of_squares(demand.X32[i], demand.points32, start, stop, K)
            if count_within(K, reach, start, n) == 0:
                continue
            for y in range(n):
                s = min(max(K[y] * slope - offset, _ZERO), _CLAMP)
                k = np.int32(s)
                f = s - np.float32(k)
                power[y] = k
                q = _E6 * f + _E5
                q = q * f + _E4
                q = q * f + _E3
                q = q * f + _E2
                q = q * f + _E1
                K[y] = (q * f + _E0) * _RAISE
            for y in range(n):
                bits[y] -= power[y] << 23
            if start <= own < stop:
                K[own - start] = _ZERO
            for a in range(n_states):
                part = _ZERO
                covers, weights = covered32[a, start:stop], weight32[a, start:stop]
                for y in range(n):
                    part += weights[y] * max(K[y] - covers[y], _ZERO)
                out[a, r] += part * _RAISE_SUM
