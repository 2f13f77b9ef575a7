"""`subset` in torch's own loader; entropy against scipy; gradient embeddings against autograd."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.exceptions import MissingExtraError
from skxssr.integrations.torch import subset
from skxssr.integrations.warm import entropy, gradient_embeddings
from tests.conftest import normal


def probabilities(shape, seed=0):
    """Softmax over axis 1, some of it exactly 0 and 1."""
    p = softmax(3 * np.random.default_rng(seed).normal(size=shape), axis=1)
    p[0] = 0
    p[0, 1] = 1
    return p


# --- subset


def test_a_record_its_indices_and_a_list_give_the_picks_in_order(pool):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    data = torch.utils.data
    images = torch.arange(len(pool)) * 10
    record = XSSRSelector().select(pool, 9, return_selection=True)
    for selection in (record, record.indices, record.indices.tolist()):
        chosen = subset(data.TensorDataset(images), selection)
        assert isinstance(chosen, data.Subset)
        batches = [batch for (batch,) in data.DataLoader(chosen, batch_size=4)]
        assert torch.cat(batches).tolist() == (record.indices * 10).tolist()


def test_a_mask_and_nothing_at_all(pool):
    pytest.importorskip("torch", reason="torch is not installed")
    mask = np.zeros(len(pool), dtype=bool)
    mask[[7, 3]] = True
    assert subset(pool, mask).indices == [3, 7]
    assert len(subset(pool, [])) == 0


def test_a_subset_of_a_subset_and_workers(pool):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    inner = subset(torch.utils.data.TensorDataset(torch.arange(80)), np.arange(79, 39, -1))
    picks = CoreSetSelector().select(pool[79:39:-1], 6, return_selection=True)
    loader = torch.utils.data.DataLoader(subset(inner, picks), batch_size=2, num_workers=1)
    rows = torch.cat([batch for (batch,) in loader]).numpy()
    np.testing.assert_array_equal(rows, np.arange(79, 39, -1)[picks.indices])


def test_another_pool_and_rows_out_of_range_are_named(pool):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    record = XSSRSelector().select(pool, 3, return_selection=True)
    with pytest.raises(ValueError, match="made from 80 rows, but dataset has 79 items"):
        subset(pool[:79], record)
    with pytest.raises(ValueError, match="selection holds the index 80"):
        subset(pool, [3, 80])
    with pytest.raises(ValueError, match="more than once"):
        subset(pool, [3, 3])

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(3))

    with pytest.raises(TypeError, match="Stream has no length"):
        subset(Stream(), [0])


def test_without_torch_the_extra_is_named(monkeypatch, pool):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.data", None)
    with pytest.raises(MissingExtraError, match=r"skxssr\[torch\]"):
        subset(pool, [0])


# --- entropy


@pytest.mark.parametrize("shape", [(7, 3), (5, 2, 4, 6), (3, 4, 2, 3, 5), (2, 3, 8)])
def test_entropy_is_the_mean_of_that_of_scipy(shape):
    p = probabilities(shape)
    theirs = scipy_entropy(p, axis=1).reshape(len(p), -1).mean(axis=1)
    np.testing.assert_allclose(entropy(p), theirs, rtol=1e-12, atol=1e-15)
    assert entropy(p)[0] == 0
    assert not np.signbit(entropy(p)).any()
    np.testing.assert_allclose(entropy(p.astype(np.float32)), theirs, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(entropy(p.tolist()), theirs, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(entropy(np.full(shape, 1 / shape[1])), np.log(shape[1]))


def test_entropy_of_images_of_different_sizes():
    images = [probabilities((1, 3, 4 + i, 5))[0] for i in range(3)]
    images.append(probabilities((2, 3, 6, 7))[1])
    theirs = [scipy_entropy(image, axis=0).mean() for image in images]
    for form in (images, tuple(images)):
        np.testing.assert_allclose(entropy(form), theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.5, 0.5]), r"Got shape \(2,\)"),
        ([], r"Got shape \(0,\)"),
        (np.empty((0, 2)), r"Got shape \(0, 2\)"),
        (np.empty((0, 2, 4, 4)), r"Got shape \(0, 2, 4, 4\)"),
        ([[0.5, np.nan]], "hold nan"),
        ([[1.5, -0.5]], "hold -0.5"),
        ([[2.0, 3.0]], "A sum of 5 was found"),
        (np.full((2, 1, 4, 4), 0.3), "stack 1 - p and p"),
        ([np.full((2, 3, 3), 0.4)], "A sum of 0.8 was found"),
    ],
    ids=str,
)
def test_what_is_no_probability_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        entropy(values)


# --- gradient embeddings


@pytest.mark.parametrize("pixels", [(), (3, 4)], ids=["classifier", "segmentation"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_embeddings_are_those_of_autograd(pixels, dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    h = torch.from_numpy(normal(6, 5 * int(np.prod(pixels)), 3).astype(dtype))
    h = h.reshape(6, 5, *pixels)
    layer = torch.nn.Conv2d(5, 4, 1, dtype=h.dtype) if pixels else torch.nn.Linear(5, 4).to(h.dtype)
    ours = gradient_embeddings(h.numpy(), torch.softmax(layer(h), 1).detach().numpy())
    assert ours.dtype == dtype
    for row in range(len(h)):
        layer.zero_grad()
        logits = layer(h[row : row + 1])
        torch.nn.functional.cross_entropy(logits, logits.argmax(1)).backward()
        theirs = layer.weight.grad.flatten().numpy()
        np.testing.assert_allclose(ours[row], theirs, atol=1e-6 if dtype == np.float32 else 1e-12)


def test_the_guess_is_the_label_of_the_shortest_gradient():
    h, p = normal(50, 4, 0), probabilities((50, 3))
    ours = np.linalg.norm(gradient_embeddings(h, p), axis=1)
    for label in range(3):
        gradient = (p - np.eye(3)[label])[:, :, None] * h[:, None, :]
        assert (ours <= np.linalg.norm(gradient.reshape(50, -1), axis=1) + 1e-12).all()


def test_integers_are_features_too():
    p = np.array([[0.5, 0.5], [0.2, 0.8]])
    ours = gradient_embeddings([[1, 2], [3, 4]], p)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, [[-0.5, -1, 0.5, 1], [0.6, 0.8, -0.6, -0.8]])


@pytest.mark.parametrize(
    ("features", "p", "message"),
    [
        (np.ones((3, 2)), np.full((4, 2), 0.5), "do not pair"),
        (np.ones((4, 2)), np.full((4, 2, 3, 3), 0.5), "do not pair"),
        (np.ones((4, 2, 3, 2)), np.full((4, 2, 3, 3), 0.5), "do not pair"),
        (np.full((4, 2), np.inf), np.full((4, 2), 0.5), "features must be finite"),
        (np.ones((4, 2)), np.full((4, 2), 1.5), "Apply softmax"),
    ],
)
def test_features_that_do_not_fit_are_refused(features, p, message):
    with pytest.raises(ValueError, match=message):
        gradient_embeddings(features, p)


# --- a warm round


def test_demand_moves_the_picks_to_where_the_model_is_unsure():
    X, y = load_digits(return_X_y=True)
    X, y = X[:400] / 16, y[:400]
    first = XSSRSelector().select(X, 20)
    model = LogisticRegression().fit(X[first], y[first])
    unsure = entropy(model.predict_proba(X))
    plain = XSSRSelector().select(X, 20, labeled=first)
    warm = XSSRSelector().select(X, 20, labeled=first, sample_weight=unsure)
    assert not set(warm) & set(first)
    assert unsure[warm].mean() > unsure[plain].mean()


@pytest.mark.slow
def test_a_warm_round_of_a_segmenter():
    pytest.importorskip("segmentation_models_pytorch", reason="the extra seg is not installed")
    from skxssr import SMPSegmenter

    rng = np.random.default_rng(0)
    images = rng.random((12, 32, 40)).astype(np.float32)
    masks = np.zeros(images.shape, dtype=np.uint8)
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        mask[8:24, 4 + row : 24 + row] = 1
        image[mask > 0] *= 0.3
    X = images.reshape(len(images), -1)
    first = XSSRSelector().select(X, 3)
    segmenter = SMPSegmenter(
        encoder_name="tu-resnet10t",
        arch_kwargs={
            "encoder_depth": 4,
            "decoder_channels": (64, 32, 16, 16),
            "channels": (16, 32, 64, 128),
            "stem_width": 16,
        },
        image_size=32,
        steps=10,
        batch_size=4,
        device="cpu",
        random_state=0,
    ).fit(images[first], masks[first])
    p = segmenter.predict_proba(images)
    unsure = entropy(p)
    theirs = scipy_entropy(p.astype(np.float64), axis=1).mean(axis=(1, 2))
    np.testing.assert_allclose(unsure, theirs, rtol=1e-6)
    second = XSSRSelector().select(X, 3, labeled=first, sample_weight=unsure)
    assert not set(second) & set(first)
