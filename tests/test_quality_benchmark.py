"""The study's script: trains cells, resumes them, and prints its tables without any data."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr.datasets import make_phantoms
from skxssr.evaluation import Task, load_comparison

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY_MAE = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
TINY_MAE |= {"decoder_dim": 24, "decoder_depth": 1, "steps": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for name, site, n in (("montgomery", "A", 8), ("shenzhen", "B", 24)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=64)
        folder = root / "cxr" / name
        for part in ("images", "masks", "split"):
            (folder / part).mkdir(parents=True)
        ids = [f"{name}_{i:04d}_{i % 2}" for i in range(n)]
        for i, image, mask in zip(ids, films.images, films.masks, strict=True):
            for part, array in (("images", image), ("masks", mask * 255)):
                large = np.kron(array, np.ones((4, 4), dtype=np.uint8))  # 256 pixels
                Image.fromarray(large).save(folder / part / f"{i}.png")
        for split, members in (("train", ids[: 3 * n // 4]), ("test", ids[3 * n // 4 :])):
            (folder / "split" / f"{split}.txt").write_text("\n".join(members) + "\n")
    return root


@pytest.fixture
def script(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import quality
    import quality_cells

    small = {"image_size": 32, "steps": 2, "batch_size": 2}
    for recipe in ("UNET", "PROXY", "COMPACT_256"):
        monkeypatch.setattr(quality_cells, recipe, {**quality_cells.network(8), **small})
    monkeypatch.setattr(quality_cells, "FINETUNE", {"steps": 1})
    for module in (quality, quality_cells):
        monkeypatch.setattr(module, "MAE", TINY_MAE)
    monkeypatch.setattr(quality, "HERE", tmp_path)
    (tmp_path / "results").mkdir()
    for name, cell in quality_cells.CELLS.items():
        # frozen dataclasses: smaller budgets for smaller pools
        fewer = {**cell.__dict__, "budgets": (2,), "n_random": 2}
        monkeypatch.setitem(quality_cells.CELLS, name, quality_cells.Cell(**fewer))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["quality.py", "--task", "cxr", *map(str, arguments)])
        quality.main()

    run.cells = quality_cells
    return run


def log(tmp_path):
    path = tmp_path / "results" / "test_split.log"
    return path.read_text().splitlines() if path.exists() else []


def test_dev_leaves_the_test_films_alone(script, data, tmp_path, capsys):
    script("--data", data, "--run", "cxr_dev", "--pools", 2, "--quiet")
    shown = capsys.readouterr().out
    assert "residual, alpha 0" in shown
    assert "Rank correlation of proxy 32 px" in shown
    assert "Spearman" in shown
    train = set((data / "cxr" / "shenzhen" / "split" / "train.txt").read_text().split())
    runs = load_comparison(tmp_path / "results" / "quality" / "cxr_dev.jsonl").runs
    assert {unit for run in runs for unit in run["units"]} <= train
    assert not log(tmp_path)

    script()  # no data, no training
    assert capsys.readouterr().out == shown


def test_report_logs_each_opening_and_shares_networks(script, data, tmp_path, capsys):
    script("--data", data, "--run", "cxr_10", "--pools", 1, "--quiet")
    assert len(log(tmp_path)) == 1
    path = tmp_path / "results" / "quality" / "cxr_test.jsonl"
    before = path.read_text().splitlines()
    script("--data", data, "--run", "cxr_ablation", "--pools", 1, "--quiet")
    after = path.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(log(tmp_path)) == 2
    out = capsys.readouterr().out
    assert "XSSR as described, without novelty" in out
    test = (data / "cxr" / "shenzhen" / "split" / "test.txt").read_text().split()
    assert load_comparison(path).runs[0]["units"] == sorted(test)


def test_source_cell_has_both_blocks_and_every_zero_label_row(script, data, tmp_path, capsys):
    cells = ("cxr_finetune", "cxr_joint")
    script("--data", data, "--run", *cells, "--pools", 1, "--quiet", "--fresh")
    out = capsys.readouterr().out
    for text in ("block finetune", "block joint", *script.cells.SOURCE_ROWS):
        assert text in out


def test_unknown_cells_and_missing_data(script, capsys):
    with pytest.raises(SystemExit):
        script("--data", "x", "--run", "cxr_11")
    assert "are no cells of cxr" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script("--run", "cxr_dev")
    assert "--run needs --data" in capsys.readouterr().err


def test_the_committed_runs_can_be_gone_on_with(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import quality_cells

    from skxssr.evaluation import compare_selectors
    from skxssr.evaluation.plan import check_same

    seen = set()
    for name, cell in quality_cells.CELLS.items():
        path = BENCHMARKS / "results" / "quality" / f"{cell.file or name}.jsonl"
        if not path.exists():
            continue
        design = load_comparison(path).design
        blank = [np.zeros((8, 8), dtype=np.uint8)]
        task = Task(design["task"], blank, blank, blank, blank, [])
        made = compare_selectors(task, {}, embedders={}, budgets=[], segmenters=cell.segmenters())
        assert made.design["segmenters"] == design["segmenters"], name
        selectors = cell.selectors()
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()[1:]):
            if line["key"].startswith("pick/") and line["selector"] in selectors:
                check_same(line, selectors[line["selector"]])
        seen.add(path.name)
    assert len(seen) >= 5


@pytest.mark.parametrize("task", ["cxr", "lgg", "goals"])
def test_pages_are_what_the_committed_results_say(task, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import quality

    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks").symlink_to(BENCHMARKS)
    monkeypatch.setattr(quality, "HERE", tmp_path / "benchmarks")
    monkeypatch.setattr(sys, "argv", ["quality.py", "--task", task, "--page"])
    quality.main()
    page = f"{task}.md"
    folders = (BENCHMARKS.parent / "docs" / "results", tmp_path / "docs" / "results")
    committed, made = ((folder / page).read_text(encoding="utf-8") for folder in folders)
    number = r"[-+]?\d+\.\d+"
    assert re.sub(rf" *{number}", "", made) == re.sub(rf" *{number}", "", committed)
    values = [[float(text) for text in re.findall(number, page)] for page in (made, committed)]
    np.testing.assert_allclose(*values, atol=0.011)  # another processor rounds otherwise
