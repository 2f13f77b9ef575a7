"""Greedy k-center by bounds is the plain loop, whatever is looked at and when."""

import numpy as np
import pytest

from skxssr import CoreSetSelector
from skxssr._kernels import distances
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import check_request
from skxssr.selection._engine import farthest_first
from tests.conftest import DATA, normal
from tests.selection.test_fast_paths import KINDS

POOLS = {
    **DATA,
    **{f"700 rows, {name}": X for name, X in KINDS.items()},
    # differences that float32 does not hold
    "nearly all of float32": np.float32(np.sign(normal(60, 3, 5)) + normal(60, 3, 6) / 30)
    * np.float32(3e38),
}


def plain(X, budget, *, first=None, **more):
    """Every distance to every pick, one after the other."""
    request = check_request(len(X), budget, **more)
    quota, weight = GroupConstraint(len(X), request), request.weight**2
    nearest = np.full(len(X), np.inf)
    for row in request.labeled:
        distances.lower_to_point(X, 0, len(X), X[row], nearest)
    picks = []
    for _ in range(request.budget):
        if not picks and not len(request.labeled):
            pick = first
        else:
            pick = int(distances.argmax_allowed(nearest * weight, nearest, quota.allowed))
        picks.append(pick)
        quota.take(pick)
        distances.lower_to_point(X, 0, len(X), X[pick], nearest)
    return picks


@pytest.fixture(params=[False, True], ids=["as it is", "few at a time"])
def sizes(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(farthest_first, "_LEAST", 2)
        monkeypatch.setattr(farthest_first, "_MOST", 16)
        monkeypatch.setattr(farthest_first, "_ROWS", 5)
        monkeypatch.setattr(farthest_first, "_PER_ROW", 0)
        monkeypatch.setattr(farthest_first, "_PER_VALUE", 1)


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's check
@pytest.mark.filterwarnings("ignore:All .* rows are equal")
@pytest.mark.parametrize("name", list(POOLS))
def test_picks_and_distances_are_those_of_the_plain_loop(sizes, name):
    X = POOLS[name]
    n = len(X)
    rng = np.random.default_rng(0)
    some = rng.permutation(n)
    cases = [
        {},
        {"labeled": some[: n // 4]},
        {"sample_weight": rng.integers(0, 3, n) + 0.5, "candidates": some[: 1 + n // 2]},
        {"groups": np.arange(n) // 3, "labeled": some[: n // 9]},
        {"groups": rng.integers(0, 7, n), "max_per_group": 1 + n // 14},
    ]
    for more in cases:
        allowed = np.setdiff1d(more.get("candidates", np.arange(n)), more.get("labeled", []))
        first = int(allowed[len(allowed) // 2]) if len(allowed) else 0
        for budget in (1, max(1, n // 3)):
            budget = min(budget, len(allowed))
            if budget == 0:
                continue
            selector = CoreSetSelector(preprocess=None, initialize=first, n_jobs=1 + budget % 2)
            try:
                expected = plain(X, budget, first=first, **more)
            except ValueError:  # the caps allow fewer
                continue
            assert selector.select(X, budget, **more).tolist() == expected


def test_distances_of_the_record_are_exact():
    X = normal(600, 9, 0).astype(np.float32)
    record = CoreSetSelector(preprocess=None, initialize=5).select(X, 90, return_selection=True)
    picks = record.indices
    for t in (1, 40, 89):
        d = np.sqrt(((X[picks[t]].astype(float) - X[picks[:t]].astype(float)) ** 2).sum(axis=1))
        np.testing.assert_allclose(record.terms["diversity"][t], d.min(), rtol=1e-14)
    assert record.scales["n_distance_evaluations"] < 600 * 90


def test_a_pool_of_one_size_of_distance_is_looked_at_in_part():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(20, 16))[rng.integers(20, size=4000)]).astype(np.float32)
    X += rng.normal(size=(4000, 16), scale=rng.uniform(0.1, 0.5, size=(4000, 1))).astype(np.float32)
    selector = CoreSetSelector(preprocess=None)
    assert selector.select(X, 200).tolist() == plain(X, 200, first=selector.select(X, 1)[0])
    assert selector.select(X, 200).size == 200
    assert selector.selection_.scales["n_distance_evaluations"] < 0.5 * 4000 * 200
