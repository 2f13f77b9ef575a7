"""`TorchSegmenter` with MONAI's and small networks, and the adaptations to another site."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

from skxssr import SMPSegmenter, TorchSegmenter  # noqa: E402
from skxssr._torch import adaptation  # noqa: E402
from skxssr._torch.unet import TwoAsOne  # noqa: E402
from skxssr.segmentation import compact_segmenter  # noqa: E402

TINY = {"image_size": 16, "steps": 4, "batch_size": 4, "device": "cpu", "random_state": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def squares(n=6, seed=0, value=0.9, n_classes=2):
    """Bright squares on a noisy ground, and their masks."""
    rng = np.random.default_rng(seed)
    images, masks = rng.random((n, 16, 20)) * 0.3, np.zeros((n, 16, 20), dtype=np.uint8)
    for k, (y, x) in enumerate(rng.integers(1, 7, (n, 2))):
        masks[k, y : y + 8, x : x + 8] = 1 + k % (n_classes - 1)
    return np.where(masks > 0, value * masks / (n_classes - 1), images), masks


IMAGES, MASKS = squares()


def conv(channels=1, outputs=1):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, outputs, 3, padding=1),
    )


def test_the_module_given_stays_as_it_was():
    network = conv()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    segmenter = TorchSegmenter(network, **TINY).fit(IMAGES, MASKS)
    segmenter.predict(IMAGES)
    assert segmenter.module is network
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_attention_u_net_of_monai_learns():
    nets = pytest.importorskip("monai.networks.nets")
    torch.manual_seed(0)
    network = nets.AttentionUnet(
        spatial_dims=2, in_channels=1, out_channels=2, channels=(8, 16, 32), strides=(2, 2)
    )
    segmenter = TorchSegmenter(network, **TINY | {"steps": 60}).fit(IMAGES, MASKS)
    assert segmenter.score(*squares(4, seed=1)) > 0.8
    assert segmenter.loss_curve_[-10:].mean() < 0.7 * segmenter.loss_curve_[:5].mean()


def test_two_logits_are_one_difference():
    network, x = conv(outputs=2), torch.rand(2, 1, 16, 16)
    one = TwoAsOne(network.eval())(x)
    torch.testing.assert_close(one.sigmoid(), network(x).softmax(dim=1)[:, 1:])


@pytest.mark.parametrize("outputs, n_classes", [(1, 2), (2, 2), (3, 3)])
def test_shapes_classes_and_the_module_stays_as_it_was(outputs, n_classes):
    images, masks = squares(n_classes=n_classes)
    network = conv(outputs=outputs)
    before = network[0].weight.detach().clone()
    segmenter = TorchSegmenter(network, **TINY).fit(images, masks)
    assert torch.equal(network[0].weight, before)
    p = segmenter.predict_proba(images)
    assert p.shape == (6, n_classes, 16, 20) and p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert set(np.unique(segmenter.predict(images))) <= set(range(n_classes))
    again = clone(segmenter).fit(images, masks)
    assert again.weights_sha256_ == segmenter.weights_sha256_
    same = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(same.predict_proba(images), p)


def test_save_and_load(tmp_path):
    segmenter = TorchSegmenter(conv(), **TINY).fit(IMAGES, MASKS)
    segmenter.save(tmp_path)
    assert "module" not in json.loads((tmp_path / "config.json").read_text())["params"]
    loaded = TorchSegmenter.load(tmp_path, module=conv())
    loaded.set_params(device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), segmenter.predict_proba(IMAGES))
    with pytest.raises(TypeError, match="its code is not saved"):
        TorchSegmenter.load(tmp_path)
    with pytest.raises(ValueError, match="of another network than module"):
        TorchSegmenter.load(tmp_path, module=torch.nn.Conv2d(1, 1, 1))


def test_a_resumed_fit_equals_an_undisturbed_one(tmp_path, monkeypatch):
    from skxssr._torch import loop, unet

    whole = TorchSegmenter(conv(), **TINY).fit(IMAGES, MASKS)
    true_loss, calls = unet.MaskLoss.__call__, []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 2:
            loop.signal.raise_signal(loop.signal.SIGINT)
        return true_loss(self, *args)

    monkeypatch.setattr(unet.MaskLoss, "__call__", stop)
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        TorchSegmenter(conv(), **TINY, checkpoint_dir=tmp_path).fit(IMAGES, MASKS)
    resumed = TorchSegmenter(conv(), **TINY, checkpoint_dir=tmp_path).fit(IMAGES, MASKS)
    assert resumed.weights_sha256_ == whole.weights_sha256_


@pytest.mark.parametrize(
    "module, message",
    [
        (torch.nn.Conv3d(1, 1, 3, padding=1), r"failed on images of shape \(2, 1, 16, 16\)"),
        (torch.nn.Conv2d(3, 1, 3, padding=1), "with that many channels"),
        (torch.nn.Conv2d(1, 5, 3, padding=1), r"\(n, 1 or 2, 16, 16\) for 2 classes"),
        (torch.nn.Conv2d(1, 1, 3), r"Got \(2, 1, 14, 14\)"),
        ("Unet", "'module' parameter"),
    ],
)
def test_networks_that_do_not_fit_are_refused_before_training(module, message):
    with pytest.raises(ValueError, match=message):
        TorchSegmenter(module, **TINY).fit(IMAGES, MASKS)


# adaptation


def test_amplitudes_are_exchanged_as_in_the_paper():
    """Against the shifted spectra of its code, in numpy."""
    rng = np.random.default_rng(0)
    source, target = rng.random((2, 32, 32)) * 0.2 + 0.4
    ours = adaptation.exchange_amplitudes(
        *(torch.from_numpy(one)[None, None] for one in (source, target)), 0.1
    )[0, 0].numpy()
    a_source = np.fft.fftshift(np.abs(np.fft.fft2(source)))
    a_target = np.fft.fftshift(np.abs(np.fft.fft2(target)))
    b, c = int(np.floor(32 * 0.1)), 16
    part = np.s_[c - b : c + b + 1, c - b : c + b + 1]
    a_source[part] = a_target[part]
    mixed = np.fft.ifftshift(a_source) * np.exp(1j * np.angle(np.fft.fft2(source)))
    np.testing.assert_allclose(ours, np.clip(np.fft.ifft2(mixed).real, 0, 1), atol=1e-5)


def test_the_gradient_of_the_critic_is_turned_round():
    values = torch.tensor([2.0], requires_grad=True)
    adaptation._Reversed.apply(values, 0.5).pow(2).sum().backward()
    assert values.grad.item() == pytest.approx(-0.5 * 4)


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    return TorchSegmenter(conv(), **TINY | {"steps": 60}).fit(IMAGES, MASKS)


@pytest.mark.parametrize("method", ["fda", "dann"])
def test_adapting_by_training_is_seeded_and_leaves_the_model_as_it_was(fitted, method):
    before = fitted.weights_sha256_, fitted.predict_proba(IMAGES)
    others, _ = squares(5, seed=3, value=0.5)
    adapted = fitted.adapt(others, method=method, source=(IMAGES, MASKS), steps=5)
    again = fitted.adapt(others, method=method, source=(IMAGES, MASKS), steps=5)
    assert adapted.weights_sha256_ == again.weights_sha256_ != fitted.weights_sha256_
    assert adapted.n_adapted_ == 5 and len(adapted.loss_curve_) == 5
    assert fitted.weights_sha256_ == before[0] and fitted.n_adapted_ == 0
    np.testing.assert_array_equal(fitted.predict_proba(IMAGES), before[1])
    assert adapted.predict(others).shape == others.shape
    stronger = fitted.adapt(others, method=method, source=(IMAGES, MASKS), steps=5, strength=0.4)
    assert stronger.weights_sha256_ != adapted.weights_sha256_


def test_fourier_exchange_helps_where_only_brightness_differs(fitted):
    """The other site is darker: with its amplitudes the source looks like it."""
    images, masks = squares(8, seed=3)
    dark = images * 0.25
    adapted = fitted.adapt(dark, method="fda", source=(IMAGES, MASKS), steps=60, strength=0.07)
    assert adapted.score(dark, masks) > fitted.score(dark, masks) + 0.1


def test_the_critic_reads_the_encoder_of_a_u_net():
    segmenter = compact_segmenter(image_size=32, steps=2, random_state=0, device="cpu")
    segmenter = segmenter.fit(IMAGES, MASKS)
    module = adaptation.Adversarial(segmenter.module_, torch.rand(1, 1, 32, 32), 0)
    assert module.critic[0].in_features == segmenter.module_.network.encoder.out_channels[-1]
    adapted = segmenter.adapt(IMAGES, method="dann", source=(IMAGES, MASKS), steps=2)
    assert isinstance(adapted, SMPSegmenter)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"method": "cycada"}, "method must be 'statistics', 'fda' or 'dann'"),
        ({"method": "fda"}, r"give source=\(images, masks\)"),
        ({"method": "dann", "source": IMAGES}, r"give source=\(images, masks\)"),
        ({"source": (IMAGES, MASKS)}, "leave source away"),
        ({"steps": 3}, "leave steps away"),
        ({"method": "fda", "source": (IMAGES, MASKS), "strength": 0.6}, "at most 0.5. Got 0.6"),
        ({"method": "dann", "source": (IMAGES, MASKS), "steps": 0}, "steps must be an int"),
        ({"method": "fda", "source": (IMAGES, MASKS + 1)}, "holds the values"),
    ],
)
def test_adapt_refuses(fitted, how, message):
    with pytest.raises(ValueError, match=message):
        fitted.adapt(IMAGES, **how)
