"""XSSR by distances against its naive twin: densities, alphas, quotas, engines.

The form whose diversity is coverage, the default, has tests of its own: test_pool_coverage.py.
"""

import numpy as np
import pytest

from skxssr.exceptions import SkxssrWarning
from skxssr.metrics import coverage_loss
from skxssr.neighbors import _knn
from skxssr.selection import make_variant
from skxssr.selection._engine import scales
from tests import naive
from tests.conftest import DATA, lattice, normal

N_GROUPS = 7
ENGINES = ("lazy", "full")


def selector(**parameters):
    return make_variant("residual", **{"preprocess": None, "alpha": 0.0, **parameters})


def agree(record, expected, *, scores=True):
    """Picks exactly; scores, terms, scales and coverage to rounding."""
    assert record.indices.tolist() == expected.indices
    close = {"rtol": 1e-6, "atol": 1e-9}
    if scores:
        np.testing.assert_allclose(record.scores, expected.scores, **close)
    for name in ("density", "novelty", "diversity"):
        np.testing.assert_allclose(record.terms[name], getattr(expected, name), **close)
    np.testing.assert_allclose(record.coverage, expected.coverage, **close)
    assert record.scales["n_neighbors"] == expected.k
    assert record.scales["bandwidth"] == pytest.approx(expected.bandwidth, rel=1e-9)


