"""The reader of prostate MRI, on small volumes in the published layout."""

import builtins
import pickle

import numpy as np
import pytest

from skxssr.datasets import load_prostate
from skxssr.exceptions import ImageReadError, MissingExtraError
from skxssr.io import Images, Masks, check_mask_shapes

SITES = ("RUNMC", "BMC", "I2CVB", "UCL", "BIDMC", "HK")


def volume(seed, depth=4):
    """Of shape (columns, rows, slices), as NIfTI stores it."""
    return np.random.default_rng(seed).normal(100, 40, size=(7, 9, depth)).astype(np.float32)


def zones(depth=4):
    """Two zones on the middle slices, none on the first and the last."""
    labels = np.zeros((7, 9, depth), dtype=np.uint8)
    labels[2:5, 3:8, 1:-1] = 1
    labels[3:5, 3:5, 1:-1] = 2
    return labels


@pytest.fixture
def save():
    nibabel = pytest.importorskip("nibabel", reason="volumes are read by nibabel")

    def write_volume(path, array, zooms=(0.5, 0.75, 3.0)):
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([*zooms, 1.0])), path)

    return write_volume


@pytest.fixture
def prostate_root(tmp_path, save):
    for k, site in enumerate(SITES):
        word = "Segmentation" if site == "BMC" else "segmentation"
        for case in (0, 1):
            depth = 4 + case
            save(tmp_path / site / f"Case{case:02d}.nii.gz", volume(2 * k + case, depth))
            save(tmp_path / site / f"Case{case:02d}_{word}.nii.gz", zones(depth))
    (tmp_path / "HK" / "notes.txt").touch()
    return tmp_path


def test_prostate(prostate_root):
    data = load_prostate(str(prostate_root))
    assert data.sites == SITES
    for k, site in enumerate(data.sites):
        part = data[site]
        assert part.site == site
        assert part.groups.tolist() == [f"{site}_Case00"] * 4 + [f"{site}_Case01"] * 5
        assert part.slices.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4]
        assert part.ids[5] == f"{site}_Case01_01"
        assert len(set(part.ids)) == 9
        np.testing.assert_allclose(part.spacing, np.tile([0.75, 0.5], (9, 1)))
        assert part.n_without_prostate is None
        images, masks = Images(part.images), Masks(part.masks)
        check_mask_shapes(images, masks)
        raw = volume(2 * k + 1, 5)
        low, high = np.percentile(raw, [1, 99])
        scaled = (np.clip(raw, low, high) - low) / (high - low)
        for z in range(5):
            np.testing.assert_allclose(images[4 + z][..., 0], scaled[:, :, z].T, atol=1e-5)
            np.testing.assert_array_equal(masks[4 + z], zones(5)[:, :, z].T > 0)
    assert "All slices of each volume are kept" in data.DESCR
    for word in ("Liu", "Bloch", "Lemaitre", "Litjens", "NCI-ISBI", "PROMISE12"):
        assert word in data.DESCR


def test_prostate_slices_with_foreground_say_so(prostate_root):
    data = load_prostate(prostate_root, slices="foreground")
    assert "uses the labels of all\nslices" in data.DESCR
    assert data.UCL.slices.tolist() == [1, 2, 1, 2, 3]
    assert data.UCL.n_without_prostate == 4
    assert all(mask.any() for mask in Masks(data.UCL.masks))
    everything = load_prostate(prostate_root).UCL
    same = [everything.ids.index(name) for name in data.UCL.ids]
    for i, j in enumerate(same):
        np.testing.assert_array_equal(Images(data.UCL.images)[i], Images(everything.images)[j])


def test_prostate_items_can_be_pickled_and_do_not_leak_into_the_cache(prostate_root):
    item = load_prostate(prostate_root).HK.images[1]
    again = np.asarray(pickle.loads(pickle.dumps(item)))
    np.testing.assert_array_equal(again, np.asarray(item))
    assert not np.asarray(item).flags.writeable
    copy = np.array(item)
    copy[:] = 0
    assert np.asarray(item).any()


