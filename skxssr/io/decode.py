"""Decode one image or mask file to a raw array. Imports numpy, and Pillow inside the functions."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._optional import import_optional
from skxssr.exceptions import ImageReadError

__all__ = ["read_image", "read_mask"]


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Decode one image file, values as stored.

    Palette images become RGB, an alpha channel is dropped, other colour spaces (CMYK, YCbCr) are
    converted to RGB, 1-bit images become 0 and 255, 16-bit gray is kept, and the orientation in the
    EXIF data is applied. Colour of more than 8 bits per channel is reduced to 8 by Pillow.

    Parameters
    ----------
    path : str or path-like
        An image file in any format that Pillow reads.

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
        Pillow is not installed.

    See Also
    --------
    read_mask : The same for label images; keeps palette indices.
    Images : Many images, as floats in [0, 1].

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
    image = _open(path, what="image")
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        return np.array(image, dtype=np.uint16, order="C")
    if image.mode == "I":
        values = np.array(image)
        # Pillow before 11.3 opens a 16-bit gray PNG as 32-bit integers
        if image.format == "PNG" and values.min() >= 0 and values.max() <= 65535:
            return values.astype(np.uint16)
        raise ImageReadError(
            f"cannot read image {os.fspath(path)}: it holds 32-bit integers, which have no agreed "
            "white; save it as 8-bit or 16-bit gray, or as floats in [0, 1]"
        )
    if image.mode == "F":
        return np.array(image, dtype=np.float32, order="C")
    if image.mode in ("1", "L", "LA", "La"):
        return np.array(image.convert("L"), order="C")
    return np.array(image.convert("RGB"), order="C")


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """Decode one label image, values as stored.

    Nothing is rescaled: a palette image gives its indices, a 1-bit image 0 and 1, a mask of 0 and
    255 stays 0 and 255. The orientation in the EXIF data is applied, as for images.

    Parameters
    ----------
    path : str or path-like
        A label image, preferably PNG; JPEG changes values at the edges of regions.

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
    image = _open(path, what="mask")
    if image.mode in ("LA", "La"):
        image = image.convert("L")
    elif image.mode == "PA":
        return np.ascontiguousarray(np.array(image)[..., 0])
    elif image.mode not in ("1", "L", "P", "F") and not image.mode.startswith("I"):
        rgb = np.array(image.convert("RGB"))
        if (rgb != rgb[..., :1]).any():
            colours = len(np.unique(rgb.reshape(-1, 3), axis=0))
            raise ImageReadError(
                f"cannot read mask {os.fspath(path)}: it is a colour image ({image.mode}, "
                f"{colours} colours) whose channels differ, so a pixel has no single label; save "
                "it as gray or palette PNG with one value per class"
            )
        return np.ascontiguousarray(rgb[..., 0])
    values = np.array(image, order="C")
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise ImageReadError(
                f"cannot read mask {os.fspath(path)}: its pixels are floats that are not all whole "
                "numbers; threshold it and save integers"
            )
        return values.astype(np.int32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _open(path: str | os.PathLike, *, what: str) -> Any:
    """The one image in the file, decoded and turned upright, as a `PIL.Image.Image`."""
    pil = import_optional("PIL.Image", extra="torch", caller="reading image files")
    ops = import_optional("PIL.ImageOps", extra="torch", caller="reading image files")
    name = os.fspath(path)
    if not Path(path).is_file():
        reason = "it is a folder" if Path(path).is_dir() else "no such file"
        raise ImageReadError(f"cannot read {what} {name}: {reason}")
    try:
        with pil.open(path) as image:
            # an MPO is a JPEG whose further pictures are previews of the first
            n_pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if n_pages == 1:
                file_format = image.format
                image.load()
                image = ops.exif_transpose(image)
                image.format = file_format
                return image
    except Exception as error:  # decoders meet broken bytes with every kind of exception
        reason = str(error).replace(f" {name!r}", "") or type(error).__name__
        raise ImageReadError(f"cannot read {what} {name}: {reason}") from error
    raise ImageReadError(
        f"cannot read {what} {name}: it holds {n_pages} images; save each as a file of its own"
    )
