"""A folder of images of which some have masks: what training, evaluation and review start from."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.names import few
from skxssr._utils.provenance import sha256_of_files
from skxssr.holdout import ReservedSet
from skxssr.holdout.reserved import reserved_nearby
from skxssr.io import Inventory, MaskRule, Masks
from skxssr.io.annotations_file import masks_from_file
from skxssr.workflows.labelled import read_some_labelled
from skxssr.workflows.values import check_masks, flat, ruled, take_named_inventories

__all__ = ["LabelledSet", "Reading", "read_labelled_set"]


@dataclass(frozen=True)
class Reading:
    """How folders of images and masks are read: the options that several commands share.

    Attributes
    ----------
    images, exclude : str, optional
        Which files are images, see `skxssr.io.take_inventory`.
    window : str or two floats, optional
        Black and white of the images, see `skxssr.io.find_intensity_rule`.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    mask_suffix : str, optional
        What names of masks have at their end.
    join_masks : bool, default=False
        Whether several masks of one image are parts of one.
    foreground : str or sequence of int, optional
        Values of masks that are foreground, see `skxssr.io.find_mask_rule`.
    ignore : sequence of int, optional
        Values of pixels without a label; an empty one: there are none.
    skip_unreadable : bool, default=False
        Leave files that cannot be read out, with their partners, instead of stopping.
    """

    images: str | None = None
    exclude: str | None = None
    window: str | Sequence[float] | None = None
    axis: str = "axial"
    mask_suffix: str | None = None
    join_masks: bool = False
    foreground: str | Sequence[int] | None = None
    ignore: Sequence[int] | None = None
    skip_unreadable: bool = False

    def which(self, out: Path) -> dict[str, Any]:
        """Arguments of `skxssr.io.take_inventory`.

        Parameters
        ----------
        out : path
            Folder for the results, which are never read.

        Returns
        -------
        dict
        """
        names = ("images", "exclude", "window", "axis")
        return {name: getattr(self, name) for name in names} | {"out": [out]}


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Images with masks.

    Attributes
    ----------
    inventory : Inventory
        What the folder holds, images without a mask included.
    masks_root : Path
        The folder of the masks.
    files : list of Path
        The images that have a mask.
    mask_files : list of Path or tuple of Path
        Theirs.
    hashes : dict of Path to str
        SHA-256 of each of these files.
    rule : MaskRule or None
        What the values of the masks mean; None until `with_rule` looked.
    """

    inventory: Inventory
    masks_root: Path
    files: list[Path]
    mask_files: list[Any]
    hashes: dict[Path, str] = field(repr=False)
    rule: MaskRule | None = None

    @property
    def names(self) -> list[str]:
        """Paths of the images below their folder."""
        return [path.relative_to(self.inventory.root).as_posix() for path in self.files]

    @property
    def by_name(self) -> dict[str, str]:
        """SHA-256 of each image by its name."""
        return {name: self.hashes[path] for name, path in zip(self.names, self.files, strict=True)}

    @property
    def images(self) -> Any:
        """For a segmenter: the files, read by the rule of their folder."""
        return ruled(self.files, self.inventory.rule)

    @property
    def masks(self) -> Masks:
        """For a segmenter: the masks, with what their values mean."""
        return Masks(self.mask_files, self.rule)

    def keep(self, rows: Sequence[int] | np.ndarray) -> "LabelledSet":
        """Some of the images.

        Parameters
        ----------
        rows : sequence of int

        Returns
        -------
        LabelledSet
        """
        files, masks = [self.files[row] for row in rows], [self.mask_files[row] for row in rows]
        return replace(self, files=files, mask_files=masks)

    def with_rule(self, reading: Reading, on_message: Callable[[str], object]) -> "LabelledSet":
        """Find what the values of the masks mean; sizes are checked on the way.

        Parameters
        ----------
        reading : Reading
        on_message : callable
            Called with what was found.

        Returns
        -------
        LabelledSet
        """
        how = {"foreground": reading.foreground, "ignore": reading.ignore}
        rule = check_masks(self.images, self.mask_files, self.masks_root, on_message, how)
        return replace(self, rule=rule)

    def to_dict(self) -> dict[str, Any]:
        """Which files with which content, in plain values: what a training is told by.

        Returns
        -------
        dict
        """
        pairs = []
        for name, path, mask in zip(self.names, self.files, self.mask_files, strict=True):
            parts = [self.hashes[part] for part in flat([mask])]
            pairs.append([name, self.hashes[path], *parts])
        return {
            "files": pairs,
            "values of images": repr(self.inventory.rule),
            "values of masks": None if self.rule is None else self.rule.to_dict(),
        }


