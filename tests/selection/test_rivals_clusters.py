"""Selectors by k-means clusters against naive twins and scikit-activeml.

The twins take the partition from scikit-learn's KMeans and do everything else on their own.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from skxssr import (
    KMeansSelector,
    TypiClustSelector,
    USLSelector,
)
from skxssr.selection._engine import clusters
from tests import naive
from tests.conftest import DATA, normal
from tests.selection.test_properties import problems

pytestmark = pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")

CLUSTERING = [KMeansSelector, TypiClustSelector, USLSelector]
every_clustering = pytest.mark.parametrize("make", CLUSTERING, ids=lambda c: c.__name__)

N = 60
CALLS = {
    "nothing": {},
    "labeled": {"labeled": [4, 9, 30]},
    "candidates": {"candidates": [0, *range(5, 38)]},
    "groups": {"groups": np.arange(N) % 7},
    "cap": {"groups": np.arange(N) // 9, "max_per_group": 3, "labeled": [4, 9, 10]},
    "weight": {"weight": np.arange(N) % 3},
    "all": {
        "labeled": [2, 50],
        "candidates": range(3, 50),
        "groups": np.arange(N) % 4,
        "weight": (np.arange(N) % 5) / 2,
    },
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))


def data(seed):
    """Untied rows in a few clumps of unequal size."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=4, size=(9, 3))
    return centers[np.minimum(rng.geometric(0.2, N) - 1, 8)] + rng.normal(size=(N, 3))


def partition(X, n_clusters, weight, *, n_init=10, seed=0):
    """Labels and distances to the own center, by KMeans on the rows with weight."""
    Z = X - X.mean(axis=0)
    weight = np.ones(len(X)) if weight is None else weight / weight.max()
    used = weight > 0
    n_clusters = min(n_clusters, len({tuple(row) for row in Z[used].tolist()}))
    with threadpool_limits(1):
        model = KMeans(n_clusters, n_init=n_init, random_state=seed)
        labels = model.fit(Z[used], sample_weight=weight[used]).predict(Z)
    return labels, np.array(
        [np.linalg.norm(z - model.cluster_centers_[c]) for z, c in zip(Z, labels, strict=True)]
    )


def pick(
    labels,
    score,
    budget,
    *,
    labeled=(),
    candidates=None,
    groups=None,
    max_per_group=None,
    weight=None,
    min_size=1,
):
    """The best row of the largest cluster with the fewest picks, every choice by one `min`."""
    weight = np.ones(len(labels)) if weight is None else weight / weight.max()
    size = {c: weight[labels == c].sum() for c in set(labels.tolist())}
    first = {c: int(np.flatnonzero(labels == c)[0]) for c in size}
    small = {c: (labels == c).sum() < min_size for c in size}
    rows = naive.open_candidates(len(labels), labeled, candidates)
    picked = []
    for _ in range(budget):
        allowed = naive.may_pick(rows, picked, labeled, groups, max_per_group)
        visits = Counter(labels[[*labeled, *picked]].tolist())
        cluster = min(
            {int(labels[i]) for i in allowed},
            key=lambda c: (small[c], visits[c], -size[c], first[c]),
        )
        picked.append(
            min((i for i in allowed if labels[i] == cluster), key=lambda i: (-score[i], i))
        )
    return picked


def spread(X, k):
    return naive.neighbor_distances(X, min(k, len(X) - 1)).mean(axis=1)


def shares(weight, n):
    return np.ones(n) if weight is None else weight / weight.max()


def naive_k_means(X, budget, **call):
    labels, distance = partition(X, budget + len(call.get("labeled", ())), call.get("weight"))
    return pick(labels, -distance, budget, **call)


def naive_typiclust(X, budget, *, k=20, max_clusters=500, min_size=5, **call):
    n_clusters = min(budget + len(call.get("labeled", ())), max_clusters)
    labels, _ = partition(X, n_clusters, call.get("weight"))
    typicality = np.zeros(len(X))
    for c in set(labels.tolist()):
        rows = labels == c
        if rows.sum() > 1:
            typicality[rows] = 1 / spread(X[rows], k)
    score = typicality * shares(call.get("weight"), len(X))
    return pick(labels, score, budget, min_size=min_size, **call)


