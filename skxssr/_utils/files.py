"""Small text files, written whole or not at all."""

import errno
import json
import math
import os
import stat
import tempfile
from pathlib import Path
from typing import Any


def make_writable(out: Path) -> None:
    """Make the folder and write to it once, so that a lack of permission shows before the work."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise PermissionError(
            f"--out {out} cannot be written ({error.strerror or error}): choose a folder where you "
            "may write"
        ) from error


def is_regular(path: str | os.PathLike) -> bool:
    """Whether it is a file with an end: no folder, and no pipe or device, which may have none."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # a ValueError: a name that no system has
        return False


def refuse_device(path: str | os.PathLike) -> None:
    """Raise an OSError for a device, which may never end; a pipe of the user's shell is welcome."""
    mode = os.stat(path).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "it is a device, not a file", os.fspath(path))


def read_json(path: Path) -> Any:
    """What the file holds; None if it is not there, is no regular file, or holds no JSON."""
    if not is_regular(path):
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a ValueError: no UTF-8, or no JSON
        return None


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    # one line ending everywhere, so that a hash of the file is the same on every system
    beside.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8", newline="\n")
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Replace a file in one step by plain values; NaN and infinity, which JSON lacks, are null."""

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(item) for key, item in value.items()}
        if isinstance(value, list):
            return [finite(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    write_text(path, json.dumps(finite(value), indent=1, allow_nan=False))
