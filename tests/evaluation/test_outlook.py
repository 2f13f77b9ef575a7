"""The outlook against direct computation; what it says against the measurement it rests on."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau, rankdata
from sklearn.cluster import KMeans

from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.evaluation import outlook
from skxssr.evaluation import pool_outlook as said

RNG = np.random.default_rng(0)
SIZES = (40, 25, 10, 10, 5)
CENTERS = RNG.normal(scale=5, size=(5, 8))
POOL = np.repeat(CENTERS, SIZES, axis=0) + 0.3 * RNG.normal(size=(90, 8))
STUDY = Path(__file__).parents[2] / "benchmarks" / "study"
PAGE = Path(__file__).parents[2] / "docs" / "results" / "outlook.md"


def test_missed_clusters_are_those_of_draws_without_replacement():
    found = outlook(POOL, 5, n_draws=600)
    assert found.n_clusters == 5
    labels = KMeans(5, n_init=3, random_state=0).fit_predict(POOL)
    sizes = np.bincount(labels)
    assert sorted(sizes) == sorted(SIZES)
    missed = np.array([np.prod([(90 - s - i) / (90 - i) for i in range(5)]) for s in sizes])
    assert found.missed_clusters == pytest.approx(missed.mean(), abs=0.02)
    assert found.missed_images == pytest.approx(missed @ sizes / 90, abs=0.02)


def test_variation_is_that_of_random_subsets():
    source = POOL[:40] + 3
    found = outlook(POOL, 4, source=source, n_draws=500)
    Z = fit_scale_and_pca(source, POOL)(POOL)
    distances = cdist(Z, Z)
    rng = np.random.default_rng(1)
    means = [distances[:, rng.choice(90, 4, False)].min(axis=1).mean() for _ in range(3000)]
    assert found.variation == pytest.approx(np.std(means) / np.mean(means), rel=0.12)
    assert found.variation != outlook(POOL, 4, n_draws=500).variation  # the source counts


def test_spread_is_that_of_distances_between_all_pairs():
    source = 3 * RNG.normal(size=(50, 8))
    prepare = fit_scale_and_pca(source, POOL)
    pool, other = (np.mean(cdist(Z, Z) ** 2) for Z in (prepare(POOL), prepare(source)))
    found = outlook(POOL, 5, source=source)
    assert found.spread == pytest.approx(np.sqrt(pool / other), rel=1e-5)
    assert f"here {found.spread:.2f} times as widely, there 0.91 to 1.41" in found.text
    for without in (None, np.ones((5, 8))):
        found = outlook(POOL, 5, source=without)
        assert found.spread is None
        assert "widely" not in found.text


def test_draws_are_spread_over_patients():
    X = np.repeat(np.eye(4) * 9, 5, axis=0)  # 4 patients of 5 equal rows
    alone, spread = outlook(X, 4), outlook(X, 4, groups=np.repeat(np.arange(4), 5))
    assert alone.missed_clusters > 0.1
    assert spread.missed_clusters == spread.missed_images == spread.variation == 0
    assert spread.text.startswith("Choosing cannot pay here")


def test_large_pools_are_measured_by_a_sample():
    X = np.repeat(POOL, 40, axis=0)  # 3600 rows
    small, large = outlook(POOL, 5, n_draws=300), outlook(X, 5, n_draws=300)
    assert large.variation == pytest.approx(small.variation, rel=0.2)
    assert large.missed_images == pytest.approx(small.missed_images, abs=0.05)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 12), budget=st.integers(1, 12), equal=st.booleans())
def test_tiny_and_constant_pools(n, budget, equal):
    X = np.ones((n, 2)) if equal else np.random.default_rng(n).normal(size=(n, 2))
    found = outlook(X, min(budget, n), n_draws=20)
    assert 0 <= found.missed_images <= 1
    assert 0 <= found.missed_clusters <= 1
    if equal or budget >= n:
        assert found.variation == 0
        assert found.text.startswith("Choosing cannot pay here, as far as the embedding sees")
    assert json.loads(json.dumps(found.to_dict()))["budget"] == min(budget, n)


def test_same_seed_same_outlook():
    assert outlook(POOL, 4) == outlook(POOL, 4)
    assert outlook(POOL, 4) != outlook(POOL, 4, random_state=1)
    assert outlook(POOL, 0.1).budget == 9


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((POOL, 4), {"n_draws": 5}, "n_draws=5 must be at least 20"),
        ((POOL, 91), {}, "91"),
        ((POOL, 4), {"source": POOL[:, :3]}, "source has 3 features but X has 8"),
        ((POOL * np.nan, 4), {}, "Input X contains NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        outlook(*arguments, **options)


def test_text_gives_the_numbers_and_those_of_the_nearest_number_of_labels():
    for budget, near in ((2, 5), (6, 5), (8, 10), (12, 10), (30, 20)):
        found = outlook(POOL, budget)
        (least, most), (worst, best) = said.MEASURED[near]
        for part in (
            f"one random draw of {budget} to another",
            f"varies by {found.variation:.1%} here, by {least:.1%} to {most:.1%} there",
            f"misses {found.missed_clusters:.0%} of {budget} clusters",
            f"{found.missed_images:.0%} of the images",
            f"by {worst:+.1f} to {best:+.1f} points over random draws of {near}",
            "skxssr compare --fast",
        ):
            assert part in found.text


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDY))
    import outlook as script

    return script


@pytest.fixture
def records(study):
    return json.loads(study.RESULT.read_text(encoding="utf-8"))["records"]


def test_what_is_said_of_the_five_tasks_is_what_was_measured(study, records):
    for name, value in study.constants(records).items():
        assert getattr(said, name) == value  # else copy what benchmarks/study/outlook.py prints
    assert {record["task"] for record in records} == set(study.TASKS)
    # "none of ten numbers foretold it on five tasks beyond chance", "the best of them"
    found = study.cells(records)
    assert study.p_values(found, "gain")[1] > 0.1
    sizes = {name: abs(study.spearman(found[name], found["gain"])) for name in study.NUMBERS}
    assert max(sizes, key=sizes.get) == study.SHOWN
    # of docs/guide/when_not.rst: "put the five tasks in the order of their mean gains"
    means = {name: values.mean(axis=1, keepdims=True) for name, values in found.items()}
    assert study.spearman(means[study.SHOWN], means["gain"]) == pytest.approx(1)
    assert study.p_values(means, "gain")[1] > 0.1


def test_the_page_is_made_of_the_committed_records(study, records):
    assert PAGE.read_text(encoding="utf-8") == study.page(records)


def test_p_values_exchange_whole_tasks(study):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(4, 3))
    found = {name: rng.normal(size=(4, 3)) for name in study.NUMBERS}
    found[study.SHOWN] = y + 0.1 * rng.normal(size=(4, 3))
    found["gain"] = y
    alone, best = study.p_values(found, "gain")

    def rho(x):
        return np.corrcoef(rankdata(x), rankdata(y))[0, 1]

    orders = list(itertools.permutations(range(4)))
    every = {n: [abs(rho(found[n][list(o)])) for o in orders] for n in study.NUMBERS}
    for name, values in every.items():
        assert alone[name] == pytest.approx(np.mean(np.array(values) > values[0] - 1e-9))
    top = np.max(list(every.values()), axis=0)
    assert best == pytest.approx(np.mean(top > top[0] - 1e-9))
    assert alone[study.SHOWN] == 1 / 24
    assert kendalltau(found[study.SHOWN].ravel(), y.ravel()).statistic > 0.8


def test_numbers_of_a_pool(study):
    rng = np.random.default_rng(0)
    source = rng.normal(size=(60, 6))
    even = rng.permutation(np.repeat(np.eye(6)[:5] * 20, 20, axis=0)) + rng.normal(size=(100, 6))
    picks, draws = [np.arange(5)], [np.arange(5)]
    found = study.numbers(even, source, 5, None, picks, draws)
    assert list(found) == list(study.NUMBERS)
    assert found["even clusters"] == pytest.approx(1)
    assert found["variance between clusters"] > 0.8
    assert found["nearer than draws"] == 0
    assert found["outliers"] < 0.1
    assert found["spread against source"] > 2
    far = np.vstack([even[:90], 1000 * rng.normal(size=(10, 6))])
    lonely = study.numbers(far, source, 5, None, picks, draws)
    assert lonely["outliers"] > 0.09
    assert lonely["heavy tail"] > found["heavy tail"]


def test_tasks_of_the_report_are_not_touched(study):
    with pytest.raises(ValueError, match="task of the report"):
        study.measure("breast", Path("nowhere"))