def test_prostate_degenerate_but_legal_volumes(prostate_root, save):
    flat = np.full((7, 9, 4), 5, dtype=np.int16)
    save(prostate_root / "UCL" / "Case00.nii.gz", flat)
    assert not Images(load_prostate(prostate_root).UCL.images)[0].any()


def test_prostate_reads_lazily(prostate_root):
    data = load_prostate(prostate_root)
    (prostate_root / "UCL" / "Case00.nii.gz").unlink()
    with pytest.raises(ImageReadError, match=r"cannot read volume .*UCL.*Case00\.nii\.gz"):
        Images(data.UCL.images)[0]


def test_prostate_missing_files(prostate_root):
    with pytest.raises(ValueError, match="slices must be 'all' or 'foreground'. Got 'tumour'"):
        load_prostate(prostate_root, slices="tumour")
    with pytest.raises(FileNotFoundError, match=r"(?s)no folder .*CaseXX"):
        load_prostate(prostate_root / "nowhere")
    (prostate_root / "BMC").rename(prostate_root / "bmc_")
    with pytest.raises(FileNotFoundError, match=r"no prostate site BMC in"):
        load_prostate(prostate_root)
    (prostate_root / "BMC").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no volume of prostate site BMC"):
        load_prostate(prostate_root)


def test_prostate_mismatched_files(prostate_root, save):
    image, mask = (prostate_root / "UCL" / f"Case00{end}.nii.gz" for end in ("", "_segmentation"))
    for gone, what, left in ((image, "volume", mask), (mask, "mask", image)):
        content = gone.read_bytes()
        gone.unlink()
        with pytest.raises(
            ValueError, match=rf"of 2 files in .*have no {what}, such as {left.name}"
        ):
            load_prostate(prostate_root)
        gone.write_bytes(content)
    save(mask, zones(5))
    with pytest.raises(ValueError, match=r"shape \(7, 9, 5\) but .* has \(7, 9, 4\)"):
        load_prostate(prostate_root)
    save(mask, zones())
    save(mask.with_suffix(""), zones())
    with pytest.raises(ValueError, match=r"are both Case00: which one"):
        load_prostate(prostate_root)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("Case00_segmentation", zones() + 2, r"among \[0, 1, 2\]. Got also \[3.0, 4.0\]"),
        ("Case00", np.full((7, 9, 4), np.nan, dtype=np.float32), "values that are not finite"),
    ],
)
def test_prostate_bad_values(prostate_root, save, name, array, message):
    save(prostate_root / "UCL" / f"{name}.nii.gz", array)
    part = load_prostate(prostate_root).UCL
    with pytest.raises(ImageReadError, match=message):
        Masks(part.masks)[0] if "seg" in name else Images(part.images)[0]


def test_prostate_bad_volumes(prostate_root, save):
    path = prostate_root / "UCL" / "Case00.nii.gz"
    save(path, np.zeros((7, 9, 4, 2), dtype=np.uint8), zooms=(1, 1, 1))
    with pytest.raises(ImageReadError, match=r"shape \(7, 9, 4, 2\), and a volume has three"):
        load_prostate(prostate_root)
    path.write_bytes(b"no volume")
    with pytest.raises(ImageReadError, match=r"cannot read volume .*Case00"):
        load_prostate(prostate_root)


def test_prostate_foreground_of_empty_masks(prostate_root, save):
    for path in (prostate_root / "I2CVB").glob("*_segmentation.nii.gz"):
        depth = 5 if "01" in path.name else 4
        save(path, np.zeros((7, 9, depth), dtype=np.uint8))
    with pytest.raises(ValueError, match="no slice of site I2CVB shows prostate"):
        load_prostate(prostate_root, slices="foreground")


def test_prostate_without_nibabel(tmp_path, monkeypatch):
    for site in SITES:
        (tmp_path / site).mkdir()
        for name in ("Case00.nii.gz", "Case00_segmentation.nii.gz"):
            (tmp_path / site / name).touch()
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "nibabel":
            raise ModuleNotFoundError("No module named 'nibabel'", name="nibabel")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MissingExtraError, match=r"'nibabel'.*skxssr\[volumes\]"):
        load_prostate(tmp_path)
