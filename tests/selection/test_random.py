"""Random draws: seeded, uniform or in proportion to weight, under the quotas of every selector."""

from collections import Counter

import numpy as np
import pytest

from skxssr import RandomSelector
from tests import naive

X = np.arange(12.0)[:, None]


def draw(budget, seed, **call):
    return RandomSelector(random_state=seed).select(X, budget, **call).tolist()


def test_a_seed_repeats_a_draw_and_none_does_not():
    assert draw(6, 3) == draw(6, 3)
    assert len({tuple(draw(6, seed)) for seed in range(10)}) == 10
    assert len({tuple(draw(6, None)) for _ in range(10)}) > 1


def test_a_shared_generator_moves_on():
    shared = np.random.RandomState(0)
    selector = RandomSelector(random_state=shared)
    assert selector.select(X, 6).tolist() != selector.select(X, 6).tolist()


def test_it_does_not_look_at_the_values():
    selector = RandomSelector(random_state=5)
    assert selector.select(X, 6).tolist() == selector.select(-(X**2), 6).tolist()


def test_every_row_comes_first_equally_often():
    counts = Counter(draw(1, seed)[0] for seed in range(2400))
    assert set(counts) == set(range(12))
    assert max(abs(count - 200) for count in counts.values()) < 60  # over 4 deviations


def test_rows_come_in_proportion_to_their_weight_and_without_weight_last():
    weight = np.r_[0.0, 1.0, 2.0, 5.0, np.zeros(8)]
    draws = [draw(12, seed, sample_weight=weight) for seed in range(1600)]
    assert all(set(rows[:3]) == {1, 2, 3} for rows in draws)
    firsts = Counter(rows[0] for rows in draws)
    for row, share in ((1, 1 / 8), (2, 2 / 8), (3, 5 / 8)):
        assert abs(firsts[row] / 1600 - share) < 0.05
    assert len({tuple(rows[3:]) for rows in draws}) > 100


@pytest.mark.parametrize("seed", range(40))
def test_every_draw_respects_the_quotas(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, 12)
    labeled = rng.choice(12, 3, replace=False).tolist()
    cap = [None, 3][seed % 2]
    rows = naive.open_candidates(12, labeled, range(11))
    n = 0
    left = Counter(groups[labeled].tolist())
    for i in rows:
        if cap is None or left[groups[i]] < cap:
            left[groups[i]] += 1
            n += 1
    call = {"labeled": labeled, "candidates": range(11), "groups": groups, "max_per_group": cap}
    picks = draw(n, seed, **call)
    for t, pick in enumerate(picks):
        assert pick in naive.may_pick(rows, picks[:t], labeled, groups, cap)
    assert draw(max(1, n // 2), seed, **call) == picks[: max(1, n // 2)]


@pytest.mark.parametrize("seed", range(40))
def test_within_a_group_rows_without_weight_come_last(seed):
    groups = np.arange(12) % 3
    weight = (np.arange(12) < 6).astype(float)  # two rows of weight in each group
    assert set(draw(6, seed, groups=groups, sample_weight=weight)) == set(range(6))


def test_there_are_no_scores():
    record = RandomSelector(random_state=0).select(X, 4, return_selection=True)
    assert np.isnan(record.scores).all()
    assert record.alpha is None
    assert not record.terms
