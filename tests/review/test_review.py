"""Masks of another convention and careless ones, planted into phantoms, are told apart."""

import sys

import numpy as np
import pytest
from cleanlab.segmentation.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr import RidgeSegmenter
from skxssr.exceptions import MissingExtraError
from skxssr.review import OUTCOMES, groups, review_masks
from skxssr.review.folds import draw_folds
from skxssr.review.regions import difference, place_in_words
from tests.review.phantoms import planted

SMALL = RidgeSegmenter(image_size=48, device="cpu")


@pytest.fixture(scope="module")
def found():
    images, masks, other, careless, patients = planted()
    review = review_masks(images, masks, segmenter=SMALL, groups=patients)
    return review, other, careless, images, masks


def test_the_planted_convention_is_one_group_and_nothing_else_is_in_it(found):
    review, other, _, _, _ = found
    assert np.flatnonzero(review.group == 1).tolist() == other.tolist()
    assert set(review.outcome[other]) == {"another convention"}
    assert set(review.side[other]) == {"includes"}
    assert sorted(review.order[: len(other)]) == other.tolist()


def test_careless_masks_are_out_of_line_but_follow_no_convention_of_the_first_group(found):
    review, _, careless, _, _ = found
    assert (review.outcome[careless] != "agrees").all()
    assert (review.group[careless] != 1).all()


def test_the_table_and_the_summary_say_what_the_arrays_hold(found):
    review, other, _, _, _ = found
    table = review.table()
    assert [line["rank"] for line in table] == list(range(1, len(review.names) + 1))
    assert {line["outcome"] for line in table} <= set(OUTCOMES)
    assert sum(line["group"] == 1 for line in table) == len(other)
    assert f"Group 1: {len(other)} masks include a region" in review.summary()


def test_label_quality_is_that_of_cleanlab_on_predictions_of_models_fitted_one_by_one():
    images, masks, *_ = planted(12, n_other=0, n_careless=1)
    # with so large a limit nothing is found, and there is no second round
    review = review_masks(images, masks, segmenter=SMALL, n_folds=3, min_region=0.95)
    folds = draw_folds(12, None, 3, 0)
    expected = np.full(12, np.nan)
    for fold in range(3):
        inside, rest = folds == fold, folds != fold
        model = RidgeSegmenter(image_size=48, device="cpu").fit(images[rest], masks[rest])
        probabilities, labels = model.predict_proba(images[inside]), masks[inside].astype(int)
        expected[inside], _ = get_label_quality_scores(labels, probabilities, verbose=False)
    np.testing.assert_allclose(review.quality, expected, atol=1e-3)


def test_a_source_model_of_one_convention_sides_with_the_masks_that_follow_it(found):
    _, other, _, images, masks = found
    clean, true, *_ = planted(30, n_other=0, n_careless=0, seed=5)
    source = RidgeSegmenter(image_size=48, device="cpu").fit(clean, true)
    review = review_masks(images, masks * 255, segmenter=SMALL, source=source)
    assert review.source_sides[1] >= 0.5
    assert review.source_dice[other].mean() < np.median(review.source_dice)
    assert "The source model sides with the others" in review.summary()


def test_masks_of_one_convention_make_no_large_group():
    images, masks, _, _, patients = planted(n_other=0, n_careless=0)
    review = review_masks(images, masks, segmenter=SMALL, groups=patients)
    assert np.bincount(review.group, minlength=2)[1:].max() <= 2
    assert (review.outcome == "agrees").mean() > 0.7


def test_films_of_one_patient_alone_are_no_convention(found):
    _, other, _, images, masks = found
    patients = np.arange(len(masks))
    patients[other] = 0  # the region is that of one patient
    review = review_masks(images, masks, segmenter=SMALL, groups=patients)
    assert (review.group[other] == 0).all()
    assert (review.outcome[other] != "agrees").all()


