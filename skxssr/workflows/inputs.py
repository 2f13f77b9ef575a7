"""What a selection from folders starts from: read, checked and told before anything is trained."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.names import few, one_line
from skxssr._utils.provenance import sha256_of_files
from skxssr.exceptions import ImageReadError
from skxssr.holdout import ReservedSet, read_test_set
from skxssr.holdout.groups import (
    groups_of,
    groups_of_scans,
    look_up,
    read_column,
    told_by_scans,
)
from skxssr.holdout.reserved import reserved_nearby
from skxssr.io import Inventory
from skxssr.io.inventory import both_sides
from skxssr.io.junk import near_copies
from skxssr.workflows.choice import Budget, Choice
from skxssr.workflows.labels import labeled_rows
from skxssr.workflows.values import take_named_inventories

_MOST_NAMED = 10


@dataclass
class Inputs:
    """Files of both sides, and what is known of them.

    Attributes
    ----------
    target : Inventory
    source : Inventory or None
    source_files, target_files : list of Path
        Readable images that are not reserved for testing.
    names : dict of Path to str
        Relative path of each target image.
    hashes : dict of Path to str
        SHA-256 of the bytes of each file.
    excluded : dict of Path to str
        Images that could not be read.
    reserved : ReservedSet or None
        The test set that is kept away from.
    left_out : list of Path
        Images that are in it.
    groups : list of str or None
        Patient of each target image.
    candidates : ndarray of int, or None
        Rows of the target that may be picked; None for all.
    junk : dict of Path to str
        The others, and why.
    shared : list of Path
        Target images that the source holds too.
    labeled : ndarray of int
        Rows of the target that are labelled already.
    near_copies : list of list of Path
        Clusters of target images that count as one patient, where nobody said who is who.
    """

    target: Inventory
    source: Inventory | None
    source_files: list[Path]
    target_files: list[Path]
    names: dict[Path, str]
    hashes: dict[Path, str]
    excluded: dict[Path, str] = field(default_factory=dict)
    reserved: ReservedSet | None = None
    left_out: list[Path] = field(default_factory=list)
    groups: list[str] | None = None
    candidates: np.ndarray | None = None
    junk: dict[Path, str] = field(default_factory=dict)
    shared: list[Path] = field(default_factory=list)
    near_copies: list[list[Path]] = field(default_factory=list)
    labeled: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @property
    def labeled_names(self) -> list[str]:
        """Names of the target images that are labelled already."""
        return [self.names[self.target_files[row]] for row in self.labeled]

    @property
    def sides(self) -> list[tuple[Path, list[Path]]]:
        """The folders that there are, each with its files."""
        target = (self.target.root, self.target_files)
        return [target] if self.source is None else [(self.source.root, self.source_files), target]

    def choice(self, budget: int | float | Budget, **more: Any) -> Choice:
        """What is asked of the target images."""
        groups = self.groups
        if groups is None and self.near_copies:
            head = {path: cluster[0] for cluster in self.near_copies for path in cluster}
            groups = [str(head.get(path, path)) for path in self.target_files]
        return Choice(
            len(self.target_files),
            budget,
            groups=groups,
            patients_known=self.groups is not None,
            candidates=self.candidates,
            labeled=self.labeled,
            **more,
        )


def read_inputs(
    source: Path | None,
    target: Path,
    out: Path,
    *,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    max_per_group: int | None = None,
    labeled: str | os.PathLike | Sequence[str] | None = None,
    test_set: str | os.PathLike | None = None,
    images: str | None = None,
    exclude: str | None = None,
    skip_unreadable: bool = False,
    keep_junk: bool = False,
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    verbose: int = 0,
    on_message: Callable[[str], object] = lambda text: None,
) -> Inputs:
    """Read both folders once and check everything; see `select_from_folders` for the arguments."""
    reserved = None if test_set is None else read_test_set(test_set)
    groups_of([], group_pattern, group_from)  # the rule itself, before images are opened
    which: dict[str, Any] = {"images": images, "exclude": exclude, "out": [out]}
    which |= {"window": window, "axis": axis}
    folders = {"Target": target} if source is None else {"Source": source, "Target": target}
    *first, last = take_named_inventories(folders, which, on_message, verbose)
    found = Inputs(
        target=last,
        source=first[0] if first else None,
        source_files=[
            path for side in first for path in side.images if path not in side.unreadable
        ],
        target_files=[path for path in last.images if path not in last.unreadable],
        names={path: path.relative_to(target).as_posix() for path in last.images},
        hashes={},
        excluded={path: why for side in (*first, last) for path, why in side.unreadable.items()},
    )
    check_readable(found, skip_unreadable)
    found.hashes = sha256_of_files([*found.source_files, *found.target_files])
    _say_shared(found, on_message)
    _leave_out_tested(found, reserved, group_pattern, group_from, out, on_message)
    _set_groups(found, group_pattern, group_from, on_message)
    if found.groups is None and max_per_group is None and not keep_junk:
        _set_near_copies(found, on_message)
    _set_candidates(found, keep_junk)
    if labeled is not None:
        tested = [found.names[path] for path in found.left_out if path in found.names]
        names = [found.names[path] for path in found.target_files]
        found.labeled = labeled_rows(labeled, names, tested)
        on_message(f"{len(found.labeled)} of {len(names)} target images are labelled already.")
    return found


def check_readable(found: Inputs, skip_unreadable: bool) -> None:
    """Raise where images cannot be read, all of them named, unless they are to be skipped."""
    if found.excluded and not skip_unreadable:
        listed = "\n".join(
            f"  {one_line(path)}: {reason}"
            for path, reason in list(found.excluded.items())[:_MOST_NAMED]
        )
        n = sum(len(side.images) for side in (found.source, found.target) if side is not None)
        raise ImageReadError(
            f"{len(found.excluded)} of {n} images cannot be read:\n{listed}\n"
            "Repair or remove them, or pass --skip-unreadable (skip_unreadable=True)."
        )
    for folder, files in found.sides:
        if not files:
            raise ImageReadError(f"No image of {folder} can be read.")


def _say_shared(found: Inputs, on_message: Callable[[str], object]) -> None:
    found.shared = [] if found.source is None else both_sides(found.source, found.target)
    if found.shared:
        names = few([found.names[path] for path in found.shared], 3)
        on_message(
            f"{len(found.shared)} of {len(found.target_files)} target images are in the source "
            f"too, the same image on both sides ({names}). They may be picked all the same; if "
            "they are labelled already, move them out of the target."
        )


def _leave_out_tested(
    found: Inputs,
    reserved: ReservedSet | None,
    group_pattern: str | None,
    group_from: str | os.PathLike | None,
    out: Path,
    on_message: Callable[[str], object],
) -> None:
    """By content, so that a copy under another name is the same image, and another site is not."""
    by_name = {found.names[path]: found.hashes[path] for path in found.target_files}
    if reserved is None:
        for forgotten in reserved_nearby(found.target.root, out):
            if forgotten.find(by_name):
                forgotten.check_pool(by_name)
        return
    found.reserved = reserved
    contents = set(reserved.kept_away.values())
    tested = set(reserved.find(by_name))
    copies = {path for path in found.source_files if found.hashes[path] in contents}
    copies |= {path for path in found.target_files if found.names[path] in tested}
    found.left_out = [p for p in [*found.target_files, *found.source_files] if p in copies]
    found.source_files = [path for path in found.source_files if path not in copies]
    found.target_files = [path for path in found.target_files if path not in copies]
    for folder, files in found.sides:
        if not files:
            raise ValueError(
                f"every image of {folder} is in the test set reserved in {reserved.folder}: "
                "give the folder that it was drawn from, or one of other images"
            )
    if reserved.is_of_another_site(by_name):
        on_message(
            f"The test set in {reserved.folder} has file names of this target, but no image of it: "
            "it is taken for that of another site, and no image is left out. If these are the same "
            "images, saved anew, draw a test set anew."
        )
    else:
        names = [found.names[path] for path in found.target_files]
        reserved.check_pool(names, group_pattern, group_from, root=found.target.root)


def _set_groups(
    found: Inputs,
    group_pattern: str | None,
    group_from: str | os.PathLike | None,
    on_message: Callable[[str], object],
) -> None:
    names = [found.names[path] for path in found.target_files]
    tested = [found.names[path] for path in found.left_out if path in found.names]
    # together, since folders are compared with each other
    root = found.target.root
    groups = groups_of([*names, *tested], group_pattern, group_from, root=root)
    if groups is not None:
        found.groups = groups[: len(names)]
        on_message(f"{_count(found.groups)} in {len(names)} images.")
    elif found.reserved is not None and found.left_out:
        found.groups = found.reserved.groups_of(names)
        if found.groups is not None:
            on_message(
                f"{_count(found.groups)} in {len(names)} images, told as for the test set in "
                f"{found.reserved.folder}."
            )
    if found.groups is None:
        found.groups = groups_of_scans(names, root)
        if found.groups is not None:
            on_message(told_by_scans(found.groups))


def _set_near_copies(found: Inputs, on_message: Callable[[str], object]) -> None:
    facts = found.target.facts
    known = {path: facts[path] for path in found.target_files if path not in found.target.junk}
    found.near_copies = near_copies(known)
    if found.near_copies:
        n = sum(map(len, found.near_copies))
        names = few([found.names[path] for path in found.near_copies[0]], 3)
        on_message(
            f"{n} images are nearly the same as others, in {len(found.near_copies)} clusters (the "
            f"first: {names}): a cluster counts as one patient, and is picked from once before any "
            "twice."
        )


def _count(groups: Sequence[str]) -> str:
    n = len(set(groups))
    return f"{n} {'patient' if n == 1 else 'patients'}"


def _set_candidates(found: Inputs, keep_junk: bool) -> None:
    files = found.target_files
    known = found.target.junk
    found.junk = {path: known[path] for path in files if path in known}
    # a copy of an image that is reserved for testing is not in the pool to begin with
    candidates = [row for row, path in enumerate(files) if keep_junk or path not in found.junk]
    if len(candidates) < len(files):
        found.candidates = np.array(candidates, dtype=np.intp)


def check_choice(choice: Choice, junk: Sequence[str]) -> None:
    """Raise where the pool cannot give what is asked; and say that junk may be why."""
    try:
        choice.check()
    except ValueError as error:
        if choice.candidates is None or not junk:
            raise
        raise ValueError(
            f"{error} {len(junk)} images were left out as blank, dark, copies and the like "
            f"({few(list(junk))}): --keep-junk lets them be picked."
        ) from None


def sites_of(names: Sequence[str], site_from: str | os.PathLike | None) -> list[str] | None:
    """Site of each image: by folder, by a table, or by a pattern; None if nothing was said."""
    if site_from is None:
        return None
    if site_from == "folder" or Path(site_from).is_file():
        return groups_of(names, None, site_from)
    return groups_of(names, os.fspath(site_from))


def minutes_of(names: Sequence[str], minutes_from: str | os.PathLike | None) -> np.ndarray | None:
    """Minutes that a label of each image takes, from a table; None if there is none."""
    if minutes_from is None:
        return None
    table = read_column(minutes_from, ("minutes", "cost"), "--minutes-from")
    found = look_up(names, table, str(minutes_from), "minutes")
    try:
        minutes = np.array([float(text) for text in found])
    except ValueError as error:
        raise ValueError(f"--minutes-from {minutes_from}: {error}") from None
    bad = ~(np.isfinite(minutes) & (minutes > 0))
    if bad.any():
        raise ValueError(
            f"--minutes-from {minutes_from}: minutes must be above 0, and those of "
            f"{names[int(np.flatnonzero(bad)[0])]} are {minutes[bad][0]:g}"
        )
    return minutes
