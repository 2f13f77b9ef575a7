"""Scores of patients against the metrics on stacked volumes, and cases counted by hand."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from skxssr.evaluation.scores import score_images, subgroup_table
from skxssr.io import Masks
from skxssr.metrics import dice, hausdorff95, normalized_surface_distance
from skxssr.report import format_table

patient = np.array(["b", "a", "b", "c", "a", "b"])


@pytest.fixture
def masks():
    """Six slices of three patients, two classes."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, (6, 9, 8))
    pred = np.where(rng.random(true.shape) < 0.7, true, rng.integers(0, 3, true.shape))
    return true, pred


def test_without_groups_images_are_the_units(masks):
    scores = score_images(*masks, classes=[2, 1], tolerance=1)
    np.testing.assert_array_equal(scores.units, np.arange(6))
    np.testing.assert_allclose(scores.dice, dice(*masks, classes=[2, 1]))
    np.testing.assert_allclose(scores.hd95, hausdorff95(*masks, classes=[2, 1]))
    nsd = normalized_surface_distance(*masks, tolerance=1, classes=[2, 1])
    np.testing.assert_allclose(scores.nsd, nsd)
    np.testing.assert_allclose(scores.macro(), dice(*masks, classes=[2, 1]).mean(axis=1))
    binary = score_images(*masks)
    np.testing.assert_allclose(binary.macro(), dice(*masks))
    assert binary.classes is None


def test_a_patients_dice_is_that_of_all_its_pixels(masks):
    true, pred = masks
    scores = score_images(true, pred, groups=patient, classes=[1, 2])
    assert scores.units.tolist() == ["a", "b", "c"]
    for unit, name in enumerate(scores.units):
        rows = patient == name
        expected = f1_score(true[rows].ravel(), pred[rows].ravel(), labels=[1, 2], average=None)
        np.testing.assert_allclose(scores.dice[unit], expected)
        # without the distance of slices, surfaces are measured in them
        within = hausdorff95(true[rows], pred[rows], classes=[1, 2])
        np.testing.assert_allclose(scores.hd95[unit], within.mean(axis=0))
    in_plane = score_images(true, pred, groups=patient, classes=[1, 2], spacing=(0.5, 0.5))
    np.testing.assert_allclose(in_plane.hd95, scores.hd95 / 2)
    np.testing.assert_array_equal(in_plane.dice, scores.dice)


def test_three_spacings_make_a_volume_of_a_patient(masks):
    true, pred = masks
    spacing = np.array([[3.0, 0.5, 0.7], [1.0, 2.0, 1.0], [4.0, 0.9, 0.9]])
    each = spacing[np.searchsorted(["a", "b", "c"], patient)]
    scores = score_images(true, pred, groups=patient, classes=[1, 2], spacing=each, tolerance=0.6)
    for unit, name in enumerate(scores.units):
        volumes = true[patient == name][None], pred[patient == name][None]
        how = {"spacing": spacing[unit], "classes": [1, 2]}
        np.testing.assert_allclose(scores.hd95[unit], hausdorff95(*volumes, **how)[0])
        nsd = normalized_surface_distance(*volumes, tolerance=0.6, **how)[0]
        np.testing.assert_allclose(scores.nsd[unit], nsd)
        np.testing.assert_allclose(scores.dice[unit], dice(*volumes, classes=[1, 2])[0])
    stored = score_images(
        [true[patient == name] for name in "abc"],
        [pred[patient == name] for name in "abc"],
        spacing=spacing,
        classes=[1, 2],
        tolerance=0.6,
    )
    for name in ("dice", "hd95", "nsd"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(scores, name))


@pytest.fixture
def cases():
    """Found; healthy and left alone; healthy with a false alarm; missed; a sliver missed."""
    true, pred = np.zeros((2, 5, 10, 10), dtype=int)
    true[0, 2:6, 2:6], pred[0, 2:6, 2:6] = 1, 1
    pred[2, 1:3, 1:4] = 1
    true[3, 4:8, 4:8] = 1
    true[4, 0, 0] = 1
    return true, pred


