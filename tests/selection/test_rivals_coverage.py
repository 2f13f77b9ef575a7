"""Rivals that cover the pool, against naive twins written here, and against scikit-activeml.

The twins hold whole matrices and score every row and every exchange afresh. They add terms one
after another, as the kernels do, so that exact ties are ties in both.
"""

import numpy as np
import pytest
from hypothesis import given, settings

from skxssr import (
    FacilityLocationSelector,
    KMedoidsSelector,
    MaxHerdingSelector,
    ProbCoverSelector,
    XSSRSelector,
)
from skxssr.base.request import check_request
from skxssr.metrics import coverage_loss
from skxssr.selection._engine import scales
from skxssr.selection._engine.scales import demand_rows
from tests import naive
from tests.conftest import DATA, lattice, normal
from tests.selection.test_properties import problems

RIVALS = [MaxHerdingSelector, ProbCoverSelector, FacilityLocationSelector, KMedoidsSelector]
KINDS = ["normal", "lattice", "line", "duplicates", "mostly one value"]


def add(values):
    """Sum of each row, from the first term to the last."""
    return np.cumsum(values, axis=-1)[..., -1]


def arguments(n, seed):
    """Calls of `select` that try every argument, alone and together."""
    rng = np.random.default_rng(seed)
    labeled = rng.choice(n, 3, replace=False).tolist()
    candidates = np.sort(rng.choice(n, n - 10, replace=False))
    groups = rng.integers(0, 6, n)
    weight = rng.integers(0, 4, n).astype(float)
    return [
        {},
        {"labeled": labeled},
        {"candidates": candidates},
        {"groups": groups},
        {"groups": groups, "max_per_group": 2},
        {"sample_weight": weight},
        {
            "labeled": labeled,
            "candidates": candidates,
            "groups": groups,
            "max_per_group": 3,
            "sample_weight": weight + rng.random(n),
        },
    ]


class Problem:
    """A call, its demand and its weights as the twins need them."""

    def __init__(self, X, budget, demand=None, **call):
        self.X, self.budget, self.n = X, budget, len(X)
        self.labeled = list(call.get("labeled", ()))
        self.rows = naive.open_candidates(self.n, self.labeled, call.get("candidates"))
        self.limits = call.get("groups"), call.get("max_per_group")
        self.demand = np.arange(self.n) if demand is None else np.asarray(demand)
        weight = call.get("sample_weight")
        self.weight = (np.ones(self.n) if weight is None else np.asarray(weight))[self.demand]
        self.counted = np.tile(self.weight / self.weight.max(), (self.n, 1))
        if demand is not None:  # a sample: no row counts itself
            self.counted[self.demand, np.arange(len(self.demand))] = 0.0
        left = self.counted.sum(axis=1)
        self.boost = np.where(left > 0, self.counted.max(axis=0).sum() / (left + (left == 0)), 1.0)
        self.distance = naive.distances(X, X[self.demand])

    def allowed(self, picked):
        return naive.may_pick(self.rows, picked, self.labeled, *self.limits)

    def group(self, row):
        return 0 if self.limits[0] is None else self.limits[0][row]


def max_herding(problem, h):
    K = naive.gaussian(problem.distance**2, h)
    apart = naive.squared_distances(problem.X, problem.X)
    weight = problem.counted * problem.weight.max()
    picked, first, won = [], None, []
    for _ in range(problem.budget):
        chosen = [*problem.labeled, *picked]
        covered = K[chosen].max(axis=0) if chosen else np.zeros(len(problem.demand))
        gain = add(weight * np.maximum(0.0, K - covered))
        first = (max(gain[problem.rows]) or 1.0) if first is None else first
        score = np.float32(gain / first)
        nearest = apart[:, chosen].min(axis=1) if chosen else np.zeros(problem.n)
        best = max(problem.allowed(picked), key=lambda i: (score[i], nearest[i], -i))
        picked.append(best)
        won.append(score[best])
    return picked, won


