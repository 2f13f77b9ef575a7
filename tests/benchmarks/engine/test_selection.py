"""The engine benchmark at tiny sizes, without peers: oracle, races, result file and page."""

import json
import sys

import numpy as np
import pytest

from benchmarks.common import PAGES, RESULTS
from benchmarks.engine import cases, data, main, ours, peers
from skxssr import XSSRSelector
from skxssr.selection import make_variant
from tests import naive

TINY = {"n": 300, "d": 8, "budget": 12, "n_source": 100, "larger": 900, "n_groups": 150}


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The command, at tiny sizes, with files of its own and no environment of peers."""
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    for name in ("FULL", "QUICK"):
        monkeypatch.setattr(main, name, cases.Size(**TINY, repeats=1, cold=1))
    monkeypatch.setattr(main, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(main, "PAGES", tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["main.py", *map(str, arguments)])
        main.main()

    run.engine, run.cases, run.data = main, cases, data
    run.result = tmp_path / "results" / "engine.json"
    run.page = tmp_path / "engine.md"
    return run


@pytest.mark.parametrize("kind", ["medium", "tight", "isotropic", "source"])
def test_a_larger_pool_begins_with_the_rows_of_a_smaller_one(bench, kind):
    X = bench.data.rows_of(kind, 10_500, 3)
    assert X.dtype == np.float32 and X.shape == (10_500, 3)
    np.testing.assert_array_equal(X[:700], bench.data.rows_of(kind, 700, 3))
    np.testing.assert_array_equal(X, np.load(bench.data.pool_file(kind, 10_500, 3)))
    assert len(np.unique(X, axis=0)) == len(X)


@pytest.mark.parametrize("kind", ["medium", "lattice"])
def test_the_oracle_is_naive_greedy_k_center(bench, kind):
    rng = np.random.default_rng(0)
    X = bench.data.rows_of("medium", 600, 5)
    if kind == "lattice":  # ties everywhere
        X = rng.integers(3, size=(600, 3)).astype(np.float32)
    few = naive.k_center(X, 25, bench.data.FIRST)
    assert bench.data.oracle(X, 25).tolist() == few
    labeled = bench.data.labeled_rows(600)
    expected = naive.k_center(X, 15, None, labeled=labeled.tolist())
    assert bench.data.oracle(X, 15, labeled=labeled).tolist() == expected
    groups = bench.data.groups_of(600, 10)
    expected = naive.k_center(X, 25, bench.data.FIRST, groups=groups)
    assert bench.data.oracle(X, 25, groups=groups).tolist() == expected


def test_the_loop_by_hand_agrees_with_the_oracle(bench):
    X = bench.data.rows_of("isotropic", 500, 6)
    np.testing.assert_array_equal(bench.data.numpy_loop(X, 30), bench.data.oracle(X, 30))


def test_a_kept_oracle_is_read_again(bench, monkeypatch):
    path = bench.data.pool_file("tight", 200, 4)
    said = []
    first = bench.data.kept_oracle(path, 5, n_groups=40, say=said.append)
    again = bench.data.kept_oracle(path, 5, n_groups=40, say=said.append)
    np.testing.assert_array_equal(first, again)
    assert len(said) == 1


def test_races_against_the_oracle_without_peers(bench, capsys):
    bench("--case", "coreset-tight", "--threads", 1)
    shown = capsys.readouterr().out
    assert "fpsample: not installed" in shown and "no peer is installed" in shown
    race = json.loads(bench.result.read_text())["cases"]["coreset-tight"]["races"]["1"]
    for name in ("CoreSet", "NumPy loop"):
        assert race[name]["as_oracle"] == TINY["budget"] and race[name]["same"]
        assert len(race[name]["seconds"]) == 1
    assert race["lightly-mundig"]["missing"]


@pytest.mark.slow
def test_every_case_and_the_page(bench, monkeypatch, capsys):
    if sys.platform != "linux":
        pytest.skip("memory is read from /proc")
    monkeypatch.setattr(bench.cases, "CHECKED", {"rows": 200, "budget": 10})
    bench("--case", "xssr", "growth", "--threads", 1)
    bench("--case", "demands", "threads", "gpu", "--threads", 2)  # the others keep their result
    cases = json.loads(bench.result.read_text())["cases"]
    assert list(cases) == [name for name in bench.cases.CASES if name in cases]
    assert cases["xssr"]["as_full_scan"]
    assert cases["threads"]["same_picks"] == {"CoreSet, isotropic": True, "XSSR, medium": True}
    race = cases["demands"]["races"]["2"]
    for how in ("plain", "labeled", "groups"):
        assert race[f"CoreSet, {how}"]["as_oracle"] == TINY["budget"]
    large = cases["growth"]["races"]["1"]["XSSR, 900 rows"]
    assert large["memory"]["peak"] > 0 and large["memory"]["code"] > 0

    bench("--page")
    page = bench.page.read_text()
    for text in ("| CoreSet, medium", "not run", "Where the time goes", "preprocess"):
        assert text in page
    assert cases["growth"]["commit"] in page
    if "left_out" in cases["gpu"]:
        assert cases["gpu"]["left_out"] in page


def test_xssr_is_the_form_that_the_committed_figures_are_of(bench, tmp_path):
    """And not the default, whose engine is another."""
    rng = np.random.default_rng(0)
    X, source = rng.normal(size=(150, 4)), rng.normal(0.5, 1.0, size=(60, 4))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "source.npy", source)
    task = {"X": str(tmp_path / "X.npy"), "source": str(tmp_path / "source.npy"), "budget": 12}
    task |= {"selector": "XSSR", "parameters": {"alpha": 0.5}}
    found = ours.select(task)()()
    picks = {
        selector: selector.fit(source).select(X, 12).tolist()
        for selector in (make_variant("residual", alpha=0.5), XSSRSelector(alpha=0.5))
    }
    residual, default = picks.values()
    assert found["picks"] == residual != default
    task |= {"selector": "XSSR, default"}
    assert ours.select(task)()()["picks"] == default
    _, form = bench.cases.FIRST_CALLERS["XSSRSelector"]
    assert XSSRSelector(**form).get_params() == make_variant("residual").get_params()


@pytest.mark.slow
def test_the_first_call_is_cold_then_cached(bench, monkeypatch):
    monkeypatch.setattr(bench.cases, "FIRST_CALLERS", {"CoreSet": ("CoreSetSelector", {})})
    bench("--case", "import")
    case = json.loads(bench.result.read_text())["cases"]["import"]
    assert not case["numba_loaded"] and not case["compiled"]
    for calls in case["first_call"].values():
        assert len(calls["cold"]) == len(calls["cached"]) == 1
        assert calls["cached"] < calls["cold"]  # seconds against tens of them
        assert 0 < calls["cached_cpu"][0] < calls["cold_cpu"][0]


def test_memory_leaves_out_the_pages_of_the_data(bench, tmp_path):
    if sys.platform != "linux":
        pytest.skip("memory is read from /proc")
    import os

    from benchmarks.engine.worker import Watch, code_of

    path = tmp_path / "rows.npy"
    np.save(path, np.ones(20_000_000, dtype=np.uint8))
    link = tmp_path / "link.npy"
    link.symlink_to(path)

    def counted(left_out):
        """How much more there is than without it; both at once, since pages come and go."""
        return code_of(os.getpid(), "no file") - code_of(os.getpid(), str(left_out))

    assert abs(counted(path)) < 5_000_000
    mapped = np.load(path, mmap_mode="r")
    assert mapped.sum() == mapped.size  # every page was read
    assert counted(path) > 15_000_000
    assert counted(link) > 15_000_000
    assert abs(counted("another file")) < 5_000_000
    with Watch(os.getpid()) as watch:
        start = watch.peak
        block = np.ones(200_000_000, dtype=np.uint8)  # held until the last look
    assert block.all() and watch.peak - start > 50_000_000


def test_the_page_is_what_the_committed_result_says(bench):
    committed = RESULTS / "engine.json"
    if not committed.exists():
        pytest.skip("the benchmark has not been run in full")
    bench("--page", "--out", committed)
    expected = (PAGES / "engine.md").read_text(encoding="utf-8")
    assert bench.page.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("name", ["CoreSet", "Demands", "XSSR", "XSSRDefault"])
def test_the_cases_over_time_run(name, monkeypatch):
    from benchmarks.engine.over_time import cases

    for constant, value in {"N": 600, "D": 6, "BUDGET": 8, "N_SOURCE": 200, "N_GROUPS": 50}.items():
        monkeypatch.setattr(cases, constant, value)
    case = getattr(cases, name)()
    argument = getattr(case, "params", [])[:1]
    case.setup(*argument)
    for method in dir(case):
        if method.startswith(("time_", "peakmem_")):
            getattr(case, method)(*argument)
        elif method.startswith("track_"):
            assert 0 < getattr(case, method)(*argument) <= 1
