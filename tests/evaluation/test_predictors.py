"""Label-free quantities and their correlations with Dice, against loops, scipy and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import permutation_test, spearmanr

from skxssr.evaluation import label_free_quantities, proxy_agreement, rank_correlations

PLACE = {"task": "t", "block": "picks", "segmenter": "s", "embedder": "e", "budget": 5}
few = settings(max_examples=25, deadline=None)


def subset_runs(rng, *, n_pools=6, n_subsets=5, n_seeds=1, effect=0.0, noise=1.0):
    """Runs of random subsets: "mean distance" is better where it is small."""
    runs = []
    for pool, i in itertools.product(range(n_pools), range(n_subsets)):
        good, luck = rng.normal(), rng.normal()
        for seed in range(n_seeds):
            run = {**PLACE, "selector": "random", "pool": pool, "draw": i, "seed": seed}
            dice = 0.8 + 0.005 * (effect * good + luck + noise * rng.normal()) + 0.02 * pool
            run |= {"digest": f"{i}", "rows": [i], "dice": [dice]}
            runs.append(run | {"quantities": {"mean distance": 3 * pool - good}})
    return runs


def averaged(runs):
    """One run a subset, with the mean Dice of its seeds."""
    subsets = {}
    for run in runs:
        subsets.setdefault((run["pool"], run["digest"]), []).append(run)
    return [
        same[0] | {"seed": 0, "dice": [np.mean([r["dice"][0] for r in same])]}
        for same in subsets.values()
    ]


def centred(runs):
    """Quantity, turned so that more is better, and Dice, both less the mean of their pool."""
    pairs = []
    for pool in sorted({run["pool"] for run in runs}):
        inside = [run for run in runs if run["pool"] == pool]
        x = np.array([-run["quantities"]["mean distance"] for run in inside])
        y = np.array([run["dice"][0] for run in inside])
        pairs.append((x - x.mean(), y - y.mean()))
    return pairs


def test_a_subset_counts_once_however_many_seeds_it_was_trained_with():
    runs = subset_runs(np.random.default_rng(0), n_seeds=5, effect=0.3)
    (row,) = rank_correlations(runs)
    assert row == rank_correlations(averaged(runs))[0]
    assert (row["n"], row["n_pools"]) == (30, 6)
    x, y = (np.concatenate(part) for part in zip(*centred(averaged(runs)), strict=True))
    assert row["spearman"] == pytest.approx(spearmanr(x, y).statistic)


def test_copies_of_every_run_make_no_p_value_smaller():
    # a subset known by its rows in another order, and drawn twice
    runs = subset_runs(np.random.default_rng(3), effect=0.4)
    for run in runs:
        del run["digest"]
        run["rows"] = [run["draw"], 7]
    again = [run | {"draw": 9, "rows": run["rows"][::-1]} for run in runs]
    assert rank_correlations(runs + again) == rank_correlations(runs)
    assert rank_correlations(runs)[0]["p"] > 1e-3


@few
@given(st.integers(0, 10_000), st.booleans())
def test_few_subsets_are_permuted_in_every_way_within_their_pools(seed, ties):
    rng = np.random.default_rng(seed)
    runs = subset_runs(rng, n_pools=2, n_subsets=3, effect=1.0)
    if ties:
        for run in runs:
            run["dice"] = [float(rng.integers(0, 3)) / 4]
    rows = rank_correlations(runs)
    (x1, y1), (x2, y2) = centred(runs)
    if not np.concatenate([y1, y2]).any():
        assert rows == []
        return
    x = np.concatenate([x1, x2]).round(9)
    ways = [
        spearmanr(x, np.round([*a, *b], 9)).statistic
        for a in itertools.permutations(y1)
        for b in itertools.permutations(y2)
    ]
    found, middle = ways[0], np.mean(ways)
    expected = np.mean([abs(way - middle) >= abs(found - middle) - 1e-9 for way in ways])
    assert rows[0]["spearman"] == pytest.approx(found)
    assert rows[0]["p"] == pytest.approx(expected)


def test_in_one_pool_it_is_the_permutation_test_of_scipy():
    runs = subset_runs(np.random.default_rng(5), n_pools=1, n_subsets=20, effect=0.5)
    (row,) = rank_correlations(runs, n_permutations=4999)
    ((x, y),) = centred(runs)
    expected = permutation_test(
        (y,), lambda y: spearmanr(x, y).statistic, permutation_type="pairings",
        n_resamples=999, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert row["p"] == pytest.approx(expected.pvalue, abs=0.03)
    assert row == rank_correlations(runs, n_permutations=4999)[0]
    assert row["p"] != rank_correlations(runs, n_permutations=4999, random_state=1)[0]["p"]


def test_p_values_are_as_often_small_as_they_say():
    # five seeds a subset: each counted as a subset, half of the p-values were below 0.1
    rng = np.random.default_rng(0)
    p = [
        rank_correlations(subset_runs(rng, n_seeds=5, noise=0.5), n_permutations=199)[0]["p"]
        for _ in range(200)
    ]
    assert 0.05 <= np.mean(np.array(p) <= 0.1) <= 0.15
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_subsets_without_company_and_quantities_without_spread_are_left_out():
    runs = subset_runs(np.random.default_rng(1), n_pools=3)
    alone = runs[0] | {"pool": 9}
    assert rank_correlations([*runs, alone]) == rank_correlations(runs)
    for run in runs:
        run["quantities"] = run["quantities"] | {"covering radius": 1.0 + run["pool"]}
    assert [row["quantity"] for row in rank_correlations(runs)] == ["mean distance"]
    assert rank_correlations([run for run in runs if run["digest"] == "0"]) == []
    assert rank_correlations([run | {"reference": True} for run in runs]) == []


def test_runs_of_unknown_subsets_are_refused():
    (run, *_) = subset_runs(np.random.default_rng(0))
    del run["digest"], run["rows"]
    with pytest.raises(ValueError, match=r"runs\[0\] has neither 'digest' nor 'rows'.*'rows'"):
        rank_correlations([run])
    with pytest.raises(ValueError, match="n_permutations=0 must be at least 1"):
        rank_correlations([], n_permutations=0)


# --- the cheap network --------------------------------------------------------------------------


def judged_runs(rng, *, n_pools=4, n_sets=6, n_seeds=3):
    runs = []
    for pool, i in itertools.product(range(n_pools), range(n_sets)):
        good = rng.normal()
        for name, seed in itertools.product(("small", "large"), range(n_seeds)):
            run = {"task": "t", "block": "picks", "budget": 5, "segmenter": name, "seed": seed}
            run |= {"pool": pool, "digest": str(i), "dice": [good + rng.normal() + pool]}
            runs.append(run)
    return runs


def test_a_set_judged_by_several_networks_is_one_point():
    runs = judged_runs(np.random.default_rng(0))
    subsets = {}
    for run in runs:
        key = (run["pool"], run["digest"], run["segmenter"])
        subsets.setdefault(key, []).append(run)
    once = [
        same[0] | {"seed": 0, "dice": [np.mean([r["dice"][0] for r in same])]}
        for same in subsets.values()
    ]
    (row,) = proxy_agreement(runs, proxy="small", segmenter="large", n_bootstrap=50)
    assert row == proxy_agreement(once, proxy="small", segmenter="large", n_bootstrap=50)[0]
    assert (row["n"], row["n_pools"]) == (24, 4)
    # the same network filed by two selectors, and seeds that only one of the two has run with
    twice = proxy_agreement(runs + runs, proxy="small", segmenter="large", n_bootstrap=50)
    assert twice == [row]
    fewer = [run for run in runs if run["segmenter"] == "small" or run["seed"] == 0]
    assert proxy_agreement(fewer, proxy="small", segmenter="large", n_bootstrap=5)[0]["n"] == 24


def test_one_pool_has_no_interval():
    runs = judged_runs(np.random.default_rng(1), n_pools=1)
    (row,) = proxy_agreement(runs, proxy="small", segmenter="large", n_bootstrap=5)
    assert math.isfinite(row["spearman"]) and math.isnan(row["low"]) and math.isnan(row["high"])
    assert proxy_agreement(runs[:12], proxy="small", segmenter="large") == []


# --- quantities ---------------------------------------------------------------------------------


def test_the_whole_pool_lies_at_no_distance_from_itself():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * [1, 1, 3, 0, 1e3]
    for rows in (range(60), rng.permutation(60)):
        found = label_free_quantities(X, rows, source=rng.normal(size=(20, 5)))
        assert found["domain gap"] == found["mean distance"] == found["covering radius"] == 0
        assert found["kernel coverage"] == pytest.approx(1)
        assert found["novelty of the picks"] == pytest.approx(1)


@few
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_domain_gap_is_an_energy_distance(seed, budget):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 3)) * rng.integers(0, 3, 3)
    picks = rng.permutation(12)[:budget]
    found = label_free_quantities(X, picks)["domain gap"]
    # the default space: scaled by the pool's deviation, then rotated
    scale = X.std(axis=0)
    Z = X / np.where(scale > 0, scale, 1)
    a, b = Z[picks], Z
    expected = 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
    assert found >= 0
    assert found == pytest.approx(expected, abs=1e-4)
