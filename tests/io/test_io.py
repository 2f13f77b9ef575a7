"""Reading images and masks, against Pillow's own decoding and hand-made files."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skxssr.exceptions import ImageReadError
from skxssr.io import (
    Images,
    Masks,
    check_mask_shapes,
    find_unreadable,
    list_images,
    pair_images_and_masks,
    read_image,
    read_mask,
)

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RGB = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=-1)


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


# ---------------------------------------------------------------- files


def test_list_images_is_recursive_sorted_and_skips_hidden(tmp_path):
    names = ["b/2.PNG", "b/1.jpeg", "a.tif", "b.bmp", "c/d/e.TIFF", "z.jpg"]
    for name in [*names, ".hidden.png", ".thumbs/x.png", "notes.txt", "b/mask.npy"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == sorted(names)
    assert list_images(str(tmp_path)) == list_images(tmp_path)


def test_files_of_every_kind_are_found_and_read(tmp_path):
    formats = {"a.webp": "WEBP", "b.jp2": "JPEG2000", "c": "PNG", "d.dcm": "PNG", "e.5": "TIFF"}
    for name, kind in formats.items():
        how = {"lossless": True} if kind == "WEBP" else {}
        Image.fromarray(RGB).save(tmp_path / name, format=kind, **how)
    (tmp_path / "README").write_text("no picture")
    (tmp_path / "empty").touch()
    found = list_images(tmp_path)
    assert [path.name for path in found] == list(formats)
    for path in found:
        np.testing.assert_array_equal(read_image(path), RGB)


def test_list_images_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*png"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "film.png").touch()
    with pytest.raises(NotADirectoryError, match=r"film\.png is a file"):
        list_images(tmp_path / "film.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no image in .*empty.*\.png, \.jpg"):
        list_images(tmp_path / "empty")


def test_pairs_by_name_with_mask_suffix_and_subfolders(tmp_path):
    for name in ("i/a.png", "i/s/a.jpg", "i/b_mask.png", "m/a_mask.png", "m/s/a.png"):
        save(tmp_path / name, GRAY)
    save(tmp_path / "m/b_mask.tif", GRAY)
    pairs = pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    assert [(i.relative_to(tmp_path).as_posix(), m.name) for i, m in pairs] == [
        ("i/a.png", "a_mask.png"),
        ("i/b_mask.png", "b_mask.tif"),
        ("i/s/a.jpg", "a.png"),
    ]


def test_unpaired_files_are_counted_and_named(tmp_path):
    for name in ("i/a.png", "i/b.png", "m/a.png", "m/c.png", "m/d_mask.png"):
        save(tmp_path / name, GRAY)
    with pytest.raises(ValueError) as error:
        pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    for part in ("1 of 2 images", "b.png", "2 of 3 masks", "c.png, d_mask.png"):
        assert part in str(error.value)
    save(tmp_path / "i/a.jpg", GRAY)
    with pytest.raises(ValueError, match="same name without suffix"):
        pair_images_and_masks(tmp_path / "i", tmp_path / "m")


@pytest.mark.parametrize("n_jobs", [None, -1, 1, 2])
def test_find_unreadable_gives_reasons(tmp_path, n_jobs):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    good = save(tmp_path / "good.png", noise)
    cut = tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:2000])
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    gone = tmp_path / "gone.png"
    bad = find_unreadable([good, cut, text, gone], n_jobs)
    assert list(bad) == [cut, text, gone]
    assert "truncated" in bad[cut]
    assert bad[text] == "cannot identify image file"
    assert bad[gone] == "no such file"


# ---------------------------------------------------------------- decoding


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg"])
@pytest.mark.parametrize("array", [GRAY, RGB], ids=["gray", "rgb"])
def test_read_image_is_what_pillow_decodes(tmp_path, suffix, array):
    path = save(tmp_path / f"x{suffix}", array)
    got = read_image(path)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous and got.flags.writeable
    np.testing.assert_array_equal(got, np.asarray(Image.open(path)))
    if suffix != ".jpg":
        np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_gray_is_kept(tmp_path, suffix):
    deep = GRAY.astype(np.uint16) * 257
    got = read_image(save(tmp_path / f"x{suffix}", deep))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, deep)


def test_big_endian_tiff_and_float_tiff(tmp_path):
    deep = GRAY.astype(np.uint16) * 257
    path = tmp_path / "be.tif"
    # a minimal big-endian TIFF, written by hand: header, one directory, one strip
    entries = [(256, 6), (257, 4), (258, 16), (259, 1), (262, 1), (273, 130), (277, 1), (278, 4)]
    entries += [(279, 48)]
    body = b"MM\x00*\x00\x00\x00\x08" + len(entries).to_bytes(2, "big")
    for tag, value in entries:
        body += tag.to_bytes(2, "big") + b"\x00\x04\x00\x00\x00\x01" + value.to_bytes(4, "big")
    path.write_bytes((body + bytes(4)).ljust(130, b"\x00") + deep.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path), deep)
    np.testing.assert_array_equal(read_mask(path), deep)
    assert read_mask(path).dtype.isnative
    floats = (GRAY / 255).astype(np.float32)
    np.testing.assert_array_equal(read_image(save(tmp_path / "f.tif", floats)), floats)


def test_palette_alpha_and_one_bit(tmp_path):
    palette = Image.fromarray(GRAY // 60)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.save(tmp_path / "p.png")
    assert palette.mode == "P"
    np.testing.assert_array_equal(
        read_image(tmp_path / "p.png"), np.asarray(palette.convert("RGB"))
    )
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png"), GRAY // 60)

    rgba = np.dstack([RGB, GRAY])
    np.testing.assert_array_equal(read_image(save(tmp_path / "rgba.png", rgba)), RGB)
    la = np.dstack([GRAY, RGB[..., 1]])
    np.testing.assert_array_equal(read_image(save(tmp_path / "la.png", la)), GRAY)
    np.testing.assert_array_equal(read_mask(tmp_path / "la.png"), GRAY)

    save(tmp_path / "bit.png", GRAY > 100)
    np.testing.assert_array_equal(read_image(tmp_path / "bit.png"), (GRAY > 100) * np.uint8(255))
    mask = read_mask(tmp_path / "bit.png")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, GRAY > 100)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    turned = {
        1: GRAY,
        2: GRAY[:, ::-1],
        3: GRAY[::-1, ::-1],
        4: GRAY[::-1],
        5: GRAY.T,
        6: np.rot90(GRAY, -1),
        7: np.rot90(GRAY, 2).T,
        8: np.rot90(GRAY),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "x.png", GRAY, exif=exif)
    np.testing.assert_array_equal(read_image(path), turned)
    np.testing.assert_array_equal(read_mask(path), turned)


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_unreadable_files_are_named_with_the_reason(tmp_path, read):
    with pytest.raises(ImageReadError, match=r"gone\.png: no such file"):
        read(tmp_path / "gone.png")
    with pytest.raises(ImageReadError, match="it is a folder"):
        read(tmp_path)
    empty = tmp_path / "empty.png"
    empty.touch()
    with pytest.raises(ImageReadError, match=r"empty\.png: cannot identify"):
        read(empty)
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(stream.getvalue()[:3000])
    with pytest.raises(ImageReadError, match=r"cut\.jpg: .*truncated"):
        read(tmp_path / "cut.jpg")
    pages = [Image.fromarray(GRAY) for _ in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageReadError, match=r"pages\.tif: it holds 3 images"):
        read(tmp_path / "pages.tif")


def test_thirty_two_bit_integers_are_labels_but_no_image(tmp_path):
    labels = GRAY.astype(np.int32) * 70_000
    path = save(tmp_path / "labels.tif", labels)
    np.testing.assert_array_equal(read_mask(path), labels)
    with pytest.raises(ImageReadError, match="32-bit integers"):
        read_image(path)


def test_colour_mask_only_if_channels_agree(tmp_path):
    path = save(tmp_path / "gray_as_rgb.png", np.dstack([GRAY] * 3))
    np.testing.assert_array_equal(read_mask(path), GRAY)
    with pytest.raises(ImageReadError, match=r"overlay\.png: it is a colour image \(RGB, 24"):
        read_mask(save(tmp_path / "overlay.png", RGB))
    np.testing.assert_array_equal(
        read_mask(save(tmp_path / "w.tif", GRAY.astype(np.float32))), GRAY
    )
    with pytest.raises(ImageReadError, match="not all whole numbers"):
        read_mask(save(tmp_path / "p.tif", (GRAY / 255).astype(np.float32)))


# ---------------------------------------------------------------- stacks


@pytest.mark.parametrize("array", [GRAY, RGB, GRAY.astype(np.uint16) * 257], ids=["L", "RGB", "16"])
def test_path_and_array_give_the_same_floats(tmp_path, array):
    path = save(tmp_path / "x.png", array)
    from_path, from_array = Images([path])[0], Images([array])[0]
    assert from_path.dtype == np.float32
    assert from_path.shape == (4, 6, 3 if array.ndim == 3 else 1)
    assert from_path.flags.c_contiguous
    np.testing.assert_array_equal(from_path, from_array)
    np.testing.assert_array_equal(from_path, Images(array[None])[0])
    expected = array.reshape(from_path.shape) / np.iinfo(array.dtype).max
    np.testing.assert_allclose(from_path, expected, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, bool])
def test_floats_and_bools_pass_unchanged(dtype):
    array = (GRAY / 255).astype(dtype)
    image = Images([array])[0]
    np.testing.assert_array_equal(image[..., 0], array.astype(np.float32))
    image[:] = 7  # an item is a copy
    assert array.max() <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "from 0 to 1.5"), (-1, "from -1 to 0"), (np.nan, "nan"), (np.inf, "inf")],
)
def test_floats_out_of_range_name_image_and_remedy(value, text):
    array = np.zeros((5, 4, 6))
    array[3, 1, 1] = value
    images = Images(array)  # lazily: the others can be read
    assert images[2].max() == 0
    with pytest.raises(ValueError, match=f"image 3 has floats .*{text}.*Rescale"):
        images[3]
    with pytest.raises(ValueError, match="image 3"):
        images.subset([4, 3])[1]


def test_sequence_behaviour(tmp_path):
    array = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 4, 6), dtype=np.uint8)
    images = Images(array)
    assert len(images) == 5
    assert [int(image.max() * 255 + 0.5) for image in images] == [0, 1, 2, 3, 4]
    assert images.names == [f"image {i}" for i in range(5)]
    assert images.subset([3, 0]).names == images[3::-3].names == ["image 3", "image 0"]
    assert images.subset(array[:, 0, 0] > 2).subset([1]).names == ["image 4"]
    np.testing.assert_array_equal(images[-1], images[4])
    again = Images(images.subset([2, 1]))
    assert again.names == ["image 2", "image 1"]
    np.testing.assert_array_equal(again[0], images[2])
    with pytest.raises(IndexError):
        images[5]
    with pytest.raises(ValueError, match="indices"):
        images.subset([])
    with pytest.raises(ValueError, match="all False"):
        images.subset(np.zeros(5, dtype=bool))
    with pytest.raises(ValueError, match="float64"):
        images.subset([0.5])
    paths = np.array([str(save(tmp_path / "a.png", GRAY)), "b.png"])
    assert Images(paths).names == list(paths)
    mixed = Images([tmp_path / "a.png", GRAY, RGB[:2]])
    assert [image.shape for image in mixed] == [(4, 6, 1), (4, 6, 1), (2, 6, 3)]


def test_memory_map_is_not_read(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((6, 8, 8), dtype=np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    images, masks = Images(mapped), Masks(mapped)
    assert isinstance(images.subset([1, 2])._source, np.memmap)
    for item in (images[1], masks[1]):
        assert type(item) is np.ndarray
        assert item.flags.writeable


@pytest.mark.parametrize(
    ("images", "text"),
    [
        ([], "images is empty"),
        (np.zeros((0, 4, 4)), "images is empty"),
        ("folder", "list_images"),
        (Path("x.png"), "pass a list of paths"),
        (np.zeros((20, 20)), r"images\[None\]"),
        (np.zeros((20, 20, 3)), r"images\[None\]"),
        (np.zeros((2, 3, 8, 8)), "moveaxis"),
        (np.zeros((2, 8, 8, 2)), r"\(2, 8, 8, 2\)"),
        (np.zeros((2, 8, 0)), "no pixels"),
        (np.zeros((2, 8, 8), dtype=np.int64), r"int64.*astype\(np.uint8\)"),
        (np.zeros((2, 8, 8), dtype=complex), "complex128"),
    ],
)
def test_images_refuse(images, text):
    with pytest.raises(ValueError, match=text):
        Images(images)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.zeros(4), r"image 0 must have shape .*Got \(4, 1\)|image 0 must have shape"),
        (np.zeros((4, 4, 4)), "image 0 must have shape"),
        (np.zeros((4, 4), dtype=int), "image 0 has dtype int64"),
        (np.zeros((0, 4)), "image 0 has no pixels"),
    ],
)
def test_images_refuse_items_when_read(item, text):
    with pytest.raises(ValueError, match=text):
        Images([item])[0]


def test_masks_give_raw_integers(tmp_path):
    path = save(tmp_path / "m.png", GRAY)
    masks = Masks([path, GRAY.astype(np.int16), GRAY > 50, GRAY.astype(float)])
    assert [mask.dtype for mask in masks] == [np.uint8, np.int16, np.uint8, np.int64]
    for i in (0, 1, 3):
        np.testing.assert_array_equal(masks[i], GRAY)
    np.testing.assert_array_equal(masks[2], GRAY > 50)
    assert masks.names == [str(path), "mask 1", "mask 2", "mask 3"]
    with pytest.raises(ValueError, match="mask 1 .*whole numbers.*> 0.5"):
        Masks([GRAY, GRAY / 255])[1]
    for bad in (np.zeros((4, 4)), np.zeros((2, 4, 4, 1)), np.zeros((2, 4, 0))):
        with pytest.raises(ValueError, match="masks"):
            Masks(bad)
    with pytest.raises(ValueError, match="mask 0 must have shape"):
        Masks([RGB])[0]


def test_masks_in_parts_are_united(tmp_path):
    left, right = np.zeros_like(GRAY), np.zeros_like(GRAY)
    left[:, 4:] = 255
    right[:, :2] = 255
    parts = (save(tmp_path / "l.png", left), save(tmp_path / "r.png", right))
    masks = Masks([parts])
    np.testing.assert_array_equal(masks[0], left + right)
    assert masks.names == [f"{parts[0]} + {parts[1]}"]
    small = save(tmp_path / "s.png", right[:2])
    with pytest.raises(ValueError, match=r"l\.png is \(4, 6\).*s\.png is \(2, 6\)"):
        Masks([(parts[0], small)])[0]


def test_check_mask_shapes_names_both(tmp_path):
    film, mask = save(tmp_path / "film.png", RGB), save(tmp_path / "lung.png", GRAY[:3])
    check_mask_shapes([film, GRAY], [GRAY, GRAY])
    with pytest.raises(
        ValueError, match=r"lung\.png has shape \(3, 6\) but .*film\.png has \(4, 6\)"
    ):
        check_mask_shapes([GRAY, film], [GRAY, mask])
    with pytest.raises(ValueError, match="2 images and 1 masks"):
        check_mask_shapes([film, film], [mask])
