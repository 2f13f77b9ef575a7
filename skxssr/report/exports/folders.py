"""Folders instead of files: images beside masks, and the layout of MONAI Label and 3D Slicer."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr.report.exports.items import Item

__all__ = ["write_masks_layout", "write_monai_label"]

_MASKS = """\
Picks as two folders: images, and masks, which is empty.

Draw a mask for each image, in the order of the names, and save it in masks under the name of the
image as PNG, of the same width and height: 0 is background, {values}.
"""

_MONAI = """\
Picks as a data store of MONAI Label: the images lie in this folder, finished labels go to
labels/final.

   monailabel start_server --app APP --studies {root}

In 3D Slicer: MONAI Label, connect to the server, and take the images by name: names begin with the
rank. The strategy skxssr.integrations.monailabel.XSSRStrategy serves further images in the order
of a new selection.
"""


def write_masks_layout(folder: Path, items: Sequence[Item], labels: Sequence[str]) -> None:
    """Make the folder for the masks beside the images, and say what goes into it.

    Parameters
    ----------
    folder : Path
        Of the export; the images are in its folder ``images``.
    items : sequence of Item
        In pick order.
    labels : sequence of str
        What is to be drawn: the values 1, 2, ... of the masks.
    """
    (folder / "masks").mkdir(exist_ok=True)
    values = ", ".join(f"{value} is {one_line(name)}" for value, name in enumerate(labels, 1))
    write_text(folder / "README.txt", _MASKS.format(values=values))


def write_monai_label(folder: Path, items: Sequence[Item], labels: Sequence[str]) -> None:
    """Make the folders for labels beside the images, and say how the server is started.

    Parameters
    ----------
    folder : Path
        Of the export; the images are in it.
    items : sequence of Item
        In pick order.
    labels : sequence of str
        Not used: the app of the server names its labels.
    """
    for kind in ("final", "original"):
        (folder / "labels" / kind).mkdir(parents=True, exist_ok=True)
    text = _MONAI.format(root=shlex.quote(one_line(folder.resolve())))
    write_text(folder / "README.txt", text)
