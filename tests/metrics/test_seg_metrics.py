"""Dice and IoU against scikit-learn's pixelwise scores and cases worked by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from skxssr.metrics.segmentation import dice, iou

PAIRS = [(dice, f1_score), (iou, jaccard_score)]


@pytest.fixture
def masks():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, size=(6, 9, 7))
    pred = np.where(rng.random(true.shape) < 0.6, true, rng.integers(0, 4, size=true.shape))
    return true, pred


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_binary_equals_sklearn(ours, theirs, masks):
    true, pred = masks
    expected = [theirs(a.ravel() > 0, b.ravel() > 0) for a, b in zip(true, pred, strict=True)]
    got = ours(true, pred)
    assert got.shape == (6,)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected)
    np.testing.assert_allclose(ours((true > 0) * 255, pred > 0), expected)
    np.testing.assert_allclose(ours(pred, true), expected)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_per_class_equals_sklearn(ours, theirs, masks):
    true, pred = masks
    expected = [
        theirs(a.ravel(), b.ravel(), labels=[3, 1], average=None)
        for a, b in zip(true, pred, strict=True)
    ]
    got = ours(true, pred, classes=[3, 1])
    assert got.shape == (6, 2)
    np.testing.assert_allclose(got, expected)


def test_by_hand():
    true = [[[1, 1, 1], [1, 0, 0]]]  # 4 pixels
    pred = [[[0, 1, 1], [0, 1, 0]]]  # 3 pixels, 2 shared
    np.testing.assert_allclose(dice(true, pred), [4 / 7])
    np.testing.assert_allclose(iou(true, pred), [2 / 5])
    assert dice(true, true) == iou(true, true) == 1


@pytest.mark.parametrize("score", [dice, iou])
def test_empty_masks(score):
    none, some = np.zeros((1, 4, 4), dtype=int), np.eye(4, dtype=int)[None]
    assert score(none, none) == 1  # agreement by default
    assert score(none, none, empty=0.0) == 0
    assert np.isnan(score(none, none, empty=np.nan))
    for empty in (0.5, np.nan):
        assert score(some, none, empty=empty) == score(none, some, empty=empty) == 0
    np.testing.assert_array_equal(score(some, some, classes=[1, 2], empty=np.nan), [[1, np.nan]])


@pytest.mark.parametrize("score", [dice, iou])
def test_different_sizes_in_a_list(score, masks):
    true, pred = masks
    ragged = score([true[0], true[1, :3]], [pred[0], pred[1, :3]])
    np.testing.assert_array_equal(ragged[0], score(true[:1], pred[:1])[0])
    np.testing.assert_array_equal(ragged[1], score(true[1:2, :3], pred[1:2, :3])[0])


def test_dice_and_iou_imply_each_other(masks):
    d, j = dice(*masks, classes=[1, 2, 3]), iou(*masks, classes=[1, 2, 3])
    np.testing.assert_allclose(d, 2 * j / (1 + j))


@pytest.mark.parametrize("score", [dice, iou])
def test_bad_input(score):
    mask = np.ones((2, 4, 4), dtype=int)
    with pytest.raises(ValueError, match="true has 2 masks and pred has 1"):
        score(mask, mask[:1])
    with pytest.raises(ValueError, match="empty"):
        score([], [])
    with pytest.raises(ValueError, match=r"true\[0\] has shape \(4, 4\) and pred\[0\] \(4, 3\)"):
        score(mask, mask[:, :, :3])
    with pytest.raises(ValueError, match=r"true\[0\] must have shape \(H, W\)"):
        score(mask[0], mask[0])
    with pytest.raises(ValueError, match=r"pred\[0\] has floats"):
        score(mask, mask * 0.5)
    with pytest.raises(ValueError, match="pred.*floats"):
        score(mask, mask * np.nan)
    with pytest.raises(ValueError, match="classes"):
        score(mask, mask, classes=[])
