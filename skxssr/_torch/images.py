"""Batches of square tensors from images of any size, read in threads. Imports torch, skxssr.io."""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import joblib
import numpy as np
import torch
import torch.nn.functional as F

from skxssr.io import Images, Masks

__all__ = ["Placement", "SquareSet", "ahead", "batches", "count_channels", "from_square"]

KEEP_BYTES = 2**30  # squares are kept between epochs only if all of them take less than this
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's convert("L")

Key = TypeVar("Key")
Value = TypeVar("Value")


class Placement(NamedTuple):
    """Where an image lies in its square, and how large it was."""

    top: int
    left: int
    height: int
    width: int
    original: tuple[int, int]


def place(shape: tuple[int, ...], size: int) -> Placement:
    """Fit (H, W) into `size` x `size`, aspect kept, centred."""
    rows, columns = shape[:2]
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    top, left = (size - height) // 2, (size - width) // 2
    return Placement(top, left, height, width, (rows, columns))


def to_square(image: np.ndarray, size: int, channels: int) -> torch.Tensor:
    """Image (H, W, C) in [0, 1] to float32 (channels, size, size), the rest of the square black."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    if channels == 3 and len(tensor) == 1:
        tensor = tensor.expand(3, -1, -1)
    elif channels == 1 and len(tensor) == 3:
        tensor = torch.tensordot(torch.tensor(LUMA), tensor, dims=1)[None]
    at = place(image.shape, size)
    if (at.height, at.width) != at.original:
        # the antialiased kernel does not round to exactly 1 where an image is white
        tensor = _resize(tensor, at).clamp_(0, 1)
    return _pad(tensor, at, size)


def mask_to_square(labels: np.ndarray, size: int, n_classes: int) -> torch.Tensor:
    """Class indices (H, W) to int64 (size, size): each pixel the class with most of its area."""
    at = place(labels.shape, size)
    tensor = torch.from_numpy(labels.astype(np.int64, copy=False))
    if (at.height, at.width) != at.original:
        shares = F.one_hot(tensor, n_classes).permute(2, 0, 1).float()
        tensor = _resize(shares, at).argmax(0)
    return _pad(tensor, at, size)


def from_square(maps: torch.Tensor, at: Placement) -> torch.Tensor:
    """Maps (C, S, S) back to (C, H, W) of the image placed there: the padding cut, resized."""
    cut = maps[:, at.top : at.top + at.height, at.left : at.left + at.width]
    if (at.height, at.width) == at.original:
        return cut
    return F.interpolate(cut[None], size=at.original, mode="bilinear", antialias=True)[0]


def _resize(tensor: torch.Tensor, at: Placement) -> torch.Tensor:
    size = (at.height, at.width)
    return F.interpolate(tensor[None], size=size, mode="bilinear", antialias=True)[0]


def _pad(tensor: torch.Tensor, at: Placement, size: int) -> torch.Tensor:
    right, bottom = size - at.left - at.width, size - at.top - at.height
    return F.pad(tensor, (at.left, right, at.top, bottom)).contiguous()


def count_channels(images: Images) -> int:
    """3 if any of (at most) 16 evenly spaced images has colour, else 1."""
    rows = np.unique(np.linspace(0, len(images) - 1, 16).round().astype(int))
    return max(images[int(row)].shape[2] for row in rows)


class SquareSet:
    """Images, and maybe their masks, as squares by index: `take(indices)` is one batch.

    Files are decoded and resized by as many threads as there are processors. Squares are kept in
    memory if the whole set takes less than 1 GiB and `keep` is true; else each epoch reads again.
    """

    def __init__(
        self,
        images: Images,
        size: int,
        channels: int,
        *,
        masks: Masks | None = None,
        encode: Callable[[np.ndarray, str], np.ndarray] | None = None,
        n_classes: int = 0,
        keep: bool = True,
    ) -> None:
        self.images, self.masks = images, masks
        self.size, self.channels, self.n_classes = size, channels, n_classes
        self._encode = encode
        bytes_each = size * size * (4 * channels + (8 if masks is not None else 0))
        self._kept: dict[int, tuple[torch.Tensor, ...]] = {}
        self._keep = keep and len(images) * bytes_each < KEEP_BYTES

    def __len__(self) -> int:
        return len(self.images)

    def identity(self) -> dict[str, Any]:
        """What tells this data from other data: names, sizes and the pixels of three images."""
        told = hashlib.sha256("\n".join(self.images.names).encode())
        for tensors in self.take({0, len(self) // 2, len(self) - 1}):
            told.update(tensors.numpy().tobytes())
        return {"number of images": len(self), "image_size": self.size, "images": told.hexdigest()}

    def take(self, indices: Iterable[int]) -> tuple[torch.Tensor, ...]:
        """The images (B, C, S, S), and the masks (B, S, S) if there are any."""
        rows = [int(i) for i in indices]
        missing = [row for row in dict.fromkeys(rows) if row not in self._kept]
        squares = dict(zip(missing, in_threads(self._read, missing), strict=True))
        if self._keep:
            self._kept.update(squares)
            squares = self._kept
        return tuple(torch.stack(parts) for parts in zip(*(squares[r] for r in rows), strict=True))

    def _read(self, row: int) -> tuple[torch.Tensor, ...]:
        image = self.images[row]
        square = to_square(image, self.size, self.channels)
        if self.masks is None or self._encode is None:
            return (square,)
        mask = self.masks[row]
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{self.masks[row : row + 1].names[0]} has shape {mask.shape} but "
                f"{self.images[row : row + 1].names[0]} has {image.shape[:2]}: a mask must have "
                "the height and width of its image"
            )
        labels = self._encode(mask, self.masks[row : row + 1].names[0])
        return square, mask_to_square(labels, self.size, self.n_classes)


def in_threads(function: Callable[[Key], Value], items: Sequence[Key]) -> list[Value]:
    """`[function(item) for item in items]`, in as many threads as there are processors."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(len(items), joblib.cpu_count())) as pool:
        return list(pool.map(function, items))


def ahead(
    function: Callable[[Key], Value], keys: Iterable[Key], depth: int = 2
) -> Generator[Value, None, None]:
    """`map(function, keys)`, at most `depth` results computed in advance by another thread."""
    waiting: deque[Any] = deque()
    pool = ThreadPoolExecutor(1)
    try:
        for key in keys:
            waiting.append(pool.submit(function, key))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def batches(
    images: Images, size: int, channels: int, batch_size: int
) -> Iterator[tuple[torch.Tensor, list[Placement]]]:
    """All images in order, as batches (B, C, S, S) with where each image lies in its square."""

    def read(row: int) -> tuple[torch.Tensor, Placement]:
        image = images[row]
        return to_square(image, size, channels), place(image.shape, size)

    def load(rows: range) -> tuple[torch.Tensor, list[Placement]]:
        squares, placements = zip(*in_threads(read, rows), strict=True)
        return torch.stack(squares), list(placements)

    starts = range(0, len(images), batch_size)
    yield from ahead(load, (range(s, min(s + batch_size, len(images))) for s in starts))
