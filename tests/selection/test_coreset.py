"""CoreSet against its naive twin and against scikit-activeml."""

import numpy as np
import pytest
from skactiveml.pool import CoreSet

from skxssr import CoreSetSelector
from tests import naive
from tests.conftest import DATA, normal


def selector(**parameters):
    return CoreSetSelector(**{"preprocess": None, **parameters})


@pytest.mark.filterwarnings("ignore:All 20 rows are equal")
def test_on_every_kind_of_data(data, dtype):
    X = data.astype(dtype)
    budget = min(12, len(X))
    for first in (0, len(X) - 1):
        record = selector(initialize=first).select(X, budget, return_selection=True)
        assert record.indices.tolist() == naive.k_center(X, budget, first)
        assert np.isnan(record.scores[0])
        nearest = [
            naive.distances(X[[i]], X[record.indices[:t]]).min()
            for t, i in enumerate(record.indices)
            if t
        ]
        np.testing.assert_allclose(record.scores[1:], nearest, rtol=1e-6)
        np.testing.assert_allclose(record.terms["diversity"][1:], nearest, rtol=1e-12)
        assert (np.diff(record.scores[1:]) <= 0).all()


@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates", "mostly one value"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"labeled": [4, 9]},
        {"candidates": [0, *range(5, 38)]},
        {"groups": np.arange(60) % 7},
        {"groups": np.arange(60) % 7, "max_per_group": 2},
        {"groups": np.arange(60) // 9, "max_per_group": 3, "labeled": [4, 9, 10]},
        {"weight": np.arange(60) % 3},
    ],
    ids=lambda arguments: "+".join(arguments),
)
def test_every_argument(name, arguments):
    X = DATA[name]
    call = {k: v[: len(X)] if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    expected = naive.k_center(X, 10, 0, **call)
    if "weight" in call:
        call["sample_weight"] = call.pop("weight")
    assert selector(initialize=0).select(X, 10, **call).tolist() == expected


@pytest.mark.parametrize("candidates", [None, [3, 8, 13, 21]])
def test_the_medoid_is_the_candidate_nearest_the_mean(candidates):
    for name in ("normal", "lattice", "line", "one row"):
        X = DATA[name]
        if candidates and len(X) == 1:
            continue
        first = selector().select(X, 1, candidates=candidates)[0]
        assert first == naive.medoid(X, candidates or range(len(X)))


def test_a_random_first_pick_follows_the_seed_and_the_candidates(pool):
    firsts = [
        selector(initialize="random", random_state=s).select(pool, 3, candidates=[5, 6, 7])
        for s in (0, 0, *range(1, 20))
    ]
    assert firsts[0].tolist() == firsts[1].tolist()
    assert {int(picks[0]) for picks in firsts} == {5, 6, 7}
    for picks in firsts:
        assert picks.tolist() == naive.k_center(pool, 3, picks[0], candidates=[5, 6, 7])


def test_with_labels_the_first_pick_is_the_farthest_whatever_initialize_says(pool):
    expected = naive.k_center(pool, 5, None, labeled=[1, 2])
    for initialize in ("medoid", "random", 7):
        assert selector(initialize=initialize).select(pool, 5, labeled=[1, 2]).tolist() == expected


def test_the_source_is_not_a_center(pool, source):
    alone, fitted = selector(), selector().fit(source)
    assert fitted.select(pool, 9).tolist() == alone.select(pool, 9).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_picks_equal_those_of_scikit_activeml(seed):
    X = normal(120, 6, seed)
    first = 11 + seed
    y = np.full(len(X), np.nan)
    y[first] = 0
    theirs = CoreSet(random_state=0).query(X, y, batch_size=14)
    assert selector(initialize=first).select(X, 15).tolist() == [first, *theirs]
    assert selector().select(X, 14, labeled=[first]).tolist() == list(theirs)
