"""DICOM and NIfTI as input: files that pydicom and nibabel write, read back slice by slice."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

pydicom = pytest.importorskip("pydicom", minversion="3")
nibabel = pytest.importorskip("nibabel")

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, RLELossless  # noqa: E402

from skxssr import RandomFeaturesEmbedder, XSSRSelector  # noqa: E402
from skxssr._torch.cache import Cache  # noqa: E402
from skxssr.cli import main  # noqa: E402
from skxssr.exceptions import ImageReadError  # noqa: E402
from skxssr.io import (  # noqa: E402
    Images,
    Masks,
    check_mask_shapes,
    find_intensity_rule,
    find_unreadable,
    groups_from_headers,
    list_images,
    list_slices,
    pair_images_and_masks,
    pixel_spacing,
    read_image,
)
from skxssr.workflows.select import select_from_folders  # noqa: E402

RNG = np.random.default_rng(0)
STORED = RNG.integers(0, 4096, (10, 12), dtype=np.uint16)
SECRET = ("Doe^Jane", "MRN-4711", "19440101", "Dr^Who", "ACC-99", "Saint Elsewhere")


def write_dicom(path, values, photometric="MONOCHROME2", *, frames=None, bits=None, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{abs(hash(str(path))) % 10**9}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    names = ("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName")
    for name, value in zip((*names, "AccessionNumber", "InstitutionName"), SECRET, strict=True):
        setattr(data, name, value)
    colour = photometric in ("RGB", "YBR_FULL")
    shape = values.shape[1:] if frames else values.shape
    data.Rows, data.Columns = shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = 3 if colour else 1, photometric
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.BitsStored = bits or data.BitsAllocated
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(values.dtype.kind == "i")
    if colour:
        data.PlanarConfiguration = 0
    if frames:
        data.NumberOfFrames = frames
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def write_nifti(path, values, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


# ------------------------------------------------------------------ DICOM


def test_rescale_window_and_modality(tmp_path):
    ct = write_dicom(
        tmp_path / "ct.dcm", STORED, Modality="CT", RescaleSlope=2, RescaleIntercept=-1024
    )
    units = 2.0 * STORED - 1024
    np.testing.assert_array_equal(read_image(ct), units)
    expected = ((units + 1000) / 2000).clip(0, 1)
    np.testing.assert_allclose(Images([ct])[0][..., 0], expected, atol=1e-6)
    rule = find_intensity_rule([ct], name="CT")
    assert rule.text == "CT: CT in Hounsfield units, black is -1000 and white 1000"
    np.testing.assert_allclose(Images([ct], rule)[0][..., 0], expected, atol=1e-6)
    film = write_dicom(
        tmp_path / "dx.dcm", STORED, Modality="DX", WindowCenter=[2000, 9], WindowWidth=[1001, 9]
    )
    expected = ((STORED - 1499.5) / 1000).clip(0, 1)  # PS3.3 C.11.2.1.2, linear
    np.testing.assert_allclose(Images([film])[0][..., 0], expected, atol=1e-5)
    wide = write_dicom(tmp_path / "cr.dcm", STORED, Modality="CR", bits=12)
    np.testing.assert_allclose(Images([wide])[0][..., 0], STORED / 4095, atol=1e-6)
    mr = write_dicom(tmp_path / "mr.dcm", STORED, Modality="MR")
    low, high = np.percentile(STORED, [0.5, 99.5])
    expected = ((STORED - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(Images([mr])[0][..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
def test_monochrome1_is_turned_round_at_any_depth(tmp_path, dtype, bits):
    top = 2**bits - 1
    values = RNG.integers(0, top + 1, (10, 12)).astype(dtype)
    path = write_dicom(tmp_path / "a.dcm", values, "MONOCHROME1", bits=bits, Modality="CR")
    for rule in (None, find_intensity_rule([path])):
        read = Images([path], rule)[0][..., 0]
        np.testing.assert_allclose(read, 1 - values / top, atol=1e-6)
    np.testing.assert_array_equal(read_image(path), top - values)
    assert "0 is white in 1 of 1" in find_intensity_rule([path]).text


def test_colour_and_palettes(tmp_path):
    rgb = RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)
    path = write_dicom(tmp_path / "rgb.dcm", rgb, "RGB", Modality="ES")
    np.testing.assert_array_equal(read_image(path), rgb)
    ybr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    path = write_dicom(tmp_path / "ybr.dcm", ybr, "YBR_FULL", Modality="US")
    np.testing.assert_allclose(read_image(path).astype(int), rgb, atol=3)
    tags = {}
    for i, name in enumerate(("Red", "Green", "Blue")):
        lut = np.roll(np.arange(256), i).astype(np.uint16) * 257
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = lut.tobytes()
    index = RNG.integers(0, 256, (10, 12), dtype=np.uint8)
    path = write_dicom(tmp_path / "p.dcm", index, "PALETTE COLOR", Modality="US", **tags)
    expected = np.stack([np.roll(np.arange(256), i)[index] for i in range(3)], axis=-1)
    np.testing.assert_array_equal(read_image(path), expected)


def test_frames_are_pictures_and_enhanced_files_have_their_own_rescale(tmp_path):
    frames = np.stack([STORED + i for i in range(3)])
    groups = []
    for i in range(3):
        group, transform = Dataset(), Dataset()
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = 1, -100 * i, ""
        group.PixelValueTransformationSequence = [transform]
        groups.append(group)
    path = write_dicom(
        tmp_path / "t" / "run.dcm",
        frames,
        frames=3,
        Modality="MR",
        PerFrameFunctionalGroupsSequence=groups,
    )
    names = list_images(tmp_path / "t")
    assert [name.name for name in names] == [f"run.dcm#frame={i}" for i in range(3)]
    for i, name in enumerate(names):
        np.testing.assert_array_equal(read_image(name), frames[i].astype(float) - 100 * i)
    with pytest.raises(ImageReadError, match=r"holds 3 frames.*run\.dcm#frame=0"):
        read_image(path)
    with pytest.raises(ImageReadError, match="frame=7"):
        read_image(f"{path}#frame=7")


def test_a_compressed_file_is_read_and_one_that_cannot_be_says_what_helps(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", STORED, Modality="CR", bits=12)
    data = pydicom.dcmread(path)
    data.compress(RLELossless)
    data.save_as(path)
    np.testing.assert_array_equal(read_image(path), STORED)
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.105"  # HTJ2K: none installed reads it
    data.save_as(path)
    with pytest.raises(ImageReadError, match=r"a\.dcm: .*python-gdcm.*gdcmconv"):
        read_image(path)


def test_a_series_is_sorted_by_its_geometry_and_groups_come_from_tags(tmp_path):
    axes = [1, 0, 0, 0, 0.8, -0.6]  # oblique
    for number, (name, height) in enumerate([("a", 30), ("b", -10), ("c", 10), ("d", 0)]):
        write_dicom(
            tmp_path / "pat" / name,  # no suffix
            STORED,
            ImageOrientationPatient=axes,
            ImagePositionPatient=[0, 0.6 * height, 0.8 * height],
            SeriesInstanceUID="1.2.3",
            StudyInstanceUID="1.2",
            InstanceNumber=number,
            Modality="MR",
            PixelSpacing=[0.5, 0.25],
        )
    other = write_dicom(tmp_path / "z.dcm", STORED, PatientID="other", SeriesInstanceUID="9.9")
    report = FileDataset("", {}, file_meta=pydicom.dcmread(other).file_meta, preamble=bytes(128))
    report.Modality = "SR"
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    names = list_images(tmp_path)
    assert [name.name for name in names] == ["b", "d", "c", "a", "z.dcm"]
    assert groups_from_headers(names) == ["patient 1"] * 4 + ["patient 2"]
    assert groups_from_headers(names, "series") == ["series 1"] * 4 + ["series 2"]
    assert pixel_spacing(names[0]) == (0.5, 0.25)
    with pytest.raises(ImageReadError, match="does not say which study"):
        groups_from_headers(names, "study")
    with pytest.raises(ValueError, match="by must be one of"):
        groups_from_headers(names, "hospital")
    png = tmp_path / "film.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(png)
    with pytest.raises(ValueError, match=r"1 of 6 pictures are neither.*film\.png"):
        groups_from_headers([*names, png])


def test_no_identifying_tag_reaches_an_output_or_a_log(tmp_path, capsys, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    for site, n in (("A", 3), ("B", 6)):
        for i in range(n):
            values = RNG.integers(0, 4096, (24, 24), dtype=np.uint16)
            uid = {"SeriesInstanceUID": f"1.{i}", "StudyInstanceUID": f"2.{i}"}
            write_dicom(tmp_path / site / f"{i}.dcm", values, Modality="MR", **uid)
    raw = (tmp_path / "B" / "1.dcm").read_bytes()
    (tmp_path / "B" / "1.dcm").write_bytes(raw[:-200])  # pixels are missing
    # numbers that hold the name of a patient: pydicom would quote them
    for tag in ("RescaleSlope", "InstanceNumber", "WindowCenter", "NumberOfFrames", "PixelSpacing"):
        value = ["12345678"] * 2 if tag == "PixelSpacing" else "12345678"
        bad = write_dicom(tmp_path / "B" / f"bad{tag}.dcm", STORED, Modality="CT", **{tag: value})
        bad.write_bytes(bad.read_bytes().replace(b"12345678", b"MRN-4711"))
    arguments = ["select", "--source", tmp_path / "A", "--target", tmp_path / "B", "--budget", 2]
    out = tmp_path / "out"
    assert main([*map(str, arguments), "--out", str(out)]) == 2
    assert main([*map(str, arguments), "--out", str(out), "--skip-unreadable"]) == 0
    groups = groups_from_headers(sorted((tmp_path / "A").iterdir()))
    said = capsys.readouterr()
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    logged = caplog.text + "".join(str(warning.message) for warning in recwarn)
    everything = said.out + said.err + logged + str(groups) + written.decode("latin-1")
    for secret in SECRET:
        assert secret not in everything
    assert "1.dcm" in said.err


# ------------------------------------------------------------------ NIfTI


def test_slices_do_not_depend_on_how_the_volume_is_stored(tmp_path):
    values = RNG.uniform(0, 900, (6, 7, 8)).astype(np.float32)
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    plain = write_nifti(tmp_path / "plain.nii.gz", values, affine)
    # the same body, stored with axes in another order and direction
    turned = np.ascontiguousarray(values[::-1, :, ::-1].transpose(2, 0, 1))
    other = np.zeros((4, 4))
    other[2, 0], other[0, 1], other[1, 2], other[3, 3] = -4, -2, 3, 1
    other[:3, 3] = [2 * 5, 0, 4 * 7]
    stored = write_nifti(tmp_path / "stored.nii", turned, other)
    for axis in ("axial", "coronal", "sagittal"):
        for index in (0, 3):
            np.testing.assert_array_equal(
                read_image(f"{plain}#{axis}={index}"), read_image(f"{stored}#{axis}={index}")
            )
    # front of the body on top, its right side on the left
    np.testing.assert_array_equal(read_image(f"{plain}#axial=5"), values[::-1, ::-1, 5].T)
    np.testing.assert_array_equal(read_image(f"{plain}#coronal=2"), values[::-1, 2, ::-1].T)
    assert pixel_spacing(f"{stored}#axial=0") == pytest.approx((3, 2))
    assert pixel_spacing(f"{plain}#sagittal=0") == pytest.approx((4, 3))


def test_scaling_slope_nan_and_units(tmp_path):
    path = tmp_path / "v.nii"
    image = nibabel.Nifti1Image(RNG.integers(0, 1000, (6, 7, 8)).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, -20)
    nibabel.save(image, path)
    expected = nibabel.load(path).get_fdata()
    np.testing.assert_allclose(read_image(f"{path}#axial=1"), expected[::-1, ::-1, 1].T, rtol=1e-6)
    low, high = np.percentile(expected, [0.5, 99.5])
    scaled = ((expected - low) / (high - low)).clip(0, 1)[::-1, ::-1, 1].T
    np.testing.assert_allclose(Images([f"{path}#axial=1"])[0][..., 0], scaled, atol=1e-5)
    values = np.linspace(-1024, 1500, 6 * 7 * 8).reshape(6, 7, 8).astype(np.float32)
    values[0, 0, 0] = np.nan
    ct = write_nifti(tmp_path / "ct.nii.gz", values)
    corner = Images([f"{ct}#axial=0"])[0][-1, -1, 0]
    assert corner == 0
    assert "Hounsfield" in find_intensity_rule([f"{ct}#axial=0"]).text


def test_empty_slices_are_dropped_and_masks_pair_with_the_rest(tmp_path):
    values = np.zeros((10, 12, 9), dtype=np.int16)
    values[2:8, 3:9, 2:7] = RNG.integers(300, 900, (6, 6, 5))
    labels = (values > 0).astype(np.uint8)
    write_nifti(tmp_path / "i" / "case1.nii.gz", values)
    write_nifti(tmp_path / "m" / "case1_mask.nii.gz", labels)
    names = list_images(tmp_path / "i")
    assert [name.name for name in names] == [f"case1.nii.gz#axial={i}" for i in range(2, 7)]
    assert len(list_images(tmp_path / "i", keep_empty=True)) == 9
    assert len(list_slices([tmp_path / "i" / "case1.nii.gz"], axis="sagittal")) == 6
    pairs = pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    assert [image.name for image, _ in pairs] == [name.name for name in names]
    masks = Masks([mask for _, mask in pairs])
    np.testing.assert_array_equal(masks[0], labels[::-1, ::-1, 2].T)
    check_mask_shapes(names, masks)
    assert not find_unreadable(names)
    with pytest.raises(ValueError, match="axis must be axial"):
        list_slices(names, axis="oblique")


@pytest.mark.parametrize("what", ["moved", "flipped", "spacing"])
def test_masks_of_another_geometry_are_refused(tmp_path, what):
    values = RNG.integers(1, 900, (8, 8, 8)).astype(np.int16)
    affine = np.eye(4)
    if what == "moved":
        affine[0, 3] = 5
    elif what == "flipped":
        affine[0, 0], affine[0, 3] = -1, 7
    else:
        affine[2, 2] = 1.5
    image = write_nifti(tmp_path / "a.nii.gz", values)
    mask = write_nifti(tmp_path / "a_mask.nii.gz", (values > 450).astype(np.uint8), affine)
    names = f"{image}#axial=3", f"{mask}#axial=3"
    if what == "flipped":  # the same place, stored otherwise: what is read is turned
        check_mask_shapes([names[0]], [names[1]])
        return
    with pytest.raises(ValueError, match=r"a_mask\.nii\.gz and .*a\.nii\.gz lie in different"):
        check_mask_shapes([names[0]], [names[1]])


def test_what_is_no_volume_is_named(tmp_path):
    path = tmp_path / "t" / "a.nii.gz"
    path.parent.mkdir()
    path.write_bytes(b"no volume")
    (name,) = list_images(path.parent)
    assert name == path
    assert "ImageFileError" in find_unreadable([name])[name]
    four = write_nifti(tmp_path / "four.nii", np.zeros((4, 4, 4, 3), np.uint8))
    with pytest.raises(ImageReadError, match=r"shape \(4, 4, 4, 3\).*three dimensions"):
        read_image(f"{four}#axial=0")
    three = write_nifti(tmp_path / "three.nii", np.zeros((4, 5, 6), np.uint8))
    with pytest.raises(ImageReadError, match="volume of 6 slices.*#axial=0"):
        read_image(three)
    with pytest.raises(ImageReadError, match="no such slice"):
        read_image(f"{three}#axial=6")
    flat = write_nifti(tmp_path / "flat.nii", np.arange(20, dtype=np.uint8).reshape(4, 5))
    assert read_image(flat).shape == (5, 4)


# ------------------------------------------------------------------ both, and stacks of TIFF


def test_pages_of_a_tiff_are_pictures_unless_they_are_previews(tmp_path):
    pages = [Image.fromarray(RNG.integers(0, 256, (6, 8), dtype=np.uint8)) for _ in range(3)]
    stack = tmp_path / "t" / "stack.tif"
    stack.parent.mkdir()
    pages[0].save(stack, save_all=True, append_images=pages[1:])
    names = list_images(stack.parent)
    assert [name.name for name in names] == [f"stack.tif#page={i}" for i in range(3)]
    for name, page in zip(names, pages, strict=True):
        np.testing.assert_array_equal(read_image(name), np.asarray(page))
    pages[0].save(stack, save_all=True, append_images=[pages[1].resize((4, 3))])
    assert list_images(stack.parent) == [stack]


def test_select_lists_slices(tmp_path):
    for site, n in (("A", 1), ("B", 2)):
        for i in range(n):
            values = RNG.integers(200, 900, (16, 16, 5)).astype(np.int16)
            write_nifti(tmp_path / site / f"v{i}.nii.gz", values)
    out = tmp_path / "out"
    how = {"embedder": RandomFeaturesEmbedder(image_size=32), "selector": XSSRSelector()}
    result = select_from_folders(tmp_path / "A", tmp_path / "B", 4, out, verbose=0, **how)
    assert len(result.target) == 10
    record = json.loads((out / "selection.json").read_text())
    assert all("#axial=" in name for name in record["picked"])
    hashes = record["target_sha256"]
    assert len(set(hashes.values())) == 10  # slices of a volume are no copies of each other


def test_the_cache_is_bound_to_content_and_survives_damage(tmp_path):
    torch = pytest.importorskip("torch")
    from skxssr._torch.cache import Square

    values = RNG.integers(0, 900, (8, 8, 4)).astype(np.int16)
    path = write_nifti(tmp_path / "v.nii", values)
    cache, made = Cache(tmp_path / "cache"), []

    def fetch(name):
        def make():
            made.append(name)
            return Square(torch.full((1, 4, 4), float(len(made))), (8, 8))

        return cache.fetch(0, (name,), "how", make).pixels[0, 0, 0].item()

    names = [f"{path}#axial={i}" for i in range(2)]
    assert [fetch(name) for name in names * 2] == [1, 2, 1, 2]
    moved = path.rename(tmp_path / "moved.nii")
    assert fetch(f"{moved}#axial=1") == 2  # it is known by what is in it
    write_nifti(moved, values + 1)
    assert fetch(f"{moved}#axial=1") == 3
    for kept in (tmp_path / "cache").iterdir():
        data = bytearray(kept.read_bytes())
        data[-3] ^= 1  # one bit of the pixels
        kept.write_bytes(data)
    assert fetch(f"{moved}#axial=1") == 4
