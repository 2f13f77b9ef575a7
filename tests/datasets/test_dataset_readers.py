"""Readers of brain MRI and fundus photographs, on small files in their layouts and on real ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr.datasets import load_lgg_mri, load_riga_plus
from skxssr.exceptions import ImageReadError
from skxssr.io import Images, Masks, check_mask_shapes

LGG_SITES = ("DU", "HT", "FG", "CS")
RIGA_SITES = ("BinRushed", "Magrabia", "MESSIDOR_Base1", "MESSIDOR_Base2", "MESSIDOR_Base3")


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path)


def square(size=12, value=1, low=3, high=8):
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[low:high, low:high] = value
    return mask


# ---- lower-grade glioma ----------------------------------------------------------------------


def lgg_ids(site):
    """In an order that is neither alphabetical nor by slice."""
    return [f"TCGA_{site}_A70_19990102_{n}" for n in (10, 9)] + [f"TCGA_{site}_5849_19950405_20"]


def prepared_lgg(root, value=1):
    for k, site in enumerate(LGG_SITES):
        for i, name in enumerate(lgg_ids(site)):
            write(root / site / "images" / f"{name}.png", np.full((12, 12), 10 * k + i))
            write(root / site / "masks" / f"{name}.png", square(value=value))


def published_lgg(root):
    for k, site in enumerate((*LGG_SITES, "EZ")):
        for i, name in enumerate([*lgg_ids(site), f"TCGA_{site}_A70_19990102_1"]):
            rgb = np.stack([np.full((12, 12), v) for v in (1, 10 * k + i, 3)], axis=-1)
            patient = root / name.rpartition("_")[0]
            write(patient / f"{name}.tif", rgb)
            write(patient / f"{name}_mask.tif", square(value=255) if i < 3 else square(value=0))
    (root / "README.md").touch()


@pytest.mark.parametrize("layout", ["prepared", "published", "published in kaggle_3m"])
def test_lgg_layouts_give_the_same(tmp_path, layout):
    if layout == "prepared":
        prepared_lgg(tmp_path)
    else:
        published_lgg(tmp_path / "kaggle_3m" if "kaggle" in layout else tmp_path)
    data = load_lgg_mri(str(tmp_path))
    assert data.sites == LGG_SITES
    for k, site in enumerate(data.sites):
        part = data[site]
        assert part.site == site
        a10, a9, b20 = lgg_ids(site)
        assert part.ids == [b20, a9, a10]
        assert part.groups.tolist() == [f"TCGA_{site}_{p}" for p in ("5849", "A70", "A70")]
        assert part.slices.tolist() == [20, 9, 10]
        assert part.n_without_tumour == (0 if layout == "prepared" else 1)
        images, masks = Images(part.images), Masks(part.masks)
        check_mask_shapes(images, masks)
        for i, stored in enumerate((2, 1, 0)):
            expected = np.full((12, 12, 1), (10 * k + stored) / 255)
            np.testing.assert_allclose(images[i], expected, rtol=1e-6)
            np.testing.assert_array_equal(masks[i], square())
    text = " ".join(data.DESCR.split())
    for word in ("conditional on a lesion being present", "Buda", "CC BY-NC-SA", "by patient"):
        assert word in text


def test_lgg_masks_of_255_become_1_and_others_are_refused(tmp_path):
    prepared_lgg(tmp_path, value=255)
    site = load_lgg_mri(tmp_path).FG
    np.testing.assert_array_equal(Masks(site.masks)[0], square())
    write(site.masks[1].path, square(value=7))
    with pytest.raises(ImageReadError, match=r"_9\.png: its values must be among .* \[7\]"):
        Masks(site.masks)[1]


def test_lgg_errors_name_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)no folder .*nowhere.*kaggle_3m"):
        load_lgg_mri(tmp_path / "nowhere")
    prepared_lgg(tmp_path)
    (tmp_path / "HT").rename(tmp_path / "ht_")
    with pytest.raises(FileNotFoundError, match=r"(?s)no LGG MRI site HT in .*prepared: .*publish"):
        load_lgg_mri(tmp_path)
    (tmp_path / "ht_").rename(tmp_path / "HT")
    name = lgg_ids("CS")[0]
    mask = tmp_path / "CS" / "masks" / f"{name}.png"
    mask.unlink()
    with pytest.raises(ValueError, match=rf"1 of 3 images lack a mask .*{name}"):
        load_lgg_mri(tmp_path)
    write(mask, square())
    write(tmp_path / "CS/images/TCGA_DU_1_19990101_1.png", square())
    write(tmp_path / "CS/masks/TCGA_DU_1_19990101_1.png", square())
    with pytest.raises(ValueError, match="DU_1_19990101_1.png is not a slice of site CS"):
        load_lgg_mri(tmp_path)


def test_published_lgg_errors(tmp_path):
    published_lgg(tmp_path)
    name = lgg_ids("DU")[0]
    patient = tmp_path / name.rpartition("_")[0]
    for suffix, kept in (("_mask", ""), ("", "_mask")):
        path = patient / f"{name}{suffix}.tif"
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(ValueError, match=rf"1 files in .*no partner, such as {name}{kept}.tif"):
            load_lgg_mri(tmp_path)
        path.write_bytes(content)
    write(patient / f"{name}.tif", square())
    images = Images(load_lgg_mri(tmp_path).DU.images)
    with pytest.raises(ImageReadError, match=rf"{name}.tif: channel 1 .* is gray"):
        images[2]
    for path in tmp_path.glob("TCGA_FG_*/*_mask.tif"):
        write(path, square(value=0))
    with pytest.raises(FileNotFoundError, match="no LGG MRI site FG"):
        load_lgg_mri(tmp_path)


def real_data(name):
    root = Path(os.environ.get("SKXSSR_DATA", Path(__file__).parents[3] / "shared" / "data"), name)
    if not root.is_dir():
        pytest.skip(f"no real {name}: set SKXSSR_DATA, or put them in ../shared/data")
    return root


@pytest.mark.data
def test_real_lgg():
    root = real_data("lgg_mri")
    data = load_lgg_mri(root)
    sizes = {site: (len(set(data[site].groups)), len(data[site].ids)) for site in data.sites}
    assert sizes == {"DU": (45, 624), "HT": (34, 404), "FG": (14, 218), "CS": (16, 121)}
    for site in data.sites:
        part = data[site]
        for patient in np.unique(part.groups):
            (rows,) = np.nonzero(part.groups == patient)
            assert (np.diff(rows) == 1).all()
            assert (np.diff(part.slices[rows]) > 0).all()
    site = data.CS
    images, masks = Images(site.images), Masks(site.masks)
    assert images[3].shape == (256, 256, 1)
    with Image.open(root / "CS" / "masks" / f"{site.ids[3]}.png") as mask:
        np.testing.assert_array_equal(masks[3], np.asarray(mask) > 0)
    assert all(set(np.unique(masks[i])) == {0, 1} for i in range(0, 121, 20))


# ---- RIGA+ -----------------------------------------------------------------------------------


def disc_and_cup(background=0, rim=255, cup=128, shift=0):
    """A cup that touches the rim's border on one side, as cups may."""
    mask = np.full((20, 20), background, dtype=np.uint8)
    mask[4 + shift : 16, 4:16] = rim
    mask[8:12, 10:16] = cup
    return mask


