"""timm models by name, with weights from files that the tests write, against timm itself."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

import safetensors.torch  # noqa: E402
import timm  # noqa: E402
import timm.data  # noqa: E402

from skxssr import TorchEmbedder  # noqa: E402
from tests._torch.test_loop import one_thread  # noqa: E402, F401

VIT, RESNET = "test_vit.r160_in1k", "test_resnet.r160_in1k"
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
SMALL = IMAGES[:, :64, :64]


def trained(name, seed=1, **sizes):
    """A model with other weights than those it is born with, norms and biases among them."""
    network = timm.create_model(name, pretrained=False, **sizes).eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value += 0.05 * torch.rand(value.shape, generator=draw)
    return network


@pytest.fixture(scope="module", params=[VIT, RESNET])
def model(request, tmp_path_factory):
    """A model, its name, and the file of its weights with the classifier."""
    network = trained(request.param)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    network.reset_classifier(0)
    return network, request.param, path


def timms_own(network, images, size=160):
    """As timm evaluates, without the crop: what it prepares, its network's features."""
    config = timm.data.resolve_model_data_config(network)
    prepare = timm.data.create_transform(
        **config | {"crop_pct": 1.0, "input_size": (3, size, size)}
    )
    batch = torch.stack([prepare(Image.fromarray(image)) for image in images])
    with torch.no_grad():
        return network(batch).numpy()


def test_images_of_the_native_size_are_prepared_as_by_timm(model):
    network, name, path = model
    embedder = TorchEmbedder.from_timm(name, weights=path, device="cpu").fit(IMAGES)
    expected = timms_own(network, IMAGES)
    np.testing.assert_allclose(embedder.transform(IMAGES), expected, rtol=1e-3, atol=1e-4)
    assert embedder.image_size == 160


def test_larger_images_are_resized_as_by_timm_up_to_its_rounding_to_8_bits(model):
    network, name, path = model
    large = np.random.default_rng(1).integers(0, 256, (2, 240, 240, 3), dtype=np.uint8)
    ours = TorchEmbedder.from_timm(name, weights=path, device="cpu").fit_transform(large)
    expected = timms_own(network, large)
    spread = np.abs(expected - expected.mean(axis=0)).max()
    assert np.abs(ours - expected).max() < 0.05 * spread


def test_everything_stands_in_the_parameters(model, tmp_path):
    _, name, path = model
    embedder = TorchEmbedder.from_timm(name, weights=str(path), batch_size=2, device="cpu")
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    params = embedder.get_params()
    assert (params["module"], params["weights"]) == (name, str(path))
    assert (params["mean"], params["std"]) == (config["mean"], config["std"])
    assert params["interpolation"] == config["interpolation"]
    assert clone(embedder).get_params() == params
    vectors = embedder.fit_transform(SMALL)
    np.testing.assert_array_equal(clone(embedder).fit_transform(SMALL), vectors)
    np.testing.assert_array_equal(TorchEmbedder(**params).fit_transform(SMALL), vectors)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(SMALL), vectors)
    embedder.set_params(weights=None, pretrained=False)
    assert np.abs(embedder.fit_transform(SMALL) - vectors).max() > 1e-3


def test_parameters_that_are_given_come_before_timms():
    embedder = TorchEmbedder.from_timm(VIT, image_size=96, mean=0.1, interpolation="bilinear")
    assert embedder.image_size == 96
    assert (embedder.mean, embedder.interpolation) == (0.1, "bilinear")
    assert TorchEmbedder.from_timm("vit_small_patch14_dinov2.lvd142m").image_size == 518


def test_a_vision_transformer_works_at_another_size(tmp_path):
    path = tmp_path / "vit.safetensors"
    safetensors.torch.save_file(trained(VIT).state_dict(), path)
    overlay = {"state_dict": safetensors.torch.load_file(path)}
    there = timm.create_model(
        VIT, pretrained=True, img_size=64, num_classes=0, pretrained_cfg_overlay=overlay
    )
    ours = TorchEmbedder.from_timm(VIT, weights=path, image_size=64, device="cpu")
    expected = timms_own(there.eval(), SMALL, 64)
    np.testing.assert_allclose(ours.fit_transform(SMALL), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match=r"image_size \(60\) must be a multiple of 16.*size=48"):
        ours.set_params(image_size=60).fit(SMALL)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_files_of_torch_save(model, tmp_path, wrapper):
    network, name, _ = model
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    path = tmp_path / "model.pth"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    embedder = TorchEmbedder.from_timm(name, weights=path, device="cpu").fit(IMAGES[:1])
    for key, value in embedder.module_.network.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])


