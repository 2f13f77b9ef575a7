"""Embeddings with the names of what they are of: one file, ours or anybody's."""

import csv
import json
import os
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.names import few
from skxssr.holdout.groups import FILE_COLUMNS

__all__ = ["Embeddings", "check_same_embedder", "read_embeddings", "write_embeddings"]

POSSIBLE = (
    ".npz (what skxssr embed or skxssr select wrote, or one array of numbers and one of ids), .npy "
    "with a .txt of the same name (one id a line), .csv (a column of ids, the others numbers)"
)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors and what they are of.

    Attributes
    ----------
    vectors : ndarray of shape (n, d)
        Numbers, a row each.
    ids : list of str
        Paths relative to the folder of the images, or any names; no two alike.
    sha256 : list of str or None
        SHA-256 of each image file, where known.
    about : dict
        Plain values: the embedder, the folder, what is junk; empty for other people's files.
    """

    vectors: np.ndarray
    ids: list[str]
    sha256: list[str] | None = None
    about: dict[str, Any] = field(default_factory=dict)


def write_embeddings(path: str | os.PathLike, embeddings: Embeddings) -> None:
    """Write a compressed ``.npz`` in one step; nothing in it is pickled.

    Parameters
    ----------
    path : path
        Ends in ``.npz``.
    embeddings : Embeddings
    """
    path = Path(path)
    arrays: dict[str, Any] = {
        "embeddings": embeddings.vectors,
        "ids": np.array(embeddings.ids),
        "about": np.array(json.dumps(embeddings.about)),
    }
    if embeddings.sha256 is not None:
        arrays["sha256"] = np.array(embeddings.sha256)
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    beside.replace(path)


def read_embeddings(path: str | os.PathLike, *, side: str = "target") -> Embeddings:
    """Read embeddings with their ids.

    Parameters
    ----------
    path : path
        ``.npz`` that ``skxssr embed`` or ``skxssr select`` wrote, or of one two-dimensional array
        of numbers and one of ids; ``.npy`` beside a ``.txt`` of one id a line; ``.csv`` whose
        column of ids is called file, id or the like, or is the only one that does not hold numbers.
    side : {"target", "source"}, default="target"
        Which of the two, in a file that ``skxssr select`` wrote.

    Returns
    -------
    Embeddings

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is of no such form or damaged, ids are missing or not unique, or nothing is in it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skxssr.workflows.embeddings_file import read_embeddings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.csv")
    ...     _ = path.write_text("file,f0,f1\\na.png,0.5,1\\nb.png,2,3\\n")
    ...     mine = read_embeddings(path)
    >>> mine.ids, mine.vectors.shape
    (['a.png', 'b.png'], (2, 2))
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: there is no such file of embeddings. Possible: {POSSIBLE}"
        )
    readers = {".npz": _from_npz, ".npy": _from_npy, ".csv": _from_csv}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path} is of no format that holds embeddings. Possible: {POSSIBLE}")
    try:
        found = readers[path.suffix.lower()](path, side)
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}): write it anew") from error
    _check(found, path)
    return found


def _check(found: Embeddings, path: Path) -> None:
    X = found.vectors
    if X.ndim != 2 or 0 in X.shape or X.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: embeddings must be a table of numbers, a row an image. Got an array of shape "
            f"{X.shape} and dtype {X.dtype} instead."
        )
    if len(found.ids) != len(X):
        raise ValueError(f"{path}: {len(found.ids)} ids for {len(X)} rows: there must be one each")
    twice = [name for name, n in Counter(found.ids).items() if n > 1]
    if twice:
        raise ValueError(
            f"{path}: {len(twice)} ids are there more than once ({few(twice, 3)}): give each image "
            "a row and an id of its own"
        )


def _from_npz(path: Path, side: str) -> Embeddings:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if {"embeddings", "ids", "about"} <= arrays.keys():
        sha256 = arrays["sha256"].tolist() if "sha256" in arrays else None
        about = json.loads(str(arrays["about"]))
        return Embeddings(arrays["embeddings"], arrays["ids"].tolist(), sha256, about)
    if f"{side}_files" in arrays:  # of skxssr select
        return Embeddings(arrays[side], arrays[f"{side}_files"].tolist())
    tables = {name: a for name, a in arrays.items() if a.ndim == 2 and a.dtype.kind in "fiu"}
    texts = {name: a for name, a in arrays.items() if a.ndim == 1 and a.dtype.kind in "US"}
    if len(tables) != 1 or len(texts) != 1:
        shown = ", ".join(f"{name} {a.dtype}{list(a.shape)}" for name, a in arrays.items())
        raise ValueError(
            f"{path} must hold one two-dimensional array of numbers and one array of ids; it holds "
            f"{shown or 'nothing'}"
        )
    return Embeddings(next(iter(tables.values())), [str(name) for name in texts.popitem()[1]])


def _from_npy(path: Path, side: str) -> Embeddings:
    ids = path.with_suffix(".txt")
    if not ids.is_file():
        raise FileNotFoundError(f"{path} has no ids: write them to {ids}, one a line in its order")
    lines = ids.read_text(encoding="utf-8-sig").splitlines()
    return Embeddings(np.load(path, allow_pickle=False), [line for line in lines if line.strip()])


def _from_csv(path: Path, side: str) -> Embeddings:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row]
    if len(rows) < 2:
        raise ValueError(f"{path} needs a header and a row for each image")
    header, body = rows[0], rows[1:]
    uneven = next((n for n, row in enumerate(body, 2) if len(row) != len(header)), None)
    if uneven is not None:
        raise ValueError(f"{path}, row {uneven}: it has not the {len(header)} cells of the header")
    at = _id_column(header, [_is_number(cell) for cell in body[0]], path)
    try:
        numbers = [[float(c) for k, c in enumerate(row) if k != at] for row in body]
    except ValueError as error:
        raise ValueError(
            f"{path}: all columns but {header[at]!r} must be numbers: {error}"
        ) from None
    return Embeddings(np.array(numbers), [row[at] for row in body])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _id_column(header: list[str], numeric: list[bool], path: Path) -> int:
    named = [k for k, name in enumerate(header) if name.strip().lower() in FILE_COLUMNS]
    texts = [k for k, is_number in enumerate(numeric) if not is_number]
    if named:
        return named[0]
    if len(texts) == 1:
        return texts[0]
    raise ValueError(
        f"{path}: which column holds the ids cannot be told: call it 'file' or 'id', and let all "
        "others be numbers"
    )


def check_same_embedder(source: Embeddings, target: Embeddings) -> None:
    """Refuse a source and a target that were embedded by two different networks.

    Parameters
    ----------
    source, target : Embeddings

    Raises
    ------
    ValueError
        Their widths differ, or both files say which embedder it was and do not say the same.
    """
    widths = source.vectors.shape[1], target.vectors.shape[1]
    told = [side.about.get("embedder", {}).get("weights_sha256") for side in (source, target)]
    if widths[0] != widths[1] or (None not in told and told[0] != told[1]):
        raise ValueError(
            f"--source-embeddings has {widths[0]} numbers an image and --embeddings {widths[1]}"
            + (", by embedders of different weights" if widths[0] == widths[1] else "")
            + ": embed both with the same embedder (skxssr embed --embedder FOLDER takes a saved "
            "one)"
        )