def riga(root):
    """Two training photographs and one test photograph a domain, named alike in two folders."""
    for k, domain in enumerate(RIGA_SITES):
        for part, names in (("train", ("b/image1", "a/image1")), ("test", ("b/image-2",))):
            lines = ["image,mask"]
            for name in names:
                path = f"{domain}/{domain}_{name}.tif"
                lines.append(f"RIGA/{path},RIGA-mask/{path}")
                write(root / "RIGA" / path, np.full((20, 20, 3), 20 * k + len(name)))
                for reader in range(1, 7):
                    mask = root / "RIGA-mask" / path.replace(".tif", f"-{reader}.tif")
                    write(mask, disc_and_cup(shift=reader % 4))
            (root / f"{domain}_{part}.csv").write_text("\r\n".join(lines) + "\r\n")
    write(root / "RIGA/MESSIDOR_Base2/Unlabeled/x.tif", np.zeros((20, 20, 3)))
    text = "image\nRIGA/MESSIDOR_Base2/Unlabeled/x.tif\n"
    (root / "MESSIDOR_Base2_unlabeled.csv").write_text(text)


@pytest.fixture
def riga_root(tmp_path):
    riga(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("structure", "rim", "cup"), [("disc", 1, 1), ("cup", 0, 1), ("both", 1, 2)]
)
def test_riga_plus(riga_root, structure, rim, cup):
    data = load_riga_plus(riga_root, structure)
    assert data.sites == RIGA_SITES
    for k, domain in enumerate(data.sites):
        part = data[domain]
        names = [f"{domain}_b/image1", f"{domain}_a/image1", f"{domain}_b/image-2"]
        assert part.ids == [f"{domain}/{name}" for name in names]
        assert part.groups is None
        assert {name: rows.tolist() for name, rows in part.split.items()} == {
            "train": [0, 1],
            "test": [2],
        }
        assert [path.name for path in part.unlabeled] == ["x.tif"] * (domain == "MESSIDOR_Base2")
        assert sorted(part.classes.values()) == sorted({0, rim, cup} | {0})
        images, masks = Images(part.images), Masks(part.masks)
        check_mask_shapes(images, masks)
        np.testing.assert_allclose(images[2], (20 * k + len("b/image-2")) / 255, rtol=1e-6)
        for mask in masks:
            np.testing.assert_array_equal(mask, disc_and_cup(rim=rim, cup=cup, shift=1))
    for word in ("Hu", "Almazroa", "CC BY-NC", "6325549", "six ophthalmologists"):
        assert word in data.DESCR


