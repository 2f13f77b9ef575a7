"""What values of masks stand for, against masks of which it is known."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from skxssr import RidgeSegmenter
from skxssr._utils.labels import IGNORED
from skxssr.evaluation import score_images
from skxssr.exceptions import SkxssrWarning
from skxssr.io import MaskRule, Masks, find_mask_rule, pair_images_and_masks, read_mask
from skxssr.metrics.segmentation import dice, iou


def disks(n=4, size=48):
    """Boolean masks with a disk each, and images that show it."""
    rows, columns = np.mgrid[:size, :size]
    rng = np.random.default_rng(0)
    centres = rng.uniform(14, size - 14, (n, 2))
    true = np.array([(rows - a) ** 2 + (columns - b) ** 2 < 100 for a, b in centres])
    images = 0.2 + 0.5 * true + 0.05 * rng.standard_normal(true.shape)
    return images.clip(0, 1), true


IMAGES, TRUE = disks()


def as_jpeg(array, quality):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def palette(path, indices, colours):
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([part for colour in colours for part in colour])
    image.save(path)
    return path


@pytest.mark.parametrize("quality", [95, 85, 75])
def test_noise_of_jpeg_goes_to_the_nearest_of_two_values(quality):
    masks = Masks([as_jpeg(true.astype(np.uint8) * 255, quality) for true in TRUE])
    assert len(np.unique(masks[0])) > 8
    rule = find_mask_rule(masks)
    assert rule.classes == (0, 255) and rule.nearest
    for row, true in enumerate(TRUE):
        np.testing.assert_array_equal(Masks(masks, rule)[row], true * 255)
    assert f"foreground = 255: {TRUE.mean():.0%} of pixels, in 4 of 4 masks" in rule.text
    assert "0 and 255 count as these classes" in rule.text


def test_a_few_rare_classes_are_no_noise():
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[:20] = 255
    labels[0, :4] = [100, 120, 140, 160]
    rule = find_mask_rule(Masks([labels]))
    assert rule.classes == (0, 100, 120, 140, 160, 255)
    assert not rule.changed
    assert rule(labels) is labels


def test_one_and_255_in_different_masks_are_one_foreground():
    masks = Masks([true.astype(np.uint8) * (255 if i % 2 else 1) for i, true in enumerate(TRUE)])
    rule = find_mask_rule(masks)
    assert rule.classes == (0, 1)
    for row, true in enumerate(TRUE):
        np.testing.assert_array_equal(Masks(masks, rule)[row], true)
    assert rule.text.startswith("foreground = 1 or 255: ")
    with pytest.warns(SkxssrWarning, match="foreground = 1 or 255"):
        fitted = RidgeSegmenter(image_size=32).fit(IMAGES, masks)
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.score(IMAGES, masks) == fitted.score(IMAGES, TRUE)


def bordered(value, dtype=np.uint8):
    """Class 1 with a border of `value` around it."""
    shifted = [np.roll(TRUE, step, axis) for step in (1, -1) for axis in (1, 2)]
    border = np.logical_or.reduce(shifted) & ~TRUE
    return np.where(border, value, TRUE).astype(dtype), border


@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (-1, np.int16)])
def test_a_border_without_label_is_neither_learned_nor_scored(value, dtype):
    labels, border = bordered(value, dtype)
    masks = Masks(list(labels))
    rule = find_mask_rule(masks)
    assert (rule.classes, rule.ignore) == ((0, 1), (value,))
    assert f"{value} is no class, neither learned nor scored" in rule.text
    read = Masks(masks, rule)
    np.testing.assert_array_equal(read[0] == IGNORED, border[0])
    # what lies there makes no difference
    bright = np.where(border, 1.0, IMAGES)
    ridge = RidgeSegmenter(image_size=48)
    with pytest.warns(SkxssrWarning, match=f"{value} is no class"):
        fitted = ridge.fit(IMAGES, masks)
    assert fitted.classes_.tolist() == [0, 1]
    pred = fitted.predict(bright)
    outside = np.where(border, 0, TRUE), np.where(border, 0, pred)
    both = 2 * (outside[0] & outside[1]).sum(axis=(1, 2))
    expected = both / (outside[0].sum(axis=(1, 2)) + outside[1].sum(axis=(1, 2)))
    assert fitted.score(bright, masks) == pytest.approx(expected.mean())


def test_ridge_weights_do_not_depend_on_labels_that_are_ignored():
    labels, border = bordered(7)
    other = np.where(border & (np.arange(48) % 2 == 0), 9, labels).astype(np.uint8)
    fit = [
        RidgeSegmenter(image_size=48, ignore=[7, 9]).fit(IMAGES, masks) for masks in (labels, other)
    ]
    assert fit[0].weights_sha256_ == fit[1].weights_sha256_


def test_unet_loss_is_that_of_known_pixels():
    torch = pytest.importorskip("torch")
    pytest.importorskip("segmentation_models_pytorch")
    from skxssr._torch.unet import MaskLoss

    generator = torch.Generator().manual_seed(0)
    for n_classes in (2, 3):
        channels = 1 if n_classes == 2 else n_classes
        logits = torch.randn(2, channels, 6, 8, generator=generator)
        codes = torch.randint(0, n_classes, (2, 6, 8), generator=generator)
        loss = MaskLoss(n_classes, False)
        known = codes.clone()
        known[:, :, 4:] = -1
        found = loss(lambda x, out=logits: out, (torch.zeros(1), known), generator)
        half = loss(lambda x, out=logits: out[..., :4], (torch.zeros(1), codes[..., :4]), generator)
        torch.testing.assert_close(found, half)
        known[:] = -1
        assert loss(lambda x, out=logits: out, (torch.zeros(1), known), generator) == 0


@pytest.mark.parametrize(
    ("masks", "remedy"),
    [
        ([[[-1, 1, 1]]], "--ignore=-1"),
        ([[[-1, 0, 0]]], "--ignore=-1"),
        ([[[0, 1, 255]], [[0, 255, 255]]], "--ignore 255"),  # alone in the second
        ([[[0, 1, 255, 255]]], "--ignore none"),  # more of it than of the class
        ([[[0, 1, 2]], [[0, 255, 0]]], "--foreground"),
        ([np.arange(60).reshape(6, 10)], "--foreground '>127'"),
    ],
)
def test_what_can_be_understood_in_two_ways_is_refused_with_the_remedy(masks, remedy):
    with pytest.raises(ValueError, match=remedy):
        find_mask_rule(Masks([np.array(mask) for mask in masks]))


def test_the_user_can_say_it():
    masks = Masks([np.array([[0, 1, 255, 255]]), np.array([[0, 0, 2, 0]])])
    read = lambda **how: [m.tolist() for m in Masks(masks, find_mask_rule(masks, **how))]  # noqa: E731
    assert read(ignore=[255]) == [[[0, 1, IGNORED, IGNORED]], [[0, 0, 2, 0]]]
    assert read(ignore=[]) == [[[0, 1, 255, 255]], [[0, 0, 2, 0]]]
    assert read(foreground="1,255") == [[[0, 1, 1, 1]], [[0, 0, 0, 0]]]
    assert read(foreground=">1") == [[[0, 0, 1, 1]], [[0, 0, 1, 0]]]
    assert read(foreground="2", ignore=[255])[0] == [[0, 0, IGNORED, IGNORED]]
    assert find_mask_rule(masks, classes=[0, 1, 2, 255]).classes == (0, 1, 2, 255)
    for how in ({"foreground": "red"}, {"foreground": [3]}, {"ignore": [9]}):
        with pytest.raises(ValueError, match=r"foreground|ignore"):
            find_mask_rule(masks, **how)


def test_labels_outside_of_8_bits_are_classes_and_come_back():
    for low, high in ((-1, 1), (0, 1000), (0, 70_000)):
        labels = np.where(TRUE, high, low)
        fitted = RidgeSegmenter(image_size=32, classes=[low, high]).fit(IMAGES, labels)
        assert fitted.classes_.tolist() == [low, high]
        assert set(np.unique(fitted.predict(IMAGES))) == {low, high}
        assert 0.5 < fitted.score(IMAGES, labels) < 1


def test_palettes_of_one_meaning_stay_indices_and_others_go_by_colour(tmp_path):
    red, green, black = (255, 0, 0), (0, 255, 0), (0, 0, 0)
    two = np.array([[0, 1, 2]])
    same = [palette(tmp_path / f"{i}.png", two, [black, red, green]) for i in range(2)]
    assert not find_mask_rule(Masks(same)).changed
    other = palette(tmp_path / "other.png", two, [black, green, red])
    masks = Masks([same[0], other])
    rule = find_mask_rule(masks)
    assert "#ff0000 = 2" in rule.text and "#00ff00 = 1" in rule.text
    assert [mask.tolist() for mask in Masks(masks, rule)] == [[[0, 2, 1]], [[0, 1, 2]]]
    # a palette in gray beside gray files means its gray values
    gray = tmp_path / "gray.png"
    Image.fromarray(np.array([[0, 255, 255]], dtype=np.uint8)).save(gray)
    white = palette(tmp_path / "white.png", np.array([[1, 0, 0]]), [(255, 255, 255), black])
    masks = Masks([gray, white])
    rule = find_mask_rule(masks)
    assert rule.classes == (0, 255)
    assert Masks(masks, rule)[1].tolist() == [[0, 255, 255]]


def test_a_mask_in_the_alpha_channel_is_found(tmp_path):
    shape = TRUE[0]
    for mode, colour in (("RGBA", (255, 255, 255)), ("RGBA", (200, 0, 0)), ("LA", (0,))):
        layers = [np.full(shape.shape, part, np.uint8) for part in colour]
        array = np.dstack([*layers, shape.astype(np.uint8) * 255])
        Image.fromarray(array).save(tmp_path / f"{mode}.png")
        np.testing.assert_array_equal(read_mask(tmp_path / f"{mode}.png"), shape * 255)
    # opaque: the colour is the mask, as it was
    opaque = np.dstack([*[shape.astype(np.uint8) * 255] * 3, np.full(shape.shape, 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "opaque.png"), shape * 255)


def test_several_masks_of_one_image_are_joined_if_asked_for(tmp_path):
    for name in ("i/a.png", "i/b.png", "m/a_mask.png", "m/a_mask_1.png", "m/b_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        labels = np.zeros((4, 6), np.uint8)
        labels[:, 3:] = 255 * (name[-5] == "1")
        labels[:2, :2] = 255 * (name[-5] != "1")
        Image.fromarray(labels).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"a_mask\.png, a_mask_1\.png.*--join-masks"):
        pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    pairs = pair_images_and_masks(tmp_path / "i", tmp_path / "m", join=True)
    assert [type(mask) is tuple for _, mask in pairs] == [True, False]
    joined = Masks([mask for _, mask in pairs])[0]
    assert (joined == 255).sum() == 4 * 3 + 4


def test_parts_without_a_label_are_ignored_where_no_part_has_one(tmp_path):
    for name, row in (("a", [0, 1, 255, 255]), ("b", [0, 0, 1, 0])):
        Image.fromarray(np.array([row], dtype=np.uint8)).save(tmp_path / f"{name}.png")
    rule = MaskRule((0, 1), "", ignore=(255,))
    parts = (tmp_path / "a.png", tmp_path / "b.png")
    assert Masks([parts], rule)[0].tolist() == [[0, 1, 1, IGNORED]]


def test_a_rule_survives_json_and_save(tmp_path):
    rule = MaskRule((0, 1), "text", {255: 1}, (7,), colours={255: 1})
    assert MaskRule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule
    labels, _ = bordered(9)
    fitted = RidgeSegmenter(image_size=32, ignore=[9]).fit(IMAGES, labels)
    fitted.save(tmp_path / "saved")
    again = RidgeSegmenter.load(tmp_path / "saved")
    assert again.mask_rule_ == fitted.mask_rule_
    assert again.score(IMAGES, labels) == fitted.score(IMAGES, labels)


def test_no_metric_scores_pixels_without_a_label():
    true, pred = np.array([[[IGNORED, 1, 0, 1]]]), np.array([[[1, 1, 1, 0]]])
    left = true[..., 1:], pred[..., 1:]
    for classes in (None, [1]):
        np.testing.assert_array_equal(
            dice(true, pred, classes=classes), dice(*left, classes=classes)
        )
    np.testing.assert_array_equal(iou(true, pred), iou(*left))
    assert score_images(true, pred).macro() == score_images(*left).macro()


def test_colours_are_classes(tmp_path):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    index = [np.array([[0, 1, 2]]), np.array([[0, 0, 1]])]
    for i, numbers in enumerate(index):
        Image.fromarray(colours[numbers]).save(tmp_path / f"{i}.png")
    Image.fromarray(np.array([[0, 0, 0]], np.uint8)).save(tmp_path / "2.png")  # none of them
    masks = Masks(sorted(tmp_path.iterdir()))
    rule = find_mask_rule(masks)
    assert "#0000ff = 1, #ff0000 = 2" in rule.text
    assert [mask.tolist() for mask in Masks(masks, rule)] == [[[0, 2, 1]], [[0, 0, 2]], [[0, 0, 0]]]
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with pytest.raises(ValueError, match="masks have 8. colours"):
        find_mask_rule(Masks([tmp_path / "noise.png"]))
