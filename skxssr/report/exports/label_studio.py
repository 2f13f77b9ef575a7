"""Label Studio: a labelling configuration with brushes, and tasks in pick order."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr.report.exports.items import Item

__all__ = ["label_config", "write_label_studio"]

CONFIG, TASKS = "label_config.xml", "tasks.json"
IMAGE, BRUSH = "image", "mask"  # names in the configuration, which the export of annotations has

_STEPS = """\
Picks for Label Studio, in the order in which they should be annotated.

1. Let Label Studio read this folder, and start it:
     export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
     export LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={quoted}
     label-studio start
2. Make a project. Settings, Labeling Interface, Code: paste label_config.xml.
3. Settings, Cloud Storage, Add Source Storage, Local files. Absolute path:
     {root}/images
   Save it and do not press Sync: the tasks come with the next step.
4. Import tasks.json. Each task has the rank, the reason and the name of the image.
5. Annotate in the order of the tasks. Export as JSON, which keeps the names.
"""


def label_config(labels: Sequence[str]) -> str:
    """The labelling configuration.

    Parameters
    ----------
    labels : sequence of str
        What is to be drawn.

    Returns
    -------
    str
        XML.

    Examples
    --------
    >>> from skxssr.report.exports.label_studio import label_config
    >>> '<Label value="left &amp; right" />' in label_config(["left & right"])
    True
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="$title")
    ElementTree.SubElement(
        view, "Image", name=IMAGE, value="$image", zoom="true", zoomControl="true"
    )
    brushes = ElementTree.SubElement(view, "BrushLabels", name=BRUSH, toName=IMAGE)
    for label in labels:
        ElementTree.SubElement(brushes, "Label", value=one_line(label))
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode")


def write_label_studio(folder: Path, items: Sequence[Item], labels: Sequence[str]) -> None:
    """Write configuration, tasks and steps beside the images.

    Parameters
    ----------
    folder : Path
        Of the export; the images are in its folder ``images``.
    items : sequence of Item
        In pick order.
    labels : sequence of str
        What is to be drawn.
    """
    tasks = [
        {
            "data": {
                "image": f"/data/local-files/?d={quote(f'images/{item.file}')}",
                "title": f"{item.rank} of {len(items)}: {one_line(item.original)}, {item.reason}",
                "rank": item.rank,
                "reason": item.reason,
                "file": one_line(item.original),
                "picture": item.file,
                **{name: one_line(value) for name, value in item.facts.items()},
            }
        }
        for item in items
    ]
    write_text(folder / CONFIG, label_config(labels))
    write_text(folder / TASKS, json.dumps(tasks, indent=1, ensure_ascii=False))
    root = one_line(folder.resolve())
    write_text(folder / "README.txt", _STEPS.format(root=root, quoted=shlex.quote(root)))