def test_one_channel(model):
    _, name, path = model
    gray = TorchEmbedder.from_timm(name, weights=path, in_channels=1, device="cpu")
    assert gray.fit_transform(SMALL[..., 0]).shape[0] == 3
    assert gray.module_.mean.numel() == 1


class Evil:
    def __reduce__(self):
        return print, ("unpickled",)


def test_files_that_will_not_do_are_named(model, tmp_path, capsys):
    network, name, path = model

    def refuses(error, message, file):
        with pytest.raises(error, match=message):
            TorchEmbedder.from_timm(name, weights=file, device="cpu").fit(IMAGES[:1])

    refuses(
        FileNotFoundError, r"weights='.*no\.safetensors' is no file", tmp_path / "no.safetensors"
    )
    (tmp_path / "a.npz").touch()
    refuses(ValueError, r"a\.npz' must end in \.safetensors", tmp_path / "a.npz")
    whole = path.read_bytes()
    for suffix in (".safetensors", ".pth"):
        for content in (whole[:-1], b"", b"a" * 99):
            (tmp_path / f"b{suffix}").write_bytes(content)
            refuses(ValueError, rf"b\{suffix}' is damaged", tmp_path / f"b{suffix}")
    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    refuses(ValueError, r"evil\.pth' .* more than tensors", tmp_path / "evil.pth")
    assert "unpickled" not in capsys.readouterr().out
    torch.save([1, 2], tmp_path / "list.pth")
    refuses(ValueError, r"list\.pth' holds no tensors", tmp_path / "list.pth")

    state = dict(network.state_dict())
    last = [key for key, value in state.items() if value.is_floating_point()][-1]
    part = {key: value for key, value in state.items() if key != last}
    safetensors.torch.save_file(part, tmp_path / "part.safetensors")
    refuses(ValueError, rf"lacks 1 of the .*\({last}\)", tmp_path / "part.safetensors")
    other = trained(RESNET if name == VIT else VIT)
    safetensors.torch.save_file(other.state_dict(), tmp_path / "other.safetensors")
    refuses(ValueError, "lacks|does not fit", tmp_path / "other.safetensors")
    other = trained("test_vit2" if name == VIT else "resnet10t")
    safetensors.torch.save_file(other.state_dict(), tmp_path / "relative.safetensors")
    refuses(ValueError, "lacks|does not fit", tmp_path / "relative.safetensors")


def test_a_hub_out_of_reach_is_said_with_the_way_out(monkeypatch):
    create = timm.create_model

    def unreachable(name, pretrained=False, **rest):
        if pretrained:
            raise ConnectionError("no route to host\nand much more")
        return create(name, pretrained=pretrained, **rest)

    monkeypatch.setattr(timm, "create_model", unreachable)
    way_out = rf"'{VIT}' could not be had from timm/{VIT} \(ConnectionError: no route to host\).*"
    with pytest.raises(OSError, match=way_out + r"from_timm\('.*', weights='.*\.safetensors'\)"):
        TorchEmbedder.from_timm(VIT, device="cpu").fit(SMALL)


def test_names_that_timm_does_not_know():
    with pytest.raises(ValueError, match="'resnet1818' is no timm model"):
        TorchEmbedder.from_timm("resnet1818")
    with pytest.raises(ValueError, match=r"no weights 'nope' of resnet50\. There are: .*a1_in1k"):
        TorchEmbedder.from_timm("resnet50.nope")
    with pytest.raises(ValueError, match="weights='a.pth' is only for the name of a timm model"):
        TorchEmbedder(torch.nn.Flatten(), weights="a.pth", device="cpu").fit(SMALL)


def test_mean_and_deviation_of_maps(model):
    maps = torch.nn.Conv2d(3, 5, 3)
    embedder = TorchEmbedder(maps, image_size=64, pooling="mean+std", device="cpu").fit(SMALL)
    with torch.no_grad():
        found = maps(torch.from_numpy(SMALL).permute(0, 3, 1, 2) / 255).numpy()
    expected = np.concatenate([found.mean((2, 3)), found.std((2, 3))], axis=1)
    np.testing.assert_allclose(embedder.transform(SMALL), expected, atol=1e-5)
    assert embedder.n_features_out_ == 10
    single = TorchEmbedder(maps, image_size=3, pooling="mean+std", device="cpu")
    assert (single.fit_transform(SMALL)[:, 5:] == 0).all()
    _, name, path = model
    with pytest.raises(ValueError, match="pooling='mean\\+std' is for networks that return maps"):
        TorchEmbedder.from_timm(name, weights=path, pooling="mean+std", device="cpu").fit(SMALL)
