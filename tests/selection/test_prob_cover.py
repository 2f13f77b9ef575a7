"""ProbCover: its radius and its rounds, against the definition and scikit-activeml.

Its picks are compared with a naive twin where those of the other rivals that cover are.
"""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from skxssr import ProbCoverSelector
from tests import naive
from tests.conftest import normal
from tests.selection.test_rivals_coverage import radius_of


@pytest.mark.filterwarnings("ignore:The maximum purity was -1")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labeled", [[], [4, 50]])
def test_prob_cover_picks_what_scikit_activeml_may_pick(seed, labeled):
    # it breaks ties at random: every one of our picks must be among its best
    pool = pytest.importorskip("skactiveml.pool")
    X = normal(120, 3, seed)
    radius = radius_of(X)
    record = ProbCoverSelector(radius=radius, preprocess=None).select(
        X, 12, labeled=labeled, return_selection=True
    )
    query = pool.ProbCover(deltas=[radius], random_state=0)
    for t, pick in enumerate(record.indices):
        y = np.full(120, np.nan)
        y[[*labeled, *record.indices[:t]]] = 0
        utilities = query.query(X, y, return_utilities=True, update=True)[1][0]
        assert utilities[pick] == np.nanmax(utilities)
        if record.terms["round"][t] == 0:
            assert utilities[pick] == pytest.approx(120 * record.terms["gain"][t])
            assert pick == np.nanargmax(utilities)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("purity", [0.8, 0.95, 1.0])
def test_the_automatic_radius_is_the_largest_pure_one(seed, purity):
    X = np.vstack([normal(40, 3, seed), normal(40, 3, seed + 9) + 4])
    weight = 1.0 + np.arange(80) % 2
    for call in ({}, {"sample_weight": weight}):
        scales = (
            ProbCoverSelector(preprocess=None, purity=purity, random_state=seed)
            .select(X, 5, return_selection=True, **call)
            .scales
        )
        drawn = int(np.random.RandomState(seed).randint(np.iinfo(np.int32).max))
        model = KMeans(5, n_init=1, random_state=drawn)
        labels = model.fit_predict(X - X.mean(axis=0), **call)
        other = labels[:, None] != labels
        distance = naive.distances(X, X)

        def share(radius, distance=distance, other=other, call=call):
            pure = ~((distance <= radius) & other).any(axis=1)
            return np.average(pure, weights=call.get("sample_weight"))

        assert share(scales["radius"]) == pytest.approx(scales["pure_share"])
        assert share(scales["radius"]) >= purity - 1e-12
        assert share(np.nextafter(scales["radius"], np.inf)) < purity


def test_the_automatic_radius_equals_that_of_scikit_activeml():
    pool = pytest.importorskip("skactiveml.pool")
    X = normal(100, 2, 5)
    ours = ProbCoverSelector(preprocess=None).select(X, 4, return_selection=True).scales["radius"]
    drawn = int(np.random.RandomState(0).randint(np.iinfo(np.int32).max))
    query = pool.ProbCover(
        n_classes=4,
        deltas=ours * np.array([0.2, 0.9, 1.0, 1.0001, 1.5]),
        cluster_algo_dict={"random_state": drawn, "n_init": 1},
        random_state=0,
    )
    query.query(X - X.mean(axis=0), np.full(100, np.nan))
    assert query.delta_max_ == ours


def test_when_everything_is_covered_prob_cover_starts_a_round():
    X = np.array([[0.0], [0.1], [0.2], [9.0], [9.1]])
    record = ProbCoverSelector(radius=1.0, preprocess=None).select(X, 5, return_selection=True)
    assert record.indices.tolist() == [0, 3, 1, 4, 2]
    assert record.terms["round"].tolist() == [0, 0, 1, 1, 2]
    np.testing.assert_allclose(record.terms["gain"], [0.6, 0.4, 0.6, 0.4, 0.6])
    assert record.scales["n_rounds"] == 3
    assert record.scales["covered_share"] == 1.0
    everything = ProbCoverSelector(radius=100.0, preprocess=None).select(X, 5)
    assert everything.tolist() == [0, 1, 2, 3, 4]
