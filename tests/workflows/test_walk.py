"""The walk of docs/guide/walk.rst, from a folder to a second batch, as PNG, DICOM and NIfTI."""

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from skxssr.cli import build_parser, main
from skxssr.datasets import make_phantoms
from tests.io.test_medical import write_dicom

nibabel = pytest.importorskip("nibabel")

FILMS = make_phantoms("chest", "B", 28, random_state=0, image_size=40)
PATIENT = "^(p[0-9]+)"
NAMES = [f"p{patient:02d}-{row:02d}" for row, patient in enumerate(FILMS.groups)]


def as_png(root):
    for name, image, mask in zip(NAMES, FILMS.images, FILMS.masks, strict=True):
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(255 * mask).save(root / "all" / f"{name}.png")


def as_dicom(root):
    for name, image, mask in zip(NAMES, FILMS.images, FILMS.masks, strict=True):
        write_dicom(root / "images" / f"{name}.dcm", np.uint16(image) * 16, bits=12)
        Image.fromarray(255 * mask).save(root / "all" / f"{name}.png")


def as_nifti(root):
    """Fourteen volumes of two slices."""
    for number in range(0, 28, 2):
        name = f"p{number:02d}.nii.gz"
        for folder, stack in (("images", FILMS.images), ("all", FILMS.masks)):
            volume = np.moveaxis(stack[number : number + 2], 0, 2).astype(np.int16)
            nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), root / folder / name)


def run(command, *options):
    assert main([command, *map(str, options)]) == 0


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def annotate(root, files):
    """The masks of all the site's images play the annotator."""
    (root / "masks").mkdir()
    for stem in {Path(file.partition("#")[0]).name.partition(".")[0] for file in files}:
        (mask,) = (root / "all").glob(f"{stem}.*")
        shutil.copy(mask, root / "masks")


class Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.titles = []

    def handle_starttag(self, tag, attrs):
        if tag == "title":
            self.titles.append(tag)


@pytest.mark.parametrize("write", [as_png, as_dicom, as_nifti])
def test_the_walk(tmp_path, write):
    root = tmp_path
    for folder in ("images", "all"):
        (root / folder).mkdir()
    write(root)
    images, split = root / "images", root / "split"
    who, kept = ["--group-pattern", PATIENT], ["--exclude-test", split]
    quick = ["--device", "cpu", "--quiet"]
    run("split", "--target", images, "--size", "20%", "--out", split, *who)
    tested = (split / "test.txt").read_text().split()
    run("select", "--target", images, "--budget", 6, "--out", root / "picks", *who, *kept, *quick)
    picks = [line["file"] for line in table(root / "picks" / "selection.csv")]
    assert len(picks) == 6 and not set(picks) & set(tested)
    run("report", root / "picks")
    page = Texts()
    page.feed((root / "picks" / "report.html").read_text(encoding="utf-8"))
    assert len(page.titles) == 1

    annotate(root, picks)
    labelled = ["--images", images, "--masks", root / "masks"]
    run("review", *labelled, "--out", root / "review", "--image-size", 32, *who, *quick)
    reviewed = [line["file"] for line in table(root / "review" / "review.csv")]
    assert set(picks) <= set(reviewed)

    small = ["--steps", 3, "--image-size", 32]
    run("train", *labelled, "--out", root / "model", *kept, *small, *quick)
    assert load_file(root / "model" / "weights.safetensors")
    model = ["--model", root / "model", "--images", images]
    run("predict", *model, "--out", root / "predicted", *kept, *quick, "--to", "label-studio")
    tasks = json.loads((root / "predicted" / "label_studio.json").read_text())
    drawn = sorted((root / "predicted").rglob("*.png"))
    everything = json.loads((root / "predicted" / "predictions.json").read_text())["images"]
    assert len(drawn) == len(everything) == len(tasks) == 28 - len(tested) - len(reviewed)
    with Image.open(drawn[0]) as mask:
        assert mask.size == (40, 40) and set(np.unique(mask)) <= {0, 1, 255}

    second = ["--no-report", "--budget", 3, "--out", root / "picks2", "--labeled", root / "masks"]
    run("select", "--target", images, *second, *who, *kept, *quick)
    more = {line["file"] for line in table(root / "picks2" / "selection.csv")}
    assert len(more) == 3 and not more & {*reviewed, *tested}

    scored = [*model, "--test", split, "--masks", root / "all", "--out", root / "scores"]
    run("evaluate", *scored, *quick)
    assert {line["file"] for line in table(root / "scores" / "scores.csv")} == set(tested)


def test_the_help_tells_the_story_in_order():
    shown = build_parser().format_help()
    story = ["embed", "select", "split", "review", "train", "predict", "evaluate"]
    story += ["compare", "report"]
    commands = [shown.index(f"\n    {name} ") for name in story]
    examples = [shown.index(f"\n  skxssr {name} ") for name in story]
    assert commands == sorted(commands) and examples == sorted(examples)
