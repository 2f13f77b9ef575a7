"""Small pictures inside of the page, as many as its size allows."""

import base64
import io
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional

__all__ = ["Thumbnails"]

_QUALITY = 80  # of JPEG


class Thumbnails:
    """Makes small pictures until a number of bytes is used up.

    Parameters
    ----------
    most_bytes : int, default=8_000_000
        Of all of them together, as text of the page.

    Attributes
    ----------
    left : int
        Bytes that are not used.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.report.page import Thumbnails
    >>> small = Thumbnails(most_bytes=4000)
    >>> small.uri(np.zeros((40, 60, 1), dtype=np.float32), 32)[:23]
    'data:image/jpeg;base64,'
    >>> small.left < 4000
    True
    """

    def __init__(self, most_bytes: int = 8_000_000) -> None:
        self.left = most_bytes

    def uri(self, image: np.ndarray, side: int) -> str | None:
        """The picture as a ``data:`` address.

        Parameters
        ----------
        image : ndarray of shape (H, W, 1) or (H, W, 3)
            Values in [0, 1].
        side : int
            The longer side of the small picture, in pixels.

        Returns
        -------
        str or None
            None where no byte is left for it.
        """
        if self.left <= 0:
            return None
        text = "data:image/jpeg;base64," + base64.b64encode(jpeg(image, side)).decode("ascii")
        if len(text) > self.left:
            self.left = 0
            return None
        self.left -= len(text)
        return text


def small_picture(image: np.ndarray, side: int) -> Any:
    """A Pillow picture of 8 bits whose longer side has at most so many pixels."""
    pictures = import_optional("PIL.Image", extra="torch", caller="showing images")
    values = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = pictures.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    if max(picture.size) > side:
        picture.thumbnail((side, side), pictures.Resampling.BOX, reducing_gap=2.0)
    return picture


def jpeg(image: np.ndarray, side: int) -> bytes:
    """The picture in JPEG."""
    stream = io.BytesIO()
    small_picture(image, side).save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