def read_labelled_set(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    out: Path,
    reading: Reading,
    *,
    name: str = "Images",
    verbose: int = 0,
    on_message: Callable[[str], object] = lambda text: None,
) -> LabelledSet:
    """Look at a folder of images and one of masks; images without a mask are counted and left out.

    Parameters
    ----------
    images, masks : path
        The two folders; masks may be a ``.json`` file of Label Studio or COCO instead, which is
        unpacked into a temporary folder.
    out : path
        Folder for the results, which is not read.
    reading : Reading
        How.
    name : str, default="Images"
        What the folder is called in messages.
    verbose : int, default=0
        Above 0 progress bars are shown.
    on_message : callable, optional
        Called with what was found.

    Returns
    -------
    LabelledSet
        Without a rule for the values of masks: first say which images are meant, with `keep`.
    """
    masks_root = Path(masks)
    (inventory,) = take_named_inventories(
        {name: Path(images)}, reading.which(out), on_message, verbose
    )
    files, mask_files = read_some_labelled(
        inventory,
        _unpacked(masks_root, inventory, on_message) if masks_root.is_file() else masks_root,
        how={
            "mask_suffix": reading.mask_suffix,
            "join": reading.join_masks,
            "axis": reading.axis,
        },
        skip_unreadable=reading.skip_unreadable,
        on_message=on_message,
    )
    on_message(f"{len(files)} of {len(inventory.images)} images have a mask in {masks_root}.")
    hashes = sha256_of_files([*files, *flat(mask_files)])
    return LabelledSet(inventory, masks_root, files, mask_files, hashes)


def _unpacked(path: Path, inventory: Inventory, on_message: Callable[[str], object]) -> Path:
    """A folder with the masks of a file, removed when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="skxssr-masks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    masks_from_file(path, inventory.images, inventory.root, folder, on_message)
    return folder


def reserved_rows(
    data: LabelledSet,
    reserved: ReservedSet | None,
    out: Path,
    on_message: Callable[[str], object],
) -> np.ndarray:
    """Which of the images a test set reserves: bool, one an image.

    Without a test set, one of these images that lies near is not overlooked but refused.
    """
    by_name = data.by_name
    if reserved is None:
        for forgotten in reserved_nearby(data.inventory.root, out):
            if forgotten.find(by_name):
                forgotten.check_pool(by_name)
        return np.zeros(len(data.files), dtype=bool)
    if reserved.is_of_another_site(by_name):
        on_message(
            f"The test set in {reserved.folder} has names of these images, but the content of "
            "none: it is taken for that of another site, and no image for a test image."
        )
    tested = set(reserved.find(by_name))
    return np.array([name in tested for name in data.names])


def without_reserved(
    data: LabelledSet,
    reserved: ReservedSet | None,
    out: Path,
    *,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    on_message: Callable[[str], object],
) -> LabelledSet:
    """The images that no test set reserves; nobody is on both sides."""
    tested = reserved_rows(data, reserved, out, on_message)
    if tested.all():
        raise ValueError(
            f"every image of {data.inventory.root} that has a mask is in the test set reserved in "
            f"{reserved.folder if reserved else out}: give masks of images outside of it"
        )
    rest = data.keep(np.flatnonzero(~tested))
    if reserved is not None and tested.any():
        root = data.inventory.root
        reserved.check_pool(rest.names, group_pattern, group_from, root=root)
        names = few([name for name, held in zip(data.names, tested, strict=True) if held], 3)
        on_message(f"{tested.sum()} images are reserved for testing and left out ({names}).")
    return rest
