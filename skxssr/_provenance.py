"""What is needed to repeat and audit a run: hashes and versions. Imports the standard library."""

import hashlib
import os
import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skxssr._version import __version__

_PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "torch", "timm", "pillow")
_CHUNK = 1 << 20


def sha256_of_files(paths: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of the bytes of each file, in the order given."""
    files = list(paths)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(files, pool.map(_sha256, files), strict=True))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
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
