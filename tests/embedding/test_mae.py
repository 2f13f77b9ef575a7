"""`MAEEmbedder` against formulas, torch's unfold and itself."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

torch = pytest.importorskip("torch")

from skxssr import MAEEmbedder  # noqa: E402
from skxssr._torch import mae  # noqa: E402
from skxssr.exceptions import ImageReadError  # noqa: E402

TINY = {
    "image_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 2,
    "num_heads": 2,
    "decoder_dim": 16,
    "decoder_depth": 1,
    "steps": 6,
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


def films(n=6, shape=(40, 30), seed=0):
    """Smooth blobs, as uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    centres = rng.random((n, 2, 1, 1))
    blobs = np.exp(-((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2) / 0.05)
    return (blobs * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted():
    return MAEEmbedder(**TINY).fit(films())


def tiny_module(**changes):
    sizes = {name: TINY[name] for name in ("image_size", "patch_size", "embed_dim", "depth")}
    sizes |= {"num_heads": 2, "decoder_dim": 16, "decoder_depth": 1, "mask_ratio": 0.75}
    return mae.build(0, in_channels=1, **(sizes | changes))


# the model


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_those_of_unfold_and_come_back(channels):
    images = torch.rand(2, channels, 24, 24)
    patches = mae.patchify(images, 8)
    unfolded = torch.nn.functional.unfold(images, 8, stride=8)  # (B, C*p*p, N), channels first
    expected = unfolded.reshape(2, channels, 64, 9).permute(0, 3, 2, 1).reshape(2, 9, -1)
    torch.testing.assert_close(patches, expected)
    torch.testing.assert_close(mae.unpatchify(patches, 8, channels, (3, 3)), images)


def test_positions_are_the_sines_and_cosines_of_the_paper():
    positions = tiny_module().positions[0]  # 4 x 4 grid, width 24: six frequencies per axis
    assert positions.shape == (16, 24)
    frequencies = 1 / 10000 ** (np.arange(6) / 6)
    for row in range(4):
        for column in range(4):
            angles = np.concatenate([row * frequencies, column * frequencies])
            expected = np.sort(np.concatenate([np.sin(angles), np.cos(angles)]))
            ours = np.sort(positions[4 * row + column].numpy())
            np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert len(torch.unique(positions, dim=0)) == 16


def test_normalised_patches_have_mean_0_and_deviation_1_and_come_back():
    patches = torch.rand(3, 5, 64)
    normal, mean, std = mae.normalise(patches)
    torch.testing.assert_close(normal.mean(-1), torch.zeros(3, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std(-1), torch.ones(3, 5), atol=1e-3, rtol=0)
    torch.testing.assert_close(normal * std + mean, patches)
    assert bool(mae.normalise(torch.ones(1, 1, 64))[0].isfinite().all())


@pytest.mark.parametrize(("ratio", "visible"), [(0.75, 4), (0.5, 8), (0.01, 15), (0.999, 1)])
def test_the_share_of_hidden_patches_is_as_told(ratio, visible):
    module = tiny_module(mask_ratio=ratio)
    guess, mask = module.guess(torch.rand(3, 1, 32, 32), torch.rand(3, 16))
    assert guess.shape == (3, 16, 64)
    assert (~mask).sum(1).tolist() == [visible] * 3


def test_the_encoder_sees_visible_patches_only_and_the_loss_hidden_ones_only():
    module, noise = tiny_module().eval(), torch.rand(1, 16)
    image = torch.rand(1, 1, 32, 32)
    guess, mask = module.guess(image, noise)
    hidden = mae.unpatchify(mask[..., None].expand(-1, -1, 64).float(), 8, 1, (4, 4)).bool()
    other = torch.where(hidden, torch.rand_like(image), image)
    torch.testing.assert_close(module.guess(other, noise)[0], guess)

    target = mae.normalise(mae.patchify(image, 8))[0]
    errors = ((guess - target) ** 2).mean(-1).detach().numpy()
    hidden_errors = [errors[0, i] for i in range(16) if mask[0, i]]
    assert module(image, noise).item() == pytest.approx(np.mean(hidden_errors), rel=1e-5)


def test_with_nothing_hidden_the_order_of_patches_does_not_matter():
    module, image = tiny_module().eval(), torch.rand(1, 1, 32, 32)
    order = torch.randperm(16)[None]
    straight, shuffled = module.encode(image)[:, 1:], module.encode(image, order)[:, 1:]
    torch.testing.assert_close(shuffled, straight[:, order[0]], atol=1e-5, rtol=1e-4)


# the estimator


def test_training_lowers_the_loss():
    embedder = MAEEmbedder(**TINY | {"steps": 80, "learning_rate": 3e-3, "augment": False})
    losses = embedder.fit(films(2)).loss_curve_
    assert losses.shape == (80,)
    assert losses[-10:].mean() < 0.6 * losses[:5].mean()


def test_embeddings_are_float32_rows_and_repeat_to_the_byte(fitted):
    embeddings = fitted.transform(films())
    assert embeddings.shape == (6, 24)
    assert embeddings.dtype == np.float32
    assert embeddings.flags.c_contiguous
    assert np.isfinite(embeddings).all()
    assert embeddings.std(axis=0).min() > 0
    again = MAEEmbedder(**TINY).fit(films())
    assert again.weights_sha256_ == fitted.weights_sha256_
    assert again.transform(films()).tobytes() == embeddings.tobytes()
    other = MAEEmbedder(**TINY | {"random_state": 1}).fit(films())
    assert other.weights_sha256_ != fitted.weights_sha256_


def test_batch_size_does_not_matter_to_an_embedding(fitted):
    embeddings = fitted.transform(films())
    one_by_one = np.concatenate([fitted.transform(film[None]) for film in films()])
    np.testing.assert_allclose(one_by_one, embeddings, atol=1e-5)


def test_pooling(fitted):
    squares = torch.rand(2, 1, 32, 32)
    tokens = fitted.module_.encode(squares)
    torch.testing.assert_close(fitted.module_.embed(squares, "mean"), tokens[:, 1:].mean(1))
    torch.testing.assert_close(fitted.module_.embed(squares, "cls"), tokens[:, 0])
    both = torch.cat([tokens[:, 1:].mean(1), tokens[:, 1:].max(1).values], 1)
    torch.testing.assert_close(fitted.module_.embed(squares, "mean+max"), both)
    patches = tokens[:, 1:].detach().numpy()
    both = np.concatenate([patches.mean(1), patches.std(1)], axis=1)
    np.testing.assert_allclose(fitted.module_.embed(squares, "mean+std").detach(), both, atol=1e-5)
    for pooling in ("mean+max", "mean+std"):
        wide = MAEEmbedder(**TINY | {"pooling": pooling}).fit(films())
        assert wide.transform(films()).shape[1] == wide.n_features_out_ == 48


def test_patches_are_the_tokens_whose_mean_is_the_embedding(fitted):
    patches = fitted.transform_patches(films())
    assert patches.shape == (6, 16, 24)
    assert patches.dtype == np.float32
    assert patches.flags.c_contiguous
    np.testing.assert_allclose(patches.mean(axis=1), fitted.transform(films()), atol=1e-5)
    # row by row: what changes in one place changes the token of that place most
    changed = np.zeros((1, 32, 32))
    changed[:, 8:16, 24:] = 1
    other = fitted.transform_patches(changed) - fitted.transform_patches(np.zeros((1, 32, 32)))
    assert np.abs(other[0]).mean(axis=1).argmax() == 4 + 3
    with pytest.raises(Exception, match="not fitted"):
        MAEEmbedder(**TINY).transform_patches(films())


def test_what_is_hidden_does_not_follow_from_where_the_image_is_cut(monkeypatch):
    """Crops draw from torch's global generator, masks from the loss's own: two seeds."""
    seeds, true_loss = [], mae.MaskedLoss.__call__

    def note(self, module, batch, generator):
        seeds.append((torch.initial_seed(), generator.initial_seed()))
        return true_loss(self, module, batch, generator)

    monkeypatch.setattr(mae.MaskedLoss, "__call__", note)
    MAEEmbedder(**TINY).fit(films())
    assert len({seed for pair in seeds for seed in pair}) == 2 * TINY["steps"]


@pytest.mark.parametrize("kind", ["gray 8 bit", "gray 16 bit", "colour"])
def test_a_path_and_its_array_give_the_same_embedding(fitted, tmp_path, kind):
    from PIL import Image

    arrays = {
        "gray 8 bit": films(2),
        "gray 16 bit": films(2).astype(np.uint16) * 257,
        "colour": np.stack([films(2), films(2, seed=1), films(2, seed=2)], axis=-1),
    }[kind]
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    np.testing.assert_array_equal(fitted.transform(paths), fitted.transform(arrays))
    np.testing.assert_array_equal(fitted.transform(list(arrays)), fitted.transform(arrays))


def test_16_bit_8_bit_and_floats_agree(fitted):
    eight = films(3)
    for same in (eight.astype(np.uint16) * 257, eight / 255, (eight / 255).astype(np.float32)):
        np.testing.assert_allclose(fitted.transform(same), fitted.transform(eight), atol=1e-5)


def test_gray_and_colour(fitted):
    gray = films(3)
    colour = np.repeat(gray[..., None], 3, axis=-1)
    assert fitted.n_channels_ == 1
    np.testing.assert_allclose(fitted.transform(colour), fitted.transform(gray), atol=1e-4)
    in_colour = MAEEmbedder(**TINY).fit(colour)
    assert in_colour.n_channels_ == 3
    np.testing.assert_array_equal(in_colour.transform(colour), in_colour.transform(gray))


def test_sizes_may_differ_from_those_of_fit_and_from_each_other(fitted):
    mixed = [film for shape in [(40, 30), (16, 64), (100, 100)] for film in films(1, shape)]
    alone = np.concatenate([fitted.transform([film]) for film in mixed])
    np.testing.assert_allclose(fitted.transform(mixed), alone, atol=1e-5)


def test_one_image_is_enough():
    assert MAEEmbedder(**TINY | {"steps": 2}).fit(films(1)).transform(films(1)).shape == (1, 24)


def test_reconstruction_shows_the_image_where_nothing_is_hidden(fitted):
    shown = fitted.reconstruct(films())
    for array in shown:
        assert array.shape == (6, 32, 32)
        assert array.dtype == np.float32
        assert array.min() >= 0
        assert array.max() <= 1
    hidden = shown.masked != shown.original
    patches = hidden.reshape(6, 4, 8, 4, 8).any(axis=(2, 4)).sum(axis=(1, 2))
    assert patches.tolist() == [12] * 6
    np.testing.assert_array_equal(shown.reconstruction[~hidden], shown.original[~hidden])
    assert (shown.masked[hidden] == 0.5).all()
    other = fitted.reconstruct(films(), random_state=1)
    assert (other.masked != shown.masked).any()
    colour = MAEEmbedder(**TINY | {"steps": 1}).fit(np.random.default_rng(0).random((2, 9, 9, 3)))
    assert colour.reconstruct(np.zeros((1, 5, 5, 3))).original.shape == (1, 32, 32, 3)


def test_save_and_load(fitted, tmp_path):
    import hashlib

    fitted.save(tmp_path / "a" / "model")
    files = sorted(path.name for path in (tmp_path / "a" / "model").iterdir())
    assert files == ["config.json", "weights.safetensors"]
    weights = (tmp_path / "a" / "model" / "weights.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == fitted.weights_sha256_
    loaded = MAEEmbedder.load(tmp_path / "a" / "model")
    np.testing.assert_array_equal(loaded.transform(films()), fitted.transform(films()))
    np.testing.assert_array_equal(loaded.loss_curve_, fitted.loss_curve_)
    assert loaded.weights_sha256_ == fitted.weights_sha256_
    assert loaded.get_params() == fitted.get_params() | {"device": "auto"}
    config = json.loads((tmp_path / "a" / "model" / "config.json").read_text())
    assert {"skxssr", "torch", "python"} <= config["versions"].keys()


def test_load_refuses_what_save_did_not_write(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json.*MAEEmbedder\.save"):
        MAEEmbedder.load(tmp_path)
    fitted.save(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"MAEEmbedder"', '"SMPSegmenter"'))
    with pytest.raises(ValueError, match="SMPSegmenter, not a MAEEmbedder"):
        MAEEmbedder.load(tmp_path)
    config.write_text(text)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        MAEEmbedder.load(tmp_path)


def test_clone_pickle_tags_names_and_pipeline(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "module_")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(films()), fitted.transform(films()))
    tags = get_tags(fitted).input_tags
    assert tags.three_d_array
    assert not tags.two_d_array
    assert len(fitted.get_feature_names_out()) == fitted.n_features_out_ == 24
    pipeline = make_pipeline(MAEEmbedder(**TINY | {"steps": 1}), PCA(2))
    assert pipeline.fit_transform(films()).shape == (6, 2)


def test_a_resumed_fit_equals_an_undisturbed_one(fitted, tmp_path, monkeypatch):
    from skxssr._torch import loop

    true_loss, calls = mae.MaskedLoss.__call__, []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 3:
            loop.signal.raise_signal(loop.signal.SIGINT)
        return true_loss(self, *args)

    monkeypatch.setattr(mae.MaskedLoss, "__call__", stop)
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        MAEEmbedder(**TINY, checkpoint_dir=tmp_path).fit(films())
    resumed = MAEEmbedder(**TINY, checkpoint_dir=str(tmp_path)).fit(films())
    assert len(calls) == 6
    assert resumed.weights_sha256_ == fitted.weights_sha256_


def test_steps_follow_the_number_of_images_when_not_given(monkeypatch):
    from skxssr._torch import loop

    seen = []

    def record(module, data, loss, recipe):
        seen.append(recipe.steps)
        return np.zeros(recipe.steps)

    monkeypatch.setattr(loop, "train", record)
    for n in (1, 4, 900):
        MAEEmbedder(**TINY | {"steps": None}).fit(np.zeros((n, 4, 4)))
    assert seen == [1000, 1000, 10 * 900 // 4]


def test_bad_input(tmp_path):
    for changes, message in [
        ({"image_size": 30}, r"image_size \(30\) must be a multiple.*image_size=24"),
        ({"patch_size": 32}, r"image_size \(32\) .*at least twice"),
        ({"embed_dim": 26}, r"embed_dim \(26\) .*use embed_dim=28"),
        ({"decoder_dim": 6}, r"decoder_dim \(6\) .*use decoder_dim=8"),
        ({"pooling": "max"}, "'pooling' parameter"),
        ({"mask_ratio": 1.0}, "'mask_ratio' parameter"),
    ]:
        with pytest.raises(ValueError, match=message):
            MAEEmbedder(**TINY | changes).fit(films())
    with pytest.raises(ValueError, match="images is empty"):
        MAEEmbedder(**TINY).fit([])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no more")
    with pytest.raises(ImageReadError, match="broken.png"):
        MAEEmbedder(**TINY).fit([broken])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        MAEEmbedder(**TINY).fit(np.full((2, 8, 8), 2.0))
    with pytest.raises(Exception, match="not fitted"):
        MAEEmbedder(**TINY).transform(films())


def test_a_missing_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"MAEEmbedder needs .*'timm'.*skxssr\[torch\]"):
        MAEEmbedder(**TINY).fit(films())


def test_importing_the_estimators_imports_no_torch():
    import subprocess
    import sys

    code = "import sys, skxssr.embedding, skxssr.segmentation; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
