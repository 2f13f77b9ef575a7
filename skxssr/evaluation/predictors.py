"""Which label-free quantity predicts Dice?"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.metrics.coverage import coverage_loss
from skxssr.metrics.domain_gap import mean_distance
from skxssr.neighbors import kneighbors

__all__ = ["label_free_quantities", "rank_correlations"]

_CELL = ("task", "block", "segmenter", "embedder", "budget")

# sign: +1 if more should mean a better selection
QUANTITIES = {
    "mean distance": -1,
    "covering radius": -1,
    "kernel coverage": 1,
    "novel distance": -1,
    "domain gap": -1,
    "novelty of the picks": 1,
    "spread of the picks": 1,
}


def label_free_quantities(X: Any, selected: Any, *, source: Any = None) -> dict[str, float]:
    """Measure a selection without a label, in the space that selectors use by default.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Embeddings of the pool.
    selected : array-like of int
        Picks.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source.

    Returns
    -------
    dict of str to float
        "mean distance" and "covering radius" from a row to its nearest pick; "kernel coverage",
        the mean over rows of the largest Gaussian kernel to a pick (bandwidth twice the median
        distance to the 10th neighbour); "spread of the picks", the mean distance between a pick
        and the nearest other one; "domain gap", the energy distance [1]_ between picks and pool,
        2 E|a - b| - E|a - a'| - E|b - b'| over all pairs: 0 if they are the same rows, else above.
        With a source, also "novel distance", the mean distance weighted by each row's distance to
        the source, and "novelty of the picks", their mean distance to their five nearest source
        rows over that of the pool.

    References
    ----------
    .. [1] G. J. Szekely, M. L. Rizzo, "Energy statistics", J. Stat. Plan. Inference 143, 2013.
       :doi:`10.1016/j.jspi.2013.03.018`

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import label_free_quantities
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> sorted(label_free_quantities(X, [0, 1, 2]))[:2]
    ['covering radius', 'domain gap']
    >>> label_free_quantities(X, range(50))["domain gap"]
    0.0
    """
    prepare = fit_scale_and_pca(source, np.asarray(X))
    Z = np.asarray(prepare(np.asarray(X)), dtype=np.float64)
    picks = Z[np.sort(selected)]  # in the order of the pool, so that all of it is at 0 exactly
    nearest, _ = kneighbors(Z, picks, 1, algorithm="exact")
    k = min(10, len(Z) - 1)
    reach, _ = kneighbors(None, Z, k, algorithm="exact")
    reach = reach[:, -1][reach[:, -1] > 0]
    bandwidth = 2 * float(np.median(reach)) if reach.size else 1.0
    found = {
        "mean distance": float(nearest.mean()),
        "covering radius": float(nearest.max()),
        "kernel coverage": 1 - coverage_loss(Z, selected, kind="kernel", bandwidth=bandwidth),
        "domain gap": _energy_distance(picks, Z),
    }
    if len(picks) > 1:
        between, _ = kneighbors(None, picks, 1, algorithm="exact")
        found["spread of the picks"] = float(between.mean())
    if source is not None:
        S = np.asarray(prepare(np.asarray(source)), dtype=np.float64)
        far, _ = kneighbors(Z, S, min(5, len(S)), algorithm="exact")
        novelty = far.mean(axis=1)
        if novelty.sum() > 0:
            found["novel distance"] = float(np.average(nearest[:, 0], weights=novelty))
            found["novelty of the picks"] = float(
                novelty[np.asarray(selected)].mean() / novelty.mean()
            )
    return found


def _energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'|, never below 0 but for what rounding leaves."""
    return max(2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b), 0.0)


