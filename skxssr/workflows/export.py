"""A finished selection for annotation tools: pictures in pick order, and what the tool reads."""

import csv
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable
from skxssr._utils.names import one_line, table_cell
from skxssr._utils.optional import import_optional
from skxssr._utils.slice_names import split_name
from skxssr.exceptions import MissingExtraError
from skxssr.io import Images
from skxssr.io.files import kind_of
from skxssr.report.exports import (
    Item,
    ordered_name,
    write_coco,
    write_cvat,
    write_label_studio,
    write_masks_layout,
    write_monai_label,
)
from skxssr.report.figures import contact_sheet
from skxssr.workflows.selection_folder import SelectionFolder, read_selection_folder
from skxssr.workflows.values import rule_from_record

__all__ = ["FORMATS", "Export", "export_selection"]

ORDER = "order.csv"
_HEAD = ["rank", "file", "original", "group", "reason", "width", "height"]
_VIEWABLE = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}  # what a browser shows
_PAGES = ("frame", "page")  # pictures of a file that is no volume
_ON_A_SHEET = 60

_Writer = Callable[[Path, Sequence[Item], Sequence[str]], None]
_WRITERS: dict[str, _Writer | None] = {
    "images": None,
    "label-studio": write_label_studio,
    "cvat": write_cvat,
    "coco": write_coco,
    "masks": write_masks_layout,
    "monai-label": write_monai_label,
}
FORMATS = tuple(_WRITERS)


@dataclass(frozen=True)
class Export:
    """What `export_selection` returns.

    Attributes
    ----------
    folder : Path
        Where it was written.
    items : list of Item
        In pick order.
    drawn : int
        How many pictures were drawn anew as PNG of 8 bits, since no browser shows their files.
    """

    folder: Path
    items: list[Item]
    drawn: int


def export_selection(
    picks: str | os.PathLike,
    to: str,
    *,
    out: str | os.PathLike | None = None,
    labels: Sequence[str] = ("foreground",),
    link: bool = False,
    force: bool = False,
    on_message: Callable[[str], object] = lambda text: None,
) -> Export:
    """Write the picks of a finished selection in the form that an annotation tool reads.

    Parameters
    ----------
    picks : path
        The ``--out`` of ``skxssr select``. The images are read from where they were then.
    to : {"images", "label-studio", "cvat", "coco", "masks", "monai-label"}
        "images" are the files themselves in pick order, with contact sheets. The others have
        pictures that a browser shows, and what the tool imports.
    out : path, optional
        Folder to write to; by default one of the name of the format in `picks`, and for "images"
        `picks` itself. The pictures are in its folder ``images``, but for "monai-label".
    labels : sequence of str, default=("foreground",)
        What is to be drawn.
    link : bool, default=False
        Link to files instead of copying them, where no picture has to be drawn.
    force : bool, default=False
        Whether to write into a folder that is there. Its pictures are replaced, and nothing else in
        it is removed: masks stay.
    on_message : callable, optional
        Called with what should be known.

    Returns
    -------
    Export

    Raises
    ------
    ValueError
        `to` is unknown, a label is empty or there twice, or the selection was made from embeddings
        alone, so that there is no image.
    FileExistsError
        The folder is there, and `force` is False.
    FileNotFoundError
        There is no selection, or the images are gone.
    OSError
        Links are not possible here.

    Examples
    --------
    >>> from skxssr.workflows.export import export_selection
    >>> export_selection("nowhere", "coco")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere holds no selection: there is no selection.json in it. ...
    """
    if to not in _WRITERS:
        raise ValueError(f"--to must be one of {', '.join(FORMATS)}. Got {to!r} instead.")
    if not labels or not all(map(str.strip, labels)) or len({*labels}) < len(labels):
        raise ValueError(
            f"--labels must be different names, not {list(labels)}: such as --labels lung,lesion"
        )
    found = read_selection_folder(picks)
    images = _images_of(found)
    default = found.folder if to == "images" else found.folder / to
    folder = default if out is None else Path(out)
    ours = folder.resolve() == found.folder.resolve()
    there = (folder / ORDER).exists() or (not ours and folder.exists() and any(folder.iterdir()))
    if there and not force:
        raise FileExistsError(
            f"{one_line(folder)} holds an export or other files already, and nothing is "
            "overwritten: name another folder with --out, or give --force to write it again (masks "
            "in it stay)"
        )
    make_writable(folder)
    place = _Placing(folder if to == "monai-label" else folder / "images", link, to)
    place.clear(folder / ORDER)
    items = [_item(found, at, place.put(found, images, at)) for at in range(len(found.picks))]
    writer = _WRITERS[to]
    if writer is None:
        _sheets(folder, images, found, on_message)
    else:
        writer(folder, items, labels)
    _write_order(folder / ORDER, items)
    if place.drawn:
        on_message(place.said(len(items)))
    return Export(folder, items, place.drawn)


