"""Names that text cannot hold, consoles that cannot show them, groups, and other sites' lists."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr import XSSRSelector
from skxssr._utils.names import few, one_line, same_text, table_cell
from skxssr.base.request import check_groups
from skxssr.cli import main
from skxssr.holdout import group_by_pattern, read_test_set, split_folder
from skxssr.holdout.groups import groups_of, read_group_table
from skxssr.io import find_unreadable

RNG = np.random.default_rng(0)
N = 12


@pytest.fixture
def sites(tmp_path):
    for site in "AB":
        (tmp_path / site).mkdir()
        for i in range(N):
            pixels = RNG.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / site / f"p{i // 3}_{i:02d}.png")
    return tmp_path


def select(root, *more, target="B", budget=str(N), out="out"):
    folders = ["--source", root / "A", "--target", root / target, "--out", root / out]
    fixed = ["--budget", budget, "--quiet", "--no-report", "--force"]
    return main(["select", *map(str, [*folders, *fixed, *more])])


def record(root, out="out"):
    return json.loads((root / out / "selection.json").read_text())


# ------------------------------------------------------------------------------ names


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
@pytest.mark.parametrize(
    ("name", "cell", "line"),
    [
        (b"caf\xe9.png", r"caf\xe9.png", r"caf\xe9.png"),
        (b"a\nb.png", "a\nb.png", r"a\nb.png"),
        (b"=1+1.png", "./=1+1.png", "=1+1.png"),
        (b"-x.png", "./-x.png", "-x.png"),
        (b"\x1b[31mred.png", "\x1b[31mred.png", r"\x1b[31mred.png"),
        ('胸片 <b>$x$,";.png'.encode(), '胸片 <b>$x$,";.png', '胸片 <b>$x$,";.png'),
    ],
)
def test_lists_survive_any_name(sites, capsys, name, cell, line):
    os.rename(sites / "B" / "p0_00.png", os.fsencode(sites / "B") + b"/" + name)
    assert select(sites) == 0
    rows = list(
        csv.DictReader((sites / "out" / "selection.csv").open(encoding="utf-8", newline=""))
    )
    assert len(rows) == N and cell in {row["file"] for row in rows}
    assert os.fsdecode(name) in record(sites)["picked"]
    with np.load(sites / "out" / "embeddings.npz") as stored:
        assert len(stored["target_files"]) == N
    split = ["split", "--target", str(sites / "B"), "--out", str(sites / "split")]
    assert main([*split, "--size", "90%"]) == 0
    lines = [
        text
        for part in ("test.txt", "pool.txt")
        for text in (sites / "split" / part).read_text(encoding="utf-8").splitlines()
    ]
    assert len(lines) == N and line in lines
    reserved = read_test_set(sites / "split")
    assert len(reserved.images) == 11
    assert (os.fsdecode(name) in reserved.images) == (
        line in (sites / "split/test.txt").read_text()
    )
    assert select(sites, "--exclude-test", sites / "split", budget="1", out="again") == 0
    assert len(record(sites, "again")["test_set"]["left_out"]) == 11


def test_helpers_for_names():
    assert one_line("a\tb\u202ec") == "a\\tb\\u202ec"
    assert table_cell("@x") == "./@x" and table_cell("x=1") == "x=1"
    assert same_text("a\u0308") == "ä"
    assert few(list("abcdefg")) == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize("command", ["select", "split"])
def test_a_console_that_lacks_letters_and_a_closed_pipe_are_no_failure(sites, command):
    out = sites / "胸片"
    more = ["--source", sites / "A", "--budget", "2", "--quiet", "--no-report", "--force"]
    arguments = ["--target", sites / "B", "--out", out]
    arguments += more if command == "select" else ["--size", "20%", "--quiet"]
    run = [sys.executable, "-m", "skxssr.cli", command, *map(str, arguments)]
    env = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(run, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u80f8" in done.stdout
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads
    try:
        done = subprocess.run(run, stdout=writing, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        run = [word for word in run if word != "--quiet"]  # with progress bars
        assert subprocess.run(run, stdout=writing, stderr=writing, check=False).returncode == 0
    finally:
        os.close(writing)
    assert any(out.iterdir())


# ------------------------------------------------------------------------------ early checks


def test_values_that_are_no_image_are_named_at_once_and_can_be_skipped(sites, capsys):
    for name in ("ct0", "ct1"):
        hounsfield = RNG.normal(0, 300, (16, 16)).astype(np.float32)
        Image.fromarray(hounsfield).save(sites / "B" / f"{name}.tif")
    bad = find_unreadable(sorted((sites / "B").iterdir()))
    assert {path.name for path in bad} == {"ct0.tif", "ct1.tif"}
    assert all("must be" in why for why in bad.values())
    assert select(sites, budget="2") == 2
    said = capsys.readouterr().err
    assert "ct0.tif" in said and "ct1.tif" in said and "--skip-unreadable" in said
    assert not (sites / "out").exists()
    assert select(sites, "--skip-unreadable", budget="2") == 0
    assert "ct0.tif" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--jobs", "0"], "0 jobs do nothing"),
        (["--image-size", "0"], "'0' is no whole number of at least 1"),
        (["--max-per-group", "many"], "'many' is no whole number"),
    ],
)
def test_options_are_checked_as_they_are_read(sites, capsys, more, message):
    with pytest.raises(SystemExit) as stop:
        select(sites, *more)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_n_jobs_zero_is_refused_before_anything_is_read(sites):
    from skxssr import RandomFeaturesEmbedder
    from skxssr.workflows.select import select_from_folders

    options = {"embedder": RandomFeaturesEmbedder(), "selector": XSSRSelector(n_jobs=0)}
    with pytest.raises(ValueError, match=r"n_jobs \(--jobs\) must be"):
        select_from_folders(sites / "no", sites / "no", 1, sites / "out", **options)


FORK = """
import multiprocessing as mp, sys, numpy as np
from skxssr import XSSRSelector
X = np.random.default_rng(0).normal(size=(400, 16))
f = lambda: XSSRSelector(n_jobs=2).select(X, 10).tolist()
def child(queue): queue.put(f())
context = mp.get_context("fork")
queue, first = context.Queue(), f()
worker = context.Process(target=child, args=(queue,), daemon=True)
worker.start()
assert queue.get(timeout=60) == first
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_selects_after_its_parent_did_with_threads():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------ groups