def test_riga_plus_other_reader(riga_root):
    masks = Masks(load_riga_plus(riga_root, reader=3).Magrabia.masks)
    np.testing.assert_array_equal(masks[1], disc_and_cup(rim=1, cup=1, shift=3))


@pytest.mark.parametrize(
    "mask",
    [
        disc_and_cup(background=255, rim=128, cup=0),  # REFUGE's coding
        np.pad(np.pad(np.full((4, 4), 255), 3, constant_values=128), 5),  # the classes swapped
    ],
    ids=["REFUGE", "swapped"],
)
def test_riga_plus_refuses_other_codings(riga_root, mask):
    part = load_riga_plus(riga_root, "cup").BinRushed
    write(part.masks[1].path, mask)
    with pytest.raises(ImageReadError, match=r"image1-1\.tif: in RIGA\+ the background is 0"):
        Masks(part.masks)[1]
    write(part.masks[1].path, disc_and_cup(cup=100))
    with pytest.raises(ImageReadError, match=r"must be among \[0, 255, 128\]. Got also \[100\]"):
        Masks(part.masks)[1]


def test_riga_plus_accepts_a_disc_without_cup_and_an_empty_mask(riga_root):
    part = load_riga_plus(riga_root, "both").BinRushed
    for mask in (disc_and_cup(cup=255), np.zeros((20, 20))):
        write(part.masks[0].path, mask)
        np.testing.assert_array_equal(Masks(part.masks)[0], (mask > 0).astype(int))


def test_riga_plus_parameters(riga_root):
    with pytest.raises(ValueError, match=r"structure must be one of .*Got 'rim'"):
        load_riga_plus(riga_root, "rim")
    for reader in (0, 7, True, 1.5, "1"):
        with pytest.raises(ValueError, match="reader must be an int from 1 to 6"):
            load_riga_plus(riga_root, reader=reader)


def test_riga_plus_missing_files(riga_root):
    with pytest.raises(FileNotFoundError, match=r"(?s)no folder .*RIGAPlus\.zip"):
        load_riga_plus(riga_root / "nowhere")
    mask = next((riga_root / "RIGA-mask" / "Magrabia").rglob("image-2-1.tif"))
    mask.unlink()
    message = r"1 of 6 files listed in .*Magrabia_\*\.csv are missing, such as .*image-2-1\.tif"
    with pytest.raises(FileNotFoundError, match=message):
        load_riga_plus(riga_root)
    load_riga_plus(riga_root, reader=2)
    (riga_root / "BinRushed_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no BinRushed_test\.csv in "):
        load_riga_plus(riga_root, reader=2)


def test_riga_plus_bad_lists(riga_root):
    path = riga_root / "Magrabia_test.csv"
    path.write_text((riga_root / "Magrabia_train.csv").read_text())
    with pytest.raises(ValueError, match="2 photographs more than once.*for training or for test"):
        load_riga_plus(riga_root)
    path.write_text("image,label\na,b\n")
    with pytest.raises(ValueError, match=r"Magrabia_test\.csv lacks the column 'mask'"):
        load_riga_plus(riga_root)
    for text in ("image,mask\n", "image,mask\nRIGA/a.tif\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="must list at least one file"):
            load_riga_plus(riga_root)
