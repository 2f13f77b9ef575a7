"""The second edition of the study: its tasks on small folders, and its page from committed runs."""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import ttest_1samp

from benchmarks.common import PAGES
from benchmarks.study import decide, recipes, review, tasks
from benchmarks.study import main as study


def write_site(folder, names, seed, foreground=1, empty=()):
    rng = np.random.default_rng(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        image = np.kron(rng.integers(0, 255, (8, 8)), np.ones((8, 8))).astype(np.uint8)
        mask = np.zeros((64, 64), dtype=np.uint8)
        if name not in empty:
            mask[16:40, 16:40] = foreground
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


def test_near_copies_are_told_by_their_thumbnails(tmp_path):
    write_site(tmp_path, ["a", "b", "c"], 0)
    with Image.open(tmp_path / "images" / "a.png") as image:
        pixels = np.asarray(image).astype(float)
    noisy = np.clip(0.8 * pixels + 10 + np.random.default_rng(1).normal(0, 2, pixels.shape), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "images" / "d.png")
    groups = tasks.near_copies(sorted((tmp_path / "images").iterdir()))
    assert groups[0] == groups[3]
    assert len(set(groups.tolist())) == 3


def test_a_task_keeps_patients_together_and_scores_what_has_foreground(tmp_path):
    root = tmp_path / "acdc_myo"
    write_site(root / "NOR", ["n0", "n1"], 0)
    names = [
        f"{site}{patient}_{part}" for site in "ab" for patient in range(6) for part in range(3)
    ]
    for site, folder in (("a", "DCM"), ("b", "HCM")):
        mine = [name for name in names if name[0] == site]
        write_site(root / folder, mine, ord(site), empty=mine[:2])
    rows = [f"{name},{name.split('_')[0]}" for name in names]
    (root / "index.csv").write_text("\n".join(["id,patient", *rows]) + "\n")
    task = tasks.make_task("heart", tmp_path, 3)
    assert (len(task.source_images), len(task.images)) == (2, 36)
    assert set(task.sites) == {"DCM", "HCM"}
    for pool in task.pools:
        assert not set(task.groups[pool.rows]) & set(task.groups[pool.test])
        assert all(tasks.has_foreground(Path(task.masks.files(row)[0])) for row in pool.test)


def test_films_of_another_convention_are_in_neither_pool_nor_test_set(tmp_path):
    listed = tasks.OTHER_CONVENTION.read_text(encoding="utf-8").split()
    assert len(set(listed)) == 59
    names = [*listed[:4], *(f"film{i}" for i in range(16))]
    write_site(tmp_path / "cxr" / "montgomery", ["m0", "m1"], 0, foreground=255)
    write_site(tmp_path / "cxr" / "shenzhen", names, 1, foreground=255)
    (tmp_path / "cxr" / "shenzhen" / "split").mkdir()
    for part, members in (("train", names[2:14]), ("test", [*names[:2], *names[14:]])):
        path = tmp_path / "cxr" / "shenzhen" / "split" / f"{part}.txt"
        path.write_text("\n".join(members) + "\n")
    cleaned, raw = (tasks.make_task(name, tmp_path, 2) for name in ("films", "films, uncleaned"))
    assert (len(cleaned.images), len(raw.images)) == (16, 20)
    for task, n_test in ((cleaned, 6), (raw, 8)):
        for pool in task.pools:
            assert len(pool.test) == n_test
            tested = {task.ids[row].split("/")[1] for row in pool.test}
            assert tested <= {*names[:2], *names[14:]}
    assert study.contradicting(raw) == [
        row for row, name in enumerate(raw.ids) if name.split("/")[1] in listed
    ]
    assert study.contradicting(cleaned) == []


def test_the_recipe_is_the_cheapest_that_is_good_enough(monkeypatch, tmp_path):
    cheap, middle, dear = recipes.RECIPES
    runs = [
        {"source": "skin", "recipe": recipe, "labels": 10, "dice": dice}
        for recipe, dice in ((cheap, 70.0), (middle, 79.0), (dear, 80.0))
    ]
    path = tmp_path / "recipes.json"
    path.write_text(json.dumps({"runs": runs}))
    monkeypatch.setattr(study, "TUNING", path)
    assert study.recipe_of("skin") == middle


def test_the_page_is_what_the_committed_runs_say(monkeypatch, tmp_path):
    page = tmp_path / "study.md"
    monkeypatch.setattr(study, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["main.py", "--page"])
    study.main()
    committed = PAGES / "study.md"
    made, kept = (path.read_text(encoding="utf-8") for path in (page, committed))
    number = r"[-+]?\d+\.\d+"
    assert re.sub(rf" *{number}", "", made) == re.sub(rf" *{number}", "", kept)
    values = [[float(text) for text in re.findall(number, text)] for text in (made, kept)]
    np.testing.assert_allclose(*values, atol=0.11)  # another processor rounds otherwise


def made_up_runs(gains, budgets=(5, 10)):
    """Networks whose Dice is that of the mean of two random draws and the gain of the pool."""
    place = {"task": "t", "block": "picks"}
    runs = []
    for (pool, gain), labels in itertools.product(enumerate(gains), budgets):
        for selector, values in {"random": (0.68, 0.72), "XSSR": (0.70 + gain / 100,)}.items():
            runs += [
                {**place, "labels": labels, "pool": pool, "selector": selector, "dice": [v, np.nan]}
                for v in values
            ]
    return runs


def test_differences_of_one_task_are_those_of_a_t_test():
    gains = [1.0, -0.5, 2.5, 3.0]
    dice = decide.dice_of(made_up_runs(gains))
    values = decide.by_pool(dice, decide.against("XSSR", "random", decide.minus))
    np.testing.assert_allclose(values["t"], gains)
    expected = ttest_1samp(gains, 0)
    mean, low, high, p = decide.pooled(values)
    assert mean == pytest.approx(np.mean(gains))
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert p == pytest.approx(expected.pvalue)


def test_the_rule_counts_pairs_won_and_puts_the_best_worst_task_first():
    runs = made_up_runs([3.0, 3.0, 0.0, -3.0])
    chances = decide.by_pool(decide.dice_of(runs), decide.against("XSSR", "random", decide.beats))
    assert chances["t"].tolist() == [1.0, 1.0, 0.5, 0.0]
    worse = [
        {**run, "selector": "worse", "dice": [0.1]} for run in runs if run["selector"] == "XSSR"
    ]
    first, second = decide.rule_table([*runs, *worse], ["worse", "XSSR"]).splitlines()[-2:]
    assert "XSSR" in first
    assert "0.62" in first
    assert "worse" in second
    assert "0.00" in second


def test_the_page_of_the_review_is_what_its_result_file_says(monkeypatch, tmp_path):
    monkeypatch.setattr(review, "PAGE", tmp_path / "review.md")
    monkeypatch.setattr(sys, "argv", ["review", "--page"])
    review.main()
    made, committed = (folder / "review.md" for folder in (tmp_path, PAGES))
    assert made.read_text("utf-8") == committed.read_text("utf-8")