def prob_cover(problem, radius):
    inside = problem.distance <= radius
    whole = problem.counted.max(axis=0).sum()
    picked, now, won = [], 0, []
    for _ in range(problem.budget):
        times = inside[[*problem.labeled, *picked]].sum(axis=0)
        allowed = problem.allowed(picked)
        while True:
            gain = add(problem.counted * (inside & (times <= now))) * problem.boost
            if gain[allowed].any() or now >= times.max():
                break
            now += 1
        score = np.float32(gain / whole)
        best = max(allowed, key=lambda i: (score[i], -i))
        picked.append(best)
        won.append(score[best])
    return picked, won


def facility_location(problem, source=None):
    unit = naive.diameter(problem.X) if source is None else None
    served = np.full(len(problem.demand), unit)
    if source is not None:
        served = naive.distances(problem.X[problem.demand], source).min(axis=1)
        unit = served.max()
    nothing = source is None and not problem.labeled
    for row in problem.labeled:
        served = np.minimum(served, problem.distance[row])
    unit = (unit or 1.0) * problem.counted.max(axis=0).sum()
    picked = []
    for _ in range(problem.budget):
        if nothing and not picked:  # the lowest cost, free of the bound that all share
            score = np.float32(-add(problem.counted * problem.distance) * problem.boost / unit)
        else:
            gain = add(problem.counted * np.maximum(0.0, served - problem.distance))
            score = np.float32(gain * problem.boost / unit)
        best = max(problem.allowed(picked), key=lambda i: (score[i], -i))
        picked.append(best)
        served = np.minimum(served, problem.distance[best])
    return picked


def cost_without(problem, chosen, source, row):
    """Mean distance to `chosen` and `source`; what `row` would save for itself is not counted."""
    served = problem.distance[chosen].min(axis=0) if len(chosen) else np.inf
    if source is not None:
        served = np.minimum(served, naive.distances(problem.X[problem.demand], source).min(axis=1))
    return (problem.counted[row] * served).sum()


def exchange(problem, picked, source, passes):
    """All swaps of a pass by their falls, the best of each pick; made while they still help."""
    picked = list(picked)
    every = problem.counted.max(axis=0)
    unit = naive.diameter(problem.X)
    if source is not None:
        unit = naive.distances(problem.X[problem.demand], source).max()
    unit = (unit or 1.0) * every.sum()

    def fall(t, row):
        old, new = [*problem.labeled, *picked], [*problem.labeled, *picked]
        new[len(problem.labeled) + t] = row
        before = cost_without(problem, old, source, row)
        return np.float32((before - cost_without(problem, new, source, row)) / unit)

    for _ in range(passes):
        best = []
        for t, pick in enumerate(picked):
            peers = [i for i in problem.rows if problem.group(i) == problem.group(pick)]
            falls = [(fall(t, i), -i, i) for i in peers if i not in picked]
            best.append(max(falls, default=(0.0, 0, -1)))
        made = False
        for t in sorted(range(len(picked)), key=lambda t: (-best[t][0], t)):
            served = problem.distance[[*problem.labeled, *picked]].min(axis=0)
            if source is not None:
                rows = problem.X[problem.demand]
                served = np.minimum(served, naive.distances(rows, source).min(axis=1))
            least = 1e-12 + 1e-6 * (every * served).sum() / unit
            row = best[t][2]
            if best[t][0] > least and row not in picked and fall(t, row) > least:
                picked[t] = row
                made = True
        if not made:
            break
    return picked


@pytest.fixture
def small_demand(monkeypatch):
    """Demand sets of 25 rows, so that small pools are sampled."""
    monkeypatch.setattr(scales, "MIN_DEMAND", 25)
    monkeypatch.setattr(scales, "DEMAND_PER_PICK", 1)


def sample(X, budget, seed, **call):
    """The rows that a selector with this `random_state` takes for its demand."""
    request = check_request(len(X), budget, **call)
    drawn = int(np.random.RandomState(seed).randint(np.iinfo(np.int32).max))
    demand, notes = demand_rows(len(X), request, drawn)
    return demand if notes["demand_sampled"] else None


