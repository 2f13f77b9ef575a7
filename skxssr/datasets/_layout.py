"""What the readers of published benchmarks share.

`skxssr.io.Images` and `Masks` take anything that `numpy.asarray` understands and call it when an
item is read. The small objects here use that: they hold a path and what to do with its pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr.exceptions import ImageReadError
from skxssr.io import read_image, read_mask

__all__ = [
    "WHICH",
    "Channel",
    "LazyArray",
    "Recoded",
    "check_files",
    "check_slices",
    "not_found",
]

# what a reader of volumes says of the slices it was asked for
WHICH = {
    "all": "All slices of each volume are kept, also those without prostate.",
    "foreground": (
        "Slices were kept by their masks: only those that show prostate. That uses the labels of "
        "all\nslices, which a selection for annotation does not have, and results are conditional "
        "on it."
    ),
}


class LazyArray(ABC):
    """An array that is read from disk each time NumPy asks for it."""

    @abstractmethod
    def read(self) -> np.ndarray:
        """The pixels."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.read()
        return np.array(values, dtype=dtype) if copy else np.asarray(values, dtype=dtype)


@dataclass(frozen=True)
class Channel(LazyArray):
    """One channel of a colour file, as a gray image."""

    path: Path
    channel: int

    def read(self) -> np.ndarray:
        values = read_image(self.path)
        if values.ndim != 3:
            raise ImageReadError(
                f"cannot read image {self.path}: channel {self.channel} was to be read, but the "
                "file is gray; is it one of the published files?"
            )
        return np.ascontiguousarray(values[..., self.channel])


@dataclass(frozen=True)
class Recoded(LazyArray):
    """A mask file whose stored values become other labels; any other value is an error."""

    path: Path
    codes: tuple[tuple[int, int], ...]  # (stored, label)

    def read(self) -> np.ndarray:
        stored = read_mask(self.path)
        self.check(stored)
        labels = np.zeros(stored.shape, dtype=np.uint8)
        for value, label in self.codes:
            labels[stored == value] = label
        return labels

    def check(self, stored: np.ndarray) -> None:
        """Refuse values that mean nothing here."""
        known = [value for value, _ in self.codes]
        odd = np.setdiff1d(stored, known)
        if len(odd):
            raise ImageReadError(
                f"cannot read mask {self.path}: its values must be among {known}. Got also "
                f"{odd[:5].tolist()}; the published files have none of these (was it resized with "
                "interpolation, or saved as JPEG?)"
            )


def not_found(what: str, root: Path, layouts: str) -> FileNotFoundError:
    """The error for a folder that does not hold `what`; `layouts` may mention `{root}`."""
    where = f"no {what} in {root}" if root.is_dir() else f"no folder {root}"
    return FileNotFoundError(f"{where}: {layouts.format(root=root)}")


def check_slices(slices: str) -> None:
    """Refuse what is not in `WHICH`."""
    if slices not in WHICH:
        raise ValueError(f"slices must be 'all' or 'foreground'. Got {slices!r} instead.")


def check_files(paths: Iterable[Path], listed_in: str, remedy: str) -> None:
    """Raise unless every listed file is there."""
    files = list(paths)
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(files)} files listed in {listed_in} are missing, such as "
            f"{missing[0]}: {remedy}"
        )
