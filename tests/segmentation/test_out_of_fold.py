"""Out-of-fold predictions are those of models that are fitted without the fold, one by one."""

import numpy as np
import pytest

from skxssr import RidgeSegmenter, SMPSegmenter
from skxssr.datasets import make_phantoms

FOLDS = np.array([0, 1, 2, 0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def films():
    films = make_phantoms("chest", "A", 8, random_state=0, image_size=32)
    return films.images, films.masks


def collected(batches, n):
    rows, probabilities, codes = map(np.concatenate, zip(*batches, strict=True))
    assert sorted(rows) == list(range(n))
    back = np.argsort(rows)
    return probabilities[back], codes[back]


def by_hand(segmenter, images, masks, trusted):
    expected = np.empty((8, 2, 32, 32), np.float32)
    for fold in range(3):
        rest = (fold != FOLDS) & trusted
        expected[fold == FOLDS] = segmenter.fit(images[rest], masks[rest]).predict_proba(
            images[fold == FOLDS]
        )
    return expected


@pytest.mark.parametrize("distrusted", [[], [1, 5]])
def test_ridge_in_closed_form(films, distrusted):
    images, masks = films
    trusted = ~np.isin(np.arange(8), distrusted)
    segmenter = RidgeSegmenter(image_size=32, batch_size=3, device="cpu")
    found, codes = collected(segmenter.out_of_fold(images, masks, FOLDS, trusted=trusted), 8)
    np.testing.assert_allclose(found, by_hand(segmenter, images, masks, trusted), atol=1e-4)
    np.testing.assert_array_equal(codes, masks)


def test_a_network_is_trained_once_a_fold(films):
    images, masks = films
    small = {"encoder_name": "tu-resnet10t", "arch_kwargs": {"encoder_depth": 4}}
    small["arch_kwargs"] |= {"decoder_channels": (16, 16, 8, 8), "channels": (8, 16, 16, 32)}
    segmenter = SMPSegmenter(
        image_size=32, steps=2, batch_size=2, random_state=0, device="cpu", **small
    )
    found, _ = collected(segmenter.out_of_fold(images, masks, FOLDS), 8)
    assert not hasattr(segmenter, "module_")
    expected = by_hand(segmenter, images, masks, np.ones(8, bool))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_beside_masks_of_other_values(films):
    images, masks = films
    segmenter = RidgeSegmenter(image_size=32, device="cpu").fit(images[:4], masks[:4])
    found, codes = collected(segmenter.beside(images, masks * 255), 8)
    np.testing.assert_allclose(found, segmenter.predict_proba(images), atol=1e-5)
    np.testing.assert_array_equal(codes, masks)
    three = masks.copy()
    three[:, 0, 0] = 2
    with pytest.raises(ValueError, match=r"the masks hold 3 classes .* the model knows 2"):
        segmenter.beside(images, three)


def test_a_square_goes_back_to_the_size_of_its_image():
    image, mask = np.zeros((40, 60)), np.zeros((40, 60), dtype=np.uint8)
    mask[10:30, 20:50] = 1
    segmenter = RidgeSegmenter(image_size=30, device="cpu").fit(image[None], mask[None])
    (_, _, codes), *_ = segmenter.beside(image[None], mask[None])
    np.testing.assert_array_equal(segmenter.to_original(codes[0], (40, 60)), mask)


@pytest.mark.parametrize(
    ("folds", "trusted", "message"),
    [
        ([0, 1], None, "integer for each of the 8 images"),
        ([0.0] * 8, None, "integer for each"),
        ([0, 2, 0, 2, 0, 2, 0, 2], None, "without a gap"),
        ([0] * 8, None, "one fold only"),
        (FOLDS, [True], "bool for each of the 8 images"),
        (FOLDS, FOLDS == 0, "no trusted mask lies outside of fold 0"),
    ],
)
def test_folds_are_checked_before_anything_is_read(films, folds, trusted, message):
    with pytest.raises(ValueError, match=message):
        RidgeSegmenter(device="cpu").out_of_fold(*films, folds, trusted=trusted)
