"""The tables of the paper run end to end on tiny files in the published layouts, and go on."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.common import network
from benchmarks.paper import tasks
from skxssr import SMPSegmenter
from skxssr.datasets import make_phantoms
from skxssr.evaluation import Comparison
from skxssr.metrics import dice
from tests.datasets.test_dataset_readers import prepared_lgg, riga
from tests.datasets.test_prostate_reader import SITES, save, volume, zones  # noqa: F401

ARMS = ["source only", "random", "CoreSet", "XSSR as described", "XSSR", "all labels"]


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """Runs a script by name with tiny networks; results go to a folder of their own."""
    tiny = {
        "embedder": {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1}
        | {"num_heads": 2, "decoder_dim": 24, "decoder_depth": 1, "steps": 2},
        "segmenter": {**network(4), "image_size": 32, "steps": 2},
        "draws": 2,
    }
    monkeypatch.setattr(tasks, "RECIPES", dict.fromkeys(("full", "fast", "large"), tiny))
    monkeypatch.setattr(tasks, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()

    def run(name, task, root, *arguments):
        given = ["--data", root, "--task", task, "--seeds", "1", "--budget", "3", "--quiet"]
        given += ["--device", "cpu", "--out", tmp_path / "results", *arguments]
        monkeypatch.setattr(sys, "argv", [name, *map(str, given)])
        importlib.import_module(f"benchmarks.paper.{name}").main()
        return tmp_path / "results"

    run.tasks = tasks
    return run


@pytest.fixture(scope="module")
def chest_root(tmp_path_factory):
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
def prostate_root(tmp_path, save):  # noqa: F811
    for k, site in enumerate(SITES):
        for case in range(3):
            name = tmp_path / "prostate" / site / f"Case{case:02d}"
            save(name.with_suffix(".nii.gz"), volume(3 * k + case))
            save(name.with_name(f"{name.name}_segmentation.nii.gz"), zones())
    return tmp_path / "prostate"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def column(printed, heading):
    """Cells of a column of the first table that has it."""
    rows = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in row] for row in rows]
    first = next(i for i, row in enumerate(table) if heading in row)
    place = table[first].index(heading)
    cells = []
    for row in table[first + 2 :]:
        if len(row) != len(table[first]) or heading in row:
            break
        cells.append(row[place])
    return cells


def test_main_table_and_ablation_share_networks(scripts, tmp_path, capsys, monkeypatch):
    riga(tmp_path / "riga")
    results = scripts("main", "riga", tmp_path / "riga", "--split", "test")
    printed = capsys.readouterr().out
    assert "BinRushed -> MESSIDOR" in printed and "3 labels of 6" in printed
    assert column(printed, "trained on") == ARMS
    assert column(printed, "labels") == ["0", "3", "3", "3", "3", "6"]
    assert column(printed, "% of all")[-1] in ("100.0", "-")  # two steps may find nothing
    (out,) = results.glob("*.jsonl")
    assert out.name == "paper_riga_test_full_3.jsonl"
    lines = lines_of(out)
    scored = {line["key"]: 100 * np.mean(line["dice"]) for line in lines if "dice" in line}
    full = next(value for key, value in scored.items() if key.endswith("all labels"))
    assert column(printed, "Dice")[-1] == f"{full:.2f}"
    tested = next(line["units"] for line in lines if line.get("key") == "units/0")
    assert {name.partition("/")[0] for name in tested} == set(scripts.tasks.MESSIDOR)

    fit = SMPSegmenter.fit
    with monkeypatch.context() as patched:
        patched.setattr(SMPSegmenter, "fit", None)  # nothing is left to train
        scripts("main", "riga", tmp_path / "riga", "--split", "test")
    assert lines_of(out) == lines and capsys.readouterr().out == printed

    trained = []
    monkeypatch.setattr(SMPSegmenter, "fit", lambda *given: trained.append(1) or fit(*given))
    scripts("ablation", "riga", tmp_path / "riga", "--split", "test")
    forms = column(capsys.readouterr().out, "picked by")
    assert len(forms) == 8
    for form in ("XSSR as described", "XSSR"):
        for term in ("density", "novelty", "diversity"):
            assert f"{form}, without {term}" in forms
    runs = [line for line in lines_of(out) if line.get("key", "").startswith("run/")]
    assert len({run["digest"] for run in runs}) == len(runs)
    assert len(trained) == len(runs) - sum(key.startswith("run/") for key in scored)


def test_sites_of_prostate_by_patient(scripts, prostate_root, capsys):
    results = scripts("sites", "prostate", prostate_root, "--fast")
    printed = capsys.readouterr().out
    assert column(printed, "site") == list(SITES[1:])
    assert column(printed, "tested") == ["1"] * 5
    assert column(printed, "Dice of") == ARMS
    lines = lines_of(next(results.glob("paper_prostate_dev_fast_3.jsonl")))
    tested = next(line["units"] for line in lines if line.get("key") == "units/0")
    full = next(line["dice"] for line in lines if line.get("key", "").endswith("all labels"))
    by_site = {
        unit.partition("_")[0]: 100 * value for unit, value in zip(tested, full, strict=True)
    }
    found = [by_site[site] for site in SITES[1:]]
    assert column(printed, "all labels") == [f"{value:.2f}" for value in found]
    for value in column(printed, "gap, AUC"):
        assert 0 <= float(value) <= 1
    for line in lines:  # picks are of pool patients alone
        if line.get("key", "").startswith("pick/"):
            assert len(line["rows"]) == 3


def test_sheets_of_chest_films(scripts, chest_root, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    results = scripts("sheets", "cxr", chest_root, "--split", "test")
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == [
        "paper_cxr_test_full_3_XSSR_as_described.png",
        "paper_cxr_test_full_3_XSSR.png",
    ]
    assert all(path.read_bytes()[1:4] == b"PNG" for path in paths)
    assert len((results / "test_split.log").read_text().splitlines()) == 1

    sheets = importlib.import_module("benchmarks.paper.sheets")
    setting = scripts.tasks.prepare(scripts.tasks.parse_args(""))
    scripts("main", "cxr", chest_root, "--split", "test")
    lines = lines_of(results / f"{setting.name}.jsonl")
    for form in ("XSSR as described", "XSSR"):
        (picked,) = (line["rows"] for line in lines if line.get("selector") == form)
        assert sheets.picks(setting, form).tolist() == sorted(picked)
    (full,) = (line["dice"] for line in lines if line.get("key", "").endswith("all labels"))
    again = sheets.predict(setting, setting.pool.rows)
    true = setting.task.masks.subset(setting.pool.test)
    np.testing.assert_allclose(dice(true, again, empty=np.nan), full, atol=1e-5)


def test_sheets_show_the_quantiles(scripts):
    spread = importlib.import_module("benchmarks.paper.sheets").spread
    scores = np.array([0.5, np.nan, 0.9, 0.1, 0.7, 0.3])
    assert list(spread(scores).values()) == [3, 5, 0, 4, 2]


def test_splits_keep_patients_and_sites(scripts, prostate_root, tmp_path, monkeypatch):
    tasks = scripts.tasks
    sets = tasks.PAIRS["prostate"].load(prostate_root)
    sites = tasks.PAIRS["prostate"].targets
    target = tasks.pooled([sets[site] for site in sites], sites)
    report, dev = tasks.split(target, "test"), tasks.split(target, "dev")
    for pool in (report, dev):
        patients = [set(target.groups[rows]) for rows in pool]
        assert not patients[0] & patients[1]
        for rows in pool:
            assert set(target.site[rows]) == set(sites)
    assert not set(report.test) & {*dev.rows.tolist(), *dev.test.tolist()}
    assert sorted([*dev.rows, *dev.test]) == report.rows.tolist()
    for row, name in enumerate(target.site):
        assert target.ids[row].startswith(name)

    prepared_lgg(tmp_path / "lgg")  # two patients a site: none is left once the test set is off
    with pytest.raises(SystemExit, match="three or more"):
        scripts("main", "lgg", tmp_path / "lgg")


def test_main_table_of_brains(scripts, tmp_path, capsys):
    prepared_lgg(tmp_path / "lgg")
    scripts("main", "lgg", tmp_path / "lgg", "--split", "test", "--budget", "50%")
    printed = capsys.readouterr().out
    assert "tested on 3 patients" in printed
    assert column(printed, "trained on") == ARMS
    assert column(printed, "runs") == ["1", "2", "1", "1", "1", "1"]


def test_percent_of_all_labels(scripts):
    def run(name, *dice):
        return {"selector": name, "dice": list(dice)}

    runs = [run("all labels", 0.8, None), run("XSSR", 0.5, 0.7), run("XSSR", 0.6, 0.6)]
    found = scripts.tasks.percent_of_all(Comparison(runs, {}, []), "XSSR")
    assert found == "75.0"
    assert scripts.tasks.percent_of_all(Comparison([run("all labels", 0.0)], {}, []), "XSSR") == "-"


def test_arguments(scripts, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--data", "d", "--task", "lgg"])
    args = scripts.tasks.parse_args("Text.\nMore.")
    assert (args.budget, args.seeds, args.split, args.recipe) == (0.05, 3, "dev", "full")
    monkeypatch.setattr(sys, "argv", ["x", "--data", "d", "--task", "lgg", "--fast", "--large"])
    with pytest.raises(SystemExit):
        scripts.tasks.parse_args("")
    assert "not allowed" in capsys.readouterr().err
