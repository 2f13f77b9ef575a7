"""Batches of square tensors from images of any size, read in threads."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from skxssr._torch.cache import Cache, Square
from skxssr._torch.classes import NO_LABEL
from skxssr._torch.threads import in_threads, prefetch
from skxssr.io import Images, Masks

__all__ = ["Letterbox", "SquareDataset", "batches", "count_channels", "from_square", "staged"]

KEEP_BYTES = 2**30  # squares are kept in memory only if all of them take less than this
HASHED_TOGETHER = 16
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's convert("L")

Encode = Callable[[np.ndarray, str], np.ndarray]  # labels and the mask's name to class indices


class Letterbox(NamedTuple):
    """Where an image lies in its square, and how large it was."""

    top: int
    left: int
    height: int
    width: int
    original: tuple[int, int]


def place(shape: tuple[int, ...], size: int) -> Letterbox:
    """Fit (H, W) into `size` x `size`, aspect kept, centred."""
    rows, columns = shape[:2]
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    top, left = (size - height) // 2, (size - width) // 2
    return Letterbox(top, left, height, width, (rows, columns))


def to_square(
    image: np.ndarray, size: int, channels: int, interpolation: str = "bilinear"
) -> torch.Tensor:
    """Image (H, W, C) in [0, 1] to float32 (channels, size, size), the rest of the square black."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    if channels == 3 and len(tensor) == 1:
        tensor = tensor.expand(3, -1, -1)
    elif channels == 1 and len(tensor) == 3:
        tensor = torch.tensordot(torch.tensor(LUMA), tensor, dims=1)[None]
    at = place(image.shape, size)
    if (at.height, at.width) != at.original:
        # the antialiased kernel does not round to exactly 1 where an image is white, and the
        # bicubic one overshoots at edges
        tensor = _resize(tensor, at, interpolation).clamp_(0, 1)
    return _pad(tensor, at, size)


def mask_to_square(labels: np.ndarray, size: int, n_classes: int) -> torch.Tensor:
    """Class indices (H, W) to int64 (size, size): each pixel the class with most of its area.

    `NO_LABEL` counts as a class.
    """
    at = place(labels.shape, size)
    tensor = torch.from_numpy(labels.astype(np.int64, copy=False))
    if (at.height, at.width) != at.original:
        unlabelled = bool((tensor == NO_LABEL).any())
        codes = torch.where(tensor == NO_LABEL, n_classes, tensor)
        shares = F.one_hot(codes, n_classes + unlabelled).permute(2, 0, 1).float()
        tensor = _resize(shares, at).argmax(0)
        tensor = torch.where(tensor == n_classes, NO_LABEL, tensor)
    return _pad(tensor, at, size)


def from_square(maps: torch.Tensor, at: Letterbox) -> torch.Tensor:
    """Maps (C, S, S) back to (C, H, W) of the image placed there: the padding cut, resized."""
    cut = maps[:, at.top : at.top + at.height, at.left : at.left + at.width]
    if (at.height, at.width) == at.original:
        return cut
    return F.interpolate(cut[None], size=at.original, mode="bilinear", antialias=True)[0]


def _resize(tensor: torch.Tensor, at: Letterbox, mode: str = "bilinear") -> torch.Tensor:
    return F.interpolate(tensor[None], size=(at.height, at.width), mode=mode, antialias=True)[0]


def _pad(tensor: torch.Tensor, at: Letterbox, size: int) -> torch.Tensor:
    right, bottom = size - at.left - at.width, size - at.top - at.height
    if at.height < size or at.width < size:
        tensor = F.pad(tensor, (at.left, right, at.top, bottom))
    return tensor.contiguous()


def count_channels(images: Images) -> int:
    """3 if any of (at most) 16 evenly spaced images has colour, else 1."""
    rows = np.unique(np.linspace(0, len(images) - 1, 16).round().astype(int)).tolist()
    return max(in_threads(lambda row: images[row].shape[2], rows))