def naive_usl(X, budget, *, k=20, strength=0.5, alpha=0.5, momentum=0.9, rounds=10, **call):
    labeled = list(call.get("labeled", ()))
    labels, _ = partition(X, budget + len(labeled), call.get("weight"))
    X = X - X.mean(axis=0)
    X = X / np.sqrt((X**2).sum(axis=1).mean())
    density = shares(call.get("weight"), len(X)) / spread(X, k)
    closeness = np.zeros(len(X))
    for r in range(rounds):
        picked = pick(labels, density - strength * closeness, budget, **call)
        if r + 1 < rounds:
            D = naive.distances(X, X[labeled + picked])
            other = labels[:, None] != labels[labeled + picked][None, :]
            fresh = np.where(other, 1 / np.where(other, D, 1) ** alpha, 0).sum(axis=1)
            closeness = momentum * closeness + (1 - momentum) * fresh
    return picked


def select(selector, X, budget, **call):
    if "weight" in call:
        call["sample_weight"] = call.pop("weight")
    return selector.select(X, budget, **call).tolist()


@every_call
@pytest.mark.parametrize("seed", range(3))
def test_k_means_equals_its_twin(seed, call):
    X = data(seed)
    assert select(KMeansSelector(preprocess=None), X, 9, **call) == naive_k_means(X, 9, **call)


@every_call
@pytest.mark.parametrize(
    ("parameters", "twin"),
    [
        ({}, {}),
        ({"n_neighbors": 3, "min_cluster_size": 1}, {"k": 3, "min_size": 1}),
        ({"max_clusters": 4}, {"max_clusters": 4}),
    ],
    ids=["defaults", "every cluster", "few clusters"],
)
def test_typiclust_equals_its_twin(parameters, twin, call):
    for seed in range(2):
        X = data(seed)
        selector = TypiClustSelector(preprocess=None, **parameters)
        assert select(selector, X, 9, **call) == naive_typiclust(X, 9, **twin, **call)


@every_call
@pytest.mark.parametrize(
    ("parameters", "twin"),
    [
        ({}, {}),
        (
            {"n_neighbors": 4, "regularization": 3.0, "alpha": 2.0, "momentum": 0.0, "n_iter": 3},
            {"k": 4, "strength": 3.0, "alpha": 2.0, "momentum": 0.0, "rounds": 3},
        ),
        ({"n_iter": 1}, {"rounds": 1}),
    ],
    ids=["defaults", "strong", "one round"],
)
def test_usl_equals_its_twin(parameters, twin, call):
    for seed in range(2):
        X = data(seed)
        selector = USLSelector(preprocess=None, **parameters)
        assert select(selector, X, 9, **call) == naive_usl(X, 9, **twin, **call)


def test_closeness_changes_picks():
    X = data(0)
    strong = USLSelector(preprocess=None, n_neighbors=4, regularization=3.0, alpha=2.0)
    without = USLSelector(preprocess=None, n_neighbors=4, regularization=0.0)
    assert set(select(strong, X, 9)) != set(select(without, X, 9))


@every_clustering
def test_usual_unit_and_origin_do_not_matter(make):
    X = data(1)
    expected = make(preprocess=None).select(X, 9).tolist()
    for scale in (2.0**-90, 2.0**90):
        assert make(preprocess=None).select(X * scale, 9).tolist() == expected
    assert make(preprocess=None).select(X + 2.0**20, 9).tolist() == expected


@every_clustering
def test_on_every_kind_of_data_picks_are_distinct(make):
    for X in DATA.values():
        budget = min(12, len(X))
        for preprocess in (None, "auto"):
            record = make(preprocess=preprocess).select(X, budget, return_selection=True)
            assert len(set(record.indices.tolist())) == budget
            assert np.isfinite(record.scores).all()
            assert all(np.isfinite(term).all() for term in record.terms.values())


