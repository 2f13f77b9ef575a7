"""Strata get their share, slices are evenly spaced, and both keep the quotas."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skxssr.testing
from skxssr import FixedIntervalSelector, RandomSelector, StratifiedRandomSelector
from tests import naive
from tests.conftest import normal
from tests.selection.test_properties import problems


def draw_strata(budget, seed, groups, **call):
    X = np.arange(float(len(groups)))[:, None]
    return StratifiedRandomSelector(random_state=seed).select(X, budget, groups=groups, **call)


def largest_remainder(sizes, seats):
    """Seats of each stratum but for ties, by the book."""
    exact = [seats * size / sum(sizes) for size in sizes]
    given = [int(np.floor(q + 1e-9)) for q in exact]
    order = sorted(range(len(sizes)), key=lambda g: given[g] - exact[g])
    for g in order[: seats - sum(given)]:
        given[g] += 1
    return given


@pytest.mark.parametrize("sizes", [[20, 10], [7, 31, 13], [50, 3, 1], [11, 12, 17, 29]])
def test_strata_get_their_share(sizes):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    for budget in range(1, sum(sizes) + 1, 3):
        exact = budget * np.array(sizes) / sum(sizes)
        counts = np.bincount(groups[draw_strata(budget, 0, groups)], minlength=len(sizes))
        assert (np.abs(counts - exact) < 1).all()
        rest = np.round(exact - np.floor(exact), 9)
        if len(set(rest)) == len(rest):
            assert counts.tolist() == largest_remainder(sizes, budget)


def test_equal_strata_tie_at_random_and_rows_are_drawn_alike():
    groups = np.arange(12) % 3
    draws = [int(draw_strata(1, seed, groups)[0]) for seed in range(600)]
    assert set(draws) == set(range(12))
    assert max(Counter(groups[draws]).values()) < 260  # 200 expected
    assert min(Counter(draws).values()) > 20  # 50 expected


def test_labelled_rows_are_part_of_the_share_of_their_stratum():
    groups = np.repeat([0, 1], [20, 10])
    labeled = [0, 1, 2, 3, 20]
    picks = draw_strata(4, 0, groups, labeled=labeled)
    assert np.bincount(groups[[*labeled, *picks]]).tolist() == [6, 3]
    over = list(range(10))  # more than its share
    assert (groups[draw_strata(3, 0, groups, labeled=over)] == 1).all()


def test_what_a_stratum_cannot_give_goes_to_the_others():
    groups = np.repeat([0, 1, 2], [30, 20, 10])
    few = draw_strata(12, 0, groups, candidates=[0, 1, *range(30, 60)])
    assert np.bincount(groups[few]).tolist() == [2, 6, 4]
    capped = draw_strata(7, 0, groups, max_per_group=3, labeled=[0])
    assert np.bincount(groups[[0, *capped]]).tolist() == [3, 3, 2]


def test_weight_is_the_size_of_a_stratum():
    groups = np.repeat([0, 1], [10, 10])
    weight = np.repeat([3.0, 1.0], 10)
    assert np.bincount(groups[draw_strata(8, 0, groups, sample_weight=weight)]).tolist() == [6, 2]


def test_without_strata_it_is_a_random_draw():
    X = normal(30, 2, 0)
    for seed in range(3):
        expected = RandomSelector(random_state=seed).select(X, 8).tolist()
        assert StratifiedRandomSelector(random_state=seed).select(X, 8).tolist() == expected
        one = draw_strata(8, seed, np.zeros(30)).tolist()
        assert one == expected


def test_strata_keep_the_contract_but_for_the_rounds():
    checks = set(skxssr.testing._CHECKS) - {skxssr.testing.check_groups}
    for check in checks:
        check(StratifiedRandomSelector())


def test_slices_are_evenly_spaced_and_patients_take_turns():
    groups = np.repeat([0, 1, 2], [10, 20, 5])
    X = np.arange(35.0)[:, None]
    firsts = set()
    for seed in range(20):
        picks = FixedIntervalSelector(random_state=seed).select(X, 12, groups=groups)
        firsts.add(int(groups[picks[0]]))
        assert [set(groups[picks[t : t + 3]]) for t in (0, 3, 6, 9)] == [{0, 1, 2}] * 4
        for patient, n in enumerate([10, 20, 5]):
            rows = picks[groups[picks] == patient]
            gaps = np.diff(rows)
            assert (gaps > 0).all()
            assert set(gaps) <= {int(np.floor(n / 4)), int(np.ceil(n / 4))}
    assert firsts == {0, 1, 2}


def test_every_slice_is_equally_likely():
    X = np.arange(12.0)[:, None]
    counts = Counter()
    for seed in range(900):
        counts.update(FixedIntervalSelector(random_state=seed).select(X, 3).tolist())
    assert set(counts) == set(range(12))
    assert max(abs(count - 225) for count in counts.values()) < 60  # over 4 deviations


def test_slices_without_patients_are_those_of_one_patient():
    X = np.arange(40.0)[:, None]
    picks = FixedIntervalSelector(random_state=1).select(X, 8)
    assert np.diff(picks).tolist() == [5] * 7
    same = FixedIntervalSelector(random_state=1).select(-X, 8, groups=["p"] * 40)
    assert same.tolist() == picks.tolist()


def test_slices_are_taken_among_the_candidates():
    X = np.arange(40.0)[:, None]
    picks = FixedIntervalSelector(random_state=1).select(X, 5, candidates=range(1, 40, 2))
    assert np.diff(picks).tolist() == [8] * 4
    assert (picks % 2 == 1).all()


@settings(max_examples=40)
@given(problems(), st.integers(0, 3))
def test_slices_keep_the_quotas(problem, seed):
    X, _, budget, call = problem
    picks = FixedIntervalSelector(random_state=seed).select(X, budget, **call).tolist()
    rows = naive.open_candidates(len(X), call["labeled"], call["candidates"])
    for t, row in enumerate(picks):
        assert row in naive.may_pick(rows, picks[:t], call["labeled"], call["groups"], None)
