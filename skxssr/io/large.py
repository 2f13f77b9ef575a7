"""Pictures too large for memory: how far to reduce them, and opening them at all."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional

MAX_PIXELS = 2**25
LARGEST = 2**30  # bytes that a picture may take while it is decoded
_CALLER = "reading image files"
_STRIP = 2**22  # pixels that are averaged at a time
_ONE_BYTE, _TWO_BYTES = ("1", "L", "P"), ("I;16", "I;16L", "I;16B", "I;16N")  # others have 4
_SHRINK = {"JPEG": 8, "MPO": 8, "JPEG2000": 32}  # by so much at most while they are decoded
_WIDTH, _HEIGHT, _STRIPS, _ROWS_PER_STRIP, _PLANES, _SAMPLES = 256, 257, 273, 278, 284, 277
_TILE_WIDTH, _TILE_HEIGHT, _TILES = 322, 323, 324


def max_pixels() -> int:
    """The limit, which the user can set."""
    given = os.environ.get("SKXSSR_MAX_PIXELS", "")
    if not given:
        return MAX_PIXELS
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(
            "SKXSSR_MAX_PIXELS must be a number of pixels such as 100000000. "
            f"Got {given!r} instead."
        )
    return int(given)


def reduced(image: Any) -> int:
    """The power of two by which a picture has to be made smaller; mostly 1."""
    width, height = image.size
    limit = max_pixels()
    factor = 1
    while -(-width // factor) * -(-height // factor) > limit:
        factor *= 2
    pixel = 1 if image.mode in _ONE_BYTE else 2 if image.mode in _TWO_BYTES else 4
    decoded = width * height * pixel // min(factor, _SHRINK.get(image.format, 1)) ** 2
    if decoded > LARGEST and width * height > limit:
        raise ValueError(
            f"it has {width} x {height} pixels, which take {decoded / 2**30:.1f} GiB of memory "
            f"while they are decoded, and {LARGEST / 2**30:g} are allowed: make it smaller or cut "
            "it into tiles, or set the environment variable SKXSSR_MAX_PIXELS to a number above "
            f"{width * height}"
        )
    return factor


def check_tiff(image: Any) -> None:
    """Refuse a TIFF whose header promises more rows than its strips or tiles hold.

    Decoders would make up the rest, be it a million rows.
    """
    tags = getattr(image, "tag_v2", None)
    if not tags:
        return
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    planes = tags.get(_SAMPLES, 1) if tags.get(_PLANES, 1) == 2 else 1
    if _TILES in tags and tags.get(_TILE_WIDTH) and tags.get(_TILE_HEIGHT):
        parts, there = "tiles", len(tags[_TILES])
        wanted = -(-width // tags[_TILE_WIDTH]) * -(-height // tags[_TILE_HEIGHT]) * planes
    elif _STRIPS in tags:
        parts, there = "strips", len(tags[_STRIPS])
        wanted = -(-height // max(1, min(tags.get(_ROWS_PER_STRIP, height), height))) * planes
    else:
        return
    if there < wanted:
        raise ValueError(
            f"its header says {width} x {height} pixels in {wanted} {parts}, and it has {there}: "
            "it is damaged or truncated"
        )


def average(image: Any, factor: int) -> Any:
    """Means of blocks, gray or RGB, a strip at a time; Pillow has none for 1 and 16 bits."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)
    deep = image.mode in _TWO_BYTES
    mode = image.mode if image.mode in "IF" else "RGB"
    mode = "I" if deep else "L" if image.mode in ("1", "L", "LA", "La") else mode

    def mean(strip: Any) -> np.ndarray:
        values = np.asarray(strip.convert(mode).reduce(factor))
        return values.astype(np.uint16) if deep else values

    return pil.fromarray(np.concatenate([mean(strip) for strip in _strips(image, factor)]))


def reduce_mask(image: Any, factor: int) -> Any:
    """Every `factor`-th pixel of a label image: averages of labels are no labels."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)

    def places(side: int) -> np.ndarray:
        return np.minimum(np.arange(-(-side // factor)) * factor + factor // 2, side - 1)

    parts = []
    for strip in _strips(image, factor):
        values = np.asarray(strip)
        parts.append(values[np.ix_(*(places(side) for side in values.shape[:2]))])
    small = pil.fromarray(np.concatenate(parts))
    if image.mode == "P":
        small = small.convert("P") if small.mode != "P" else small
        small.putpalette(image.getpalette() or [])
    return small


def _strips(image: Any, factor: int) -> Any:
    """The picture from top to bottom, each part of a whole number of blocks but the last."""
    width, height = image.size
    rows = factor * max(1, _STRIP // (width * factor))
    for top in range(0, height, rows):
        yield image.crop((0, top, width, min(top + rows, height)))


def open_any(path: Path) -> Any:
    """`PIL.Image.open` for pictures of any size, which takes a large one for an attack."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)
    with path.open("rb") as stream:
        start = stream.read(16)
    for prepare in (pil.preinit, pil.init):  # the usual formats first
        prepare()
        for factory, accept in [pil.OPEN[name] for name in pil.ID]:
            try:
                if accept is None or accept(start) is True:
                    return factory(os.fspath(path), os.fspath(path))
            except (SyntaxError, IndexError, TypeError, ValueError, struct.error):
                continue  # not of this format
    raise pil.UnidentifiedImageError(f"cannot identify image file {os.fspath(path)!r}")
