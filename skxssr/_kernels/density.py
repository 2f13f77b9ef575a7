"""Densities of rows over a demand set: exact, and bounds of them.

The exact density of a row adds the demand it would newly cover, in float64 and from the first
demand point to the last. The fast kernels return the same bits, since they leave out only points
of which a float32 distance with a margin shows that nothing would be added, or they return an
upper bound.
"""

import numpy as np

from skxssr._kernels._jit import bound_kernel, kernel
from skxssr._kernels.blocks import (
    block_of_values,
    count_within,
    gaps,
    values_within,
)
from skxssr._kernels.demand import BLOCK

_LOG2E = 1.4426950408889634
# 2^-f on [0, 1] within 2e-7, by interpolation at Chebyshev nodes; tests hold it to the margin.
_EXP2 = np.polynomial.chebyshev.Chebyshev.interpolate(lambda f: 2.0**-f, 6, [0, 1])
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    np.float32(c) for c in _EXP2.convert(kind=np.polynomial.Polynomial).coef
)
RAISE = np.float32(1.0 + 3e-6)  # of a float32 kernel value times a weight, above its error
RAISE_SUM = 1.0 + 3e-5  # of a sum of a block in float32, above its error
_CLAMP = np.float32(120.0)  # 2^-120 counts as the smallest kernel value of a bound
_ZERO, _NOWHERE = np.float32(0.0), np.float32(-1.0)


@kernel
def density_of_rows(demand, rows, lo, hi, covered, out):
    """Fill `out[rows[lo:hi]]` with exact densities, from every demand point: the plain way."""
    values = np.empty(BLOCK)
    for r in range(lo, hi):
        i = np.int64(rows[r])
        total = 0.0
        own = demand.own[i]
        for start in range(0, demand.points.shape[1], BLOCK):
            stop = start + BLOCK
            block_of_values(demand.X[i], demand.points, start, stop, demand.precision, values)
            for y in range(start, stop):
                gain = values[y - start] - covered[y]
                if gain > 0.0 and y != own:
                    total += demand.weight[y] * gain
        out[i] = total


@kernel
def density_within_reach(demand, rows, lo, hi, state, out):
    """The same bits, from the demand points whose float32 distance is within reach of a `Cover`."""
    covered, reach = state.covered, state.reach
    values = np.empty(BLOCK)
    squares = np.empty(BLOCK, dtype=np.float32)
    columns = np.empty(BLOCK + 1, dtype=np.int64)
    n_blocks = demand.radius32.shape[0]
    gap = np.empty((hi - lo, n_blocks), dtype=np.float32)
    for r in range(lo, hi):
        gaps(demand, np.int64(rows[r]), 0, n_blocks, gap[r - lo])
        out[rows[r]] = 0.0
    for block in range(n_blocks):  # outside, so that the rows find the points in the cache
        for r in range(lo, hi):
            i = np.int64(rows[r])
            if gap[r - lo, block] > state.farthest[block]:
                continue
            n_within = values_within(demand, i, block, reach, squares, columns, values)
            own = demand.own[i]
            total = out[i]
            for e in range(n_within):
                y = columns[e]
                gain = values[e] - covered[y]
                if gain > 0.0 and y != own:
                    total += demand.weight[y] * gain
            out[i] = total


@kernel
def exponent_of_bound(demand):
    """Slope and offset, float32: the kernel of a float32 square s is <= 2^(offset - slope s)."""
    # float32 arithmetic on the exponent is relative to it as well: 1e-6 is above it
    slope = np.float32(_LOG2E * demand.precision * demand.unit * (1.0 - demand.relative - 1e-6))
    offset = np.float32(_LOG2E * demand.precision * demand.absolute * (1.0 + 1e-6))
    return slope, offset


@bound_kernel
def density_bounds(demand, rows, lo, hi, states, covered32, reach, farthest, weight32, out):
    """Fill `out[a, lo:hi]` with upper bounds of the densities of `rows[lo:hi]`.

    One for each of the `states`, places in the first axis of `covered32` (n, m), what is covered
    times its weight, rounded down, and of `reach` and `farthest`, see `Cover`. `weight32` (m,), the
    same for all of them, is rounded up. The kernel is computed once.
    """
    n_features = demand.X32.shape[1]
    n_blocks = demand.radius32.shape[0]
    n_rows = hi - lo
    moved = np.empty((n_rows, n_features), dtype=np.float32)
    norms = np.empty(n_rows, dtype=np.float32)
    gap = np.empty((n_rows, n_blocks), dtype=np.float32)
    share = np.float32(demand.norm_share)
    for r in range(n_rows):
        i = np.int64(rows[lo + r])
        gaps(demand, i, 0, n_blocks, gap[r])
        norm = _ZERO
        for j in range(n_features):
            moved[r, j] = demand.X32[i, j] - demand.middle32[j]
            norm += moved[r, j] * moved[r, j]
        norms[r] = norm * share
    near = np.empty(n_rows, dtype=np.int64)
    taken = np.empty((n_rows, n_features), dtype=np.float32)
    products = np.empty((n_rows, BLOCK), dtype=np.float32)
    K = np.empty(BLOCK, dtype=np.float32)
    bits = K.view(np.int32)
    power = np.empty(BLOCK, dtype=np.int32)
    limit = np.empty(BLOCK, dtype=np.float32)
    slope, offset = exponent_of_bound(demand)
    for a in range(states.shape[0]):  # loops, since numba compiles seconds for an assigned slice
        for r in range(lo, hi):
            out[a, r] = 0.0
    for block in range(n_blocks):
        start, stop = block * BLOCK, (block + 1) * BLOCK
        largest = _ZERO
        for a in states:
            largest = max(largest, farthest[a, block])
        n_near = 0
        for r in range(n_rows):
            if gap[r, block] <= largest:
                near[n_near] = r
                n_near += 1
        if n_near == 0:
            continue
        for y in range(BLOCK):
            limit[y] = _NOWHERE
        for a in states:
            other = reach[a, start:stop]
            for y in range(BLOCK):
                limit[y] = max(limit[y], other[y])
        points = demand.moved32[start:stop].T
        every = 4 * n_near > 3 * n_rows  # the products of a few more cost less than copies
        if every:
            np.dot(moved, points, products)
        else:
            for q in range(n_near):
                for j in range(n_features):
                    taken[q, j] = moved[near[q], j]
            np.dot(taken[:n_near], points, products[:n_near])
        weights = weight32[start:stop]
        their_norms = demand.norms32[start:stop]
        for q in range(n_near):
            r = near[q]
            own = demand.own[rows[lo + r]]
            norm = norms[r]
            part_of = products[r if every else q]
            for y in range(BLOCK):
                K[y] = norm + their_norms[y] - (part_of[y] + part_of[y])
            if count_within(K, limit) == 0:
                continue
            for y in range(BLOCK):
                s = min(max(K[y] * slope - offset, _ZERO), _CLAMP)
                k = np.int32(s)
                f = s - np.float32(k)
                power[y] = k
                v = _E6 * f + _E5
                v = v * f + _E4
                v = v * f + _E3
                v = v * f + _E2
                v = v * f + _E1
                K[y] = (v * f + _E0) * RAISE
            for y in range(BLOCK):
                bits[y] -= power[y] << 23
            if start <= own < stop:
                K[own - start] = _ZERO
            for y in range(BLOCK):
                K[y] *= weights[y]
            for a in range(states.shape[0]):
                covers = covered32[states[a], start:stop]
                part = _ZERO
                for y in range(BLOCK):
                    part += max(K[y] - covers[y], _ZERO)
                out[a, lo + r] += part * RAISE_SUM
