"""`skxssr review`: a table, a sheet and a record; `skxssr train` without what it found."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from skxssr.cli import main
from tests.review.phantoms import planted


def run(command, *options):
    return main([command, *map(str, options), "--device", "cpu", "--quiet"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    images, masks, other, _, patients = planted(30, n_other=5, n_careless=2)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    names = [f"p{patient:03d}-{row:02d}.png" for row, patient in enumerate(patients)]
    for name, image, mask in zip(names, images, masks, strict=True):
        Image.fromarray(image).save(root / "images" / name)
        Image.fromarray(mask * 255).save(root / "masks" / name)
    return root, [names[row] for row in other]


def where(root):
    return ["--images", root / "images", "--masks", root / "masks"]


@pytest.fixture(scope="module")
def reviewed(site):
    root, other = site
    model = root / "model"
    assert run("train", *where(root), "--out", model, "--steps", 2, "--image-size", 32) == 0
    who = ["--group-pattern", "^(p[0-9]+)-", "--source-model", model]
    assert run("review", *where(root), "--out", root / "review", *who, "--image-size", 48) == 0
    return root, other


def test_the_table_ranks_the_planted_masks_first(reviewed):
    root, other = reviewed
    with (root / "review" / "review.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 30
    assert {line["file"] for line in lines[: len(other)]} == set(other)
    assert {line["outcome"] for line in lines[: len(other)]} == {"another convention"}
    assert lines[0]["patient"] == lines[0]["file"][:4]
    assert all(line["source_dice"] for line in lines[: len(other)])


def test_the_sheet_and_the_record_are_there(reviewed):
    root, other = reviewed
    with Image.open(root / "review" / "review.png") as sheet:
        assert min(sheet.size) > 300
    record = json.loads((root / "review" / "review.json").read_text())
    first = [name for name, own in record["another convention"].items() if own["group"] == 1]
    assert sorted(first) == sorted(other)


def test_the_same_again_is_allowed_and_another_folder_is_not_overwritten(reviewed, capsys):
    root, _ = reviewed
    assert run("review", *where(root), "--out", root / "review") == 2
    assert "holds results of another run" in capsys.readouterr().err


def test_training_leaves_the_group_out_unless_it_was_corrected(reviewed, tmp_path, capsys):
    root, other = reviewed
    masks = tmp_path / "masks"
    shutil.copytree(root / "masks", masks)
    with Image.open(masks / other[0]) as mask:
        pixels = np.array(mask)
    pixels[:3] = 0
    pixels[20, 20] ^= 255  # somebody worked on it
    Image.fromarray(pixels).save(masks / other[0])
    given = ["--images", root / "images", "--masks", masks, "--steps", 2, "--image-size", 32]
    asked = ["--review", root / "review", "--review-groups", "1"]
    assert run("train", *given, *asked, "--out", tmp_path / "model") == 0
    assert f"{len(other) - 1} masks of another convention are left out" in capsys.readouterr().out
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    trained = {name for name, *_ in record["fingerprint"]["trained on"]["images"]["files"]}
    assert len(trained) == 30 - len(other) + 1 and other[0] in trained
    asked[-1] = "9"
    assert run("train", *given, *asked, "--out", tmp_path / "other") == 2
    assert "has no group 9" in capsys.readouterr().err
    assert run("train", *given, "--review", masks, "--out", tmp_path / "other") == 2
    assert "give the folder that skxssr review wrote" in capsys.readouterr().err
