"""Gray values of one picture: what it holds, and what is black and white by itself."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skxssr.io.decode import Picture

__all__: list[str] = []

CT_WINDOW = (-1000.0, 1000.0)  # Hounsfield units, from air to bone
PERCENTILES = (0.5, 99.5)
ROUNDING = 1e-3  # by so much resizing and 16-bit floats exceed 0 and 1
_SAMPLE = 200_000  # pixels of floats
_BLOCK = 2**22  # pixels counted at a time


def scaled(values: np.ndarray, low: float, high: float, inverted: bool = False) -> np.ndarray:
    """From black to white as 0 to 1; NaN is black."""
    width = high - low if high > low else 1.0
    if low == 0:
        out = np.divide(values, np.float32(width), dtype=np.float32, order="C")
    else:
        out = (np.asarray(values, dtype=np.float32) - np.float32(low)) / np.float32(width)
    if values.dtype.kind == "f":
        np.nan_to_num(out, copy=False, nan=float(inverted), posinf=1.0, neginf=0.0)
    np.clip(out, 0, 1, out=out)
    return np.subtract(1, out, dtype=np.float32) if inverted else out


def kind_of(picture: Picture) -> str:
    """Pictures of one kind have one range."""
    if picture.values.dtype == np.uint8:
        return "8-bit"
    if picture.modality:
        return picture.modality
    return "float" if picture.values.dtype.kind == "f" else "16-bit"


def own_range(picture: Picture) -> tuple[float, float]:
    """Black and white of a picture without a rule of its site."""
    if picture.values.dtype == np.uint8:
        return 0, 255
    if picture.modality == "CT":
        return CT_WINDOW
    if picture.window is not None:
        return picture.window
    if picture.modality in ("CR", "DX", "MG", "RF", "XA", "IO", "PX") and picture.white:
        return 0, picture.white
    if picture.modality:
        low, high = np.nanpercentile(picture.values, PERCENTILES).tolist()
        return low, high
    return 0, 65535 if picture.values.dtype == np.uint16 else 1


@dataclass(frozen=True)
class Levels:
    """Of one picture, as stored.

    Attributes
    ----------
    kind : str
        See `kind_of`.
    low, high : float
        Lowest and highest value.
    usual : tuple of float
        The 0.5th and the 99.5th percentile.
    own : tuple of float
        Black and white by itself, see `own_range`.
    inverted : bool
        Whether 0 is white.
    at_high : float
        Share of pixels at the highest value; 0 for floats.
    content : int
        The same for pictures of the same values.
    finite : bool
        Whether all values are.
    """

    kind: str
    low: float
    high: float
    usual: tuple[float, float]
    own: tuple[float, float]
    inverted: bool
    at_high: float
    content: int
    finite: bool


def levels_of(
    picture: Picture, content: int | None = None, counts: np.ndarray | None = None
) -> Levels:
    """Look at the values of a picture; `counts` are those of `count_values`, if they are known."""
    values = picture.values
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        known, whole = values[finite], bool(finite.all())
        if not known.size:
            known = np.zeros(1, dtype=values.dtype)
        sample = known[:: 1 + known.size // _SAMPLE]
        ends = float(known.min()), float(known.max())
        usual = np.percentile(sample, PERCENTILES).tolist()
        at_high = 0.0
    else:
        counts = count_values(values) if counts is None else counts
        held = np.flatnonzero(counts)
        whole, ends = True, (float(held[0]), float(held[-1]))
        usual = quantiles(counts, PERCENTILES)
        at_high = float(counts[held[-1]] / values.size)
    if content is None:
        same = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
        same.update(np.ascontiguousarray(values).view(np.uint8).data)
        content = int.from_bytes(same.digest()[:8])
    return Levels(
        kind_of(picture),
        *ends,
        (usual[0], usual[1]),
        own_range(picture),
        picture.inverted,
        at_high,
        content,
        whole,
    )


def count_values(values: np.ndarray) -> np.ndarray:
    """How many pixels have each value, of whole numbers from 0."""
    flat = values.reshape(-1)
    if flat.size <= _BLOCK:
        return np.bincount(flat)
    most = int(flat.max()) + 1  # a block at a time, since numpy makes 8 bytes of each
    counts = np.zeros(most, dtype=np.intp)
    for start in range(0, flat.size, _BLOCK):
        counts += np.bincount(flat[start : start + _BLOCK], minlength=most)
    return counts


def quantiles(counts: np.ndarray, percents: Sequence[float]) -> list[float]:
    """Percentiles of values of which only the counts are known, as `numpy.percentile` has them."""
    below = np.cumsum(counts)
    places = np.asarray(percents) / 100 * (below[-1] - 1)
    low = np.searchsorted(below, np.floor(places), side="right")
    high = np.searchsorted(below, np.ceil(places), side="right")
    return (low + (places - np.floor(places)) * (high - low)).tolist()
