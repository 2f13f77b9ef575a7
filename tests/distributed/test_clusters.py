"""k-means and typicality over blocks: the centers, clusters and picks of one machine."""

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans

from skxssr import TypiClustSelector, XSSRSelector
from skxssr.distributed import _clusters, select
from skxssr.distributed._minibatch import can_draw, fit_minibatches
from skxssr.selection._engine import clusters as engine
from skxssr.selection._engine.clusters import minibatch_parameters

da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("in_this_thread")


def rows(n, p=4, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, p)) + 3 * rng.integers(0, 3, size=(n, 1))).astype(np.float32)


@pytest.mark.parametrize("seeded", [0, np.random.RandomState(3)], ids=["int", "generator"])
@pytest.mark.parametrize("weighted", [False, True])
def test_mini_batches_of_rows_brought_give_the_centers_of_scikit_learn(seeded, weighted):
    X = rows(16_000).astype(np.float64)
    weight = np.random.default_rng(1).random(len(X)) if weighted else np.ones(len(X))
    parameters = minibatch_parameters(20, 2, seeded)
    before = None if seeded == 0 else seeded.get_state()
    expected = MiniBatchKMeans(**parameters).fit(X, sample_weight=weight).cluster_centers_
    if before is not None:
        after, _ = seeded.randint(1000, size=3), seeded.set_state(before)
    assert can_draw(len(X), parameters)
    found = fit_minibatches(*X.shape, lambda drawn: X[drawn], weight, parameters)
    np.testing.assert_array_equal(found, expected)
    if before is not None:  # and the generator stands where it would
        np.testing.assert_array_equal(seeded.randint(1000, size=3), after)


def test_few_rows_are_not_drawn_from():
    assert not can_draw(15_000, minibatch_parameters(5, 1, 0))
    assert not can_draw(60_000, minibatch_parameters(20_000, 1, 0))


@pytest.mark.parametrize("minibatch", [False, True])
@pytest.mark.parametrize("lazy_source", [False, True])
def test_the_default_selector_with_a_source(minibatch, lazy_source, monkeypatch):
    if minibatch:
        monkeypatch.setattr(engine, "MINIBATCH_FROM", 100_000)
        monkeypatch.setattr(_clusters, "MOST_HERE", 0)
    X, source = rows(16_000), rows(5_500, seed=1)
    rng = np.random.default_rng(2)
    given = {
        "labeled": np.arange(3),
        "candidates": rng.random(len(X)) < 0.9,
        "groups": rng.integers(0, 40, len(X)),
        "max_per_group": 1,
        "sample_weight": rng.random(len(X)),
    }
    selector = XSSRSelector(alpha="auto" if lazy_source else 0.0, alphas=(0.0, 0.5))
    one = selector.fit(source).select(X, 9, **given, return_selection=True)
    if lazy_source:
        selector.fit(da.from_array(source, chunks=(1_999, 4)))
    chunks = ((7_000, 1, 8_999), 4)
    given = {
        name: da.from_array(v, chunks=3_000) if isinstance(v, np.ndarray) else v
        for name, v in given.items()
    }
    many = selector.select(da.from_array(X, chunks=chunks), 9, **given, return_selection=True)
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)
    np.testing.assert_array_equal(many.coverage, one.coverage)
    np.testing.assert_array_equal(many.alpha_losses, one.alpha_losses)
    for name, values in one.terms.items():
        np.testing.assert_array_equal(many.terms[name], values)
    assert many.scales == one.scales
    assert many.scales["minibatch"] == minibatch


def test_centers_are_found_again_in_the_file_of_a_selection(tmp_path, monkeypatch):
    X = da.from_array(rows(400), chunks=(150, 4))
    selector, path = TypiClustSelector(n_init=1), tmp_path / "picks.json"
    first = select(selector, X, 6, resume=path)

    def fit(*_):
        raise AssertionError("the centers are known")

    monkeypatch.setattr(_clusters, "fit_k_means", fit)
    np.testing.assert_array_equal(select(selector, X, 6, resume=path), first)


def test_a_cluster_that_no_worker_can_hold_is_refused(monkeypatch):
    from skxssr.distributed._cluster import Cluster

    monkeypatch.setattr(Cluster, "least_memory", 1000)
    with pytest.raises(ValueError, match=r"largest of 2 clusters has \d+ rows.*memory_limit="):
        TypiClustSelector(n_init=1).select(da.from_array(rows(400), chunks=(150, 4)), 2)


def test_scores_without_a_form_for_dask_arrays():
    X = da.from_array(rows(40), chunks=(15, 4))
    with pytest.raises(ValueError, match="scoring='as described' has no form for Dask arrays"):
        XSSRSelector(scoring="as described").select(X, 2)
    with pytest.raises(ValueError, match="algorithm='pynndescent' searches all rows at once"):
        XSSRSelector(algorithm="pynndescent").fit(X)
