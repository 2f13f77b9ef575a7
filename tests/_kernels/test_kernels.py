"""Kernels against their naive twins: exponential, distances, ties, cover, gains, where to cache."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skxssr
from skxssr._kernels import blocks, distances, greedy, lazy, medoids
from skxssr._kernels.cover import cover
from skxssr._kernels.demand import make_demand
from skxssr.base.request import Request
from skxssr.selection._engine.coverage_state import empty_cover, start_state
from skxssr.selection._engine.greedy_runs import greedy_runs, run_full
from tests import naive
from tests.conftest import lattice, normal


@pytest.fixture(scope="module")
def gaussian():
    return blocks._gaussian


def test_gaussian_is_the_exponential_within_two_ulp(gaussian):
    rng = np.random.default_rng(0)
    t = np.r_[0.0, 1e-300, 1e-17, 0.5, 708.0, 744.9, 745.0, rng.uniform(0, 745, 20_000)]
    t = np.r_[t, np.arange(1075) * math.log(2) / 2, 10.0 ** rng.uniform(-20, 2, 5_000)]
    t = t[t <= 745]
    exact = np.array([math.exp(-x) for x in t])
    got = np.array([gaussian(x, 1.0) for x in t])
    assert (np.abs(got - exact) <= 2 * np.spacing(exact)).all()
    assert gaussian(0.0, 3.0) == 1.0


@pytest.mark.parametrize("beyond", [745.1, 1e3, 1e300, np.inf])
def test_gaussian_is_zero_beyond_the_smallest_number(gaussian, beyond):
    assert gaussian(beyond, 1.0) == 0.0


def test_gaussian_never_rises_with_the_distance_nor_exceeds_one(gaussian):
    t = np.sort(np.random.default_rng(1).uniform(0, 4, 20_000))
    values = np.array([gaussian(x, 1.0) for x in t])
    assert values.max() <= 1.0
    assert np.diff(values).max() <= np.spacing(1.0)


def test_powers_of_two_are_exact():
    assert (np.ldexp(1.0, -np.arange(1100)) == blocks._POWER_OF_2).all()


def covered_by(X, picks, precision):
    diameter = 2 * np.abs(X).max() * X.shape[1] ** 0.5
    demand = make_demand(
        X, np.arange(len(X)), np.ones(len(X)), sampled=False, precision=precision, diameter=diameter
    )
    state = empty_cover(demand, np.zeros(len(demand.rows)))
    for pick in picks:
        cover(demand, np.array([pick]), 0, len(demand.radius32), state)
    return state.covered[~demand.filler]


@pytest.mark.parametrize("precision", [0.5, 3.0, 1e-4, -1.0])
def test_kernel_is_symmetric(precision):
    X = normal(9, 5, 0)
    covered = np.array([covered_by(X, [i], precision) for i in range(9)])
    assert (covered == covered.T).all()
    expected = np.exp(-naive.squared_distances(X, X) * precision) if precision > 0 else np.eye(9)
    np.testing.assert_allclose(covered, expected, rtol=1e-13)


def test_cover_only_raises():
    X = normal(300, 2, 0)  # more than one block of demand points
    expected = np.exp(-naive.squared_distances(X[[3, 200]], X) * 0.7).max(axis=0)
    np.testing.assert_allclose(covered_by(X, [3, 200], 0.7), expected, rtol=1e-13)


@pytest.mark.parametrize("n", range(1, 10))
def test_rows_side_by_side_are_the_plain_loop_bit_for_bit(n, dtype):
    X = normal(n, 7, n).astype(dtype)
    point = normal(1, 7, 99).astype(dtype)[0]
    nearest = np.full(n, 5.0)
    distances.lower_to_point(X, 0, n, point, nearest)
    for i in range(n):
        plain = 0.0
        for a, b in zip(X[i].astype(float), point.astype(float), strict=True):
            plain += (a - b) * (a - b)
        assert nearest[i] == min(5.0, plain)


def test_a_block_touches_its_own_rows_only():
    nearest = np.full(10, np.inf)
    distances.lower_to_point(normal(10, 2, 0), 3, 8, np.zeros(2), nearest)
    assert np.flatnonzero(np.isfinite(nearest)).tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("score", "tie", "allowed", "expected"),
    [
        ([1, 3, 2], [0, 0, 0], [1, 1, 1], 1),
        ([1, 3, 2], [0, 0, 0], [1, 0, 1], 2),
        ([3, 3, 3], [1, 5, 5], [1, 1, 1], 1),
        ([3, 3, 3], [1, 5, 9], [1, 1, 1], 2),
        ([0, 0, 0], [0, 0, 0], [0, 1, 1], 1),
        ([-1, -2, -1], [0, 9, 0], [1, 1, 1], 0),
        ([1, 1], [1, 1], [0, 0], -1),
    ],
)
def test_argmax_breaks_ties_by_the_second_key_then_the_lowest_index(score, tie, allowed, expected):
    args = np.array(score, float), np.array(tie, float), np.array(allowed, bool)
    assert distances.argmax_allowed(*args) == expected


def test_powers_with_nothing_to_the_nothing():
    base, out = np.array([0.0, 1.0, 4.0]), np.empty(3)
    for exponent in (0.0, 0.5, 1.0):
        greedy.powers(base, 2.0, exponent, out)
        assert out.tolist() == ((base / 2.0) ** exponent).tolist()


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(
    ("worth", "above"), [(-np.inf, -np.inf), (0.5, 0.25), (0.25, 0.5), (2.0, 0.0)]
)
@pytest.mark.parametrize("seed", range(6))
def test_leaders_are_those_of_the_naive_twin(direct, worth, above, seed):
    rng = np.random.default_rng(seed)
    now = 5
    known = rng.choice(
        [0, 7, 2 * now, 2 * now + 1], size=60, p=[[0.2, 0.3, 0.3, 0.2], [0.5, 0, 0, 0.5]][seed % 2]
    )
    rows = lazy.Rows(
        bound=(rng.integers(12, size=60) / 8).astype(np.float32),
        known=known.astype(np.int32),
        density=np.zeros(60),
        nearest=np.zeros(60),
        seen=np.zeros(60, dtype=np.int32),
    )
    few = rng.permutation(60)[:40].astype(np.int32)
    allowed = rng.random(60) < 0.8
    out = np.empty(40, dtype=np.int32)
    n, bounded = lazy.leaders(rows, few, allowed, now, direct, worth, above, out)
    expected, kind = naive.leaders(rows.bound, known, few, allowed, now, direct, worth, above)
    assert out[:n].tolist() == expected
    assert bounded == kind or not expected


def test_lazy_reads_few_rows_where_the_full_scan_reads_all():
    X = normal(400, 3, 0)
    request = Request(20, np.empty(0, np.intp), np.arange(400), None, None, np.ones(400))
    demand = make_demand(
        X, np.arange(400), np.ones(400), sampled=False, precision=2.0, diameter=20.0
    )
    start, none = start_state(demand, request, 20.0, n_jobs=None), np.empty(0)
    score = greedy.Score(1.0, 1.0, np.ones(400), alpha=0.0)
    (run,) = greedy_runs([demand], [score], start, none, request, n_jobs=None)
    score = score._replace(density_scale=run.density_scale)
    full = run_full(demand, score, start, none, request, n_jobs=None)
    assert run.indices.tolist() == full.indices.tolist()
    assert run.scores.tolist() == full.scores.tolist()
    assert run.density.tolist() == full.density.tolist()
    assert run.n_evaluations < full.n_evaluations / 3


def cost_of(X, demand, *, sampled, weight):
    own = np.full(len(X), -1, dtype=np.int64)
    if sampled:
        own[demand] = np.arange(len(demand))
    return medoids.Cost(
        X=X,
        demand=np.ascontiguousarray(X[demand].T),
        weight=weight,
        whole=float(weight.sum()),
        own=own,
        radius=-1.0,
        unit=3.0 * float(weight.sum()),
    )


def plain_gain(cost, row, current):
    falls = seen = 0.0
    for y in range(cost.demand.shape[1]):
        if y != cost.own[row]:
            distance = np.sqrt(sum((cost.X[row] - cost.demand[:, y]) ** 2))
            falls += cost.weight[y] * max(0.0, current[y] - distance)
            seen += cost.weight[y]
    return falls * cost.whole / seen


def plain_score(cost, offset, gain):
    return np.float32((gain - offset) / cost.unit)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("kind", ["normal", "lattice"])
def test_best_gain_is_the_best_of_all_rows_and_looks_at_few(kind, sampled):
    X = normal(70, 3, 3) if kind == "normal" else lattice(70, 2, 3, 3)
    rng = np.random.default_rng(7)
    demand = rng.permutation(70)[:30] if sampled else np.arange(70)
    cost = cost_of(X, demand, sampled=sampled, weight=rng.uniform(0.1, 1.0, len(demand)))
    rows, allowed = np.arange(70), rng.random(70) < 0.7
    stale, score = np.zeros(70), np.zeros(70, dtype=np.float32)
    medoids.gains_of_rows(cost, rows, 0, 70, np.full(len(demand), 3.0), stale)
    medoids.scores_of_gains(cost, rows, 0.0, stale, score)
    current, served = np.full(len(demand), 3.0), np.empty(len(demand))
    for pick in (5, 44):
        medoids.costs_of_row(cost, pick, served)
        current = np.minimum(current, served)
    gains = [plain_gain(cost, i, current) for i in rows]
    fresh = [plain_score(cost, 0.0, gains[i]) for i in rows]
    expected = max(np.flatnonzero(allowed), key=lambda i: (fresh[i], -i))
    order = np.argsort(-score, kind="stable")
    pick, n_fresh = medoids.best_gain(cost, order, allowed, current, 0.0, stale, score)
    assert pick == expected
    assert stale[pick] == pytest.approx(gains[pick], rel=1e-12)
    assert score[pick] == fresh[pick]
    assert 1 <= n_fresh <= allowed.sum()


def test_best_gain_of_no_allowed_row_is_none():
    X = normal(5, 2, 0)
    cost = cost_of(X, np.arange(5), sampled=False, weight=np.ones(5))
    args = 0.0, np.zeros(5), np.zeros(5, dtype=np.float32)
    nobody = np.zeros(5, dtype=bool)
    assert medoids.best_gain(cost, np.arange(5), nobody, np.ones(5), *args) == (-1, 0)


@pytest.mark.parametrize("offset", [0.0, 2.5])
def test_scores_of_gains(offset):
    X = normal(20, 2, 1)
    cost = cost_of(X, np.arange(20), sampled=False, weight=np.full(20, 0.5))
    rng = np.random.default_rng(0)
    gain = offset + np.r_[0.0, rng.random(19) * 9]
    score, rows = np.full(20, -1, dtype=np.float32), np.arange(0, 20, 3)
    medoids.scores_of_gains(cost, rows, offset, gain, score)
    for i in range(20):
        plain = plain_score(cost, offset, gain[i])
        assert score[i] == (plain if i % 3 == 0 else -1)
    assert score[0] == 0


def test_kernels_work_where_no_cache_can_be_written(tmp_path):
    # A file stands where each cache folder would be made, so that it fails for root as well.
    package = tmp_path / "skxssr"
    kernels = package / "_kernels"
    shutil.copytree(
        Path(skxssr.__file__).parent / "_kernels",
        kernels,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (package / "__init__.py").write_text("")
    (kernels / "__pycache__").write_text("not a folder")
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("not a folder")
    code = (
        "import numba, numpy as np\n"
        "from skxssr._kernels import distances as d\n"
        "try:\n"
        "    numba.njit(cache=True)(d.lower_to_point.py_func)\n"
        "except RuntimeError:\n"
        "    print('no cache folder')\n"
        "nearest = np.full(5, np.inf)\n"
        "d.lower_to_point(np.ones((5, 2)), 0, 5, np.zeros(2), nearest)\n"
        "print(d.__file__, nearest.tolist())\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    env |= {
        "HOME": str(nowhere),
        "XDG_CACHE_HOME": str(nowhere),
        "LOCALAPPDATA": str(nowhere),
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    where = str(kernels / "distances.py")
    assert done.stdout.splitlines() == ["no cache folder", f"{where} {[2.0] * 5}"]
