"""Decode one image or mask file to a raw array."""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr._utils.slice_names import split_name
from skxssr.exceptions import ImageReadError
from skxssr.io.large import average, check_tiff, open_any, reduce_mask, reduced
from skxssr.io.medical import is_medical, read_medical, read_medical_mask

__all__ = ["Picture", "read_image", "read_mask", "read_picture", "read_stored_mask"]

_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262  # the tag of a TIFF
_one_large = threading.Lock()  # so that memory is bounded, however many threads read


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture, and what its file says of its values.

    Attributes
    ----------
    values : ndarray of shape (H, W) or (H, W, 3)
        As stored, or in the units of the scanner for DICOM and NIfTI.
    inverted : bool
        Whether 0 is white, and the values have not been turned yet.
    white : float or None
        The highest value that the format allows.
    modality : str
        Of DICOM, such as "CT"; "volume" for NIfTI, "" for others.
    window : tuple of float or None
        Lowest and highest value to show, from the file or from the whole volume.
    """

    values: np.ndarray
    inverted: bool = False
    white: float | None = None
    modality: str = ""
    window: tuple[float, float] | None = None


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Decode one image file, values as stored.

    Palette images become RGB, an alpha channel is dropped, other colour spaces (CMYK, YCbCr) are
    converted to RGB, 1-bit images become 0 and 255, 16-bit gray is kept, and the orientation in the
    EXIF data is applied. Colour of more than 8 bits per channel is reduced to 8 by Pillow. Where 0
    is white, values are turned round. DICOM and NIfTI come in the units of the scanner.

    Parameters
    ----------
    path : str or path-like
        An image file in any format that Pillow reads, a DICOM file, or one slice of several in a
        file, such as ``"volume.nii.gz#axial=12"``, ``"run.dcm#frame=3"`` or ``"stack.tif#page=0"``.

    Returns
    -------
    ndarray of shape (H, W) or (H, W, 3), dtype uint8, uint16 or float32
        The pixels, writable and C-contiguous.

    Raises
    ------
    ImageReadError
        The file is missing, truncated, not an image, holds several images (a multi-page TIFF, an
        animation: which one to read is for the user to say) or 32-bit integers.
    MissingExtraError
        Pillow is not installed, or for DICOM and NIfTI, pydicom and nibabel (extra "medical").

    See Also
    --------
    read_mask : The same for label images; keeps palette indices.
    Images : Many images, as floats in [0, 1].

    Notes
    -----
    A picture of more than 32 million pixels is read at a half, a quarter, ... of its size; the
    environment variable SKXSSR_MAX_PIXELS sets another limit.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> from skxssr.io import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "film.png")
    ...     Image.new("L", (3, 2), 7).save(path)
    ...     read_image(path)
    array([[7, 7, 7],
           [7, 7, 7]], dtype=uint8)
    """
    return upright(read_picture(path))


def upright(picture: Picture) -> np.ndarray:
    """Values as stored, turned round where 0 is white."""
    if not picture.inverted:
        return picture.values
    white = picture.white if picture.white is not None else picture.values.max()
    return np.subtract(white, picture.values).astype(picture.values.dtype)


def read_picture(path: str | os.PathLike) -> Picture:
    """Decode one image file, with what it says of its values."""
    if is_medical(path):
        return Picture(**read_medical(path))
    image = _open(path, what="image")
    gray_from_zero = _white_is_zero(image)
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        values = np.array(image, dtype=np.uint16, order="C")
        return Picture(values, inverted=gray_from_zero, white=65535)
    if image.mode == "I":
        values = np.array(image)
        # Pillow before 11.3 opens a 16-bit gray PNG as 32-bit integers
        if image.format == "PNG" and values.min() >= 0 and values.max() <= 65535:
            return Picture(values.astype(np.uint16), white=65535)
        raise ImageReadError(
            f"cannot read image {os.fspath(path)}: it holds 32-bit integers, which have no agreed "
            "white; save it as 8-bit or 16-bit gray, or as floats in [0, 1]"
        )
    if image.mode == "F":
        values = np.array(image, dtype=np.float32, order="C")
        return Picture(values, inverted=gray_from_zero, white=1.0 if gray_from_zero else None)
    gray = image.mode in ("1", "L", "LA", "La")
    return Picture(np.array(image.convert("L" if gray else "RGB"), order="C"), white=255)


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """Decode one label image, values as stored.

    Nothing is rescaled: a palette image gives its indices, a 1-bit image 0 and 1, a mask of 0 and
    255 stays 0 and 255. A mask that is drawn in the alpha channel, under one colour, is read from
    there. The orientation in the EXIF data is applied, as for images.

    Parameters
    ----------
    path : str or path-like
        A label image, preferably PNG; JPEG changes values at the edges of regions. Or one slice of
        a NIfTI volume, such as ``"labels.nii.gz#axial=12"``.

    Returns
    -------
    ndarray of shape (H, W), dtype uint8, uint16 or int32
        One label per pixel, writable and C-contiguous.

    Raises
    ------
    ImageReadError
        As in `read_image`; also a colour mask whose channels differ, and pixels that are floats but
        not whole numbers.

    See Also
    --------
    read_image : The same for images.
    Masks : Many masks.
    find_mask_rule : What the values stand for.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> from skxssr.io import read_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lungs.png")
    ...     Image.new("1", (3, 2), 1).save(path)
    ...     read_mask(path)
    array([[1, 1, 1],
           [1, 1, 1]], dtype=uint8)
    """
    return read_stored_mask(path)[0]


