"""A record on disk: one JSON file of plain values, one ``.npz`` file of arrays, one checksum.

The checksum, a SHA-256 in the JSON file, is taken over the plain values and over the bytes of the
``.npz`` file. It is compared before an array is unpacked, so that halves of two records, truncated
files and flipped bits are found first. Files of format 1 have no checksum and are still read.
"""

import hashlib
import io
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import write_text
from skxssr.exceptions import DamagedFileError

FORMAT = 2
_FORMATS = (1, FORMAT)
_LARGEST_JSON = 2**26  # bytes; that of a thousand picks has a few thousand
# An archive that unpacks to more than both is refused: zeros alone pack a thousandfold.
_UNPACKED_ALWAYS = 2**26  # bytes
_UNPACKED_TIMES = 100  # times the size of the file


def split_path(path: str | os.PathLike) -> tuple[Path, Path]:
    """The JSON file and the ``.npz`` file of a record; a suffix of either is dropped first."""
    base = Path(path)
    if base.suffix in {".json", ".npz"}:
        base = base.with_suffix("")
    return base.with_name(base.name + ".json"), base.with_name(base.name + ".npz")


def canonical(plain: dict[str, Any]) -> str:
    """Plain values as one text, the same for values that JSON cannot tell apart."""
    read_back = json.loads(json.dumps(plain, default=_as_json))
    return json.dumps(read_back, sort_keys=True, separators=(",", ":"))


def _as_json(value: Any) -> Any:
    """What JSON holds instead of a NumPy value or of anything else that it does not know."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else repr(value)


def write_record(
    path: str | os.PathLike, plain: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    """Write both files, each in one step; between the two steps the checksum does not fit."""
    json_path, npz_path = split_path(path)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    if _is_bomb(sum(value.nbytes for value in arrays.values()), packed.tell()):
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
    beside = npz_path.with_name(npz_path.name + ".part")
    beside.write_bytes(packed.getbuffer())
    beside.replace(npz_path)
    plain = {"format": FORMAT, **json.loads(json.dumps(plain, default=_as_json))}
    plain["sha256"] = _checksum(plain, npz_path)
    write_text(json_path, json.dumps(plain, indent=2))


def read_record(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The plain values and the arrays that `write_record` wrote.

    Raises
    ------
    FileNotFoundError
        One of the two files is missing.
    DamagedFileError
        They are no record, damaged, or of two records.
    """
    json_path, npz_path = split_path(path)
    for needed in (json_path, npz_path):
        if not needed.is_file():
            raise FileNotFoundError(
                f"{needed}: there is no such file. A record has two, {json_path.name} and "
                f"{npz_path.name}: put both into one folder."
            )
    if json_path.stat().st_size > _LARGEST_JSON:
        raise _damaged(
            json_path, f"it has {json_path.stat().st_size} bytes, the most are {_LARGEST_JSON}"
        )
    try:
        plain = json.loads(json_path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(json_path, f"it is no JSON ({error})") from error
    if not isinstance(plain, dict) or type(plain.get("format")) is not int:
        raise _damaged(json_path, "it does not say of which format it is")
    version, checksum = plain.pop("format"), plain.pop("sha256", None)
    if version not in _FORMATS:
        raise _damaged(
            json_path,
            f"it is of format {version}, this version reads {_FORMATS}; install a newer skxssr if "
            "it was saved by one",
        )
    if version == 1 and checksum is not None:
        raise _damaged(json_path, "it has a checksum, which files of format 1 have not")
    if version > 1 and checksum != _checksum({"format": version, **plain}, npz_path):
        raise _damaged(
            json_path, f"its checksum does not fit: it or {npz_path.name} is of another record"
        )
    try:
        return plain, _unpack(npz_path)
    except Exception as error:  # numpy, zipfile and three packers: any error of theirs says so
        raise _damaged(npz_path, str(error) or type(error).__name__) from error


def _damaged(path: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is not a selection that can be read: {why}, or it was changed since it was "
        "saved. Copy both files again from where they were saved, or select again."
    )


def _checksum(plain: dict[str, Any], npz_path: Path) -> str:
    found = hashlib.sha256(canonical(plain).encode())
    with npz_path.open("rb") as stream:
        while piece := stream.read(2**20):
            found.update(piece)
    return found.hexdigest()


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > max(_UNPACKED_ALWAYS, _UNPACKED_TIMES * packed)


def _unpack(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive, which is refused before it is unpacked if it is too large."""
    packed = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        if _is_bomb(unpacked, packed):
            raise ValueError(
                f"its {packed} bytes would unpack to {unpacked}, more than {_UNPACKED_TIMES} times "
                "as many"
            )
        return {
            member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members
        }


def _array(data: bytes) -> np.ndarray:
    """The array of a ``.npy`` file, without room made for more than the file has."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran, dtype = read_header(stream)
    start = stream.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of shape {shape} and dtype {dtype} is not what the file holds")
    if not math.prod(shape):
        return np.empty(shape, dtype)
    flat = np.frombuffer(data, dtype=dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")
