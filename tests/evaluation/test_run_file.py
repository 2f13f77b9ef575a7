"""The file of results: damaged lines cost themselves alone, and one process writes at a time."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr.evaluation import load_comparison
from skxssr.evaluation._runs.run_log import RunLog, encode, read_run_file
from skxssr.exceptions import SkxssrWarning

DESIGN = {"task": "toy", "n_seeds": 1}
LINES = {f"pick/{i}": {"key": f"pick/{i}", "rows": [i, 10 + i], "name": 'a "é"'} for i in range(6)}


def write(path, lines=LINES):
    with RunLog(path) as log:
        log.begin(DESIGN)
        for key, line in lines.items():
            log.keep(key, {name: value for name, value in line.items() if name != "key"})
    return path.read_bytes()


def picks(lines):
    return {key: line for key, line in lines.items() if key.startswith("pick/")}


def quietly(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkxssrWarning)
        return call(*args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    write(path)
    found = read_run_file(path)
    assert found.design == DESIGN
    assert picks(found.lines) == LINES
    assert not found.bad
    for text in path.read_text().splitlines():  # every line is plain JSON
        assert "crc32" in json.loads(text)
    before = path.read_bytes()
    write(path)
    assert path.read_bytes() == before


def damage(data, kind, start, piece):
    start %= len(data)
    if kind == "cut":
        return data[:start], (start, len(data))
    if kind == "replace":
        end = min(len(data), start + len(piece))
        return data[:start] + piece[: end - start] + data[end:], (start, end)
    if kind == "delete":
        end = min(len(data), start + len(piece))
        return data[:start] + data[end:], (start, end)
    return data[:start] + piece + data[start:], (start, start + 1)  # insert


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["cut", "replace", "delete", "insert"]),
    start=st.integers(0, 10_000),
    piece=st.one_of(
        st.binary(min_size=1, max_size=9), st.text("0123456789\n", min_size=1).map(str.encode)
    ),
)
def test_damage_costs_no_other_line(folder, kind, start, piece):
    path = folder / "runs.jsonl"
    path.unlink(missing_ok=True)
    data = write(path)
    hurt, (low, high) = damage(data, kind, start, piece)
    path.write_bytes(hurt)
    sound, at = {}, 0
    for text in data.splitlines(keepends=True):
        # its end belongs to a line, and to the one after: without it the two are one
        if at + len(text) - 1 < low or at - 1 >= high or hurt == data:
            line = json.loads(text)
            line.pop("crc32")
            sound[line.get("key", "first")] = line
        at += len(text)
    if "first" in sound or "design" in sound:
        found = picks(quietly(read_run_file, path).lines)
        assert found.items() >= picks(sound).items()
        assert found.items() <= LINES.items()  # and what is damaged is nothing, or as it was
    else:  # cut off within the first line: nothing else was there
        assert kind == "cut"

    quietly(write, path)  # going on heals the file
    found = quietly(read_run_file, path)
    assert found.design == DESIGN
    assert picks(found.lines) == LINES


def test_bad_lines_are_skipped_and_named(tmp_path):
    path = tmp_path / "runs.jsonl"
    lines = write(path).splitlines(keepends=True)
    lines[3] = lines[3].replace(b"[1, 11]", b"[2, 11]")  # still JSON, no longer what was written
    lines[5] = b"\xff\x00\n"
    path.write_bytes(b"".join(lines))
    with pytest.warns(SkxssrWarning, match=r"runs.jsonl: lines 4, 6 cannot be read"):
        found = read_run_file(path)
    assert set(LINES) - set(found.lines) == {"pick/1", "pick/3"}
    with pytest.warns(SkxssrWarning, match="all others count"):
        write(path)
    assert path.read_bytes().startswith(b"".join(lines))  # nothing on disk is rewritten
    assert picks(quietly(read_run_file, path).lines) == LINES


def test_a_missing_last_newline_loses_nothing(tmp_path):
    path = tmp_path / "runs.jsonl"
    data = write(path)
    path.write_bytes(data.removesuffix(b"\n"))
    write(path, LINES | {"pick/9": {"key": "pick/9", "rows": [9]}})
    assert path.read_bytes().startswith(data)
    assert read_run_file(path).lines["pick/9"]["rows"] == [9]


def test_a_line_cut_off_is_removed_once(tmp_path):
    path = tmp_path / "runs.jsonl"
    data = write(path)
    path.write_bytes(data[:-10])
    with pytest.warns(SkxssrWarning, match="line 8 cannot be read"):
        write(path)
    assert path.read_bytes() == data


def test_stopped_within_the_first_line_is_a_new_file(tmp_path):
    path = tmp_path / "runs.jsonl"
    data = write(path)
    for size in range(data.index(b"\n")):
        path.write_bytes(data[:size])
        assert write(path) == data


def test_a_lost_first_line_is_taken_from_its_copy(tmp_path):
    path = tmp_path / "runs.jsonl"
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(b"#" + b"".join(lines[:-2]))
    assert quietly(read_run_file, path).design == DESIGN
    quietly(write, path)
    assert picks(quietly(read_run_file, path).lines) == LINES
    path.write_bytes(b"".join(lines[3:]))
    for open_it in (RunLog, read_run_file):
        with pytest.raises(ValueError, match="runs.jsonl has lost its first line"):
            open_it(path)
    assert path.read_bytes() == b"".join(lines[3:])


@pytest.mark.parametrize("content", [b"my notes", b'{"a": 1}\n', b"\x00\x01\n\n", b"[]\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    for open_it in (RunLog, read_run_file):
        with pytest.raises(ValueError, match="notes.txt holds no line"):
            open_it(path)
    assert path.read_bytes() == content


def test_files_of_earlier_versions_have_no_checksums(tmp_path):
    path = tmp_path / "runs.jsonl"
    old = [{"design": DESIGN}, *list(LINES.values())[:3]]
    text = "".join(json.dumps(line) + "\n" for line in old)
    path.write_text(text)
    assert picks(read_run_file(path).lines) == dict(list(LINES.items())[:3])
    write(path)
    assert path.read_text().startswith(text)
    assert picks(read_run_file(path).lines) == LINES


def test_the_later_of_two_lines_counts(tmp_path):
    path = tmp_path / "runs.jsonl"
    with RunLog(path) as log:
        log.begin(DESIGN)
        log.add("a", {"value": 1})
        log.add("a", {"value": 2})
    assert read_run_file(path).lines["a"]["value"] == 2


def test_notes_of_sessions_have_numbers_of_their_own(tmp_path):
    path = tmp_path / "runs.jsonl"
    with RunLog(path) as log:
        log.begin(DESIGN)
        for commit in "abc":
            log.note({"commit": commit})
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"x"'))  # its checksum is wrong now
    with quietly(RunLog, path) as log:
        log.note({"commit": "c"})
        log.note({"commit": "d"})
    found = quietly(read_run_file, path).lines
    commits = [line["commit"] for key, line in found.items() if key.startswith("session/")]
    assert sorted(commits) == ["b", "c", "d"]


OPEN = """
import os, sys
from skxssr.evaluation._runs.run_log import RunLog
try:
    log = RunLog(sys.argv[1])
except BlockingIOError as error:
    print(error)
else:
    log.begin({"task": "toy", "n_seeds": 1})
    print("open", flush=True)
    os._exit(1)  # stopped, with the file open
"""


def test_a_second_process_is_refused_and_a_dead_one_holds_no_lock(tmp_path):
    path = tmp_path / "runs.jsonl"

    def second():
        command = [sys.executable, "-c", OPEN, str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout

    with RunLog(path) as log:
        log.begin(DESIGN)
        said = second()
    assert f"{path} is in use by another comparison" in said
    assert "give another file" in said
    assert second() == "open\n"
    write(path)


def test_a_lock_ends_with_an_error(tmp_path):
    path = tmp_path / "runs.jsonl"
    with RunLog(path) as log:
        log.begin(DESIGN)
        with pytest.raises(BlockingIOError):
            RunLog(path)
        assert load_comparison(path).design == DESIGN  # reading needs no lock
    path.write_bytes(b"my notes")
    with pytest.raises(ValueError, match="holds no line"):
        RunLog(path)
    path.unlink()
    write(path)


def test_a_line_is_one_line():
    line = {"key": "a\nb", "value": [1.5, None, "\u2028", float(np.float32(0.1))]}
    assert encode(line).count(b"\n") == 1
