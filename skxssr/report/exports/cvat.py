"""CVAT: the labels of a task, and an annotation file (CVAT for images 1.1) with rank and reason."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr.report.exports.items import Item

__all__ = ["write_cvat"]

LABELS, ANNOTATIONS = "labels.json", "annotations.xml"
_PICK = "pick"  # the label of the tag that holds rank and reason
_KNOWN = ("rank", "reason", "file")

_STEPS = """\
Picks for CVAT, in the order in which they should be annotated.

1. Make a task. Constructor, Raw: paste labels.json.
2. Upload the files of the folder images. Their names begin with the rank; leave the sorting method
   at Lexicographical, so that frames come in pick order.
3. Actions, Upload annotations, CVAT 1.1: annotations.xml. Each frame then has a tag "pick" with
   rank, reason and the name of the image.
4. Draw masks with the label{plural} {labels}. Export the task dataset in any format, such as
   COCO 1.0: order.csv says which file was which image.
"""


def write_cvat(folder: Path, items: Sequence[Item], labels: Sequence[str]) -> None:
    """Write labels, annotations and steps beside the images.

    Parameters
    ----------
    folder : Path
        Of the export; the images are in its folder ``images``.
    items : sequence of Item
        In pick order.
    labels : sequence of str
        What is to be drawn.
    """
    names = [one_line(label) for label in labels]
    specified: list[dict[str, Any]] = [
        {"name": name, "type": "mask", "attributes": []} for name in names
    ]
    texts = [
        {"name": name, "mutable": False, "input_type": "text", "default_value": "", "values": [""]}
        for name in _KNOWN
    ]
    specified.append({"name": _PICK, "type": "tag", "attributes": texts})
    write_text(folder / LABELS, json.dumps(specified, indent=1, ensure_ascii=False))
    write_text(folder / ANNOTATIONS, _annotations(items, names))
    steps = _STEPS.format(labels=", ".join(names), plural="s" if len(names) > 1 else "")
    write_text(folder / "README.txt", steps)


def _annotations(items: Sequence[Item], labels: Sequence[str]) -> str:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "size").text = str(len(items))
    ElementTree.SubElement(task, "mode").text = "annotation"
    listed = ElementTree.SubElement(task, "labels")
    for name, kind, attributes in [*((n, "mask", ()) for n in labels), (_PICK, "tag", _KNOWN)]:
        label = ElementTree.SubElement(listed, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "type").text = kind
        described = ElementTree.SubElement(label, "attributes")
        for attribute in attributes:
            entry = ElementTree.SubElement(described, "attribute")
            ElementTree.SubElement(entry, "name").text = attribute
            ElementTree.SubElement(entry, "mutable").text = "False"
            ElementTree.SubElement(entry, "input_type").text = "text"
            ElementTree.SubElement(entry, "default_value").text = ""
            ElementTree.SubElement(entry, "values").text = ""
    for frame, item in enumerate(items):
        image = ElementTree.SubElement(
            root,
            "image",
            id=str(frame),
            name=item.file,
            width=str(item.width),
            height=str(item.height),
        )
        tag = ElementTree.SubElement(image, "tag", label=_PICK, source="file")
        values = (str(item.rank), item.reason, one_line(item.original))
        for name, value in zip(_KNOWN, values, strict=True):
            ElementTree.SubElement(tag, "attribute", name=name).text = value
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode")
