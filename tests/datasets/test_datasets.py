"""The chest X-ray reader, on folders made from phantoms and on the real data where they are."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr.datasets import load_chest_xray, make_phantoms
from skxssr.io import Images, Masks, check_mask_shapes

N = 4
M_IDS = ["MCUCXR_0001_0", "MCUCXR_0002_0", "MCUCXR_0104_1", "MCUCXR_0108_1"]
S_IDS = ["CHNCXR_0001_0", "CHNCXR_0002_0", "CHNCXR_0327_1", "CHNCXR_0330_1"]


@pytest.fixture(scope="module")
def films():
    return {s: make_phantoms("chest", s, N, random_state=0, image_size=40) for s in "AB"}


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def prepared(root, films):
    for folder, names, data in (("montgomery", M_IDS, films["A"]), ("shenzhen", S_IDS, films["B"])):
        for i, name in enumerate(names):
            write(root / folder / "images" / f"{name}.png", data.images[i])
            write(root / folder / "masks" / f"{name}.png", data.masks[i] * 255)


def published_montgomery(root, films):
    middle = 20
    for i, name in enumerate(M_IDS):
        mask = films["A"].masks[i] > 0
        left, right = mask.copy(), mask.copy()
        left[:, :middle] = False  # the patient's left is on the image's right
        right[:, middle:] = False
        write(root / "MontgomerySet/CXR_png" / f"{name}.png", films["A"].images[i])
        write(root / "MontgomerySet/ManualMask/leftMask" / f"{name}.png", left)
        write(root / "MontgomerySet/ManualMask/rightMask" / f"{name}.png", right)
    (root / "MontgomerySet/NLM-MontgomeryCXRSet-ReadMe.pdf").touch()


def published_shenzhen(folder, mask_folder, films):
    for i, name in enumerate(S_IDS):
        write(folder / "CXR_png" / f"{name}.png", films["B"].images[i])
        write(mask_folder / f"{name}_mask.png", films["B"].masks[i] * 255)
    write(folder / "CXR_png" / "CHNCXR_0100_0.png", films["B"].images[0])  # nobody outlined it


def check(data, films):
    for part, names, truth in (
        (data.montgomery, M_IDS, films["A"]),
        (data.shenzhen, S_IDS, films["B"]),
    ):
        assert part.ids == names
        np.testing.assert_array_equal(part.labels, [0, 0, 1, 1])
        images, masks = Images(part.images), Masks(part.masks)
        check_mask_shapes(images, masks)
        for i in range(N):
            np.testing.assert_array_equal(images[i], Images(truth.images)[i])
            np.testing.assert_array_equal(masks[i] > 0, truth.masks[i] > 0)
    for word in ("Jaeger", "Candemir", "Stirenko", "CC BY-NC-SA", "National Library of Medicine"):
        assert word in data.DESCR


def test_prepared_layout_with_and_without_split(tmp_path, films):
    prepared(tmp_path, films)
    data = load_chest_xray(str(tmp_path))
    check(data, films)
    assert data.montgomery.split is None
    assert data.shenzhen.n_without_mask == 0
    split = tmp_path / "shenzhen" / "split"
    split.mkdir()
    (split / "train.txt").write_text("\n".join([S_IDS[2], S_IDS[0], S_IDS[1]]) + "\n")
    (split / "test.txt").write_text(f"{S_IDS[3]}\r\n")
    data = load_chest_xray(tmp_path)
    np.testing.assert_array_equal(data.shenzhen.split["train"], [2, 0, 1])
    np.testing.assert_array_equal(data.shenzhen.split["test"], [3])
    picked = Images(data.shenzhen.images).subset(data.shenzhen.split["train"])
    assert [Path(name).stem for name in picked.names] == [S_IDS[2], S_IDS[0], S_IDS[1]]


@pytest.mark.parametrize(
    ("folder", "mask_folder"),
    [
        ("ChinaSet_AllFiles", "mask"),
        ("ChinaSet_AllFiles", "ChinaSet_AllFiles/mask"),
        (".", "mask/mask"),  # as the masks' archive unpacks
    ],
)
def test_published_layouts(tmp_path, films, folder, mask_folder):
    published_montgomery(tmp_path, films)
    published_shenzhen(tmp_path / folder, tmp_path / mask_folder, films)
    data = load_chest_xray(tmp_path)
    check(data, films)
    assert data.shenzhen.n_without_mask == 1
    assert data.shenzhen.split is None


def test_missing_sets_say_where_was_looked(tmp_path, films):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        load_chest_xray(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError) as error:
        load_chest_xray(tmp_path)
    for part in ("no Montgomery set", "ManualMask/leftMask", "ChinaSet_AllFiles", str(tmp_path)):
        assert part in str(error.value)
    published_montgomery(tmp_path, films)
    with pytest.raises(FileNotFoundError, match="no Shenzhen set"):
        load_chest_xray(tmp_path)


def test_files_that_do_not_fit(tmp_path, films):
    prepared(tmp_path, films)
    split = tmp_path / "montgomery" / "split"
    split.mkdir()
    (split / "train.txt").write_text(f"{M_IDS[0]}\nMCUCXR_9999_0\n")
    with pytest.raises(ValueError, match=r"train\.txt .*1 unknown \(such as MCUCXR_9999_0\)"):
        load_chest_xray(tmp_path)
    (split / "train.txt").write_text(f"{M_IDS[0]}\n")
    with pytest.raises(FileNotFoundError, match=r"test\.txt"):
        load_chest_xray(tmp_path)
    (split / "test.txt").write_text(f"{M_IDS[0]}\n")
    with pytest.raises(ValueError, match=f"both files .*{M_IDS[0]}"):
        load_chest_xray(tmp_path)
    (split / "test.txt").write_text(f"{M_IDS[1]}\n")
    write(tmp_path / "shenzhen/images/photo.png", films["A"].images[0])
    with pytest.raises(ValueError, match=r"1 of 5 images lack a mask.*photo\.png"):
        load_chest_xray(tmp_path)
    write(tmp_path / "shenzhen/masks/photo.png", films["A"].masks[0])
    with pytest.raises(ValueError, match="1 film names do not end in _0 .* photo"):
        load_chest_xray(tmp_path)


def test_masks_without_a_film_in_the_published_set(tmp_path, films):
    published_montgomery(tmp_path, films)
    published_shenzhen(tmp_path, tmp_path / "mask", films)
    write(tmp_path / "mask/CHNCXR_0500_1_mask.png", films["B"].masks[0])
    with pytest.raises(ValueError, match=r"1 of 5 masks have no film .*CHNCXR_0500_1_mask"):
        load_chest_xray(tmp_path)


@pytest.mark.data
def test_real_data():
    root = Path(os.environ.get("SKXSSR_DATA", Path(__file__).parents[3] / "shared" / "data"), "cxr")
    if not root.is_dir():
        pytest.skip("no real chest X-rays: set SKXSSR_DATA, or put them in ../shared/data")
    data = load_chest_xray(root)
    assert (len(data.montgomery.ids), len(data.shenzhen.ids)) == (138, 550)
    assert np.bincount(data.montgomery.labels).tolist() == [80, 58]
    assert np.bincount(data.shenzhen.labels).tolist() == [263, 287]
    sizes = {part: len(rows) for part, rows in data.shenzhen.split.items()}
    assert sizes == {"train": 440, "test": 110}
    assert {part: len(rows) for part, rows in data.montgomery.split.items()} == {
        "train": 110,
        "test": 28,
    }
    image, mask = Images(data.shenzhen.images)[0], Masks(data.shenzhen.masks)[0]
    assert image.shape == (256, 256, 1)
    assert set(np.unique(mask)) == {0, 255}
    with Image.open(data.shenzhen.images[0]) as film:
        np.testing.assert_allclose(image[..., 0], np.asarray(film) / 255, rtol=1e-6)
