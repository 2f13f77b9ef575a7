"""Resampling and corrections behind `summarize`.

Pure functions of arrays: who a run belongs to is given as integer codes, and nothing here knows
what a selector is.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
from scipy.special import ndtri, stdtrit

_BLOCK = 256  # replicates at a time: bounds memory at runs x 256 numbers


def bootstrap_pool_means(
    scores: np.ndarray,
    pool: np.ndarray,
    arm: np.ndarray,
    draw: np.ndarray,
    seed: np.ndarray,
    *,
    n_bootstrap: int,
    rng: np.random.Generator,
    arm_rngs: Sequence[np.random.Generator],
) -> np.ndarray:
    """Mean score of every arm in every pool, with units, seeds and draws drawn again.

    Parameters
    ----------
    scores, pool, arm, draw, seed, n_bootstrap, rng, arm_rngs
        See `resampled_runs`.

    Returns
    -------
    ndarray of shape (n_pools, n_arms, n_bootstrap), float64
        NaN where an arm has no run in a pool, or none of its units came up.

    Notes
    -----
    Where an arm has none of the seeds and draws that came up in a pool, its plain mean stands in.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import bootstrap_pool_means
    >>> scores, code = np.full((2, 3), 0.5), np.zeros(2, dtype=int)
    >>> rng, *arm_rngs = np.random.default_rng(0).spawn(3)
    >>> bootstrap_pool_means(
    ...     scores, code, np.array([0, 1]), code, code, n_bootstrap=2, rng=rng, arm_rngs=arm_rngs
    ... )
    array([[[0.5, 0.5],
            [0.5, 0.5]]])
    """
    n_pools, n_arms = int(pool.max()) + 1, int(arm.max()) + 1
    total = sum_by_pool_and_arm(pool, arm)
    blocks = []
    for run_means, weights in resampled_runs(
        scores, pool, arm, draw, seed, n_bootstrap=n_bootstrap, rng=rng, arm_rngs=arm_rngs
    ):
        there = np.isfinite(run_means)
        run_means = np.where(there, run_means, 0.0)
        weights = weights * there
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = (total @ run_means) / (total @ there.astype(np.float64))
            weighted = (total @ (weights * run_means)) / (total @ weights)
        blocks.append(np.where(np.isfinite(weighted), weighted, plain))
    return np.hstack(blocks).reshape(n_pools, n_arms, n_bootstrap)


def resampled_runs(
    scores: np.ndarray,
    pool: np.ndarray,
    arm: np.ndarray,
    draw: np.ndarray,
    seed: np.ndarray,
    *,
    n_bootstrap: int,
    rng: np.random.Generator,
    arm_rngs: Sequence[np.random.Generator],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Mean score and weight of every run, with units, seeds and draws drawn again.

    Units are resampled once a replicate for all pools, since the same units are scored in several;
    training seeds once a pool for all arms, since the arms are paired by them; draws within each
    pool and arm. Pools themselves are left to `average_over_pools`.

    Parameters
    ----------
    scores : ndarray of shape (n_runs, n_units), float64
        One row a run; NaN where a unit is not counted.
    pool, arm, draw, seed : ndarray of shape (n_runs,), int
        What each run belongs to; pools and arms are numbered from 0.
    n_bootstrap : int
        Number of replicates.
    rng : numpy.random.Generator
        Source of randomness for units and seeds.
    arm_rngs : sequence of numpy.random.Generator
        One an arm, for its draws, so that another arm beside it changes none of its numbers.

    Yields
    ------
    run_means : ndarray of shape (n_runs, n), float64
        Of a block of replicates; NaN where none of the units of a run came up.
    weights : ndarray of shape (n_runs, n), float64
        How often its seed and draw came up; 1 on average.

    Notes
    -----
    Units and runs are crossed, so both are weighted independently: the pigeonhole bootstrap [1]_,
    whose variance is never too small on average.

    References
    ----------
    .. [1] A. B. Owen (2007). The pigeonhole bootstrap. Annals of Applied Statistics 1(2), 386-411.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import resampled_runs
    >>> one, rng = np.zeros(1, dtype=int), np.random.default_rng(0)
    >>> scores = np.full((1, 3), 0.5)
    >>> next(resampled_runs(scores, one, one, one, one, n_bootstrap=2, rng=rng, arm_rngs=[rng]))
    (array([[0.5, 0.5]]), array([[1., 1.]]))
    """
    n_pools, n_arms = int(pool.max()) + 1, int(arm.max()) + 1
    n_units = scores.shape[1]
    counted = np.isfinite(scores).astype(np.float64)
    filled = np.where(counted > 0, scores, 0.0)
    for start in range(0, n_bootstrap, _BLOCK):
        n = min(_BLOCK, n_bootstrap - start)
        units = resampling_weights(n_units, n, rng)
        weights = _weights_within(pool, seed, n, [rng] * n_pools)
        weights *= _weights_within(pool * n_arms + arm, draw, n, list(arm_rngs) * n_pools)
        with np.errstate(invalid="ignore"):
            run_means = (filled @ units) / (counted @ units)
        yield run_means, weights


