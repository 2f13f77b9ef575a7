"""DICOM files: values in the units of the scanner, what to show of them, and who belongs together.

Only the tags named here are read, and none that identifies a person ever leaves this file: groups
are numbered, and what pydicom says of broken tags, which may quote them, is not passed on.
So its warnings of invalid values are switched off for the process when the first file is read.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skxssr._utils.files import is_regular
from skxssr._utils.optional import import_optional
from skxssr._utils.slice_names import split_name
from skxssr.exceptions import ImageReadError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_CALLER = "reading DICOM files"
_OTHER_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2")
_OTHER_FORMATS = (b"\x89PNG", b"\xff\xd8", b"II*\x00", b"MM\x00*", b"RIFF", b"BM", b"GIF8")
_PIXEL_TAGS = (
    "Modality",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "BitsStored",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
)
_PLACE_TAGS = (
    "Rows",
    "NumberOfFrames",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "InstanceNumber",
)
_GROUP_TAGS = {
    "patient": ("PatientID", "StudyInstanceUID"),
    "study": ("StudyInstanceUID",),
    "series": ("SeriesInstanceUID",),
}


def is_picture(file: Path) -> bool:
    """Whether the first bytes are those of a picture, for files whose name does not say it."""
    if not is_regular(file):
        return False
    try:
        with file.open("rb") as stream:
            return stream.read(4).startswith(_OTHER_FORMATS[:4]) or is_dicom(file)
    except OSError:
        return False


def is_dicom(file: Path) -> bool:
    """Whether it is a DICOM file, from its first bytes, whatever its name ends in."""
    if file.name.lower().endswith(_OTHER_SUFFIXES) or not is_regular(file):
        return False
    try:
        with file.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    if start[128:] == b"DICM":
        return True
    named = file.name.lower().endswith(DICOM_SUFFIXES)
    return named and bool(start) and not start.startswith(_OTHER_FORMATS)


def read_dicom(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a `Picture`."""
    pixels = import_optional("pydicom.pixels", extra="medical", caller=_CALLER)
    file, _, frame = split_name(path)
    header = _header(file, _PIXEL_TAGS, path)
    with _guarded(path):
        n_frames = int(header.get("NumberOfFrames") or 1)
    if n_frames > 1 and file == Path(path):
        raise ImageReadError(
            f"cannot read image {os.fspath(path)}: it holds {n_frames} frames; name one of them, "
            f"such as {os.fspath(path)}#frame=0, or let skxssr.io.list_images list all"
        )
    with _guarded(path):
        values = pixels.pixel_array(file, index=frame)
        return _fields(values, header, frame, pixels)


