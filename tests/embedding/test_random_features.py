"""Random features of pixels against scipy, and the embedder that pools them."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from skxssr import RandomFeaturesEmbedder  # noqa: E402
from skxssr._torch import random_features as rf  # noqa: E402

RNG = np.random.default_rng(0)
COLOUR = RNG.random((5, 12, 16, 3))
GRAY = RNG.random((5, 16, 12))


def features(channels=1, seed=0, drawn_by=rf.SEGMENTER):
    return rf.RandomFeatures(channels, seed, drawn_by).eval()


def window_means(image):
    """Mean over the 9 x 9 pixels around each, as many of them as there are."""
    out = np.empty_like(image)
    for y, x in np.ndindex(image.shape):
        out[y, x] = image[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5].mean()
    return out


def convolved(maps, kernels):
    """Replicated borders, no bias, ReLU."""
    rows = [
        sum(correlate(m, k, mode="nearest") for m, k in zip(maps, kernel, strict=True))
        for kernel in kernels
    ]
    return np.maximum(np.stack(rows), 0)


def enlarged(maps, size):
    """Bilinear, pixels as areas."""
    side = maps.shape[-1]
    at = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 1)
    high, share = np.minimum(low + 1, side - 1), at - low
    maps = maps[:, low] * (1 - share)[:, None] + maps[:, high] * share[:, None]
    return maps[:, :, low] * (1 - share) + maps[:, :, high] * share


@pytest.mark.parametrize("channels", [1, 3])
def test_appearance_by_hand(channels):
    module = features(channels)
    image = RNG.random((channels, 16, 16)).astype(np.float32)
    found = module.appearance(torch.from_numpy(image)[None])[0].numpy()
    flat = image.reshape(channels, -1).astype(float)
    plain = (flat - flat.mean(1)[:, None]) / (flat.std(1, ddof=1)[:, None] + 1e-3)
    plain = plain.reshape(image.shape)
    detail = plain.mean(0) - window_means(plain.mean(0))
    contrast = detail / np.sqrt(window_means(detail**2) + 1e-2)
    scene = np.concatenate([plain, contrast[None]])
    expected = [scene]
    for scale in range(rf.SCALES):
        step = 2**scale
        coarse = scene.reshape(-1, 16 // step, step, 16 // step, step).mean((2, 4))
        one = convolved(coarse, module.first[scale].numpy().astype(float))
        two = convolved(one, module.second[scale].numpy().astype(float))
        expected += [enlarged(one, 16), enlarged(two, 16)]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=2e-5)
    assert len(found) == module.n_appearance


def test_position_and_products_by_hand():
    module = features()
    images = torch.from_numpy(RNG.random((2, 1, 9, 9)).astype(np.float32))
    found = module(images).numpy()
    appearance = module.appearance(images).numpy()
    line = np.linspace(-1, 1, 9)
    frequencies, phases = module.frequencies.numpy(), module.phases.numpy()
    for k, y, x in [(0, 0, 0), (5, 3, 8), (47, 8, 1)]:
        where = np.cos(frequencies[k] @ [line[y], line[x]] + phases[k])
        np.testing.assert_allclose(found[:, 1 + k, y, x], where, atol=1e-3)
    few, coarse = rf.N_PRODUCTS
    last = appearance[:, -rf.WIDTH :][:, :coarse]
    products = found[:, 1 : 1 + few, None] * last[:, None]
    begin = 1 + rf.N_POSITION
    there = found[:, begin : begin + few * coarse].reshape(products.shape)
    np.testing.assert_allclose(there, products, rtol=2e-3, atol=1e-3)
    assert (found[:, 0] == 1).all()
    np.testing.assert_allclose(found[:, begin + few * coarse :], appearance, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [8, 9, 33])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_flat_images(size, channels):
    module = features(channels)
    images = torch.zeros(3, channels, size, size)
    images[1] = 1
    images[2, :, 0, 0] = 1
    found = module(images)
    assert found.shape == (3, module.n_features, size, size)
    assert found.isfinite().all()
    assert torch.equal(found, found.half().float())
    assert not module.appearance(images[:2]).any()


def test_the_seed_decides_and_so_does_who_draws():
    state = torch.get_rng_state()
    same, again = features(seed=3), features(seed=3)
    assert torch.equal(state, torch.get_rng_state())
    for name, value in same.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        other = features(seed=4).state_dict()[name]
        assert torch.isclose(value, other).float().mean() < 0.01
        theirs = features(seed=3, drawn_by=rf.EMBEDDER).state_dict()[name]
        assert torch.isclose(value, theirs).float().mean() < 0.01


@settings(max_examples=15, deadline=None)
@given(st.floats(0.5, 1), st.floats(0, 0.2), st.integers(0, 2**31 - 1))
def test_brightness_and_contrast_leave_an_embedding_as_it_is(gain, offset, seed):
    images = torch.from_numpy(np.random.default_rng(seed).random((2, 1, 16, 16))).float()
    there = features().moments(images)
    np.testing.assert_allclose(features().moments(0.8 * gain * images + offset), there, atol=0.05)


def cell(layer, number):
    """Mean of the pixels that the patch of an 8 x 8 grid touches."""
    side = layer.shape[-1]
    y, x = divmod(number, 8)
    rows = slice(y * side // 8, -(-(y + 1) * side // 8))
    columns = slice(x * side // 8, -(-(x + 1) * side // 8))
    return layer[:, rows, columns].mean((1, 2))


def test_several_draws_are_networks_side_by_side():
    module = rf.RandomFeatures(1, 0, rf.EMBEDDER, n_draws=3)
    image = torch.from_numpy(RNG.random((1, 1, 16, 16)).astype(np.float32))
    layers = list(module.layers(image))
    for draw in range(3):
        own = slice(draw * rf.WIDTH, (draw + 1) * rf.WIDTH)
        alone = features()
        alone.first, alone.second = module.first[:, own], module.second[:, own]
        pairs = zip(layers[1:], list(alone.layers(image))[1:], strict=True)
        for side_by_side, single in pairs:
            torch.testing.assert_close(side_by_side[:, own], single)


def test_an_embedding_is_mean_and_deviation_and_patches_are_means():
    embedder = RandomFeaturesEmbedder(image_size=16, device="cpu", batch_size=2)
    found = embedder.fit_transform(GRAY)
    assert found.shape == (5, embedder.n_features_out_) == (5, 1540)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    square = np.zeros((16, 16), np.float32)
    square[:, 2:14] = GRAY[3]
    layers = list(embedder.module_.layers(torch.from_numpy(square)[None, None]))
    layers = [layer[0].numpy().astype(float) for layer in layers]
    means = np.concatenate([layer.mean((1, 2)) for layer in layers])
    deviations = np.concatenate([layer.std((1, 2)) for layer in layers])
    np.testing.assert_allclose(found[3], [*means, *deviations], atol=1e-5)
    patches = embedder.transform_patches(GRAY)
    assert patches.shape == (5, 64, 770)
    assert patches.dtype == np.float32
    assert patches.flags.c_contiguous
    cells = [np.stack([cell(layer, number) for number in range(64)]) for layer in layers]
    expected = np.concatenate(cells, axis=1)
    np.testing.assert_allclose(patches[3], expected, atol=1e-5)
    whole = RandomFeaturesEmbedder(image_size=16, device="cpu").fit(GRAY)
    np.testing.assert_allclose(whole.transform(GRAY), found, atol=1e-5)


def test_two_runs_give_the_same_and_other_images_change_nothing():
    one = RandomFeaturesEmbedder(image_size=16, device="cpu").fit(GRAY)
    two = clone(one).fit(GRAY[:1] / 3)
    np.testing.assert_array_equal(one.transform(GRAY), two.transform(GRAY))
    other = clone(one).set_params(random_state=1).fit(GRAY)
    assert not np.allclose(one.transform(GRAY), other.transform(GRAY))


def test_colour_and_gray():
    embedder = RandomFeaturesEmbedder(image_size=16, device="cpu").fit(COLOUR)
    assert embedder.n_channels_ == 3
    assert embedder.fit_transform(COLOUR).shape == (5, 1544)
    repeated = np.repeat(GRAY[..., None], 3, axis=3)
    np.testing.assert_allclose(
        embedder.transform(GRAY), embedder.transform(repeated), rtol=1e-4, atol=1e-5
    )


def test_saved_loaded_and_pickled(tmp_path):
    embedder = RandomFeaturesEmbedder(image_size=16, device="cpu", random_state=5).fit(COLOUR)
    embedder.save(tmp_path)
    for copy in (RandomFeaturesEmbedder.load(tmp_path), pickle.loads(pickle.dumps(embedder))):
        copy.set_params(device="cpu")
        np.testing.assert_array_equal(copy.transform(COLOUR), embedder.transform(COLOUR))
        assert copy.weights_sha256_ == embedder.weights_sha256_
