"""`ContrastiveEmbedder` against the formulas of the papers, lightly and itself."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

torch = pytest.importorskip("torch")
pytest.importorskip("lightly")

from skxssr import ContrastiveEmbedder, JoinedEmbedder  # noqa: E402
from skxssr._torch import contrastive, resnet  # noqa: E402
from skxssr._torch.augment import views  # noqa: E402
from skxssr.embedding import load_embedder  # noqa: E402
from skxssr.embedding.by_name import embedder_by_name  # noqa: E402

TINY = {
    "image_size": 32,
    "embed_dim": 32,
    "steps": 6,
    "batch_size": 4,
    "device": "cpu",
    "random_state": 0,
}
METHODS = ["simclr", "moco"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def textures(n=12, side=32, seed=0, colour=False):
    """4 x 4 fields of random brightness, as uint8: easy to tell from one another."""
    fields = np.random.default_rng(seed).integers(0, 256, (n, 4, 4), dtype=np.uint8)
    gray = fields.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    return np.stack([gray, gray // 2, 255 - gray], axis=-1) if colour else gray


@pytest.fixture(scope="module", params=METHODS)
def fitted(request):
    return ContrastiveEmbedder(method=request.param, **TINY).fit(textures())


# the losses


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nt_xent(first, second, temperature):
    """Equation 1 of SimCLR, pair by pair."""
    z = unit(np.concatenate([first, second]).astype(np.float64))
    similar, n, losses = np.exp(z @ z.T / temperature), len(first), []
    for i in range(2 * n):
        others = [k for k in range(2 * n) if k != i]
        losses.append(-np.log(similar[i, (i + n) % (2 * n)] / similar[i, others].sum()))
    return np.mean(losses)


def info_nce(queries, keys, bank, temperature):
    """Equation 1 of MoCo."""
    queries, keys = unit(queries.astype(np.float64)), unit(keys.astype(np.float64))
    losses = []
    for query, key in zip(queries, keys, strict=True):
        all_keys = np.exp(np.concatenate([[query @ key], bank @ query]) / temperature)
        losses.append(-np.log(all_keys[0] / all_keys.sum()))
    return np.mean(losses)


def network(momentum, bank_size=8):
    encoder = resnet.build(0, in_channels=1, embed_dim=32, depth=1)
    return contrastive.build(
        encoder,
        1,
        embed_dim=32,
        temperature=0.3,
        momentum=momentum,
        bank_size=bank_size,
        gather=False,
    )


def test_simclr_is_the_loss_of_its_paper():
    module = network(None)
    first, second = torch.rand(2, 5, 1, 32, 32)
    loss = module(first, second)
    with torch.no_grad():  # in training mode too: the batch is what norms take their means from
        z = module.head(module.encoder.embed(torch.cat([first, second]))).numpy()
    assert loss.item() == pytest.approx(nt_xent(z[:5], z[5:], 0.3), rel=1e-4)
    loss.backward()
    assert all(weight.grad is not None for weight in module.parameters())


def test_moco_is_the_loss_of_its_paper_with_a_bank_of_past_keys_and_a_following_encoder():
    module = network(0.9)
    before = {name: weight.clone() for name, weight in module.key_encoder.named_parameters()}
    bank = module.loss.memory_bank.bank.numpy().copy()
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1, rtol=1e-5)
    with torch.no_grad():
        for weight in module.encoder.parameters():
            weight.add_(0.1)
    first, second = torch.rand(2, 5, 1, 32, 32)
    loss = module(first, second)
    loss.backward()
    now = dict(module.encoder.named_parameters())
    for name, weight in module.key_encoder.named_parameters():
        torch.testing.assert_close(weight, 0.9 * before[name] + 0.1 * now[name])
        assert weight.grad is None
    with torch.no_grad():
        queries = module.head(module.encoder.embed(first)).numpy()
        keys = module.key_head(module.key_encoder.embed(second)).numpy()
    assert loss.item() == pytest.approx(info_nce(queries, keys, bank, 0.3), rel=1e-4)
    after = module.loss.memory_bank.bank.numpy()
    np.testing.assert_allclose(after[:5], unit(keys), atol=1e-5)
    np.testing.assert_array_equal(after[5:], bank[5:])
    state = module.state_dict()
    assert {"loss.memory_bank.bank", "loss.memory_bank.bank_ptr"} <= state.keys()


def test_an_image_is_not_told_from_itself_nor_from_a_copy():
    images = torch.rand(3, 1, 8, 8)
    assert contrastive.distinct(images[[2, 0, 2, 1, 0]]) == [0, 1, 3]
    assert contrastive.distinct(images[[1, 1, 1]]) == [0, 1]


# the views


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_seeded_and_stay_in_range(channels):
    images = torch.rand(20, channels, 32, 32)
    once, again = (views(images, 0.4, torch.Generator().manual_seed(0)) for _ in range(2))
    other = views(images, 0.4, torch.Generator().manual_seed(1))
    assert torch.equal(once, again) and not torch.equal(once, other)
    assert once.shape == images.shape and once.min() >= 0 and once.max() <= 1


def test_a_view_shows_a_part_from_within_the_square():
    """Turned by little, a crop of a ramp shows a range of it as wide as its side."""
    ramp = torch.linspace(0.2, 0.8, 64).expand(200, 1, 64, 64)
    shown = views(ramp, 0.25, torch.Generator().manual_seed(0))
    flat = views(torch.full((200, 1, 64, 64), 0.5), 0.25, torch.Generator().manual_seed(0))
    # the corners of a turned crop may fall outside, where it is black; the middle never does
    middle = shown[:, 0, 16:48, 16:48]
    assert middle.flatten(1).amin(1).gt(0).all()
    assert flat[:, 0, 16:48, 16:48].flatten(1).amin(1).gt(0).all()
    assert (middle[..., -1].mean(1) > middle[..., 0].mean(1)).all()  # nothing is mirrored


# the estimator


@pytest.mark.parametrize("method", METHODS)
def test_views_of_one_image_become_nearer_than_those_of_others(method):
    images = textures(16)
    settings = TINY | {"steps": 80, "batch_size": 16, "learning_rate": 1e-2, "min_area": 0.7}
    embedder = ContrastiveEmbedder(method=method, **settings).fit(images)
    squares = torch.from_numpy(images[:, None] / np.float32(255))
    generator = torch.Generator().manual_seed(5)
    first, second = (views(squares, 0.7, generator)[:, 0].numpy() for _ in range(2))

    def hits(embedder):
        similar = unit(embedder.transform(first)) @ unit(embedder.transform(second)).T
        return (similar.argmax(axis=1) == np.arange(16)).mean()

    untrained = ContrastiveEmbedder(method=method, **settings | {"steps": 1}).fit(images)
    assert hits(embedder) >= 0.7 > 0.5 >= hits(untrained)


def test_embeddings_are_float32_rows_and_repeat_to_the_byte(fitted):
    Z = fitted.transform(textures())
    assert Z.shape == (12, 32) and Z.dtype == np.float32 and Z.flags.c_contiguous
    assert np.isfinite(Z).all() and fitted.loss_curve_.shape == (6,)
    again = clone(fitted).fit(textures())
    assert again.weights_sha256_ == fitted.weights_sha256_
    assert again.transform(textures()).tobytes() == Z.tobytes()
    other = clone(fitted).set_params(random_state=1).fit(textures())
    assert other.weights_sha256_ != fitted.weights_sha256_
    one_by_one = np.concatenate([fitted.transform(image[None]) for image in textures()])
    np.testing.assert_allclose(one_by_one, Z, atol=1e-5)


def test_the_embedding_is_the_mean_of_the_places(fitted):
    patches = fitted.set_params(image_size=32).transform_patches(np.zeros((2, 64, 64)))
    assert patches.shape == (2, 1, 32)
    maps = fitted.module_(torch.rand(2, 1, 64, 96))
    assert maps.shape == (2, 32, 2, 3)
    wide = fitted.module_.embed(torch.rand(2, 1, 64, 96), "mean+std")
    assert wide.shape == (2, 64)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_fit_equals_an_undisturbed_one(method, tmp_path, monkeypatch):
    from skxssr._torch import loop

    whole = ContrastiveEmbedder(method=method, **TINY).fit(textures())
    true_loss, calls = contrastive.TwoViews.__call__, []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 3:
            loop.signal.raise_signal(loop.signal.SIGINT)
        return true_loss(self, *args)

    monkeypatch.setattr(contrastive.TwoViews, "__call__", stop)
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        ContrastiveEmbedder(method=method, **TINY, checkpoint_dir=tmp_path).fit(textures())
    resumed = ContrastiveEmbedder(method=method, **TINY, checkpoint_dir=tmp_path).fit(textures())
    assert len(calls) == 6
    assert resumed.weights_sha256_ == whole.weights_sha256_
    np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    with pytest.raises(ValueError, match=r"differs in temperature \(0.2 there, 0.5 here\)"):
        ContrastiveEmbedder(method=method, **TINY, checkpoint_dir=tmp_path, temperature=0.5).fit(
            textures()
        )


def test_save_and_load(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "lightly", None)  # only training needs it
    loaded = load_embedder(tmp_path)
    assert isinstance(loaded, ContrastiveEmbedder)
    np.testing.assert_array_equal(loaded.transform(textures()), fitted.transform(textures()))
    for name in ("weights_sha256_", "seed_", "batch_size_", "bank_size_", "n_channels_"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert loaded.get_params() == fitted.get_params() | {"device": "auto"}
    assert json.loads((tmp_path / "config.json").read_text())["class"] == "ContrastiveEmbedder"


def test_clone_pickle_tags_names_and_pipeline(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params() and not hasattr(copy, "module_")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(textures()), fitted.transform(textures()))
    assert get_tags(fitted).input_tags.three_d_array
    assert len(fitted.get_feature_names_out()) == fitted.n_features_out_ == 32
    pipeline = make_pipeline(ContrastiveEmbedder(**TINY | {"steps": 1}), PCA(2))
    assert pipeline.fit_transform(textures()).shape == (12, 2)


@pytest.mark.parametrize("method", METHODS)
def test_colour_and_files(method, tmp_path):
    from PIL import Image

    colour = textures(6, colour=True)
    embedder = ContrastiveEmbedder(method=method, **TINY | {"steps": 2}).fit(colour)
    assert embedder.n_channels_ == 3
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, array in zip(paths, colour, strict=True):
        Image.fromarray(array).save(path)
    np.testing.assert_array_equal(embedder.transform(paths), embedder.transform(colour))
    assert clone(embedder).fit(paths).weights_sha256_ == embedder.weights_sha256_


def test_small_sets_have_small_batches_and_equal_images_do_no_harm():
    for method, n, batch, bank in [("simclr", 3, 3, 0), ("moco", 5, 2, 3), ("moco", 12, 4, 8)]:
        embedder = ContrastiveEmbedder(method=method, **TINY).fit(textures(n))
        assert (embedder.batch_size_, embedder.bank_size_) == (batch, bank)
    for method in METHODS:
        same = np.repeat(textures(1), 5, axis=0)
        Z = ContrastiveEmbedder(method=method, **TINY).fit_transform(same)
        assert np.isfinite(Z).all()


@pytest.mark.parametrize(
    "changes, n, message",
    [
        ({}, 1, "needs at least 2 of them, got 1: add images, or take MAEEmbedder"),
        ({"method": "moco"}, 3, "needs at least 4 of them, got 3"),
        ({"batch_size": 1}, 6, "'batch_size' parameter"),
        ({"batch_size": 2, "devices": 2}, 6, r"batch_size \(2\) must be .*use batch_size=4"),
        ({"method": "moco", "bank_size": 9}, 12, r"bank_size \(9\) must be at most 8, .*=8 or"),
        ({"embed_dim": 40}, 6, r"embed_dim \(40\) must be a multiple of 32.*use embed_dim=64"),
        ({"method": "byol"}, 6, "'method' parameter"),
        ({"min_area": 0.0}, 6, "'min_area' parameter"),
    ],
)
def test_bad_input(changes, n, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveEmbedder(**TINY | changes).fit(textures(n))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightly", None)
    for act in (
        lambda: ContrastiveEmbedder(**TINY).fit(textures()),
        lambda: embedder_by_name("simclr"),
    ):
        with pytest.raises(ImportError, match=r"needs .*'lightly'.*skxssr\[contrastive\]"):
            act()


def test_by_name_and_joined(tmp_path):
    named = embedder_by_name("moco", image_size=32, steps=2, random_state=3)
    assert named.trains and not named.fitted
    assert (
        named.embedder.get_params()
        == ContrastiveEmbedder(method="moco", image_size=32, steps=2, random_state=3).get_params()
    )
    assert isinstance(embedder_by_name("simclr", n_seeds=2).embedder, JoinedEmbedder)
    joined = JoinedEmbedder(ContrastiveEmbedder(**TINY | {"steps": 1}), seeds=[0, 1])
    joined.fit(textures()).save(tmp_path)
    again = load_embedder(tmp_path).set_params(embedder__device="cpu")
    np.testing.assert_array_equal(again.transform(textures()), joined.transform(textures()))
