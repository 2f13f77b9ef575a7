"""MetaImage (``.mha``, ``.mhd``), the format of ITK: a header of lines, then voxels, x fastest.

https://itk.org/Wiki/ITK/MetaIO/Documentation. No small library reads it, and SimpleITK is 50 MB.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.detached import voxels_of
from skxssr._utils.files import is_regular

_MOST_BYTES = 2**16  # of a header
_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG": "u4",
    "MET_LONG": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_header(file: Path) -> dict[str, str]:
    """The lines of the header by lower-case key; "at" is the byte where they end."""
    with file.open("rb") as stream:
        start = stream.read(_MOST_BYTES)
    found: dict[str, str] = {}
    at = 0
    while at < len(start):
        end = start.find(b"\n", at)
        end = len(start) if end < 0 else end
        key, sign, value = start[at:end].decode("latin-1").partition("=")
        at = end + 1
        if not sign:
            break
        found[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":  # the last line
            return found | {"at": str(at)}
    raise ValueError("it has no header of MetaImage")


def geometry_of(header: dict[str, str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape, and the affine from voxels to mm, to the right, front and head (RAS)."""
    shape = tuple(int(size) for size in header["dimsize"].split())
    channels = int(header.get("elementnumberofchannels", 1))
    if channels > 1:
        shape = (*shape, channels)
    n = min(len(shape), 3)

    def numbers(names: tuple[str, ...], usual: np.ndarray) -> np.ndarray:
        text = next((header[name] for name in names if name in header), None)
        return usual if text is None else np.array(text.split(), dtype=np.float64)

    n_axes = len(header["dimsize"].split())
    spacing = numbers(("elementspacing", "elementsize"), np.ones(n_axes))
    origin = numbers(("offset", "position", "origin"), np.zeros(n_axes))
    names = ("transformmatrix", "rotation", "orientation")
    matrix = numbers(names, np.eye(n_axes).ravel()).reshape(n_axes, n_axes)
    affine = np.eye(4)
    m = min(n, n_axes)
    affine[:m, :m] = (matrix * spacing[:, None]).T[:m, :m]  # a row is the direction of an axis
    affine[:m, 3] = origin[:m]
    return shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK counts to the left and the back


def read_voxels(file: Path, header: dict[str, str]) -> np.ndarray:
    """All voxels, axes as in the header."""
    shape, _ = geometry_of(header)
    is_big = header.get("binarydatabyteordermsb", header.get("elementbyteordermsb", "False"))
    kind = np.dtype((">" if is_big.lower() == "true" else "<") + _type_of(header))
    if header.get("binarydata", "True").lower() != "true":
        raise ValueError("its voxels are written as text: save it in binary form")
    data = _bytes_of(file, header)
    if header.get("compresseddata", "False").lower() == "true":
        expected = int(np.prod(shape)) * kind.itemsize
        data = zlib.decompressobj(wbits=47).decompress(data, expected)  # zlib or gzip
    n = int(np.prod(shape))
    if len(data) < n * kind.itemsize:
        raise ValueError(f"it is truncated: {len(data)} of {n * kind.itemsize} bytes of voxels")
    values = np.frombuffer(data, kind, n)
    if int(header.get("elementnumberofchannels", 1)) > 1:  # the channel is fastest
        return np.moveaxis(values.reshape((shape[-1], *shape[:-1]), order="F"), 0, -1)
    return values.reshape(shape, order="F")


def _type_of(header: dict[str, str]) -> str:
    kind = header["elementtype"].upper().removesuffix("_ARRAY")
    if kind not in _TYPES:
        raise ValueError(f"its voxels are {kind}, which are not read")
    return _TYPES[kind]


def _bytes_of(file: Path, header: dict[str, Any]) -> bytes:
    skip = int(header.get("headersize", 0))
    if header["elementdatafile"].upper() == "LOCAL":
        with file.open("rb") as stream:
            stream.seek(int(header["at"]))
            return stream.read()
    voxels = voxels_of(file)
    if voxels is None:
        raise ValueError("its voxels lie in several files: save it as one .mha file")
    if not is_regular(voxels):
        raise ValueError(f"its voxels should lie in {voxels.name}, and there is no such file")
    data = voxels.read_bytes()
    if skip < 0:  # the voxels end the file
        shape, _ = geometry_of(header)
        return data[-int(np.prod(shape)) * np.dtype(_type_of(header)).itemsize :]
    return data[skip:]
