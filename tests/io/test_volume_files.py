"""NRRD and MetaImage: the same body as a NIfTI file gives the same slices, spacing and refusals."""

import gzip
import os
import zlib

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel")

from skxssr._utils.provenance import sha256_of_files  # noqa: E402
from skxssr.exceptions import ImageReadError  # noqa: E402
from skxssr.io import (  # noqa: E402
    Masks,
    check_mask_shapes,
    find_unreadable,
    list_images,
    list_slices,
    pair_images_and_masks,
    pixel_spacing,
    read_image,
    take_inventory,
)
from skxssr.workflows.values import take_inventories  # noqa: E402

RNG = np.random.default_rng(0)
VALUES = RNG.integers(-300, 900, (6, 7, 8)).astype(np.int16)
# axes in another order, one of them turned round, none of one size; to the left and the back (LPS)
DIRECTION = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
SPACING, ORIGIN = np.array([2.0, 3.0, 0.5]), np.array([11.0, -20.0, 33.0])
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti(path):
    affine = np.eye(4)
    affine[:3, :3] = DIRECTION * SPACING  # a column is the direction of an axis
    affine[:3, 3] = ORIGIN
    nibabel.save(nibabel.Nifti1Image(VALUES, LPS @ affine), path)
    return path


def metaimage(path, values=VALUES, *, raw=None, compress=False, big=False, **more):
    """By the definition of the format, SimpleITK 2.5 finds the same geometry in it."""
    data = values.astype(">i2" if big else "<i2").tobytes(order="F")
    lines = {
        "ObjectType": "Image",
        "NDims": values.ndim,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": big,
        "CompressedData": bool(compress),
        "TransformMatrix": " ".join(str(x) for x in DIRECTION.T.ravel()),
        "Offset": " ".join(str(x) for x in ORIGIN),
        "ElementSpacing": " ".join(str(x) for x in SPACING),
        "DimSize": " ".join(str(n) for n in values.shape),
        "ElementType": "MET_SHORT",
        **more,
        "ElementDataFile": "LOCAL" if raw is None else raw,
    }
    text = "".join(f"{key} = {value}\n" for key, value in lines.items()).encode()
    data = {False: bytes, "zlib": zlib.compress, "gzip": gzip.compress}[compress](data)
    if raw is None:
        path.write_bytes(text + data)
    else:
        path.write_bytes(text)
        (path.parent / raw).write_bytes(data)
    return path


def nrrd_file(path, space="left-posterior-superior", **options):
    nrrd = pytest.importorskip("nrrd")
    turn = {"left-posterior-superior": np.eye(3), "RAS": LPS[:3, :3]}[space]
    header = {
        "space": space,
        "space directions": (turn @ (DIRECTION * SPACING)).T,  # a row is an axis
        "space origin": turn @ ORIGIN,
    }
    nrrd.write(str(path), VALUES, header, **options)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("v.mha", metaimage),
        ("v.MHA", lambda path: metaimage(path, compress="zlib")),
        ("v.mha", lambda path: metaimage(path, compress="gzip", big=True)),
        ("v.mhd", lambda path: metaimage(path, raw="v.raw")),
        ("v.nrrd", nrrd_file),
        ("v.nrrd", lambda path: nrrd_file(path, "RAS")),
        ("v.nhdr", lambda path: nrrd_file(path, detached_header=True)),
    ],
)
def test_the_same_body_in_another_format_is_the_same(tmp_path, name, write):
    other, plain = write(tmp_path / name), nifti(tmp_path / "plain.nii")
    for axis in ("axial", "coronal", "sagittal"):
        ours, theirs = (list_slices([file], axis=axis, keep_empty=True) for file in (other, plain))
        assert len(ours) == len(theirs) > 5
        for mine, its in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(read_image(mine), read_image(its))
        assert pixel_spacing(ours[0]) == pytest.approx(pixel_spacing(theirs[0]))
    check_mask_shapes(ours, Masks(theirs))  # the same place too
    assert not find_unreadable(ours)


def test_a_folder_of_both_is_an_inventory_and_pairs(tmp_path):
    for i in range(3):
        values = RNG.integers(300, 900, (9, 8, 5)).astype(np.int16)
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        metaimage(tmp_path / "images" / f"c{i}.mha", values)
        labels = (values > 600).astype(np.int16)
        metaimage(tmp_path / "masks" / f"c{i}.mha", labels, compress="zlib")
    found = take_inventory(tmp_path)
    assert len(found.masks) == 3 and not found.unreadable
    assert {path.parent.name for path in found.images} == {"images"}
    assert "images/ 24 slices of 3 .mha" in found.text("Target")
    pairs = pair_images_and_masks(tmp_path / "images", tmp_path / "masks")
    assert [path.name for path, _ in pairs] == [path.name for path in found.images]
    first, second = take_inventories(tmp_path, tmp_path, WHICH, lambda text: None, 0)
    assert first.facts.keys() == second.facts.keys()


WHICH = {"images": None, "exclude": None, "out": [], "window": None, "axis": "axial"}


def test_a_header_has_the_content_of_its_voxels(tmp_path):
    paths = []
    for who in "ab":
        (tmp_path / who).mkdir()
        values = VALUES if who == "a" else VALUES[::-1]
        paths.append(metaimage(tmp_path / who / "v.mhd", values, raw="v.raw"))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(set(sha256_of_files(paths).values())) == 2
    before = read_image(f"{paths[0]}#axial=0")
    metaimage(paths[0], VALUES[:, ::-1], raw="v.raw")
    os.utime(paths[0].parent / "v.raw", ns=(1, 2**60))
    assert not np.array_equal(before, read_image(f"{paths[0]}#axial=0"))


def test_what_cannot_be_read_says_why(tmp_path):
    whole = metaimage(tmp_path / "short.mha").read_bytes()
    (tmp_path / "short.mha").write_bytes(whole[:-10])
    metaimage(tmp_path / "text.mha", BinaryData="False")
    metaimage(tmp_path / "odd.mha", ElementType="MET_STRING")
    metaimage(tmp_path / "many.mhd", raw="LIST")
    metaimage(tmp_path / "gone.mhd", raw="gone.raw")
    (tmp_path / "gone.raw").unlink()
    metaimage(tmp_path / "four.mha", np.zeros((4, 4, 4, 3), np.int16), TransformMatrix=IDENTITY,
              Offset="0 0 0 0", ElementSpacing="1 1 1 1")  # fmt: skip
    (tmp_path / "none.mha").write_bytes(b"no header\n" * 9)
    (tmp_path / "none.nrrd").write_bytes(b"no header\n" * 9)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.uint8), None), tmp_path / "t.nii")
    (tmp_path / "LIST").unlink()
    names = list_images(tmp_path, keep_empty=True)
    reasons = {path.name: why for path, why in find_unreadable(names).items()}
    for name, words in {
        "short.mha": "truncated: 662 of 672 bytes",
        "text.mha": "written as text",
        "odd.mha": "MET_STRING",
        "many.mhd": "several files",
        "gone.mhd": "none of its voxels",
        "four.mha": r"(4, 4, 4, 3) (time or channels)",
        "t.nii": "nibabel.four_to_three",
        "none.mha": "no header of MetaImage",
        "none.nrrd": "NRRD",
    }.items():
        found = [why for key, why in reasons.items() if key.startswith(name)]
        assert found and all(words in why for why in found), (name, reasons)
    with pytest.raises(ImageReadError, match="no such slice"):
        read_image(f"{metaimage(tmp_path / 'a.mha')}#axial=99")


IDENTITY = " ".join(str(x) for x in np.eye(4).ravel())
