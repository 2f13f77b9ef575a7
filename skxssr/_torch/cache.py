"""Squares of image files in a folder, one small file each.

A file is found by what it was made from: the bytes of the image, and how. So a changed image,
another `image_size` or another version of a decoder gets a file of its own, and no old one is taken
for it; an image that was moved keeps its own. Files are written whole or not at all: processes may
share a folder. Each has a checksum, and what does not agree with it is made again. Nothing is
unpickled.
"""

import contextlib
import functools
import hashlib
import json
import os
import threading
import zlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch

from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import sha256_of_files
from skxssr._utils.slice_names import file_of, split_name

__all__ = ["Cache", "Square"]

FORMAT = 3  # to be raised when our own code makes other pixels of a file than before


class Square(NamedTuple):
    """An image or mask made square, and the height and width it had."""

    pixels: torch.Tensor
    original: tuple[int, int]


class Cache:
    """Read back what is there, make and write what is not.

    `temporary` also keeps what came from arrays in memory, by their number, and goes on without
    writing when the disk is full.
    """

    def __init__(self, folder: str | os.PathLike, *, temporary: bool = False) -> None:
        self.folder, self.temporary = Path(folder), temporary
        self._full = False

    def fetch(
        self, row: int, files: tuple[str, ...], how: str, make: Callable[[], Square]
    ) -> Square:
        """`make()`, or what it gave for the same `files` (or `row`, without files) and `how`."""
        if not files and not self.temporary:
            return make()
        # what is temporary outlives no change of its files
        known = _names(files) if self.temporary else _contents(files)
        path = self.folder / f"{_key(known or row, how)}.safetensors"
        found = _read(path)
        if found is None:
            found = make()
            if not self._full:
                self._write(path, found)
        return found

    def _write(self, path: Path, square: Square) -> None:
        data = safetensors.torch.save(
            {
                "pixels": square.pixels,
                "original": torch.tensor(square.original),
                "checksum": torch.tensor(_checksum(square)),
            }
        )
        beside = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
            beside.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            if not self.temporary:
                raise OSError(
                    f"cache_dir={str(self.folder)!r} cannot be written "
                    f"({error.strerror or error}): choose a folder on a disk with room where you "
                    "may write, or cache_dir=None"
                ) from error
            self._full = True


def _key(known: list[str] | int, how: str) -> str:
    return hashlib.sha256(json.dumps([_made_by(), how, known]).encode()).hexdigest()


@functools.cache
def _made_by() -> tuple[int | str, ...]:
    pillow = import_optional("PIL", extra="torch", caller="reading image files")
    readers = [_version(name) for name in ("pydicom", "nibabel", "pynrrd")]
    return FORMAT, str(torch.__version__), pillow.__version__, *readers


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _names(files: tuple[str, ...]) -> list[str]:
    return [os.path.abspath(file) for file in files]


def _contents(files: tuple[str, ...]) -> list[str]:
    """The hash of each file, and which of its pictures is meant."""
    return [f"{_content(*_stamp(file))} {split_name(file)[1:]}" for file in files]


@functools.lru_cache(maxsize=2**20)
def _content(file: str, *_stamp: int) -> str:
    """Not computed again while the file's size and times stay."""
    try:
        return sha256_of_files([Path(file)])[Path(file)]
    except OSError:  # reading it will say what is wrong
        return ""


def _stamp(file: str) -> tuple[str, int, int, int]:
    path = os.path.abspath(file_of(file))
    try:
        status = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _checksum(square: Square) -> int:
    """Of the pixels, and of what would make others of them: shape, type, the size of the file's."""
    pixels = square.pixels
    about = f"{tuple(pixels.shape)} {pixels.dtype} {tuple(square.original)}"
    return zlib.crc32(pixels.contiguous().numpy().data, zlib.crc32(about.encode()))


def _read(path: Path) -> Square | None:
    try:
        tensors = safetensors.torch.load(path.read_bytes())
        rows, columns = tensors["original"].tolist()
        square = Square(tensors["pixels"], (rows, columns))
        return square if int(tensors["checksum"]) == _checksum(square) else None
    except (OSError, safetensors.SafetensorError, LookupError, ArithmeticError):
        return None
    except (ValueError, TypeError, RuntimeError):
        return None  # not there, or damaged: made again
