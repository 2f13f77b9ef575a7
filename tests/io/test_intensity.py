"""What values of pictures mean: the same film, in whatever file it comes, gives the same floats."""

import json
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from skxssr import RandomFeaturesEmbedder, XSSRSelector
from skxssr.cli import main
from skxssr.exceptions import ImageReadError
from skxssr.io import Images, Masks, find_intensity_rule, read_image, read_mask
from skxssr.io.levels import count_values
from skxssr.workflows.select import select_from_folders

FILM = np.add.outer(4 * np.arange(24), 5 * np.arange(30)).astype(np.uint8)
DEEP = FILM.astype(np.uint16)


def tiff(path, array, photometric, sample_format=1):
    """An uncompressed TIFF, written by hand, since Pillow writes no white-is-zero of 16 bits."""
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    bits = 8 * array.dtype.itemsize
    tags = [(256, array.shape[1]), (257, array.shape[0]), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, array.shape[0]), (279, len(data)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + entries + bytes(4))
    return path


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_in_use_are_found(tmp_path, bits):
    top = 2**bits - 1
    values = np.round(FILM / 255 * top).astype(np.uint16)
    path = save(tmp_path / "film.png", values)
    rule = find_intensity_rule([path], name="B")
    assert rule.text == "B: " + (
        "16 bits" if bits == 16 else f"{bits} bits in 16-bit files, white is {top}"
    )
    np.testing.assert_allclose(Images([path], rule)[0][..., 0], values / top, atol=1e-6)
    assert rule.changed == (bits != 16)


def test_one_site_has_one_white(tmp_path):
    paths = [save(tmp_path / "a.png", DEEP), save(tmp_path / "b.png", DEEP * 16)]
    rule = find_intensity_rule(paths)
    dark, bright = Images(paths, rule)
    np.testing.assert_allclose(16 * dark, bright, atol=1e-5)


@pytest.mark.parametrize("kind", ["8", "12", "16", "float"])
def test_white_is_zero_at_any_depth(tmp_path, kind):
    values, sample_format = {
        "8": (FILM, 1),
        "12": (DEEP * 16, 1),
        "16": (DEEP * 257, 1),
        "float": ((FILM / 255).astype(np.float32), 3),
    }[kind]
    top = {"8": 255, "12": 4095, "16": 65535, "float": 1}[kind]
    zero_is_black = tiff(tmp_path / "black.tif", values, 1, sample_format)
    zero_is_white = tiff(tmp_path / "white.tif", values, 0, sample_format)
    rule = find_intensity_rule([zero_is_white])
    read = Images([zero_is_white], rule)[0][..., 0]
    np.testing.assert_allclose(read, 1 - values / top, atol=1e-6)
    plain = Images([zero_is_black], find_intensity_rule([zero_is_black]))[0][..., 0]
    np.testing.assert_allclose(plain, values / top, atol=1e-6)
    if kind == "12":
        assert "0 is white in 1 of 1" in rule.text
    if kind in ("16", "float"):  # without a rule too
        np.testing.assert_allclose(Images([zero_is_white])[0][..., 0], 1 - values / top, atol=1e-6)


def test_floats_beyond_one_by_rounding_are_cut_off_and_others_named():
    values = np.array([[0, 1.0000001], [-1e-7, 0.5]], dtype=np.float32)
    image = Images([values])[0]
    assert image.min() == 0 and image.max() == 1
    with pytest.raises(ValueError, match=r"image 0 has floats from 0 to 1\.00199997"):
        Images([np.array([[0, 1.002]], dtype=np.float32)])[0]


