"""Names of pictures that share a file: ``volume.nii.gz#axial=12``, ``run.dcm#frame=3``."""

import os
import re
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(.+)#(axial|coronal|sagittal|frame|page)=(\d+)", re.DOTALL)


class SliceName(NamedTuple):
    """A file, along what it is cut, and which slice; None and 0 for a file of one picture."""

    file: Path
    axis: str | None
    number: int


def split_name(path: str | os.PathLike) -> SliceName:
    """Take the name of a picture apart; a file that is really called so is a file."""
    found = _NAME.fullmatch(os.fspath(path))
    if found is None or os.path.exists(path):
        return SliceName(Path(path), None, 0)
    return SliceName(Path(found[1]), found[2], int(found[3]))


def file_of(path: str | os.PathLike) -> Path:
    """The file that a picture is read from."""
    return split_name(path).file


def stem_and_slice(path: Path) -> tuple[str, str]:
    """The path without the suffix of its file (``.nii.gz`` is one), and the name of the slice."""
    file, axis, number = split_name(path)
    stem = file.with_suffix("")
    if file.name.lower().endswith(".nii.gz"):
        stem = stem.with_suffix("")
    return stem.as_posix(), "" if axis is None else f"#{axis}={number}"


def slice_path(file: str | os.PathLike, axis: str, number: int) -> Path:
    """The name of one picture of a file."""
    return Path(f"{os.fspath(file)}#{axis}={number}")
