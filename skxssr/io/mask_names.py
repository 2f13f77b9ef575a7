"""Masks that lie among images, told by their folder, their name or their values."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from skxssr._utils.names import same_text
from skxssr._utils.slice_names import split_name, stem_and_slice
from skxssr.io.facts import Facts

_WORD = (
    r"(?:masks?|labels?|segmentations?|segm?s?|annotations?|annots?|ground[ _-]?truths?|gts?"
    r"|contours?|rois?)"
)
_MASK_FOLDER = re.compile(
    rf"{_WORD}(?:tr|ts)?$|.*[ _.-]{_WORD}$|.*masks?$|masks?[ _.-].*", re.IGNORECASE
)
_IMAGE_FOLDER = re.compile(
    r"(?:.*[ _.-])?(?:images?|imgs?|pictures?|photos?|films?|scans?)(?:tr|ts|[ _.-].*)?$",
    re.IGNORECASE,
)
_MASK_NAME = re.compile(
    rf"(?P<before>.+?)[ _.-]+{_WORD}(?:[ _.-]*[0-9]+)?$|{_WORD}[ _.-]+(?P<after>.+)$",
    re.IGNORECASE,
)
_MOST_VALUES = 32  # of a mask, one a class
_FEWEST_PIXELS = 64  # smaller pictures say nothing by how few values they hold
_MOSTLY = 0.9


def without_mask_word(stem: str) -> str:
    """``x_mask``, ``x_segmentation_1`` and ``mask_x`` all become ``x``; other names stay."""
    found = _MASK_NAME.match(stem)
    return (found["before"] or found["after"]) if found else stem


def masks_by_name(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Files that a folder such as ``masks`` or a name such as ``x_mask`` marks, with a partner.

    The partner is the image of the same name outside of such folders, or of the name without the
    word. A folder of which less than half have one is left to `masks_by_content`.
    """
    marked = _in_mask_folders(paths, root)
    images = {_stem(path) for path in paths if path not in marked}
    found: dict[Path, str] = {}
    by_folder: dict[str, list[Path]] = defaultdict(list)
    for path, folder in marked.items():
        by_folder[folder].append(path)
    for folder, members in by_folder.items():
        pairs = [
            not images.isdisjoint({_stem(path), without_mask_word(_stem(path))}) for path in members
        ]
        if images and 2 * sum(pairs) >= len(members):
            found |= dict.fromkeys(members, f"in the folder {folder} beside the images")
    for path in paths:
        bare = without_mask_word(_stem(path))
        if path not in found and bare != _stem(path) and bare in images:
            found[path] = "named as the mask of an image"
    return {path: found[path] for path in paths if path in found}


def masks_by_content(
    paths: Sequence[Path], root: Path, facts: Mapping[Path, Facts]
) -> dict[Path, str]:
    """Files of few values whose name or folder says mask, or that pair with a picture of many.

    A whole folder counts where nine of ten of its pictures hold few values; a single file where its
    name is that of a picture with many, or begins with it.
    """
    few = {path for path in paths if path in facts and facts[path].n_values <= _MOST_VALUES}
    many = [path for path in paths if path in facts and path not in few]
    if not few or not many:
        return {}
    marked = _in_mask_folders(paths, root)
    stems = {_stem(path) for path in many}
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        by_folder[path.parent].append(path)
    found: dict[Path, str] = {}
    for folder, members in by_folder.items():
        small = [path for path in members if path in few]
        if len(small) < _MOSTLY * len(members) or all(facts[p].n_values == 1 for p in small):
            continue
        paired = sum(_stem(path) in stems for path in small)
        if 2 * paired >= len(members) or any(path in marked for path in small):
            where = folder.relative_to(root).as_posix()
            found |= dict.fromkeys(members, f"few values each, in {where} beside the images")
    for path in few - set(found):
        if facts[path].n_values == 1 or path.parent not in {other.parent for other in many}:
            continue
        stem = _stem(path)
        partners = {_stem(other) for other in many if other.parent == path.parent}
        cuts = [stem[: found.start()] for found in re.finditer("[ _.-]", stem)]
        bare = same_text(Path(stem_and_slice(path)[0]).name)
        if without_mask_word(bare) != bare or not partners.isdisjoint([stem, *cuts]):
            found[path] = "few values, and named as a mask of an image"
    # a volume is one thing, though some of its slices hold nothing
    volumes = {split_name(path).file: how for path, how in found.items() if split_name(path).axis}
    for path in paths if volumes else ():
        if split_name(path).file in volumes:
            found.setdefault(path, volumes[split_name(path).file])
    return {path: found[path] for path in paths if path in found}


def all_look_like_masks(paths: Sequence[Path], facts: Mapping[Path, Facts]) -> bool:
    """Whether nearly all pictures hold two values only; a few pixels cannot hold many."""
    two = sum(
        path in facts
        and facts[path].n_values == 2
        and facts[path].height * facts[path].width >= _FEWEST_PIXELS
        for path in paths
    )
    return len(paths) >= 4 and two >= _MOSTLY * len(paths)


def _in_mask_folders(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """The folder that marks each file: the last of its folders that says mask, unless one that says
    images comes after it. What all files have in common says nothing."""
    if not paths:
        return {}
    common = Path(os.path.commonpath([path.parent for path in paths]))
    found = {}
    for path in paths:
        parts = path.parent.relative_to(common).parts
        for n in range(len(parts), 0, -1):
            if _IMAGE_FOLDER.match(parts[n - 1]) and not _MASK_FOLDER.match(parts[n - 1]):
                break
            if _MASK_FOLDER.match(parts[n - 1]):
                found[path] = common.joinpath(*parts[:n]).relative_to(root).as_posix() + "/"
                break
    return found


def _stem(path: Path) -> str:
    stem, number = stem_and_slice(path)
    return same_text(Path(stem).name + number)
