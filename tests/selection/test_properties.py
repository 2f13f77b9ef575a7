"""What holds for any data: Hypothesis on small lattices, where ties abound."""

from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skxssr import CoreSetSelector, StratifiedRandomSelector, XSSRSelector
from skxssr._utils.threads import over_blocks
from skxssr.selection import make_variant
from skxssr.selection._engine import coverage_state, greedy_runs, serving
from tests.conftest import normal
from tests.selection.test_common import SELECTORS

# Compilation of a kernel falls into whichever example comes first: no deadline.
settings.register_profile(
    "skxssr",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skxssr")
pytestmark = pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")


@st.composite
def problems(draw):
    """A pool on a lattice, perhaps a source, and arguments that can be met."""
    n, p = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    points = st.integers(0, draw(st.sampled_from([1, 3, 10]))).map(float)
    X = draw(arrays(np.float64, (n, p), elements=points))
    source = draw(arrays(np.float64, (draw(st.integers(1, 8)), p), elements=points))
    rows = draw(st.permutations(range(n)))
    labeled = rows[: draw(st.integers(0, n - 1))]
    rest = rows[len(labeled) :]
    open_rows = draw(st.integers(1, len(rest)))
    groups = draw(st.one_of(st.none(), st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    weight = draw(st.one_of(st.none(), arrays(np.int64, n, elements=st.integers(0, 3))))
    if weight is not None and not weight.any():
        weight = None
    call = {"labeled": labeled, "candidates": rest[:open_rows], "groups": groups}
    budget = draw(st.integers(1, open_rows))
    return X, source, budget, call | {"sample_weight": weight}


def parameters_of(*forms):
    """Parameters of the selector: of one of the `forms`, and others that go with any."""
    more = st.fixed_dictionaries(
        {
            "alpha": st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0, "auto"]),
            "n_neighbors": st.sampled_from([None, 1, 3]),
            "preprocess": st.sampled_from([None, None, "auto"]),
            "calibration": st.sampled_from(["mean_distance", "radius", "kernel"]),
            "alphas": st.just((0.0, 0.5, 1.0)),
        }
    )
    return st.builds(lambda form, more: {**more, "name": form}, st.sampled_from(forms), more)


BY_DISTANCE = ("residual", "typicality, distance")
parameters = parameters_of("XSSR", *BY_DISTANCE)
nested = parameters_of(*BY_DISTANCE)  # clusters change with the budget


@settings(max_examples=150)
@given(problems(), parameters, st.sampled_from([1, 1, 1, 1, 2, 4]), st.booleans())
def test_lazy_equals_full_scan(problem, parameters, n_jobs, with_source):
    X, source, budget, call = problem
    records = []
    for engine in ("lazy", "full"):
        selector = make_variant(**parameters, engine=engine, n_jobs=n_jobs)
        if with_source:
            selector.fit(source)
        records.append(selector.select(X, budget, **call, return_selection=True))
    lazy, full = records
    assert lazy.indices.tolist() == full.indices.tolist()
    assert lazy.scores.tolist() == full.scores.tolist()
    for name in lazy.terms:
        assert lazy.terms[name].tolist() == full.terms[name].tolist()
    assert lazy.coverage.tolist() == full.coverage.tolist()

    picks = lazy.indices.tolist()
    assert len(set(picks)) == budget
    assert set(picks) <= set(call["candidates"])
    assert np.isfinite(lazy.scores).all()
    assert (lazy.scores >= 0).all()
    assert (np.diff(lazy.coverage) <= 1e-12).all()
    for t, pick in enumerate(picks):
        row = full.utilities[t]
        assert row[pick] == np.nanmax(row)
        if parameters["name"] != "XSSR":
            assert row[pick] == full.scores[t]
        assert np.isnan(row[picks[:t]]).all()
        assert np.isnan(np.delete(row, call["candidates"])).all()
    if parameters["name"] == "XSSR":  # cluster after cluster
        return
    # no row's own score rises from pick to pick, nor the winner's where quotas block nobody
    rises = np.diff(full.utilities, axis=0)
    assert not (rises > 0).any()
    if call["groups"] is None:
        assert (np.diff(lazy.scores) <= 0).all()


# StratifiedRandomSelector gives each stratum its share instead, and says so.
IN_ROUNDS = [type(s) for s in SELECTORS if not isinstance(s, StratifiedRandomSelector)]


@settings(max_examples=200)
@given(problems(), st.sampled_from(IN_ROUNDS))
def test_quotas_hold_for_every_selector(problem, make):
    X, _, budget, call = problem
    if call["groups"] is None:
        call["groups"] = list(range(len(X)))
    groups = np.array(call["groups"])
    visits = {g: np.sum(groups[call["labeled"]] == g) for g in set(call["groups"])}
    left = {g: np.sum(groups[call["candidates"]] == g) for g in visits}
    for pick in make(random_state=0).select(X, budget, **call):
        group = groups[pick]
        assert visits[group] == min(visits[g] for g in visits if left[g] > 0)
        visits[group] += 1
        left[group] -= 1


@settings(max_examples=90)
@given(problems(), nested.filter(lambda p: p["alpha"] != "auto"))
def test_a_longer_run_starts_with_the_shorter(problem, parameters):
    X, source, budget, call = problem
    parameters |= {"n_neighbors": 1}
    selector = make_variant(**parameters).fit(source)
    longest = selector.select(X, len(call["candidates"]), **call)
    assert selector.select(X, budget, **call).tolist() == longest[:budget].tolist()


@settings(max_examples=90)
@given(problems(), nested.filter(lambda p: p["alpha"] != "auto"), st.booleans())
def test_a_run_goes_on_from_its_own_first_picks(problem, parameters, coreset):
    # Density is divided by another first maximum, a common factor: on lattices rows that tie do so
    # to the last bit or by a rounding that float32 hides, whatever the factor.
    X, source, budget, call = problem
    parameters |= {"n_neighbors": 1}
    selector = CoreSetSelector(preprocess=None) if coreset else make_variant(**parameters)
    selector.fit(source)
    whole = selector.select(X, budget, **call).tolist()
    for cut in {1, budget // 2} - {0, budget}:
        rest = selector.select(
            X, budget - cut, **call | {"labeled": [*call["labeled"], *whole[:cut]]}
        )
        assert whole[:cut] + rest.tolist() == whole


@settings(max_examples=40)
@given(st.integers(0, 50), st.integers(1, 9), st.sampled_from([1, 2, 4]))
def test_blocks_make_up_the_whole(n, size, n_jobs):
    seen = []
    over_blocks(lambda lo, hi: seen.append((lo, hi)), n, n_jobs=n_jobs, size=size)
    assert sorted(seen) == [(lo, min(lo + size, n)) for lo in range(0, n, size)]


def test_an_error_in_a_block_is_not_lost():
    def fail(lo, hi):
        if lo == 4:
            raise RuntimeError("in block 4")

    with pytest.raises(RuntimeError, match="in block 4"):
        over_blocks(fail, 9, n_jobs=2, size=2)


@pytest.mark.parametrize("form", ["XSSR", *BY_DISTANCE])
@pytest.mark.parametrize("engine", ["lazy", "full"])
def test_threads_change_no_bit(monkeypatch, form, engine):
    monkeypatch.setattr(greedy_runs, "ROWS_BLOCK", 7)
    monkeypatch.setattr(serving, "_ROWS_BLOCK", 7)
    monkeypatch.setattr(coverage_state, "ROWS_BLOCK", 7)
    X, source = normal(300, 3, 0), normal(50, 3, 1)
    records = [
        make_variant(form, engine=engine, n_jobs=n_jobs, alphas=(0, 0.3, 1))
        .fit(source)
        .select(X, 15, return_selection=True)
        for n_jobs in (None, 1, 2, 4)
    ]
    for record in records[1:]:
        assert record.indices.tolist() == records[0].indices.tolist()
        assert record.scores.tolist() == records[0].scores.tolist()
        assert record.alpha_losses.tolist() == records[0].alpha_losses.tolist()
        if engine == "full":
            np.testing.assert_array_equal(record.utilities, records[0].utilities)


@pytest.mark.parametrize(
    ("selector", "n"),
    [
        (CoreSetSelector(), 9001),
        (XSSRSelector(alpha=0.3, n_neighbors=5), 5600),
        (make_variant("residual", alpha=0.3, n_neighbors=5), 5600),
    ],
    ids=str,
)
def test_threads_change_no_pick_of_a_pool_of_several_blocks(selector, n):
    X, source = normal(n, 3, 0), normal(60, 3, 1)
    picks = [selector.set_params(n_jobs=j).fit(source).select(X, 6).tolist() for j in (1, 2, 4)]
    assert picks[0] == picks[1] == picks[2]


MAKERS = [XSSRSelector, partial(make_variant, "residual"), CoreSetSelector]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("kind", ["normal", "lattice"])
def test_float32_is_the_same_values_as_float64(make, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 4)) if kind == "normal" else rng.integers(0, 4, (70, 4))
    single, source = X.astype(np.float32), normal(20, 4, 1).astype(np.float32)
    for preprocess in (None, "auto"):
        picks = [
            make(preprocess=preprocess).fit(source.astype(a)).select(single.astype(b), 20).tolist()
            for a in (np.float32, np.float64)
            for b in (np.float32, np.float64)
        ]
        assert picks.count(picks[0]) == 4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", MAKERS[1:])  # k-means depends on the order of the rows
def test_permuted_rows_give_permuted_picks(make, seed):
    X, source = normal(90, 4, seed), normal(20, 4, 50 + seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(90)
    groups, weight, labeled = rng.integers(0, 9, 90), rng.random(90), [4, 60, 33]
    selector = make(preprocess=None).fit(source)
    picks = selector.select(X, 20, groups=groups, sample_weight=weight, labeled=labeled)
    again = selector.select(
        X[order],
        20,
        groups=groups[order],
        sample_weight=weight[order],
        labeled=np.isin(order, labeled),
    )
    assert order[again].tolist() == picks.tolist()
