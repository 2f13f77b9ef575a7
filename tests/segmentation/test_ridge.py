"""`RidgeSegmenter` against scikit-learn's Ridge on the same design matrix, and its contract."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.utils import get_tags

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from skxssr import RidgeSegmenter  # noqa: E402
from skxssr._torch import images as torch_images  # noqa: E402
from skxssr._torch import ridge  # noqa: E402

SIZE = 16


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def boxes(n=5, shape=(SIZE, SIZE), values=(255,), channels=0, seed=0):
    """Bright boxes in noise, each value its own brightness, and where they are."""
    rng = np.random.default_rng(seed)
    images, masks = rng.random((n, *shape)) / 2, np.zeros((n, *shape), dtype=np.uint8)
    height, width = shape[0] // 3, shape[1] // 3
    for image, mask in zip(images, masks, strict=True):
        for number, value in enumerate(values):
            top = rng.integers(0, shape[0] - height)
            left = number * shape[1] // len(values)
            image[top : top + height, left : left + width] += 0.5 / (number + 1)
            mask[top : top + height, left : left + width] = value
    return (np.repeat(images[..., None], channels, axis=3) if channels else images), masks


def segmenter(**params):
    return RidgeSegmenter(**{"image_size": SIZE, "device": "cpu"} | params)


def design(fitted, images):
    """The features (n, pixels, p) of every second pixel, for images of the square's own size."""
    squares = np.asarray(images, dtype=np.float32)
    squares = squares[:, None] if squares.ndim == 3 else squares.transpose(0, 3, 1, 2)
    maps = fitted.module_.features(torch.from_numpy(np.ascontiguousarray(squares))).numpy()
    return maps[:, :, ::2, ::2].reshape(*maps.shape[:2], -1).transpose(0, 2, 1).astype(float)


@pytest.mark.parametrize(
    ("values", "channels", "n"), [((255,), 0, 5), ((1, 2, 7), 0, 8), ((1,), 3, 1)]
)
def test_weights_are_those_of_scikit_learn(values, channels, n):
    images, masks = boxes(n, values=values, channels=channels)
    fitted = segmenter(penalty=0.02).fit(images, masks)
    X = design(fitted, images)
    X = X.reshape(-1, X.shape[-1])
    Y = (masks[:, ::2, ::2].reshape(-1, 1) == values).astype(float)
    alpha = 0.02 * len(X) * (X**2).mean()
    theirs = Ridge(alpha, fit_intercept=False, solver="cholesky").fit(X, Y).coef_
    assert fitted.module_.weights.shape == (len(values), X.shape[1])
    np.testing.assert_allclose(fitted.module_.weights, np.atleast_2d(theirs), atol=1e-6)


@pytest.mark.parametrize("values", [(255,), (1, 2)])
def test_thresholds_have_the_best_dice_on_the_training_images(values):
    images, masks = boxes(6, values=values)
    masks[0] = 0  # has no Dice, and must not count
    fitted = segmenter().fit(images, masks)
    scores = design(fitted, images) @ fitted.module_.weights.double().numpy().T
    truth = masks[:, ::2, ::2].reshape(6, -1)
    grid = np.arange(2, 13) / 20
    for k, value in enumerate(values):
        seen = [i for i in range(6) if (truth[i] == value).any()]
        table = [
            np.mean([f1_score(truth[i] == value, scores[i, :, k] > level) for i in seen])
            for level in grid
        ]
        assert fitted.thresholds_[k] == pytest.approx(grid[int(np.argmax(table))])


@pytest.mark.parametrize("values", [(255,), (1, 2, 7)])
def test_predictions_are_the_most_probable_and_follow_the_thresholds(values):
    images, masks = boxes(6, values=values)
    fitted = segmenter().fit(images[:4], masks[:4])
    probabilities, predicted = fitted.predict_proba(images), fitted.predict(images)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(predicted, fitted.classes_[probabilities.argmax(1)])
    margins = design(fitted, images) @ fitted.module_.weights.double().numpy().T
    margins = margins - fitted.thresholds_
    by_hand = np.where(margins.max(2) > 0, fitted.classes_[1:][margins.argmax(2)], 0)
    there = predicted[:, ::2, ::2].reshape(6, -1)
    clear = np.abs(np.sort(np.concatenate([margins, 0 * margins[..., :1]], 2))[..., -2:])
    clear = np.ptp(clear, axis=2) > 1e-4
    np.testing.assert_array_equal(there[clear], by_hand[clear])
    logits = 4 * margins
    if len(values) == 1:
        expected = 1 / (1 + np.exp(-logits[..., 0]))
        shown = probabilities[:, 1, ::2, ::2].reshape(6, -1)
        np.testing.assert_allclose(shown, expected, atol=1e-4)


