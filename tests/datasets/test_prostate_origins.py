"""The readers of PROMISE12 and NCI-ISBI 2013, on small files in the published layouts."""

import numpy as np
import pytest

from skxssr.datasets import load_nci_isbi, load_promise12
from skxssr.exceptions import ImageReadError
from skxssr.io import Images, Masks, check_mask_shapes

pytest.importorskip("nibabel", reason="volumes are opened as images of nibabel")

SHAPE = (7, 9, 4)  # columns, rows, slices, as both formats store them: x fastest


def volume(seed):
    return np.random.default_rng(seed).integers(20, 400, SHAPE).astype(np.int16)


def labels(*, zones=False):
    """Prostate on the middle slices, none on the first and the last."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[2:5, 3:8, 1:-1] = 1
    mask[3:6, 2:5, 2] = 2 if zones else 1
    return mask


# PROMISE12


def write_meta(path, array, *, kind, spacing="0.5 0.75 3.0"):
    """As the challenge's files are: a header, and voxels in a file beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".raw")
    raw.write_bytes(array.tobytes(order="F"))
    path.write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -10 -20 30\n"
        f"CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = {spacing}\n"
        f"DimSize = {' '.join(map(str, array.shape))}\nElementType = {kind}\n"
        f"ElementDataFile = {raw.name}\n"
    )


@pytest.fixture
def promise(tmp_path):
    for case, part in ((0, "TrainingData_Part1"), (1, "TrainingData_Part1"), (12, "Part2")):
        write_meta(tmp_path / part / f"Case{case:02d}.mhd", volume(case), kind="MET_SHORT")
        mask = tmp_path / part / f"Case{case:02d}_segmentation.mhd"
        write_meta(mask, labels(), kind="MET_CHAR")
    (tmp_path / "readme.txt").touch()
    return tmp_path


def test_promise12(promise):
    data = load_promise12(str(promise))
    assert data.groups.tolist() == ["Case00"] * 4 + ["Case01"] * 4 + ["Case12"] * 4
    assert data.slices.tolist() == [0, 1, 2, 3] * 3
    assert data.ids[5] == "Case01_01" and len(set(data.ids)) == 12
    assert data.site == "PROMISE12" and data.n_without_prostate is None
    np.testing.assert_allclose(data.spacing, np.tile([0.75, 0.5], (12, 1)))
    images, masks = Images(data.images), Masks(data.masks)
    check_mask_shapes(images, masks)
    for number in range(4):
        np.testing.assert_array_equal(masks[4 + number], labels()[:, :, number].T)
        # the same pixels: brightness rises with the stored value
        shown, stored = images[4 + number][..., 0], volume(1)[:, :, number].T
        assert np.corrcoef(shown.ravel(), stored.ravel())[0, 1] > 0.99
    assert "All slices of each volume are kept" in data.DESCR and "Litjens" in data.DESCR


def test_promise12_slices_with_foreground_say_so(promise):
    data = load_promise12(promise, slices="foreground")
    assert data.slices.tolist() == [1, 2] * 3
    assert data.n_without_prostate == 6
    assert "uses the labels of all\nslices" in data.DESCR


def test_promise12_leaves_volumes_without_masks_out(promise):
    write_meta(promise / "TestData" / "Case30.mhd", volume(30), kind="MET_SHORT")
    assert len(set(load_promise12(promise).groups)) == 3


def test_promise12_refuses(promise, tmp_path_factory):
    with pytest.raises(FileNotFoundError, match="the layout looked for is that of the training"):
        load_promise12(tmp_path_factory.mktemp("empty"))
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_promise12(promise / "nowhere")
    with pytest.raises(ValueError, match="slices must be 'all' or 'foreground'"):
        load_promise12(promise, slices="some")
    part = promise / "Part2"
    write_meta(part / "Case12_segmentation.mhd", labels(), kind="MET_CHAR", spacing="1 1 3")
    with pytest.raises(ValueError, match="Case12"):
        load_promise12(promise)
    odd = labels()
    odd[0, 0, 0] = 7
    write_meta(part / "Case12_segmentation.mhd", odd, kind="MET_CHAR")
    with pytest.raises(ImageReadError, match=r"among \[0, 1\]. Got also \[7\]"):
        Masks(load_promise12(promise).masks)[8]
    (part / "Case12.mhd").rename(part / "Case12.txt")
    with pytest.raises(ValueError, match="1 of 3 masks have no volume.*Case12"):
        load_promise12(promise)
    write_meta(promise / "again" / "Case00.mhd", volume(0), kind="MET_SHORT")
    with pytest.raises(ValueError, match="are both Case00"):
        load_promise12(promise)


