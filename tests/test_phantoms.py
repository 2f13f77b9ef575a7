"""Phantoms: determinism, structure, and what numbers can say about how they look."""

import numpy as np
import pytest
from scipy.ndimage import label
from sklearn.linear_model import LogisticRegression

from skxssr.datasets import make_phantoms
from skxssr.metrics.segmentation import dice

RARE = {"collapsed", "child", "rotated", "device"}
OUTLIERS = {"dark", "inverted", "blank"}


@pytest.fixture(scope="module")
def sites():
    return {s: make_phantoms("chest", s, 240, random_state=1, image_size=64) for s in "AB"}


@pytest.mark.parametrize("site", ["A", "B"])
def test_first_k_do_not_depend_on_n(site, sites):
    few = make_phantoms("chest", site, 7, random_state=1, image_size=64)
    many = sites[site]
    for key in ("images", "masks", "groups", "ids", "modes"):
        np.testing.assert_array_equal(few[key], many[key][:7])


def test_random_state():
    first, again, other = (
        make_phantoms(n_samples=2, random_state=seed, image_size=48).images for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    from_object = make_phantoms(n_samples=2, random_state=np.random.RandomState(0), image_size=48)
    np.testing.assert_array_equal(from_object.images, first)
    unseeded = make_phantoms(n_samples=1, image_size=48).images
    assert (unseeded != make_phantoms(n_samples=1, image_size=48).images).any()


@pytest.mark.parametrize("size", [32, 100, 128])
def test_types_and_shapes(size):
    data = make_phantoms("chest", "B", 5, random_state=0, image_size=size)
    assert data.images.shape == data.masks.shape == (5, size, size)
    assert data.images.dtype == data.masks.dtype == np.uint8
    assert data.groups.dtype == np.int64
    assert len(set(data.ids)) == len(data.modes) == 5
    assert set(np.unique(data.masks)) == {0, 1}


def test_anatomy_does_not_depend_on_size():
    small, large = (
        make_phantoms("chest", "A", 6, random_state=0, image_size=size).masks for size in (64, 128)
    )
    assert dice(small, large[:, ::2, ::2]).min() > 0.95


def test_modes_of_each_site(sites):
    assert set(sites["A"].modes) <= {"normal", "opacity", "effusion"}
    assert set(sites["B"].modes) > {"normal", "opacity", "effusion"} | RARE
    shares = {s: np.mean(sites[s].modes == "normal") for s in "AB"}
    assert shares["A"] > 0.75
    assert shares["B"] < 0.6
    assert 0 < np.mean(np.isin(sites["B"].modes, list(OUTLIERS))) < 0.08
    assert all(mode in sites["A"].DESCR for mode in RARE | OUTLIERS)


def test_groups_are_patients(sites):
    for data in sites.values():
        assert (np.diff(data.groups) >= 0).all()
        assert set(np.diff(data.groups)) == {0, 1}
        assert set(np.bincount(data.groups)) == {1, 2, 3}
        for patient in np.unique(data.groups):
            assert len(set(data.modes[data.groups == patient])) == 1
    # films of a patient are nearer to each other than to those of others, but no copies
    data = sites["A"]
    pixels = data.images.reshape(len(data.images), -1).astype(float)
    step = np.linalg.norm(np.diff(pixels, axis=0), axis=1)
    same = np.diff(data.groups) == 0
    assert np.median(step[same]) < np.median(step[~same])
    assert step.min() > 0


def test_lungs_are_two_dark_regions(sites):
    for data in sites.values():
        for image, mask, mode in zip(data.images, data.masks, data.modes, strict=True):
            if mode == "blank":
                assert not mask.any()
                continue
            parts, n = label(mask, structure=np.ones((3, 3)))
            large = np.flatnonzero(np.bincount(parts.ravel())[1:] > 20)
            assert len(large) == (1 if mode == "collapsed" else 2), (mode, n)
            assert 0.04 < mask.mean() < 0.45
            if mode in ("normal", "effusion", "child", "device"):
                # darker than the body beside them
                around = image[10:-10, 10:-10][mask[10:-10, 10:-10] == 0]
                assert image[mask > 0].mean() < around[around > 20].mean()


def test_outliers_are_what_they_say(sites):
    data = sites["B"]
    mean = data.images.mean(axis=(1, 2))
    contrast = data.images.std(axis=(1, 2))
    dark, blank = data.modes == "dark", data.modes == "blank"
    rest = ~np.isin(data.modes, list(OUTLIERS))
    assert dark.any() and blank.any()
    assert mean[dark].max() < 0.3 * mean[rest].min()
    assert contrast[blank].max() < contrast[rest].min()


def test_sites_can_be_told_apart_by_border_and_gray(sites):
    """The domain gap is visible: black borders on A, few on B, other gray levels."""
    black = {s: (sites[s].images < 12).mean(axis=(1, 2)) for s in "AB"}
    normal = {s: sites[s].modes == "normal" for s in "AB"}
    assert np.median(black["A"]) > 3 * np.median(black["B"])
    lungs = {
        s: sites[s].images[normal[s]][sites[s].masks[normal[s]] > 0].mean(dtype=float) for s in "AB"
    }
    assert lungs["B"] > 1.1 * lungs["A"]


def test_a_pixel_model_of_one_site_loses_on_the_other(sites):
    """Not trivial (gray and place alone do not solve it), not impossible, and there is a gap."""

    def features(data, rows):
        images = data.images[rows].astype(float) / 255
        place = np.stack(np.meshgrid(*[np.linspace(-1, 1, 64)] * 2), axis=-1).reshape(-1, 2)
        place = np.tile(place, (len(rows), 1))
        gray = images.reshape(-1, 1)
        return np.hstack([gray, gray**2, place, place**2, gray * place**2])

    def score(data, rows):
        predicted = model.predict(features(data, rows)).reshape(-1, 64, 64)
        return dice(data.masks[rows], predicted).mean()

    train, test = np.arange(0, 20), np.arange(60, 120)
    model = LogisticRegression(max_iter=300)
    model.fit(features(sites["A"], train), sites["A"].masks[train].ravel())
    own, other = score(sites["A"], test), score(sites["B"], test)
    assert 0.5 < own < 0.95
    assert other < own - 0.05


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"task": "fundus"}, "task must be 'chest'.*'fundus'"),
        ({"site": "C"}, r"site must be one of \['A', 'B'\].*'C'"),
        ({"n_samples": 0}, "n_samples must be an int of at least 1"),
        ({"n_samples": True}, "n_samples"),
        ({"image_size": 31}, "image_size must be an int of at least 32. Got 31"),
        ({"image_size": 64.0}, "image_size"),
    ],
)
def test_bad_arguments(options, text):
    with pytest.raises(ValueError, match=text):
        make_phantoms(**options)
