"""Regions that pick by themselves for a while: sampled demand, and how many rounds."""

import pickle

import numpy as np
import pytest

from skxssr import FacilityLocationSelector, MaxHerdingSelector, XSSRSelector
from skxssr.distributed import _regions, select
from skxssr.distributed._chains import ChainRounds
from skxssr.selection import make_variant
from skxssr.selection._engine import scales

da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("in_this_thread")
N = 700


@pytest.fixture(autouse=True)
def three_regions_and_a_sample(monkeypatch):
    monkeypatch.setattr(scales, "MIN_DEMAND", 100)  # so that 30 a pick are fewer than the rows
    monkeypatch.setattr(_regions, "n_regions", lambda _: 3)


def rows(n=N, p=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) * rng.choice([0.3, 1.0, 2.0], size=(n, 1))


def given(n=N):
    rng = np.random.default_rng(1)
    return {
        "labeled": [17, 500],
        "candidates": rng.random(n) < 0.9,
        "groups": rng.integers(0, 25, n),
        "sample_weight": rng.random(n) * (rng.random(n) < 0.9),
    }


SELECTORS = {
    "facility location": FacilityLocationSelector(),
    "max herding": MaxHerdingSelector(),
    "exact matches": MaxHerdingSelector(bandwidth=1e-200),
    "alpha auto": XSSRSelector(scoring="residual", alpha="auto", alphas=(0.0, 0.6, 1.0)),
    "additive": make_variant("residual, additive", alpha=0.3),
    "novelty as demand": make_variant("novelty as demand weight", alpha=0.5),
    "source as covered": make_variant("source as covered", alpha=0.5),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SELECTORS)
def test_picks_are_those_of_one_machine_where_the_demand_is_a_sample(name, dtype):
    selector, more = SELECTORS[name], {} if dtype == np.float32 else given()
    selector.set_params(preprocess=None if dtype == np.float64 else "auto")
    X, source = rows().astype(dtype), rows(300, seed=2).astype(dtype) + dtype(0.5)
    one = selector.fit(source).select(X, 15, **more, return_selection=True)
    lazy = da.from_array(X, chunks=(199, 3))
    many = selector.select(lazy, 15, **more, return_selection=True)
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)
    np.testing.assert_array_equal(many.coverage, one.coverage)
    np.testing.assert_array_equal(many.alpha_losses, one.alpha_losses)
    for term, values in one.terms.items():
        np.testing.assert_array_equal(many.terms[term], values)
    same = one.scales.keys() - {"n_density_evaluations", "n_gain_evaluations"}
    assert {key: many.scales[key] for key in same} == {key: one.scales[key] for key in same}
    assert many.scales["n_blocks"] == 3
    assert many.scales["demand_sampled"]


@pytest.mark.parametrize("selector", [MaxHerdingSelector(), FacilityLocationSelector()])
def test_a_round_gives_many_picks(selector):
    X = da.from_array(rows(), chunks=(200, 3))
    record = select(selector, X, 100, return_selection=True)
    assert record.scales["n_rounds"] <= 40


def test_a_run_goes_on_from_its_last_recorded_pick(tmp_path):
    import json

    X, path = da.from_array(rows(), chunks=(200, 3)), tmp_path / "picks.json"
    for selector in (MaxHerdingSelector(), FacilityLocationSelector()):
        path.unlink(missing_ok=True)
        whole = select(selector, X, 20, resume=path, return_selection=True)
        stored = json.loads(path.read_text())
        stored["runs"]["picks"] = stored["runs"]["picks"][:8]
        path.write_text(json.dumps(stored))
        again = select(selector, X, 20, resume=path, return_selection=True)
        assert again.scales["n_picks_resumed"] == 8
        np.testing.assert_array_equal(again.indices, whole.indices)
        np.testing.assert_array_equal(again.scores, whole.scores)


@pytest.mark.parametrize("selector", [MaxHerdingSelector(), FacilityLocationSelector()])
def test_blocks_that_are_rebuilt_catch_up(selector, monkeypatch):
    ask, asked = ChainRounds._ask, []

    def asks(self, q):
        asked.append(q)
        if len(asked) == 4:  # as on another worker, where nothing but their rows is known
            copies = [
                self._cluster.delayed(lambda block: pickle.loads(pickle.dumps(block)), block)
                for block in self._blocks[:2]
            ]
            self._blocks[:2] = self._cluster.persist(copies)
        return ask(self, q)

    one = selector.select(rows(), 30, return_selection=True)
    monkeypatch.setattr(ChainRounds, "_ask", asks)
    many = select(selector, da.from_array(rows(), chunks=(200, 3)), 30, return_selection=True)
    assert many.scales["n_blocks_rebuilt"] == 2
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)


@pytest.mark.parametrize("kind", ["normal", "equal", "lattice"])
def test_regions_share_the_rows_out(kind):
    X = {"normal": rows(1000), "equal": np.ones((1000, 3)), "lattice": np.round(rows(1000))}[kind]
    tree = _regions.cut(X, 5)
    sizes = np.bincount(_regions.region_of(X, tree), minlength=5)
    assert sizes.sum() == 1000
    if kind == "normal":
        assert sizes.min() == sizes.max() == 200
