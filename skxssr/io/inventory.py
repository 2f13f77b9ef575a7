"""What a folder holds: which pictures are taken as images, and what is left out and why."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skxssr._utils.names import few, one_line
from skxssr._utils.slice_names import split_name
from skxssr.io.facts import Facts, look_at, settle
from skxssr.io.files import (
    IMAGE_SUFFIXES,
    check_folder,
    kind_of,
    kinds_of,
    nothing_found,
    pictures_of,
)
from skxssr.io.intensity import IntensityRule, asked_for, rule_of
from skxssr.io.junk import COPY, find_junk
from skxssr.io.mask_names import all_look_like_masks, masks_by_content, masks_by_name
from skxssr.io.walk import NO_PICTURE, UNKNOWN, walk

__all__ = ["Inventory", "take_inventory"]

_MOST_LINES = 8


@dataclass(eq=False)
class Inventory:
    """What `take_inventory` found in a folder.

    Attributes
    ----------
    root : Path
    images : list of Path
        What is taken, in the order of `skxssr.io.list_images`.
    masks : dict of Path to str
        Pictures that were taken for masks, and by what.
    left_out : dict of Path to str
        Other files, and folders, with the reason.
    unreadable : dict of Path to str
        Which of `images` cannot be used, and why.
    junk : dict of Path to str
        Which of `images` nobody should annotate: blank, dark, saturated, inverted or of an odd
        size among the others, or copies of another.
    facts : dict of Path to Facts
        Size, depth and hash of the pixels of each readable image.
    rule : IntensityRule
        What the values of the images mean.
    """

    root: Path
    images: list[Path]
    masks: dict[Path, str] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    junk: dict[Path, str] = field(default_factory=dict)
    facts: dict[Path, Facts] = field(default_factory=dict)
    rule: IntensityRule = field(default_factory=IntensityRule)

    def text(self, name: str) -> str:
        """Say what was found in a few lines.

        Parameters
        ----------
        name : str
            What the folder is to the program, such as "Target".

        Returns
        -------
        str
            Lines without a final newline.
        """
        lines = [f"{name} {one_line(self.root)}: {len(self.images)} images"]
        lines[0] += f" ({self._sizes()})." if self.facts else "."
        folders = self._folders()
        if len(folders) > 1 or "." not in folders or ", " in folders["."]:  # or several kinds
            shown = [
                f"{one_line(folder)}/ {kinds}"
                for folder, kinds in list(folders.items())[:_MOST_LINES]
            ]
            rest = len(folders) - len(shown)
            lines.append(
                "  Taken from: " + "; ".join(shown) + (f"; {rest} more folders" if rest else "")
            )
        groups = self._rest(by_folder=True)
        if len(groups) > _MOST_LINES:
            groups = self._rest(by_folder=False)
        for reason, paths in groups.items():
            names = few([path.relative_to(self.root).as_posix() for path in paths], 2)
            lines.append(f"  Left out: {len(paths)} {reason} ({names})")
        if self.masks:
            lines.append("  If these are no masks, say what the images are: --images 'PATTERN'.")
        if self.unreadable:
            lines.append(f"  Cannot be read: {len(self.unreadable)}.")
        kinds: dict[str, list[Path]] = defaultdict(list)
        for path, reason in self.junk.items():
            kinds["copies of others" if reason.startswith(COPY) else reason].append(path)
        for reason, paths in kinds.items():
            names = few([path.relative_to(self.root).as_posix() for path in paths], 3)
            lines.append(f"  Not worth a label: {len(paths)} {reason} ({names})")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give the same in plain values, with every file, for a record.

        Returns
        -------
        dict
            What JSON can hold.
        """

        def names(paths: dict[Path, str]) -> dict[str, str]:
            return {path.relative_to(self.root).as_posix(): why for path, why in paths.items()}

        return {
            "n_images": len(self.images),
            "folders": self._folders(),
            "sizes": dict(Counter(f"{f.width} x {f.height}" for f in self.facts.values())),
            "depths": dict(Counter(f.kind for f in self.facts.values())),
            "masks": names(self.masks),
            "left_out": names(self.left_out),
            "unreadable": names(self.unreadable),
            "junk": names(self.junk),
        }

    def _rest(self, *, by_folder: bool) -> dict[str, list[Path]]:
        """What is not taken, by reason."""
        groups: dict[str, list[Path]] = defaultdict(list)
        for path, how in self.masks.items():
            groups[f"taken for masks: {how}" if by_folder else "taken for masks"].append(path)
        for path, reason in self.left_out.items():
            kind = f"{kind_of(path.name)} " if by_folder and reason == UNKNOWN else ""
            groups[kind + reason].append(path)
        return groups

    def _folders(self) -> dict[str, str]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.images:
            found[path.parent.relative_to(self.root).as_posix()].append(path)
        return {folder: kinds_of(paths) for folder, paths in found.items()}

    def _sizes(self) -> str:
        sizes = sorted({(f.width, f.height) for f in self.facts.values()})
        depths = Counter(f.kind for f in self.facts.values())
        size = f"{sizes[0][0]} x {sizes[0][1]}"
        if len(sizes) > 1:
            size = f"{len(sizes)} sizes from {size} to {sizes[-1][0]} x {sizes[-1][1]}"
        kinds = [f"{kind} {count}" for kind, count in depths.most_common()]
        return f"{size}, {next(iter(depths)) if len(depths) == 1 else ', '.join(kinds)}"


