"""The torch engine: bounds that hold, and the picks of the other engines."""

import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from skxssr import CoreSetSelector  # noqa: E402
from skxssr._kernels import density  # noqa: E402
from skxssr._kernels.cover import cover  # noqa: E402
from skxssr._torch import bounds  # noqa: E402
from skxssr.selection import make_variant  # noqa: E402
from skxssr.selection._engine import coverage_state  # noqa: E402
from tests import naive  # noqa: E402
from tests.conftest import normal  # noqa: E402
from tests.selection.test_fast_paths import KINDS, after, demand_of  # noqa: E402
from tests.selection.test_properties import BY_DISTANCE, parameters_of, problems  # noqa: E402

xssr = partial(make_variant, "residual")  # the form whose bounds this engine computes
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
CLUSTERS = normal(12, 9, 0)[np.arange(700) % 12]
POOLS = {
    **KINDS,
    "tight clusters": (CLUSTERS + 1e-4 * normal(700, 9, 1)).astype(np.float32),
    "half": normal(700, 5, 2).astype(np.float16),
}
pytestmark = pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")
on_every_device = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(params=[1 << 21, 999], ids=["at once", "little by little"], autouse=True)
def elements(request, monkeypatch):
    monkeypatch.setattr(bounds, "_ELEMENTS", {"cpu": request.param, "cuda": request.param})


@on_every_device
@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("width", [0.02, 0.2, 2.0])
def test_bounds_of_densities_are_above_them_and_not_by_much(name, sampled, width, device):
    X = KINDS[name]
    demand = demand_of(X, sampled=sampled, width=width, weight=np.linspace(0.1, 3, len(X)))
    rows = np.random.default_rng(0).permutation(len(X)).astype(np.int32)[:300]
    start = coverage_state.InitialState(after(demand, []), np.zeros(len(X)))
    on_device = coverage_state.densities_on(device, demand, n_jobs=1)
    ledger = coverage_state.CoverageBatch(demand, start, 3, n_jobs=1, on_device=on_device)
    picks = np.array([3, 99, 400], dtype=np.int64)
    cover(demand, picks, 0, len(demand.radius32), ledger.runs[2].exact)
    ledger.runs[2].round_down()
    found = ledger.bounds(ledger.in_order(rows), [2, 0], n_jobs=1)
    for bound, state in zip(found, (after(demand, picks), start.cover), strict=True):
        exact = np.zeros(len(X))
        density.density_of_rows(demand, rows, 0, len(rows), state.covered, exact)
        assert (bound >= exact[rows]).all()
    if demand.precision > 0:
        assert (found[1] <= exact[rows] * 1.002 + 1e-30).all()


@on_every_device
@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("at_once", [False, True])
def test_bounds_of_distances_hold_on_both_sides(name, at_once, device):
    X = POOLS[name].astype(np.float64)
    X = X - X[0]
    reach = np.sqrt((X**2).sum(axis=1).max()) or 1.0
    rows = (X / reach).astype(np.float32)
    exact = naive.squared_distances(X / reach, X / reach)
    distances = bounds.Distances(
        lambda lo, hi: rows[lo:hi],
        exact[0],
        X.shape[1],
        np.ones(len(X)),
        device=device,
        n_jobs=1,
    )
    picks = np.random.default_rng(1).permutation(len(X))[:40]
    if at_once:
        distances.lower_to_all(picks)
    else:
        for pick in picks:
            distances.lower_to(pick)
    nearest = np.minimum(exact[0], exact[:, picks].min(axis=1))
    upper, lower = distances._upper.cpu().numpy(), distances._lower.cpu().numpy()
    assert (lower <= nearest).all()
    assert (nearest <= upper).all()
    # the product alone is off by a share of the norms; differences by one of the square, nearly
    of_square = (X.shape[1] + 16) * 2.0**-22 * nearest + 1e-12
    assert (upper - lower <= (1e-4 if at_once else of_square + 1e-6 * np.sqrt(nearest))).all()


