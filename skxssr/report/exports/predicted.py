"""Predicted masks for annotation tools, to be corrected there instead of drawn from nothing."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr._utils.optional import import_optional
from skxssr.report.exports.label_studio import BRUSH, IMAGE, label_config

__all__ = ["encode_brush", "predicted_coco", "predicted_label_studio"]

_RUNS = (3, 4, 8, 16)  # bits in which the length of a run is written


def encode_brush(mask: np.ndarray) -> list[int]:
    """Write a mask as the brush of Label Studio (thi.ng/rle-pack over RGBA pixels).

    Parameters
    ----------
    mask : ndarray of bool of shape (H, W)
        Where it is painted.

    Returns
    -------
    list of int
        Bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.report.exports.predicted import encode_brush
    >>> encode_brush(np.ones((2, 3), dtype=bool))
    [0, 0, 0, 24, 57, 27, 254, 23, 255]
    """
    values = mask.astype(np.uint8).ravel() * 255
    bits = [f"{4 * values.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in _RUNS)]
    starts = np.flatnonzero(np.diff(values, prepend=~values[:1]))
    for start, end in zip(starts, [*starts[1:], values.size], strict=True):
        left = 4 * int(end - start)
        while left:
            length = min(left, 2 ** _RUNS[-1])
            which = next(i for i, size in enumerate(_RUNS) if length <= 2**size)
            run = f"{length - 1:0{_RUNS[which]}b}"
            bits.append(f"1{which:02b}{run}{int(values[start]):08b}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def predicted_label_studio(
    path: Path, masks: Mapping[str, np.ndarray], labels: Mapping[int, str], model: str
) -> None:
    """Write tasks with predictions, and the labelling configuration beside them.

    Parameters
    ----------
    path : Path
        The file of tasks; ``label_config.xml`` comes beside it.
    masks : mapping of str to ndarray of int of shape (H, W)
        By the path of the image below its folder, which Label Studio is to serve.
    labels : mapping of int to str
        Name of each value.
    model : str
        What Label Studio calls the version of the model.
    """
    tasks = []
    for name, mask in masks.items():
        size = {"original_height": mask.shape[0], "original_width": mask.shape[1]}
        results = [
            {
                "id": f"p{value}",
                "type": "brushlabels",
                "from_name": BRUSH,
                "to_name": IMAGE,
                "image_rotation": 0,
                **size,
                "value": {
                    "format": "rle",
                    "rle": encode_brush(mask == value),
                    "brushlabels": [label],
                },
            }
            for value, label in labels.items()
            if (mask == value).any()
        ]
        shown = one_line(name)
        data = {"image": f"/data/local-files/?d={quote(name)}", "file": shown, "title": shown}
        prediction = {"model_version": model, "result": results}
        tasks.append({"data": data, "predictions": [prediction]})
    write_text(path, json.dumps(tasks, ensure_ascii=False))
    write_text(path.with_name("label_config.xml"), label_config(list(labels.values())))


def predicted_coco(path: Path, masks: Mapping[str, np.ndarray], labels: Mapping[int, str]) -> None:
    """Write a COCO file with one RLE for each image and value.

    Parameters
    ----------
    path : Path
        The file.
    masks : mapping of str to ndarray of int of shape (H, W)
        By the path of the image below its folder.
    labels : mapping of int to str
        Name of each value, which is the id of the category.
    """
    tools = import_optional("pycocotools.mask", extra="coco", caller="writing COCO")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        height, width = mask.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for value in labels:
            drawn = np.asfortranarray(mask == value, dtype=np.uint8)
            if drawn.any():
                annotations.append(_annotation(tools, drawn, len(annotations) + 1, number, value))
    data = {
        "images": images,
        "categories": [{"id": value, "name": label} for value, label in labels.items()],
        "annotations": annotations,
    }
    write_text(path, json.dumps(data, ensure_ascii=False))


def _annotation(
    tools: Any, drawn: np.ndarray, number: int, image: int, value: int
) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools 2.0.11
        rle = tools.encode(drawn)
        area, box = float(tools.area(rle)), [float(side) for side in tools.toBbox(rle)]
    counts: Sequence[int] | str = rle["counts"].decode("ascii")
    return {
        "id": number,
        "image_id": image,
        "category_id": value,
        "segmentation": {"size": list(drawn.shape), "counts": counts},
        "area": area,
        "bbox": box,
        "iscrowd": 0,
    }
