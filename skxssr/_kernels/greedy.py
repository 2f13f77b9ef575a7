"""The composite score, and which of two rows wins.

The tie rule, the same in both engines: scores are float64 in a fixed order, rounded to float32 and
compared; equal goes to the larger distance to what is picked or labelled, then to the lowest index.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels._jit import kernel

# A stale score is a bound; the margin covers a power function that is not monotone to the last bit.
MARGIN = 1.0 + 1e-12


class Score(NamedTuple):
    """What turns density and diversity into a score; constant during one greedy run.

    Attributes
    ----------
    density_scale, distance_scale : float
        Divisors of density, and of novelty and diversity.
    novelty_power : (n,) float64
        Scaled novelty to the power alpha; if `additive`, times alpha.
    alpha : float
    additive : bool
        Whether novelty and diversity are added, diversity cut off at `distance_scale`.
    """

    density_scale: float
    distance_scale: float
    novelty_power: np.ndarray
    alpha: float
    additive: bool = False


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
def _composite(score, i, density, squared):
    """The score in float64 from raw density and squared distance to what is picked or labelled."""
    repulsion = 1.0 - score.alpha
    diversity = np.sqrt(squared) / score.distance_scale
    if score.additive:
        either = score.novelty_power[i] + repulsion * min(1.0, diversity)
        return density / score.density_scale * either
    if repulsion == 0.0:
        diversity = 1.0
    elif repulsion != 1.0:
        diversity = diversity**repulsion
    return density / score.density_scale * score.novelty_power[i] * diversity


@kernel
def composite(score, i, density, squared, margin):
    """The score in float32, times `margin`: 1, or `MARGIN` for bounds."""
    return np.float32(_composite(score, i, density, squared) * margin)


@kernel
def composites(score, rows, density, nearest, margin, out):
    """Fill `out[rows]` (float32) with the scores times `margin`: 1, or `MARGIN` for bounds."""
    for r in range(rows.shape[0]):
        i = np.int64(rows[r])
        out[i] = composite(score, i, density[i], nearest[i], margin)


@kernel
def best_of(rows, score, nearest, best):
    """The winner among `rows` and `best` (-1: none): score, then distance, then lowest index."""
    for i in rows:
        if (
            best < 0
            or score[i] > score[best]
            or (
                score[i] == score[best]
                and (nearest[i] > nearest[best] or (nearest[i] == nearest[best] and i < best))
            )
        ):
            best = i
    return best
