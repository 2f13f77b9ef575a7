"""A second `skxssr select` into the same folder: nothing is lost that was not to be."""

import json
import signal

import numpy as np
import pytest
from PIL import Image

from skxssr.cli import main
from skxssr.datasets import make_phantoms
from skxssr.embedding import MAEEmbedder


@pytest.fixture
def target(tmp_path):
    films = make_phantoms("chest", "B", 6, random_state=0, image_size=32)
    (tmp_path / "B").mkdir()
    for name, image in zip(films.ids, films.images, strict=True):
        Image.fromarray(image).save(tmp_path / "B" / f"{name}.png")
    return tmp_path / "B"


def select(target, *more, budget=2, out="out"):
    fixed = ["--target", target, "--out", target.parent / out, "--budget", budget]
    fixed += ["--image-size", 32, "--device", "cpu", "--quiet"]
    return main(["select", *map(str, [*fixed, *more])])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_finished_selection_is_neither_replaced_nor_touched(target, capsys):
    assert select(target, "--no-report") == 0
    out = target.parent / "out"
    (out / "selection.csv").write_text("edited by hand")
    before = contents(out)
    assert select(target, "--no-report", budget=3) == 2
    said = capsys.readouterr().err
    assert "holds a selection of 2 images already (asked for by: skxssr select --target" in said
    assert contents(out) == before
    assert select(target, "--no-report", "--force", budget=3) == 0
    assert len((out / "selection.csv").read_text().splitlines()) == 4


def test_continue_keeps_it_and_writes_what_is_missing(target, capsys):
    pytest.importorskip("bokeh", reason="the report needs the extra report")
    assert select(target, "--no-report") == 0
    out = target.parent / "out"
    before = contents(out)
    assert select(target, "--continue", budget=3) == 2
    assert "was asked for otherwise (--budget)" in capsys.readouterr().err
    assert select(target, "--continue", "--jobs", "1") == 0
    assert "is kept as it is" in capsys.readouterr().out
    after = contents(out)
    assert after.pop("report.html") and after == before
    (out / "report.html").write_text("mine")
    assert select(target, "--continue") == 0
    assert (out / "report.html").read_text() == "mine"


def test_a_selection_of_another_version_is_not_continued(target, capsys):
    assert select(target, "--no-report") == 0
    record = target.parent / "out" / "selection.json"
    for command in ("skxssr pick --everything", None):
        changed = json.loads(record.read_text()) | {"command": command}
        record.write_text(json.dumps(changed))
        assert select(target, "--continue") == 2
        assert "was made otherwise" in capsys.readouterr().err


def test_force_and_continue_exclude_each_other(target, capsys):
    with pytest.raises(SystemExit):
        select(target, "--force", "--continue")
    assert "not allowed with" in capsys.readouterr().err


def test_parts_of_a_selection_and_a_file_are_named(target, capsys):
    out = target.parent / "out"
    out.mkdir()
    (out / "selection.csv").write_text("file\na.png\n")
    assert select(target) == 2
    said = capsys.readouterr().err
    assert "holds selection.csv, and nothing is overwritten" in said and "--continue" not in said
    (target.parent / "file").write_text("")
    assert select(target, out="file") == 2
    assert "is a file: name a folder" in capsys.readouterr().err


MAE = ("--embedder", "mae", "--steps", "4", "--no-report")


def test_what_was_stopped_goes_on_and_another_training_does_not_replace_it(
    target, capsys, monkeypatch
):
    steps = []

    def stop(self, *arguments, **more):
        steps.append(1)
        if len(steps) == 1:
            (target.parent / "out" / "embedder" / "checkpoint").mkdir()
            signal.raise_signal(signal.SIGINT)
        return fit(self, *arguments, **more)

    fit = MAEEmbedder.fit
    monkeypatch.setattr(MAEEmbedder, "fit", stop)
    assert select(target, *MAE) == 130
    assert "Go on with the same command" in capsys.readouterr().err
    other = [*MAE[:3], "5", "--no-report"]
    assert select(target, *other) == 2
    said = capsys.readouterr().err
    assert "the unfinished training of an embedder that differs in parameters" in said
    assert (target.parent / "out" / "embedder" / "checkpoint").is_dir()
    assert select(target, *MAE) == 0
    with np.load(target.parent / "out" / "embeddings.npz") as stored:
        assert len(stored["target"]) == 6
    assert select(target, *other, "--force") == 0
