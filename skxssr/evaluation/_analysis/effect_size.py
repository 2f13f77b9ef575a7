"""Random draws as a yardstick: share beaten, bad draws, labels saved.

Pure functions of arrays, like those of `statistics`.
"""

import math

import numpy as np
from sklearn.isotonic import IsotonicRegression, isotonic_regression


def probability_of_superiority(
    scores: np.ndarray, seeds: np.ndarray, random_scores: np.ndarray, random_seeds: np.ndarray
) -> float:
    """Share of random runs that a selector's runs of the same pool exceed, ties counting half.

    A random run is compared with the selector's runs of the same training seed, or, where there is
    none, with all of them. Run against run, not mean against run: a mean of several is luckier
    or unluckier than one draw where draws are skewed, and a selector no better than random would
    not score one half.

    Parameters
    ----------
    scores, seeds : ndarray of shape (n,)
        Mean score and training seed of the selector's runs.
    random_scores, random_seeds : ndarray of shape (n_random,)
        Those of the random runs.

    Returns
    -------
    float
        Between 0 and 1; NaN if either has no run.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.effect_size import probability_of_superiority
    >>> random = np.array([0.8, 0.9])
    >>> probability_of_superiority(np.array([0.9]), np.array([0]), random, np.array([0, 1]))
    0.75
    """
    if not len(scores) or not len(random_scores):
        return math.nan
    ours, theirs = scores[:, None], random_scores[None, :]
    wins = (ours > theirs) + 0.5 * (ours == theirs)
    same = seeds[:, None] == random_seeds[None, :]
    use = same | ~same.any(axis=0)
    return float(((wins * use).sum(axis=0) / use.sum(axis=0)).mean())


def bad_draw_level(
    scores: np.ndarray, pool: np.ndarray, n_pools: int, *, per_pool: bool, quantile: float = 0.1
) -> np.ndarray:
    """Score of a bad random draw in every pool.

    Parameters
    ----------
    scores : ndarray of shape (n_random,), float64
        Mean score of each random run.
    pool : ndarray of shape (n_random,), int
        Its pool, numbered from 0.
    n_pools : int
        Number of pools.
    per_pool : bool
        Whether there are draws enough for a quantile in each pool. If not, scores are centred in
        their pool, stretched by sqrt(n / (n - 1)) for the n runs that the centre was taken from,
        and the quantile of all of them together is added to the mean of each pool.
    quantile : float, default=0.1
        One draw in ten is worse.

    Returns
    -------
    ndarray of shape (n_pools,), float64
        NaN for a pool without a random run; all NaN if no pool has two.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.effect_size import bad_draw_level
    >>> scores, pool = np.array([0.0, 1.0, 10.0, 11.0]), np.array([0, 0, 1, 1])
    >>> bad_draw_level(scores, pool, 2, per_pool=True)
    array([ 0.1, 10.1])
    >>> bad_draw_level(scores, pool, 2, per_pool=False).round(3)
    array([-0.207,  9.793])
    """
    inside = [scores[pool == p] for p in range(n_pools)]
    if per_pool:
        return np.array([np.quantile(s, quantile) if len(s) else np.nan for s in inside])
    spread = [(s - s.mean()) * math.sqrt(len(s) / (len(s) - 1)) for s in inside if len(s) > 1]
    if not spread:
        return np.full(n_pools, np.nan)
    depth = np.quantile(np.concatenate(spread), quantile)
    return np.array([s.mean() + depth if len(s) else np.nan for s in inside])


def label_equivalent(
    budgets: np.ndarray, means: np.ndarray, value: float, sample_weight: np.ndarray | None = None
) -> tuple[float | None, str]:
    """How many random labels give the same mean score.

    The curve of random draws is made monotone by isotonic regression and read between its budgets
    along a straight line in the logarithm of the budget; on a level stretch at its fewest labels,
    so that nothing is saved where more labels bought nothing.

    Parameters
    ----------
    budgets : ndarray of shape (n,), int
        Numbers of labels, rising.
    means : ndarray of shape (n,), float64
        Mean score of random draws.
    value : float
        Score to be matched.
    sample_weight : ndarray of shape (n,), optional
        Weight of each mean, such as its number of runs; equal by default.

    Returns
    -------
    equivalent : float or None
        None outside the curve.
    note : str
        "", "beyond the curve", "below the curve" or "no curve" (fewer than two budgets).

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.effect_size import label_equivalent
    >>> label_equivalent(np.array([5, 20]), np.array([90.0, 92.0]), 91.0)
    (10.0, '')
    >>> label_equivalent(np.array([5, 20]), np.array([90.0, 92.0]), 93.0)
    (None, 'beyond the curve')
    """
    if len(budgets) < 2 or not math.isfinite(value):
        return None, "no curve"
    logs = np.log(budgets)
    curve = IsotonicRegression().fit(logs, means, sample_weight=sample_weight).predict(logs)
    worth = _read(logs, curve, value)
    if worth == math.inf:
        return None, "beyond the curve"
    if worth == 0.0:
        return None, "below the curve"
    return worth, ""


def label_equivalent_interval(
    budgets: np.ndarray,
    means: np.ndarray,
    values: np.ndarray,
    confidence: float,
    sample_weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """Percentile interval of `label_equivalent` from replicates of the curve and of the score.

    Parameters
    ----------
    budgets : ndarray of shape (n,), int
        Numbers of labels, rising.
    means : ndarray of shape (n_bootstrap, n), float64
        Replicates of the mean score of random draws.
    values : ndarray of shape (n_bootstrap,), float64
        Replicates, of the same draws, of the score to be matched.
    confidence : float
        Between 0 and 1.
    sample_weight : ndarray of shape (n,), optional
        See `label_equivalent`.

    Returns
    -------
    tuple of float
        Lower and upper end, each a replicate's: 0 if below the curve, infinity if beyond it. NaN
        if there is no curve or no replicate.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation._analysis.effect_size import label_equivalent_interval
    >>> means = np.tile([90.0, 92.0], (5, 1))
    >>> values = np.array([90.0, 90.5, 91.0, 91.5, 92.5])
    >>> label_equivalent_interval(np.array([5, 20]), means, values, 0.5)
    (7.071067812, 14.142135624)
    """
    there = np.isfinite(means).all(axis=1) & np.isfinite(values)
    if len(budgets) < 2 or not there.any():
        return math.nan, math.nan
    logs = np.log(budgets)
    worths = [
        _read(logs, isotonic_regression(mean, sample_weight=sample_weight), value)
        for mean, value in zip(means[there], values[there], strict=True)
    ]
    # a replicate's own value, since between one of the curve and one beyond it there is none
    low, high = np.quantile(
        worths, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf"
    )
    return float(low), float(high)


def _read(logs: np.ndarray, curve: np.ndarray, value: float) -> float:
    """Labels at which a rising curve over `logs` takes a value; 0 below it, infinity beyond."""
    if value > curve[-1]:
        return math.inf
    if value < curve[0]:
        return 0.0
    right = int(np.searchsorted(curve, value, side="left"))
    if right == 0:
        return round(math.exp(logs[0]), 9)
    share = (value - curve[right - 1]) / (curve[right] - curve[right - 1])
    return round(math.exp(logs[right - 1] + share * (logs[right] - logs[right - 1])), 9)
