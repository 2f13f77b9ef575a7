"""The throughput script runs, computes the same as its bare loops, and its page is its JSON."""

import json
import sys

import pytest

from benchmarks.common import PAGES, RESULTS, network

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

TINY_MAE = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
TINY_MAE |= {"decoder_dim": 24, "decoder_depth": 1, "batch_size": 2}
RECORD = {"case": "a", "run": "b", "goal": None, "batch_size": 1, "bare_batch_ms": 50, "passes": 1}
RECORD |= {"ratios": [1.0], "processor_ratios": [1.0]}


@pytest.fixture
def script(monkeypatch, tmp_path):
    from benchmarks.engine import throughput

    monkeypatch.setattr(throughput, "RESULTS", tmp_path)
    monkeypatch.setattr(throughput, "PAGES", tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["main.py throughput", "--quiet", *arguments])
        throughput.main()

    run.module, run.folder = throughput, tmp_path
    return run


@pytest.fixture
def tiny(script, monkeypatch):
    small = {**network(16), "image_size": 32, "batch_size": 2}
    monkeypatch.setattr(script.module, "MAE", TINY_MAE)
    monkeypatch.setattr(script.module, "UNETS", {"tiny": small})
    monkeypatch.setattr(script.module, "FILE_SIDE", 48)
    monkeypatch.setattr(script.module, "LEAST_BATCH", 0)
    monkeypatch.setattr(script.module, "LEAST_STEPS", 3)
    cases = script.module.cases
    monkeypatch.setattr(script.module, "cases", lambda seconds, n, folder: cases(0, 4, folder))
    before = torch.get_num_threads()
    yield script
    torch.set_num_threads(before)


def test_every_case_runs_and_equals_its_bare_loop(tiny, capsys):
    tiny("--page", "--threads", "1")
    result = json.loads((tiny.folder / "throughput.json").read_text())
    assert [record["goal"] for record in result["records"]] == [
        *[0.95, 0.95, None],
        *[0.9, 0.9, None, None],
        0.9,
    ]
    assert all(len(record["ratios"]) == result["repeats"] == 5 for record in result["records"])
    page = (tiny.folder / "throughput.md").read_text()
    assert page in capsys.readouterr().out
    (tiny.folder / "throughput.md").unlink()
    tiny("--page", "--from-json")
    assert (tiny.folder / "throughput.md").read_text() == page


def test_quick_writes_nothing(tiny, monkeypatch):
    monkeypatch.setattr(tiny.module, "UNETS", {})
    monkeypatch.setattr(tiny.module, "measure", lambda *args, **how: [RECORD])
    tiny("--quick", "--page")
    assert not [path for path in tiny.folder.rglob("*") if path.is_file()]


def test_a_run_that_computes_something_else_is_no_measurement(script):
    import numpy as np

    runs = {"bare": lambda: np.zeros(2), "ours": lambda: np.ones(2)}
    case = script.module.Case("case", 2, 2, 2, 0.05, runs, {})
    with pytest.raises(AssertionError, match="case, ours: not what the bare loop computes"):
        script.module.measure(case, 1, 0)


def test_the_page_is_what_the_committed_result_says(script):
    result = RESULTS / "throughput.json"
    if not result.exists():
        pytest.skip("no result is committed: run benchmarks/engine/main.py throughput --page")
    made = script.module.page(json.loads(result.read_text(encoding="utf-8")))
    page = PAGES / "throughput.md"
    assert page.read_text(encoding="utf-8") == made
