"""A test set that was reserved: read back, recognised, and kept away from."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skxssr._utils.files import read_json
from skxssr._utils.names import few, one_line
from skxssr.holdout.groups import groups_of

FORMAT = "skxssr split"
TEST, POOL, HOW = "test.txt", "pool.txt", "split.json"


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
    set_aside : dict of str to str
        SHA-256 of images that are neither tested on nor in the pool: blank, dark and the like, or
        copies, of what is reserved.
    """

    folder: Path
    images: dict[str, str]
    n_images: int
    group_pattern: str | None
    group_from: str | None = None
    groups: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)

    @property
    def kept_away(self) -> dict[str, str]:
        """All images that must not be selected: the reserved ones, and those set aside."""
        return self.images | self.set_aside

    @property
    def sha256(self) -> str:
        """Hash of the list of reserved images, that of ``test.txt``."""
        return sha256_of(lines_of(self.images))

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
        away = self.kept_away
        contents = set(away.values())
        same = {name for name, digest in hashes.items() if digest in contents}
        return [name for name in hashes if name in same or (same and name in away)]

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
        *,
        root: Path | None = None,
    ) -> None:
        """Refuse images that are reserved, or of a patient who is.

        Parameters
        ----------
        files : sequence of str, or mapping of str to str
            What is to be selected from: paths relative to the target folder, perhaps with the
            SHA-256 of each, which tells more than a name.
        group_pattern, group_from : str, optional
            A way to tell patients, in addition to the one that the test set was drawn by.
        root : Path, optional
            The folder of the images, for `group_from` "dicom".

        Raises
        ------
        ValueError
            An image of `files` is in the test set, or belongs to a patient of it; the message
            names some, and what to do.
        """
        if isinstance(files, Mapping):
            reserved = self.find(files)
        else:
            reserved = [name for name in files if name in self.kept_away]
        if reserved:
            raise ValueError(
                f"{len(reserved)} of {len(files)} images are in the test set reserved in "
                f"{self.folder} ({few(reserved)}), and what is tested on must not be selected: "
                f"leave them out with --exclude-test {self.folder} (in Python test_set), or select "
                f"from the files of {self.folder / POOL} only"
            )
        both = [*files, *self.images]
        for own in (True, False):
            if own:
                whose = self.groups_of(both)
            else:
                whose = groups_of(both, group_pattern, group_from, root=root)
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
    how = read_json(folder / HOW)
    if not isinstance(how, dict) or how.get("format") != FORMAT:
        raise ValueError(
            f"no test set in {folder}: give the folder that skxssr split wrote, which holds {HOW}"
        )
    try:
        reserved = ReservedSet(
            folder,
            dict(how["test"]),
            int(how["n_images"]["all"]),
            how["group_pattern"],
            how.get("group_from"),
            dict(how.get("groups", {})),
            dict(how.get("set_aside", {})),
        )
        text = (folder / TEST).read_text(encoding="utf-8")
        whole = reserved.sha256 == how["sha256"][TEST] == sha256_of(text)
    except (KeyError, TypeError, ValueError, FileNotFoundError):
        whole = False
    if not whole:
        raise ValueError(
            f"{folder / TEST} is not the list that {folder / HOW} describes: put both back as "
            "skxssr split wrote them (the same command from the same files, into another folder, "
            "writes them again)"
        )
    return reserved


def reserved_nearby(target: Path, out: Path) -> list[ReservedSet]:
    """Test sets in or beside the two folders, one level deep: so that none is forgotten."""
    places = {Path(os.path.abspath(path)) for path in (target, out)}
    places |= {place.parent for place in places}
    found = {path for place in places for path in [place / HOW, *place.glob(f"*/{HOW}")]}
    ours = []
    for path in sorted(found):
        how = read_json(path)  # others' programs write files of this name too
        if isinstance(how, dict) and how.get("format") == FORMAT:
            ours.append(read_test_set(path.parent))
    return ours


def lines_of(names: Iterable[str]) -> str:
    return "".join(f"{one_line(name)}\n" for name in names)


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