class SquareDataset:
    """Images, and maybe their masks, as squares by index: `take(indices)` is one batch.

    Files are decoded and resized by as many threads as there are processors. Squares are kept in
    memory if the whole set takes less than 1 GiB and `keep` is true; else `spilling` puts them into
    a temporary folder. With `cache_dir` those of files are kept there.
    """

    def __init__(
        self,
        images: Images,
        size: int,
        channels: int,
        *,
        masks: Masks | None = None,
        encode: Encode | None = None,
        n_classes: int = 0,
        keep: bool = True,
        cache_dir: str | os.PathLike | None = None,
    ) -> None:
        self.images, self.masks = images, masks
        self.size, self.channels, self.n_classes = size, channels, n_classes
        self._encode = encode
        # 255 stands for NO_LABEL
        self._code_dtype = torch.uint8 if n_classes <= 255 else torch.int64
        bytes_each = size * size * 4 * channels
        if masks is not None:
            bytes_each += size * size * self._code_dtype.itemsize
        self._bytes = len(images) * bytes_each
        self._kept: dict[int, tuple[torch.Tensor, ...]] = {}
        self._keep = keep and self._bytes < KEEP_BYTES
        self._cache = None if cache_dir is None else Cache(cache_dir)

    def __len__(self) -> int:
        return len(self.images)

    def identity(self) -> dict[str, Any]:
        """What tells this data from other data: number, size and every pixel of every square.

        Files are known by what is in them, so a folder may be moved. The cost is one pass over the
        squares before the first step, a few at a time. Where they are kept (in memory, in the
        temporary folder or in `cache_dir`) it is the pass that the first epoch would have made, and
        SHA-256 adds 1 ms for each 1 to 2 MB of squares: a second for 10,000 gray ones of 128
        pixels. Only where squares are kept nowhere are all files decoded once more.
        """
        told = hashlib.sha256()
        rows = range(len(self))
        parts = (rows[start : start + HASHED_TOGETHER] for start in rows[::HASHED_TOGETHER])
        with contextlib.closing(prefetch(self.take, parts)) as stream:
            for tensors in stream:
                for tensor in tensors:
                    told.update(tensor.numpy().data)
        return {
            "number of images": len(self),
            "image_size": self.size,
            "channels": self.channels,
            "the pixels or masks of the training images": told.hexdigest(),
        }

    @contextlib.contextmanager
    def spilling(self, draws: int) -> Iterator[None]:
        """A temporary folder for squares that are drawn again and do not fit in memory."""
        needed = not self._keep and self._cache is None and draws > len(self)
        if not needed or shutil.disk_usage(tempfile.gettempdir()).free < 2 * self._bytes:
            yield
            return
        with tempfile.TemporaryDirectory(prefix="skxssr-") as folder:
            self._cache = Cache(folder, temporary=True)
            try:
                yield
            finally:
                self._cache = None

    def take(self, indices: Iterable[int]) -> tuple[torch.Tensor, ...]:
        """The images (B, C, S, S), and the masks (B, S, S) if there are any."""
        rows = [int(i) for i in indices]
        missing = [row for row in dict.fromkeys(rows) if row not in self._kept]
        squares = dict(zip(missing, in_threads(self._read, missing), strict=True))
        if self._keep:
            self._kept.update(squares)
            squares = self._kept
        images, *masks = map(torch.stack, zip(*(squares[row] for row in rows), strict=True))
        return images, *(_long(codes) for codes in masks)

    def _read(self, row: int) -> tuple[torch.Tensor, ...]:
        image = read_square(self.images, row, self.size, self.channels, self._cache)
        if self.masks is None or self._encode is None:
            return (image.pixels,)
        mask = self._read_mask(row, self.masks, self._encode)
        if mask.original != image.original:
            raise ValueError(
                f"{self.masks[row : row + 1].names[0]} has shape {mask.original} but "
                f"{self.images[row : row + 1].names[0]} has {image.original}: a mask must have "
                "the height and width of its image"
            )
        return image.pixels, mask.pixels

    def _read_mask(self, row: int, masks: Masks, encode: Encode) -> Square:
        def make() -> Square:
            labels = masks[row]
            codes = encode(labels, masks[row : row + 1].names[0])
            square = mask_to_square(codes, self.size, self.n_classes)
            return Square(square.to(self._code_dtype), labels.shape)

        how = f"mask {self.size} {encode!r}"
        how += "" if masks.rule is None else f" {masks.rule.to_dict()}"
        return _fetch(self._cache, masks, row, how, make)


def _long(codes: torch.Tensor) -> torch.Tensor:
    wide = codes.long()
    return wide if codes.dtype != torch.uint8 else wide.masked_fill_(wide == 255, NO_LABEL)


def read_square(
    images: Images,
    row: int,
    size: int,
    channels: int,
    cache: Cache | None = None,
    interpolation: str = "bilinear",
) -> Square:
    """One image made square, from the cache if it is there."""

    def make() -> Square:
        image = images[row]
        return Square(to_square(image, size, channels, interpolation), image.shape[:2])

    how = f"image {size} {channels}" + ("" if interpolation == "bilinear" else f" {interpolation}")
    how += "" if images.rule is None else f" {images.rule!r}"
    return _fetch(cache, images, row, how, make)


def _fetch(
    cache: Cache | None, stack: Images | Masks, row: int, how: str, make: Callable[[], Square]
) -> Square:
    return make() if cache is None else cache.fetch(row, stack.files(row), how, make)


def batches(
    images: Images,
    size: int,
    channels: int,
    batch_size: int,
    *,
    device: torch.device,
    cache_dir: str | os.PathLike | None = None,
    interpolation: str = "bilinear",
) -> Generator[tuple[torch.Tensor, list[Letterbox]], None, None]:
    """All images in order, as batches (B, C, S, S) with where each image lies in its square.

    They are on the CPU, ready to be copied to `device`.
    """
    cache = None if cache_dir is None else Cache(cache_dir)

    def load(rows: range) -> tuple[torch.Tensor, list[Letterbox]]:
        read = in_threads(
            lambda row: read_square(images, row, size, channels, cache, interpolation), rows
        )
        (squares,) = staged((torch.stack([square.pixels for square in read]),), device)
        return squares, [place(square.original, size) for square in read]

    starts = range(0, len(images), batch_size)
    yield from prefetch(load, (range(s, min(s + batch_size, len(images))) for s in starts))


def staged(tensors: tuple[torch.Tensor, ...], device: torch.device) -> tuple[torch.Tensor, ...]:
    """For a GPU: in page-locked memory, from which it copies while it computes."""
    if device.type != "cuda":
        return tensors
    with torch.cuda.device(device):
        return tuple(tensor.pin_memory() for tensor in tensors)
