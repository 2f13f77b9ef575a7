"""Differences at equal values of a covariate, one slope a cell."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from skxssr.evaluation._analysis.bootstrap import sum_by_pool_and_arm
from skxssr.evaluation._analysis.conditions import Condition

_BLOCK = 512  # replicates at a time: bounds memory
_NOTHING_LEFT = 1e-9  # of the covariate's squares: what rounding leaves where arm and pool tell all

ADJUSTED = ("covariate", "covariate_slope", "dice_adjusted")


class Adjustment:
    """The slope of Dice on a covariate within a cell, and its bootstrap replicates.

    Parameters
    ----------
    cell : Condition
        With a covariate.
    blocks : iterable of (run_means, weights)
        From `resampled_runs` with the random numbers that the means of the cell are resampled by.

    Attributes
    ----------
    slope : float
        Points of Dice for one more of the covariate; NaN where arm and pool determine it.
    pool_means : ndarray of shape (n_pools, n_arms), float64
        Mean of the covariate.
    resampled : ndarray of shape (n_pools, n_arms, n_bootstrap), float64
        The same in every replicate.

    Examples
    --------
    See `skxssr.evaluation.summarize`.
    """

    def __init__(self, cell: Condition, blocks: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        assert cell.covariate is not None
        self.cell, shape = cell, cell.pool_means.shape
        self.pool_means = cell.by_pool_and_arm(cell.covariate)
        # slopes do not depend on the origin, but what is left of large numbers would be noise
        x = cell.covariate - cell.covariate.mean()
        centre = cell.run_means.mean()
        total = sum_by_pool_and_arm(cell.pool, cell.arm)

        def sums(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
            there = np.isfinite(y)
            y, w = np.where(there, y - centre, 0.0), weights * there
            wx = w * x[:, None]
            parts = (w, wx, w * y, wx * x[:, None], wx * y)
            return np.stack([(total @ part).reshape(*shape, -1) for part in parts])

        one = np.ones((len(x), 1))
        alone = np.ones((len(cell.pools), 1))
        self.slope = float(slopes(sums(cell.run_means[:, None], one), alone)[0])
        self._sums = np.concatenate([sums(*block) for block in blocks], axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self._sums[1] / self._sums[0] + cell.covariate.mean()
        # as with Dice: the plain mean where no seed and draw came up
        self.resampled = np.where(np.isfinite(means), means, self.pool_means[..., None])

    def slopes(self, pool_weights: np.ndarray) -> np.ndarray:
        """The slope in every replicate: (n_bootstrap,).

        Parameters
        ----------
        pool_weights : ndarray of shape (n_pools, n_bootstrap), float64
            How often each pool comes up.
        """
        found = np.empty(pool_weights.shape[1])
        for start in range(0, len(found), _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block] = slopes(self._sums[..., block], pool_weights[:, block])
        return found

    def describe(self, arm: int, random: str) -> dict[str, Any]:
        """What a row says of a selector: its mean Dice at the covariate of a random draw."""
        names = self.cell.selectors
        usual = self.pool_means[:, names.index(random)] if random in names else self.pool_means
        ours = np.nanmean(self.pool_means[:, arm])
        dice = np.nanmean(self.cell.pool_means[:, arm])
        adjusted = dice - self.slope * (ours - np.nanmean(usual))
        return dict(zip(ADJUSTED, (ours, self.slope, adjusted), strict=True))


def slopes(sums: np.ndarray, pool_weights: np.ndarray) -> np.ndarray:
    """Slope of y on x by least squares, with a constant for every arm and for every pool.

    Parameters
    ----------
    sums : ndarray of shape (5, n_pools, n_arms, n), float64
        Of w, w x, w y, w x x and w x y over the runs of each pool and arm, w their weights.
    pool_weights : ndarray of shape (n_pools, n), float64
        What the weights of the runs of a pool are multiplied by.

    Returns
    -------
    ndarray of shape (n,), float64
        NaN where x is constant once arms and pools are taken out.

    Notes
    -----
    Pools are taken out by subtracting their means; what is left of the arms is a system of as many
    equations as there are arms, which is singular (the arms sum to the pools) and is solved by the
    pseudo-inverse: what two of its solutions differ in does not touch the slope.

    Examples
    --------
    Two pools with one arm, y rising by 3 for every x:

    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.covariate import slopes
    >>> x, y = np.array([[0.0, 1.0], [5.0, 7.0]]), np.array([[1.0, 4.0], [0.0, 6.0]])
    >>> parts = [np.ones((2, 2)), x, y, x * x, x * y]
    >>> sums = np.array([part.sum(axis=1) for part in parts])[:, :, None, None]
    >>> slopes(sums, np.ones((2, 1)))
    array([3.])
    """
    w, x, y, xx, xy = sums * pool_weights[:, None]
    of_pool = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(of_pool > 0, 1 / of_pool, 0.0)[:, None] * w
    arms = -np.einsum("pan,pbn->nab", share, w)
    diagonal = np.arange(w.shape[1])
    arms[:, diagonal, diagonal] += w.sum(axis=0).T

    def of_arms(value: np.ndarray) -> np.ndarray:
        return (value.sum(axis=0) - (share * value.sum(axis=1, keepdims=True)).sum(axis=0)).T

    def left(product: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = a.sum(axis=1) * np.where(of_pool > 0, b.sum(axis=1) / of_pool, 0.0)
        return product.sum(axis=(0, 1)) - inside.sum(axis=0)

    x_arms, y_arms = of_arms(x), of_arms(y)
    solved = np.einsum("nab,nb->na", np.linalg.pinv(arms, rcond=1e-10, hermitian=True), x_arms)
    rest = left(xx, x, x) - (solved * x_arms).sum(axis=1)
    shared = left(xy, x, y) - (solved * y_arms).sum(axis=1)
    known = rest > _NOTHING_LEFT * xx.sum(axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, shared / rest, np.nan)