def test_empty_masks_and_unlabelled_pixels_are_no_region():
    codes = np.full((24, 24), -1)
    codes[:12] = 0
    predicted = np.ones((24, 24), dtype=int)
    seen = difference(codes, predicted, 2)
    assert seen.share[0, 0] == 0
    assert seen.share[0, 1] == 1  # the labelled half, all of it predicted
    nothing = difference(np.zeros((24, 24), int), np.zeros((24, 24), int), 2)
    assert np.isnan(nothing.dice) and (nothing.share == 0).all()


def test_a_region_is_measured_and_placed():
    codes, predicted = np.zeros((48, 48), int), np.zeros((48, 48), int)
    predicted[8:40, 8:24] = 1
    codes[8:40, 8:24] = 1
    codes[28:38, 24:40] = 1  # 160 pixels more than the 512 of the prediction
    codes[4:40, 7] = 1  # an outline drawn wider is no region
    seen = difference(codes, predicted, 2)
    assert seen.share[0, 0] == pytest.approx(160 / codes.sum())
    assert seen.share[0, 1] == 0
    assert place_in_words(seen.centre[0, 0]) == "lower right"
    assert seen.dice == pytest.approx(2 * 512 / (512 + codes.sum()))


@pytest.mark.parametrize(
    ("centre", "words"),
    [
        ((0.1, 0.5), "top"),
        ((0.5, 0.5), "centre"),
        ((0.9, 0.1), "lower left"),
        ((0.5, 0.9), "right"),
    ],
)
def test_places_have_names(centre, words):
    assert place_in_words(np.array(centre)) == words


def test_classes_are_compared_one_by_one():
    codes = np.zeros((48, 48), int)
    codes[8:40, 8:40] = 1
    predicted = codes.copy()
    predicted[20:34, 20:34] = 2
    seen = difference(codes, predicted, 3)
    assert seen.dice == 1  # all foreground is foreground
    assert seen.share[0, 0] == pytest.approx(14 * 14 / 32**2)  # class 1 in the mask alone
    assert seen.share[1, 1] == 1  # class 2 in the prediction alone


def test_regions_in_one_place_are_a_group_also_when_most_of_them_join_later(monkeypatch):
    rng = np.random.default_rng(0)
    places = np.zeros((12, 64))
    places[:7, :16] = rng.uniform(0.5, 1, (7, 16))
    places[7:11, 32:48] = rng.uniform(0.5, 1, (4, 16))
    places[11, 60:] = 1
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    sizes = rng.random(12)
    expected = [1] * 7 + [2] * 4 + [0]
    assert groups.same_place(places, sizes).tolist() == expected
    monkeypatch.setattr(groups, "_AT_MOST", 8)
    sizes[[0, 1, 7, 8]] = 2
    assert groups.same_place(places, sizes).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=4, max_size=60).filter(lambda g: len(set(g)) >= 3),
    st.integers(0, 100),
)
def test_folds_keep_patients_together_and_have_like_numbers_of_them(patients, seed):
    folds = draw_folds(len(patients), patients, None, seed)
    of_patient = {}
    for patient, fold in zip(patients, folds.tolist(), strict=True):
        assert of_patient.setdefault(patient, fold) == fold
    counts = np.bincount(list(of_patient.values()))
    assert counts.max() - counts.min() <= 1 and len(counts) >= 2


def test_what_cannot_be_reviewed_is_refused(monkeypatch):
    images, masks = np.zeros((2, 16, 16)), np.ones((2, 16, 16), dtype=np.uint8)
    with pytest.raises(ValueError, match="there are 2 masks"):
        review_masks(images, masks)
    with pytest.raises(ValueError, match="min_region"):
        review_masks(images, masks, min_region=0)
    with pytest.raises(ValueError, match="groups has 1 entries for 2 images"):
        review_masks(images, masks, groups=["a"])
    with pytest.raises(ValueError, match="n_folds"):
        draw_folds(5, None, 1, 0)
    monkeypatch.setitem(sys.modules, "cleanlab.segmentation.rank", None)
    with pytest.raises(MissingExtraError, match=r"skxssr\[review\]"):
        review_masks(images, masks)
