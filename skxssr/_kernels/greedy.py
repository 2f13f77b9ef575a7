"""Density, diversity and the composite score, by full scan and by exact lazy greedy.

Imports `_jit` only. Every helper stands in this file, since numba's cache does not notice a change
in another. The tie rule, the same in both engines: scores are float64 in a fixed order, rounded to
float32 and compared; equal goes to the larger distance to what is picked or labelled, then to the
lowest index.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel

_BLOCK = 256  # demand points handled together: their distances stay in the first-level cache
_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_POWER_OF_2 = np.ldexp(1.0, -np.arange(1100))  # exact, as a power function need not be

# A stale score is a bound; the margin covers a power function that is not monotone to the last bit.
_MARGIN = 1.0 + 1e-12


class Field(NamedTuple):
    """What a composite score is computed from; constant during one greedy run.

    Attributes
    ----------
    X : (n, p) float32 or float64, C order
        The rows that may be picked.
    demand : (p, m) float64, C order
        Demand points, one a column. No column if the density is constant.
    weight : (m,) float64
        Weight of each demand point.
    own : (n,) int64
        Column of the row itself, to be left out of its own density; -1 for none.
    precision : float
        1 / (2 h^2) of the Gaussian kernel; negative: exact matches only.
    constant_density : (n,) float64
        Used where `demand` has no column.
    density_scale, distance_scale : float
        Divisors of density, and of novelty and diversity.
    novelty_power : (n,) float64
        Scaled novelty to the power alpha; if `additive`, times alpha.
    alpha : float
    additive : bool
        Whether novelty and diversity are added, diversity cut off at `distance_scale`.
    """

    X: np.ndarray
    demand: np.ndarray
    weight: np.ndarray
    own: np.ndarray
    precision: float
    constant_density: np.ndarray
    density_scale: float
    distance_scale: float
    novelty_power: np.ndarray
    alpha: float
    additive: bool = False


@kernel
def _gaussian(squared, precision):
    """exp(-squared * precision) from additions and products alone: the same bits on any machine."""
    t = squared * precision
    if t > 745.0:
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
def _kernel_values(row, demand, start, stop, precision, out):
    """Fill `out[:stop - start]` with K(row, demand[:, start:stop])."""
    n = stop - start
    out[:n] = 0.0
    for j in range(row.shape[0]):
        x = np.float64(row[j])
        for y in range(n):
            u = x - demand[j, start + y]
            out[y] += u * u
    if precision < 0.0:
        for y in range(n):
            out[y] = 1.0 if out[y] == 0.0 else 0.0
    else:
        for y in range(n):
            out[y] = _gaussian(out[y], precision)


@kernel
def cover(row, demand, precision, covered):
    """Raise `covered` (m,) to K(row, y) where that is more."""
    values = np.empty(_BLOCK)
    for start in range(0, demand.shape[1], _BLOCK):
        stop = min(start + _BLOCK, demand.shape[1])
        _kernel_values(row, demand, start, stop, precision, values)
        for y in range(start, stop):
            covered[y] = max(covered[y], values[y - start])


@kernel
def _density(field, i, covered, values):
    """Raw density of row i: the demand it would newly cover, or its constant density."""
    if field.demand.shape[1] == 0:
        return field.constant_density[i]
    total = 0.0
    own = field.own[i]
    for start in range(0, field.demand.shape[1], _BLOCK):
        stop = min(start + _BLOCK, field.demand.shape[1])
        _kernel_values(field.X[i], field.demand, start, stop, field.precision, values)
        for y in range(start, stop):
            gain = values[y - start] - covered[y]
            if gain > 0.0 and y != own:
                total += field.weight[y] * gain
    return total


@kernel
def density_of_rows(field, rows, lo, hi, covered, out):
    """Fill `out[rows[lo:hi]]` with raw densities."""
    values = np.empty(_BLOCK)
    for r in range(lo, hi):
        out[rows[r]] = _density(field, rows[r], covered, values)


@kernel
def powers(base, scale, exponent, out):
    """Fill `out` with (base / scale) ** exponent, where 0 ** 0 is 1."""
    for i in range(base.shape[0]):
        if exponent == 0.0:
            out[i] = 1.0
        elif exponent == 1.0:
            out[i] = base[i] / scale
        else:
            out[i] = (base[i] / scale) ** exponent


@kernel
def _composite(field, i, density, squared):
    """The score in float64 from raw density and squared distance to what is picked or labelled."""
    repulsion = 1.0 - field.alpha
    diversity = np.sqrt(squared) / field.distance_scale
    if field.additive:
        either = field.novelty_power[i] + repulsion * min(1.0, diversity)
        return density / field.density_scale * either
    if repulsion == 0.0:
        diversity = 1.0
    elif repulsion != 1.0:
        diversity = diversity**repulsion
    return density / field.density_scale * field.novelty_power[i] * diversity


@kernel
def _squared_distance(X, i, j):
    a = 0.0
    for f in range(X.shape[1]):
        u = np.float64(X[i, f]) - np.float64(X[j, f])
        a += u * u
    return a


@kernel
def scan(field, rows, lo, hi, last, covered, density, nearest, score):
    """Score `rows[lo:hi]` afresh after the pick `last` (-1: before the first).

    Updates `density`, `nearest` (squared) and `score` (float32), all of shape (n,).
    """
    values = np.empty(_BLOCK)
    for r in range(lo, hi):
        i = rows[r]
        if last >= 0:
            nearest[i] = min(nearest[i], _squared_distance(field.X, i, last))
            density[i] = _density(field, i, covered, values)
        score[i] = np.float32(_composite(field, i, density[i], nearest[i]))


@kernel
def _before(bound, i, j):
    """Whether row i leaves the heap before row j: larger bound first, then the lower index."""
    return bound[i] > bound[j] or (bound[i] == bound[j] and i < j)


@kernel
def _sift_down(heap, size, at, bound):
    row = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _before(bound, heap[child + 1], heap[child]):
            child += 1
        if not _before(bound, heap[child], row):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = row


@kernel
def heapify(heap, bound):
    """Order `heap`, an array of row indices, by `bound` (n,) float32, in place."""
    for at in range(heap.shape[0] // 2 - 1, -1, -1):
        _sift_down(heap, heap.shape[0], at, bound)


@kernel
def push(heap, size, rows, bound):
    """Add `rows` to the first `size` entries of `heap`; returns the new size."""
    for row in rows:
        at = size
        size += 1
        while at > 0:
            parent = (at - 1) // 2
            if not _before(bound, row, heap[parent]):
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = row
    return size


@kernel
def bounds(field, rows, density, nearest, bound):
    """Fill `bound[rows]` (float32) with what no later score of those rows can exceed."""
    for i in rows:
        bound[i] = np.float32(_composite(field, i, density[i], nearest[i]) * _MARGIN)


@kernel
def lazy_pick(
    field, heap, size, bound, allowed, parked, picks, seen, covered, density, nearest, score, fresh
):
    """Find the next pick, refreshing only rows whose bound could still win.

    Rows that are not `allowed` go to `parked` with their stale bound, to be pushed again by the
    caller when they are. `seen[i]` counts the `picks` that `nearest[i]` knows, `fresh` is a
    buffer for the rows refreshed here. Returns the pick (-1: none), the size of the heap without
    it, the number of rows parked and the number refreshed.
    """
    values = np.empty(_BLOCK)
    best = -1
    n_parked = 0
    n_fresh = 0
    while size > 0 and (best < 0 or bound[heap[0]] >= score[best]):
        i = heap[0]
        size -= 1
        if size > 0:
            heap[0] = heap[size]
            _sift_down(heap, size, 0, bound)
        if not allowed[i]:
            parked[n_parked] = i
            n_parked += 1
            continue
        if seen[i] < picks.shape[0]:
            for t in range(seen[i], picks.shape[0]):
                nearest[i] = min(nearest[i], _squared_distance(field.X, i, picks[t]))
            seen[i] = picks.shape[0]
            density[i] = _density(field, i, covered, values)
        exact = _composite(field, i, density[i], nearest[i])
        score[i] = np.float32(exact)
        bound[i] = np.float32(exact * _MARGIN)
        fresh[n_fresh] = i
        n_fresh += 1
        if (
            best < 0
            or score[i] > score[best]
            or (
                score[i] == score[best]
                and (nearest[i] > nearest[best] or (nearest[i] == nearest[best] and i < best))
            )
        ):
            best = i
    for r in range(n_fresh):
        if fresh[r] != best:
            size = push(heap, size, fresh[r : r + 1], bound)
    return best, size, n_parked, n_fresh
