"""Serving demand from the nearest pick: gains of a further pick, and of an exchange of two.

One engine for facility location, k-medoids and coverage by balls: they differ
in what it costs to serve a demand point from a row. Costs are float64 in a fixed order; equal
scores, compared as float32, go to the lowest index.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel

_BLOCK = 256  # demand points handled together: their costs stay in the first-level cache


class Cost(NamedTuple):
    """What it costs to serve the demand; constant during one selection.

    Attributes
    ----------
    X : (n, p) float32 or float64, C order
        The rows that may be picked.
    demand : (p, m) float64, C order
        Demand points, one a column.
    weight : (m,) float64
        Weight of each demand point.
    whole : float
        Sum of the weights.
    own : (n,) int64
        Column of the row itself, to be left out of its own gain; -1 for none.
    radius : float
        Negative: the cost is the Euclidean distance. Otherwise 0 up to this distance, 1 beyond.
    unit : float
        Divisor of what is compared as float32, so that no unit of distance is too large or small.
    """

    X: np.ndarray
    demand: np.ndarray
    weight: np.ndarray
    whole: float
    own: np.ndarray
    radius: float
    unit: float


@kernel
def _costs(cost, i, start, stop, out):
    """Fill `out[:stop - start]` with the costs of serving demand[:, start:stop] from row i."""
    n = stop - start
    out[:n] = 0.0
    for j in range(cost.X.shape[1]):
        x = np.float64(cost.X[i, j])
        for y in range(n):
            u = x - cost.demand[j, start + y]
            out[y] += u * u
    for y in range(n):
        out[y] = np.sqrt(out[y])
    if cost.radius >= 0.0:
        for y in range(n):
            out[y] = 0.0 if out[y] <= cost.radius else 1.0


@kernel
def costs_of_row(cost, i, out):
    """Fill `out` (m,) with the costs of serving each demand point from row i."""
    for start in range(0, cost.demand.shape[1], _BLOCK):
        stop = min(start + _BLOCK, cost.demand.shape[1])
        _costs(cost, i, start, stop, out[start:stop])


@kernel
def _gain(cost, i, current, values):
    """By how much the cost of the demand falls from `current` (m,) if row i is picked too.

    A row left out of its own gain sees less demand than others: the rest is scaled up to the whole.
    Every operation is monotone, so that a gain never rises as `current` falls, to the last bit.
    """
    total = 0.0
    own = cost.own[i]
    for start in range(0, cost.demand.shape[1], _BLOCK):
        stop = min(start + _BLOCK, cost.demand.shape[1])
        _costs(cost, i, start, stop, values)
        for y in range(start, stop):
            fall = current[y] - values[y - start]
            if fall > 0.0 and y != own:
                total += cost.weight[y] * fall
    if own >= 0 and cost.whole > cost.weight[own]:
        total *= cost.whole / (cost.whole - cost.weight[own])
    return total


@kernel
def gains_of_rows(cost, rows, lo, hi, current, out):
    """Fill `out[rows[lo:hi]]` with gains."""
    values = np.empty(_BLOCK)
    for r in range(lo, hi):
        out[rows[r]] = _gain(cost, rows[r], current, values)


@kernel
def _score(cost, i, offset, gain):
    return np.float32((gain[i] - offset) / cost.unit)


@kernel
def scores_of_gains(cost, rows, offset, gain, out):
    """Fill `out[rows]` with scores, float32: gain - offset, in units."""
    for i in rows:
        out[i] = _score(cost, i, offset, gain)


@kernel
def best_gain(cost, order, allowed, current, offset, gain, score):
    """Find the allowed row of the highest score, refreshing only stale ones that could still win.

    `gain` (n,) and `score` (n,) are of this or of earlier picks, never less than the fresh ones;
    `order` sorts the rows by score, descending. See `scores_of_gains` for the score. Returns the
    row (-1: none allowed) and the number refreshed.
    """
    values = np.empty(_BLOCK)
    best = -1
    highest = np.float32(0.0)
    n_fresh = 0
    for i in order:
        if not allowed[i]:
            continue
        if best >= 0 and score[i] < highest:
            break
        if best >= 0 and score[i] == highest and i > best:
            continue
        gain[i] = _gain(cost, i, current, values)
        score[i] = _score(cost, i, offset, gain)
        n_fresh += 1
        if best < 0 or score[i] > highest or (score[i] == highest and i < best):
            best = i
            highest = score[i]
    return best, n_fresh


@kernel
def assign(cost, picks, changed, fixed, near, slot, second, rival):
    """Update which pick serves each demand point, and which would if that one were gone.

    `near` and `second` (m,) are those costs, `slot` and `rival` (m,) those places in `picks`; -1 is
    what serves at the cost `fixed` (m,) whatever is picked. `changed` is the only place of `picks`
    that holds another row than before; -1: all do.
    """
    for y in range(near.shape[0]):
        first = changed
        stop = changed + 1
        if changed < 0 or slot[y] == changed or rival[y] == changed:
            first = 0
            stop = picks.shape[0]
            near[y] = fixed[y]
            slot[y] = -1
            second[y] = np.inf
            rival[y] = -1
        for t in range(first, stop):
            value = 0.0
            for j in range(cost.X.shape[1]):
                u = np.float64(cost.X[picks[t], j]) - cost.demand[j, y]
                value += u * u
            value = np.sqrt(value)
            if cost.radius >= 0.0:
                value = 0.0 if value <= cost.radius else 1.0
            if value < near[y]:
                second[y] = near[y]
                rival[y] = slot[y]
                near[y] = value
                slot[y] = t
            elif value < second[y]:
                second[y] = value
                rival[y] = t


@kernel
def _changes(cost, i, near, slot, second, removal, values, change):
    """Fill `change` (b,) with the change of the whole cost if row i replaced each of the picks.

    `removal` (b,) is what it costs to lose each pick. All picks at once in one pass over the
    demand, as in FastPAM.
    """
    common = 0.0
    change[:] = removal
    own = cost.own[i]
    for start in range(0, cost.demand.shape[1], _BLOCK):
        stop = min(start + _BLOCK, cost.demand.shape[1])
        _costs(cost, i, start, stop, values)
        for y in range(start, stop):
            value = values[y - start]
            s = slot[y]
            if y == own:
                if s >= 0:
                    change[s] -= cost.weight[y] * (second[y] - near[y])
            elif value < near[y]:
                common += cost.weight[y] * (value - near[y])
                if s >= 0:
                    change[s] += cost.weight[y] * (near[y] - second[y])
            elif s >= 0 and value < second[y]:
                change[s] += cost.weight[y] * (value - second[y])
    for t in range(change.shape[0]):
        change[t] += common


@kernel
def best_exchanges(
    cost, rows, lo, hi, group, pick_group, near, slot, second, removal, lowest, replacement
):
    """For each pick, the one of `rows[lo:hi]` of its group that lowers the cost most in its place.

    Lowers `lowest` (b,) float32, the change of the cost in units, and sets `replacement` (b,) to
    the row.
    """
    values = np.empty(_BLOCK)
    change = np.empty(removal.shape[0])
    for r in range(lo, hi):
        i = rows[r]
        _changes(cost, i, near, slot, second, removal, values, change)
        for t in range(change.shape[0]):
            fall = np.float32(change[t] / cost.unit)
            if pick_group[t] == group[i] and fall < lowest[t]:
                lowest[t] = fall
                replacement[t] = i