def _fields(values: np.ndarray, header: Any, frame: int, pixels: Any) -> dict[str, Any]:
    modality = str(header.get("Modality") or "")
    photometric = str(header.get("PhotometricInterpretation") or "MONOCHROME2")
    if photometric == "PALETTE COLOR":
        values = pixels.apply_color_lut(values, header)
    if values.ndim == 3:
        if values.dtype.itemsize > 1:
            values = (values >> (8 * values.dtype.itemsize - 8)).astype(np.uint8)
        return {"values": np.array(values, order="C"), "white": 255, "modality": modality}
    inverted = photometric == "MONOCHROME1"
    padding = header.get("PixelPaddingValue")
    if padding is not None and (values != padding).any():
        inside = values[values != padding]
        black = inside.max() if inverted else inside.min()
        values = np.where(values == padding, black, values)
    bits = int(header.get("BitsStored") or 16)
    white = 2.0 ** (bits - (1 if header.get("PixelRepresentation") else 0)) - 1
    slope, intercept = (
        _number(header, frame, "PixelValueTransformationSequence", tag, usual)
        for tag, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if "ModalityLUTSequence" in header:
        values = pixels.apply_modality_lut(values, header).astype(np.float32)
        white = float(values.max())
    elif (slope, intercept) != (1, 0):
        values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        white = white * slope + intercept
    center = _number(header, frame, "FrameVOILUTSequence", "WindowCenter", np.nan)
    width = _number(header, frame, "FrameVOILUTSequence", "WindowWidth", np.nan)
    window = None
    if np.isfinite(center) and width > 1:  # PS3.3 C.11.2.1.2
        window = (center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
    return {
        "values": np.array(values, order="C"),
        "inverted": inverted,
        "white": white,
        "modality": modality or "DICOM",
        "window": window,
    }


def _number(header: Any, frame: int, sequence: str, tag: str, usual: float) -> float:
    """A tag of the file, or of a frame of an enhanced multi-frame file; its first value."""
    places = [header]
    for name, number in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = header.get(name) or []
        if number < len(groups) and groups[number].get(sequence):
            places.append(groups[number].get(sequence)[0])
    for place in places:
        value = place.get(tag)
        if value not in (None, ""):
            return float(value[0] if isinstance(value, Sequence) else value)
    return usual


def frames_in_order(files: Iterable[Path]) -> list[tuple[Path, int]]:
    """Files of pictures with their numbers of frames, slices of a series along its axis.

    A series takes the place of the first of its files; files without pixels are left out, those
    that cannot be read stay, so that reading them says why.
    """
    series: dict[tuple[Path, str], list[tuple[tuple[float, float, str], Path, int]]] = {}
    for file in files:
        try:
            header = _header(file, _PLACE_TAGS, file)
            with _guarded(file):
                if "Rows" not in header:
                    continue
                n_frames = int(header.get("NumberOfFrames") or 1)
                name = str(header.get("SeriesInstanceUID") or file)
                place = _place(header, file)
        except ImageReadError:
            series[file, ""] = [((0.0, 0.0, ""), file, 1)]
            continue
        series.setdefault((file.parent, name), []).append((place, file, n_frames))
    return [(file, n) for members in series.values() for _, file, n in sorted(members)]


def _place(header: Any, file: Path) -> tuple[float, float, str]:
    """What slices of a series are sorted by."""
    position, axes = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    along = 0.0
    if position and axes and len(axes) == 6:
        normal = np.cross(np.array(axes[:3], float), np.array(axes[3:], float))
        along = round(float(normal @ np.array(position, float)), 3)
    return along, float(header.get("InstanceNumber") or 0), os.fspath(file)


class PatientPlace(NamedTuple):
    """Where a slice lies: mm to the left, back and head of the patient (LPS)."""

    position: np.ndarray  # (3,): the middle of its first pixel
    axes: np.ndarray  # (2, 3): along a row, down a column
    rows: int
    columns: int


def place_in_patient(path: str | os.PathLike) -> PatientPlace | None:
    """From the tags; None where the file does not say it."""
    header = _header(split_name(path).file, (*_PLACE_TAGS, "Columns"), path)
    with _guarded(path):
        position, axes = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
        if not position or not axes or len(axes) != 6:
            return None
        return PatientPlace(
            np.array(position, float),
            np.array(axes, float).reshape(2, 3),
            int(header.Rows),
            int(header.Columns),
        )


def dicom_group(path: str | os.PathLike, by: str) -> str:
    """What tells the patient, study or series from others; to be numbered, never to be shown."""
    header = _header(split_name(path).file, _GROUP_TAGS[by], path)
    with _guarded(path):
        for tag in _GROUP_TAGS[by]:
            if header.get(tag):
                return f"{tag} {header.get(tag)}"
    raise ImageReadError(f"{os.fspath(path)} does not say which {by} it is of: its tags are empty")


def dicom_spacing(path: str | os.PathLike) -> tuple[float, float] | None:
    """Distance between rows and between columns in mm, if the file says it."""
    name = split_name(path)
    tags = ("PixelSpacing", "ImagerPixelSpacing", "SharedFunctionalGroupsSequence")
    header = _header(name.file, tags, path)
    with _guarded(path):
        value = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
        shared = header.get("SharedFunctionalGroupsSequence")
        if not value and shared and shared[0].get("PixelMeasuresSequence"):
            value = shared[0].PixelMeasuresSequence[0].get("PixelSpacing")
        return (float(value[0]), float(value[1])) if value else None


def _header(file: Path, tags: Sequence[str], path: str | os.PathLike) -> Any:
    pydicom = import_optional("pydicom", extra="medical", caller=_CALLER)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with _guarded(path):
        return pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(tags))


@contextlib.contextmanager
def _guarded(path: str | os.PathLike) -> Iterator[None]:
    """Errors of pydicom without their words; broken bytes give every kind of exception."""
    try:
        yield
    except Exception as error:
        raise ImageReadError(f"cannot read image {os.fspath(path)}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Nothing that pydicom quotes: it may be the name of a patient."""
    if isinstance(error, (RuntimeError, NotImplementedError)):
        return (
            "its pixels are compressed in a way that no installed decoder reads, or damaged; "
            "install python-gdcm (pip install 'skxssr[medical]'), or decompress it with gdcmconv "
            "--raw"
        )
    return f"it is no DICOM picture that pydicom can read ({type(error).__name__})"
