"""The benchmark scripts run, resume and report: on phantoms laid out like the real data."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr.datasets import make_phantoms

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "chest_xray.py"
TINY = {
    "embedder": {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
    | {"decoder_dim": 24, "decoder_depth": 1, "steps": 2},
    "segmenter": {"image_size": 32, "steps": 2},
    "draws": 2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("cxr")
    for name, site, n in (("montgomery", "A", 6), ("shenzhen", "B", 16)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=40)
        for folder in ("images", "masks", "split"):
            (root / name / folder).mkdir(parents=True)
        ids = [f"{name}_{i:04d}_{i % 2}" for i in range(n)]
        for i, image, mask in zip(ids, films.images, films.masks, strict=True):
            Image.fromarray(image).save(root / name / "images" / f"{i}.png")
            Image.fromarray(mask * 255).save(root / name / "masks" / f"{i}.png")
        for split, part in (("train", ids[: 3 * n // 4]), ("test", ids[3 * n // 4 :])):
            (root / name / "split" / f"{split}.txt").write_text("\n".join(part) + "\n")
    return root


@pytest.fixture
def script(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("chest_xray", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RECIPES", {"full": TINY, "fast": TINY})
    monkeypatch.setattr(module, "HERE", tmp_path)
    (tmp_path / "results").mkdir()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["chest_xray.py", *map(str, arguments)])
        module.main()

    module.run = run
    return module


def test_chest_xray_runs_resumes_and_keeps_test_films_apart(script, data, tmp_path, capsys):
    out = tmp_path / "result.json"
    common = ["--data", data, "--budget", 3, "--device", "cpu", "--out", out]
    script.run(*common, "--seeds", 1)
    first = json.loads(out.read_text())
    assert [run["arm"] for run in first["runs"]] == [
        *["source only", "XSSR", "CoreSet", "random 0", "random 1", "all labels"]
    ]
    train = set((data / "shenzhen" / "split" / "train.txt").read_text().split())
    _, target, pool, test = script.load(data, "dev")
    assert {target.ids[row] for row in [*pool, *test]} == train
    assert not set(pool) & set(test) and len(test) == len(train) // 4
    for run in first["runs"]:
        assert len(run["dice"]) == len(test)
        if run["picked"] and run["labels"] == 3:
            assert set(run["picked"]) <= {target.ids[row] for row in pool}
    assert not (tmp_path / "results" / "test_split.log").exists()

    script.run(*common, "--seeds", 2)
    second = json.loads(out.read_text())
    assert second["runs"][:6] == first["runs"] and len(second["runs"]) == 12
    table = capsys.readouterr().out
    assert "| random " in table and "| XSSR " in table
    with pytest.raises(SystemExit, match="other settings"):
        script.run(*common, "--split", "test")


def test_opening_the_test_films_is_logged(script, data, tmp_path):
    script.run(
        "--data", data, "--budget", "20%", "--device", "cpu", "--seeds", 1, "--split", "test"
    )
    assert len((tmp_path / "results" / "test_split.log").read_text().splitlines()) == 1
    (out,) = (tmp_path / "results").glob("*.json")
    assert {run["labels"] for run in json.loads(out.read_text())["runs"]} == {0, 2, 12}


def test_the_table_pairs_by_seed(script):
    def run(seed, arm, value):
        return {"seed": seed, "arm": arm, "labels": 3, "dice": [value, value]}

    runs = []
    for seed, level in ((0, 0.5), (1, 0.7)):
        runs += [run(seed, "random 0", level), run(seed, "random 1", level + 0.02)]
        runs += [run(seed, "XSSR", level + 0.03), run(seed, "CoreSet", level)]
        runs += [run(seed, "source only", 0.1), run(seed, "all labels", 0.9)]
    rows = {row["trained on"]: row for row in script.table(runs)}
    assert rows["XSSR"]["minus random [95%]"] == "+2.00 [+2.00, +2.00]"
    assert rows["CoreSet"]["minus random [95%]"].startswith("-1.00")
    assert rows["random"]["runs"] == "4" and rows["random"]["worst run"] == "50.00"
    assert rows["random"]["sd"] == f"{np.std([50, 52, 70, 72], ddof=1):.2f}"