# NCI-ISBI 2013


@pytest.fixture
def write_case():
    nrrd = pytest.importorskip("nrrd")
    pytest.importorskip("pydicom")
    from tests.io.test_medical import write_dicom

    def write(root, case, seed, *, suffix="", axes=(1, 0, 0, 0, 1, 0), shift=0.0, depth=4):
        series = root / "ISBI-MR-Prostate-2013" / case / "1.3.6.1" / "1.3.6.2"
        # the names of the files say nothing of the order of the slices
        for number, name in zip(range(depth), ("c", "a", "d", "b"), strict=False):
            write_dicom(
                series / f"{name}.dcm",
                np.ascontiguousarray(volume(seed)[:, :, number].T),
                ImagePositionPatient=[-10, -20, 30 + 3 * number],
                ImageOrientationPatient=list(axes),
                PixelSpacing=[0.75, 0.5],
                SeriesInstanceUID=f"1.2.{seed}",
                Modality="MR",
            )
        header = {
            "space": "left-posterior-superior",
            "space directions": np.diag([0.5, 0.75, 3.0]),
            "space origin": [-10 + shift, -20, 30],
        }
        nrrd.write(str(root / f"{case}{suffix}.nrrd"), labels(zones=True), header)

    return write


def test_nci_isbi(tmp_path, write_case):
    write_case(tmp_path, "Prostate3T-01-0001", 1)
    write_case(tmp_path, "Prostate3T-03-0002", 2, suffix="_truth")
    write_case(tmp_path, "ProstateDx-01-0006", 3, suffix="_correctedLabels")
    data = load_nci_isbi(tmp_path)
    assert data.sites == ("RUNMC", "BMC")
    assert data.RUNMC.groups.tolist() == ["Prostate3T-01-0001"] * 4 + ["Prostate3T-03-0002"] * 4
    assert data.BMC.ids[2] == "ProstateDx-01-0006_02"
    np.testing.assert_allclose(data.BMC.spacing, np.tile([0.75, 0.5], (4, 1)))
    for part, seeds in ((data.RUNMC, (1, 2)), (data.BMC, (3,))):
        images, masks = Images(part.images), Masks(part.masks)
        check_mask_shapes(images, masks)
        for row in range(len(part.ids)):
            number = row % 4
            stored = volume(seeds[row // 4])[:, :, number].T
            shown = images[row][..., 0]
            assert np.corrcoef(shown.ravel(), stored.ravel())[0, 1] > 0.99
            np.testing.assert_array_equal(masks[row], labels(zones=True)[:, :, number].T > 0)
    only = load_nci_isbi(tmp_path, slices="foreground")
    assert only.BMC.slices.tolist() == [1, 2] and only.BMC.n_without_prostate == 2
    assert "Bloch" in data.DESCR


@pytest.mark.parametrize(
    "how, message",
    [
        ({"shift": 40.0}, "of different places or sizes"),
        ({"axes": (0, 1, 0, 0, 0, -1)}, "is no axial slice"),
        ({"depth": 3}, "has 4 slices but the 3 DICOM files"),
    ],
)
def test_nci_isbi_refuses_masks_of_other_series(tmp_path, write_case, how, message):
    write_case(tmp_path, "Prostate3T-01-0001", 1, **how)
    with pytest.raises(ValueError, match=message):
        load_nci_isbi(tmp_path)


def test_nci_isbi_names_what_is_missing(tmp_path, write_case):
    with pytest.raises(FileNotFoundError, match="that of The Cancer Imaging Archive"):
        load_nci_isbi(tmp_path)
    write_case(tmp_path, "Prostate3T-01-0001", 1)
    (tmp_path / "ISBI-MR-Prostate-2013" / "Prostate3T-01-0001").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="DICOM file of Prostate3T-01-0001"):
        load_nci_isbi(tmp_path)
