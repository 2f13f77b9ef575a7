"""XSSR whose diversity is by clusters, the default: its naive twin, and what it promises."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.spatial.distance import cdist

from skxssr import CoreSetSelector, TypiClustSelector, XSSRSelector
from skxssr.exceptions import SkxssrWarning
from skxssr.selection import ScoreSpec, make_variant
from skxssr.selection._engine import cluster_score
from skxssr.selection.score import SCORES
from tests import naive
from tests.conftest import DATA, normal
from tests.selection.test_properties import problems
from tests.selection.test_xssr import quotas


def selector(**parameters):
    return make_variant("XSSR", **{"preprocess": None, **parameters})


def clusters(n, n_clusters, seed, spread=0.1):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, 3)) * 4
    return centers[np.arange(n) % n_clusters] + spread * rng.normal(size=(n, 3))


def agree(record, expected):
    assert record.indices.tolist() == expected.indices
    close = {"rtol": 1e-5, "atol": 1e-9}
    np.testing.assert_allclose(record.scores, expected.scores, **close)
    for term in ("density", "novelty", "diversity"):
        np.testing.assert_allclose(record.terms[term], getattr(expected, term), **close)
    np.testing.assert_allclose(record.coverage, expected.coverage, **close)


@pytest.mark.parametrize("name", ["normal", "lattice", "line", "duplicates", "mostly one value"])
@pytest.mark.parametrize("case", list(quotas(40)))
def test_every_argument(name, case):
    X = DATA[name]
    arguments = quotas(len(X))[case]
    call = {k if k != "weight" else "sample_weight": v for k, v in arguments.items()}
    source = normal(11, X.shape[1], 21)
    for alpha in (0.0, 0.6):
        kwargs = {"alpha": alpha, "n_neighbors": 4}
        expected = naive.cluster_picks(X, 11, source=source, **kwargs, **arguments)
        for engine in ("lazy", "full"):
            fitted = selector(engine=engine, **kwargs).fit(source)
            record = fitted.select(X, 11, return_selection=True, **call)
            agree(record, expected)
        np.testing.assert_allclose(record.utilities, expected.utilities, rtol=1e-5, atol=1e-6)
        best = np.where(np.isnan(record.utilities), -np.inf, record.utilities).max(axis=1)
        assert (record.utilities[np.arange(11), record.indices] == best).all()


@pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")
@settings(max_examples=40)
@given(problems())
def test_picks_on_lattices_are_those_of_the_twin(problem):
    X, source, budget, call = problem
    record = selector(alpha=0.5, n_neighbors=2).fit(source)
    record = record.select(X, budget, **call, return_selection=True)
    weight = call.pop("sample_weight")
    expected = naive.cluster_picks(
        X, budget, source=source, alpha=0.5, n_neighbors=2, weight=weight, **call
    )
    assert record.indices.tolist() == expected.indices


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("call", [{}, {"labeled": [3, 17]}, {"groups": np.arange(200) // 4}])
def test_without_novelty_it_is_typiclust(seed, call):
    X, source = normal(200, 8, seed), normal(40, 8, 9) + 0.5
    ours = XSSRSelector().fit(source).select(X, 12, **call)
    assert ours.tolist() == TypiClustSelector().fit(source).select(X, 12, **call).tolist()


@pytest.mark.parametrize("labeled", [[], [0, 1]])
def test_every_mode_is_picked_from_once_before_any_is_twice(labeled):
    X = clusters(120, 8, 1)  # row i is of mode i % 8
    picks = selector().select(X, 8 - len(labeled), labeled=labeled)
    assert sorted([*(picks % 8), *labeled]) == list(range(8))


def test_the_pick_of_a_mode_is_near_its_middle():
    X = clusters(240, 6, 2, spread=1.0)
    for pick in selector().select(X, 6):
        mode = X[pick % 6 :: 6]
        from_middle = cdist(mode, mode.mean(axis=0)[None])[:, 0]
        assert np.linalg.norm(X[pick] - mode.mean(axis=0)) < np.median(from_middle)


def test_outliers_come_last():
    X = np.vstack([clusters(100, 3, 4), normal(4, 3, 5) + [[60], [-70], [80], [-90]]])
    picks = selector().select(X, 12)
    assert (picks < 100).all()
    assert (CoreSetSelector(preprocess=None).select(X, 5) >= 100).sum() >= 3


def test_novelty_takes_the_row_of_a_mode_that_is_far_from_the_source():
    X = clusters(150, 5, 6, spread=0.5)
    source = X[:50]
    far = np.sort(cdist(X, source), axis=1)[:, :5].mean(axis=1)
    plain, novel = (selector(alpha=a).fit(source).select(X, 5) for a in (0.0, 1.0))
    assert sorted(novel % 5) == sorted(plain % 5) == list(range(5))
    assert far[novel].mean() > far[plain].mean()


@pytest.mark.parametrize("exponent", [-20, 3, 40])
def test_a_unit_that_is_a_power_of_two_changes_nothing(exponent, pool, source):
    unit = 2.0**exponent
    for alpha in ("auto", 0.0, 0.5):
        one, other = (
            selector(alpha=alpha).fit(source * u).select(pool * u, 20, return_selection=True)
            for u in (1.0, unit)
        )
        assert other.indices.tolist() == one.indices.tolist()
        assert other.alpha == one.alpha


@pytest.mark.parametrize("unit", [2.0**-1000, 1e-300, 1e40, 1e300])
def test_only_ratios_of_weights_matter(unit):
    X, weight = normal(200, 3, 0), np.random.default_rng(0).uniform(0.1, 1.0, 200)
    plain, scaled = (
        selector().select(X, 15, sample_weight=w).tolist() for w in (weight, weight * unit)
    )
    assert scaled == plain


def test_alphas_share_the_clusters_and_the_curve_is_kept(pool, source):
    record = selector(alpha="auto").fit(source).select(pool, 7, return_selection=True)
    assert record.scales["n_clusters"] == 7
    assert len(record.alpha_losses) == 11
    assert record.alpha_losses.min() == record.coverage[-1]


def test_beyond_the_most_clusters_there_are_several_picks_in_each(monkeypatch):
    monkeypatch.setattr(cluster_score, "MAX_CLUSTERS", 4)
    X = clusters(80, 4, 3)
    record = selector().select(X, 10, return_selection=True)
    assert record.scales["n_clusters"] == 4
    assert sorted(np.bincount(record.indices % 4)) == [2, 2, 3, 3]


def test_all_rows_equal_are_one_cluster():
    with pytest.warns(SkxssrWarning, match="rows are equal"):
        assert selector().select(np.ones((6, 2)), 3).tolist() == [0, 1, 2]


# What it does not go with


@pytest.mark.parametrize(
    "parameters",
    [{"composite": "additive"}, {"density": "residual"}],
    ids=str,
)
def test_clusters_go_with_the_geometric_composite_and_typicality(parameters):
    given = {"composite": "geometric", "density": "typicality", **parameters}
    message = (
        "diversity='clusters' goes with composite='geometric' and density='typicality'. "
        f"Got composite='{given['composite']}' and density='{given['density']}': "
        "pass diversity='distance' with these."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ScoreSpec(**parameters)
    assert ScoreSpec(**parameters, diversity="distance").diversity == "distance"


def test_clusters_have_no_bounds_for_a_device(pool):
    message = "engine='torch' computes the bounds of a residual density.*engine='lazy'.*'residual'"
    with pytest.raises(ValueError, match=message):
        XSSRSelector(engine="torch").select(pool, 3)


def test_it_is_the_default():
    assert make_variant("XSSR").get_params() == XSSRSelector().get_params()
    assert XSSRSelector().alpha == 0
    assert SCORES[XSSRSelector().scoring] == ScoreSpec()


def test_large_budgets_are_not_kept_to_the_larger_clusters():
    # ten modes of six rows and thirty of two: small ones are most of what there is
    centers = np.stack(np.meshgrid(np.arange(8.0), np.arange(5.0)), axis=-1).reshape(40, 2) * 20
    mode = np.repeat(np.arange(40), [6] * 10 + [2] * 30)
    X = centers[mode] + 0.1 * normal(120, 2, 8)
    assert sorted(mode[selector().select(X, 40)]) == list(range(40))
    theirs = TypiClustSelector(preprocess=None).select(X, 40)  # which keeps small clusters waiting
    assert len(set(mode[theirs])) == 10