def test_hounsfield_units_and_other_floats(tmp_path):
    units = np.linspace(-1024, 2000, FILM.size, dtype=np.float32).reshape(FILM.shape)
    ct = save(tmp_path / "ct.tif", units)
    rule = find_intensity_rule([ct], name="CT")
    assert "Hounsfield" in rule.text and "-1000" in rule.text
    expected = ((units + 1000) / 2000).clip(0, 1)
    np.testing.assert_allclose(Images([ct], rule)[0][..., 0], expected, atol=1e-6)
    soft = find_intensity_rule([ct], window="-160,240")
    assert "as asked for" in soft.text
    expected = ((units + 160) / 400).clip(0, 1)
    np.testing.assert_allclose(Images([ct], soft)[0][..., 0], expected, atol=1e-6)
    bytes_as_floats = save(tmp_path / "b.tif", FILM.astype(np.float32))
    read = Images([bytes_as_floats], find_intensity_rule([bytes_as_floats]))[0][..., 0]
    np.testing.assert_allclose(read, FILM / 255, atol=1e-6)
    own = find_intensity_rule([ct], window="1%,99%")
    low, high = np.percentile(units, [1, 99])
    expected = ((units - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(Images([ct], own)[0][..., 0], expected, atol=1e-5)
    for window in ("5", "9,1", "1%,4", "a,b", "-1%,50%"):
        with pytest.raises(ValueError, match=r"window \(--window\)"):
            find_intensity_rule([ct], window=window)


def test_nan_is_black(tmp_path):
    values = (FILM / 255).astype(np.float32)
    values[3, 4] = np.nan
    path = save(tmp_path / "holes.tif", values)
    rule = find_intensity_rule([path])
    assert "1 hold values that are not finite" in rule.text
    image = Images([path], rule)[0][..., 0]
    assert image[3, 4] == 0
    np.testing.assert_allclose(np.delete(image, 3, 0), np.delete(values, 3, 0), atol=1e-6)


def test_suspicious_sites_are_named(tmp_path):
    black = [save(tmp_path / f"k{i}.png", np.zeros_like(FILM)) for i in range(3)]
    with pytest.raises(ValueError, match=r"every picture of K has the same value.*\(0\)"):
        find_intensity_rule(black, name="K")
    film = save(tmp_path / "film.png", FILM)
    (note,) = find_intensity_rule([film, black[0]]).notes
    assert "1 of 2 pictures of these pictures have one value" in note
    copies = [save(tmp_path / f"c{i}.png", FILM) for i in range(3)]
    (note,) = find_intensity_rule(copies, name="C").notes
    assert note == "Warning: all 3 pictures of C are equal."
    dark = [save(tmp_path / f"d{i}.png", (FILM + i) // 64) for i in range(3)]
    (note,) = find_intensity_rule(dark, name="D").notes
    assert "uses more than 1.2% of the range" in note and "--window" in note


# ------------------------------------------------------------------ in the workflow


@pytest.fixture
def sites(tmp_path):
    rng = np.random.default_rng(0)
    for site, n in (("A", 4), ("B", 8)):
        for i in range(n):
            save(tmp_path / site / f"{i}.png", rng.integers(0, 256, (24, 24), dtype=np.uint8))
    return tmp_path


def select(sites, target="B", **more):
    how = {"embedder": RandomFeaturesEmbedder(image_size=32), "selector": XSSRSelector()}
    out = sites / f"out{target}"
    return select_from_folders(sites / "A", sites / target, 3, out, verbose=0, **how, **more)


def test_films_of_12_bits_give_the_picks_of_8(sites):
    for path in (sites / "B").iterdir():
        values = np.asarray(Image.open(path)).astype(np.uint16)
        # (v * 4095 + 127) // 255 is the nearest of 12 bits
        save(sites / "T" / path.name, ((values.astype(np.uint32) * 4095 + 127) // 255).astype("u2"))
    said = []
    picked = [path.name for path in select(sites, "T", on_message=said.append).files]
    assert picked == [path.name for path in select(sites).files]
    assert said[0].startswith("Source ")
    said = said[1].splitlines()
    assert said == ["A: 8 bits", "T: 12 bits in 16-bit files, white is 4095"]
    record = json.loads((sites / "outT" / "selection.json").read_text())
    assert record["values"] == {"source": said[0], "target": said[1]}


def test_pictures_of_another_range_are_all_named_before_anything_is_trained(sites, monkeypatch):
    units = np.random.default_rng(0).normal(0, 300, (24, 24)).astype(np.float32)
    for i in range(2):
        save(sites / "B" / f"ct{i}.tif", units)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RandomFeaturesEmbedder, "fit", lambda *_: pytest.fail("trained"))
        with pytest.raises(ImageReadError, match=r"(?s)2 of 14.*ct0\.tif.*ct1\.tif.*--window"):
            select(sites)
    result = select(sites, skip_unreadable=True)
    assert sorted(path.name for path in result.excluded) == ["ct0.tif", "ct1.tif"]


def test_the_command_line_says_it(sites, capsys):
    arguments = ["select", "--source", sites / "A", "--target", sites / "B", "--budget", 3]
    arguments += ["--out", sites / "out", "--quiet", "--no-report", "--window", "0,128"]
    assert main(list(map(str, arguments))) == 0
    assert "B: black is 0 and white 128, as asked for" in capsys.readouterr().out
    for path in (sites / "A").iterdir():
        save(path, np.zeros((24, 24), np.uint8))
    assert main([*map(str, arguments), "--force"]) == 2
    assert "every picture of A has the same value" in capsys.readouterr().err


# ------------------------------------------------------------------ very large pictures


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setenv("SKXSSR_MAX_PIXELS", "1000")


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "jp2"])
@pytest.mark.parametrize("shape", [(64, 48), (65, 47, 3)])
def test_large_pictures_are_read_smaller(tmp_path, small_limit, suffix, shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    smooth = (rows + columns).astype(np.uint8)
    array = smooth if len(shape) == 2 else np.dstack([smooth, smooth // 2, 255 - smooth])
    path = tmp_path / f"slide.{suffix}"
    how = {"jpg": {"quality": 95}, "jp2": {"irreversible": False}}.get(suffix, {})
    Image.fromarray(array).save(path, **how)
    got = read_image(path)
    assert got.shape[:2] == (-(-shape[0] // 2), -(-shape[1] // 2))
    blocks = array[:64, :46].reshape(32, 2, 23, 2, -1).mean(axis=(1, 3))
    np.testing.assert_allclose(got[:32, :23].reshape(blocks.shape), blocks, atol=6)


def test_large_pictures_of_other_modes_are_averaged_too(tmp_path, small_limit):
    rows, columns = np.mgrid[:64, :48]
    deep = ((rows + columns) * 500).astype(np.uint16)
    blocks = deep.reshape(32, 2, 24, 2).mean(axis=(1, 3))
    got = read_image(save(tmp_path / "deep.png", deep))
    assert got.dtype == np.uint16
    np.testing.assert_allclose(got, blocks, atol=1)
    half = rows % 2 == 0
    np.testing.assert_allclose(read_image(save(tmp_path / "bit.png", half)), 127.5, atol=1)
    palette = Image.fromarray((rows % 2).astype(np.uint8))
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(tmp_path / "p.png")
    got = read_image(tmp_path / "p.png")
    np.testing.assert_allclose(got, np.broadcast_to([100, 50, 25], got.shape), atol=1)


def test_a_large_mask_keeps_its_labels_and_fits_its_image(tmp_path, small_limit):
    labels = np.zeros((65, 47), np.uint8)
    labels[20:50, 10:30] = 7
    path = save(tmp_path / "mask.png", labels)
    got = read_mask(path)
    assert set(np.unique(got)) == {0, 7}
    assert got.shape == read_image(save(tmp_path / "film.png", labels)).shape
    assert (got == 7).mean() == pytest.approx((labels == 7).mean(), abs=0.02)
    assert Masks([path])[0].shape == got.shape


def test_what_pillow_takes_for_an_attack_is_read(tmp_path, monkeypatch):
    path = tmp_path / "slide.png"
    Image.fromarray(FILM).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(path), FILM)


def test_the_limit_is_checked_and_so_is_what_is_beyond_memory(tmp_path, monkeypatch):
    path = save(tmp_path / "film.png", FILM)
    monkeypatch.setenv("SKXSSR_MAX_PIXELS", "many")
    with pytest.raises(ImageReadError, match="SKXSSR_MAX_PIXELS must be a number"):
        read_image(path)
    monkeypatch.delenv("SKXSSR_MAX_PIXELS")
    monkeypatch.setattr("skxssr.io.large.LARGEST", 10)
    monkeypatch.setattr("skxssr.io.large.MAX_PIXELS", 10)
    with pytest.raises(ImageReadError, match="30 x 24 pixels.*smaller.*tiles.*SKXSSR_MAX_PIXELS"):
        read_image(path)
    monkeypatch.setenv("SKXSSR_MAX_PIXELS", "720")  # whoever says so has the memory
    np.testing.assert_array_equal(read_image(path), FILM)


def test_strips_give_the_same_means_as_the_whole(tmp_path, small_limit, monkeypatch):
    monkeypatch.setattr("skxssr.io.large._STRIP", 200)  # a few rows at a time
    rng = np.random.default_rng(3)
    for kind, most in ((np.uint8, 256), (np.uint16, 65536)):
        pixels = rng.integers(0, most, (67, 50)).astype(kind)
        got = read_image(save(tmp_path / "a.png", pixels))
        whole = pixels[:66].reshape(33, 2, 25, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(got[:33], whole, atol=1)
        assert got.dtype == kind
        np.testing.assert_allclose(got[33], pixels[66].reshape(25, 2).mean(axis=1), atol=1)
    labels = rng.integers(0, 9, (67, 50)).astype(np.uint8)
    got = read_mask(save(tmp_path / "m.png", labels))
    np.testing.assert_array_equal(got[:33], labels[1::2, 1::2])


def test_a_false_height_is_refused_before_a_million_rows_are_made_up(tmp_path):
    path = tmp_path / "film.tif"
    Image.fromarray(FILM).save(path)
    with Image.open(path) as image:
        (height,) = [value for tag, value in image.tag_v2.items() if tag == 257]
    data = path.read_bytes()
    # the entry of the height in the table of tags: number, type LONG, one value
    at = next(data.find(struct.pack("<HHI", 257, kind, 1)) for kind in (3, 4)
              if struct.pack("<HHI", 257, kind, 1) in data)  # fmt: skip
    assert struct.unpack_from("<H", data, at + 8)[0] == height
    path.write_bytes(data[:at] + struct.pack("<HHII", 257, 4, 1, 1_700_000) + data[at + 12 :])
    with pytest.raises(ImageReadError, match="30 x 1700000 pixels in .* strips.*damaged"):
        read_image(path)


def test_counts_of_a_large_picture_are_those_of_its_parts(monkeypatch):
    monkeypatch.setattr("skxssr.io.levels._BLOCK", 7)
    values = np.random.default_rng(0).integers(0, 300, (20, 11)).astype(np.uint16)
    np.testing.assert_array_equal(count_values(values), np.bincount(values.ravel()))
