"""Volumes as slices along an axis of the patient."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skxssr._utils.detached import is_detached, voxels_of
from skxssr._utils.files import is_regular
from skxssr._utils.slice_names import split_name
from skxssr.exceptions import ImageReadError
from skxssr.io.volume_files import VOLUME_SUFFIXES, is_volume, open_volume

__all__ = ["VOLUME_SUFFIXES", "is_volume"]

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
PERCENTILES = (0.5, 99.5)
_EMPTY = 0.1  # of what is shown of the volume: where less stands out, a slice is empty
_AIR = (-3100, -500)  # the lowest value of CT in Hounsfield units


class Volume(NamedTuple):
    """Values with axes from left to right, back to front, foot to head; NaN is the lowest value."""

    values: np.ndarray
    window: tuple[float, float]
    hounsfield: bool


def read_slice(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a `Picture`, right side of the patient to the left, front or head on top."""
    volume, values = _slice(path)
    return {
        "values": values.astype(np.float32),
        "modality": "CT" if volume.hounsfield else "volume",
        "window": volume.window,
    }


def read_mask_slice(path: str | os.PathLike) -> np.ndarray:
    """Labels, in the same orientation."""
    return _slice(path)[1]


def filled_slices(file: Path, axis: str, *, keep_empty: bool) -> list[int]:
    """Numbers of the slices, from the first to the last; empty ones only if asked for.

    A slice is empty where not even its brightest hundredth reaches a tenth of the range from the
    0.5th to the 99.5th percentile of the volume.
    """
    number = AXES[axis]
    if keep_empty:
        return list(range(open_volume(file, voxels=False).shape[number]))
    volume = _load(os.fspath(file), *_stamp(file))
    low, high = volume.window
    bright = np.percentile(
        np.moveaxis(volume.values, number, 0).reshape(volume.values.shape[number], -1), 99, axis=1
    )
    kept = np.flatnonzero(bright > low + _EMPTY * (high - low)).tolist()
    return kept or list(range(volume.values.shape[number]))


def volume_spacing(path: str | os.PathLike) -> tuple[float, float]:
    """Distance between rows and between columns of a slice in mm."""
    file, axis, _ = split_name(path)
    sizes = np.sqrt((open_volume(file, voxels=False).affine[:3, :3] ** 2).sum(axis=0)).tolist()
    columns, rows = (size for i, size in enumerate(sizes) if i != AXES[axis or "axial"])
    return rows, columns


def check_same_space(image: Path, mask: Path) -> None:
    """Refuse a mask that lies elsewhere than its image, or has other voxels."""
    ours, theirs = (open_volume(side, voxels=False) for side in (image, mask))
    if ours.shape != theirs.shape:
        raise ValueError(
            f"{mask} has shape {theirs.shape} but {image} has {ours.shape}: a mask must have the "
            "voxels of its image; resample it with nearest neighbours"
        )
    if not np.allclose(ours.affine, theirs.affine, atol=1e-2):
        moved = float(np.abs(ours.affine - theirs.affine).max())
        raise ValueError(
            f"{mask} and {image} lie in different places: their affines (origin, orientation, "
            f"spacing) differ by up to {moved:.3g}. Resample the mask to its image, with nearest "
            "neighbours, or copy the header if that is all that is wrong"
        )


def _slice(path: str | os.PathLike) -> tuple[Volume, np.ndarray]:
    file, axis, index = split_name(path)
    volume = _load(os.fspath(file), *_stamp(file))
    if axis is None:
        if volume.values.shape[2] > 1:
            raise ImageReadError(
                f"cannot read image {os.fspath(path)}: it is a volume of "
                f"{volume.values.shape[2]} slices; name one of them, such as "
                f"{os.fspath(path)}#axial=0, or let skxssr.io.list_images list all"
            )
        axis = "axial"
    number = AXES.get(axis)
    if number is None or index >= volume.values.shape[number]:
        raise ImageReadError(
            f"cannot read image {os.fspath(path)}: the volume has shape {volume.values.shape}, so "
            "there is no such slice"
        )
    plane = np.take(volume.values, index, axis=number)
    return volume, np.ascontiguousarray(plane[::-1, ::-1].T)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
        size, changed = status.st_size, status.st_mtime_ns
        voxels = voxels_of(file) if is_detached(file) and is_regular(file) else None
        if voxels is not None:
            status = voxels.stat()
            size, changed = size + status.st_size, max(changed, status.st_mtime_ns)
    except OSError:
        raise ImageReadError(
            f"cannot read image {file}: there is no such file, or none of its voxels"
        ) from None
    return size, changed


@lru_cache(maxsize=2)
def _load(file: str, size: int, changed: int) -> Volume:
    volume = open_volume(Path(file), voxels=True)
    try:
        values = np.asanyarray(volume.dataobj)
    except Exception as error:
        raise ImageReadError(f"cannot read image {file}: {type(error).__name__}: {error}") from None
    if values.dtype.kind not in "biuf":
        raise ImageReadError(f"cannot read image {file}: its voxels are {values.dtype}")
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.any():
            raise ImageReadError(f"cannot read image {file}: no voxel has a finite value")
        lowest = values[finite].min()
        values = np.where(finite, values, lowest).astype(np.float32)
    low, high = np.percentile(values[:: 1 + values.size // 2**24], PERCENTILES).tolist()
    hounsfield = _AIR[0] <= float(values.min()) <= _AIR[1] and high < 4100
    values.flags.writeable = False
    return Volume(values, (low, high if high > low else float(values.max())), hounsfield)
