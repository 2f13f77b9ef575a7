"""Resampling, corrections and yardsticks of `skxssr.evaluation`, against brute force and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import false_discovery_control, t

from skxssr.evaluation._analysis.bootstrap import (
    average_over_pools,
    bootstrap_p,
    bootstrap_pool_means,
    holm,
    interval,
    resampling_weights,
    widen,
)
from skxssr.evaluation._analysis.effect_size import (
    bad_draw_level,
    label_equivalent,
    probability_of_superiority,
)

few = settings(max_examples=30, deadline=None)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def zeros(n):
    return np.zeros(n, dtype=int)


def streams(seed, n_arms):
    """A generator for units and seeds, and one for the draws of each arm."""
    rng, *arm_rngs = np.random.default_rng(seed).spawn(1 + n_arms)
    return {"rng": rng, "arm_rngs": arm_rngs}


def design(n_pools=3, n_arms=2, n_draws=2, n_seeds=2):
    """(pool, arm, draw, seed) of every run of a crossed design."""
    sizes = (n_pools, n_arms, n_draws, n_seeds)
    return [part.ravel() for part in np.meshgrid(*map(np.arange, sizes), indexing="ij")]


# --- Holm ---------------------------------------------------------------------------------------


def test_holm_of_a_worked_example():
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.005), "holm")
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([]).shape == (0,)


@few
@given(p_values)
def test_holm_step_by_step(p):
    expected = [math.nan] * len(p)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        expected[i] = largest
    assert holm(p) == pytest.approx(expected)


@few
@given(p_values)
def test_holm_is_stricter_than_the_false_discovery_rate_and_no_stricter_than_bonferroni(p):
    corrected = holm(p)
    assert (corrected >= false_discovery_control(p) - 1e-12).all()
    assert (corrected >= np.array(p)).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()


# --- the bootstrap ------------------------------------------------------------------------------


def brute_force(scores, pool, arm, draw, seed, n_bootstrap, rng, arm_rngs):
    """The same random numbers, one replicate, run and unit at a time."""
    n_units = scores.shape[1]
    units = resampling_weights(n_units, n_bootstrap, rng)
    by_seed, by_draw = {}, {}
    for p in sorted(set(pool)):
        seeds = sorted(set(seed[pool == p]))
        if len(seeds) > 1:
            weights = resampling_weights(len(seeds), n_bootstrap, rng)
            by_seed |= {(p, s): w for s, w in zip(seeds, weights, strict=True)}
    for p in sorted(set(pool)):
        for a in sorted(set(arm[pool == p])):
            draws = sorted(set(draw[(pool == p) & (arm == a)]))
            if len(draws) > 1:
                weights = resampling_weights(len(draws), n_bootstrap, arm_rngs[a])
                by_draw |= {(p, a, d): w for d, w in zip(draws, weights, strict=True)}
    means = np.full((max(pool) + 1, max(arm) + 1, n_bootstrap), np.nan)
    for b in range(n_bootstrap):
        for p, a in {*zip(pool, arm, strict=True)}:
            pairs, values = [], []
            for r in np.flatnonzero((pool == p) & (arm == a)):
                weight = by_seed.get((p, seed[r]), np.ones(n_bootstrap))[b]
                weight = weight * by_draw.get((p, a, draw[r]), np.ones(n_bootstrap))[b]
                counted = [i for i in range(n_units) if not np.isnan(scores[r, i])]
                total = sum(units[i, b] for i in counted)
                if total > 0:
                    value = sum(units[i, b] * scores[r, i] for i in counted) / total
                    pairs.append((weight, value))
                    values.append(value)
            if sum(w for w, _ in pairs) > 0:
                means[p, a, b] = sum(w * v for w, v in pairs) / sum(w for w, _ in pairs)
            elif values:
                means[p, a, b] = np.mean(values)
    return means


def test_resampled_means_are_those_of_plain_loops():
    pool, arm, draw, seed = design(n_pools=3, n_arms=3)
    # a design with holes: an arm misses a pool, another has one seed alone
    kept = ~((arm == 2) & (pool == 1)) & ~((arm == 1) & (seed == 1) & (pool == 0))
    pool, arm, draw, seed = (part[kept] for part in (pool, arm, draw, seed))
    scores = np.random.default_rng(0).normal(size=(len(pool), 5))
    scores[3, 1] = np.nan
    scores[pool == 2, :3] = np.nan  # a fold tests other units
    found = bootstrap_pool_means(scores, pool, arm, draw, seed, n_bootstrap=40, **streams(1, 3))
    expected = brute_force(scores, pool, arm, draw, seed, 40, **streams(1, 3))
    np.testing.assert_allclose(found, expected)
    assert np.isnan(found[1, 2]).all() and not np.isnan(found[0, 1]).any()


def test_many_replicates_are_made_in_blocks_of_the_same_law():
    codes = design()
    scores = np.random.default_rng(0).normal(size=(len(codes[0]), 6))
    means = bootstrap_pool_means(scores, *codes, n_bootstrap=1500, **streams(0, 2))
    plain = scores.mean(axis=1).reshape(3, 2, 4).mean(axis=2)
    assert means.shape == (3, 2, 1500)
    # weights are whole numbers with mean 1, so a replicate is right on average
    np.testing.assert_allclose(means.mean(axis=2), plain, atol=0.1)
    assert abs(means[:, :, :750].std() - means[:, :, 750:].std()) < 0.05


def test_with_one_run_it_is_the_ordinary_bootstrap_of_units():
    scores = np.random.default_rng(3).normal(size=(1, 40))
    one = zeros(1)
    means = bootstrap_pool_means(scores, one, one, one, one, n_bootstrap=4000, **streams(0, 1))
    low, high = interval(means[0, 0], 0.9)
    expected = scipy_bootstrap(
        (scores[0],),
        np.mean,
        confidence_level=0.9,
        n_resamples=4000,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_arms_are_resampled_together():
    """Unit and seed effects that two arms share leave no trace in their difference."""
    pool, arm, draw, seed = design(n_draws=1)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(3, 2))[pool, seed][:, None] + rng.normal(size=7)
    scores = shared + arm[:, None]
    means = bootstrap_pool_means(scores, pool, arm, draw, seed, n_bootstrap=50, **streams(0, 2))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1.0)
    assert means[:, 0].std() > 0.1


def test_average_over_pools_leaves_out_what_is_missing():
    values = np.array([[1.0, np.nan], [3.0, 5.0]])
    weights = np.array([[2.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(average_over_pools(values, weights), [1.0, np.nan])


def test_widening_gives_the_unbiased_standard_error():
    values = np.array([0.0, 1.0, 3.0, 8.0])
    weights = resampling_weights(4, 20000, np.random.default_rng(0))
    replicates = average_over_pools(values[:, None], weights)
    wide = widen(replicates, values.mean(), 4)
    assert wide.std() == pytest.approx(values.std(ddof=1) / 2, rel=0.03)
    assert widen(replicates, 3.0, 1) is replicates
    low, high = interval(widen(replicates, values.mean(), 4, 0.5), 0.5)
    expected = t.interval(0.5, 3, loc=values.mean(), scale=values.std(ddof=1) / 2)
    np.testing.assert_allclose((low, high), expected, atol=0.15 * values.std())


@pytest.mark.parametrize(("n_pools", "n_seeds"), [(5, 5), (10, 1)])
def test_the_interval_of_a_chance_holds_a_half_where_the_arms_are_alike(n_pools, n_seeds):
    # without Student's quantile: 0.87 of intervals of 95% with five pools
    rng = np.random.default_rng(n_pools)
    held, repetitions = 0, 300
    seed = np.tile(np.arange(n_seeds), 3)
    for _ in range(repetitions):
        values = []
        for _ in range(n_pools):
            ours = rng.normal() + rng.normal(size=n_seeds)
            random = np.repeat(rng.normal(size=3), n_seeds) + rng.normal(size=3 * n_seeds)
            values.append(probability_of_superiority(ours, seed[:n_seeds], random, seed))
        drawn = np.array(values)[:, None]
        replicates = average_over_pools(drawn, resampling_weights(n_pools, 300, rng))
        low, high = interval(widen(replicates, drawn.mean(), n_pools, 0.95), 0.95)
        held += low <= 0.5 <= high
    assert 0.91 <= held / repetitions <= 0.99


def coverage(n_pools, n_draws, n_seeds, repetitions=120, n_bootstrap=200):
    """How often intervals of 90% hold the true difference, 0, and how often p is below 0.1."""
    rng = np.random.default_rng(n_pools)
    pool, arm, draw, seed = design(n_pools, 2, n_draws, n_seeds)
    held, small = 0, 0
    for _ in range(repetitions):
        by_pool = rng.normal(size=n_pools)  # common to both arms
        by_arm = 0.5 * rng.normal(size=(n_pools, 2))
        by_seed = 0.4 * rng.normal(size=(n_pools, 2, n_seeds))
        by_draw = 0.4 * rng.normal(size=(n_pools, 2, n_draws))
        run = (
            by_pool[pool] + by_arm[pool, arm] + by_seed[pool, arm, seed] + by_draw[pool, arm, draw]
        )
        unit = rng.normal(size=(2, 30)) + 3 * rng.normal(size=30)
        scores = run[:, None] + 0.5 * unit[arm] + 0.5 * rng.normal(size=(len(run), 30))
        means = bootstrap_pool_means(
            scores, pool, arm, draw, seed, n_bootstrap=n_bootstrap, rng=rng, arm_rngs=[rng, rng]
        )
        estimate = np.mean(scores[arm == 1]) - np.mean(scores[arm == 0])
        weights = resampling_weights(n_pools, n_bootstrap, rng)
        replicates = average_over_pools(means[:, 1] - means[:, 0], weights)
        replicates = widen(replicates, estimate, n_pools)
        low, high = interval(replicates, 0.9)
        held += low <= 0 <= high
        small += bootstrap_p(replicates) < 0.1
    return held / repetitions, small / repetitions


@pytest.mark.parametrize(("n_pools", "n_draws", "n_seeds"), [(6, 1, 2), (12, 1, 1), (5, 3, 1)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(n_pools, n_draws, n_seeds):
    held, small = coverage(n_pools, n_draws, n_seeds)
    assert 0.83 <= held <= 1.0
    assert small <= 0.17


def test_a_p_value_is_where_the_interval_begins_to_exclude_zero():
    replicates = np.random.default_rng(0).normal(0.5, 0.3, size=4000)
    p = bootstrap_p(replicates)
    assert interval(replicates, 1 - p - 0.01)[0] > 0 > interval(replicates, 1 - p + 0.01)[0]
    assert bootstrap_p(-replicates) == p
    assert bootstrap_p(np.zeros(9)) == 1.0
    assert bootstrap_p(np.ones(999)) == pytest.approx(0.002)
    assert bootstrap_p(np.array([1.0, np.nan])) == bootstrap_p(np.array([1.0]))
    assert math.isnan(bootstrap_p(np.array([np.nan])))
    assert all(math.isnan(end) for end in interval(np.array([np.nan]), 0.95))


# --- random draws as a yardstick ------------------------------------------------------------------


@few
@given(st.integers(0, 1000))
def test_share_beaten_by_counting(seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.integers(0, 4, 4).astype(float), rng.integers(0, 4, 6).astype(float)
    our_seeds, their_seeds = rng.integers(0, 3, 4), rng.integers(0, 4, 6)
    shares = []
    for score, s in zip(theirs, their_seeds, strict=True):
        rivals = ours[our_seeds == s] if s in our_seeds else ours
        shares.append(np.mean([1.0 if x > score else 0.5 if x == score else 0.0 for x in rivals]))
    found = probability_of_superiority(ours, our_seeds, theirs, their_seeds)
    assert found == pytest.approx(np.mean(shares))
    assert 0 <= found <= 1


def test_share_beaten_is_one_half_for_another_random_draw_however_skewed():
    rng = np.random.default_rng(0)
    shares = [
        probability_of_superiority(
            -rng.exponential(size=3), zeros(3), -rng.exponential(size=20), zeros(20)
        )
        for _ in range(2000)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert math.isnan(probability_of_superiority(np.ones(1), zeros(1), np.empty(0), zeros(0)))


def test_bad_draws_with_many_draws_are_quantiles_of_each_pool():
    rng = np.random.default_rng(0)
    scores, pool = rng.normal(size=90), np.repeat([0, 1, 3], 30)
    found = bad_draw_level(scores, pool, 4, per_pool=True)
    expected = [np.quantile(scores[pool == p], 0.1) for p in (0, 1, 3)]
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert math.isnan(found[2])


def test_bad_draws_with_few_draws_come_near_the_true_quantile():
    rng = np.random.default_rng(0)
    pool = np.repeat(np.arange(400), 4)
    scores = 10.0 * pool + rng.normal(size=len(pool))
    depth = bad_draw_level(scores, pool, 400, per_pool=False) - 10.0 * np.arange(400)
    assert depth.mean() == pytest.approx(-1.2816, abs=0.06)
    alone = bad_draw_level(np.ones(2), np.arange(2), 2, per_pool=False)
    assert np.isnan(alone).all()


def test_label_equivalents_invert_the_curve():
    budgets = np.array([5, 10, 20, 40])
    means = 90 + 2 * np.log2(budgets / 5)
    for worth in (5, 7.5, 10, 33, 40):
        found, note = label_equivalent(budgets, means, 90 + 2 * np.log2(worth / 5))
        assert found == pytest.approx(worth) and note == ""
    assert label_equivalent(budgets, means, 96.1) == (None, "beyond the curve")
    assert label_equivalent(budgets, means, 89.9) == (None, "below the curve")
    assert label_equivalent(budgets[:1], means[:1], 90.0) == (None, "no curve")


def test_a_curve_that_falls_is_made_level_and_read_at_its_fewest_labels():
    budgets, means = np.array([5, 10, 20, 40]), np.array([90.0, 93.0, 91.0, 94.0])
    assert label_equivalent(budgets, means, 92.0)[0] == pytest.approx(10)
    # one run of 10 labels against three of 20: the level stretch is their weighted mean
    weighted = label_equivalent(budgets, means, 91.5, np.array([1.0, 1.0, 3.0, 1.0]))
    assert weighted[0] == pytest.approx(10)


@few
@given(st.integers(0, 10_000))
def test_a_better_score_is_never_worth_fewer_labels(seed):
    rng = np.random.default_rng(seed)
    budgets = np.cumsum(rng.integers(1, 20, 5))
    means = rng.integers(80, 100, 5).astype(float)
    worths = [label_equivalent(budgets, means, value)[0] for value in np.linspace(79, 101, 40)]
    inside = [worth for worth in worths if worth is not None]
    assert inside == sorted(inside)
    assert all(budgets[0] - 1e-6 <= worth <= budgets[-1] + 1e-6 for worth in inside)