@on_every_device
@pytest.mark.parametrize("name", list(POOLS))
def test_core_set_picks_the_same(name, device):
    X = POOLS[name]
    n = len(X)
    rng = np.random.default_rng(0)
    some = rng.permutation(n)
    for more in (
        {},
        {"labeled": some[: n // 4]},
        {"sample_weight": rng.integers(0, 3, n) * 1e-180, "candidates": some[: n // 2]},
        {"groups": np.arange(n) // 3, "labeled": some[: n // 9]},
        {"groups": rng.integers(0, 7, n), "max_per_group": 1 + n // 14},
    ):
        lazy, there = (
            CoreSetSelector(preprocess=None, engine=engine, device=device).select(
                X, 40, return_selection=True, **more
            )
            for engine in ("lazy", "torch")
        )
        assert lazy.indices.tolist() == there.indices.tolist()
        np.testing.assert_array_equal(lazy.scores, there.scores)


@on_every_device
@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("novelty", ["score", "demand"])
def test_xssr_picks_the_same(name, novelty, device):
    X = POOLS[name]
    lazy, there = (
        xssr(engine=engine, novelty=novelty, alphas=(0.0, 0.5, 1.0), preprocess=None, device=device)
        .fit(X[::7] + X.dtype.type(0.5))
        .select(X, 30, labeled=[5, 9], return_selection=True)
        for engine in ("lazy", "torch")
    )
    assert lazy.indices.tolist() == there.indices.tolist()
    assert lazy.scores.tolist() == there.scores.tolist()
    assert lazy.alpha_losses.tolist() == there.alpha_losses.tolist()


@settings(max_examples=60)
@given(problems(), parameters_of(*BY_DISTANCE), st.booleans(), st.sampled_from(DEVICES))
def test_engines_agree_on_lattices(problem, parameters, coreset, device):
    X, source, budget, call = problem
    make = CoreSetSelector if coreset else make_variant
    chosen = {"preprocess": parameters["preprocess"]} if coreset else parameters
    lazy, there = (
        make(**chosen, engine=engine, device=device).fit(source).select(X, budget, **call)
        for engine in ("lazy", "torch")
    )
    assert lazy.tolist() == there.tolist()


def test_what_torch_was_told_of_products_is_left_as_it_was():
    def told():
        legacy = torch.get_float32_matmul_precision()
        return getattr(torch.backends.cuda.matmul, "fp32_precision", legacy)

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with bounds._in_full():
            assert told() in {"ieee", "highest"}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("make", [CoreSetSelector, xssr])
def test_a_device_that_is_not_there_is_named(make):
    with pytest.raises(ValueError, match="device='tpu9' cannot be used here"):
        make(engine="torch", device="tpu9").select(POOLS["float32"], 5)


@pytest.mark.parametrize("make", [CoreSetSelector, xssr])
def test_a_device_without_float64_is_refused(make, monkeypatch):
    monkeypatch.setattr(bounds, "resolve_device", torch.device)
    with pytest.raises(ValueError, match="device='mps' cannot be used.*Use device='cuda' or"):
        make(engine="torch", device="mps").select(POOLS["float32"], 5)


@pytest.mark.parametrize("make", [CoreSetSelector, xssr])
def test_a_device_without_room_says_what_to_do(make, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(torch, "tensor", full)
    rows = r"device='cpu' has no memory left for 700 rows of \d+ values.*Use engine='lazy', which"
    with pytest.raises(MemoryError, match=rows):
        make(engine="torch", device="cpu").select(POOLS["tight clusters"], 5)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("make", [CoreSetSelector, xssr])
def test_torch_keeps_to_n_jobs_and_is_left_as_it_was(make, n_jobs, monkeypatch):
    seen, before = [], torch.get_num_threads()
    put = bounds._OnDevice.put

    def look(self, values):
        seen.append(torch.get_num_threads())
        return put(self, values)

    monkeypatch.setattr(bounds._OnDevice, "put", look)
    make(engine="torch", device="cpu", n_jobs=n_jobs).select(POOLS["float32"], 5)
    assert set(seen) == {n_jobs}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("make", [CoreSetSelector, xssr])
def test_without_torch_the_error_says_what_to_install(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "skxssr._torch.bounds")
    with pytest.raises(ImportError, match=r"engine='torch' needs the package 'torch'.*\[torch\]"):
        make(engine="torch").select(POOLS["float32"], 5)


def test_half_precision_is_the_same_values_as_float32():
    X = POOLS["half"]
    for make in (CoreSetSelector, xssr):
        same = make().select(X.astype(np.float32), 20)
        assert make().select(X, 20).tolist() == same.tolist()
