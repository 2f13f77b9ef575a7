"""Pictures too large for memory: how far to reduce them, and opening them at all."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional

MAX_PIXELS = 2**26
LARGEST = 2**30  # pixels, up to 4 GB while one is decoded
_CALLER = "reading image files"


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


def reduced(size: tuple[int, int]) -> int:
    """The power of two by which a picture of that size has to be made smaller; mostly 1."""
    width, height = size
    limit = max_pixels()
    if width * height > max(LARGEST, limit):
        raise ValueError(
            f"it has {width} x {height} pixels, more than can be decoded in memory: make it "
            "smaller or cut it into tiles, or set the environment variable SKXSSR_MAX_PIXELS to a "
            "number above that"
        )
    factor = 1
    while -(-width // factor) * -(-height // factor) > limit:
        factor *= 2
    return factor


def average(image: Any, factor: int) -> Any:
    """Means of blocks; Pillow has none for 1 and 16 bits and for palettes."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)
    if image.mode.startswith("I;16"):
        values = np.asarray(image.convert("I").reduce(factor))
        return pil.fromarray(values.astype(np.uint16))
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.reduce(factor)


def reduce_mask(image: Any, factor: int) -> Any:
    """Every `factor`-th pixel of a label image: averages of labels are no labels."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)
    values = np.asarray(image)
    rows, columns = (
        np.minimum(np.arange(-(-side // factor)) * factor + factor // 2, side - 1)
        for side in values.shape[:2]
    )
    small = pil.fromarray(np.ascontiguousarray(values[np.ix_(rows, columns)]))
    if image.mode == "P":
        small = small.convert("P") if small.mode != "P" else small
        small.putpalette(image.getpalette() or [])
    return small


def open_any(path: Path) -> Any:
    """`PIL.Image.open`, for pictures of any size: Pillow takes a large one for an attack."""
    pil = import_optional("PIL.Image", extra="torch", caller=_CALLER)
    try:
        return pil.open(path)
    except pil.DecompressionBombError:
        with path.open("rb") as stream:
            start = stream.read(16)
        for factory, accept in [pil.OPEN[name] for name in pil.ID]:
            if accept is None or accept(start) is True:
                try:
                    return factory(os.fspath(path), os.fspath(path))
                except (SyntaxError, IndexError, TypeError, ValueError):
                    continue
        raise
