"""The command line as a user meets it: in a process of its own where that matters."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skxssr
from skxssr.cli import build_parser, main
from skxssr.datasets import make_phantoms
from skxssr.embedding import MAEEmbedder

SKXSSR = str(Path(sys.executable).with_name("skxssr"))
WITHOUT_TORCH = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from skxssr.cli import main
sys.exit(main())
"""


@pytest.fixture
def folders(tmp_path):
    for site in ("A", "B"):
        films = make_phantoms("chest", site, 6, random_state=0, image_size=32)
        (tmp_path / site).mkdir()
        for name, image in zip(films.ids, films.images, strict=True):
            Image.fromarray(image).save(tmp_path / site / f"{name}.png")
    return tmp_path


def command(folders, *more):
    common = ["--source", folders / "A", "--target", folders / "B", "--out", folders / "out"]
    small = ["--steps", "2", "--image-size", "32", "--device", "cpu", "--quiet"]
    return ["select", *map(str, [*common, *small, *more])]


def test_version_and_help_in_a_process_of_their_own():
    version = subprocess.run([SKXSSR, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"skxssr {skxssr.__version__}"
    shown = subprocess.run([SKXSSR, "--help"], capture_output=True, text=True, check=True)
    assert "never use them as a test set" in shown.stdout


@pytest.mark.parametrize(("text", "n"), [("2", 2), ("50%", 3), ("100%", 6)])
def test_select_writes_the_list(folders, capsys, text, n):
    assert main(command(folders, "--budget", text)) == 0
    assert len((folders / "out" / "selection.csv").read_text().splitlines()) == n + 1
    said = capsys.readouterr().out
    assert "selection.csv" in said and "test set" in said


def split(folders, *more):
    common = ["--target", folders / "B", "--size", "20%", "--out", folders / "split"]
    return ["split", *map(str, [*common, "--group-pattern", "B-(p[0-9]+)-", *more])]


def test_split_then_select_keeps_whole_patients_for_testing(folders, capsys):
    assert main(split(folders)) == 0
    said = capsys.readouterr().out
    test, pool = (
        (folders / "split" / f"{name}.txt").read_text().splitlines() for name in ("test", "pool")
    )
    assert f"{len(test)} of 6 images" in said and "--exclude-test" in said
    assert len(test) >= 2 and len(test) + len(pool) == 6
    assert not {name[:7] for name in test} & {name[:7] for name in pool}
    before = {path: path.read_bytes() for path in (folders / "split").iterdir()}
    assert main(split(folders)) == 0
    assert before == {path: path.read_bytes() for path in (folders / "split").iterdir()}

    capsys.readouterr()
    assert main(command(folders, "--budget", "100%", "--exclude-test", folders / "split")) == 0
    said = capsys.readouterr().out
    assert f"{len(test)} images that" in said and "skxssr split" not in said
    with (folders / "out" / "selection.csv").open(newline="") as stream:
        assert sorted(row["file"] for row in csv.DictReader(stream)) == pool
    record = json.loads((folders / "out" / "selection.json").read_text())
    assert record["test_set"]["n_images"] == len(test)


def test_without_a_split_one_is_advised_and_a_forgotten_one_refused(folders, capsys):
    assert main(command(folders, "--budget", "2")) == 0
    assert capsys.readouterr().out.startswith("No --exclude-test: ")
    assert main(split(folders)) == 0
    assert main(command(folders, "--budget", "2")) == 2
    said = capsys.readouterr().err
    assert "skxssr: error: " in said and f"--exclude-test {folders / 'split'}" in said


def test_split_says_when_nobody_told_the_patients(folders, capsys):
    arguments = ["split", "--target", folders / "B", "--size", "2", "--out", folders / "split"]
    assert main([*map(str, arguments)]) == 0
    assert "draw again with --group-pattern" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", "0"], "at least 1"),
        (["--size", "100%"], "in (0, 1)"),
        (["--size", "6"], "At most"),
        (["--target", "nowhere"], "nowhere"),
        (["--group-pattern", "("], "not a regular expression"),
        (["--seed", "-1"], "between 0 and"),
    ],
)
def test_errors_of_split_are_one_line_and_status_2(folders, capsys, more, message):
    assert main(split(folders, *more)) == 2
    said = capsys.readouterr().err
    assert said.startswith("skxssr: error: ") and message in said and "Traceback" not in said
    assert not (folders / "split").exists()


