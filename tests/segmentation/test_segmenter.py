"""`SMPSegmenter` against scikit-learn's scores, torch's losses and itself."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.utils import get_tags

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

from skxssr import SMPSegmenter  # noqa: E402
from skxssr._torch import batch_norm, unet  # noqa: E402
from skxssr.exceptions import ImageReadError  # noqa: E402
from skxssr.io import Images  # noqa: E402

TINY = {
    "encoder_name": "tu-resnet10t",
    "arch_kwargs": {
        "encoder_depth": 3,
        "decoder_channels": (16, 16, 8),
        "channels": (8, 16, 16, 16),
        "stem_width": 8,
    },
    "image_size": 32,
    "steps": 4,
    "batch_size": 4,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def squares(n=4, shape=(40, 30), white=255, seed=0):
    """Dark boxes in noise, and where they are."""
    rng = np.random.default_rng(seed)
    images = rng.integers(120, 256, (n, *shape), dtype=np.uint8)
    masks = np.zeros((n, *shape), dtype=np.uint8)
    for image, mask in zip(images, masks, strict=True):
        top, left = rng.integers(2, 12, 2)
        image[top : top + 20, left : left + 14] //= 3
        mask[top : top + 20, left : left + 14] = white
    return images, masks


@pytest.fixture(scope="module")
def fitted():
    return SMPSegmenter(**TINY | {"steps": 60, "learning_rate": 1e-2}).fit(*squares())


def test_it_learns_and_predicts_raw_values_in_the_images_own_size(fitted):
    images, masks = squares()
    predicted = fitted.predict(images)
    assert predicted.shape == images.shape
    assert predicted.dtype == np.uint8
    assert set(np.unique(predicted)) == {0, 255}
    assert fitted.classes_.tolist() == [0, 255]
    assert fitted.loss_curve_.shape == (60,)
    assert fitted.loss_curve_[-5:].mean() < 0.6 * fitted.loss_curve_[:5].mean()
    assert fitted.score(images, masks) > 0.85


def test_score_is_the_mean_of_scikit_learns_f1_per_image(fitted):
    images, masks = squares(seed=5)
    expected = np.mean(
        [
            f1_score(mask.ravel() > 0, pred.ravel() > 0)
            for mask, pred in zip(masks, fitted.predict(images), strict=True)
        ]
    )
    assert fitted.score(images, masks) == pytest.approx(expected)
    assert fitted.score(images, masks // 255) == pytest.approx(expected)  # 1 is foreground too


def test_one_image_can_be_learned_by_heart():
    images, masks = squares(1)
    segmenter = SMPSegmenter(**TINY | {"steps": 60, "learning_rate": 1e-2, "augment": False})
    assert segmenter.fit(images, masks).score(images, masks) > 0.93


def test_several_classes():
    images, masks = squares(6, white=2)
    images[:, 32:36, 20:26], masks[:, 32:36, 20:26] = 255, 7
    segmenter = SMPSegmenter(**TINY | {"steps": 80, "learning_rate": 1e-2, "augment": False})
    segmenter.fit(images, masks)
    assert segmenter.classes_.tolist() == [0, 2, 7]
    probabilities = segmenter.predict_proba(images)
    assert probabilities.shape == (6, 3, 40, 30)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    predicted = segmenter.predict(images)
    np.testing.assert_array_equal(predicted, segmenter.classes_[probabilities.argmax(axis=1)])
    expected = np.mean(
        [
            f1_score(mask.ravel(), pred.ravel(), labels=[2, 7], average="macro")
            for mask, pred in zip(masks, predicted, strict=True)
        ]
    )
    assert segmenter.score(images, masks) == pytest.approx(expected)
    assert expected > 0.6


def test_probabilities_of_two_classes(fitted):
    probabilities = fitted.predict_proba(squares()[0])
    assert probabilities.shape == (4, 2, 40, 30)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    foreground = fitted.predict(squares()[0]) == 255
    np.testing.assert_array_equal(probabilities[:, 1] > 0.5, foreground)


def test_images_of_different_sizes_come_back_as_a_list(fitted):
    images = [squares(1, shape)[0][0] for shape in [(40, 30), (64, 64), (33, 90)]]
    predicted = fitted.predict(images)
    assert [mask.shape for mask in predicted] == [image.shape for image in images]
    assert [maps.shape[1:] for maps in fitted.predict_proba(images)] == [i.shape for i in images]
    np.testing.assert_array_equal(predicted[0], fitted.predict(images[:1])[0])


def test_the_same_seed_gives_the_same_bytes():
    one = SMPSegmenter(**TINY).fit(*squares())
    torch.manual_seed(1)
    two = SMPSegmenter(**TINY).fit(*squares())
    other = SMPSegmenter(**TINY | {"random_state": 1}).fit(*squares())
    assert one.weights_sha256_ == two.weights_sha256_ != other.weights_sha256_
    np.testing.assert_array_equal(one.loss_curve_, two.loss_curve_)


def test_paths_and_arrays_train_the_same_network(tmp_path):
    from PIL import Image

    images, masks = squares()
    paths = [(tmp_path / f"{i}.png", tmp_path / f"{i}_mask.png") for i in range(4)]
    for (image_path, mask_path), image, mask in zip(paths, images, masks, strict=True):
        Image.fromarray(image).save(image_path)
        Image.fromarray(mask).save(mask_path)
    image_paths, mask_paths = zip(*paths, strict=True)
    from_paths = SMPSegmenter(**TINY).fit(image_paths, mask_paths)
    from_arrays = SMPSegmenter(**TINY).fit(images, masks)
    assert from_paths.weights_sha256_ == from_arrays.weights_sha256_
    assert from_paths.score(image_paths, mask_paths) == from_arrays.score(images, masks)


def test_warm_start(fitted, tmp_path):
    images, masks = squares(3, white=1, seed=9)
    short = TINY | {"steps": 5, "learning_rate": 1e-4}
    warm = SMPSegmenter(**short, init_from=fitted)
    before = fitted.weights_sha256_
    copy = clone(warm)
    assert copy.init_from is fitted
    assert copy.fit(images, masks).score(images, masks) > 0.8
    assert copy.classes_.tolist() == [0, 1]
    assert SMPSegmenter(**short).fit(images, masks).score(images, masks) < 0.8
    assert before == fitted.weights_sha256_
    copy.save(tmp_path)
    assert before in (tmp_path / "config.json").read_text()
    loaded = SMPSegmenter.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(images), copy.predict(images))


def test_a_warm_start_that_does_not_fit_is_refused(fitted):
    images, masks = squares()
    with pytest.raises(ValueError, match=r"init_from has other channels \(1 there, 3 here\)"):
        SMPSegmenter(**TINY, init_from=fitted).fit(np.repeat(images[..., None], 3, -1), masks)
    three = masks.copy()
    three[:, 0, 0] = 3
    with pytest.raises(ValueError, match=r"classes \(\[0, 255\] there, \[0, 3, 255\] here\)"):
        SMPSegmenter(**TINY, init_from=fitted).fit(images, three)
    with pytest.raises(ValueError, match="arch "):
        SMPSegmenter(**TINY | {"arch": "FPN"}, init_from=fitted).fit(images, masks)
    with pytest.raises(Exception, match="not fitted"):
        SMPSegmenter(**TINY, init_from=SMPSegmenter()).fit(images, masks)


def test_save_and_load(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded = SMPSegmenter.load(tmp_path)
    images, _ = squares(seed=3)
    np.testing.assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.weights_sha256_ == fitted.weights_sha256_
    warm = SMPSegmenter(**TINY | {"steps": 1}, init_from=loaded)
    assert warm.fit(*squares()).loss_curve_.shape == (1,)


def test_load_does_not_let_a_configuration_read_other_files(fitted, tmp_path):
    fitted.save(tmp_path)
    config = tmp_path / "config.json"
    whole = json.loads(config.read_text())
    del whole["sha256"]  # whoever means harm would write a true one
    text = json.dumps(whole)
    for old, new in [
        ('"stem_width": 8', '"checkpoint_path": "evil.pth"'),
        ('"tu-resnet10t"', '"tu-hf-hub:evil/model"'),
    ]:
        assert old in text
        config.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match="could make the network read other files"):
            SMPSegmenter.load(tmp_path)


def test_clone_pickle_and_tags(fitted):
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "module_")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(squares()[0]), fitted.predict(squares()[0]))
    tags = get_tags(fitted)
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert tags.target_tags.required


def test_a_resumed_fit_equals_an_undisturbed_one(tmp_path, monkeypatch):
    import signal

    true_loss, calls = unet.MaskLoss.__call__, []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return true_loss(self, *args)

    undisturbed = SMPSegmenter(**TINY).fit(*squares())
    monkeypatch.setattr(unet.MaskLoss, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        SMPSegmenter(**TINY, checkpoint_dir=tmp_path).fit(*squares())
    resumed = SMPSegmenter(**TINY, checkpoint_dir=tmp_path).fit(*squares())
    assert len(calls) == 4
    assert resumed.weights_sha256_ == undisturbed.weights_sha256_


@pytest.mark.parametrize(
    "settings",
    [
        {"arch": "FPN", "encoder_name": "tu-test_resnet", "arch_kwargs": None},
        {"encoder_name": "tu-test_resnet", "arch_kwargs": None},
        {"encoder_name": "mobilenet_v2", "arch_kwargs": {"encoder_depth": 4,
         "decoder_channels": (16, 16, 8, 8)}},
    ],
    ids=["FPN", "Unet of five stages", "mobilenet"],
)  # fmt: skip
def test_other_networks_and_one_colour_image(settings):
    image = np.random.default_rng(0).integers(0, 256, (1, 50, 60, 3), dtype=np.uint8)
    mask = (image[..., 0] > 128).astype(np.uint8)
    segmenter = SMPSegmenter(**TINY | settings | {"steps": 2, "batch_size": 2}).fit(image, mask)
    assert segmenter.n_channels_ == 3
    assert segmenter.predict(image).shape == (1, 50, 60)
    assert segmenter.predict(image[..., 0]).shape == (1, 50, 60)


# without labels of the target


def test_strong_augmentation_is_another_training_of_the_same_seed(tmp_path):
    one, two = (SMPSegmenter(**TINY, augment="strong").fit(*squares()) for _ in range(2))
    assert one.weights_sha256_ == two.weights_sha256_
    assert one.weights_sha256_ != SMPSegmenter(**TINY).fit(*squares()).weights_sha256_
    one.save(tmp_path)
    assert SMPSegmenter.load(tmp_path).augment == "strong"


def test_adapt_answers_a_change_of_contrast(fitted, tmp_path):
    images, masks = squares(12, seed=7)
    other = 20 + images // 8  # a flat, dark scanner
    before, state = fitted.weights_sha256_, fitted.module_.state_dict()
    state = {name: value.clone() for name, value in state.items()}
    adapted = fitted.adapt(other)
    assert adapted.score(other, masks) > fitted.score(other, masks) + 0.1
    # the copy shares nothing with the original, and only statistics differ
    assert fitted.weights_sha256_ == before != adapted.weights_sha256_
    for name, value in fitted.module_.state_dict().items():
        assert torch.equal(value, state[name])
        same = torch.equal(value, adapted.module_.state_dict()[name])
        assert same != name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    assert (fitted.n_adapted_, adapted.n_adapted_) == (0, 12)
    assert adapted.get_params() == fitted.get_params()
    assert not adapted.module_.training
    assert fitted.adapt(list(other)).weights_sha256_ == adapted.weights_sha256_
    adapted.save(tmp_path)
    loaded = SMPSegmenter.load(tmp_path)
    assert loaded.n_adapted_ == 12
    np.testing.assert_array_equal(loaded.predict(other), adapted.predict(other))


def test_what_cannot_be_adapted_is_refused(fitted):
    images, _ = squares()
    with pytest.raises(ValueError, match="adapt needs at least 2 images .*got 1"):
        fitted.adapt(images[:1])
    with pytest.raises(Exception, match="not fitted"):
        SMPSegmenter(**TINY).adapt(images)
    how = {"size": 8, "channels": 1, "batch_size": 2, "device": "cpu"}
    with pytest.raises(ValueError, match="the network has no batch normalisation"):
        batch_norm.reestimate(torch.nn.Conv2d(1, 1, 1), Images(images), **how)


# bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 36}, r"image_size \(36\) must be a multiple of 8.*use image_size=40"),
        ({"batch_size": 1}, "'batch_size' parameter"),
        ({"classes": [1]}, "classes must be None or at least two"),
        ({"classes": [0.5, 1]}, "classes must be None or at least two"),
        ({"classes": [0, 1]}, r"mask 0 holds the values 255, but classes is \[0, 1\]"),
        ({"arch": "Wnet"}, "Wnet"),
        ({"encoder_name": "resnet1818"}, "resnet1818"),
        ({"augment": "weak"}, "'augment' parameter .* must be .*'strong'"),
        ({"device": "warp"}, "device='warp' cannot be used"),
    ],
)
def test_parameters_that_cannot_work_are_named(settings, message):
    with pytest.raises((ValueError, KeyError, RuntimeError), match=message):
        SMPSegmenter(**TINY | settings).fit(*squares())


def test_images_and_masks_that_do_not_pair_are_named(fitted, tmp_path):
    images, masks = squares()
    for call in (SMPSegmenter(**TINY).fit, fitted.score):
        with pytest.raises(ValueError, match="4 images and 3 masks"):
            call(images, masks[:3])
        with pytest.raises(ValueError, match=r"mask 0 has shape \(39, 30\) but image 0 has"):
            call(images, masks[:, 1:])
    smooth = np.arange(40 * 30).reshape(1, 40, 30) % 100
    with pytest.raises(ValueError, match="more than 32 distinct values.*JPEG"):
        SMPSegmenter(**TINY).fit(images[:1], smooth)
    with pytest.raises(ValueError, match="no value but 0"):
        SMPSegmenter(**TINY).fit(images, np.zeros_like(masks))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(ImageReadError, match="cut.png"):
        SMPSegmenter(**TINY).fit(images[:1], [tmp_path / "cut.png"])
    with pytest.raises(Exception, match="not fitted"):
        SMPSegmenter(**TINY).score(images, masks)


def test_a_missing_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ImportError, match=r"SMPSegmenter needs .*skxssr\[seg\]"):
        SMPSegmenter(**TINY).fit(*squares())
