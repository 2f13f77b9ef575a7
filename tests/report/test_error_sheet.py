"""`error_sheet`: green, red and yellow where they belong, and a file that shows them."""

import numpy as np
import pytest
from PIL import Image

from skxssr.report import error_sheet
from skxssr.report.sheets import _window, error_picture

pytest.importorskip("matplotlib")


@pytest.fixture
def masks():
    true, pred = np.zeros((2, 24, 24), dtype=np.uint8)
    true[6:18, 4:14] = 1
    pred[6:18, 9:19] = 1
    return true, pred


def hue(pixel):
    red, green, blue = pixel
    if red > 1.3 * green:
        return "red"
    if green > 1.3 * red:
        return "green"
    return "yellow" if min(red, green) > 1.3 * blue else "gray"


@pytest.mark.parametrize("gray", [0.2, 0.6])
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_of_a_mask_made_by_hand(masks, gray, channels):
    true, pred = (mask > 0 for mask in masks)
    picture = error_picture(np.full((24, 24, channels), gray, dtype=np.float32), true, pred)
    for row in range(24):
        for column in range(24):
            kind = {(1, 1): "green", (0, 1): "red", (1, 0): "yellow", (0, 0): "gray"}
            assert hue(picture[row, column]) == kind[true[row, column], pred[row, column]]
    np.testing.assert_allclose(picture[0, 0], gray, rtol=1e-6)
    assert picture.min() >= 0 and picture.max() <= 1


def test_the_file_shows_each_network(masks, tmp_path):
    true, pred = masks
    images = np.full((3, 24, 24), 0.4)
    path = tmp_path / "sheet.png"
    predictions = {"all right": [true] * 3, "shifted": [pred] * 3}
    error_sheet(images, [true] * 3, predictions, path, rows=[2, 0], captions=["worst", "best"])
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=float)[:-60]  # without the legend
    width = pixels.shape[1]
    red = (pixels[..., 0] > 1.6 * pixels[..., 1]) & (pixels[..., 0] > 1.6 * pixels[..., 2])
    right, shifted = red[:, width // 2 : 3 * width // 4], red[:, 3 * width // 4 :]
    assert right.sum() == 0 and shifted.sum() > 1000
    assert red[:, : width // 2].sum() == 0


def test_small_targets_are_shown_large():
    mask = np.zeros((60, 90), dtype=bool)
    assert _window([mask, mask]) == (slice(0, 60), slice(0, 90))
    mask[50:54, 80:85] = True
    rows, columns = _window([mask, np.zeros_like(mask)])
    assert (rows.stop - rows.start, columns.stop - columns.start) == (30, 30)
    assert mask[rows, columns].sum() == mask.sum()
    other = np.zeros_like(mask)
    other[2, 3] = True  # a false alarm far away is not cut off
    assert _window([mask, other]) == (slice(0, 60), slice(0, 90))


def test_empty_masks_and_images_of_different_sizes(tmp_path):
    images = [np.zeros((20, 30)), np.zeros((16, 16, 3))]
    empty = [np.zeros((20, 30), dtype=int), np.zeros((16, 16), dtype=int)]
    error_sheet(images, empty, {"nothing": empty}, tmp_path / "sheet.svg")
    assert "both empty" in (tmp_path / "sheet.svg").read_text()


def test_errors(masks, tmp_path):
    true, pred = masks
    images, path = np.zeros((1, 24, 24)), tmp_path / "sheet.png"
    with pytest.raises(ValueError, match="predictions is empty"):
        error_sheet(images, [true], {}, path)
    with pytest.raises(ValueError, match="1 images but 2 masks of 'net'"):
        error_sheet(images, [true], {"net": [pred, pred]}, path)
    with pytest.raises(ValueError, match="a network named 'truth'"):
        error_sheet(images, [true], {"truth": [pred]}, path)
    with pytest.raises(ValueError, match="captions has 2 entries, but 1 rows"):
        error_sheet(images, [true], {"net": [pred]}, path, captions=["a", "b"])
    with pytest.raises(ValueError, match="31 images are too many"):
        error_sheet(images, [true], {"net": [pred]}, path, rows=[0] * 31)
    with pytest.raises(ValueError, match="24"):
        error_sheet(images, [true], {"net": [pred[:20]]}, path)
    assert not path.exists()
