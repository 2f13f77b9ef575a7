"""Which mask belongs to which image, by their names."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skxssr._utils.names import few, same_text
from skxssr._utils.slice_names import split_name, stem_and_slice
from skxssr.io.mask_names import without_mask_word

__all__: list[str] = []


def pair_files(
    images: Sequence[Path],
    images_dir: Path,
    masks: Sequence[Path],
    masks_dir: Path,
    *,
    mask_suffix: str | None = None,
    join: bool = False,
    partial: bool = False,
) -> list[tuple[Path, Any]]:
    """Image and mask, in the order of `images`; see `skxssr.io.pair_images_and_masks`.

    With `partial`, images without a mask are left out; one at least must have one.
    """
    if mask_suffix is not None:
        ending = same_text(mask_suffix)
        masks = [path for path in masks if _key(path, masks_dir, whole=False)[0].endswith(ending)]
        if not masks:
            raise ValueError(
                f"no file in {masks_dir} has a name that ends in {mask_suffix!r}: check "
                "--mask-suffix (mask_suffix), which is what the name of a mask adds to that of its "
                "image"
            )
    itself = set(images) & set(masks)
    if itself or not masks:
        raise ValueError(
            f"{masks_dir} is the same folder as the images, or lies in it, and nothing tells masks "
            "from images, so that each image would be its own mask: put the masks into a folder of "
            "their own, end their names in _mask, or say what they end in with --mask-suffix"
        )
    keyed, found = _match(images, images_dir, masks, masks_dir, mask_suffix)
    several = {key: paths for key, paths in found.items() if len(paths) > 1 and key in keyed}
    for paths in several.values():
        if len({path.stem for path in paths}) < len(paths):
            raise ValueError(_same_name(*paths[:2]))
    if several and not join:
        key, paths = next(iter(several.items()))
        raise ValueError(
            f"{len(several)} images have several masks each, such as {keyed[key].name} with "
            f"{few([path.name for path in paths])}: say with --mask-suffix (mask_suffix) which are "
            "meant, or take their union with --join-masks (join=True)"
        )
    if partial and not keyed.keys().isdisjoint(found):
        labelled = {key: path for key, path in keyed.items() if key in found}
    else:
        labelled = keyed
    _check_complete(labelled, found, images_dir, masks_dir)
    return [
        (path, tuple(found[key]) if len(found[key]) > 1 else found[key][0])
        for key, path in labelled.items()
    ]


def _match(
    images: Sequence[Path],
    images_dir: Path,
    masks: Sequence[Path],
    masks_dir: Path,
    mask_suffix: str | None,
) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Images and masks by their keys: relative paths, or names where that pairs more of them."""
    by_path = _by_key(images, images_dir, whole=True)
    found = _assign(masks, masks_dir, set(by_path), mask_suffix, whole=True)
    keyed = by_path
    if len(found.keys() & by_path.keys()) < len(by_path):
        names = Counter("".join(_key(path, images_dir, whole=False)) for path in images)
        if len(names) == len(images):  # no name twice
            by_name = _by_key(images, images_dir, whole=False)
            second = _assign(masks, masks_dir, set(by_name), mask_suffix, whole=False)
            if len(second.keys() & by_name.keys()) > len(found.keys() & by_path.keys()):
                found, keyed = second, by_name
    return keyed, found


def matched_images(
    images: Sequence[Path], images_dir: Path, masks: Sequence[Path], masks_dir: Path
) -> tuple[list[Path], list[Path]]:
    """Images that have a mask, and masks that have no image; only names are looked at."""
    keyed, found = _match(images, images_dir, masks, masks_dir, None)
    lonely = [path for key, paths in found.items() if key not in keyed for path in paths]
    return [path for key, path in keyed.items() if key in found], lonely


def _check_complete(
    images: dict[str, Path], masks: dict[str, list[Path]], images_dir: Path, masks_dir: Path
) -> None:
    without_mask = [path for key, path in images.items() if key not in masks]
    # empty slices of a volume are no images, and their masks need none
    cut = {split_name(paths[0]).file for key, paths in masks.items() if key in images}
    without_image = [
        paths[0]
        for key, paths in masks.items()
        if key not in images
        and not (split_name(paths[0]).axis and split_name(paths[0]).file in cut)
    ]
    problems = []
    if without_mask:
        problems.append(f"{len(without_mask)} of {len(images)} images lack a mask in {masks_dir}")
        problems[-1] += f" ({few([path.name for path in without_mask])})"
    if without_image:
        problems.append(f"{len(without_image)} of {len(masks)} masks lack an image in {images_dir}")
        problems[-1] += f" ({few([path.name for path in without_image])})"
    if problems:
        raise ValueError(
            "images and masks do not pair: "
            + "; ".join(problems)
            + ". Give each pair one file name (the mask's may end in _mask), or move the rest away"
            + _hint(without_mask, without_image)
        )


def _hint(images: Sequence[Path], masks: Sequence[Path]) -> str:
    """An ending that most of the lonely masks have after the name of a lonely image."""
    names = {_key(path, path.parent, whole=False)[0] for path in images}
    endings: Counter[str] = Counter()
    for path in masks:
        stem = _key(path, path.parent, whole=False)[0]
        cuts = [n for n in range(1, len(stem)) if stem[:n] in names]
        if cuts:
            endings[stem[cuts[-1] :]] += 1
    if not endings or 2 * endings.most_common(1)[0][1] < len(masks):
        return ""
    return f". Most of these masks end in {endings.most_common(1)[0][0]!r}: say so with " + (
        f"--mask-suffix={endings.most_common(1)[0][0]} (in Python mask_suffix)"
    )


def _assign(
    masks: Sequence[Path], root: Path, images: set[str], mask_suffix: str | None, *, whole: bool
) -> dict[str, list[Path]]:
    """Masks by the key of the image that each belongs to, or by their own where there is none."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in masks:
        name, number = _key(path, root, whole=whole)
        key = name + number
        if mask_suffix is not None:
            key = name.removesuffix(same_text(mask_suffix)) + number
        elif key not in images:
            folder, slash, stem = name.rpartition("/")
            bare = folder + slash + without_mask_word(stem) + number
            key = bare if bare in images else name.removesuffix("_mask") + number
        found[key].append(path)
    return dict(found)


def _by_key(paths: Sequence[Path], root: Path, *, whole: bool) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        key = "".join(_key(path, root, whole=whole))
        if key in found:
            raise ValueError(_same_name(found[key], path))
        found[key] = path
    return found


def _key(path: Path, root: Path, *, whole: bool) -> tuple[str, str]:
    """The name without suffix, and which slice of the file it is."""
    stem, number = stem_and_slice(path)
    relative = Path(stem).relative_to(root).as_posix() if whole else Path(stem).name
    return same_text(relative), number


def _same_name(first: Path, second: Path) -> str:
    return (
        f"{first} and {second} have the same name without suffix: which one to pair cannot be "
        "told; rename or remove one"
    )
