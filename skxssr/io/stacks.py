"""Many images or masks behind one index, read when asked for."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self, overload

import numpy as np

from skxssr._utils.labels import IGNORED
from skxssr.io.decode import Picture, read_image, read_mask, read_picture, read_stored_mask
from skxssr.io.intensity import IntensityRule
from skxssr.io.levels import ROUNDING, own_range, scaled
from skxssr.io.mask_values import MaskRule
from skxssr.io.medical import is_medical

__all__ = ["Images", "Masks"]


class _Stack(Sequence):
    """A source (array or list) and the indices into it; subclasses say how to read one item."""

    _noun = "image"
    _plural = "images"
    _source: Any  # the array as given, or a list of paths and arrays
    _indices: np.ndarray
    rule: Any  # how stored values are read; None: as they are

    def __init__(self, items: Any, rule: Any = None) -> None:
        self.rule = rule
        if isinstance(items, type(self)):
            self._source, self._indices = items._source, items._indices
            self.rule = items.rule if rule is None else rule
            return
        if isinstance(items, (str, os.PathLike)):
            raise ValueError(
                f"{self._plural} is one path ({os.fspath(items)!r}): pass a list of paths; "
                "skxssr.io.list_images(folder) gives those of a folder"
            )
        self._source = items
        if not (isinstance(items, np.ndarray) and items.ndim > 1):
            self._source = list(items)  # paths or arrays, an object array of them included
        if len(self._source) == 0:
            raise ValueError(f"{self._plural} is empty: at least one {self._noun} is needed")
        if isinstance(self._source, np.ndarray):
            self._check_array(self._source)
        self._indices = np.arange(len(self._source))

    @abstractmethod
    def _check_array(self, array: np.ndarray) -> None:
        """Refuse an array of the wrong shape or type, without reading it."""

    @abstractmethod
    def _read(self, item: Any, name: str) -> np.ndarray:
        """One item, from a path or an array, checked and converted."""

    def _name(self, index: int) -> str:
        item = None if isinstance(self._source, np.ndarray) else self._source[index]
        if isinstance(item, tuple):
            return " + ".join(os.fspath(part) for part in item)
        if isinstance(item, (str, os.PathLike)):
            return os.fspath(item)
        return f"{self._noun} {index}"

    @property
    def names(self) -> list[str]:
        """The path of each item, or its number in the data first given (`"image 3"`)."""
        return [self._name(index) for index in self._indices]

    def files(self, index: int) -> tuple[str, ...]:
        """The files that an item is read from; none if it is an array.

        A slice of a volume has a name of its own, such as ``volume.nii.gz#axial=12``.
        """
        item = self._source[int(self._indices[index])]
        parts = item if isinstance(item, tuple) else (item,)
        return tuple(os.fspath(p) for p in parts if isinstance(p, (str, os.PathLike)))

    def subset(self, indices: Any) -> Self:
        """The items at `indices` (integers or a boolean mask), in that order, still unread."""
        rows = np.asarray(indices)
        if rows.size == 0:
            raise ValueError(f"indices is empty: a subset needs at least one {self._noun}")
        if rows.ndim != 1 or rows.dtype.kind not in "iub":
            raise ValueError(
                "indices must be a 1-D sequence of integers or a boolean mask. Got an array of "
                f"shape {rows.shape} and dtype {rows.dtype} instead."
            )
        part = object.__new__(type(self))
        part._source, part.rule = self._source, self.rule
        part._indices = self._indices[rows]
        if len(part) == 0:
            raise ValueError(f"indices is all False: a subset needs at least one {self._noun}")
        return part

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> "np.ndarray | Self":
        if isinstance(index, slice):
            return self.subset(np.arange(len(self))[index])
        row = int(self._indices[index])
        return self._read(self._source[row], self._name(row))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} {self._plural})"


class Images(_Stack):
    """Images from memory or disk, one at a time, as floats in [0, 1].

    A path and the array that it decodes to give the same floats. Nothing is read or copied until an
    item is asked for, so 100,000 paths or a memory-mapped array cost no memory.

    Parameters
    ----------
    images : ndarray of shape (n, H, W), (n, H, W, 1) or (n, H, W, 3), or sequence, or Images
        A sequence holds paths, or arrays of shape (H, W), (H, W, 1) or (H, W, 3) and maybe
        different sizes. Values are uint8 or uint16 (divided by 255 or 65535), bool, or floats in
        [0, 1] (those beyond by a thousandth, as resizing leaves them, are cut off). A path may name
        a slice, such as ``"volume.nii.gz#axial=12"``.
    rule : IntensityRule, optional
        Black and white of files, from `find_intensity_rule`.

    Attributes
    ----------
    names : list of str
        Paths, or `"image 3"`.
    rule : IntensityRule or None
        As given.

    Raises
    ------
    ValueError
        At construction: nothing given, or an array of the wrong shape or type. When an item is
        read: the same of that item, or floats that are not finite or outside [0, 1].
    ImageReadError
        When an item is read: its file cannot be decoded.

    See Also
    --------
    Masks : The same for label images.
    list_images : The paths of a folder.

    Notes
    -----
    An item is a new float32 array of shape (H, W, C), C-contiguous, with C 1 or 3. A slice is a
    lazy subset. Floats are checked per item, as it is read.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.io import Images
    >>> images = Images(np.full((5, 4, 3), 255, dtype=np.uint8)[:, :, :2])
    >>> len(images), images[0].shape, float(images[0].max())
    (5, (4, 2, 1), 1.0)
    >>> images.subset([3, 1]).names
    ['image 3', 'image 1']
    """

    def __init__(self, images: Any, rule: IntensityRule | None = None) -> None:
        super().__init__(_without_torch(images), rule)

    def _check_array(self, array: np.ndarray) -> None:
        one_colour_image = array.shape[-1] in (3, 4) and min(array.shape[:-1]) >= 16
        if array.ndim == 2 or (array.ndim == 3 and one_colour_image):
            raise ValueError(
                "images must be an array of shape (n, H, W), (n, H, W, 1) or (n, H, W, 3). Got "
                f"shape {array.shape}, which looks like one image; for one image pass images[None]"
            )
        if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3)):
            channels_first = array.ndim == 4 and array.shape[1] in (1, 3)
            remedy = (
                ": move the channels last with np.moveaxis(images, 1, -1), a torch tensor with "
                "images.permute(0, 2, 3, 1)"
            )
            raise ValueError(
                "images must be an array of shape (n, H, W), (n, H, W, 1) or (n, H, W, 3). Got "
                f"shape {array.shape} instead{remedy if channels_first else '.'}"
            )
        _check_not_flat(array.shape[1:], "images")
        _check_dtype(array, "images")

    def _read(self, item: Any, name: str) -> np.ndarray:
        if isinstance(item, (str, os.PathLike)):
            if self.rule is not None or is_medical(item):
                return self._shown(read_picture(item))
            raw = read_image(item)
        else:
            raw = np.asarray(_without_torch(item))
            _check_dtype(raw, name)
        if raw.ndim == 2:
            raw = raw[:, :, None]
        if raw.ndim != 3 or raw.shape[2] not in (1, 3):
            first = raw.ndim == 3 and raw.shape[0] in (1, 3)
            remedy = (
                ": move the channels last with np.moveaxis(image, 0, -1), a torch tensor with "
                "image.permute(1, 2, 0)"
            )
            raise ValueError(
                f"{name} must have shape (H, W), (H, W, 1) or (H, W, 3). Got {raw.shape} "
                f"instead{remedy if first else '.'}"
            )
        _check_not_flat(raw.shape, name)
        if raw.dtype.kind == "u":
            white = np.float32(np.iinfo(raw.dtype).max)
            return np.divide(raw, white, dtype=np.float32, order="C")
        if raw.dtype.kind == "f":
            low, high = raw.min(), raw.max()
            if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also true of NaN
                raise ValueError(
                    f"{name} has floats from {low:.9g} to {high:.9g}; floats must be finite and in "
                    "[0, 1]. Rescale them (divide by the largest value the scanner can give, the "
                    "same for all images), or pass uint8 or uint16"
                )
            if low < 0 or high > 1:
                return np.array(np.clip(raw, 0, 1), dtype=np.float32, order="C")
        return np.array(raw, dtype=np.float32, order="C")

    def _shown(self, picture: Picture) -> np.ndarray:
        if self.rule is not None:
            values = self.rule(picture)
        else:
            values = scaled(picture.values, *own_range(picture), picture.inverted)
        return np.ascontiguousarray(values[:, :, None] if values.ndim == 2 else values)


class Masks(_Stack):
    """Label images from memory or disk, one at a time, as integers.

    Parameters
    ----------
    masks : ndarray of shape (n, H, W), or sequence, or Masks
        A sequence holds paths, arrays of shape (H, W), or tuples of paths: one mask drawn in
        several files (left and right lung), of which the pixelwise maximum is taken. Values are
        integers, bool, or floats that are whole numbers.
    rule : MaskRule, optional
        What the values stand for, from `find_mask_rule`. A pixel without a label is then
        -2147483648, which `SMPSegmenter` and `RidgeSegmenter` do not learn and no metric scores.

    Attributes
    ----------
    names : list of str
        Paths, or `"mask 3"`.
    rule : MaskRule or None
        As given.

    Raises
    ------
    ValueError
        Nothing given, an array of the wrong shape or type, or (when that item is read) floats that
        are not whole numbers, or parts of different sizes.
    ImageReadError
        When an item is read: its file cannot be decoded.

    See Also
    --------
    Images : The same for images.
    check_mask_shapes : Whether images and masks have the same sizes.

    Notes
    -----
    An item is a new integer array of shape (H, W), values as given (bool becomes 0 and 1).

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.io import Masks
    >>> Masks([np.array([[0.0, 2.0]]), np.array([[True, False]])])[0]
    array([[0, 2]])
    """

    _noun = "mask"
    _plural = "masks"

    def __init__(self, masks: Any, rule: MaskRule | None = None) -> None:
        super().__init__(masks, rule)

    def _stored(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Labels before the rule, and the palette of a file that has one."""
        row = int(self._indices[index])
        item, name = self._source[row], self._name(row)
        if isinstance(item, (str, os.PathLike)):
            return read_stored_mask(item, colours=True)
        labels = self._joined(item, None) if isinstance(item, tuple) else self._array(item, name)
        return labels, None

    def _check_array(self, array: np.ndarray) -> None:
        if array.ndim != 3:
            remedy = "masks[..., 0]" if array.ndim == 4 and array.shape[-1] == 1 else "masks[None]"
            hint = f": pass {remedy}" if array.ndim == 2 or "..." in remedy else "."
            raise ValueError(
                f"masks must be an array of shape (n, H, W). Got shape {array.shape} instead{hint}"
            )
        _check_not_flat(array.shape[1:], "masks")
        _check_mask_dtype(array, "masks")

    def _read(self, item: Any, name: str) -> np.ndarray:
        if isinstance(item, tuple):
            return self._joined(item, self.rule)
        if isinstance(item, (str, os.PathLike)):
            return _labels(item, self.rule)
        labels = self._array(item, name)
        return labels if self.rule is None else self.rule(labels)

    def _joined(self, item: tuple, rule: MaskRule | None) -> np.ndarray:
        parts = [_labels(path, rule) for path in item]
        for path, part in zip(item, parts, strict=True):
            if part.shape != parts[0].shape:
                raise ValueError(
                    f"the parts of one mask differ in shape: {item[0]} is {parts[0].shape}, "
                    f"{path} is {part.shape}"
                )
        joined = np.maximum.reduce(parts)
        if rule is None or not rule.ignore:
            return joined
        unlabelled = np.logical_or.reduce([part == IGNORED for part in parts])
        return np.where(unlabelled & (joined <= rule.classes[0]), IGNORED, joined)

    def _array(self, item: Any, name: str) -> np.ndarray:
        raw = np.asarray(item)
        _check_mask_dtype(raw, name)
        if raw.ndim != 2:
            raise ValueError(f"{name} must have shape (H, W). Got {raw.shape} instead.")
        _check_not_flat(raw.shape, name)
        if raw.dtype.kind == "b":
            return raw.astype(np.uint8, order="C")
        if raw.dtype.kind == "f":
            if not np.isfinite(raw).all() or (raw != np.rint(raw)).any():
                raise ValueError(
                    f"{name} has floats that are not all whole numbers; a mask holds one integer "
                    "label per pixel. Threshold probabilities first: masks > 0.5"
                )
            return raw.astype(np.int64, order="C")
        return np.array(raw, order="C")


def _labels(path: Any, rule: MaskRule | None) -> np.ndarray:
    if rule is None:
        return read_mask(path)
    if rule.colours:
        return rule(*read_stored_mask(path, colours=True))
    return rule(read_mask(path))


def _without_torch(items: Any) -> Any:
    """A tensor as an array; sharing its memory, without its gradient."""
    if not hasattr(items, "detach"):
        return items
    tensor = items.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _check_dtype(array: np.ndarray, name: str) -> None:
    if array.dtype.kind in "bf" or array.dtype in (np.uint8, np.uint16):
        return
    raise ValueError(
        f"{name} has dtype {array.dtype}; it must be uint8, uint16, bool or floats in [0, 1]. If "
        "the values lie in 0..255 pass images.astype(np.uint8); otherwise rescale to [0, 1]"
    )


def _check_mask_dtype(array: np.ndarray, name: str) -> None:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; it must be integer or bool")


def _check_not_flat(shape: tuple[int, ...], name: str) -> None:
    if 0 in shape:
        raise ValueError(f"{name} has no pixels: its shape is {shape}")
