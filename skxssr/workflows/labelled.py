"""Images of a folder with their masks: found, paired and read before anything is trained."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from skxssr._utils.names import one_line
from skxssr._utils.slice_names import file_of
from skxssr.exceptions import ImageReadError
from skxssr.holdout.groups import groups_of, groups_of_scans, told_by_scans
from skxssr.holdout.sides import clusters_of_copies, on_one_side
from skxssr.io import Inventory, list_images, take_inventory
from skxssr.io.decode import read_stored_mask
from skxssr.io.pairs import pair_files
from skxssr.workflows.values import flat

_MOST_NAMED = 10


def read_labelled(
    sides: tuple[Inventory, Inventory],
    masks: str | os.PathLike,
    source_masks: str | os.PathLike | None,
    *,
    how: Mapping[str, Any],
    skip_unreadable: bool,
    keep_junk: bool,
    on_message: Callable[[str], object],
) -> tuple[list[Path], list[Any] | None, list[Path], list[Any]]:
    """Source images and their masks, if given; target images and theirs; all of them decode.

    Target images that are not worth a label are left out, unless `keep_junk` says otherwise. What
    names alone tell is found first, then what cannot be read, all of a kind at once. `how` are
    arguments of `skxssr.io.pair_images_and_masks`.
    """
    source, target = sides
    target_pairs = _pairs(target, Path(masks), how)
    if not keep_junk:
        target_pairs = _worth_a_label(target, target_pairs, on_message)
    source_pairs = None
    if source_masks is not None:
        source_pairs = _pairs(source, Path(source_masks), how)
    broken = source.unreadable | target.unreadable
    n_images = len(source.images) + len(target.images)
    pairs = [(target.root, target_pairs)]
    if source_pairs is not None:
        pairs.insert(0, (source.root, source_pairs))
    readable = _readable(pairs, broken, n_images, skip_unreadable, on_message)
    files, mask_files = readable[-1]
    if source_pairs is None:
        images = [path for path in source.images if path not in broken]
        if not images:
            raise ImageReadError(f"No image of {source.root} can be read.")
        return images, None, files, mask_files
    return *readable[0], files, mask_files


def _worth_a_label(
    target: Inventory, pairs: list[tuple[Path, Any]], on_message: Callable[[str], object]
) -> list[tuple[Path, Any]]:
    kept = [(image, mask) for image, mask in pairs if image not in target.junk]
    if not kept:
        raise ValueError(
            f"none of the {len(pairs)} images of {target.root} is worth a label (blank, dark, "
            "copies): give --keep-junk (keep_junk=True) if they are meant"
        )
    if len(kept) < len(pairs):
        on_message(
            f"{len(pairs) - len(kept)} of {len(pairs)} target images are not worth a label, as "
            "listed above, and take no part; --keep-junk lets them."
        )
    return kept


def who_is_who(
    inventory: Inventory,
    files: Sequence[Path],
    group_pattern: str | None,
    group_from: str | os.PathLike | None,
    on_message: Callable[[str], object],
) -> tuple[list[str] | None, list[str] | None]:
    """Patient of each file, if told; and what must be on one side: patients, and copies."""
    root = inventory.root
    names = [path.relative_to(root).as_posix() for path in files]
    patients = groups_of(names, group_pattern, group_from, root=root)
    if patients is None:
        patients = groups_of_scans(names, root)
        if patients is not None:
            on_message(told_by_scans(patients))
    taken = set(files)
    found = clusters_of_copies(inventory, near=patients is None)
    clusters = [[path for path in cluster if path in taken] for cluster in found]
    clusters = [cluster for cluster in clusters if len(cluster) > 1]
    if clusters:
        n = sum(map(len, clusters))
        on_message(
            f"{n} target images are copies of others, or nearly the same, in {len(clusters)} "
            "clusters: each is in the pool or in the test set as a whole."
        )
    return patients, on_one_side(files, patients, clusters)


def read_some_labelled(
    inventory: Inventory,
    masks: str | os.PathLike,
    *,
    how: Mapping[str, Any],
    skip_unreadable: bool,
    on_message: Callable[[str], object],
) -> tuple[list[Path], list[Any]]:
    """Those images of a folder that have a mask, and the masks; all of them decode."""
    pairs = _pairs(inventory, Path(masks), how, partial=True)
    taken = {image for image, _ in pairs}
    broken = {path: why for path, why in inventory.unreadable.items() if path in taken}
    sides = [(inventory.root, pairs)]
    return _readable(sides, broken, len(pairs), skip_unreadable, on_message)[0]


def _readable(
    sides: list[tuple[Path, list[tuple[Path, Any]]]],
    broken: Mapping[Path, str],
    n_images: int,
    skip_unreadable: bool,
    on_message: Callable[[str], object],
) -> list[tuple[list[Path], list[Any]]]:
    """Images and masks of each folder without those that do not decode, which are named."""
    if broken and not skip_unreadable:
        _refuse(broken, n_images, "images")
    every = [pair for _, pairs in sides for pair in pairs if pair[0] not in broken]
    parts = flat([mask for _, mask in every])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = list(pool.map(_why_not, parts))
    no_masks = {part: why for part, why in zip(parts, reasons, strict=True) if why}
    if no_masks and not skip_unreadable:
        _refuse(no_masks, len(parts), "masks")
    for path, why in [*broken.items(), *no_masks.items()]:
        on_message(f"left out with its partner: {one_line(path)}: {why}")

    def whole(pairs: list[tuple[Path, Any]], root: Path) -> list[tuple[Path, Any]]:
        left = [
            (image, mask)
            for image, mask in pairs
            if image not in broken and no_masks.keys().isdisjoint(flat([mask]))
        ]
        if not left:
            raise ImageReadError(f"No image of {root} can be read together with its mask.")
        return left

    found = [whole(pairs, root) for root, pairs in sides]
    return [([image for image, _ in pairs], [mask for _, mask in pairs]) for pairs in found]


def _pairs(
    inventory: Inventory, masks_dir: Path, how: Mapping[str, Any], *, partial: bool = False
) -> list[tuple[Path, Any]]:
    return pair_files(
        inventory.images,
        inventory.root,
        _masks(inventory, masks_dir, how["axis"]),
        masks_dir,
        mask_suffix=how["mask_suffix"],
        join=how["join"],
        partial=partial,
    )


def _masks(inventory: Inventory, masks_dir: Path, axis: str) -> list[Path]:
    """All pictures of the folder of masks; where images lie in it too, those taken for masks."""
    masks = {
        path: os.path.realpath(file_of(path))
        for path in list_images(masks_dir, axis=axis, keep_empty=True)
    }
    images = {os.path.realpath(file_of(path)) for path in inventory.images}
    if images.isdisjoint(masks.values()):
        return list(masks)
    marked = [*inventory.masks, *take_inventory(masks_dir, axis=axis).masks]
    known = {os.path.realpath(file_of(path)) for path in marked}
    return [path for path, file in masks.items() if file in known]


def _why_not(path: Path) -> str:
    try:
        read_stored_mask(path, colours=True)
    except ImageReadError as error:
        return str(error).removeprefix(f"cannot read mask {path}: ")
    return ""


def _refuse(broken: Mapping[Path, str], n: int, what: str) -> None:
    listed = "\n".join(
        f"  {one_line(path)}: {reason}" for path, reason in list(broken.items())[:_MOST_NAMED]
    )
    raise ImageReadError(
        f"{len(broken)} of {n} {what} cannot be read:\n{listed}\n"
        "Repair them, or remove them and their partners, or pass --skip-unreadable "
        "(skip_unreadable=True)."
    )
