"""Masks of a COCO file: polygons and RLE, decoded by pycocotools."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.io.annotations_file import Annotated, refuse

__all__: list[str] = []


def read_coco(data: Mapping[str, Any], where: str) -> list[Annotated]:
    """The images that have an annotation; without one it cannot be told whether anybody looked."""
    tools = import_optional("pycocotools.mask", extra="coco", caller="reading COCO")
    missing = [name for name in ("images", "annotations", "categories") if name not in data]
    if missing:
        refuse(where, f"it lacks {', '.join(missing)}, which a COCO file has")
    codes = _codes(data["categories"])
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for one in data["annotations"]:
        if one["category_id"] not in codes:
            refuse(
                where, f"annotation {one.get('id')} has the unknown category {one['category_id']}"
            )
        if not one.get("segmentation"):
            refuse(where, f"annotation {one.get('id')} is a box without a segmentation")
        by_image.setdefault(one["image_id"], []).append(one)
    names = {one["id"]: str(one["name"]) for one in data["categories"]}
    known = {image["id"]: image for image in data["images"]}
    if strangers := set(by_image) - set(known):
        refuse(
            where, f"annotations belong to images that it does not list: {sorted(strangers)[:3]}"
        )
    meanings = {names[number]: code for number, code in codes.items()}
    found = []
    for number, drawn in by_image.items():
        image = known[number]
        size = (int(image["height"]), int(image["width"]))
        for one in drawn:  # what is damaged is found before anything else
            try:
                _decode(tools, one["segmentation"], size)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                refuse(where, f"annotation {one.get('id')} cannot be decoded ({error})")
        found.append(
            Annotated(
                [str(image[key]) for key in ("original", "file_name") if key in image],
                size,
                partial(_paint, tools, drawn, size, codes),
                meanings,
            )
        )
    return found


def _codes(categories: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """The value of each category: its own number where that fits a mask, 1 if there is but one."""
    numbers = [one["id"] for one in categories]
    if len(numbers) == 1:
        return {numbers[0]: 1}
    if all(isinstance(number, int) and 0 < number < 255 for number in numbers):
        return {number: number for number in numbers}
    return {number: code for code, number in enumerate(numbers, start=1)}


def _decode(tools: Any, drawn: Any, size: tuple[int, int]) -> np.ndarray:
    """One annotation as bool (height, width)."""
    if isinstance(drawn, Mapping):
        if tuple(drawn["size"]) != size:
            raise ValueError(f"its RLE is of size {drawn['size']}, its image of {list(size)}")
        counts = drawn["counts"]
        rle = tools.frPyObjects(dict(drawn), *size) if isinstance(counts, list) else dict(drawn)
        if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
            raise ValueError(f"its RLE counts {sum(counts)} pixels of {size[0] * size[1]}")
    else:
        rle = tools.merge(tools.frPyObjects(drawn, *size))
    with warnings.catch_warnings():
        # pycocotools 2.0.11 asks numpy for a copy in the old way
        warnings.simplefilter("ignore", DeprecationWarning)
        return tools.decode(rle).astype(bool)


def _paint(
    tools: Any, drawn: Sequence[Any], size: tuple[int, int], codes: Mapping[Any, int]
) -> np.ndarray:
    """Later annotations over earlier ones."""
    mask = np.zeros(size, dtype=np.uint8)
    for one in drawn:
        mask[_decode(tools, one["segmentation"], size)] = codes[one["category_id"]]
    return mask
