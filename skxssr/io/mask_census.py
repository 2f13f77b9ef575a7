"""What masks hold: pixels of each value, colours of palettes, two values with noise around them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_CLASSES = 32

_NEAR = 1 / 8  # of the distance of two values: noise stays so near to either
_FAR_SHARE = 0.01  # of all pixels, at most, lie between
_NOISE_VALUES = 6  # distinct values, at least, that noise gives
_NOISE_PEAK = 0.05  # of all pixels, at most, have one of its values
_CONTRAST = 64  # between two values at least, for values around them to be called noise


@dataclass
class Seen:
    """Pixels of each value in each mask."""

    names: list[str]
    counts: list[dict[int, int]]

    def total(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for mask in self.counts:
            for value, number in mask.items():
                found[value] = found.get(value, 0) + number
        return dict(sorted(found.items()))

    def holding(self, values: Iterable[int]) -> list[int]:
        """Numbers of the masks that hold any of the values."""
        wanted = set(values)
        return [row for row, mask in enumerate(self.counts) if wanted & mask.keys()]


def count(stored: tuple[np.ndarray, np.ndarray | None]) -> tuple[dict[int, int], Any]:
    labels, palette = stored
    if labels.dtype == np.uint8:
        numbers = np.bincount(labels.reshape(-1), minlength=256)
        values = np.flatnonzero(numbers)
        numbers = numbers[values]
    else:
        values, numbers = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True)), palette


def two_with_noise(seen: Seen, values: list[int]) -> tuple[int, int] | None:
    """The two values that noise lies around, if that is what masks hold."""
    if len(values) < 2 + _NOISE_VALUES or values[0] < 0 or values[-1] > 255:
        return None
    total = seen.total()
    numbers = np.array([total[value] for value in values])
    held = np.array(values)
    middle = (held[0] + held[-1]) / 2
    if not ((held < middle).any() and (held > middle).any()):
        return None
    low = int(held[held < middle][numbers[held < middle].argmax()])
    high = int(held[held > middle][numbers[held > middle].argmax()])
    if high - low < _CONTRAST:
        return None
    off = np.minimum(abs(held - low), abs(held - high)) > _NEAR * (high - low)
    others = numbers[(held != low) & (held != high)]
    if (
        numbers[off].sum() > _FAR_SHARE * numbers.sum()
        or others.max() > _NOISE_PEAK * numbers.sum()
    ):
        return None
    return (0 if low <= 16 else low), (255 if high >= 239 else high)


def shared_colours(stored: Sequence[tuple[dict[int, int], Any]]) -> dict[int, int]:
    """Labels by colour; empty where an index has one colour in all files, or none is a palette."""
    palettes = [(counts, palette) for counts, palette in stored if palette is not None]
    if not palettes:
        return {}
    colour_of: dict[int, int] = {}
    one_to_one = len(palettes) == len(stored)
    for counts, palette in palettes:
        one_to_one &= len(palette) > 0
        for index in counts:
            colour = _packed(palette, index)
            one_to_one &= colour_of.setdefault(index, colour) == colour
    if one_to_one and len(set(colour_of.values())) == len(colour_of):
        return {}
    colours = {_packed(palette, i) for counts, palette in stored for i in counts}
    if len(colours) > MAX_CLASSES:
        raise ValueError(
            f"masks have {len(colours)} colours, more than {MAX_CLASSES} classes: probably they "
            "were saved as JPEG or their edges were smoothed; save them as gray or palette PNG "
            "with one value per class"
        )
    if all(colour % 0x010101 == 0 for colour in colours):
        return {colour: colour & 255 for colour in sorted(colours)}
    return {colour: label for label, colour in enumerate(sorted({0, *colours}))}


def _packed(palette: np.ndarray | None, index: int) -> int:
    if palette is None:
        return index * 0x010101  # a gray value
    if not len(palette):
        return index  # a colour already
    if index >= len(palette):
        return 0
    red, green, blue = (int(part) for part in palette[index])
    return red << 16 | green << 8 | blue


def by_colour(
    labels: np.ndarray, palette: np.ndarray | None, colours: Mapping[int, int]
) -> np.ndarray:
    out = np.empty(labels.shape, dtype=np.int64)
    for value in np.unique(labels).tolist():
        colour = _packed(palette, value)
        if colour not in colours:
            raise ValueError(f"a mask holds the colour #{colour:06x}, which no mask held before")
        out[labels == value] = colours[colour]
    return out


def relabelled(counts: dict[int, int], palette: Any, colours: dict[int, int]) -> dict[int, int]:
    if not colours:
        return counts
    found: dict[int, int] = {}
    for value, number in counts.items():
        label = colours[_packed(palette, value)]
        found[label] = found.get(label, 0) + number
    return found
