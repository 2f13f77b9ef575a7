"""The rows of one lazy greedy run, and which could still win.

Scores never rise over picks, so that a stale score bounds the fresh one. A few rows, those of the
largest bounds, know their distance to every pick; the others wait with the bound they have.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import bound_kernel, kernel
from skxssr._kernels.blocks import squared_distance
from skxssr._kernels.cover import lower_nearest, upper_square
from skxssr._kernels.greedy import MARGIN, composite


class Rows(NamedTuple):
    """State of the rows in one run.

    Attributes
    ----------
    bound : (n,) float32
        Upper bound of the score.
    known : (n,) int32
        ``2 t``: `density` bounds that after t picks. ``2 t + 1``: it is that, to the bit.
    density, nearest : (n,) float64
        Upper bound of the density, and of the squared distance to what is picked or labelled.
    seen : (n,) int32
        How many picks `nearest` knows; all of them in the few, whatever stands here.
    """

    bound: np.ndarray
    known: np.ndarray
    density: np.ndarray
    nearest: np.ndarray
    seen: np.ndarray


@kernel
def leaders(rows, few, allowed, now, direct, worth, above, out):
    """Write to `out` the allowed rows of `few` that could win, all of one kind; returns how many.

    Could win: the bound is at least `worth` and above `above`. Either they wait for their exact
    density, and know a bound of it as of `now` picks, or they wait for that bound; with `direct` no
    row does. The kind is that of the row with the largest bound, and rows come with it that are
    no worse than any of the other kind.

    Returns
    -------
    n : int
    bounded : bool
        Whether they know a bound.
    """
    best_bounded = best_other = np.float32(-1.0)
    for r in range(few.shape[0]):
        i = np.int64(few[r])
        if allowed[i] and rows.bound[i] >= worth and rows.bound[i] > above:
            if rows.known[i] == 2 * now or (direct and rows.known[i] < 2 * now):
                best_bounded = max(best_bounded, rows.bound[i])
            elif rows.known[i] < 2 * now:
                best_other = max(best_other, rows.bound[i])
    bounded = best_bounded >= best_other
    least = max(np.float32(worth), best_other if bounded else best_bounded)
    n = 0
    if max(best_bounded, best_other) < 0.0:
        return n, bounded
    for r in range(few.shape[0]):
        i = np.int64(few[r])
        known = rows.known[i]
        of_kind = known <= 2 * now and (direct or (known == 2 * now) == bounded)
        if of_kind and allowed[i] and rows.bound[i] >= least and rows.bound[i] > above:
            out[n] = i
            n += 1
    return n, bounded


@kernel
def take_bounds(score, rows, at, density, now):
    """Lower the densities of the rows `at` to the bounds `density`, as of `now` picks."""
    for r in range(at.shape[0]):
        i = np.int64(at[r])
        if rows.known[i] < 2 * now:
            rows.known[i] = 2 * now
            if density[r] < rows.density[i]:
                rows.density[i] = density[r]
                rows.bound[i] = composite(score, i, density[r], rows.nearest[i], MARGIN)


@kernel
def bring_up(demand, score, rows, at, picks, picks32):
    """Let the rows `at` know their distance to all `picks`."""
    lower_nearest(demand, at, 0, at.shape[0], picks, picks32, rows.seen, rows.nearest)
    for r in range(at.shape[0]):
        i = np.int64(at[r])
        rows.bound[i] = composite(score, i, rows.density[i], rows.nearest[i], MARGIN)


@bound_kernel
def _squared32(X32, i, pick):
    squared = np.float32(0.0)
    for j in range(X32.shape[1]):
        u = X32[i, j] - X32[pick, j]
        squared += u * u
    return squared


@kernel
def lower_few(demand, score, rows, few, pick):
    """Let the rows `few`, which know all picks before, know the distance to `pick`."""
    for r in range(few.shape[0]):
        i = np.int64(few[r])
        if _squared32(demand.X32, i, pick) <= upper_square(demand, rows.nearest[i]):
            squared = squared_distance(demand.X[i], demand.X[pick])
            if squared < rows.nearest[i]:
                rows.nearest[i] = squared
                rows.bound[i] = composite(score, i, rows.density[i], squared, MARGIN)