def sum_by_pool_and_arm(pool: np.ndarray, arm: np.ndarray) -> sparse.csr_array:
    """Matrix that adds up the rows of runs.

    Parameters
    ----------
    pool, arm : ndarray of shape (n_runs,), int
        What each run belongs to, numbered from 0.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_pools * n_arms, n_runs), float64
        All arms of the first pool come first.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import sum_by_pool_and_arm
    >>> sum_by_pool_and_arm(np.array([0, 1, 1]), np.array([0, 0, 0])) @ np.array([1.0, 2.0, 3.0])
    array([1., 5.])
    """
    n_pools, n_arms, n_runs = int(pool.max()) + 1, int(arm.max()) + 1, len(pool)
    places = (pool * n_arms + arm, np.arange(n_runs))
    return sparse.csr_array((np.ones(n_runs), places), shape=(n_pools * n_arms, n_runs))


def resampling_weights(n: int, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of `n` things comes up when `n` are drawn with replacement.

    Parameters
    ----------
    n : int
        How many there are.
    n_bootstrap : int
        Number of replicates.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (n, n_bootstrap), float64
        Whole numbers; every column sums to `n`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import resampling_weights
    >>> resampling_weights(4, 3, np.random.default_rng(0)).sum(axis=0)
    array([4., 4., 4.])
    """
    return rng.multinomial(n, np.full(n, 1.0 / n), size=n_bootstrap).T.astype(np.float64)


def _weights_within(
    parent: np.ndarray, level: np.ndarray, n: int, rngs: Sequence[np.random.Generator]
) -> np.ndarray:
    """Weight of every run when the levels within each parent are drawn again: (n_runs, n).

    Each parent has its source of randomness.
    """
    pairs, row = np.unique(np.column_stack([parent, level]), axis=0, return_inverse=True)
    weights = np.ones((len(pairs), n))
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(pairs)], strict=True):
        if stop - start > 1:  # one alone has nothing to be exchanged for
            rng = rngs[pairs[start, 0]]
            weights[start:stop] = resampling_weights(int(stop - start), n, rng)
    return weights[row.ravel()]


def average_over_pools(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over pools of every replicate; a pool without a value is left out of it.

    Parameters
    ----------
    values : ndarray of shape (n_pools, n_bootstrap) or (n_pools, 1), float64
        One value a pool, drawn again or not; NaN where there is none.
    weights : ndarray of shape (n_pools, n_bootstrap), float64
        See `resampling_weights`.

    Returns
    -------
    ndarray of shape (n_bootstrap,), float64
        NaN where no pool that came up has a value.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import average_over_pools
    >>> average_over_pools(np.array([[1.0], [4.0]]), np.array([[1.0, 2.0], [1.0, 0.0]]))
    array([2.5, 1. ])
    """
    there = np.isfinite(values)
    total = (weights * there).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights * np.where(there, values, 0.0)).sum(axis=0) / total


def widen(
    replicates: np.ndarray, estimate: float, n_pools: int, student: float | None = None
) -> np.ndarray:
    """Stretch replicates about the estimate by sqrt(n / (n - 1)), n the number of pools.

    A bootstrap of n things has a variance too small by (n - 1) / n, which is felt with five folds.
    Where pools alone are drawn again their spread is known from n values, and the interval is one
    of Student's distribution, not of the normal one.

    Parameters
    ----------
    replicates : ndarray of shape (n_bootstrap,), float64
        Values of the statistic.
    estimate : float
        Its value on the data.
    n_pools : int
        Pools behind it; with one nothing is done.
    student : float, optional
        Confidence of an interval for which the stretch is also by the ratio of the two quantiles.

    Returns
    -------
    ndarray of shape (n_bootstrap,), float64
        The stretched values.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import widen
    >>> widen(np.array([0.0, 1.0, 2.0]), 1.0, 2).round(2)
    array([-0.41,  1.  ,  2.41])
    """
    if n_pools < 2:
        return replicates
    factor = math.sqrt(n_pools / (n_pools - 1))
    if student is not None:
        quantile = (1 + student) / 2
        factor *= float(stdtrit(n_pools - 1, quantile) / ndtri(quantile))
    return estimate + factor * (replicates - estimate)


def interval(replicates: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates; NaN ones are left out.

    Parameters
    ----------
    replicates : ndarray of shape (n_bootstrap,), float64
        Values of the statistic.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN if there is no replicate.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import interval
    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_p(replicates: np.ndarray) -> float:
    """Two-sided p-value of "no difference": where the percentile interval begins to exclude 0.

    Parameters
    ----------
    replicates : ndarray of shape (n_bootstrap,), float64
        Values of a difference; NaN ones are left out.

    Returns
    -------
    float
        ``2 (1 + m) / (1 + n_bootstrap)`` with m the replicates on the rarer side of 0, at most 1;
        never below ``2 / (1 + n_bootstrap)``. NaN if there is no replicate.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.bootstrap import bootstrap_p
    >>> bootstrap_p(np.array([-1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    0.5
    """
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return math.nan
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + len(known)))


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """P-values corrected for their number by Holm's step-down method.

    Parameters
    ----------
    p_values : array-like of shape (n,), float
        Any dependence between them is allowed.

    Returns
    -------
    ndarray of shape (n,), float64
        In the order given; never below the uncorrected ones, at most 1.

    References
    ----------
    .. [1] S. Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics 6(2), 65-70.

    Examples
    --------
    >>> from skxssr.evaluation._analysis.bootstrap import holm
    >>> holm([0.01, 0.04, 0.03]).round(4)
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
