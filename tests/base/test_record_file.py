"""Files of a record: equal when read back; of damaged ones nothing but the documented error."""

import io
import json
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skxssr import CoreSetSelector, Selection, XSSRSelector
from skxssr.exceptions import DamagedFileError, SkxssrError
from tests.conftest import normal

RECORD = (
    XSSRSelector(alpha="auto")
    .fit(normal(20, 3, 1))
    .select(normal(30, 3, 2), 4, return_selection=True)
)
OTHER = CoreSetSelector().select(normal(30, 3, 2), 4, return_selection=True)


@pytest.fixture
def saved(tmp_path):
    RECORD.save(tmp_path / "run")
    return tmp_path / "run.json", tmp_path / "run.npz"


def as_first_format(json_path):
    """What versions without a checksum wrote."""
    plain = json.loads(json_path.read_text(encoding="utf-8"))
    del plain["sha256"]
    plain["format"] = 1
    json_path.write_text(json.dumps(plain, indent=2), encoding="utf-8")


def packed(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_a_record_of_plain_and_odd_values_comes_back_equal(tmp_path):
    odd = Selection(
        np.arange(2),
        np.array([np.nan, -0.0], np.float32),
        terms={"a term": np.array([np.inf, np.nan])},
        alpha=float("nan"),
        scales={"shape": (1, 2), "n": np.int64(3), 7: None, "values": np.arange(2)},
        selector="Größe\n\u2028",
        n_samples=2,
        utilities=np.asfortranarray(np.full((2, 2), np.nan, np.float32)),
    )
    odd.save(tmp_path / "odd")
    again = Selection.load(tmp_path / "odd")
    assert again == odd
    assert hash(again) == hash(odd)
    assert again != RECORD


def test_files_without_a_checksum_are_read(saved):
    as_first_format(saved[0])
    assert Selection.load(saved[0]) == RECORD


@pytest.mark.parametrize("kept", [0, 1])
def test_halves_of_two_records_do_not_fit(saved, tmp_path, kept):
    OTHER.save(tmp_path / "other")
    other = tmp_path / "other.json", tmp_path / "other.npz"
    saved[kept].write_bytes(other[kept].read_bytes())
    with pytest.raises(DamagedFileError, match=r"checksum does not fit.*run\.npz.*select again"):
        Selection.load(saved[0])


@pytest.mark.parametrize("first_format", [False, True])
@pytest.mark.parametrize("half", [0, 1])
def test_truncated_files_are_found(saved, half, first_format):
    if first_format:
        as_first_format(saved[0])
    data = saved[half].read_bytes()
    for length in range(0, len(data) - 2, max(1, len(data) // 40)):
        saved[half].write_bytes(data[:length])
        with pytest.raises(DamagedFileError, match=r"run\.(json|npz)"):
            Selection.load(saved[0])


@pytest.mark.parametrize("half", [0, 1])
@given(data=st.data())
def test_flipped_bytes_are_found_or_harmless(tmp_path_factory, half, data):
    folder = tmp_path_factory.mktemp("flips")
    RECORD.save(folder / "run")
    path = folder / ("run.json", "run.npz")[half]
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(DamagedFileError):
        assert Selection.load(folder / "run") == RECORD


@pytest.mark.parametrize("half", [0, 1])
@given(data=st.data())
def test_without_a_checksum_there_is_no_other_error(tmp_path_factory, half, data):
    folder = tmp_path_factory.mktemp("flips")
    RECORD.save(folder / "run")
    as_first_format(folder / "run.json")
    path = folder / ("run.json", "run.npz")[half]
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(DamagedFileError):
        assert len(Selection.load(folder / "run")) == len(RECORD)


@pytest.mark.parametrize("first_format", [False, True])
def test_a_file_that_unpacks_to_gigabytes_is_refused_unread(saved, first_format, monkeypatch):
    with (
        zipfile.ZipFile(saved[1], "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("indices.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (2**24,)}
        )
        for _ in range(128):
            member.write(bytes(2**20))
    if first_format:
        as_first_format(saved[0])
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *a, **k: pytest.fail("it was unpacked"))
    with pytest.raises(DamagedFileError, match="checksum|would unpack to 134217"):
        Selection.load(saved[0])


def test_nor_does_a_header_that_promises_more_than_the_file_holds(saved):
    as_first_format(saved[0])
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (2**60,)}
    )
    with zipfile.ZipFile(saved[1], "w") as archive:
        archive.writestr("indices.npy", stream.getvalue())
    with pytest.raises(DamagedFileError, match="not what the file holds"):
        Selection.load(saved[0])


def test_what_packs_very_well_is_saved_so_that_it_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("skxssr.base.record_file._UNPACKED_ALWAYS", 1000)
    record = Selection(
        np.arange(10), np.zeros(10, "f4"), utilities=np.full((10, 20_000), np.nan, "f4")
    )
    record.save(tmp_path / "wide")
    assert Selection.load(tmp_path / "wide") == record


FOREIGN = {
    "a list": (b"[1, 2]", packed(indices=np.arange(2))),
    "no format": (b"{}", packed(indices=np.arange(2))),
    "a format to come": (b'{"format": 3}', packed(indices=np.arange(2))),
    "a format of another type": (b'{"format": true}', packed(indices=np.arange(2))),
    "deep": (b"[" * 200_000, packed(indices=np.arange(2))),
    "a long number": (b'{"format": ' + b"1" * 9999 + b"}", packed()),
    "no text": (b"\xff\xfe\x00", packed(indices=np.arange(2))),
    "fields of others": (b'{"format": 1, "colour": "red"}', packed(indices=np.arange(2))),
    "arrays of others": (b'{"format": 1}', packed(weights=np.arange(2))),
    "nothing": (b'{"format": 1}', packed()),
    "no rows": (b'{"format": 1}', packed(indices=np.zeros((2, 2)), scores=np.zeros((2, 2)))),
    "rows of text": (b'{"format": 1}', packed(indices=np.array(["a"]), scores=np.zeros(1))),
    "scores of others": (b'{"format": 1}', packed(indices=np.arange(2), scores=np.zeros(3))),
    "an array for a mapping": (
        b'{"format": 1}',
        packed(indices=np.arange(2), scores=np.zeros(2), scales=np.zeros(2)),
    ),
    "a list for a mapping": (
        b'{"format": 1, "scales": [1]}',
        packed(indices=np.arange(2), scores=np.zeros(2)),
    ),
    "pickled": (b'{"format": 1}', packed(indices=np.array([None, {}], dtype=object))),
    "no archive": (b'{"format": 1}', b"\x89PNG\r\n"),
    "empty": (b"", b""),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused(tmp_path, name):
    for suffix, content in zip((".json", ".npz"), FOREIGN[name], strict=True):
        (tmp_path / f"mine{suffix}").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"mine\.(json|npz)") as caught:
        Selection.load(tmp_path / "mine")
    assert isinstance(caught.value, SkxssrError)
    assert isinstance(caught.value, ValueError)


def test_a_missing_half_is_named(saved):
    saved[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"run\.npz: there is no such file"):
        Selection.load(saved[0])