@pytest.mark.parametrize("density", ["residual", "typicality"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_on_every_kind_of_data(data, alpha, density, dtype):
    source = (data.mean(axis=0) + normal(9, data.shape[1], 20)).astype(dtype)
    X = data.astype(dtype)
    budget = min(12, len(X))
    kwargs = {"alpha": alpha, "density": density}
    expected = naive.select(X, budget, source=source, **kwargs)
    for engine in ENGINES:
        fitted = selector(engine=engine, **kwargs).fit(source)
        if len(X) > 1 and np.ptp(X, axis=0).max() == 0:
            with pytest.warns(SkxssrWarning, match="rows are equal"):
                record = fitted.select(X, budget, return_selection=True)
        else:
            record = fitted.select(X, budget, return_selection=True)
        agree(record, expected, scores=len(X) > 1)
        assert record.novelty_used == (alpha > 0)


def quotas(n):
    rng = np.random.default_rng(5)
    groups = rng.integers(0, N_GROUPS, n)
    candidates = np.sort(rng.choice(n, n - 15, replace=False))
    return {
        "labels": {"labeled": [8, 3, 21]},
        "candidates": {"candidates": candidates},
        "groups": {"groups": groups},
        "cap": {"groups": groups, "max_per_group": 2},
        "weights": {"weight": rng.integers(0, 4, n)},
        "all": {
            "labeled": [8, 3, 21],
            "candidates": candidates,
            "groups": groups,
            "max_per_group": 3,
            "weight": rng.random(n),
        },
    }


@pytest.mark.parametrize("name", ["normal", "lattice", "line", "duplicates", "mostly one value"])
@pytest.mark.parametrize("case", list(quotas(40)))
@pytest.mark.parametrize("density", ["residual", "typicality"])
def test_every_argument(name, case, density):
    X = DATA[name]
    arguments = quotas(len(X))[case]
    source = normal(11, X.shape[1], 21)
    for alpha in (0.0, 0.6):
        kwargs = {"alpha": alpha, "density": density, "n_neighbors": 4}
        expected = naive.select(X, 11, source=source, **kwargs, **arguments)
        call = {k if k != "weight" else "sample_weight": v for k, v in arguments.items()}
        for engine in ENGINES:
            fitted = selector(engine=engine, **kwargs).fit(source)
            record = fitted.select(X, 11, return_selection=True, **call)
            agree(record, expected)
            if engine == "full":
                np.testing.assert_allclose(record.utilities, expected.utilities, rtol=1e-5)
            else:
                assert record.utilities is None


@pytest.mark.parametrize("kind", ["mean_distance", "radius", "kernel"])
@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates"])
def test_coverage_after_each_pick(name, kind):
    X = DATA[name]
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    expected = naive.select(X, 9, labeled=[4, 5], weight=weight, calibration=kind)
    record = selector(calibration=kind).select(
        X, 9, labeled=[4, 5], sample_weight=weight, return_selection=True
    )
    agree(record, expected)
    assert record.calibration == kind
    assert (np.diff(record.coverage) <= 1e-12).all()
    args = {"bandwidth": expected.bandwidth} if kind == "kernel" else {}
    chosen = [4, 5, *record.indices]
    loss = coverage_loss(X, chosen, kind=kind, sample_weight=weight, **args)
    assert loss == pytest.approx(record.coverage[-1], rel=1e-12)
    naive_loss = naive.coverage_loss(X, chosen, kind=kind, weight=weight, h=expected.bandwidth)
    assert loss == pytest.approx(naive_loss, rel=1e-9)


@pytest.fixture
def small_demand(monkeypatch):
    """Demand sets of 20 rows, so that small pools are sampled; gives what was chosen."""
    chosen = []
    real = scales.demand_rows
    monkeypatch.setattr(scales, "MIN_DEMAND", 20)
    monkeypatch.setattr(scales, "DEMAND_PER_PICK", 1)

    def demand_rows(*args):
        rows, notes = real(*args)
        chosen.append(rows)
        return rows, notes

    monkeypatch.setattr(scales, "demand_rows", demand_rows)
    return chosen


@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_sampled_demand_set_leaves_every_row_its_own_out(small_demand, name, weighted):
    X = DATA[name]
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    for engine in ENGINES:
        record = selector(engine=engine, random_state=4).select(
            X, 10, labeled=[7], sample_weight=weight, return_selection=True
        )
        demand = small_demand[-1]
        assert record.scales["demand_sampled"]
        assert record.scales["n_demand"] == len(demand) == 20
        agree(record, naive.select(X, 10, labeled=[7], weight=weight, demand=demand))


def test_the_demand_set_depends_on_the_seed_alone(small_demand):
    X = DATA["normal"]
    for seed in (0, 0, 1, 2, 3):
        selector(random_state=seed).select(X, 3)
    drawn = [d.tolist() for d in small_demand]
    assert drawn[0] == drawn[1]
    assert len(set(map(tuple, drawn))) > 1


def test_the_bandwidth_of_a_large_demand_set_is_a_median_over_a_part_of_it(monkeypatch):
    X = DATA["normal"]
    whole = selector().select(X, 5, return_selection=True).scales
    monkeypatch.setattr(scales, "MAX_BANDWIDTH", 20)
    part = selector().select(X, 5, return_selection=True).scales
    assert (whole["n_bandwidth_rows"], part["n_bandwidth_rows"]) == (len(X), 20)
    distances = np.sqrt(naive.squared_distances(X, X))
    reach = np.sort(distances, axis=1)[:, part["n_neighbors"]]  # the first is the row itself
    assert whole["bandwidth"] == pytest.approx(2 * np.median(reach))
    assert part["bandwidth"] != whole["bandwidth"]
    assert 2 * reach.min() <= part["bandwidth"] <= 2 * reach.max()


def test_the_demand_set_grows_with_labels_and_budget(small_demand):
    record = selector().select(DATA["normal"], 20, labeled=range(11), return_selection=True)
    assert record.scales["n_demand"] == 31


@pytest.mark.parametrize("density", ["residual", "typicality"])
@pytest.mark.parametrize("calibration", ["mean_distance", "radius", "kernel"])
def test_weight_on_a_single_row_that_a_sample_would_miss(small_demand, density, calibration):
    X = DATA["normal"]
    chooser = selector(density=density, calibration=calibration)
    for row in range(0, 60, 7):
        weight = np.zeros(60)
        weight[row] = 3.0
        record = chooser.select(X, 2, sample_weight=weight, return_selection=True)
        assert np.isfinite(record.coverage).all()
        if density == "typicality":
            assert record.indices[0] == row


def test_scales_follow_the_share_of_each_pick():
    X = normal(600, 2, 0)
    for budget, k in ((3, 20), (12, 20), (20, 15), (40, 8), (100, 5)):
        assert naive.default_k(600, budget) == k
        scales = selector().select(X, budget, return_selection=True).scales
        assert scales["n_neighbors"] == k
        assert scales["bandwidth"] == pytest.approx(naive.bandwidth(X, k), rel=1e-12)
        assert (scales["n_demand"], scales["demand_sampled"], scales["exact"]) == (600, False, True)


def test_duplicates_everywhere_count_exact_matches_only():
    X = np.repeat(np.array([[0.0], [1.0], [5.0]]), [20, 30, 10], axis=0)
    record = selector(n_neighbors=5).select(X, 3, return_selection=True)
    assert record.scales["bandwidth"] == 0
    # weights 20, 30, 10 times distances: 10 rows 4 away outweigh 20 rows 1 away
    assert record.indices.tolist() == [20, 50, 0]


@pytest.mark.parametrize("spread", [1e-160, 1e-170, 1e100])
def test_extreme_units(spread):
    X = np.arange(8.0)[:, None] * spread
    picks = selector().select(X, 3)
    assert len(set(picks.tolist())) == 3


def test_a_large_source_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr(scales, "MAX_SOURCE", 12)
    source, X = normal(50, 2, 0), normal(40, 2, 1)
    for seed in (0, 1):
        fitted = selector(alpha=0.5, random_state=seed, n_neighbors=3).fit(source)
        record = fitted.select(X, 5, return_selection=True)
        assert record.scales["n_source_used"] == 12
        full = naive.novelty(X, source, 3)[record.indices]
        assert (record.terms["novelty"] >= full - 1e-12).all()  # fewer rows are never nearer


def test_approximate_neighbours_are_recorded(monkeypatch):
    # the graph itself is tested with the neighbours; here a stand-in spares its compilation
    def first_rows(rows, data, wanted, itself, seed):
        return np.tile(np.arange(wanted), (len(rows), 1))

    monkeypatch.setattr(_knn, "_approximate", first_rows)
    X = lattice(80, 3, 30, 0)
    fitted = selector(algorithm="pynndescent", alpha=0.5, density="typicality").fit(X + 0.5)
    scales = fitted.select(X, 5, return_selection=True).scales
    assert not scales["exact"]
    assert not scales["novelty_exact"]
    assert scales["n_demand"] == 80
