"""Volumes of NIfTI, NRRD and MetaImage files, opened alike: as images of nibabel."""

from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.detached import is_detached, voxels_of
from skxssr._utils.files import is_regular
from skxssr._utils.optional import import_optional
from skxssr.exceptions import ImageReadError
from skxssr.io import metaimage

NIFTI = (".nii", ".nii.gz")
NRRD = (".nrrd", ".nhdr")
METAIMAGE = (".mha", ".mhd")
VOLUME_SUFFIXES = (*NIFTI, *NRRD, *METAIMAGE)
_CALLER = "reading volumes"
_TO_RAS = {"L": (-1, 0), "R": (1, 0), "P": (-1, 1), "A": (1, 1), "I": (-1, 2), "S": (1, 2)}


def is_volume(file: Path) -> bool:
    """By the name."""
    return file.name.lower().endswith(VOLUME_SUFFIXES)


def open_volume(file: Path, *, voxels: bool) -> Any:
    """The volume, axes from left to right, back to front, foot to head.

    Without `voxels` shape and affine are true, and where the format allows nothing else is read.
    """
    nibabel = import_optional("nibabel", extra="medical", caller=_CALLER)
    name = file.name.lower()
    nrrd = None
    if name.endswith(NRRD):
        nrrd = import_optional("nrrd", extra="medical", caller="reading NRRD volumes")
    if not is_regular(file):
        reason = "it is no regular file" if file.exists() else "no such file"
        raise ImageReadError(f"cannot read image {file}: {reason}")
    try:
        if nrrd is not None:
            volume = _image(nibabel, *_nrrd(nrrd, file, voxels))
        elif name.endswith(METAIMAGE):
            volume = _image(nibabel, *_metaimage(file, voxels))
        else:
            volume = nibabel.load(file)
        volume = nibabel.squeeze_image(volume)
        if len(volume.shape) == 2:
            values = np.asanyarray(volume.dataobj)[:, :, None]
            volume = nibabel.Nifti1Image(values, volume.affine)
        shape = volume.shape
        if len(shape) == 3 and 0 not in shape:
            return nibabel.as_closest_canonical(volume)
    except Exception as error:  # libraries meet broken bytes with several kinds of exception
        raise ImageReadError(f"cannot read image {file}: {type(error).__name__}: {error}") from None
    what = " (time or channels)" if len(shape) > 3 else ""
    raise ImageReadError(
        f"cannot read image {file}: it has shape {shape}{what}, and a volume has three dimensions, "
        "none of them empty; save each time or channel as a file of its own, as "
        "nibabel.four_to_three does"
    )


def _image(nibabel: Any, values: np.ndarray, affine: np.ndarray) -> Any:
    """NIfTI has 64-bit integers, but nibabel wants to be asked twice."""
    return nibabel.Nifti1Image(values, affine, dtype=values.dtype)


def _nrrd(nrrd: Any, file: Path, voxels: bool) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine; https://teem.sourceforge.net/nrrd/format.html."""
    header = nrrd.read_header(str(file))
    shape = tuple(int(size) for size in header["sizes"])
    affine = np.eye(4)
    directions = header.get("space directions")
    spacings = header.get("spacings")
    if directions is not None:
        rows = [np.asarray(row, dtype=np.float64) for row in directions if _is_spatial(row)]
        if len(rows) < len(shape) and min(shape) > 1:  # a list of values, not of places
            return np.broadcast_to(np.uint8(0), shape), affine
        for axis, row in enumerate(rows[:3]):
            affine[: len(row), axis] = row
    elif spacings is not None:
        known = [size if np.isfinite(size) else 1.0 for size in spacings][:3]
        affine[range(len(known)), range(len(known))] = known
    origin = header.get("space origin")
    if origin is not None:
        affine[: len(origin), 3] = origin
    affine = _to_ras(str(header.get("space", ""))) @ affine
    if not voxels:
        return np.broadcast_to(np.uint8(0), shape), affine
    if is_detached(file):
        lies = voxels_of(file)
        if lies is None or not is_regular(lies):
            raise ValueError("its voxels lie in several files, or in one that is not there")
    return nrrd.read(str(file))[0], affine


def _is_spatial(row: Any) -> bool:
    return row is not None and bool(np.isfinite(np.asarray(row, dtype=np.float64)).all())


def _to_ras(space: str) -> np.ndarray:
    """From a space such as left-posterior-superior (LPS) to RAS; others are taken as that."""
    letters = [part[:1].upper() for part in space.split("-")]
    if len(letters) == 1 and len(space) >= 3:
        letters = list(space[:3].upper())
    letters += ["S"] if len(letters) == 2 else []
    places = [_TO_RAS.get(letter, (0, -1)) for letter in letters[:3]]
    if sorted(row for _, row in places) != [0, 1, 2]:
        return np.eye(4)
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for column, (sign, row) in enumerate(places):
        turn[row, column] = sign
    return turn


def _metaimage(file: Path, voxels: bool) -> tuple[np.ndarray, np.ndarray]:
    header = metaimage.read_header(file)
    shape, affine = metaimage.geometry_of(header)
    if not voxels:
        return np.broadcast_to(np.uint8(0), shape), affine
    return metaimage.read_voxels(file, header), affine
