"""Results on disk, one line of JSON each, so that a run can be stopped."""

import json
import os
import re
import sys
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from skxssr.exceptions import SkxssrWarning

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["RunLog", "read_run_file"]

_CHECKED = re.compile(rb'(\{.*), "crc32": "([0-9a-f]{8})"\}', re.DOTALL)
_FIRST = b'{"design": '
_FAR = 1 << 40  # Windows locks bytes against reading too: one that no file reaches


class RunFile(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    design : dict or None
        None if no line says it.
    lines : dict of str to dict
        By key; of two lines with one key the later counts.
    bad : list of int
        Numbers of the lines that cannot be read, from 1.
    """

    design: dict[str, Any] | None
    lines: dict[str, dict[str, Any]]
    bad: list[int]


class RunLog:
    """An append-only file of lines: the design first, what follows is filed by key.

    Each line carries a checksum. A line that cannot be read, damaged or cut off in the middle, is
    skipped and reported; the others count. Nothing that is on disk is ever rewritten, but for the
    removal of a last line that was cut off. While a log is open its file is locked: the lock ends
    with `close`, or with the process.

    Parameters
    ----------
    path : path or None
        None keeps the lines in memory only.

    Attributes
    ----------
    design : dict or None
        What the lines belong to; None in a new log until `begin`.
    lines : dict of str to dict
        Every line by its key.

    Raises
    ------
    BlockingIOError
        The file is open in another process, or elsewhere in this one.
    ValueError
        The file is not one of these, or the line that says its design is lost.

    Examples
    --------
    >>> from skxssr.evaluation._runs.run_log import RunLog
    >>> with RunLog(None) as log:
    ...     log.begin({"task": "chest"})
    ...     log.add("pick/0", {"rows": [3, 1]})
    >>> log["pick/0"]
    {'key': 'pick/0', 'rows': [3, 1]}
    """

    def __init__(self, path: str | os.PathLike | None) -> None:
        self.path = None if path is None else Path(path)
        self.design: dict[str, Any] | None = None
        self.lines: dict[str, dict[str, Any]] = {}
        self._stream: IO[bytes] | None = None
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("a+b", buffering=0)
        try:
            _lock(self._stream, self.path)
            self._read(self._stream, self.path)
        except BaseException:
            self.close()
            raise

    def _read(self, stream: IO[bytes], path: Path) -> None:
        stream.seek(0)
        data = stream.read()
        begun = b"\n" not in data and (data.startswith(_FIRST) or _FIRST.startswith(data))
        if begun and _parse(data).design is None:  # new, or stopped within its first line
            stream.truncate(0)
            return
        found = _understand(data, path)
        self.design, self.lines = found.design, found.lines
        end = data.rfind(b"\n") + 1
        if end < len(data):
            if data.count(b"\n") + 1 in found.bad:
                stream.truncate(end)  # the rest of a line that was cut off
            else:
                _write(stream, b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock; the lines stay in memory."""
        if self._stream is not None:
            _unlock(self._stream)
            self._stream.close()
            self._stream = None

    def __contains__(self, key: str) -> bool:
        return key in self.lines

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self.lines[key]

    def begin(self, design: Mapping[str, Any]) -> None:
        """Say what the lines belong to, where the file does not say it yet."""
        if self.design is None:
            self.design = json.loads(json.dumps(dict(design)))
            self._append({"design": self.design})

    def note(self, line: Mapping[str, Any]) -> None:
        """File where the lines that follow come from, once for each session that differs."""
        known = [{**old, "key": None} for old in self.lines.values()]
        if {**line, "key": None} not in known:
            number = 0
            while f"session/{number}" in self.lines:
                number += 1
            self.add(f"session/{number}", line)

    def keep(self, key: str, line: Mapping[str, Any]) -> None:
        """File a line unless it is there."""
        if key not in self.lines:
            self.add(key, line)

    def add(self, key: str, line: Mapping[str, Any]) -> None:
        """File a line, on disk before this returns; it takes the place of one of the same key."""
        self._append({"key": key, **line})
        self.lines[key] = {"key": key, **line}
        if "design" not in self.lines:  # a copy, not beside the first line: one may be lost
            self.add("design", {"design": self.design})

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._stream is not None:
            _write(self._stream, encode(line))
            os.fsync(self._stream.fileno())


def read_run_file(path: str | os.PathLike) -> RunFile:
    """The lines of a file, without locking it; those that cannot be read are reported.

    Parameters
    ----------
    path : path
        Written by a `RunLog`, of this version or an earlier one.

    Returns
    -------
    RunFile
        Its design is not None.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is none of these, or the line that says its design is lost.
    """
    path = Path(path)
    return _understand(path.read_bytes(), path)


def encode(line: Mapping[str, Any]) -> bytes:
    """A line as it stands in the file, with its checksum and its end."""
    body = json.dumps(line).encode("ascii")
    return body[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(body)


def _decode(text: bytes, must_be_checked: bool) -> tuple[dict[str, Any] | None, bool]:
    """The line, or None if it is damaged; and whether it has a checksum that is right."""
    checked = _CHECKED.fullmatch(text)
    if checked is not None:
        text = checked[1] + b"}"
        if zlib.crc32(text) != int(checked[2], 16):
            return None, False
    elif must_be_checked:
        return None, False
    try:
        line = json.loads(text)
    except ValueError:  # no JSON, or no UTF-8
        return None, False
    if not isinstance(line, dict):
        return None, False
    known = isinstance(line.get("design"), dict) or isinstance(line.get("key"), str)
    return (line if known else None), checked is not None


def _parse(data: bytes) -> RunFile:
    """Every line that can be read. Those of earlier versions have no checksum."""
    design, lines, bad = None, {}, []
    since = False  # after the first checksum every line has one
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        line, checked = _decode(text.strip(), since)
        since = since or checked
        if line is None:
            bad.append(number)
            continue
        if "key" in line:
            lines[line["key"]] = line
        if design is None:
            design = line.get("design")
    return RunFile(design, lines, bad)


def _understand(data: bytes, path: Path) -> RunFile:
    found = _parse(data)
    if found.design is None:
        if found.lines:
            raise ValueError(
                f"{path} has lost its first line, which says what was compared, so nothing can be "
                "added to it: restore that line from a copy, or give another file."
            )
        raise ValueError(
            f"{path} holds no line that compare_selectors wrote, and is left as it is: give "
            "another file."
        )
    if found.bad:
        few = ", ".join(map(str, found.bad[:10])) + (", ..." if len(found.bad) > 10 else "")
        which = f"line {few} cannot" if len(found.bad) == 1 else f"lines {few} cannot"
        warnings.warn(
            f"{path}: {which} be read (damaged, or cut off in the middle) and will be skipped; all "
            "others count. compare_selectors makes what is missing anew.",
            SkxssrWarning,
            stacklevel=4,
        )
    return found


def _write(stream: IO[bytes], data: bytes) -> None:
    """At the end of the file, in one step unless the disk takes less at a time."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def _lock(stream: IO[bytes], path: Path) -> None:
    try:
        if sys.platform == "win32":
            stream.seek(_FAR)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if sys.platform == "win32" or isinstance(error, BlockingIOError):
            raise BlockingIOError(
                f"{path} is in use by another comparison, and two at once would train every "
                "network twice: wait until that one is done, stop it, or give another file."
            ) from None
        warnings.warn(  # a few file systems on a network have no locks
            f"{path} cannot be locked ({error.strerror}): see to it that no other comparison "
            "writes to it.",
            SkxssrWarning,
            stacklevel=4,
        )


def _unlock(stream: IO[bytes]) -> None:
    try:
        if sys.platform == "win32":
            stream.seek(_FAR)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_UN)  # for a child that inherited the file, too
    except OSError:
        pass  # it was never locked