@every_clustering
def test_of_repeated_rows_one_of_each_comes_first(make):
    X = np.repeat(normal(6, 3, 4) * 10, 5, axis=0)
    picks = make(preprocess=None).select(X, 10).tolist()
    assert len(set(picks)) == 10
    assert {i // 5 for i in picks[:6]} == set(range(6))
    assert all(i % 5 == 0 for i in picks[:6])
    assert all(i % 5 == 1 for i in picks[6:])


@every_clustering
def test_clusters_of_labelled_rows_come_last(make):
    centers = 100 * np.eye(4)
    X = np.repeat(centers, [12, 9, 8, 7], axis=0) + normal(36, 4, 0)
    labeled = [0, 21]  # first and third cluster
    parameters = {} if make is KMeansSelector else {"n_neighbors": 5}
    picks = make(preprocess=None, **parameters).select(X, 2, labeled=labeled)
    cluster = np.repeat(np.arange(4), [12, 9, 8, 7])
    assert cluster[picks].tolist() == [1, 3]


@every_clustering
def test_record(make):
    X = data(2)
    parameters = {"min_cluster_size": 1} if make is TypiClustSelector else {}
    record = make(preprocess=None, **parameters).select(X, 9, return_selection=True)
    assert record.scales["n_clusters"] == 9
    assert record.scales["exact"]
    assert not record.scales["minibatch"]
    assert sorted(record.terms["cluster"].tolist()) == list(range(9))
    assert (np.diff(record.terms["cluster_weight"]) <= 0).all()
    assert record.terms["cluster_weight"].sum() == N


def test_small_clusters_are_passed_over():
    X = np.r_[normal(20, 2, 0), normal(3, 2, 1) + 50, normal(20, 2, 2) - 50]
    selector = TypiClustSelector(preprocess=None)
    assert not set(select(selector, X, 3)) & {20, 21, 22}
    assert set(select(selector, X, 43)) == set(range(43))
    assert set(select(selector.set_params(min_cluster_size=3), X, 3)) & {20, 21, 22}


@every_clustering
def test_large_pools_go_by_mini_batches(make, monkeypatch):
    X = data(0)
    monkeypatch.setattr(clusters, "MINIBATCH_FROM", 30)
    record = make().select(X, 9, return_selection=True)
    assert record.scales["minibatch"]
    assert not record.scales["exact"]
    assert len(set(record.indices.tolist())) == 9
    assert make().select(X, 9).tolist() == record.indices.tolist()
    repeated = make().select(np.repeat(X[:4], 15, axis=0), 9)
    assert len(set(repeated.tolist())) == 9


def test_threads_do_not_matter():
    X = normal(4500, 3, 0)  # two blocks of rows
    for make in (TypiClustSelector, USLSelector):
        one = make(n_init=1).select(X, 5).tolist()
        assert make(n_init=1, n_jobs=3).select(X, 5).tolist() == one


@pytest.mark.parametrize("seed", range(5))
def test_typiclust_equals_that_of_scikit_activeml(seed):
    activeml = pytest.importorskip("skactiveml.pool")
    X = data(seed)
    theirs = activeml.TypiClust(
        random_state=seed, k=5, cluster_algo_dict={"n_init": 10, "random_state": seed}
    )
    ours = TypiClustSelector(preprocess=None, n_neighbors=5, min_cluster_size=1, random_state=seed)
    y = np.full(N, np.nan)
    assert set(ours.select(X, 6).tolist()) == set(theirs.query(X, y, batch_size=6).tolist())
    y[[3, 7]] = 0.0
    expected = theirs.query(X, y, batch_size=4).tolist()
    assert set(ours.select(X, 4, labeled=[3, 7]).tolist()) == set(expected)


RIVALS = [
    (KMeansSelector, {}),
    (KMeansSelector, {"metric": "cosine", "preprocess": None, "n_init": 1}),
    (TypiClustSelector, {}),
    (TypiClustSelector, {"max_clusters": 3, "min_cluster_size": 1}),
    (USLSelector, {}),
    (USLSelector, {"n_iter": 1, "preprocess": None}),
]


@settings(max_examples=30)
@given(problems(), st.sampled_from(RIVALS), st.integers(0, 3))
def test_quotas_hold(problem, rival, seed):
    X, _, budget, call = problem
    make, parameters = rival
    picks = make(random_state=seed, **parameters).select(X, budget, **call).tolist()
    rows = naive.open_candidates(len(X), call["labeled"], call["candidates"])
    for t, row in enumerate(picks):
        assert row in naive.may_pick(rows, picks[:t], call["labeled"], call["groups"], None)
