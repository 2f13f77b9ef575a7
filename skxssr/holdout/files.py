"""A test set as files: drawn from a folder, written down, read back, kept apart. Imports `io`."""

import hashlib
import json
import operator
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skxssr._files import make_writable, read_json, write_text
from skxssr._provenance import sha256_of_files
from skxssr._version import __version__
from skxssr.holdout.draw import reserve_test_set
from skxssr.io import list_images

_FORMAT = "skxssr split"
_TEST, _POOL, _HOW = "test.txt", "pool.txt", "split.json"


def group_by_pattern(paths: Sequence[Path], pattern: str) -> list[str]:
    """Group of each file: the first bracketed part of `pattern` found in its name.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
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
    matches = [compiled.search(path.name) for path in paths]
    unmatched = [path.name for path, match in zip(paths, matches, strict=True) if not match]
    if unmatched:
        raise ValueError(
            f"group pattern {pattern!r} matches no part of {len(unmatched)} file names, the first "
            f"{unmatched[0]}"
        )
    return [match[1] for match in matches if match]


@dataclass(frozen=True)
class ReservedSet:
    """A test set that was reserved: what `split_folder` wrote and `read_test_set` reads.

    Attributes
    ----------
    folder : Path
        Where it is written down.
    images : dict of str to str
        SHA-256 of the bytes of each reserved image, by path relative to the target folder.
    n_images : int
        How many images it was drawn from.
    group_pattern : str or None
        How patients were told; None if each image was one.
    """

    folder: Path
    images: dict[str, str]
    n_images: int
    group_pattern: str | None

    @property
    def sha256(self) -> str:
        """Hash of the list of reserved images, that of ``test.txt``."""
        return _sha256(_lines(self.images))

    @property
    def n_patients(self) -> int | None:
        """How many patients are reserved; None if nobody said which image is whose."""
        if self.group_pattern is None:
            return None
        return len(set(group_by_pattern(_paths(self.images), self.group_pattern)))

    def check_pool(self, files: Sequence[str], group_pattern: str | None = None) -> None:
        """Refuse images that are reserved, or of a patient who is.

        Parameters
        ----------
        files : sequence of str
            What is to be selected from: paths relative to the target folder.
        group_pattern : str, optional
            A way to tell patients, in addition to the one that the test set was drawn by.

        Raises
        ------
        ValueError
            An image of `files` is in the test set, or belongs to a patient of it; the message
            names some, and what to do.
        """
        reserved = [name for name in files if name in self.images]
        if reserved:
            raise ValueError(
                f"{len(reserved)} of {len(files)} images are in the test set reserved in "
                f"{self.folder} ({_few(reserved)}), and what is tested on must not be selected: "
                f"leave them out with --exclude-test {self.folder} (in Python test_set), or select "
                f"from the files of {self.folder / _POOL} only"
            )
        for pattern in dict.fromkeys([self.group_pattern, group_pattern]):
            if pattern is None:
                continue
            tested = set(group_by_pattern(_paths(self.images), pattern))
            whose = group_by_pattern(_paths(files), pattern)
            shared = [name for name, patient in zip(files, whose, strict=True) if patient in tested]
            if not shared:
                continue
            patients = list(dict.fromkeys(patient for patient in whose if patient in tested))
            if pattern == self.group_pattern:
                remedy = "these came later: move them out of the target folder"
            else:
                remedy = (
                    "it was drawn without regard to them: if nothing is annotated yet, draw it "
                    f"anew into another folder, with skxssr split --group-pattern {pattern!r}"
                )
            raise ValueError(
                f"{len(shared)} images ({_few(shared)}) are of patients with images in the test "
                f"set reserved in {self.folder} ({_few(patients)}), and a patient must not be on "
                f"both sides; {remedy}"
            )


def split_folder(
    target: str | os.PathLike,
    size: int | float,
    out: str | os.PathLike,
    *,
    group_pattern: str | None = None,
    random_state: int = 0,
) -> ReservedSet:
    """Draw a test set from a folder of images and write it down; no image is opened or moved.

    Parameters
    ----------
    target : path
        Folder of images, searched with its subfolders.
    size : int or float
        At least so many images, or that share of them; see `reserve_test_set`.
    out : path
        Folder for the lists, made if missing. Receives ``test.txt`` and ``pool.txt`` (paths
        relative to `target`, one a line) and ``split.json`` (how they were drawn, hashes of the
        lists and of every reserved image). There is no date in them: drawn again from the same
        files they are the same, byte for byte.
    group_pattern : str, optional
        What in a file name says the patient, see `group_by_pattern`. By default every image is a
        patient of its own.
    random_state : int, default=0
        Seed of the draw.

    Returns
    -------
    ReservedSet

    Raises
    ------
    FileExistsError
        `out` holds another split already: a test set is drawn once.
    FileNotFoundError, NotADirectoryError
        There is no folder `target`.
    ValueError
        No image is in it, the size cannot be met, or the pattern does not match.
    PermissionError
        `out` cannot be written.

    See Also
    --------
    reserve_test_set : How it is drawn.
    skxssr.folders.select_from_folders : Keeps away from it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skxssr.holdout import split_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = pathlib.Path(folder)
    ...     for name in ("p1_a.png", "p1_b.png", "p2_a.png", "p3_a.png"):
    ...         (root / name).touch()
    ...     reserved = split_folder(root, 1, root / "split", group_pattern="^(p[0-9]+)_")
    ...     (root / "split" / "test.txt").read_text().split()
    ['p3_a.png']
    """
    target, out = Path(target), Path(out)
    seed = operator.index(random_state)
    files = list_images(target)
    names = [path.relative_to(target).as_posix() for path in files]
    groups = None if group_pattern is None else group_by_pattern(files, group_pattern)
    rows = reserve_test_set(names, size, groups=groups, random_state=seed).tolist()
    hashes = sha256_of_files([files[row] for row in rows])
    images = {names[row]: hashes[files[row]] for row in rows}
    pool = [name for name in names if name not in images]
    reserved = ReservedSet(out, images, len(names), group_pattern)
    n_groups = None if groups is None else len(set(groups))
    how = {
        "format": _FORMAT,
        "version": __version__,
        "seed": seed,
        "size": int(size) if size >= 1 else float(size),
        "group_pattern": group_pattern,
        "n_images": {"all": len(names), "test": len(images)},
        "n_patients": {"all": n_groups, "test": reserved.n_patients},
        "sha256": {
            "all": _sha256(_lines(names)),
            _TEST: reserved.sha256,
            _POOL: _sha256(_lines(pool)),
        },
        "test": images,
    }
    texts = {_TEST: _lines(images), _POOL: _lines(pool)}
    _refuse_another(out, how, texts)
    make_writable(out)
    for name, text in texts.items():
        write_text(out / name, text)
    if not (out / _HOW).exists():  # last: where it lies, the lists are whole
        write_text(out / _HOW, json.dumps(how, indent=1))
    return reserved


def _refuse_another(out: Path, how: dict[str, Any], texts: dict[str, str]) -> None:
    """Unless what lies in `out` is the same draw, perhaps by another version of this package."""
    there = read_json(out / _HOW)
    same = not (out / _HOW).exists() or (
        isinstance(there, dict) and {**there, "version": how["version"]} == how
    )
    for name, text in texts.items():
        path = out / name
        same = same and (not path.exists() or path.read_bytes() == text.encode())
    if not same:
        raise FileExistsError(
            f"{out} holds another split already, of other files or drawn in another way. A test "
            "set is drawn once, before anything is selected: if nothing was selected, annotated "
            f"or tested with that one, remove the folder {out} and repeat the command; otherwise "
            "keep it, or name another folder with --out"
        )


def read_test_set(folder: str | os.PathLike) -> ReservedSet:
    """Read a test set that `split_folder` (``skxssr split``) wrote.

    Parameters
    ----------
    folder : path
        Its `out`.

    Returns
    -------
    ReservedSet

    Raises
    ------
    ValueError
        There is none in `folder`, or its list was changed after it was drawn.

    Examples
    --------
    >>> from skxssr.holdout import read_test_set
    >>> read_test_set("no/split")
    Traceback (most recent call last):
        ...
    ValueError: no test set in no/split: ...
    """
    folder = Path(folder)
    how = read_json(folder / _HOW)
    if not isinstance(how, dict) or how.get("format") != _FORMAT:
        raise ValueError(
            f"no test set in {folder}: give the folder that skxssr split wrote, which holds {_HOW}"
        )
    try:
        reserved = ReservedSet(
            folder, dict(how["test"]), int(how["n_images"]["all"]), how["group_pattern"]
        )
        text = (folder / _TEST).read_text(encoding="utf-8")
        whole = reserved.sha256 == how["sha256"][_TEST] == _sha256(text)
    except (KeyError, TypeError, ValueError, FileNotFoundError):
        whole = False
    if not whole:
        raise ValueError(
            f"{folder / _TEST} is not the list that {folder / _HOW} describes: put both back as "
            "skxssr split wrote them (the same command from the same files, into another folder, "
            "writes them again)"
        )
    return reserved


def reserved_nearby(target: Path, out: Path) -> list[ReservedSet]:
    """Test sets in or beside the two folders, one level deep: so that none is forgotten."""
    places = {Path(os.path.abspath(path)) for path in (target, out)}
    places |= {place.parent for place in places}
    found = {path for place in places for path in [place / _HOW, *place.glob(f"*/{_HOW}")]}
    ours = []
    for path in sorted(found):
        how = read_json(path)  # others' programs write files of this name too
        if isinstance(how, dict) and how.get("format") == _FORMAT:
            ours.append(read_test_set(path.parent))
    return ours


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _paths(names: Iterable[str]) -> list[Path]:
    return [Path(name) for name in names]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
