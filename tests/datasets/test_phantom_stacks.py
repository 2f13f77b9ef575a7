"""Phantoms of stacks: neighbouring slices of heads, lesions in some of them."""

import numpy as np
import pytest

from skxssr.datasets import make_phantoms
from skxssr.metrics.segmentation import dice


@pytest.fixture(scope="module")
def stacks():
    return {s: make_phantoms("lesion", s, 600, random_state=2, image_size=64) for s in "AB"}


def test_stacks_of_neighbouring_slices(stacks):
    for site, data in stacks.items():
        assert data.images.shape == data.masks.shape == (600, 64, 64)
        assert data.images.dtype == data.masks.dtype == np.uint8
        assert len(set(data.ids)) == 600
        assert data.ids[3] == f"{site}-p0000-s03"
        assert set(np.diff(data.groups)) == {0, 1}
        assert set(np.bincount(data.groups)[:-1]) <= set(range(8, 13))
        assert set(np.unique(data.masks)) == {0, 1}
        pixels = data.images.reshape(600, -1).astype(float)
        same = np.diff(data.groups) == 0
        step = np.linalg.norm(np.diff(pixels, axis=0), axis=1)
        assert np.median(step[same]) < 0.8 * np.median(step[~same])
        assert step.min() > 0
        first, second, third = pixels[0], pixels[1], pixels[4]  # order: nearer is more alike
        assert np.linalg.norm(first - second) < np.linalg.norm(first - third)


def test_lesions_are_in_a_part_of_the_slices(stacks):
    for data in stacks.values():
        filled = data.masks.any(axis=(1, 2))
        assert 0.15 < filled.mean() < 0.5
        for patient in np.unique(data.groups)[:-1]:
            rows = np.flatnonzero(data.groups == patient)
            (mode,) = set(data.modes[rows])
            assert not filled[rows].all()
            assert filled[rows].any() == (mode != "clear")
            if mode == "lesion":
                hit = np.flatnonzero(filled[rows])
                assert np.ptp(hit) == len(hit) - 1  # neighbours
    rare = [np.mean(data.modes == "multiple") for data in stacks.values()]
    assert rare[0] == 0 < rare[1] < 0.08
    # brighter than the head around it, but bright alone does not make a lesion
    data = stacks["A"]
    for image, mask in zip(data.images[:100], data.masks[:100], strict=True):
        if mask.sum() > 20:
            assert image[mask > 0].mean() > 1.3 * image[(mask == 0) & (image > 60)].mean()
    lesion = np.median(data.images[data.masks > 0])
    assert (data.images[~data.masks.any(axis=(1, 2))].max(axis=(1, 2)) >= 0.8 * lesion).mean() > 0.5


@pytest.mark.parametrize("scenario", [None, "small", "two_classes", "null"])
def test_first_k_slices_do_not_depend_on_n(scenario):
    few, many = (
        make_phantoms("lesion", "B", n, random_state=1, image_size=32, scenario=scenario)
        for n in (5, 30)
    )
    for key in ("images", "masks", "groups", "ids", "modes"):
        np.testing.assert_array_equal(few[key], many[key][:5])


@pytest.mark.parametrize("site", ["A", "B"])
def test_small_lesions_have_a_few_pixels(site, stacks):
    data = make_phantoms("lesion", site, 600, random_state=2, image_size=64, scenario="small")
    area = data.masks.sum(axis=(1, 2), dtype=int)
    single = data.modes == "lesion"
    found = area[single & (area > 0)]
    assert 2 <= np.median(found) <= 12
    assert found.max() <= 25
    usual = stacks[site].masks.sum(axis=(1, 2), dtype=int)
    assert np.median(usual[usual > 0]) > 4 * np.median(found)
    n_slices = [(area[data.groups == p] > 0).sum() for p in np.unique(data.groups[single])[:-1]]
    assert set(n_slices) <= {1, 2, 3}


def test_two_classes_split_the_same_lesions(stacks):
    data = make_phantoms("lesion", "A", 600, random_state=2, image_size=64, scenario="two_classes")
    np.testing.assert_array_equal(data.images, stacks["A"].images)
    np.testing.assert_array_equal(data.masks > 0, stacks["A"].masks > 0)
    assert set(np.unique(data.masks)) == {0, 1, 2}
    swelling, core = ((data.masks == value).any(axis=(1, 2)) for value in (1, 2))
    assert swelling[core].all()
    assert 0.3 < core.sum() / swelling.sum() < 0.95  # some slices pass beside the core
    assert data.images[data.masks == 2].mean() > 1.05 * data.images[data.masks == 1].mean()


def test_lesions_do_not_depend_on_size(stacks):
    large = make_phantoms("lesion", "A", 60, random_state=2, image_size=128).masks[:, ::2, ::2]
    small = stacks["A"].masks[:60]
    rows = small.sum(axis=(1, 2)) > 40
    assert dice(small[rows], large[rows]).min() > 0.8
