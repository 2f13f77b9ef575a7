"""Every block of code of the README runs as it stands; commands, with fewer steps of training."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skxssr
from skxssr.cli import main
from skxssr.datasets import make_phantoms

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
LINES = [
    shlex.split(line, comments=True)
    for language, code in BLOCKS
    if language == "bash"
    for line in code.replace("\\\n", " ").splitlines()
    if not line.startswith("#")
]
# what makes a command of the README run in seconds; everything else is as it stands there
TINY = ["--image-size", "32", "--device", "cpu", "--quiet"]
SMALLER = {
    "split": [],
    "select": TINY,
    "review": TINY,
    "train": ["--steps", "2", *TINY],
    "predict": TINY[2:],
    "evaluate": TINY[2:],
    "compare": ["--steps", "1", "--pools", "2", "--draws", "1", *TINY],
}


@pytest.mark.parametrize("code", PYTHON, ids=[f"block {i}" for i in range(len(PYTHON))])
def test_python_blocks_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:skxssr", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} == {"python", "bash", "bibtex"}
    assert {words[0] for words in LINES} == {"make", "pip", "skxssr"}
    assert len(PYTHON) >= 1
    assert [words[1] for words in LINES if words[0] == "skxssr"] == [*SMALLER]


def test_commands_run_one_after_another(tmp_path, monkeypatch, capsys):
    image = pytest.importorskip("PIL.Image", reason="the commands need the extra torch")
    pytest.importorskip("segmentation_models_pytorch", reason="compare trains networks")
    for site, n in (("A", 6), ("B", 56)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=32)
        for folder in (f"site{site}", f"site{site}_masks"):
            (tmp_path / folder).mkdir()
        for name, film, mask in zip(films.ids, films.images, films.masks, strict=True):
            image.fromarray(film).save(tmp_path / f"site{site}" / f"{name}.png")
            image.fromarray(np.uint8(mask)).save(tmp_path / f"site{site}_masks" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    for _, command, *arguments in [words for words in LINES if words[0] == "skxssr"]:
        if command == "compare":  # not trained anew: that of select, as the guide has it
            arguments += ["--embedder", "picks/embedder"]
        if command == "review":  # somebody annotated the picks
            Path("masks").mkdir()
            for line in Path("picks/selection.csv").read_text().splitlines()[1:]:
                shutil.copy(Path("siteB_masks") / line.split(",")[1], "masks")
        assert main([command, *arguments, *SMALLER[command]]) == 0, command
        capsys.readouterr()
    reserved = set(Path("split/test.txt").read_text().split())
    picked = Path("picks/selection.csv").read_text().splitlines()[1:]
    # a fifth of 56, or of those that are no junk
    assert len(reserved) in (11, 12)
    assert len(picked) == 22
    assert not reserved & {Path(line.split(",")[1]).name for line in picked}
    assert {path.name for path in Path("predicted").glob("*.png")}.isdisjoint(reserved)
    assert len(Path("scores/scores.csv").read_text().splitlines()) == len(reserved) + 1
    assert {"runs.jsonl", "summary.json"} <= {path.name for path in Path("trial").iterdir()}


@pytest.mark.parametrize("target", sorted({words[1] for words in LINES if words[0] == "make"}))
def test_make_targets_exist(target):
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_extras_exist():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    start = (ROOT / "docs" / "start.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"skxssr\[([\w-]+)\]", start)) == extras
    assert set(re.findall(r"skxssr\[([\w-]+)\]", README)) <= extras


def test_version_to_cite_is_the_version():
    assert f"version = {{{skxssr.__version__}}}" in README


def test_picture_is_what_its_command_draws(tmp_path):
    image = pytest.importorskip("matplotlib.image", reason="the picture needs matplotlib")
    name = re.search(r"\]\((docs/_static/\S+\.png)\)", README)[1]
    drawn = tmp_path / "drawn.png"
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "study" / "main.py", "figure", "--out", drawn],
        check=True,
        capture_output=True,
    )
    committed, fresh = (image.imread(path)[..., :3] for path in (ROOT / name, drawn))
    assert (ROOT / name).stat().st_size < 400_000
    assert np.abs(np.subtract(committed.shape, fresh.shape)).max() <= 2  # fonts differ a little
    height, width = np.minimum(committed.shape, fresh.shape)[:2]
    difference = np.abs(committed[:height, :width] - fresh[:height, :width])
    assert difference.mean() < 0.02
