"""From masks to a model, to masks for the rest, to scores: the commands, on phantoms."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from skxssr import SMPSegmenter
from skxssr._torch.checkpoint import Checkpoint
from skxssr.cli import main
from skxssr.datasets import make_phantoms
from skxssr.workflows.models import read_model

N = 12
PATIENT = "B-(p[0-9]+)-"


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_site(root, n=N, *, seed=0):
    """Films of 48 x 40 pixels in 12 bits, and their masks of 0 and 255."""
    films = make_phantoms("chest", "B", n, random_state=seed, image_size=48)
    for row, name in enumerate(films.ids):
        write(root / "images" / f"{name}.png", np.uint16(films.images[row, :, :40]) * 16)
        mask = 255 * np.uint8(films.masks[row, :, :40] > 0)
        write(root / "masks" / f"{name}.png", mask)
    return root


def run(command, *options):
    return main([command, *map(str, options), "--device", "cpu", "--quiet"])


def train(root, out, *more):
    given = ["--images", root / "images", "--masks", root / "masks", "--out", out]
    return run("train", *given, "--steps", 12, "--image-size", 32, *more)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A split, a training on what is not reserved, masks for the rest, scores of the test set."""
    root = write_site(tmp_path_factory.mktemp("walk"))
    images, everything, split = root / "images", root / "all_masks", root / "split"
    shutil.copytree(root / "masks", everything)
    drawn = ["--target", images, "--size", 3, "--out", split, "--group-pattern", PATIENT]
    assert main(["split", *map(str, drawn)]) == 0
    reserved, pool = ((split / f"{part}.txt").read_text().split() for part in ("test", "pool"))
    for name in pool[5:]:  # nobody drew these
        (root / "masks" / name).unlink()
    assert train(root, root / "model", "--exclude-test", split) == 0
    where = ["--model", root / "model", "--images", images]
    assert run("predict", *where, "--out", root / "predicted", "--exclude-test", split) == 0
    scored = [*where, "--masks", everything, "--out", root / "scores", "--test", split]
    assert run("evaluate", *scored, "--site-from", PATIENT) == 0
    return root, reserved, pool


def test_the_model_was_trained_on_the_masks_outside_of_the_test_set(walk):
    root, reserved, pool = walk
    record = json.loads((root / "model" / "training.json").read_text())
    trained = [name for name, *_ in record["fingerprint"]["trained on"]["images"]["files"]]
    assert trained == sorted(pool[:5])
    assert not set(trained) & set(reserved)
    assert record["intensity_rule"]["ranges"] == {"16-bit": [0, 4095]}
    assert SMPSegmenter.load(root / "model").weights_sha256_ == record["weights_sha256"]
    assert not (root / "model" / "checkpoint").exists()


def test_the_rest_gets_masks_of_its_own_size_and_values(walk):
    root, _, pool = walk
    masks = sorted(path.name for path in (root / "predicted").glob("*.png"))
    assert masks == sorted(pool[5:])
    for name in masks:
        with Image.open(root / "predicted" / name) as mask:
            assert mask.size == (40, 48)
            assert set(np.unique(np.asarray(mask))) <= {0, 255}
    with Image.open(root / "images" / masks[0]) as image:
        twelve_bits = np.asarray(image) / 4095
    with Image.open(root / "predicted" / masks[0]) as mask:
        found = SMPSegmenter.load(root / "model").predict(twelve_bits[None])[0]
        assert (found == np.asarray(mask)).all()


def test_scores_are_those_of_the_test_set(walk):
    root, reserved, _ = walk
    with (root / "scores" / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["file"] for row in rows) == sorted(reserved)
    for row in rows:
        with Image.open(root / "all_masks" / row["file"]) as truth:
            true = np.asarray(truth) > 0
        with Image.open(root / "scores" / "predictions" / row["file"]) as mask:
            pred = np.asarray(mask) > 0
        expected = 2 * (true & pred).sum() / (true.sum() + pred.sum())
        assert float(row["dice"]) == pytest.approx(expected, abs=1e-5)
    dice = [float(row["dice"]) for row in rows]
    assert dice == sorted(dice)
    record = json.loads((root / "scores" / "evaluation.json").read_text())
    patients = {row["patient"] for row in rows}
    assert record["table"][0]["n"] == len(patients)
    assert len(record["table"]) == 1 + len(patients)
    for name in ("worst.png", "best.png"):
        with Image.open(root / "scores" / name) as sheet:
            assert min(sheet.size) > 200


def test_again_does_nothing_and_another_model_is_refused(walk, capsys):
    root, _, _ = walk
    before = (root / "model" / "training.json").read_bytes()
    given = ["--exclude-test", root / "split"]
    assert train(root, root / "model", *given) == 0
    assert "nothing was left to do" in capsys.readouterr().out
    assert train(root, root / "model", *given, "--seed", 1) == 2
    assert "a model that differs in parameters" in capsys.readouterr().err
    assert (root / "model" / "training.json").read_bytes() == before
    where = ["--model", root / "model", "--images", root / "images"]
    assert run("predict", *where, "--out", root / "masks") == 2
    assert "nothing is overwritten" in capsys.readouterr().err


def test_a_test_set_is_not_forgotten(walk, capsys, tmp_path):
    root, _, _ = walk
    given = ["--images", root / "images", "--masks", root / "all_masks", "--out", tmp_path / "m"]
    assert run("train", *given) == 2
    assert "leave them out with --exclude-test" in capsys.readouterr().err


