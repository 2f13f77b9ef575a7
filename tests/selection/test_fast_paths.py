"""The shortcuts of the greedy engine: bounds that hold, shortcuts that change no bit."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr._kernels import blocks, density
from skxssr._kernels.cover import cover, lower_nearest
from skxssr._kernels.demand import BLOCK, make_demand, near_each_other
from skxssr.base.request import Request
from skxssr.metrics.coverage import diameter_bound
from skxssr.selection import make_variant
from skxssr.selection._engine import coverage_state, lazy_greedy
from tests import naive
from tests.conftest import DATA, lattice, normal

KINDS = {
    "float32": normal(700, 5, 0).astype(np.float32),
    "float64": normal(700, 5, 0),
    "far from the origin": normal(700, 5, 1) + 1e6,
    "far from the origin, float32": (normal(700, 5, 1) + 1e4).astype(np.float32),
    "tiny": normal(700, 3, 2).astype(np.float32) * np.float32(1e-18),
    "huge": normal(700, 3, 3) * 1e140,
    "huge, float32": normal(700, 3, 3).astype(np.float32) * np.float32(1e18),
    "lattice": lattice(700, 2, 4, 4).astype(np.float32),
    "wide": normal(700, 70, 5).astype(np.float32),
    "one value": np.full((700, 2), 0.3, dtype=np.float32),
}


@pytest.fixture(params=list(KINDS), ids=lambda name: name.replace(", ", "_").replace(" ", "_"))
def X(request):
    return KINDS[request.param]


def demand_of(X, *, sampled=False, width=0.5, weight=None):
    rows, starts = near_each_other(X, np.arange(0, len(X), 2 if sampled else 1))
    diameter = diameter_bound(X, n_jobs=None)
    return make_demand(
        X,
        rows,
        np.ones(len(rows)) if weight is None else weight[rows],
        sampled=sampled,
        precision=0.5 / (width * diameter) ** 2 if diameter else -1.0,
        diameter=diameter,
        starts=starts,
    )


def after(demand, picks):
    state = coverage_state.empty_cover(demand, np.zeros(len(demand.rows)))
    cover(demand, np.asarray(picks, dtype=np.int64), 0, len(demand.radius32), state)
    return state


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("width", [0.02, 0.2, 2.0])
@pytest.mark.parametrize("picks", [[], [3], [3, 99, 400, 650, 12]])
def test_densities_within_reach_are_the_plain_ones_to_the_bit(X, sampled, width, picks):
    demand = demand_of(X, sampled=sampled, width=width, weight=np.linspace(0.1, 3, len(X)))
    n = len(X)
    rows = np.arange(n, dtype=np.int32)
    state = after(demand, picks)
    plain, reached = np.zeros(n), np.zeros(n)
    density.density_of_rows(demand, rows, 0, n, state.covered, plain)
    density.density_within_reach(demand, rows, 0, n, state, reached)
    assert (plain == reached).all()
    nothing = after(demand, [])
    first = np.zeros(n)
    density.density_of_rows(demand, rows, 0, n, nothing.covered, first)
    ledger = coverage_state.CoverageBatch(
        demand, coverage_state.InitialState(nothing, np.zeros(n)), 3, n_jobs=2
    )
    cover(demand, np.array(picks, dtype=np.int64), 0, len(demand.radius32), ledger.runs[2].exact)
    ledger.runs[2].round_down()
    order = ledger.in_order(rows)
    assert sorted(order) == list(rows)
    bound = ledger.bounds(order, [2, 0], n_jobs=2)
    assert (bound[0] >= plain[order]).all()
    assert (bound[1] >= first[order]).all()
    if demand.precision > 0:
        assert (bound[1] <= first[order] * 1.002 + 1e-30).all()


@pytest.mark.parametrize("width", [0.02, 0.3])
def test_what_picks_cover_is_the_largest_kernel(X, width):
    demand = demand_of(X, width=width)
    covered = after(demand, [5, 300, 699]).covered
    values = np.empty((3, len(demand.rows)))
    for row, pick in zip(values, (5, 300, 699), strict=True):
        u = X[pick].astype(np.float64) - X[demand.rows].astype(np.float64)
        squared = np.zeros(len(u))
        for j in range(X.shape[1]):
            squared += u[:, j] ** 2
        blocks.kernel_values(squared, demand.precision, row)
    assert (covered == values.max(axis=0)).all()


def test_the_nearest_pick_is_found_to_the_bit(X):
    demand, rows = demand_of(X), np.arange(len(X), dtype=np.int32)
    picks = np.random.default_rng(0).permutation(len(X))[:300]
    picks32 = np.ascontiguousarray(demand.X32[picks].T)
    nearest, seen = np.full(len(X), np.inf), np.zeros(len(X), dtype=np.int32)
    for t in (1, 7, 300):  # what is seen is not looked at again
        lower_nearest(demand, rows, 0, len(X), picks[:t], picks32, seen, nearest)
        expected = naive.squared_distances(X, X[picks[:t]]).min(axis=1)
        np.testing.assert_allclose(nearest, expected, rtol=1e-12, atol=0)
        plain = np.full(len(X), np.inf)
        for pick in picks[:t]:
            squared = np.zeros(len(X))
            for j in range(X.shape[1]):
                squared += (X[:, j].astype(np.float64) - np.float64(X[pick, j])) ** 2
            plain = np.minimum(plain, squared)
        assert (nearest == plain).all()


def test_float32_squares_are_within_their_margin(X):
    demand = demand_of(X)
    a, b = np.random.default_rng(1).integers(len(X), size=(2, 3000))
    exact = ((X[a].astype(np.float64) - X[b].astype(np.float64)) ** 2).sum(axis=1)
    u = demand.X32[a].astype(np.float64) - demand.X32[b].astype(np.float64)
    squared = (u**2).sum(axis=1) * demand.unit
    assert (np.abs(squared - exact) <= demand.relative * squared + demand.absolute).all()


@given(st.floats(0, 119, width=32))
@settings(max_examples=300)
def test_the_float32_exponential_is_above_the_true_one(s):
    k = np.int32(s)
    f = np.float32(s) - np.float32(k)
    q = density._E6
    for c in (density._E5, density._E4, density._E3, density._E2, density._E1, density._E0):
        q = np.float32(q * f + c)
    value = float(np.float32(q * density.RAISE)) * 2.0 ** -int(k)
    assert 2.0**-s <= value <= 2.0**-s * (1 + 1e-5)


@pytest.mark.parametrize("m", [1, BLOCK - 1, BLOCK, BLOCK + 1, 15 * BLOCK + 3])
@pytest.mark.parametrize("kind", ["normal", "lattice", "one value"])
def test_points_near_each_other_are_the_same_points_in_small_blocks(m, kind):
    rng = np.random.default_rng(m)
    X = {
        "normal": normal(2 * m, 4, m),
        "lattice": rng.integers(3, size=(2 * m, 2)).astype(float),
        "one value": np.full((2 * m, 2), 0.3),
    }[kind]
    rows = rng.permutation(2 * m)[:m]
    ordered, starts = near_each_other(X, rows)
    assert sorted(ordered) == sorted(rows)
    assert (starts[0], starts[-1]) == (0, m)
    assert ((np.diff(starts) >= 1) & (np.diff(starts) <= BLOCK)).all()
    demand = make_demand(
        X, ordered, np.ones(m), sampled=True, precision=1.0, diameter=9.0, starts=starts
    )
    assert (demand.rows[~demand.filler] == ordered).all()
    assert (demand.weight == np.where(demand.filler, 0.0, 1.0)).all()
    assert (demand.rows[demand.own[ordered]] == ordered).all()
    assert not demand.filler[demand.own[ordered]].any()
    for b, radius in enumerate(demand.radius32):
        points = demand.points32[:, b * BLOCK : (b + 1) * BLOCK].T.astype(np.float64)
        away = np.linalg.norm(points - demand.centers32[:, b], axis=1)
        assert (away <= radius).all()


def test_blocks_are_smaller_regions_than_points_in_any_order():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(20, 6)) * 9
    X = centers[rng.integers(20, size=4000)] + rng.normal(size=(4000, 6))
    rows, starts = near_each_other(X, np.arange(4000))
    of = {"sampled": False, "precision": 1.0, "diameter": 99.0}
    ordered = make_demand(X, rows, np.ones(4000), starts=starts, **of)
    as_they_come = make_demand(X, np.arange(4000), np.ones(4000), **of)
    assert np.median(ordered.radius32) < np.median(as_they_come.radius32) / 4


@pytest.mark.parametrize("width", [0.02, 0.3])
def test_no_point_of_a_block_is_nearer_than_its_gap(X, width):
    demand = demand_of(X, width=width)
    gap = np.empty(len(demand.radius32), dtype=np.float32)
    for i in (0, 17, 699):
        blocks.gaps(demand, i, 0, len(gap), gap)
        u = demand.X32[demand.rows].astype(np.float64) - demand.X32[i].astype(np.float64)
        squared = (u**2).sum(axis=1).reshape(-1, BLOCK).min(axis=1)
        assert (gap <= squared).all()


@pytest.fixture
def eager(monkeypatch):
    """Every shortcut from the first pick on, however small the pool."""
    monkeypatch.setattr(lazy_greedy, "_FIRST", (2, 1))
    monkeypatch.setattr(lazy_greedy, "_MOST", (8, 4))
    monkeypatch.setattr(lazy_greedy, "_LEAST", 2)
    monkeypatch.setattr(lazy_greedy, "_MOST_ACTIVE", 8)
    monkeypatch.setattr(coverage_state, "ROWS_BLOCK", 5)


FORMS = {
    "auto": {},
    "one alpha": {"alpha": 0.3},
    "typicality": {"density": "typicality"},
    "additive": {"composite": "additive"},
    "novelty as demand": {"novelty": "demand"},
    "source covered": {"source_weight": 0.7},
    "narrow": {"bandwidth_scale": 0.01},
    "without diversity": {"terms": ("density", "novelty")},
    "without density": {"terms": ("novelty", "diversity")},
}


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates", "all equal", "one column"])
@pytest.mark.filterwarnings("ignore:All 20 rows are equal")
def test_both_engines_return_the_same_record(eager, form, name):
    X = DATA[name]
    source = normal(12, X.shape[1], 3) * 0.3
    rng = np.random.default_rng(0)
    b = len(X) // 3
    arguments = [
        {},
        {"labeled": [1, 4], "sample_weight": rng.uniform(0, 2, len(X))},
        {"groups": np.arange(len(X)) // 4, "candidates": np.arange(2, len(X))},
    ]
    for more in arguments:
        records = [
            make_variant(
                "residual",
                **FORMS[form],
                alphas=(0, 0.4, 1),
                preprocess=None,
                engine=engine,
                n_jobs=j,
            )
            .fit(source)
            .select(X, b, return_selection=True, **more)
            for engine, j in (("full", 1), ("lazy", 1), ("lazy", 2))
        ]
        for record in records[1:]:
            for field in ("indices", "scores", "alpha_losses", "coverage"):
                np.testing.assert_array_equal(getattr(record, field), getattr(records[0], field))
            for term, values in record.terms.items():
                np.testing.assert_array_equal(values, records[0].terms[term])


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_hundreds_of_picks_from_clusters_are_those_of_the_full_scan(alpha):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(12, 6)) * 4
    X = (centers[rng.integers(12, size=1500)] + rng.normal(size=(1500, 6))).astype(np.float32)
    lazy_run, full_run = (
        make_variant("residual", alpha=alpha, engine=engine)
        .fit(X[:80] + 1)
        .select(X, 300, return_selection=True)
        for engine in ("lazy", "full")
    )
    np.testing.assert_array_equal(lazy_run.indices, full_run.indices)
    np.testing.assert_array_equal(lazy_run.scores, full_run.scores)


def test_the_largest_first_density_is_exact():
    X = normal(400, 3, 0)
    demand = demand_of(X)
    request = Request(1, np.array([7]), np.arange(8, 400), None, None, np.ones(400))
    start = coverage_state.start_state(demand, request, 20.0, n_jobs=None)
    rows, exact = np.arange(8, 400, dtype=np.int32), np.zeros(400)
    density.density_of_rows(demand, rows, 0, len(rows), start.cover.covered, exact)
    bound = exact[rows] + np.random.default_rng(0).uniform(0, 3, len(rows))
    largest = coverage_state.largest_density(demand, rows, bound, start, n_jobs=2)
    assert largest == exact.max()


@pytest.mark.parametrize("unit", [2.0**-1000, 1e-300, 1e-45, 1e40, 1e300])
def test_only_ratios_of_weights_matter(unit):
    X = normal(300, 3, 0)
    weight = np.random.default_rng(0).uniform(0.1, 1.0, 300)
    weight[::7] *= 1e-50
    plain, scaled = (
        make_variant("residual").fit(X[:50] + 1).select(X, 20, sample_weight=w).tolist()
        for w in (weight, weight * unit)
    )
    assert scaled == plain
    full = make_variant("residual", engine="full").fit(X[:50] + 1)
    assert full.select(X, 20, sample_weight=weight * unit).tolist() == plain


def test_weights_beyond_float64_are_refused():
    X = normal(300, 3, 0)
    with pytest.raises(ValueError, match="divide it by its largest"):
        make_variant("residual").select(X, 5, sample_weight=np.full(300, 1e307))


WIDE_MARGIN = """
import warnings
import numpy as np
from skxssr._kernels import greedy, lazy
from skxssr.selection import make_variant
from skxssr.selection._engine import lazy_greedy
warnings.simplefilter("ignore")
greedy.MARGIN = lazy.MARGIN = 1.05
lazy_greedy._FIRST, lazy_greedy._MOST = (1, 1), (2, 1)
lazy_greedy._LEAST, lazy_greedy._MOST_ACTIVE = 2, 4
X = np.random.default_rng(3).normal(size=(60, 3)).astype(np.float32)
for more in ({}, {"groups": np.arange(60) // 3}):
    for engine in ("lazy", "full"):
        selector = make_variant("residual", alpha=0.5, engine=engine, preprocess=None)
        selector.fit(X[:9] + 0.25)
        record = selector.select(X, 10, return_selection=True, **more)
        print(record.indices.tolist(), record.scores.tolist())
"""


def test_no_score_that_is_compared_holds_a_margin():
    # as plain Python, where the margin, a constant to the compiler, can be made one that shows
    done = subprocess.run(
        [sys.executable, "-c", WIDE_MARGIN],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    assert done.returncode == 0, done.stderr
    lazy, full, lazy_in_groups, full_in_groups = done.stdout.splitlines()
    assert lazy == full
    assert lazy_in_groups == full_in_groups
