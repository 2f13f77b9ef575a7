"""What is needed to repeat and audit a run: hashes and versions."""

import hashlib
import os
import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skxssr._utils.detached import is_detached, voxels_of
from skxssr._utils.files import is_regular
from skxssr._utils.slice_names import split_name
from skxssr._version import __version__

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "torch",
    "timm",
    "pillow",
    "pydicom",
    "nibabel",
)
_CHUNK = 1 << 20


def sha256_of_files(paths: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of the bytes of each file, in the order given.

    For one picture of several in a file, that of the file's and of the picture's number.
    """
    names = {path: split_name(path) for path in paths}
    files = list(dict.fromkeys(name.file for name in names.values()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        known = dict(zip(files, pool.map(_sha256, files), strict=True))
    return {
        path: known[file] if axis is None else _of_slice(known[file], axis, index)
        for path, (file, axis, index) in names.items()
    }


def _of_slice(file: str, axis: str, index: int) -> str:
    return hashlib.sha256(f"{file} {axis} {index}".encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    files = [path]
    if is_detached(path):  # the header of another file: many volumes have the same
        voxels = voxels_of(path)
        files += [voxels] if voxels is not None and is_regular(voxels) else []
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of whatever computed the result."""
    found = {"python": platform.python_version(), "skxssr": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