def test_it_finds_what_is_there_in_the_images_own_size():
    images, masks = boxes(8, shape=(40, 30))
    fitted = segmenter(image_size=32).fit(images[:4], masks[:4])
    predicted = fitted.predict(images[4:])
    assert predicted.shape == masks[4:].shape
    assert predicted.dtype == np.uint8
    assert fitted.classes_.tolist() == [0, 255]
    assert fitted.score(images[4:], masks[4:]) > 0.8
    by_hand = [
        f1_score(true.ravel() > 0, pred.ravel() > 0)
        for true, pred in zip(masks[4:], predicted, strict=True)
    ]
    assert fitted.score(images[4:], masks[4:]) == pytest.approx(np.mean(by_hand))
    mixed = fitted.predict([images[0], images[1, :20]])
    assert [p.shape for p in mixed] == [(40, 30), (20, 30)]


def test_batches_change_rounding_only():
    images, masks = boxes(7)
    one = segmenter(batch_size=1).fit(images, masks)
    all_ = segmenter(batch_size=100).fit(images, masks)
    np.testing.assert_allclose(one.module_.weights, all_.module_.weights, atol=1e-3)
    np.testing.assert_allclose(one.predict_proba(images), all_.predict_proba(images), atol=1e-2)


def test_no_more_than_a_batch_of_features_is_held(monkeypatch):
    seen = []
    plain = ridge._equations
    monkeypatch.setattr(
        ridge, "_equations", lambda X, *rest: seen.append(len(X)) or plain(X, *rest)
    )
    segmenter(batch_size=3).fit(*boxes(7))
    assert seen == [3, 3, 1]


def test_squares_that_do_not_fit_in_memory_give_the_same(monkeypatch):
    images, masks = boxes(4)
    here = segmenter().fit(images, masks)
    monkeypatch.setattr(torch_images, "KEEP_BYTES", 0)
    assert segmenter().fit(images, masks).weights_sha256_ == here.weights_sha256_


def test_empty_masks():
    images, masks = boxes(4)
    with pytest.raises(ValueError, match=r"no value but 0.*classes"):
        segmenter().fit(images, 0 * masks)
    nothing = segmenter(classes=[0, 255]).fit(images, 0 * masks)
    assert nothing.thresholds_.tolist() == [0.5]
    assert not nothing.predict(images).any()
    assert nothing.score(images, 0 * masks) == 1
    never = segmenter(classes=[0, 7, 255]).fit(images, masks)
    assert never.thresholds_[0] == 0.5
    assert set(np.unique(never.predict(images))) == {0, 255}


def test_flat_images_and_full_masks():
    masks = np.ones((2, SIZE, SIZE), dtype=bool)
    fitted = segmenter().fit(np.zeros((2, SIZE, SIZE)), masks)
    assert fitted.predict(np.full((1, SIZE, SIZE), 0.5)).all()


def test_features_are_drawn_from_the_seed():
    images, masks = boxes(3)
    one = segmenter().fit(images, masks)
    assert segmenter().fit(images, masks).weights_sha256_ == one.weights_sha256_
    other = segmenter(random_state=1).fit(images, masks)
    assert not torch.equal(other.module_.features.first, one.module_.features.first)
    unseeded = [segmenter(random_state=None).fit(images, masks).seed_ for _ in range(2)]
    assert unseeded[0] != unseeded[1]


def test_saved_loaded_cloned_and_pickled(tmp_path):
    images, masks = boxes(4, values=(1, 2), channels=3)
    fitted = segmenter(random_state=np.random.RandomState(0)).fit(images, masks)
    fitted.save(tmp_path)
    for copy in (RidgeSegmenter.load(tmp_path), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(copy.predict(images), fitted.predict(images))
        np.testing.assert_array_equal(copy.thresholds_, fitted.thresholds_)
        assert copy.weights_sha256_ == fitted.weights_sha256_
    assert not hasattr(clone(fitted), "module_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"penalty": 0}, "'penalty'"),
        ({"image_size": 4}, "'image_size'"),
        ({"classes": [0]}, "at least two distinct"),
        ({"classes": [0, 1]}, r"holds the values 255, but classes is \[0, 1\]"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_what_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**params).fit(*boxes(2))


def test_pairs_must_fit():
    images, masks = boxes(3)
    with pytest.raises(ValueError, match="3 images and 2 masks"):
        segmenter().fit(images, masks[:2])
    with pytest.raises(ValueError, match="height and width"):
        segmenter().fit(images, masks[:, :8])


def test_tags():
    tags = get_tags(RidgeSegmenter())
    assert tags.input_tags.three_d_array
    assert tags.target_tags.required
