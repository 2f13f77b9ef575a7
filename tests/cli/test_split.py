"""`skxssr split`, and what `skxssr select` makes of a split."""

import csv

import pytest

from skxssr.cli import main
from tests.cli.commands import command, record


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
    assert record(folders)["test_set"]["n_images"] == len(test)


def test_without_a_split_one_is_advised_and_a_forgotten_one_refused(folders, capsys):
    assert main(command(folders, "--budget", "2")) == 0
    assert capsys.readouterr().out.startswith("No --exclude-test: ")
    assert main(split(folders)) == 0
    assert main(command(folders, "--budget", "2", "--force")) == 2
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
    if message != "At most":  # only the images tell that
        assert "\r" not in said
    said = said.split("\r")[-1]  # what follows a bar that is gone
    assert said.startswith("skxssr: error: ") and message in said and "Traceback" not in said
    assert not (folders / "split").exists()


def test_another_split_is_not_overwritten(folders, capsys):
    main(split(folders))
    assert main(split(folders, "--size", "3")) == 2
    assert "remove the folder" in capsys.readouterr().err
