"""Masks that come back from annotation tools in one file, as PNG files named after the images."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from skxssr._utils.names import few, same_text
from skxssr._utils.optional import import_optional
from skxssr._utils.slice_names import stem_and_slice
from skxssr.io.decode import read_image

__all__ = ["Annotated", "annotated_images", "masks_from_file"]

# What Label Studio puts before the name of an upload, and `skxssr export` before that of a pick.
_BEFORE = re.compile("^([0-9a-f]{8}-)?([0-9]{3,}_)?")
_SLICE = re.compile("_(axial|coronal|sagittal|frame|page)([0-9]+)$")  # of `skxssr export`


@dataclass(frozen=True)
class Annotated:
    """One annotated image of the file.

    Attributes
    ----------
    names : list of str
        What the file may call it.
    size : tuple of int or None
        Height and width; None if nothing was drawn.
    paint : callable
        Gives the mask (height, width), uint8; not called without a size.
    codes : mapping of str to int
        What its values mean.
    """

    names: list[str]
    size: tuple[int, int] | None
    paint: Callable[[], np.ndarray]
    codes: Mapping[str, int]


def refuse(where: str, why: str) -> NoReturn:
    """Raise an error that names the file."""
    raise ValueError(f"{where}: {why}")


def masks_from_file(
    path: Path,
    images: Sequence[Path],
    root: Path,
    out: Path,
    on_message: Callable[[str], object],
) -> None:
    """Write the masks of a Label Studio export or a COCO file to `out`, named after their images.

    Parameters
    ----------
    path : Path
        A ``.json`` file. Names in it are only compared with those of the images, never opened.
    images : sequence of Path
        The images, below `root`.
    root : Path
        Their folder.
    out : Path
        Folder for the masks.
    on_message : callable
        Called with what the values of the masks mean.

    Raises
    ------
    ImageReadError
        An annotated image cannot be read.
    ValueError
        What `annotated_images` refuses, or an image has another size than when it was annotated.
    MissingExtraError
        pycocotools (extra "coco") or Pillow (extra "torch") is not installed.
    """
    picture = import_optional("PIL.Image", extra="torch", caller="reading annotations")
    taken = annotated_images(path, images, root)
    codes = next((entry.codes for entry in taken.values() if entry.codes), {})
    meant = ", ".join(f"{code} = {name}" for name, code in codes.items()) or "nothing was drawn"
    on_message(f"{path.name}: {len(taken)} annotated images; values of the masks: {meant}")
    for image, entry in taken.items():
        size = read_image(image).shape[:2]
        if entry.size is not None and entry.size != size:
            refuse(
                str(path),
                f"{image.name} was annotated with {entry.size[1]} x {entry.size[0]} pixels, and "
                f"has {size[1]} x {size[0]}",
            )
        mask = np.zeros(size, dtype=np.uint8) if entry.size is None else entry.paint()
        stem, number = stem_and_slice(image)
        place = out / f"{Path(stem).relative_to(root).as_posix()}{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture.fromarray(mask).save(place)


def annotated_images(path: Path, images: Sequence[Path], root: Path) -> dict[Path, Annotated]:
    """Which of the images a file holds annotations of.

    Parameters
    ----------
    path : Path
        A ``.json`` file.
    images : sequence of Path
        The images, below `root`; they need not exist.
    root : Path
        Their folder.

    Returns
    -------
    dict of Path to Annotated

    Raises
    ------
    ValueError
        The file is no JSON, of another kind, damaged, or names images that are not there, several
        that are called alike, one twice, or one by a path that leads out of its folder.
    """
    entries = read_annotations(path)
    by_name = _names_of(images, root)
    taken: dict[Path, Annotated] = {}
    unknown = []
    for entry in entries:
        image = _find(entry.names, by_name, str(path))
        if image is None:
            unknown.append(entry.names[0] if entry.names else "one without a name")
        elif image in taken:
            refuse(str(path), f"{image.name} is annotated twice: keep one of the two entries")
        else:
            taken[image] = entry
    if unknown:
        refuse(
            str(path),
            f"{len(unknown)} of its {len(entries)} annotated images are not in {root} "
            f"({few(unknown, 3)}): names are compared without suffix",
        )
    if not taken:
        refuse(str(path), "no image in it is annotated")
    return taken


def read_annotations(path: Path) -> list[Annotated]:
    """The annotated images of a file, of whichever kind it is."""
    from skxssr.io.coco import read_coco
    from skxssr.io.label_studio import read_label_studio

    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        refuse(str(path), f"it is no JSON ({error}): give the export as JSON, or a folder of masks")
    try:
        if isinstance(data, list):
            return read_label_studio(data, str(path))
        if isinstance(data, dict) and "images" in data:
            return read_coco(data, str(path))
    except (KeyError, TypeError, AttributeError) as error:
        refuse(str(path), f"it is damaged, or no export of these tools ({error!r})")
    refuse(str(path), "it is neither an export of Label Studio (JSON) nor a COCO file")


def _names_of(images: Sequence[Path], root: Path) -> dict[str, set[Path]]:
    """Images by relative path and by name, both without suffix."""
    found: dict[str, set[Path]] = {}
    for image in images:
        stem, number = stem_and_slice(image)
        whole = same_text(f"{Path(stem).relative_to(root).as_posix()}{number}")
        for key in {whole, whole.rpartition("/")[2]}:
            found.setdefault(key, set()).add(image)
    return found


def _find(names: Sequence[str], by_name: Mapping[str, set[Path]], where: str) -> Path | None:
    """The image that one of the names means: by the longest end of its path that is known."""
    for name in names:
        parts = _parts(name, where)
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        for end in [*ends, *(_without_marks(last) for last in ends[-1:])]:
            found = by_name.get(end, set())
            if len(found) == 1:
                return next(iter(found))
            if found:
                refuse(where, f"{name} may be any of {few(sorted(map(str, found)), 3)}: rename one")
    return None


def _without_marks(last: str) -> str:
    return _SLICE.sub(r"#\1=\2", _BEFORE.sub("", last))


def _parts(name: str, where: str) -> list[str]:
    """A path or URL as folders and a stem."""
    url = urlsplit(name.replace("\\", "/"))
    path = parse_qs(url.query).get("d", [unquote(url.path)])[0]  # ?d= of local files
    parts = list(PurePosixPath(same_text(path.lstrip("/"))).parts)
    if ".." in parts:
        refuse(where, f"{name} leads out of its folder: names are paths below that of the images")
    if parts:
        stem, number = stem_and_slice(Path(parts[-1]))
        parts[-1] = f"{stem}{number}"
    return parts
