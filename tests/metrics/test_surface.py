"""Surface distances against all pairs of boundary pixels by scipy's cdist, and worked by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, directed_hausdorff

from skxssr.metrics import (
    average_surface_distance,
    dice,
    hausdorff95,
    normalized_surface_distance,
)
from skxssr.metrics.surface import surface_distances

SCORES = [
    hausdorff95,
    average_surface_distance,
    lambda *args, **kwargs: normalized_surface_distance(*args, tolerance=1, **kwargs),
]


def naive_boundary(mask):
    """Indices of foreground pixels with a neighbour along an axis that is not foreground."""
    found = []
    for index in zip(*np.nonzero(mask), strict=True):
        for axis, step in product(range(mask.ndim), (-1, 1)):
            other = list(index)
            other[axis] += step
            if not (0 <= other[axis] < mask.shape[axis]) or not mask[tuple(other)]:
                found.append(index)
                break
    return np.array(found, dtype=float).reshape(-1, mask.ndim)


def naive(true, pred, spacing, tolerance):
    """HD95, NSD, ASSD from the matrix of all distances."""
    all_pairs = cdist(naive_boundary(true) * spacing, naive_boundary(pred) * spacing)
    there, back = all_pairs.min(axis=1), all_pairs.min(axis=0)
    within = np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)
    return (
        max(np.percentile(there, 95), np.percentile(back, 95)),
        within / (len(there) + len(back)),
        (there.sum() + back.sum()) / (len(there) + len(back)),
    )


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 8), min_size=2, max_size=3),
    seed=st.integers(0, 2**31),
    share=st.floats(0.1, 0.9),
    spacing=st.lists(st.sampled_from([0.4, 1.0, 3.1]), min_size=3, max_size=3),
    tolerance=st.sampled_from([0.0, 0.9, 1.7, 4.3]),
)
def test_equals_the_distances_of_all_pairs(shape, seed, share, spacing, tolerance):
    rng = np.random.default_rng(seed)
    true, pred = rng.random((2, 1, *shape)) < share
    spacing = spacing[: len(shape)]
    if not (true.any() and pred.any()):
        return
    expected = naive(true[0], pred[0], np.array(spacing), tolerance)
    how = {"spacing": spacing}
    np.testing.assert_allclose(hausdorff95(true, pred, **how)[0], expected[0], atol=1e-12)
    nsd = normalized_surface_distance(true, pred, tolerance=tolerance, **how)
    np.testing.assert_allclose(nsd[0], expected[1])
    assd = average_surface_distance(true, pred, **how)
    np.testing.assert_allclose(assd[0], expected[2], atol=1e-12)
    # both directions are symmetric
    assert hausdorff95(pred, true, **how) == hausdorff95(true, pred, **how)
    assert normalized_surface_distance(pred, true, tolerance=tolerance, **how) == nsd


def test_the_largest_distance_is_scipys_directed_hausdorff():
    rng = np.random.default_rng(3)
    for _ in range(5):
        true, pred = rng.random((2, 12, 9)) < 0.1
        pair = surface_distances(true, pred, np.ones(2))
        edges = [naive_boundary(mask) for mask in (true, pred)]
        assert pair[0].max() == pytest.approx(directed_hausdorff(*edges)[0])
        assert pair[1].max() == pytest.approx(directed_hausdorff(*edges[::-1])[0])


def test_by_hand():
    true = np.zeros((1, 30, 30), dtype=int)
    true[0, 5:15, 5:15] = 1
    pred = np.zeros_like(true)
    pred[0, 5:15, 8:18] = 1  # three to the right
    assert hausdorff95(true, pred) == 3
    assert hausdorff95(true, pred, spacing=[9, 0.1])[0] == pytest.approx(0.3)
    assert normalized_surface_distance(true, pred, tolerance=3) == 1
    # rounding of 3 * 0.1 does not push a distance over a tolerance of 0.3
    assert normalized_surface_distance(true, pred, tolerance=0.3, spacing=0.1) == 1
    # upper and lower row share 7 pixels each, two columns end at the sides of the other one
    exact = normalized_surface_distance(true, pred, tolerance=0)
    assert exact[0] == pytest.approx(2 * 14 / (2 * 36))
    # a mask is at no distance from itself, and all of the image may be mask
    full = np.ones((1, 4, 4, 4), dtype=bool)
    for one in (true, full):
        assert hausdorff95(one, one) == average_surface_distance(one, one) == 0
        assert normalized_surface_distance(one, one, tolerance=0) == 1


def test_a_few_strays_move_hd95_less_than_the_maximum():
    true = np.zeros((1, 60, 60), dtype=bool)
    true[0, 20:40, 20:40] = True
    pred = true.copy()
    pred[0, 59, 59] = True
    assert hausdorff95(true, pred) == 0
    assert surface_distances(true[0], pred[0], np.ones(2))[1].max() == pytest.approx(20 * 2**0.5)
    pred[0, 45:60, 45:60] = True  # more than 5% of the boundary
    assert hausdorff95(true, pred)[0] > 15


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), top=st.integers(0, 5), left=st.integers(0, 5))
def test_place_does_not_matter_and_scale_scales(seed, top, left):
    rng = np.random.default_rng(seed)
    small = rng.random((2, 6, 7)) < 0.5
    small[:, 0, 0] = True
    large = np.zeros((2, 12, 14), dtype=bool)
    large[:, 1 + top : 7 + top, 1 + left : 8 + left] = small
    for score in (hausdorff95, average_surface_distance):
        once = score(small[:1], small[1:])
        np.testing.assert_allclose(score(large[:1], large[1:]), once)
        np.testing.assert_allclose(score(small[:1], small[1:], spacing=2.5), 2.5 * once)


def test_empty_masks():
    none, some = np.zeros((1, 5, 5), dtype=int), np.eye(5, dtype=int)[None]
    for score in SCORES:
        assert np.isnan(score(none, none))
    for true, pred in [(none, some), (some, none)]:
        assert np.isnan(hausdorff95(true, pred))
        assert np.isnan(average_surface_distance(true, pred))
        assert normalized_surface_distance(true, pred, tolerance=99) == 0
        assert dice(true, pred) == 0


@pytest.mark.parametrize("score", SCORES, ids=["HD95", "ASSD", "NSD"])
def test_classes_lists_and_spacings_of_each_image(score):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 3, (2, 3, 8, 9))
    table = score(true, pred, classes=[2, 1])
    assert table.shape == (3, 2)
    assert table.dtype == np.float64
    np.testing.assert_array_equal(table[:, 0], score(true == 2, pred == 2))
    np.testing.assert_array_equal(table[:, 1], score(true == 1, pred == 1))
    ragged = score([true[0], true[1, :5]], [pred[0], pred[1, :5]])
    assert ragged[0] == score(true[:1], pred[:1])
    assert ragged[1] == score(true[1:2, :5], pred[1:2, :5])
    spacings = np.array([[1.0, 2.0], [0.3, 0.3], [2.0, 1.0]])
    each = score(true, pred, spacing=spacings)
    for row in range(3):
        one = slice(row, row + 1)
        assert each[row] == score(true[one], pred[one], spacing=spacings[row])


def test_volumes_are_not_their_slices():
    true = np.zeros((1, 6, 8, 8), dtype=bool)
    true[0, 1:3, 2:6, 2:6] = True
    pred = np.roll(true, 2, axis=1)  # two slices up
    assert hausdorff95(true, pred, spacing=(5, 1, 1)) == 10
    assert dice(true, pred) == 0
    assert dice(true, np.roll(true, 1, axis=1)) == 0.5


def test_bad_input():
    mask = np.ones((2, 4, 4), dtype=int)
    with pytest.raises(ValueError, match="true has 2 masks and pred has 1"):
        hausdorff95(mask, mask[:1])
    with pytest.raises(ValueError, match=r"pred\[0\] has floats"):
        hausdorff95(mask, mask * 0.5)
    with pytest.raises(ValueError, match=r"spacing must be positive and finite. Got \(1, 0\)"):
        hausdorff95(mask, mask, spacing=(1, 0))
    with pytest.raises(ValueError, match=r"one number, 2 .* shape \(2, 2\). Got shape \(3,\)"):
        hausdorff95(mask, mask, spacing=(1, 1, 1))
    for tolerance in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"tolerance must be .* Got {tolerance}"):
            normalized_surface_distance(mask, mask, tolerance=tolerance)