def radius_of(X):
    """A radius with some ten rows in a ball, between two distances so that no rounding decides."""
    nearest = np.unique(np.round(naive.distances(X, X), 6))
    at = max(1, len(nearest) // 8)
    return float(nearest[at : at + 2].mean())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("case", range(7))
def test_every_argument_on_every_kind_of_data(name, case):
    X = DATA[name]
    call = arguments(len(X), case)[case]
    problem = Problem(X, 9, **call)
    args = {"preprocess": None}
    k = naive.default_k(len(X), len(problem.labeled) + 9)
    h = naive.bandwidth(X, k)
    for chosen in (None, 1.3):
        herding = MaxHerdingSelector(bandwidth=chosen, **args)
        record = herding.select(X, 9, return_selection=True, **call)
        expected, scores = max_herding(problem, chosen or h)
        assert record.indices.tolist() == expected
        np.testing.assert_allclose(record.scores, scores, rtol=1e-5, atol=1e-7)
        assert record.scales["bandwidth"] == pytest.approx(chosen or h)
    radius = radius_of(X)
    record = ProbCoverSelector(radius=radius, **args).select(X, 9, return_selection=True, **call)
    expected, scores = prob_cover(problem, radius)
    assert record.indices.tolist() == expected
    np.testing.assert_allclose(record.scores, scores, rtol=1e-6)
    built = facility_location(problem)
    assert FacilityLocationSelector(**args).select(X, 9, **call).tolist() == built
    plain = KMedoidsSelector(**args)
    assert plain.set_params(swaps=0).select(X, 9, **call).tolist() == built
    expected = exchange(problem, built, None, 3)
    assert plain.set_params(swaps=3).select(X, 9, **call).tolist() == expected


@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates"])
@pytest.mark.parametrize("case", range(7))
def test_k_medoids_with_a_source(name, case):
    X = DATA[name]
    source = X.mean(axis=0) + 0.7 * normal(6, X.shape[1], 30 + case)
    call = arguments(len(X), 50 + case)[case]
    problem = Problem(X, 7, **call)
    built = facility_location(problem, source)
    fitted = KMedoidsSelector(preprocess=None, swaps=0).fit(source)
    assert fitted.select(X, 7, **call).tolist() == built
    expected = exchange(problem, built, source, 4)
    assert fitted.set_params(swaps=4).select(X, 7, **call).tolist() == expected
    without = fitted.set_params(cover_source=False).select(X, 7, **call)
    alone = KMedoidsSelector(preprocess=None, swaps=4).select(X, 7, **call)
    assert without.tolist() == alone.tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", [0, 1, 5, 6])
def test_a_sampled_demand_leaves_every_row_its_own_out(small_demand, seed, case):
    X = normal(90, 3, seed) if seed % 2 else lattice(90, 2, 9, seed)
    call = arguments(90, seed)[case]
    demand = sample(X, 8, seed, **call)
    problem = Problem(X, 8, demand, **call)
    args = {"preprocess": None, "random_state": seed}
    herding = MaxHerdingSelector(bandwidth=0.9, **args)
    assert herding.select(X, 8, **call).tolist() == max_herding(problem, 0.9)[0]
    radius = radius_of(X)
    cover = ProbCoverSelector(radius=radius, **args)
    assert cover.select(X, 8, **call).tolist() == prob_cover(problem, radius)[0]
    built = facility_location(problem)
    record = FacilityLocationSelector(**args).select(X, 8, return_selection=True, **call)
    assert record.indices.tolist() == built
    assert record.scales["demand_sampled"] == (demand is not None)
    refined = KMedoidsSelector(swaps=3, **args).select(X, 8, **call)
    assert refined.tolist() == exchange(problem, built, None, 3)


def test_max_herding_has_the_bandwidth_of_xssr(pool):
    for budget in (3, 8):
        ours, theirs = (
            make().select(pool, budget, return_selection=True).scales
            for make in (MaxHerdingSelector, XSSRSelector)
        )
        assert ours["bandwidth"] == theirs["bandwidth"]
        assert ours["n_neighbors"] == theirs["n_neighbors"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labeled", [[], [4, 50]])
def test_max_herding_equals_scikit_activeml(seed, labeled):
    pool = pytest.importorskip("skactiveml.pool")
    X = normal(120, 5, seed)
    y = np.full(120, np.nan)
    y[labeled] = 0
    h = 1.7
    query = pool.MaxHerding(
        normalize_samples=False, metric="rbf", metric_dict={"gamma": 0.5 / h**2}, random_state=0
    )
    theirs = query.query(X, y, batch_size=15)
    ours = MaxHerdingSelector(bandwidth=h, preprocess=None).select(X, 15, labeled=labeled)
    assert ours.tolist() == list(theirs)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("with_source", [False, True])
def test_settled_medoids_are_a_local_optimum_below_the_greedy_ones(seed, with_source):
    X, source = normal(70, 2, seed), normal(8, 2, 90 + seed) if with_source else None
    selector = KMedoidsSelector(preprocess=None)
    if with_source:
        selector.fit(source)
    record = selector.select(X, 6, return_selection=True)
    assert record.scales["exchanges_settled"]

    def cost(rows):
        return cost_without(Problem(X, 6), list(rows), source, 0)

    settled, picks = cost(record.indices), record.indices.tolist()
    assert settled <= cost(selector.set_params(swaps=0).select(X, 6)) + 1e-9
    for t in range(6):
        for row in set(range(70)) - set(picks):
            assert cost([*picks[:t], row, *picks[t + 1 :]]) >= settled * (1 - 1.01e-6)


def test_exchanges_find_what_greedy_misses():
    X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [30.0]])
    record = KMedoidsSelector(preprocess=None).select(X, 3, return_selection=True)
    assert record.indices.tolist() == [1, 5, 3]  # greedy: 2, 5, 3
    assert record.scales["n_exchanges"] == 1
    assert record.coverage[-1] == pytest.approx(coverage_loss(X, [1, 5, 3]))
    np.testing.assert_allclose(-np.diff(record.coverage), record.terms["gain"][1:])


