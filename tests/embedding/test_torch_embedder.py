"""`TorchEmbedder` against the network it wraps."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from skxssr import TorchEmbedder  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
PLAIN = {"image_size": 16, "device": "cpu"}


def network(*layers):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 7, 3), torch.nn.BatchNorm2d(7), *layers)


def by_hand(net, mean=0.0, std=1.0):
    batch = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return net.eval()((batch - mean) / std)


def test_maps_are_averaged_and_vectors_kept():
    net = network()
    maps = by_hand(net).mean((2, 3)).numpy()
    embedder = TorchEmbedder(net, **PLAIN).fit(IMAGES)
    np.testing.assert_allclose(embedder.transform(IMAGES), maps, atol=1e-6)
    flat = network(torch.nn.Flatten(), torch.nn.Linear(7 * 14 * 14, 3))
    vectors = TorchEmbedder(flat, **PLAIN, batch_size=2).fit_transform(IMAGES)
    np.testing.assert_allclose(vectors, by_hand(flat).numpy(), atol=1e-6)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert embedder.n_features_out_ == 7
    assert embedder.get_feature_names_out()[6] == "torchembedder6"


def test_mean_and_std_per_channel():
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.1, 0.3])
    net = network()
    embedder = TorchEmbedder(net, mean=mean.tolist(), std=std.tolist(), **PLAIN)
    expected = by_hand(net, mean[:, None, None], std[:, None, None]).mean((2, 3))
    np.testing.assert_allclose(embedder.fit_transform(IMAGES), expected, atol=1e-5)


def test_a_timm_model_by_name_is_the_same_each_time_and_normalises_as_it_was_trained():
    embedder = TorchEmbedder("test_resnet.r160_in1k", pretrained=False, image_size=32, device="cpu")
    first = embedder.fit_transform(IMAGES)
    assert first.shape == (5, 96)
    np.testing.assert_array_equal(clone(embedder).fit_transform(IMAGES), first)
    trained_with = timm.get_pretrained_cfg("test_resnet.r160_in1k")
    assert embedder.module_.mean.flatten().tolist() == pytest.approx(trained_with.mean)
    gray = embedder.set_params(in_channels=1).fit(IMAGES)
    assert gray.module_.mean.flatten().tolist() == pytest.approx([np.mean(trained_with.mean)])


def test_the_network_is_only_put_in_eval_mode():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    embedder = TorchEmbedder(net, **PLAIN).fit(IMAGES)
    embedder.transform(IMAGES)
    assert not net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    net[0].weight.data += 1
    assert TorchEmbedder(net, **PLAIN).fit(IMAGES).weights_sha256_ != embedder.weights_sha256_


def test_tags():
    tags = get_tags(TorchEmbedder(network())).input_tags
    assert tags.three_d_array
    assert not tags.two_d_array


class Tokens(torch.nn.Module):
    def forward(self, x):
        return x.flatten(2)


class Answer(torch.nn.Module):
    def forward(self, x):
        return {"features": x}


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        ("resnet1818", {}, "'resnet1818' is no timm model"),
        (Tokens(), {}, r"returned a tensor of shape \(1, 3, 256\)"),
        (Answer(), {}, "returned a dict"),
        (network(), {"mean": [0.1, 0.2]}, "mean has 2 values, in_channels is 3"),
        (network(), {"std": 0.0}, "std must be positive"),
        (3, {}, "'module' parameter"),
        (network(), {"in_channels": 2}, "'in_channels' parameter"),
    ],
)
def test_what_cannot_work_is_named(module, settings, message):
    with pytest.raises(ValueError, match=message):
        TorchEmbedder(module, **PLAIN | settings).fit(IMAGES)


def test_transform_before_fit():
    with pytest.raises(Exception, match="not fitted"):
        TorchEmbedder(network()).transform(IMAGES)
