"""A picture is decoded once, and what is told of it is what numpy says of its pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from skxssr.io import facts as facts_module
from skxssr.io import take_inventory
from skxssr.io.levels import quantiles

RNG = np.random.default_rng(0)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.lists(st.floats(0, 100), min_size=1, max_size=4),
)
def test_percentiles_from_counts_are_those_of_numpy(values, percents):
    found = quantiles(np.bincount(values), percents)
    np.testing.assert_allclose(found, np.percentile(values, percents), atol=1e-9)


def save(path, pixels, **how):
    Image.fromarray(pixels).save(path, **how)


def films(shape, most, dtype):
    return [RNG.integers(0, most, shape).astype(dtype) for _ in range(3)]


@pytest.mark.parametrize(
    ("stored", "suffix", "white", "inverted"),
    [
        (films((33, 50), 256, np.uint8), "png", 255, False),
        (films((40, 31, 3), 256, np.uint8), "png", 255, False),
        (films((33, 50), 4096, np.uint16), "png", 4095, False),
        (films((33, 50), 4096, np.uint16), "tif", 4095, True),
        (films((33, 50), 65536, np.uint16), "tif", 65535, False),
        ([x / np.float32(1000) for x in films((20, 30), 1000, np.float32)], "tif", 1, False),
        (films((20, 30), 256, np.float32), "tif", 255, False),
    ],
)
def test_facts_are_those_of_the_pixels(tmp_path, monkeypatch, stored, suffix, white, inverted):
    stored[0].flat[:40] = 0 if inverted else white  # some of it is white
    stored[1].flat[0] = white
    for i, pixels in enumerate(stored):
        how = {"tiffinfo": {262: 0}} if inverted else {}
        save(tmp_path / f"{i}.{suffix}", pixels, **how)
    decoded = []
    read = facts_module.read_picture
    monkeypatch.setattr(
        facts_module, "read_picture", lambda path: decoded.append(path.name) or read(path)
    )
    found = take_inventory(tmp_path)
    twice = white == 255 and stored[0].dtype.kind == "f"  # floats that are not from 0 to 1
    assert len(decoded) == (6 if twice else 3)
    for pixels, facts in zip(stored, found.facts.values(), strict=True):
        gray = pixels.astype(np.float64) / white
        if inverted:
            # 0 is white, and 65535 the highest value of the format: the rule is that of the site
            gray = 1 - gray
        gray = gray if gray.ndim == 2 else gray.mean(axis=2)
        low, middle, high = np.percentile(gray, [1, 50, 99])
        np.testing.assert_allclose([facts.low, facts.middle, facts.high], [low, middle, high], 1e-4)
        assert facts.at_top == pytest.approx((gray > 1 - 1e-6).mean())
        assert facts.n_values == len(np.unique(pixels))
        assert (facts.height, facts.width) == pixels.shape[:2]
        edges = [np.linspace(0, n, 17).astype(int) for n in gray.shape]
        for i, j in ((0, 0), (7, 3), (15, 15)):
            block = gray[edges[0][i] : edges[0][i + 1], edges[1][j] : edges[1][j + 1]]
            assert facts.small[i, j] == pytest.approx(block.mean(), abs=1e-5)


def test_a_window_holds_for_what_is_told_too(tmp_path):
    pixels = films((30, 30), 256, np.uint8)
    for i, film in enumerate(pixels):
        save(tmp_path / f"{i}.png", film)
    found = take_inventory(tmp_path, window=(50, 150))
    for film, facts in zip(pixels, found.facts.values(), strict=True):
        gray = ((film.astype(float) - 50) / 100).clip(0, 1)
        assert facts.at_top == pytest.approx((gray > 1 - 1e-6).mean())
        assert facts.middle == pytest.approx(np.median(gray), abs=1e-6)
