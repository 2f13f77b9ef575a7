"""Budgets, rows, groups and quotas: the arguments of `select` turned into a request."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import check_budget, check_request
from tests import naive


@pytest.mark.parametrize(
    ("budget", "n", "expected"),
    [
        (1, 440, 1),
        (22, 440, 22),
        (1.0, 440, 440),
        (0.05, 440, 22),
        (0.05, 441, 22),
        (0.07, 100, 7),
        (0.29, 100, 29),
        (1e-9, 440, 1),
        (Fraction(1, 3), 9, 3),
        (np.int64(5), 9, 5),
        (np.uint8(5), 9, 5),
        (np.float64(0.5), 9, 4),
        (np.float32(0.5), 9, 4),
    ],
)
def test_budget_is_a_count_or_a_share_of_all_rows(budget, n, expected):
    got = check_budget(budget, n)
    assert (got, type(got)) == (expected, int)


@pytest.mark.parametrize("budget", [True, False, np.True_, "22", [3], 1j, np.array(3)])
def test_budget_of_another_type_is_refused(budget):
    with pytest.raises(TypeError, match="budget must be a count") as caught:
        check_budget(budget, 10)
    assert repr(budget) in str(caught.value)


@pytest.mark.parametrize(
    "budget", [0, -1, np.int64(-3), 0.0, -0.5, 1.5, 22.0, float("nan"), float("inf")]
)
def test_budget_out_of_range_is_refused(budget):
    with pytest.raises(ValueError, match=r"(at least 1|in \(0, 1\])") as caught:
        check_budget(budget, 10)
    assert str(budget) in str(caught.value)


def test_a_float_above_one_is_told_to_be_an_int():
    with pytest.raises(ValueError, match="For a count, pass an int"):
        check_budget(22.0, 440)


@pytest.mark.parametrize(
    "rows",
    [
        [4, 1],
        (4, 1),
        np.array([4, 1], dtype=np.uint64),
        np.array([4, 1], dtype=np.int8),
        pd.Series([4, 1], index=[7, 9]),
    ],
)
def test_rows_by_index_keep_their_order(rows):
    request = check_request(6, 2, labeled=rows)
    assert request.labeled.tolist() == [4, 1]
    assert request.candidates.tolist() == [0, 2, 3, 5]


def test_rows_by_mask():
    mask = np.array([0, 1, 0, 0, 1, 0], dtype=bool)
    request = check_request(6, 2, labeled=mask, candidates=pd.Series(~mask))
    assert request.labeled.tolist() == [1, 4]
    assert request.candidates.tolist() == [0, 2, 3, 5]


def test_labelled_rows_are_no_candidates():
    request = check_request(6, 2, labeled=[1], candidates=[5, 1, 0])
    assert request.candidates.tolist() == [0, 5]


@pytest.mark.parametrize("empty", [[], (), np.array([]), np.zeros(6, dtype=bool)])
def test_nothing_labelled(empty):
    assert check_request(6, 2, labeled=empty).labeled.size == 0


@pytest.mark.parametrize("seed", range(30))
def test_quota_allows_what_counting_allows(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 25))
    groups = rng.integers(0, rng.integers(1, 8), n)
    labeled = rng.choice(n, rng.integers(0, n // 2), replace=False)
    candidates = rng.choice(n, rng.integers(1, n + 1), replace=False)
    cap = [None, 1, 2, 3][seed % 4]
    rows = naive.open_candidates(n, labeled, candidates.tolist())
    expected, picked = [], []
    while allowed := naive.may_pick(rows, picked, labeled, groups, cap):
        expected.append(allowed)
        picked.append(int(rng.choice(allowed)))
    if not picked:
        with pytest.raises(ValueError, match="Nothing can be picked"):
            check_request(
                n, 1, labeled=labeled, candidates=candidates, groups=groups, max_per_group=cap
            )
        return
    request = check_request(
        n,
        len(picked),
        labeled=labeled,
        candidates=candidates,
        groups=[f"patient {g}" for g in groups],
        max_per_group=cap,
    )
    assert request.feasible() == len(picked)
    quota = GroupConstraint(n, request)
    for row, allowed in zip(picked, expected, strict=True):
        assert np.flatnonzero(quota.allowed).tolist() == allowed
        blocked = set(np.flatnonzero(~quota.allowed).tolist())
        reopened = quota.take(row)
        assert reopened or not blocked & set(np.flatnonzero(quota.allowed).tolist())
    assert not quota.allowed.any()


@pytest.mark.parametrize("seed", range(20))
def test_the_feasible_maximum_is_exact_and_named(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 6, 20)
    call = {"labeled": [0, 1, 2], "groups": groups, "max_per_group": 2}
    left = {g: min(2 - np.sum(groups[:3] == g), np.sum(groups[3:] == g)) for g in set(groups)}
    most = int(sum(max(0, v) for v in left.values()))
    assert check_request(20, most, **call).budget == most
    with pytest.raises(ValueError, match=f"at most {most} can be picked") as caught:
        check_request(20, most + 1, **call)
    assert f"Lower the budget to {most} or less" in str(caught.value)
    assert "max_per_group=2" in str(caught.value)


@pytest.mark.parametrize(
    "groups",
    [
        [2, 2, 0, 0, 1],
        ["c", "c", "a", "a", "b"],
        np.array([2.5, 2.5, 0.5, 0.5, 1.5]),
        pd.Categorical(["c", "c", "a", "a", "b"]),
        pd.Series(["c", "c", "a", "a", "b"], index=[9, 8, 7, 6, 5]),
        np.array(["c", "c", "a", "a", "b"], dtype=object),
    ],
)
def test_groups_of_any_kind(groups):
    request = check_request(5, 3, groups=groups)
    assert request.groups.tolist() == [2, 2, 0, 0, 1]