def test_another_split_is_not_overwritten(folders, capsys):
    main(split(folders))
    assert main(split(folders, "--size", "3")) == 2
    assert "remove the folder" in capsys.readouterr().err


def test_second_run_reuses_and_a_saved_embedder_is_taken(folders, capsys):
    main(command(folders, "--budget", "2"))
    first = (folders / "out" / "selection.csv").read_text()
    capsys.readouterr()
    assert main(command(folders, "--budget", "2")) == 0
    assert "reused" in capsys.readouterr().out
    assert (folders / "out" / "selection.csv").read_text() == first
    moved = folders / "elsewhere"
    (folders / "out" / "embedder").rename(moved)
    assert main(command(folders, "--budget", "2", "--embedder", moved)) == 0
    assert (folders / "out" / "selection.csv").read_text() == first


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--budget", "7"], "at most 6 can be picked"),
        (["--budget", "200%"], "fractional budget must be in"),
        (["--budget", "2", "--alpha", "1.5"], "'alpha' parameter"),
        (["--budget", "2", "--source", "nowhere"], "nowhere"),
        (["--budget", "2", "--embedder", "nowhere"], "nowhere"),
        (["--budget", "2", "--exclude-test", "nowhere"], "no test set in nowhere"),
        (["--budget", "2", "--device", "abacus"], "abacus"),
    ],
)
def test_errors_are_one_line_and_status_2(folders, capsys, more, message):
    assert main(command(folders, *more)) == 2
    said = capsys.readouterr().err
    assert said.startswith("skxssr: error: ") and message in said and "Traceback" not in said


@pytest.mark.parametrize("budget", ["many", "5 %%"])
def test_a_budget_that_is_no_number_is_explained(capsys, budget):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(
            ["select", "--source", "a", "--target", "b", "--out", "c", "--budget", budget]
        )
    assert stop.value.code == 2
    assert "neither a count such as 22 nor a percentage such as 5%" in capsys.readouterr().err


def test_ctrl_c_says_where_the_work_is(folders, capsys, monkeypatch):
    def interrupted(self, images, y=None):
        error = KeyboardInterrupt()
        error.add_note("Step 7 is kept in somewhere.")
        raise error

    monkeypatch.setattr(MAEEmbedder, "fit", interrupted)
    assert main(command(folders, "--budget", "2")) == 130
    assert "Step 7 is kept in somewhere." in capsys.readouterr().err


def test_a_core_without_torch_says_which_extra(folders):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *command(folders, "--budget", "2")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "pip install 'skxssr[torch]'" in run.stderr


def test_demo_runs_whole_and_draws(tmp_path, capsys):
    from skxssr import SMPSegmenter
    from skxssr.demo import run_demo
    from tests.test_folders import tiny_embedder

    text = run_demo(
        tmp_path,
        budget=3,
        verbose=0,
        embedder=tiny_embedder(),
        segmenter=SMPSegmenter(
            image_size=32,
            arch_kwargs={"encoder_depth": 3, "decoder_channels": (16, 8, 8)},
            steps=2,
            batch_size=4,
            random_state=0,
        ),
        n_images=(6, 20, 6),
    )
    for word in ("source only", "random, mean of 3", "CoreSet", "XSSR", "all labels", "phantoms"):
        assert word in text
    assert text in capsys.readouterr().out
    record = json.loads((tmp_path / "demo.json").read_text())
    assert set(record["picks"]) == {"XSSR", "CoreSet", "random 1", "random 2", "random 3"}
    for name in ("picks.png", "sheet.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 10