def test_a_stopped_prediction_goes_on(walk, capsys):
    root, _, pool = walk
    kept, gone = [root / "predicted" / name for name in sorted(pool[5:])[:2]]
    before, time = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.unlink()
    where = ["--model", root / "model", "--images", root / "images", "--out", root / "predicted"]
    assert run("predict", *where, "--exclude-test", root / "split") == 0
    assert f"{len(pool) - 6} masks were there already" in capsys.readouterr().out
    assert gone.read_bytes() == before
    assert kept.stat().st_mtime_ns == time


def test_a_stopped_training_goes_on_to_the_same_weights(walk, tmp_path, monkeypatch, capsys):
    root, _, _ = walk
    after, count = Checkpoint.after_step, []

    def stop(self, losses, steps, *, interrupted):
        count.append(1)
        after(self, losses, steps, interrupted=len(count) == 7)

    monkeypatch.setattr(Checkpoint, "after_step", stop)
    given = ["--exclude-test", root / "split"]
    assert train(root, tmp_path / "model", *given) == 130
    said = capsys.readouterr().err
    assert "after step 7 of 12" in said
    assert f"skxssr train --images {root / 'images'}" in said
    where = ["--images", root / "images", "--out", tmp_path / "p"]
    assert run("predict", "--model", tmp_path / "model", *where) == 2
    assert "its training was stopped" in capsys.readouterr().err
    assert train(root, tmp_path / "model", *given) == 0
    assert len(count) == 12
    ours, theirs = (read_model(p / "model").record["weights_sha256"] for p in (tmp_path, root))
    assert ours == theirs


def test_a_source_gives_the_weights_to_start_from(walk, tmp_path):
    root, _, _ = walk
    source = write_site(tmp_path / "A", 4, seed=3)
    given = ["--source-images", source / "images", "--source-masks", source / "masks"]
    assert train(root, tmp_path / "model", "--exclude-test", root / "split", *given) == 0
    first, last = read_model(tmp_path / "model" / "source"), read_model(tmp_path / "model")
    assert last.record["source"]["n_trained_on"] == 4
    assert len(last.trained_on) == 4 + 5
    assert first.record["weights_sha256"] != last.record["weights_sha256"]
    assert train(root, tmp_path / "new", *given[:2]) == 2


def test_masks_from_elsewhere_are_scored(walk, tmp_path, capsys):
    root, _, _ = walk
    given = ["--images", root / "images", "--masks", root / "all_masks", "--out"]
    assert run("evaluate", "--predictions", root / "all_masks", *given, tmp_path / "s") == 0
    assert "1.000 [1.000, 1.000]" in capsys.readouterr().out
    assert run("evaluate", "--predictions", root / "masks", *given, tmp_path / "t") == 2
    assert "have none there" in capsys.readouterr().err
    assert run("evaluate", *given, tmp_path / "t") == 2
    assert "--model and --predictions" in capsys.readouterr().err


@pytest.fixture
def small(tmp_path):
    return write_site(tmp_path, 3)


def first_mask(root):
    return sorted((root / "masks").iterdir())[0]


def no_foreground(root):
    for path in (root / "masks").iterdir():
        write(path, np.zeros((48, 40), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_foreground, "nothing to learn"),
        (lambda root: write(first_mask(root), np.zeros((8, 8), np.uint8)), "must have the height"),
        (lambda root: first_mask(root).write_bytes(b"none"), "masks cannot be read"),
        (lambda root: first_mask(root).rename(root / "masks" / "zzz.png"), "masks lack an image"),
        (lambda root: shutil.rmtree(root / "masks"), "no folder"),
        (lambda root: write(root / "out" / "mine.png", np.zeros((8, 8), np.uint8)), "other files"),
        (lambda root: (root / "out").touch(), "is a file"),
    ],
)
def test_bad_input_is_named_before_anything_is_trained(small, capsys, monkeypatch, spoil, message):
    monkeypatch.setattr(SMPSegmenter, "fit", lambda *_: pytest.fail("trained"))
    spoil(small)
    assert train(small, small / "out") == 2
    assert message in capsys.readouterr().err


def test_all_masks_unreadable(small, capsys):
    for path in (small / "masks").iterdir():
        path.write_bytes(b"none")
    assert train(small, small / "out") == 2
    assert "3 of 3 masks cannot be read" in capsys.readouterr().err
    assert train(small, small / "out", "--skip-unreadable") == 2
    assert "No image of" in capsys.readouterr().err
    assert not (small / "out").exists()


def test_one_mask_and_empty_masks_are_said(small, capsys):
    _, second, third = sorted((small / "masks").iterdir())
    write(second, np.zeros((48, 40), np.uint8))
    third.unlink()
    assert train(small, small / "out", "--steps", 2) == 0
    assert "1 masks hold no foreground" in capsys.readouterr().out
    second.unlink()
    assert train(small, small / "one", "--steps", 2) == 0
    assert "One mask teaches one image" in capsys.readouterr().out


def test_two_images_of_one_name_are_refused(walk, tmp_path, capsys):
    root, _, _ = walk
    for suffix in (".png", ".tif"):
        write(tmp_path / "i" / f"a{suffix}", np.arange(1600, dtype=np.uint16).reshape(40, 40))
    given = ["--images", tmp_path / "i", "--out", tmp_path / "out"]
    assert run("predict", "--model", root / "model", *given) == 2
    assert "would have one mask" in capsys.readouterr().err
