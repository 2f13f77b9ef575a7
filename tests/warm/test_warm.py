"""The warm selectors against scikit-activeml, autograd and formulas written out."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

from skxssr import RidgeSegmenter, SMPSegmenter  # noqa: E402
from skxssr._torch import asked, learning_loss  # noqa: E402
from skxssr._torch.unet import MaskLoss  # noqa: E402
from skxssr.base.request import check_request  # noqa: E402
from skxssr.datasets import make_phantoms  # noqa: E402
from skxssr.io import Images  # noqa: E402
from skxssr.metrics import entropy, mutual_information  # noqa: E402
from skxssr.segmentation import compact_segmenter  # noqa: E402
from skxssr.warm import (  # noqa: E402
    BADGESelector,
    BALDSelector,
    EntropySelector,
    LearningLossSelector,
    gradient_embeddings,
)
from skxssr.warm.badge import k_means_plus_plus  # noqa: E402

FILMS = make_phantoms("chest", "A", 10, random_state=0, image_size=32)
IMAGES, MASKS = FILMS.images, FILMS.masks
LABELED = [0, 1, 2]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    segmenter = compact_segmenter(image_size=32, steps=6, random_state=0)
    segmenter.set_params(dropout=0.3, batch_size=4, device="cpu")
    return segmenter.fit(IMAGES[LABELED], MASKS[LABELED])


def selectors(model):
    learning = LearningLossSelector(model, steps=3, batch_size=4, device="cpu")
    return [
        EntropySelector(model),
        BALDSelector(model, n_draws=3),
        BADGESelector(model),
        learning.fit(IMAGES[LABELED], MASKS[LABELED]),
    ]


# the contract


def test_every_selector_has_the_select_of_the_others(model):
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])
    for selector in selectors(model):
        picked = selector.select(IMAGES, 4, labeled=LABELED)
        assert picked.dtype == np.int64 and len(set(picked)) == 4
        assert not set(picked) & set(LABELED)
        np.testing.assert_array_equal(selector.select(IMAGES, 4, labeled=LABELED), picked)
        assert selector.selection_.n_samples == 10
        assert selector.selection_.selector == type(selector).__name__
        assert np.isfinite(selector.selection_.scores).all()
        assert set(selector.select(IMAGES, 3, candidates=[3, 4, 5])) == {3, 4, 5}
        spread = selector.select(IMAGES, 3, labeled=LABELED, groups=groups, max_per_group=1)
        assert set(groups[spread]) == {1, 2, 3}  # 0 has been visited
        record = selector.select(IMAGES, 0.2, return_selection=True)
        assert len(record) == 2
        weight = np.where(np.arange(10) == 7, 1e9, 1.0)
        if not isinstance(selector, LearningLossSelector):  # whose scores may be below 0
            assert selector.select(IMAGES, 1, labeled=LABELED, sample_weight=weight) == [7]
        again = clone(selector)
        assert again.model is model and not hasattr(again, "selection_")
        with pytest.raises(ValueError, match="at most 7 can be picked"):
            selector.select(IMAGES, 8, labeled=LABELED)
        with pytest.raises(TypeError, match="select needs a budget"):
            selector.select(IMAGES)
        with pytest.raises(TypeError, match="unexpected argument 'k': write budget="):
            selector.select(IMAGES, k=3)


def test_bad_input(model):
    with pytest.raises(NotFittedError):
        EntropySelector(SMPSegmenter()).select(IMAGES, 2)
    with pytest.raises(ValueError, match="'model' parameter"):
        EntropySelector(None).select(IMAGES, 2)
    with pytest.raises(NotFittedError):
        LearningLossSelector(model).select(IMAGES, 2)
    with pytest.raises(ValueError, match=r"batch_size \(5\) must be even.*batch_size=6"):
        LearningLossSelector(model, batch_size=5).fit(IMAGES, MASKS)
    with pytest.raises(ValueError, match="at least 2 labelled images"):
        LearningLossSelector(model).fit(IMAGES[:1], MASKS[:1])
    with pytest.raises(ValueError, match="one mask for each image"):
        LearningLossSelector(model).fit(IMAGES, MASKS[:3])
    dry = compact_segmenter(image_size=32, steps=1, random_state=0).fit(IMAGES[:2], MASKS[:2])
    with pytest.raises(ValueError, match=r"has no dropout.*SMPSegmenter\(dropout=0.2\)"):
        BALDSelector(dry).select(IMAGES, 2)
    with pytest.raises(ValueError, match="no convolution"):
        asked.LastConvolution(torch.nn.Linear(1, 1))


# entropy and BALD


def test_entropy_picks_by_the_mean_entropy_of_the_pixels(model):
    p = model.predict_proba(IMAGES).astype(np.float64)
    by_hand = -(p * np.log(np.clip(p, 1e-300, 1))).sum(axis=1).mean(axis=(1, 2))
    record = EntropySelector(model).select(IMAGES, 10, return_selection=True)
    np.testing.assert_array_equal(record.indices, np.argsort(-by_hand))
    np.testing.assert_allclose(record.scores, by_hand[record.indices], rtol=1e-5)
    ridge = RidgeSegmenter(image_size=32).fit(IMAGES[:3], MASKS[:3])
    assert EntropySelector(ridge).select(IMAGES, 2, labeled=LABELED).shape == (2,)
    assert len(EntropySelector(model).select([IMAGES[0], IMAGES[1][:20]], 2)) == 2


def test_mutual_information_is_that_of_scikit_activeml():
    skactiveml = pytest.importorskip("skactiveml.pool")
    p = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], size=(6, 20))  # draws, rows, classes
    mean = p.mean(axis=0)
    by_hand = -(mean * np.log(mean)).sum(1) + (p * np.log(p)).sum(2).mean(0)
    np.testing.assert_allclose(mutual_information(p), by_hand, rtol=1e-9)
    theirs = np.asarray(skactiveml.batch_bald(p, 1, random_state=0))[0]
    np.testing.assert_allclose(theirs, by_hand, atol=1e-6)
    maps = np.random.default_rng(1).dirichlet([1, 1], size=(4, 3, 5, 5)).transpose(0, 1, 4, 2, 3)
    of_pixels = mutual_information(maps.transpose(0, 1, 3, 4, 2).reshape(4, 75, 2))
    np.testing.assert_allclose(mutual_information(maps), of_pixels.reshape(3, 25).mean(axis=1))
    np.testing.assert_allclose(mutual_information(maps[:1]), 0)
    with pytest.raises(ValueError, match=r"Got shape \(3, 2\)"):
        mutual_information(np.full((3, 2), 0.5))


def test_bald_draws_by_dropout_are_seeded_and_leave_the_model_as_it_was(model):
    before = model.predict_proba(IMAGES)
    draws = np.array(list(asked.dropout_draws(model, Images(IMAGES), 4, 0)))
    again = np.array(list(asked.dropout_draws(model, Images(IMAGES), 4, 0)))
    other = np.array(list(asked.dropout_draws(model, Images(IMAGES), 4, 1)))
    assert draws.shape == (10, 4, 2, 32, 32)
    np.testing.assert_array_equal(draws, again)
    assert not np.array_equal(draws, other)
    assert (draws.std(axis=1) > 0).any()
    np.testing.assert_allclose(draws.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(model.predict_proba(IMAGES), before)
    record = BALDSelector(model, n_draws=4).select(IMAGES, 10, return_selection=True)
    seed = int(np.random.RandomState(0).randint(2**31))
    draws = np.array(list(asked.dropout_draws(model, Images(IMAGES), 4, seed)))
    expected = entropy(draws.mean(axis=1)) - np.mean(
        [entropy(one) for one in draws.swapaxes(0, 1)], 0
    )
    np.testing.assert_allclose(record.scores, expected[record.indices], atol=1e-6)


# BADGE


def test_gradients_are_those_of_autograd(model):
    (features, p), *_ = asked.last_layer(model, Images(IMAGES[:1]))
    layer = [part for part in model.module_.modules() if isinstance(part, torch.nn.Conv2d)][-1]
    logits = model.module_(torch.from_numpy(Images(IMAGES)[0]).permute(2, 0, 1)[None])
    guess = (logits > 0).float()
    model.module_.zero_grad(set_to_none=True)  # what the training left
    torch.nn.functional.binary_cross_entropy_with_logits(logits, guess).backward()
    ours = gradient_embeddings(features, p).reshape(2, features.shape[1])
    kernel = layer.weight.grad[0].numpy()  # 3 x 3: the middle is the pixel itself
    np.testing.assert_allclose(ours[1], kernel[:, 1, 1], atol=1e-6)
    np.testing.assert_allclose(ours[0], -ours[1], atol=1e-7)
    model.module_.zero_grad(set_to_none=True)


def naive_k_means_plus_plus(rows, k, generator):
    picked = [int(np.argmax((rows**2).sum(1)))]
    while len(picked) < k:
        distance = np.array([min(((r - rows[c]) ** 2).sum() for c in picked) for r in rows])
        cumulative = np.cumsum(distance / distance.sum())
        picked.append(
            int(np.searchsorted(cumulative / cumulative[-1], generator.random_sample(), "right"))
        )
    return picked


def test_k_means_plus_plus_is_that_of_the_paper_and_of_scikit_activeml():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6))
    for seed in range(5):
        record = k_means_plus_plus(rows, check_request(40, 8), np.random.RandomState(seed))
        expected = naive_k_means_plus_plus(rows, 8, np.random.RandomState(seed))
        assert record.indices.tolist() == expected
    skactiveml = pytest.importorskip("skactiveml.pool")
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    X = rng.normal(size=(40, 3))
    y = np.full(40, np.nan)
    y[:6] = [0, 1, 0, 1, 0, 1]
    classifier = SklearnClassifier(LogisticRegression(), classes=[0, 1]).fit(X, y)
    _, theirs = skactiveml.Badge(random_state=0).query(
        X, y, classifier, fit_clf=False, batch_size=2, return_utilities=True
    )
    G = gradient_embeddings(X, classifier.predict_proba(X))
    ours = k_means_plus_plus(
        G[6:], check_request(40, 2, labeled=range(6)), np.random.RandomState(0)
    )
    assert ours.indices[0] == np.nanargmax(theirs[0])
    lengths = np.square(G).sum(axis=1)
    np.testing.assert_allclose(theirs[0][6:], lengths[6:] / lengths[6:].sum(), rtol=1e-6)
    assert ours.scores[0] == pytest.approx(lengths[ours.indices[0]], rel=1e-5)


def test_equal_gradients_are_drawn_all_the_same():
    record = k_means_plus_plus(np.ones((5, 2)), check_request(5, 5), np.random.RandomState(0))
    assert sorted(record.indices) == [0, 1, 2, 3, 4]


# learning loss


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_loss_of_each_image_is_that_of_the_training_for_one_image(n_classes):
    logits = torch.randn(1, 1 if n_classes == 2 else 3, 8, 8)
    masks = torch.randint(0, n_classes, (1, 8, 8))
    ours = learning_loss.loss_of_each(logits, masks)
    if n_classes == 2:
        theirs = MaskLoss(2, False)(torch.nn.Identity(), (logits, masks), None)
        assert ours.item() == pytest.approx(theirs.item(), abs=0.02)  # smoothed a little otherwise
    both = learning_loss.loss_of_each(logits.repeat(2, 1, 1, 1), masks.repeat(2, 1, 1))
    torch.testing.assert_close(both, ours.repeat(2))
    unknown = masks.clone()
    unknown[:, :, 4:] = -1
    half = learning_loss.loss_of_each(logits[..., :4], masks[..., :4])
    torch.testing.assert_close(learning_loss.loss_of_each(logits, unknown), half)


def test_the_ranking_loss_is_that_of_the_paper():
    class Fixed(torch.nn.Module):
        def forward(self, images, masks):
            return torch.tensor([0.2, 1.0, 0.5, -3.0]), torch.tensor([1.0, 2.0, 3.0, 1.0])

    loss = learning_loss.RankingLoss(2, False)(Fixed(), (None, None), None)
    pairs = [(0.2, 0.5, 1.0, 3.0), (1.0, -3.0, 2.0, 1.0)]
    by_hand = [max(0, 1 - np.sign(li - lj) * (mi - mj)) for mi, mj, li, lj in pairs]
    assert loss.item() == pytest.approx(np.mean(by_hand))


def test_it_learns_to_tell_images_the_network_fails_on(model):
    """Half of the images are inverted: the network, which never saw such, has larger losses."""
    images = np.concatenate([IMAGES, IMAGES.max() - IMAGES])
    masks = np.concatenate([MASKS, MASKS])
    trained = compact_segmenter(image_size=32, steps=60, random_state=0)
    trained.set_params(device="cpu", augment=False).fit(IMAGES, MASKS)
    before = trained.weights_sha256_, trained.predict_proba(IMAGES[:2])
    selector = LearningLossSelector(trained, steps=80, device="cpu", learning_rate=1e-2)
    selector.fit(images[::2], masks[::2])
    picked = selector.select(images, 5, labeled=range(0, 20, 2))
    assert (picked >= 10).all()
    assert selector.loss_curve_[-10:].mean() < 0.6 * selector.loss_curve_[:10].mean()
    from skxssr._torch.weights import digest

    assert digest(trained.module_) == before[0]
    np.testing.assert_array_equal(trained.predict_proba(IMAGES[:2]), before[1])


def test_dropout_of_a_segmenter_is_trained_saved_and_silent_in_predictions(model, tmp_path):
    np.testing.assert_array_equal(model.predict_proba(IMAGES), model.predict_proba(IMAGES))
    model.save(tmp_path)
    loaded = SMPSegmenter.load(tmp_path).set_params(device="cpu")
    assert loaded.dropout == 0.3
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), model.predict_proba(IMAGES))
    with pytest.raises(ValueError, match="'dropout' parameter"):
        SMPSegmenter(dropout=1.0).fit(IMAGES, MASKS)