def take_inventory(
    folder: str | os.PathLike,
    *,
    images: str | None = None,
    exclude: str | None = None,
    out: Iterable[str | os.PathLike] = (),
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    verbose: int = 0,
) -> Inventory:
    """Look through a folder and decide what its pictures are, before anything is done with them.

    Every picture is decoded once, on all processors; only floats that are not from 0 to 1 are a
    second time, when black and white of the site are known. See the guide, :doc:`/guide/folders`,
    for the rules.

    Parameters
    ----------
    folder : str or path-like
        Where to look, with all subfolders.
    images : str, optional
        Only these are images: a pattern such as ``images/*`` or ``*_t2.png`` of the path below
        `folder`, of the name, or of a folder.
    exclude : str, optional
        What is none, as a pattern of the same kind.
    out : iterable of path-like, optional
        Folders for results, which are never read back.
    window : str or two floats, optional
        Black and white of the images, see `skxssr.io.find_intensity_rule`.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Returns
    -------
    Inventory

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        As in `skxssr.io.list_images`.
    ValueError
        There is no image, or nearly all pictures look like masks and `images` does not say that
        they are none.

    See Also
    --------
    list_images : The files alone, none of them opened.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skxssr.io import take_inventory
    >>> film = np.arange(4096, dtype=np.uint8).reshape(64, 64)
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for path, pixels in ("images/p1.png", film), ("masks/p1.png", 255 * (film > 9)):
    ...         path = pathlib.Path(name, path)
    ...         path.parent.mkdir()
    ...         Image.fromarray(pixels.astype(np.uint8)).save(path)
    ...     found = take_inventory(name)
    >>> [path.parent.name for path in found.images], list(found.masks.values())
    (['images'], ['in the folder masks/ beside the images'])
    """
    asked = asked_for(window)
    root = check_folder(folder)
    found = walk(
        root, IMAGE_SUFFIXES, images=images, exclude=exclude, out=[Path(path) for path in out]
    )
    if not found.images:
        raise nothing_found(root, found.left_out)
    masks = masks_by_name(found.images, root)
    files = [path for path in found.images if path not in masks]
    rest = pictures_of(files, root, axis=axis, keep_empty=False)
    shown = {split_name(path).file for path in rest}
    found.left_out |= dict.fromkeys([path for path in files if path not in shown], NO_PICTURE)
    name = one_line(root.resolve().name)
    looks = look_at(rest, asked, verbose=verbose)
    known = {path: look.facts for path, look in looks.items() if look.facts is not None}
    if images is None and all_look_like_masks(rest, known):
        raise ValueError(
            f"nearly all pictures in {one_line(root)} hold two values only, as masks do "
            f"({few([path.relative_to(root).as_posix() for path in rest], 3)}): give the folder of "
            "the images, or, if these are the images, say so with --images '*' (in Python images)"
        )
    by_content = masks_by_content(rest, root, known)
    taken = {path: look for path, look in looks.items() if path not in by_content}
    levels = {path: look.levels for path, look in taken.items() if look.levels is not None}
    rule = rule_of(levels, asked, name)
    facts, unreadable = settle(taken, rule)
    return Inventory(
        root,
        list(taken),
        masks | by_content,
        found.left_out,
        unreadable,
        find_junk(facts),
        facts,
        rule,
    )


def both_sides(source: Inventory, target: Inventory) -> list[Path]:
    """Pictures of the target that the source holds too, pixel for pixel."""
    known = {what.content for what in source.facts.values()}
    return [path for path, what in target.facts.items() if what.content in known]