def test_an_exchange_stays_within_the_group():
    X, groups = normal(60, 2, 3), np.arange(60) % 4
    greedy, refined = (
        KMedoidsSelector(preprocess=None, swaps=s).select(X, 9, groups=groups) for s in (0, 10)
    )
    assert groups[greedy].tolist() == groups[refined].tolist()
    assert greedy.tolist() != refined.tolist()


@pytest.mark.parametrize("make", RIVALS)
@pytest.mark.parametrize("unit", [1e-30, 1e100])
def test_no_unit_of_distance_is_too_large_or_small(make, unit):
    X, source = normal(60, 3, 2), normal(10, 3, 8)
    power = 2.0 ** np.round(np.log2(unit))
    plain = make(preprocess=None).fit(source).select(X, 8)
    assert make(preprocess=None).fit(power * source).select(power * X, 8).tolist() == plain.tolist()


@pytest.mark.parametrize("make", RIVALS)
def test_threads_and_floats_change_no_pick(make):
    X, source = normal(400, 2, 0).astype(np.float32), normal(40, 2, 1).astype(np.float32)
    selector = make(preprocess=None)
    picks = [
        selector.set_params(n_jobs=j).fit(source).select(X.astype(a), 9).tolist()
        for j, a in ((1, np.float32), (3, np.float64))
    ]
    assert picks[0] == picks[1]


@pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")
@pytest.mark.parametrize("make", RIVALS)
def test_degenerate_data(make, data, dtype):
    X = data.astype(dtype)
    budget = min(12, len(X))
    for fitted in (make(), make().fit(X[:3] + X[-1])):
        record = fitted.select(X, budget, return_selection=True)
        assert len(set(record.indices.tolist())) == budget
        assert np.isfinite(record.scores).all()
        assert (record.scores >= 0).all()
        assert all(len(term) == budget for term in record.terms.values())


SHORTER = [
    MaxHerdingSelector(bandwidth=1.0),
    ProbCoverSelector(radius=1.0),
    FacilityLocationSelector(),
    KMedoidsSelector(swaps=0),
    KMedoidsSelector(swaps=2),
]


@pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")
@settings(max_examples=25)
@given(problems())
def test_picks_are_unique_allowed_and_a_prefix_of_more(problem):
    X, source, budget, call = problem
    for selector in SHORTER:
        selector.set_params(preprocess=None).fit(source)
        picks = selector.select(X, budget, **call).tolist()
        assert len(set(picks)) == budget
        assert set(picks) <= set(call["candidates"])
        if getattr(selector, "swaps", 0) == 0:
            shorter = selector.select(X, 1 + budget // 2, **call).tolist()
            assert shorter == picks[: 1 + budget // 2]
