"""Masks of a Label Studio export: brush strokes (its RLE) and polygons."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.io.annotations_file import Annotated, refuse

__all__: list[str] = []

_SHAPES = ("brush", "polygon")
_MOST_PIXELS = 2**28  # of a mask: a number beyond is no picture, and would only fill the memory


def read_label_studio(tasks: Sequence[Any], where: str) -> list[Annotated]:
    """The annotated tasks of an export as JSON; of several annotations the one changed last."""
    labels: set[str] = set()
    found = []
    for number, task in enumerate(tasks):
        if not isinstance(task, Mapping) or "annotations" not in task or "data" not in task:
            refuse(
                where,
                f"task {number} has no data and annotations: export as JSON (not JSON-MIN or CSV)",
            )
        done = [one for one in task["annotations"] if not one.get("was_cancelled")]
        if done:
            last = max(done, key=lambda one: str(one.get("updated_at") or one.get("created_at")))
            regions = [_region(one, where, number) for one in last.get("result", []) if _drawn(one)]
            labels |= {label for label, *_ in regions}
            found.append((_names(task), regions))
    codes = {label: code for code, label in enumerate(sorted(labels), start=1)}
    return [
        Annotated(names, _size(regions), partial(_paint, regions, codes), codes)
        for names, regions in found
    ]


def _drawn(result: Mapping[str, Any]) -> bool:
    """Whether it is a region; choices and texts are none."""
    return "original_width" in result and "value" in result


def _names(task: Mapping[str, Any]) -> list[str]:
    """What the task may call its image: the name that `skxssr export` gave, its address, others."""
    data = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    first = [data.pop(key) for key in ("file", "image") if key in data]
    uploaded = [task["file_upload"]] if task.get("file_upload") else []
    return [*first, *uploaded, *(data[key] for key in data if key not in ("title", "reason"))]


def _region(result: Mapping[str, Any], where: str, number: int) -> tuple[str, str, Any, int, int]:
    kind = str(result.get("type", "")).removesuffix("labels")
    value = result["value"]
    if kind not in _SHAPES:
        refuse(where, f"task {number} holds a {kind or 'region'}: masks are brush or polygon")
    if result.get("image_rotation"):
        refuse(where, f"task {number} was annotated on a rotated image: turn it back")
    labels = value.get(f"{kind}labels") or value.get("labels") or ["foreground"]
    size = (result["original_height"], result["original_width"])
    if not all(isinstance(side, int) and side > 0 for side in size) or np.prod(size) > _MOST_PIXELS:
        refuse(where, f"task {number} has a region on an image of {size[1]} x {size[0]} pixels")
    drawing = value.get("rle" if kind == "brush" else "points")
    if not isinstance(drawing, list):
        refuse(
            where,
            f"task {number} has a {kind} without its {'rle' if kind == 'brush' else 'points'}",
        )
    if kind == "brush":  # decoded once here, so that what is damaged is found before anything else
        try:
            decode_brush(drawing, *size)
        except ValueError as error:
            refuse(where, f"task {number}: {error}")
    return labels[0], kind, drawing, *size


def _size(regions: Sequence[Any]) -> tuple[int, int] | None:
    return (regions[0][3], regions[0][4]) if regions else None


def _paint(regions: Sequence[Any], codes: Mapping[str, int]) -> np.ndarray:
    """Later regions over earlier ones."""
    height, width = regions[0][3:]
    mask = np.zeros((height, width), dtype=np.uint8)
    for label, kind, drawing, *_ in regions:
        if kind == "brush":
            mask[decode_brush(drawing, height, width)] = codes[label]
        else:
            mask[_polygon(drawing, height, width)] = codes[label]
    return mask


def _polygon(points: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """A polygon given in percent of the image."""
    image = import_optional("PIL.Image", extra="torch", caller="reading polygons")
    draw = import_optional("PIL.ImageDraw", extra="torch", caller="reading polygons")
    picture = image.new("1", (width, height))
    corners = [(x / 100 * width - 0.5, y / 100 * height - 0.5) for x, y in points]
    if len(corners) >= 3:
        draw.Draw(picture).polygon(corners, fill=1)
    return np.array(picture)


def decode_brush(rle: Sequence[int], height: int, width: int) -> np.ndarray:
    """Where a brush painted: bool (height, width).

    The format is that of thi.ng/rle-pack, of RGBA pixels, of which the last channel counts: 32 bits
    of length, 5 of word size, four times 4 of run sizes, then runs (a bit says whether one word is
    repeated, two bits which run size holds the length).
    """
    data = np.asarray(rle)
    if (
        data.ndim != 1
        or data.dtype.kind not in "iu"
        or data.min(initial=0) < 0
        or data.max(initial=0) > 255
    ):
        raise ValueError("a brush holds values that are no bytes")
    bits = np.unpackbits(data.astype(np.uint8))
    at = 0

    def read(n: int) -> int:
        nonlocal at
        if at + n > len(bits):
            raise ValueError("a brush ends too early: the file is damaged")
        word = int.from_bytes(np.packbits(np.pad(bits[at : at + n], (-n % 8, 0))).tobytes(), "big")
        at += n
        return word

    total, word = read(32), read(5) + 1
    runs = [read(4) + 1 for _ in range(4)]
    if total != 4 * height * width or word > 8:
        raise ValueError(
            f"a brush holds {total} values, an image of {width} x {height} has {4 * height * width}"
        )
    out = np.zeros(total, dtype=np.uint8)
    i = 0
    while i < total:
        repeated = read(1)
        end = min(i + 1 + read(runs[read(2)]), total)
        if repeated:
            out[i:end] = read(word)
        else:
            if at + (end - i) * word > len(bits):
                raise ValueError("a brush ends too early: the file is damaged")
            words = bits[at : at + (end - i) * word].reshape(-1, word)
            out[i:end] = words @ (1 << np.arange(word)[::-1])
            at += (end - i) * word
        i = end
    return out.reshape(height, width, 4)[..., 3] > 0
