"""`JoinedEmbedder` against its members one by one."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from skxssr import JoinedEmbedder, RandomFeaturesEmbedder  # noqa: E402
from skxssr.embedding import load_embedder  # noqa: E402
from tests.workflows.small_sites import tiny_embedder  # noqa: E402

IMAGES = np.random.default_rng(0).random((7, 32, 32))
FEATURES = RandomFeaturesEmbedder(image_size=16, device="cpu")


def by_hand(embedder, seeds, images):
    parts = []
    for seed in seeds:
        Z = clone(embedder).set_params(random_state=seed).fit_transform(images).astype(float)
        parts.append(Z / np.sqrt(np.square(Z - Z.mean(axis=0)).mean(axis=0).sum()))
    return parts


@pytest.mark.parametrize("embedder", [FEATURES, tiny_embedder()], ids=lambda e: type(e).__name__)
def test_members_stand_side_by_side_each_with_total_variance_1(embedder):
    joined = JoinedEmbedder(embedder, seeds=[3, 1]).fit(IMAGES)
    Z = joined.transform(IMAGES)
    expected = by_hand(embedder, [3, 1], IMAGES)
    np.testing.assert_allclose(Z, np.hstack(expected), rtol=1e-4, atol=1e-5)
    assert Z.dtype == np.float32 and Z.flags.c_contiguous
    assert Z.shape[1] == joined.n_features_out_ == len(joined.get_feature_names_out())
    for part, alone in zip(joined.split(Z), expected, strict=True):
        np.testing.assert_allclose(part, alone, rtol=1e-4, atol=1e-5)
        assert part.var(axis=0).sum() == pytest.approx(1, rel=1e-4)


def test_saved_and_read_back_it_is_the_same(tmp_path):
    joined = JoinedEmbedder(FEATURES, seeds=[0, 2]).fit(IMAGES)
    joined.save(tmp_path)
    again = load_embedder(tmp_path)
    assert isinstance(again, JoinedEmbedder) and list(again.seeds) == [0, 2]
    assert again.weights_sha256_ == joined.weights_sha256_
    again.set_params(embedder__device="cpu")
    np.testing.assert_array_equal(again.transform(IMAGES), joined.transform(IMAGES))
    config = json.loads((tmp_path / "config.json").read_text())
    config["scales"][0] *= 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="a file is of another embedder"):
        load_embedder(tmp_path)
    with pytest.raises(FileNotFoundError, match="config.json"):
        JoinedEmbedder.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds a RandomFeaturesEmbedder"):
        JoinedEmbedder.load(tmp_path / "seed-0")


@pytest.mark.parametrize("images", [IMAGES[:1], np.repeat(IMAGES[:1], 4, axis=0)])
def test_where_nothing_varies_nothing_is_scaled(images):
    joined = JoinedEmbedder(FEATURES, seeds=[0]).fit(images)
    assert joined.scales_.tolist() == [1.0]
    assert np.isfinite(joined.transform(IMAGES)).all()


def test_each_seed_has_a_checkpoint_of_its_own(tmp_path):
    JoinedEmbedder(tiny_embedder(checkpoint_dir=tmp_path), seeds=[4, 5]).fit(IMAGES)
    assert {path.name for path in tmp_path.iterdir()} == {"seed-4", "seed-5"}


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1], [0.5], ["a"], [2**32]])
def test_seeds_that_are_refused(seeds):
    with pytest.raises(ValueError, match="must be different integers"):
        JoinedEmbedder(FEATURES, seeds=seeds).fit(IMAGES)


def test_an_embedder_without_a_seed_is_refused(tmp_path):
    from skxssr import TorchEmbedder

    with pytest.raises(ValueError, match="no parameter random_state"):
        JoinedEmbedder(TorchEmbedder("test_resnet.r160_in1k")).fit(IMAGES)


class FlatPCA(PCA):
    def fit(self, images, y=None):
        return super().fit(np.stack([image.ravel() for image in images]))

    def transform(self, images):
        return super().transform(np.stack([image.ravel() for image in images]))

    @property
    def n_features_out_(self):
        return self.n_components_


def test_what_cannot_be_saved_and_what_is_no_embedding_is_refused(tmp_path):
    joined = JoinedEmbedder(FlatPCA(3), seeds=[0, 1]).fit(IMAGES)
    assert joined.transform(IMAGES).shape == (7, 6)
    with pytest.raises(ValueError, match="cannot be saved"):
        joined.save(tmp_path)
    with pytest.raises(ValueError, match="6 columns"):
        joined.split(np.zeros((2, 5)))