def rank_correlations(
    runs: Sequence[Mapping[str, Any]],
    *,
    selector: str | None = "random",
    n_permutations: int = 9999,
    random_state: int = 0,
) -> list[dict[str, Any]]:
    """Spearman correlation of every label-free quantity with Dice, over random subsets.

    Pools differ in how hard they are, so Dice and quantity are first centred within each pool. A
    subset counts once, however many networks were trained on it: its Dice is their mean.

    Parameters
    ----------
    runs : sequence of mapping
        From `compare_selectors`. Which runs are of the same subset is told by "pool" and "digest",
        or, without a digest, "rows" (the picks).
    selector : str, default="random"
        Whose runs are used; None for all.
    n_permutations : int, default=9999
        Random permutations behind a p-value; where there are no more than these in all, each is
        tried once. No p-value is below ``1 / (1 + n_permutations)``.
    random_state : int, default=0
        Seed of the permutations.

    Returns
    -------
    list of dict
        For each task, block, segmenter, embedder, budget and quantity: "spearman", positive if the
        quantity points the way it should; "p", two-sided; "n", the number of distinct subsets, and
        "n_pools", the pools that they are in. There is no row for a quantity that is missing from
        a run or does not vary within pools, nor where fewer than three subsets are left.

    Raises
    ------
    ValueError
        A run says of no subset that it was trained on, or `n_permutations` is below 1.

    Notes
    -----
    Under the hypothesis that a quantity says nothing, the Dice of the subsets of a pool could be
    exchanged with one another, but not with those of another pool: they share its candidates, its
    test images and its training seeds. So Dice is permuted within pools [1]_, and the p-value is
    the share of permutations whose correlation is at least as far from their mean as the one found.
    A pool with a single subset has nothing to be exchanged for and is left out. The p-values are
    not corrected for the number of quantities.

    References
    ----------
    .. [1] A. M. Winkler, G. R. Ridgway, M. A. Webster, S. M. Smith, T. E. Nichols (2014).
       Permutation inference for the general linear model. NeuroImage 92, 381-397.
       :doi:`10.1016/j.neuroimage.2014.01.060`

    Examples
    --------
    Dice that falls as the distance to the picks grows:

    >>> from skxssr.evaluation import rank_correlations
    >>> place = dict(task="chest", block="picks", segmenter="unet", embedder="mae", budget=1)
    >>> runs = [
    ...     dict(place, selector="random", pool=0, rows=[row], seed=seed, dice=[dice],
    ...          quantities={"mean distance": 1 - dice})
    ...     for row, dice in enumerate((0.90, 0.92, 0.95, 0.97))
    ...     for seed in (0, 1)
    ... ]
    >>> (row,) = rank_correlations(runs)
    >>> row["quantity"], round(row["spearman"], 2), row["n"], round(row["p"], 3)
    ('mean distance', 1.0, 4, 0.083)
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations={n_permutations!r} must be at least 1; 9999 is usual.")
    cells: dict[tuple[Any, ...], dict[tuple[Any, Any], list[Mapping[str, Any]]]] = {}
    for i, run in enumerate(runs):
        if run.get("reference") or selector not in (None, run["selector"]):
            continue
        subsets = cells.setdefault(tuple(run[name] for name in _CELL), {})
        subsets.setdefault(_subset(run, i), []).append(run)
    rows = []
    for cell, subsets in cells.items():
        kept = _with_company(subsets)
        if len(kept) < 3:
            continue
        pools = np.array([pool for pool, _ in kept])
        dice = _ranks_within([np.mean([_dice(r) for r in same]) for same in kept.values()], pools)
        rng = np.random.default_rng(random_state)
        permuted, every = _permuted_within(dice, pools, n_permutations, rng)
        for quantity, sign in QUANTITIES.items():
            values = np.array(
                [
                    np.mean([run["quantities"].get(quantity, np.nan) for run in same])
                    for same in kept.values()
                ]
            )
            if np.isnan(values).any():
                continue
            ranks = _ranks_within(sign * values, pools)
            if not ranks.any() or not dice.any():
                continue
            norm = np.linalg.norm(ranks) * np.linalg.norm(dice)
            rows.append(
                {
                    **dict(zip(_CELL, cell, strict=True)),
                    "quantity": quantity,
                    "spearman": float(ranks @ dice / norm),
                    "p": _p_value(ranks, dice, permuted, every, pools),
                    "n": len(kept),
                    "n_pools": len(set(pools)),
                }
            )
    return rows


def _subset(run: Mapping[str, Any], i: int) -> tuple[Any, Any]:
    """What a subset is known by: its pool, and the digest of its rows or these themselves."""
    if "digest" in run:
        return run["pool"], run["digest"]
    if "rows" not in run:
        raise ValueError(
            f"runs[{i}] has neither 'digest' nor 'rows', so that it cannot be told which runs are "
            "of the same subset; give each the list of its picks as 'rows'."
        )
    return run["pool"], tuple(sorted(run["rows"]))


def _with_company(subsets: Mapping[tuple[Any, Any], Any]) -> dict[tuple[Any, Any], Any]:
    """Those with another one in their pool: one alone is at 0 once it is centred."""
    in_pool = Counter(pool for pool, _ in subsets)
    return {key: value for key, value in subsets.items() if in_pool[key[0]] > 1}


def _dice(run: Mapping[str, Any]) -> float:
    return float(np.nanmean(np.array(run["dice"], dtype=np.float64)))


def _centred(values: Any, pools: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).copy()
    for pool in np.unique(pools):
        values[pools == pool] -= values[pools == pool].mean()
    # equal values stay equal, whatever a mean has left in the last digits
    return values.round(12)


def _ranks_within(values: Any, pools: np.ndarray) -> np.ndarray:
    """Ranks of the values centred within pools, less their mean."""
    return rankdata(_centred(values, pools)) - (len(pools) + 1) / 2


def _permuted_within(
    values: np.ndarray, pools: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Values permuted within pools, (n_ways, n_values), and whether that is each way once.

    It is if there are at most `n` ways; else there are `n` random ones.
    """
    members = [np.flatnonzero(pools == pool) for pool in np.unique(pools)]
    every = math.prod(math.factorial(len(inside)) for inside in members) <= n
    made = np.empty((1 if every else n, len(values)))
    for inside in members:
        if every:
            ways = np.array(list(itertools.permutations(values[inside])))
            made = np.repeat(made, len(ways), axis=0)
            made[:, inside] = np.tile(ways, (len(made) // len(ways), 1))
        else:
            made[:, inside] = rng.permuted(np.tile(values[inside], (n, 1)), axis=1)
    return made, every


def _p_value(
    x: np.ndarray, y: np.ndarray, permuted: np.ndarray, every: bool, pools: np.ndarray
) -> float:
    """Two-sided p-value of the sum of products among those of the permutations of `y`."""
    # ranks of all pools together have a mean of their own in each pool
    mean = sum(
        (pools == pool).sum() * x[pools == pool].mean() * y[pools == pool].mean()
        for pool in np.unique(pools)
    )
    far = np.abs(permuted @ x - mean) >= abs(x @ y - mean) - 1e-9
    return float(far.mean() if every else (1 + far.sum()) / (1 + len(far)))


def proxy_agreement(
    runs: Sequence[Mapping[str, Any]], *, proxy: str, segmenter: str, n_bootstrap: int = 2000
) -> list[dict[str, Any]]:
    """How well a cheap network ranks selections, against the real one on the same selections.

    A set of picks counts once: its Dice by a segmenter is the mean over the training seeds that
    this segmenter has run with.

    Parameters
    ----------
    runs : sequence of mapping
        From `compare_selectors` with both segmenters.
    proxy, segmenter : str
        Names of the cheap and of the real segmenter.
    n_bootstrap : int, default=2000
        Replicates, over pools, of the 95% interval.

    Returns
    -------
    list of dict
        For each task, block and budget: "spearman" between the Dice of both, centred within pools,
        over distinct sets of picks; "low", "high" (NaN for a single pool); "n", the number of
        sets, and "n_pools".

    Notes
    -----
    What training leaves to chance is part of both Dice, so that the correlation is below that of
    the sets' true ranks, the more so the fewer seeds were run. A pool with a single set says
    nothing and is left out.

    Examples
    --------
    >>> from skxssr.evaluation import proxy_agreement
    >>> place = dict(task="chest", block="picks", budget=5, seed=0)
    >>> runs = [
    ...     dict(place, pool=p, digest=str(i), segmenter=name, dice=[d - 0.1 * (name == "small")])
    ...     for i, d in enumerate((0.90, 0.92, 0.95, 0.97))
    ...     for p in (0, 1)
    ...     for name in ("small", "unet")
    ... ]
    >>> (row,) = proxy_agreement(runs, proxy="small", segmenter="unet", n_bootstrap=10)
    >>> row["n"], round(row["spearman"], 2)
    (8, 1.0)
    """
    cells: dict[tuple[Any, ...], dict[tuple[Any, Any], dict[str, dict[Any, float]]]] = {}
    for i, run in enumerate(runs):
        if run.get("reference"):
            continue
        cell = cells.setdefault(tuple(run[name] for name in ("task", "block", "budget")), {})
        by_segmenter = cell.setdefault(_subset(run, i), {})
        # two selectors that pick the same set file the same network twice
        by_segmenter.setdefault(run["segmenter"], {})[run["seed"]] = _dice(run)
    rows = []
    for (task, block, budget), sets in cells.items():
        both = _with_company(
            {key: found for key, found in sets.items() if {proxy, segmenter} <= found.keys()}
        )
        if len(both) < 3:
            continue
        pools = np.array([pool for pool, _ in both])
        x, y = (
            _centred([np.mean(list(found[name].values())) for found in both.values()], pools)
            for name in (proxy, segmenter)
        )
        members = [np.flatnonzero(pools == pool) for pool in np.unique(pools)]
        low, high = math.nan, math.nan
        if len(members) > 1:  # one pool drawn again is the same pool
            rng = np.random.default_rng(0)
            replicates = []
            for _ in range(n_bootstrap):
                drawn = rng.integers(len(members), size=len(members))
                some = np.concatenate([members[i] for i in drawn])
                replicates.append(spearmanr(x[some], y[some]).statistic)
            low, high = np.nanpercentile(replicates, [2.5, 97.5])
        rows.append(
            {
                "task": task,
                "block": block,
                "budget": budget,
                "proxy": proxy,
                "spearman": float(spearmanr(x, y).statistic),
                "low": float(low),
                "high": float(high),
                "n": len(both),
                "n_pools": len(members),
            }
        )
    return rows
