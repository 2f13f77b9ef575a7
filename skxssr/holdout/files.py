"""A test set as files: drawn from a folder, written down, read back, kept apart."""

import hashlib
import json
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skxssr._utils.files import make_writable, read_json, write_text
from skxssr._utils.names import few, one_line
from skxssr._utils.provenance import sha256_of_files
from skxssr._version import __version__
from skxssr.holdout.draw import reserve_test_set
from skxssr.holdout.groups import groups_of
from skxssr.io import take_inventory

_FORMAT = "skxssr split"
_TEST, _POOL, _HOW = "test.txt", "pool.txt", "split.json"


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
    group_pattern, group_from : str or None
        How patients were told; None if each image was one.
    groups : dict of str to str
        Patient of each image of the folder, if `group_from` told them.
    """

    folder: Path
    images: dict[str, str]
    n_images: int
    group_pattern: str | None
    group_from: str | None = None
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the list of reserved images, that of ``test.txt``."""
        return _sha256(_lines(self.images))

    @property
    def n_patients(self) -> int | None:
        """How many patients are reserved; None if nobody said which image is whose."""
        found = self.groups_of(list(self.images))
        return None if found is None else len(set(found))

    def groups_of(self, names: Sequence[str]) -> list[str] | None:
        """Tell patients as when the test set was drawn.

        Parameters
        ----------
        names : sequence of str
            Paths relative to the target folder.

        Returns
        -------
        list of str, or None
            Patient of each of `names`; None if nobody said when it was drawn.

        Raises
        ------
        ValueError
            A name does not match, or has no row in the table.
        """
        if self.group_from == "table":
            return groups_of(names, table=self.groups)
        # with all images that it was drawn from, since names are compared with each other
        both = [*names, *self.groups]
        found = groups_of(both, self.group_pattern, self.group_from)
        return None if found is None else found[: len(names)]

    def find(self, hashes: Mapping[str, str]) -> list[str]:
        """Find out which images of a folder are reserved.

        By content, under any name. If none is, and files have the names of reserved images, these
        are images of another site, whose names say nothing; otherwise names count too, so that an
        image that was saved again is still known.

        Parameters
        ----------
        hashes : mapping of str to str
            SHA-256 of each file by its path relative to the folder.

        Returns
        -------
        list of str
            Those of the paths that are.
        """
        contents = set(self.images.values())
        same = {name for name, digest in hashes.items() if digest in contents}
        return [name for name in hashes if name in same or (same and name in self.images)]

    def is_of_another_site(self, hashes: Mapping[str, str]) -> bool:
        """Whether files have names of reserved images, and none has the content of any.

        Parameters
        ----------
        hashes : mapping of str to str
            As for `find`.

        Returns
        -------
        bool
        """
        return not self.images.keys().isdisjoint(hashes) and not self.find(hashes)

    def check_pool(
        self,
        files: Sequence[str] | Mapping[str, str],
        group_pattern: str | None = None,
        group_from: str | os.PathLike | None = None,
    ) -> None:
        """Refuse images that are reserved, or of a patient who is.

        Parameters
        ----------
        files : sequence of str, or mapping of str to str
            What is to be selected from: paths relative to the target folder, perhaps with the
            SHA-256 of each, which tells more than a name.
        group_pattern, group_from : str, optional
            A way to tell patients, in addition to the one that the test set was drawn by.

        Raises
        ------
        ValueError
            An image of `files` is in the test set, or belongs to a patient of it; the message
            names some, and what to do.
        """
        if isinstance(files, Mapping):
            reserved = self.find(files)
        else:
            reserved = [name for name in files if name in self.images]
        if reserved:
            raise ValueError(
                f"{len(reserved)} of {len(files)} images are in the test set reserved in "
                f"{self.folder} ({few(reserved)}), and what is tested on must not be selected: "
                f"leave them out with --exclude-test {self.folder} (in Python test_set), or select "
                f"from the files of {self.folder / _POOL} only"
            )
        both = [*files, *self.images]
        for own in (True, False):
            whose = self.groups_of(both) if own else groups_of(both, group_pattern, group_from)
            if whose is None:
                continue
            tested = set(whose[len(files) :])
            shared = [name for name, who in zip(files, whose, strict=False) if who in tested]
            if not shared:
                continue
            patients = list(dict.fromkeys(who for who in whose[: len(files)] if who in tested))
            if own:
                remedy = "these came later: move them out of the target folder"
            else:
                rule = (
                    f"--group-from {group_from}"
                    if group_pattern is None
                    else f"--group-pattern {group_pattern!r}"
                )
                remedy = (
                    "it was drawn without regard to them: if nothing is annotated yet, draw it "
                    f"anew into another folder, with skxssr split {rule}"
                )
            raise ValueError(
                f"{len(shared)} images ({few(shared)}) are of patients with images in the test "
                f"set reserved in {self.folder} ({few(patients)}), and a patient must not be on "
                f"both sides; {remedy}"
            )


def split_folder(
    target: str | os.PathLike,
    size: int | float,
    out: str | os.PathLike,
    *,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    images: str | None = None,
    exclude: str | None = None,
    random_state: int = 0,
    on_message: Callable[[str], object] = lambda text: None,
) -> ReservedSet:
    """Draw a test set from a folder of images and write it down; no image is moved.

    Parameters
    ----------
    target : path
        Folder of images, searched with its subfolders. Masks among them are left out, see
        `skxssr.io.take_inventory`; whatever else it holds may be drawn, broken files too.
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
    group_from : "folder", "name" or path, optional
        Instead of a pattern: the first folder in which paths differ, the name without its last
        number, or a CSV table with the columns ``file`` and ``group``.
    images, exclude : str, optional
        Which files are images, see `skxssr.io.take_inventory`.
    random_state : int, default=0
        Seed of the draw.
    on_message : callable, optional
        Called with what the folder holds.

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
    skxssr.workflows.select.select_from_folders : Keeps away from it.

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
    inventory = take_inventory(target, images=images, exclude=exclude, out=[out])
    on_message(inventory.text("Target"))
    files = inventory.images
    names = [path.relative_to(target).as_posix() for path in files]
    groups = groups_of(names, group_pattern, group_from)
    rows = reserve_test_set(names, size, groups=groups, random_state=seed).tolist()
    hashes = sha256_of_files([files[row] for row in rows])
    test = {names[row]: hashes[files[row]] for row in rows}
    pool = [name for name in names if name not in test]
    rule = "table" if group_from not in (None, "folder", "name") else group_from
    table = dict(zip(names, groups or [], strict=True)) if rule else {}
    reserved = ReservedSet(
        out, test, len(names), group_pattern, None if rule is None else str(rule), table
    )
    n_groups = None if groups is None else len(set(groups))
    how = {
        "format": _FORMAT,
        "version": __version__,
        "seed": seed,
        "size": int(size) if size >= 1 else float(size),
        "group_pattern": group_pattern,
        **({} if rule is None else {"group_from": rule, "groups": table}),
        "n_images": {"all": len(names), "test": len(test)},
        "n_patients": {"all": n_groups, "test": reserved.n_patients},
        "sha256": {
            "all": _sha256(_lines(names)),
            _TEST: reserved.sha256,
            _POOL: _sha256(_lines(pool)),
        },
        "test": test,
    }
    texts = {_TEST: _lines(test), _POOL: _lines(pool)}
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
            folder,
            dict(how["test"]),
            int(how["n_images"]["all"]),
            how["group_pattern"],
            how.get("group_from"),
            dict(how.get("groups", {})),
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
    return "".join(f"{one_line(name)}\n" for name in names)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
