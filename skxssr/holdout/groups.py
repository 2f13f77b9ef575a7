"""Which image is whose: from a pattern, the folder, the name, or a table."""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from skxssr._utils.files import refuse_device
from skxssr._utils.names import few, one_line, same_text
from skxssr.exceptions import ImageReadError
from skxssr.io.medical import groups_from_headers

_NUMBERED = re.compile(r"[ _.-]+[A-Za-z]{0,8}[ _.-]?[0-9]+$")
FILE_COLUMNS = ("file", "filename", "file_name", "path", "image", "image_id", "id", "name")
_GROUP_COLUMNS = (
    *("group", "patient", "patient_id", "patientid", "subject", "subject_id", "case", "volume"),
)


def group_by_pattern(paths: Sequence[Path], pattern: str) -> list[str]:
    """Group of each file: the first bracketed part of `pattern` found in its name.

    Parameters
    ----------
    paths : sequence of Path
        Image files. Where names alone do not all match, relative paths are searched whole, so that
        ``^(p[0-9]+)/`` is the folder.
    pattern : str
        Regular expression with one group, such as ``TCGA_.._([0-9]+)`` for the patient.

    Returns
    -------
    list of str
        One group a file.

    Raises
    ------
    ValueError
        `pattern` is no regular expression with exactly one group, or does not match every name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skxssr.holdout import group_by_pattern
    >>> group_by_pattern([Path("p1_003.png"), Path("p2_001.png")], r"^(p[0-9]+)_")
    ['p1', 'p2']
    >>> group_by_pattern([Path("p1/003.png"), Path("p2/001.png")], r"^(p[0-9]+)/")
    ['p1', 'p2']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"group pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    if compiled.groups != 1:
        raise ValueError(
            f"group pattern {pattern!r} has {compiled.groups} bracketed parts: mark exactly one, "
            "the patient, as in '^(p[0-9]+)_'"
        )
    by_name = [compiled.search(path.name) for path in paths]
    matches = by_name
    if not all(by_name):
        matches = [None if p.is_absolute() else compiled.search(p.as_posix()) for p in paths]
    if not all(matches):
        matches = max(by_name, matches, key=lambda found: sum(map(bool, found)))
        unmatched = [path for path, match in zip(paths, matches, strict=True) if not match]
        below = any(not path.is_absolute() and len(path.parts) > 1 for path in paths)
        raise ValueError(
            f"group pattern {pattern!r} matches no part of {len(unmatched)} file names, the first "
            f"{few([path.name for path in unmatched])}"
            + (". If patients are folders, use --group-from folder" if below else "")
        )
    groups = [match[1] for match in matches if match]
    if any(group is None for group in groups):
        raise ValueError(
            f"group pattern {pattern!r} matches without its bracketed part in "
            f"{few([p.name for p, g in zip(paths, groups, strict=True) if g is None])}: let the "
            "brackets enclose something that is always there"
        )
    return groups


def groups_of(
    names: Sequence[str],
    pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    table: Mapping[str, str] | None = None,
    *,
    root: Path | None = None,
) -> list[str] | None:
    """Group of each image by the rule that was asked for; None if none was.

    Parameters
    ----------
    names : sequence of str
        Paths relative to the folder of the images, with ``/``.
    pattern : str, optional
        See `group_by_pattern`.
    group_from : "folder", "name", "dicom" or path, optional
        "folder": the first folder in which paths differ; "name": what the name is without its last
        number; "dicom": the patient in the tags of DICOM files, numbered, and the file of slices of
        volumes; else a CSV table with a column ``file`` and a column ``group``.
    table : mapping of str to str, optional
        Groups by name, as a test set recorded them.
    root : Path, optional
        The folder of the images; "dicom" opens them.
    """
    if pattern is not None and group_from is not None:
        raise ValueError(
            "--group-pattern and --group-from both say which image is whose: give one of them."
        )
    if pattern is not None:
        return group_by_pattern([Path(name) for name in names], pattern)
    if table is not None:
        return look_up(names, table, "the record of the test set")
    if group_from is None:
        return None
    if group_from == "folder":
        return _by_folder(names)
    if group_from == "name":
        return _by_name(names)
    if group_from == "dicom":
        return _by_headers(names, root)
    return look_up(names, read_group_table(group_from), str(group_from))


def groups_of_scans(names: Sequence[str], root: Path) -> list[str] | None:
    """Patients of DICOM files and of slices, where nobody said who is who.

    None unless every image is of either kind, and several of them belong to one patient, and not
    all.
    """
    try:
        groups = _by_headers(names, root)
    except ValueError:
        return None
    return groups if 1 < len(set(groups)) < len(names) else None


def told_by_scans(groups: Sequence[str]) -> str:
    """What is said where `groups_of_scans` told the patients."""
    return (
        f"{len(set(groups))} patients in {len(groups)} images, told by the tags of DICOM files and "
        "the files of volumes; --group-from or --group-pattern says otherwise."
    )


def read_group_table(path: str | os.PathLike) -> dict[str, str]:
    """Groups by file, from a CSV table with a header (separated by commas, semicolons or tabs)."""
    return read_column(path, _GROUP_COLUMNS, "--group-from", "'folder', 'name', 'dicom' nor ")


def read_column(
    path: str | os.PathLike, columns: Sequence[str], option: str, instead: str = ""
) -> dict[str, str]:
    """A column of a CSV table by file; `columns` are the names that it may have."""
    try:
        refuse_device(path)
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(
            f"{option} {os.fspath(path)!r} is neither {instead or 'text nor '}a table that can "
            f"be read ({reason}): give one of these"
        ) from None
    lines = text.splitlines()
    header = lines[0] if lines else ""
    rows = list(csv.DictReader(lines, delimiter=max(",;\t", key=header.count)))
    known = {(name or "").strip().lower(): name for name in (rows[0] if rows else {}) if name}
    file_column = next((known[name] for name in FILE_COLUMNS if name in known), None)
    column = next((known[name] for name in columns if name in known), None)
    if file_column is None or column is None:
        raise ValueError(
            f"{os.fspath(path)} needs a header with a column 'file' and a column {columns[0]!r} "
            f"(or {columns[1]!r}), and a row for each image. Its first line is {one_line(header)!r}"
        )
    table: dict[str, str] = {}
    for row in rows:
        file = same_text((row[file_column] or "").strip().replace("\\", "/").removeprefix("./"))
        value = (row[column] or "").strip()
        if table.setdefault(file, value) != value:
            raise ValueError(
                f"{os.fspath(path)} gives {file} the {columns[0]}s {table[file]!r} and {value!r}: "
                "keep one"
            )
    return {file: value for file, value in table.items() if file and value}


def look_up(
    names: Sequence[str], table: Mapping[str, str], where: str, what: str = "group"
) -> list[str]:
    """By relative path, by file name, or by the name without suffix."""
    known = {same_text(file): group for file, group in table.items()}
    found = []
    for name in names:
        path = PurePosixPath(same_text(name))
        keys = (str(path), path.name, str(path.with_suffix("")), path.stem)
        found.append(next((known[key] for key in keys if key in known), None))
    missing = [name for name, group in zip(names, found, strict=True) if group is None]
    if missing:
        raise ValueError(
            f"{where} says no {what} for {len(missing)} of {len(names)} images ({few(missing)}): "
            "give every image a row with its path below the folder, or its name"
        )
    return [group for group in found if group is not None]


def _by_folder(names: Sequence[str]) -> list[str]:
    parts = [PurePosixPath(name).parent.parts for name in names]
    shared = len(os.path.commonprefix(parts)) if parts else 0
    flat = [name for name, part in zip(names, parts, strict=True) if len(part) <= shared]
    if flat:
        raise ValueError(
            f"--group-from folder: {len(flat)} of {len(names)} images lie in no folder of their "
            f"patient ({few(flat)}): move them into one, or say who is who by --group-pattern or a "
            "table"
        )
    return [part[shared] for part in parts]


def _by_name(names: Sequence[str]) -> list[str]:
    groups = []
    for name in names:
        path = PurePosixPath(name)
        groups.append(str(path.parent / _NUMBERED.sub("", path.stem)))
    if len(names) > 1 and len(set(groups)) in (1, len(names)):
        what = "all images one patient" if len(set(groups)) == 1 else "every image a patient"
        raise ValueError(
            f"--group-from name: names such as {few(list(names), 2)} without their last number "
            f"would make {what}: use --group-pattern, or a table"
        )
    return groups


def _by_headers(names: Sequence[str], root: Path | None) -> list[str]:
    if root is None and names:
        raise ValueError(
            "--group-from dicom opens the images, and here there are none, only their names: give "
            "a table with --group-from, or --group-pattern"
        )
    try:
        return groups_from_headers([Path(root or ".") / name for name in names])
    except ImageReadError as error:
        raise ValueError(f"--group-from dicom: {error}") from None