def _images_of(found: SelectionFolder) -> Images:
    """The picks, in pick order."""
    if found.root is None:
        raise ValueError(
            f"the selection in {one_line(found.folder)} was made from embeddings alone: there is "
            "no folder of images to export from. Select with --target, or embed with skxssr embed"
        )
    gone = [path for path in found.files if not split_name(path).file.exists()]
    if gone:
        raise FileNotFoundError(
            f"{len(gone)} of the picked images are not there any more, such as "
            f"{one_line(gone[0])}: put the folder back to where it was when it was selected from"
        )
    rule = found.record.get("rule")
    return Images(found.files, None if rule is None else rule_from_record(rule))


class _Placing:
    """Puts files into a folder under names in pick order."""

    def __init__(self, folder: Path, link: bool, to: str) -> None:
        self.folder, self.link, self.to = folder, link, to
        self.drawn = 0
        self.known: dict[Path, str] = {}  # files of several picks, by where they were put

    def clear(self, order: Path) -> None:
        """Remove the pictures that an earlier export put here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if order.exists():
            with order.open(newline="", encoding="utf-8") as stream:
                names = [row.get("file") or "" for row in csv.DictReader(stream)]
            for name in names:
                if name and Path(name).name == name:
                    (self.folder / name).unlink(missing_ok=True)

    def put(self, found: SelectionFolder, images: Images, at: int) -> tuple[str, int, int]:
        """The name of a pick in the folder, its width and its height."""
        path, n = found.files[at], len(found.picks)
        file, axis, _ = split_name(path)
        picture = images[at]
        suffix = kind_of(file.name) if file.suffix else ""
        viewable = suffix in _VIEWABLE and axis is None and not _reread(images)
        name = ordered_name(at + 1, n, found.picked_names[at], suffix)
        whole_kept = self.to == "images" or (self.to == "monai-label" and axis not in _PAGES)
        if whole_kept or viewable:
            whole = ordered_name(at + 1, n, file.name, suffix)
            if file not in self.known:
                self._bring(file, whole if axis else name)
                self.known[file] = whole if axis else name
        if not viewable and (self.to == "images" or not whole_kept):
            name = ordered_name(at + 1, n, found.picked_names[at], ".png")
            _draw(picture, self.folder / name)
            self.drawn += 1
        elif axis is not None:
            name = self.known[file]
        return name, picture.shape[1], picture.shape[0]

    def _bring(self, file: Path, name: str) -> None:
        target = self.folder / name
        target.unlink(missing_ok=True)
        if not self.link:
            shutil.copyfile(file, target)
            return
        try:
            target.symlink_to(file.resolve())
        except OSError as error:
            raise OSError(
                f"{one_line(target)} cannot be a link ({error.strerror or error}): copy instead "
                "(--copy, or leave --link away)"
            ) from error

    def said(self, n: int) -> str:
        """What was drawn, in a sentence."""
        beside = " beside the files" if self.to == "images" else " instead of the files"
        return (
            f"{self.drawn} of {n} pictures are drawn as PNG of 8 bits{beside}: slices, DICOM, or "
            "values that a browser does not show as they are meant."
        )


def _reread(images: Images) -> bool:
    return images.rule is not None and images.rule.changed


def _draw(picture: np.ndarray, path: Path) -> None:
    pillow = import_optional("PIL.Image", extra="torch", caller="writing images")
    values = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    pillow.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(path, format="PNG")


def _item(found: SelectionFolder, at: int, placed: tuple[str, int, int]) -> Item:
    name, width, height = placed
    groups, sites = found.picked_groups, found.record.get("sites")
    original = found.picked_names[at]
    facts = {} if groups is None else {"patient": groups[at]}
    facts |= {} if sites is None else {"site": str(sites[original])}
    return Item(at + 1, original, name, width, height, found.reasons[at], facts)


def _write_order(path: Path, items: Iterable[Item]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEAD)
        for item in items:
            group = table_cell(item.facts.get("patient", ""))
            row: list[Any] = [item.rank, item.file, table_cell(item.original), group, item.reason]
            writer.writerow([*row, item.width, item.height])


def _sheets(
    folder: Path, images: Images, found: SelectionFolder, on_message: Callable[[str], object]
) -> None:
    """Contact sheets of sixty pictures each."""
    n = len(found.picks)
    captions = [one_line(name).rsplit("/", 1)[-1] for name in found.picked_names]
    try:
        for number, low in enumerate(range(0, n, _ON_A_SHEET), 1):
            rows = np.arange(low, min(low + _ON_A_SHEET, n))
            name = f"contact_sheet_{number}.png" if n > _ON_A_SHEET else "contact_sheet.png"
            said = [captions[row][:24] for row in rows]
            contact_sheet(images, rows, folder / name, captions=said, first=low + 1)
    except MissingExtraError as error:
        on_message(f"No contact sheet was drawn: {error}")