def read_stored_mask(
    path: str | os.PathLike, *, colours: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels as stored, and the palette (n, 3) if they are its indices.

    With `colours` a colour mask gives red * 65536 + green * 256 + blue, and an empty palette.
    """
    if is_medical(path):
        return whole_numbers(read_medical_mask(path), f"cannot read mask {os.fspath(path)}"), None
    image = _open(path, what="mask")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        drawn = _drawn_in_alpha(image)
        if drawn is not None:
            return drawn, None
    palette = None
    if image.mode in ("P", "PA"):
        palette = np.array(image.convert("P").getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    if image.mode in ("LA", "La"):
        image = image.convert("L")
    elif image.mode == "PA":
        return np.ascontiguousarray(np.array(image)[..., 0]), palette
    elif image.mode not in ("1", "L", "P", "F") and not image.mode.startswith("I"):
        rgb = np.array(image.convert("RGB"))
        if (rgb != rgb[..., :1]).any():
            if colours:
                return rgb.astype(np.int64) @ [65536, 256, 1], np.empty((0, 3), np.uint8)
            n_colours = len(np.unique(rgb.reshape(-1, 3), axis=0))
            raise ImageReadError(
                f"cannot read mask {os.fspath(path)}: it is a colour image ({image.mode}, "
                f"{n_colours} colours) whose channels differ, so a pixel has no single label; save "
                "it as gray or palette PNG with one value per class"
            )
        return np.ascontiguousarray(rgb[..., 0]), None
    values = np.array(image, order="C")
    return whole_numbers(values, f"cannot read mask {os.fspath(path)}"), palette


def whole_numbers(values: np.ndarray, problem: str) -> np.ndarray:
    """Labels of a native integer type."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise ImageReadError(
                f"{problem}: its pixels are floats that are not all whole "
                "numbers; threshold it and save integers"
            )
        return values.astype(np.int32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _drawn_in_alpha(image: Any) -> np.ndarray | None:
    """The alpha channel, if all that is drawn is in it: colour is one, transparency is not."""
    channels = np.array(image)
    colour, alpha = channels[..., :-1], channels[..., -1]
    if (colour == colour[0, 0]).all() and (alpha != 255).any():
        return np.ascontiguousarray(alpha)
    return None


def _white_is_zero(image: Any) -> bool:
    """Whether values have to be turned: Pillow does that for up to 8 bits, and for no more."""
    tags = getattr(image, "tag_v2", None) or {}
    return image.mode[0] in "IF" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _open(path: str | os.PathLike, *, what: str) -> Any:
    """The one image in the file, decoded and turned upright, as a `PIL.Image.Image`."""
    ops = import_optional("PIL.ImageOps", extra="torch", caller="reading image files")
    import_optional("PIL.Image", extra="torch", caller="reading image files")
    name = os.fspath(path)
    file, axis, page = split_name(path)
    if not file.is_file():
        reason = "it is a pipe, socket or device" if file.exists() else "no such file"
        reason = "it is a folder" if Path(path).is_dir() else reason
        raise ImageReadError(f"cannot read {what} {name}: {reason}")
    try:
        with open_any(file) as image:
            # an MPO is a JPEG whose further pictures are previews of the first
            n_pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if n_pages == 1 or axis == "page":
                if axis == "page":
                    image.seek(page)
                file_format, tags = image.format, getattr(image, "tag_v2", None)
                check_tiff(image)
                factor = reduced(image)
                with _one_large if factor > 1 else contextlib.nullcontext():
                    image = _upright(image, factor, ops, mask=what == "mask")
                image.format, image.tag_v2 = file_format, tags
                return image
    except Exception as error:  # decoders meet broken bytes with every kind of exception
        reason = str(error).replace(f" {os.fspath(file)!r}", "") or type(error).__name__
        raise ImageReadError(f"cannot read {what} {name}: {reason}") from error
    raise ImageReadError(
        f"cannot read {what} {name}: it holds {n_pages} images; save each as a file of its own, or "
        f"name one of them, such as {name}#page=0"
    )


def _upright(image: Any, factor: int, ops: Any, *, mask: bool) -> Any:
    if factor > 1 and mask:
        image.load()
        image = reduce_mask(image, factor)
    elif factor > 1:
        wanted = tuple(-(-side // factor) for side in image.size)
        image.draft(None, wanted)  # a JPEG is decoded at a fraction of its size
        if image.format == "JPEG2000":
            image.reduce = factor.bit_length() - 1
        image.load()
        left = max(1, round(image.size[0] / wanted[0]))
        if left > 1:
            image = average(image, left)
    else:
        image.load()
    ops.exif_transpose(image, in_place=True)
    return image