def test_groups_from_folders_names_and_tables(tmp_path):
    names = ["x/p1/a_1.png", "x/p1/s/a_2.png", "x/p2/b_slice003.png", "x/p2/b_slice004.png"]
    assert groups_of(names, group_from="folder") == ["p1", "p1", "p2", "p2"]
    flat = ["a_1.png", "a_2.png", "TCGA_DU_7_12.png", "TCGA_DU_7_13.png", "own.png"]
    assert groups_of(flat, group_from="name") == ["a", "a", "TCGA_DU_7", "TCGA_DU_7", "own"]
    assert group_by_pattern([Path(name) for name in names], "/(p[0-9])/") == [
        "p1",
        "p1",
        "p2",
        "p2",
    ]
    table = tmp_path / "who.csv"
    table.write_text("\ufeffPatient;File;age\nann;a_1.png;3\nann;x/p1/s/a_2;3\nbob;b_slice003;4\n")
    assert read_group_table(table)["b_slice003"] == "bob"
    assert groups_of(names[:3], group_from=table) == ["ann", "ann", "bob"]
    for more, message in [
        ({"group_from": table}, r"no group for 1 of 4 images \(x/p2/b_slice004"),
        ({"group_from": "table.csv"}, "neither 'folder', 'name', 'dicom' nor a table"),
        ({"group_from": "folder", "pattern": "(x)"}, "give one of them"),
        ({"pattern": "^(q)"}, "--group-from folder"),
        ({"pattern": "p1(_)?"}, "without its bracketed part|matches no part"),
    ]:
        with pytest.raises(ValueError, match=message):
            groups_of(names, **more)
    with pytest.raises(ValueError, match=r"lie in no folder.*\(c\.png\)"):
        groups_of([*names, "c.png"], group_from="folder")
    with pytest.raises(ValueError, match="every image a patient"):
        groups_of(["a.png", "b.png"], group_from="name")
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="column 'file' and a column 'group'"):
        groups_of(names, group_from=table)


@pytest.mark.parametrize("rule", ["name", "table", "folder"])
def test_a_split_by_groups_is_recalled_by_select(sites, capsys, rule):
    if rule == "folder":
        for path in sorted((sites / "B").iterdir()):
            folder = path.parent / path.name[:2]
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
    if rule == "table":
        rows = [f"{path.name},{path.name[:2]}" for path in (sites / "B").rglob("*.png")]
        (sites / "who.csv").write_text("\n".join(["file,patient", *rows]))
    given = sites / "who.csv" if rule == "table" else rule
    reserved = split_folder(sites / "B", 3, sites / "split", group_from=given)
    assert reserved.n_patients == 1 and read_test_set(sites / "split") == reserved
    assert select(sites, "--exclude-test", sites / "split", budget="3") == 0
    assert "3 patients in 9 images, told as for the test set" in capsys.readouterr().out
    groups = record(sites)["groups"]
    assert len({groups[name] for name in record(sites)["picked"]}) == 3


def test_a_test_list_of_another_site_neither_blocks_nor_drops(sites, capsys):
    split_folder(sites / "B", 3, sites / "split")
    (sites / "C").mkdir()
    for path in (sites / "B").iterdir():
        Image.fromarray(np.array(Image.open(path))[:, ::-1]).save(sites / "C" / path.name)
    assert select(sites, target="C") == 0
    assert select(sites, "--exclude-test", sites / "split", target="C") == 0
    assert "taken for that of another site" in capsys.readouterr().out
    # a copy under another name is the same image, and an image that was saved anew is known by name
    reserved = read_test_set(sites / "split")
    first, second, third = (sites / "B" / name for name in reserved.images)
    first.rename(sites / "B" / "renamed.png")
    second.unlink()
    Image.open(third).transpose(Image.Transpose.ROTATE_90).save(third)
    assert select(sites, budget="1") == 2
    assert "renamed.png" in (said := capsys.readouterr().err) and third.name in said


@pytest.mark.parametrize("groups", [[1, "1"], ["a", float("nan")], ["a", None], [("a",), (1,)]])
def test_groups_of_two_types_are_refused(groups):
    with pytest.raises(ValueError, match="mixes types"):
        check_groups(groups, 2)
    assert check_groups(["1", "01"], 2).tolist() == [1, 0]
