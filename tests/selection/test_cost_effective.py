"""Picks by coverage per cost: a naive twin, the guarantee, and two cases that need both runs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr.selection.cost_effective import cost_effective

NONE = np.empty(0, dtype=int)


def gain_of(X, rows, labeled=NONE, weight=None):
    """The mean by which distances fall below those to the mean of the pool and labelled rows."""
    centers = [X.mean(axis=0), *X[labeled]]
    before = np.min([np.linalg.norm(X - c, axis=1) for c in centers], axis=0)
    after = np.min([before, *(np.linalg.norm(X - X[row], axis=1) for row in rows)], axis=0)
    return float(np.average(before - after, weights=weight))


def naive(X, cost, budget, candidates, labeled, weight):
    best = (-1.0, [])
    for price in (cost, np.ones(len(X))):
        picks, left = [], budget
        while True:
            have = gain_of(X, picks, labeled, weight)
            fits = [row for row in candidates if row not in picks and cost[row] <= left + 1e-9]
            gains = [gain_of(X, [*picks, row], labeled, weight) - have for row in fits]
            if not fits or max(gains) <= 1e-12:
                break
            at = int(np.argmax(np.array(gains) / price[fits]))
            picks.append(fits[at])
            left -= cost[fits[at]]
        if gain_of(X, picks, labeled, weight) > best[0] + 1e-12:
            best = (gain_of(X, picks, labeled, weight), picks)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_picks_are_those_of_a_full_scan(seed):
    rng = np.random.default_rng(seed)
    X, cost, weight = rng.normal(size=(25, 3)), rng.uniform(1, 6, 25), rng.uniform(0.1, 2, 25)
    labeled = np.array([3, 17]) if seed % 2 else NONE
    candidates = np.setdiff1d(np.arange(0, 25, 1 + seed % 3), labeled)
    found = cost_effective(
        X, cost, 14.0, candidates=candidates, labeled=labeled, sample_weight=weight
    )
    gain, picks = naive(X, cost, 14.0, candidates, labeled, weight)
    assert found.indices.tolist() == picks
    assert found.gains.sum() == pytest.approx(gain)
    assert cost[found.indices].sum() <= 14.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(2, 12))
def test_the_guarantee_holds_against_every_set_that_fits(seed, budget):
    rng = np.random.default_rng(seed)
    X, cost = rng.normal(size=(8, 2)), rng.uniform(1, 8, 8)
    found = cost_effective(X, cost, budget, candidates=np.arange(8), labeled=NONE)
    assert cost[found.indices].sum() <= budget + 1e-9
    sets = [rows for k in range(9) for rows in combinations(range(8), k)]
    most = max(gain_of(X, rows) for rows in sets if cost[list(rows)].sum() <= budget)
    assert found.gains.sum() >= (1 - 1 / np.e) / 2 * most - 1e-9
    assert found.losses[-1:] == pytest.approx(
        [np.linalg.norm(X - X.mean(axis=0), axis=1).mean() - found.gains.sum()][: len(found.losses)]
    )


def test_neither_greedy_alone_would_do():
    # by ratio a nearly worthless row for nearly nothing comes first, and the good one fits no more
    X = np.array([[0.0, 0.0], [0.3, 0.0], [10.0, 0.0], [10.0, 0.1], [10.0, -0.1], [-30.3, 0.0]])
    cost = np.array([50.0, 0.001, 10.0, 50.0, 50.0, 50.0])
    by_gain = cost_effective(X, cost, 10.0, candidates=np.arange(6), labeled=NONE)
    assert 2 in by_gain.indices and not by_gain.by_ratio
    # by gain alone the dearest row takes all there is
    cost = np.array([50.0, 50.0, 1.0, 50.0, 50.0, 10.0])
    by_ratio = cost_effective(X, cost, 10.0, candidates=np.arange(6), labeled=NONE)
    gains = [gain_of(X, rows) for rows in ([2], [5])]
    assert by_ratio.gains.sum() == pytest.approx(max(gains))


def test_equal_rows_gain_nothing_twice():
    X = np.repeat([[0.0], [5.0]], 4, axis=0)
    found = cost_effective(X, np.ones(8), 8.0, candidates=np.arange(8), labeled=NONE)
    assert found.indices.tolist() == [0, 4]