def test_what_a_mean_leaves_out_is_counted(cases):
    scores = score_images(*cases)
    np.testing.assert_array_equal(scores.dice[:, 0], [1, np.nan, 0, 0, 0])
    np.testing.assert_array_equal(scores.hd95[:, 0], [0, np.nan, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(scores.nsd[:, 0], [1, np.nan, 0, 0, 0])
    assert scores.missed[:, 0].tolist() == [False, False, False, True, True]
    assert scores.false_positive[:, 0].tolist() == [False, False, True, False, False]
    [row] = scores.table()
    assert row == {
        "class": "foreground",
        "units": 5,
        "counted": 4,
        "Dice": 0.25,
        "p5": 0,
        "worst": 0,
        "HD95": 0,
        "NSD": 0.25,
        "missed": 2,
        "empty images": 2,
        "false positives": 1,
        "false area": 6,
    }
    assert format_table([row]).count("\n") == 2


def test_an_empty_slice_of_a_patient_is_still_seen(cases):
    scores = score_images(*cases, groups=["x", "x", "x", "y", "z"])
    np.testing.assert_allclose(scores.macro(), [2 * 16 / (16 + 16 + 6), 0, 0])
    assert scores.missed[:, 0].tolist() == [False, True, True]
    line = scores.to_line()
    assert (line["missed"], line["empty_images"]) == (2, 2)
    assert (line["false_positives"], line["false_area"]) == (1, 6)
    np.testing.assert_array_equal(scores.nsd[:, 0], [0.5, 0, 0])


def test_several_classes_have_a_row_each_and_a_mean(masks):
    true, pred = masks
    true[0][true[0] == 2] = 1
    pred[0][pred[0] == 2] = 1  # the first image has one class
    scores = score_images(true, pred, classes=[1, 2])
    assert np.isnan(scores.dice[0, 1])
    assert scores.macro()[0] == scores.dice[0, 0]
    one, two, mean = scores.table()
    assert [row["class"] for row in (one, two, mean)] == [1, 2, "mean"]
    assert (one["counted"], two["counted"], mean["counted"]) == (6, 5, 6)
    assert mean["Dice"] == pytest.approx(scores.macro().mean(), abs=1e-4)
    assert mean["p5"] == pytest.approx(np.percentile(scores.macro(), 5), abs=1e-4)
    assert mean["empty images"] == one["empty images"] + two["empty images"] == 1
    line = json.loads(json.dumps(scores.to_line(), allow_nan=False))
    assert line["dice_by_class"]["2"][0] is None
    np.testing.assert_allclose(line["dice"], scores.macro(), atol=1e-6)


def test_masks_are_read_from_files_too(masks, tmp_path):
    from PIL import Image

    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, mask in zip(paths, masks[0], strict=True):
        Image.fromarray(mask.astype(np.uint8)).save(path)
    scores = score_images(Masks(paths), masks[1], groups=patient)
    np.testing.assert_array_equal(scores.dice, score_images(*masks, groups=patient).dice)


def test_nothing_to_score_is_no_error():
    none = np.zeros((2, 4, 4), dtype=int)
    scores = score_images(none, none)
    assert np.isnan(scores.macro()).all()
    assert scores.table()[0]["counted"] == 0
    assert scores.to_line()["dice"] == [None, None]
    rows = subgroup_table(scores)
    assert [(row["value"], row["n"]) for row in rows] == [("", 0), ("no target", 0)]


def test_subgroups():
    rng = np.random.default_rng(1)
    true = np.zeros((12, 16, 16), dtype=int)
    for i in range(12):
        true[i, : i + 2, :10] = 1
        true[i, 15, 15] = 2
    true[0] = 0
    pred = np.where(rng.random(true.shape) < 0.8, true, 0)
    site = np.array(["east", "west"] * 6)
    scores = score_images(true, pred, classes=[1, 2])
    rows = subgroup_table(scores, size_bins=4, site=site, scanner=[1.5] * 12)
    macro = scores.macro()
    by = {(row["attribute"], row["value"]): row for row in rows}
    assert [row["attribute"] for row in rows] == (
        ["all"] + ["class"] * 2 + ["size"] * 5 + ["site"] * 2 + ["scanner"]
    )
    east = macro[(site == "east") & np.isfinite(macro)]
    assert by["site", "east"] == {
        "attribute": "site",
        "value": "east",
        "n": 5,
        "mean": round(east.mean(), 4),
        "p5": round(np.percentile(east, 5), 4),
        "worst": round(east.min(), 4),
    }
    assert by["class", 2]["mean"] == round(np.nanmean(scores.dice[:, 1]), 4)
    sizes = [row for row in rows if row["attribute"] == "size"]
    assert sizes[0]["value"] == "no target"
    assert [row["n"] for row in sizes] == [0, 3, 3, 2, 3]
    assert sizes[1]["value"] == "31 to 51"
    assert sizes[-1]["worst"] == round(macro[-3:].min(), 4)
    assert by["scanner", 1.5]["n"] == by["all", ""]["n"] == 11
    assert len(subgroup_table(scores, size_bins=1)) == 3
    assert "no target" in format_table(rows)


def test_attributes_are_those_of_images_one_for_each_patient(masks):
    scores = score_images(*masks, groups=patient)
    rows = subgroup_table(scores, size_bins=1, patient=patient)
    np.testing.assert_allclose([row["mean"] for row in rows[1:]], scores.macro(), atol=1e-4)
    with pytest.raises(ValueError, match="site differs within group b"):
        subgroup_table(scores, site=[1, 2, 3, 4, 2, 1])
    with pytest.raises(ValueError, match=r"site must have one value for each of the 6 images"):
        subgroup_table(scores, site=[1, 2, 3])
    with pytest.raises(ValueError, match="size_bins must be at least 1. Got 0"):
        subgroup_table(scores, size_bins=0)


def test_bad_input(masks):
    true, pred = masks
    with pytest.raises(ValueError, match=r"groups must name one patient for each of the 6 images"):
        score_images(true, pred, groups=[1, 2])
    with pytest.raises(ValueError, match="tolerance must be"):
        score_images(true, pred, tolerance=-1)
    with pytest.raises(ValueError, match="spacing must be one number, 2"):
        score_images(true, pred, spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="true has 6 masks and pred has 5"):
        score_images(true, pred[:5])
    spacing = np.ones((6, 3))
    spacing[0] = 2
    with pytest.raises(ValueError, match="slices of group b differ in shape or spacing"):
        score_images(true, pred, groups=patient, spacing=spacing)
    ragged = [list(true[:5]) + [true[5, 1:]], list(pred[:5]) + [pred[5, 1:]]]
    with pytest.raises(ValueError, match="slices of group b differ in shape"):
        score_images(*ragged, groups=patient, spacing=(1, 1, 1))
    assert len(score_images(*ragged, groups=patient).units) == 3
