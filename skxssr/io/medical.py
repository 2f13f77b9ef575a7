"""Files that hold a scan: which they are, their pictures one by one, and what belongs together."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import is_regular
from skxssr._utils.names import few
from skxssr._utils.slice_names import slice_path, split_name
from skxssr.exceptions import ImageReadError
from skxssr.io import dicom, volumes
from skxssr.io.large import open_any

__all__ = ["groups_from_headers", "list_slices", "pixel_spacing"]

_GROUPINGS = ("patient", "study", "series")


def is_medical(path: str | os.PathLike) -> bool:
    """Whether the picture is read by pydicom or nibabel, not by Pillow."""
    file, axis, _ = split_name(path)
    if axis == "page":
        return False
    return volumes.is_volume(file) or dicom.is_dicom(file)


def read_medical(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a `Picture`."""
    if volumes.is_volume(split_name(path).file):
        return volumes.read_slice(path)
    return dicom.read_dicom(path)


def read_medical_mask(path: str | os.PathLike) -> np.ndarray:
    """Labels as stored."""
    if volumes.is_volume(split_name(path).file):
        return volumes.read_mask_slice(path)
    return dicom.read_dicom(path)["values"]


def list_slices(
    paths: Iterable[str | os.PathLike], *, axis: str = "axial", keep_empty: bool = False
) -> list[Path]:
    """List the pictures of files: slices of volumes, frames of DICOM files, pages of TIFF files.

    Parameters
    ----------
    paths : iterable of str or path-like
        Files; those of one picture stay as they are.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    keep_empty : bool, default=False
        Whether slices that show nothing stay: those where not even the brightest hundredth of the
        pixels reaches a tenth of the range from the 0.5th to the 99.5th percentile of the volume.
        Masks need all.

    Returns
    -------
    list of Path
        Such as ``volume.nii.gz#axial=12``, ``run.dcm#frame=3`` and ``stack.tif#page=0``. DICOM
        slices of a series follow each other along its axis; DICOM files without pixels are left
        out. A file that cannot be read stays, so that reading it says why.

    Raises
    ------
    ValueError
        `axis` is none of the three.

    See Also
    --------
    list_images : The files of a folder.

    Examples
    --------
    >>> from skxssr.io import list_slices
    >>> list_slices(["film.png"])
    [...Path('film.png')]
    """
    if axis not in volumes.AXES:
        raise ValueError(f"axis must be axial, coronal or sagittal. Got {axis!r} instead.")
    files = [Path(path) for path in paths]
    scans = dicom.frames_in_order([file for file in files if _is_file_of_dicom(file)])
    n_frames = dict(scans)
    ordered = iter([file for file, _ in scans])
    found: list[Path] = []
    for file in files:
        if file in n_frames:
            scan = next(ordered)  # the slices of a series in its own order
            n = n_frames[scan]
            found += [scan] if n == 1 else [slice_path(scan, "frame", i) for i in range(n)]
        elif _is_file_of_dicom(file):
            continue  # no pixels
        elif volumes.is_volume(file):
            found += _slices(file, axis, keep_empty)
        elif file.name.lower().endswith((".tif", ".tiff")):
            found += _pages(file)
        else:
            found.append(file)
    return found


def groups_from_headers(paths: Sequence[str | os.PathLike], by: str = "patient") -> list[str]:
    """Number the patients, studies or series that pictures are of.

    Parameters
    ----------
    paths : sequence of str or path-like
        DICOM pictures, slices of volumes or pages of TIFF files. A volume or a stack of pages is a
        patient, a study and a series of its own, since it says nothing else.
    by : {"patient", "study", "series"}, default="patient"
        What belongs together.

    Returns
    -------
    list of str
        Such as "patient 1", numbered in the order given: no tag is in it.

    Raises
    ------
    ValueError
        `by` is none of the three, or a picture is neither DICOM nor a slice of a file.
    ImageReadError
        A file cannot be read, or its tags are empty.

    See Also
    --------
    list_slices : The pictures of files.

    Examples
    --------
    >>> from skxssr.io import groups_from_headers
    >>> groups_from_headers(["a.nii.gz#axial=3", "a.nii.gz#axial=4", "b.nii.gz#axial=3"])
    ['patient 1', 'patient 1', 'patient 2']
    """
    if by not in _GROUPINGS:
        raise ValueError(f"by must be one of {', '.join(_GROUPINGS)}. Got {by!r} instead.")
    known: dict[Path, str] = {}
    others = []
    for path in paths:
        file = split_name(path).file
        if file in known:
            continue
        if volumes.is_volume(file) or split_name(path).axis == "page":
            known[file] = f"file {file}"
        elif dicom.is_dicom(file):
            known[file] = dicom.dicom_group(path, by)
        else:
            others.append(file)
    if others:
        raise ValueError(
            f"{len(others)} of {len(paths)} pictures are neither DICOM nor slices of a file, and "
            f"say nothing of patients ({few(others)}): group by file names, or by a table"
        )
    numbers = {name: i for i, name in enumerate(dict.fromkeys(known.values()), start=1)}
    return [f"{by} {numbers[known[split_name(path).file]]}" for path in paths]


def pixel_spacing(path: str | os.PathLike) -> tuple[float, float] | None:
    """Distance between rows and between columns, in mm.

    Parameters
    ----------
    path : str or path-like
        One picture.

    Returns
    -------
    tuple of float or None
        None where the file does not say it.

    Raises
    ------
    ImageReadError
        The file cannot be read.

    See Also
    --------
    skxssr.metrics.surface_dice : Takes it.

    Examples
    --------
    >>> from skxssr.io import pixel_spacing
    >>> pixel_spacing("film.png") is None
    True
    """
    file = split_name(path).file
    if volumes.is_volume(file):
        return volumes.volume_spacing(path)
    return dicom.dicom_spacing(path) if dicom.is_dicom(file) else None


def check_geometry(image: str | os.PathLike, mask: str | os.PathLike) -> None:
    """Refuse volumes of different voxels or place, and files of different pixel spacing."""
    ours, theirs = split_name(image), split_name(mask)
    if volumes.is_volume(ours.file) and volumes.is_volume(theirs.file):
        volumes.check_same_space(ours.file, theirs.file)
        if ours.axis != theirs.axis or ours.number != theirs.number:
            raise ValueError(f"{mask} is not the slice of {image}")
        return
    size, other = pixel_spacing(image), pixel_spacing(mask)
    if size is not None and other is not None and not np.allclose(size, other, rtol=1e-3):
        raise ValueError(
            f"{mask} has pixels of {other} mm but {image} of {size} mm: resample the mask "
            "to its image, with nearest neighbours"
        )


def _is_file_of_dicom(file: Path) -> bool:
    return split_name(file).axis is None and dicom.is_dicom(file)


def _slices(file: Path, axis: str, keep_empty: bool) -> list[Path]:
    try:
        numbers = volumes.filled_slices(file, axis, keep_empty=keep_empty)
    except ImageReadError:
        return [file]
    return [slice_path(file, axis, number) for number in numbers]


def _pages(file: Path) -> list[Path]:
    """The pages of a TIFF, if all have one size; previews and pyramids have several."""
    if not is_regular(file):
        return [file]
    try:
        with open_any(file) as image:
            n_pages, sizes = getattr(image, "n_frames", 1), set()
            for page in range(n_pages if n_pages > 1 else 0):
                image.seek(page)
                sizes.add(image.size)
    except Exception:  # whatever it is, reading the file says it
        return [file]
    return [slice_path(file, "page", i) for i in range(n_pages)] if len(sizes) == 1 else [file]
