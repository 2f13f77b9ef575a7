"""COCO: a list of images and categories without annotations, which tools fill."""

import json
from collections.abc import Sequence
from pathlib import Path

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr.report.exports.items import Item

__all__ = ["write_coco"]

ANNOTATIONS = "annotations/instances_default.json"  # where CVAT and others look for it

_STEPS = """\
Picks as a COCO data set without annotations: annotations/instances_default.json and the folder
images.
The id of an image is its rank; "reason" and "original" (its name in the pool) stand beside it.
"""


def write_coco(folder: Path, items: Sequence[Item], labels: Sequence[str]) -> None:
    """Write the data set beside the images.

    Parameters
    ----------
    folder : Path
        Of the export; the images are in its folder ``images``.
    items : sequence of Item
        In pick order; the rank is the id.
    labels : sequence of str
        Categories, with ids from 1.
    """
    data = {
        "info": {"description": "Images that skxssr picked, in the order of their ids"},
        "licenses": [],
        "images": [
            {
                "id": item.rank,
                "file_name": item.file,
                "width": item.width,
                "height": item.height,
                "reason": item.reason,
                "original": one_line(item.original),
                **{name: one_line(value) for name, value in item.facts.items()},
            }
            for item in items
        ],
        "categories": [
            {"id": number, "name": one_line(label), "supercategory": ""}
            for number, label in enumerate(labels, 1)
        ],
        "annotations": [],
    }
    write_text(folder / ANNOTATIONS, json.dumps(data, indent=1, ensure_ascii=False))
    write_text(folder / "README.txt", _STEPS)
