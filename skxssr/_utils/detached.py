"""Volumes whose header and voxels lie in two files: MetaImage (``.mhd``) and NRRD (``.nhdr``)."""

import re
from pathlib import Path

_MOST_BYTES = 2**16  # of a header
_NAMED = re.compile(
    rb"^[ \t]*(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*(.+?)[ \t\r]*$", re.MULTILINE | re.I
)


def is_detached(file: Path) -> bool:
    """Whether the voxels lie elsewhere, from the name."""
    return file.name.lower().endswith((".mhd", ".nhdr"))


def voxels_of(file: Path) -> Path | None:
    """The file of the voxels that a header names; None if it names none, or several."""
    with file.open("rb") as stream:
        found = _NAMED.search(stream.read(_MOST_BYTES))
    if found is None:
        return None
    name = found[1].decode("utf-8", "replace")
    if name.upper() in ("LOCAL", "LIST") or "%" in name or name.upper().startswith("LIST "):
        return None
    return file.parent / name
