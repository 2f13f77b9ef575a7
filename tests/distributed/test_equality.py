"""Whatever the chunks, the blocks and the data: the picks are those of one machine."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skxssr import (
    CoreSetSelector,
    FacilityLocationSelector,
    MaxHerdingSelector,
    RandomSelector,
    TypiClustSelector,
    XSSRSelector,
)
from skxssr.distributed import _pool, _regions, select
from skxssr.exceptions import SkxssrWarning

da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("in_this_thread")
few = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def cut(draw, n):
    """Sizes that sum to n."""
    cuts = draw(st.lists(st.integers(1, n - 1), max_size=5, unique=True)) if n > 1 else []
    return tuple(np.diff([0, *sorted(cuts), n]).tolist())


@st.composite
def problems(draw):
    """A pool, its chunks, the blocks it is computed in, and the arguments of `select`."""
    n, p = draw(st.integers(2, 60)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kind = draw(st.sampled_from(["normal", "lattice", "repeated", "equal"]))
    X = {
        "normal": rng.normal(size=(n, p)),
        "lattice": rng.integers(0, 4, size=(n, p)).astype(float),
        "repeated": np.repeat(rng.normal(size=(n, p)), 3, axis=0)[:n],
        "equal": np.full((n, p), 0.1),
    }[kind].astype(draw(st.sampled_from([np.float64, np.float32])))
    given = {}
    if draw(st.booleans()):
        given["labeled"] = rng.choice(n, size=draw(st.integers(1, n // 2)), replace=False)
    if draw(st.booleans()):
        given["candidates"] = rng.random(n) < 0.8
    if draw(st.booleans()):
        given["groups"] = rng.integers(0, draw(st.integers(1, 8)), size=n)
    if draw(st.booleans()):
        given["sample_weight"] = rng.integers(0, 4, size=n) + (rng.random(n) < 0.5)
        given["sample_weight"][0] = 1
    is_open = given.get("candidates", np.ones(n, dtype=bool)).copy()
    is_open[given.get("labeled", [])] = False
    if not is_open.any():
        given.pop("candidates", None)
        given.pop("labeled", None)
        is_open[:] = True
    budget = draw(st.integers(1, int(is_open.sum())))
    return X, budget, cut(draw, n), cut(draw, n), given


def check_equal(selector, X, budget, chunks, given, **terms):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkxssrWarning)
        one = selector.select(X, budget, **given, return_selection=True)
        lazy = da.from_array(X, chunks=(chunks, X.shape[1]))
        many = selector.select(lazy, budget, **given, return_selection=True)
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)
    for name, values in one.terms.items():
        np.testing.assert_array_equal(many.terms[name], values)
    np.testing.assert_array_equal(many.coverage, one.coverage)
    assert many.scales["exact"] == one.scales["exact"]
    assert (many.selector, many.n_samples) == (one.selector, one.n_samples)
    return many


@pytest.fixture
def blocks_of(monkeypatch):
    """Sets the blocks in which rows are kept, which are of at least 4,096 rows by default."""

    def set_blocks(blocks):
        monkeypatch.setattr(_pool, "engine_chunks", lambda *_: blocks)
        monkeypatch.setattr(_regions, "n_regions", lambda _: len(blocks))

    return set_blocks


SELECTORS = {
    "core-set": CoreSetSelector(preprocess=None),
    "core-set, random first": CoreSetSelector(preprocess=None, initialize="random"),
    "core-set, cosine": CoreSetSelector(preprocess=None, metric="cosine"),
    "facility location": FacilityLocationSelector(preprocess=None),
    "max herding": MaxHerdingSelector(preprocess=None),
    "residual": XSSRSelector(preprocess=None, scoring="residual"),
    "random": RandomSelector(random_state=3),
    "typiclust": TypiClustSelector(preprocess=None, n_neighbors=3, n_init=2, min_cluster_size=2),
    "xssr": XSSRSelector(preprocess=None),
}


@pytest.mark.parametrize("name", SELECTORS)
@few
@given(problem=problems())
def test_picks_are_those_of_one_machine(name, problem, blocks_of):
    X, budget, chunks, blocks, given = problem
    blocks_of(blocks)
    check_equal(SELECTORS[name], X, budget, chunks, given)


@pytest.mark.parametrize("lazy_source", [False, True])
def test_preprocessing_gives_the_same_floats_in_blocks_that_begin_anywhere(lazy_source):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(20_000, 40)) * np.linspace(1, 9, 40)).astype(np.float32)
    source = rng.normal(size=(700, 40)).astype(np.float32)
    for metric in ("euclidean", "cosine"):
        selector = CoreSetSelector(metric=metric).fit(source)
        one = selector.select(X, 30, return_selection=True)
        if lazy_source:
            selector.fit(da.from_array(source, chunks=(333, 40)))
        assert selector.n_features_in_ == 40
        lazy = da.from_array(X, chunks=((1, 7_777, 12_222), 40))
        many = selector.select(lazy, 30, return_selection=True)
        np.testing.assert_array_equal(many.indices, one.indices)
        np.testing.assert_array_equal(many.terms["diversity"], one.terms["diversity"])
        assert many.n_source_samples == 700


def test_arguments_may_be_dask_arrays_too():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 3))
    given = {
        "labeled": np.arange(50) < 3,
        "candidates": np.arange(50) > 1,
        "groups": rng.integers(0, 5, 50),
        "sample_weight": rng.random(50),
    }
    one = CoreSetSelector().select(X, 10, **given)
    lazy = {name: da.from_array(value, chunks=20) for name, value in given.items()}
    np.testing.assert_array_equal(
        CoreSetSelector().select(da.from_array(X, chunks=(20, 3)), 10, **lazy), one
    )


def test_several_picks_come_of_a_round_and_traffic_does_not_grow_with_the_pool():
    rng = np.random.default_rng(2)
    bytes_of = []
    for n in (10_000, 40_000):
        X = da.from_array(rng.normal(size=(n, 8)).astype(np.float32), chunks=(5_000, 8))
        record = CoreSetSelector(preprocess=None).select(X, 100, return_selection=True)
        assert record.scales["n_rounds"] <= 20
        bytes_of.append(
            record.scales["n_bytes_of_rounds"]
            / record.scales["n_rounds"]
            / record.scales["n_blocks"]
        )
    assert bytes_of[1] < 2 * bytes_of[0]


def test_a_selection_goes_on_from_its_last_recorded_pick(tmp_path):
    X = da.from_array(np.random.default_rng(3).normal(size=(200, 3)), chunks=(60, 3))
    selector = CoreSetSelector(preprocess=None)
    whole = select(selector, X, 20, return_selection=True)
    path = tmp_path / "picks.json"
    again = select(selector, X, 20, resume=path, return_selection=True)
    np.testing.assert_array_equal(again.indices, whole.indices)
    for kept in (0, 7, 19):
        import json

        stored = json.loads(path.read_text())
        stored["runs"]["picks"] = stored["runs"]["picks"][:kept]
        path.write_text(json.dumps(stored))
        resumed = select(selector, X, 20, resume=path, return_selection=True)
        assert resumed.scales["n_picks_resumed"] == kept
        np.testing.assert_array_equal(resumed.indices, whole.indices)
        np.testing.assert_array_equal(resumed.scores, whole.scores)
