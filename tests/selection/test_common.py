"""Every estimator under scikit-learn's checks, every selector under ours, and what both leave."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

import skxssr
from skxssr import (
    ContrastiveEmbedder,
    CoreSetSelector,
    FacilityLocationSelector,
    FixedIntervalSelector,
    JoinedEmbedder,
    KMeansSelector,
    KMedoidsSelector,
    MAEEmbedder,
    MaxHerdingSelector,
    ProbCoverSelector,
    RandomFeaturesEmbedder,
    RandomSelector,
    RidgeSegmenter,
    SMPSegmenter,
    StratifiedRandomSelector,
    TorchEmbedder,
    TorchSegmenter,
    TypiClustSelector,
    USLSelector,
    XSSRSelector,
)
from skxssr.selection import make_variant
from skxssr.testing import check_selector

SELECTORS = [
    XSSRSelector(),
    CoreSetSelector(),
    MaxHerdingSelector(),
    ProbCoverSelector(),
    FacilityLocationSelector(),
    KMedoidsSelector(),
    KMeansSelector(),
    TypiClustSelector(),
    USLSelector(),
    RandomSelector(),
    FixedIntervalSelector(),
    StratifiedRandomSelector(),
]

# Where checks of scikit-learn do not fit: estimator -> {check: reason}. No selector is here.
NEVER_SPARSE = "images are dense: a sparse matrix is refused for its dtype, not for being sparse"
ANY_SIZE = "an image may have any size: another number of pixels than in fit is no error"
ONE_MODE = "the module given is put in eval mode, as documented; nothing else of it changes"
LAST_BIT = "with several threads the last bit of an embedding depends on the place in the batch"
TWO_IMAGES = "one image has nothing to be told from: the error says so, in words of its own"
COPIED = "joblib hashes a copy of a module otherwise; test_torch_segmenter compares its weights"
IMAGES = dict.fromkeys(
    ("check_estimator_sparse_tag", "check_estimator_sparse_array", "check_estimator_sparse_matrix"),
    NEVER_SPARSE,
)
EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "RowsMAEEmbedder": IMAGES
    | {"check_transformer_general": ANY_SIZE}
    | dict.fromkeys(
        ("check_methods_sample_order_invariance", "check_methods_subset_invariance"), LAST_BIT
    ),
    "RowsJoinedEmbedder": IMAGES | {"check_transformer_general": ANY_SIZE},
    "RowsRandomFeaturesEmbedder": IMAGES | {"check_transformer_general": ANY_SIZE},
    "RowsTorchEmbedder": IMAGES
    | {"check_transformer_general": ANY_SIZE, "check_estimators_overwrite_params": ONE_MODE},
    "RowsRidgeSegmenter": IMAGES,
    "RowsSMPSegmenter": IMAGES,
    "RowsContrastiveEmbedder": IMAGES
    | {
        "check_transformer_general": ANY_SIZE,
        "check_methods_sample_order_invariance": LAST_BIT,
        "check_methods_subset_invariance": LAST_BIT,
        "check_fit2d_1sample": TWO_IMAGES,
    },
    "RowsTorchSegmenter": IMAGES | {"check_estimators_overwrite_params": COPIED},
}

every_selector = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)


def expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


@parametrize_with_checks(SELECTORS, expected_failed_checks=expected_failures)
def test_scikit_learn(estimator, check):
    check(estimator)


# Scikit-learn checks what takes rows, and skips what takes images. So an image is made of each row:
# one pixel high, values squeezed into (0, 1). What is not numbers goes through as it is.


def as_images(X):
    try:
        return expit(np.asarray(X, dtype=float))[:, None]
    except (TypeError, ValueError, IndexError):
        return X


def as_masks(X):
    return (as_images(X) > 0.5).astype(np.uint8) if as_images(X) is not X else X


class Rows:
    """An estimator of images that takes rows."""

    def fit(self, X, y=None):
        return super().fit(as_images(X), y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class RowsMAEEmbedder(Rows, MAEEmbedder):
    def transform(self, X):
        return super().transform(as_images(X))


class RowsContrastiveEmbedder(Rows, ContrastiveEmbedder):
    def transform(self, X):
        return super().transform(as_images(X))


class RowsRandomFeaturesEmbedder(Rows, RandomFeaturesEmbedder):
    def transform(self, X):
        return super().transform(as_images(X))


class RowsJoinedEmbedder(Rows, JoinedEmbedder):
    def transform(self, X):
        return super().transform(as_images(X))


class RowsTorchEmbedder(Rows, TorchEmbedder):
    def transform(self, X):
        return super().transform(as_images(X))


class RowsSegmenter(Rows):
    def fit(self, X, y):
        return super().fit(X, as_masks(X))

    def predict(self, X):
        return super().predict(as_images(X))

    def predict_proba(self, X):
        return super().predict_proba(as_images(X))

    def score(self, X, y):
        return super().score(as_images(X), as_masks(X))


class RowsRidgeSegmenter(RowsSegmenter, RidgeSegmenter):
    pass


class RowsSMPSegmenter(RowsSegmenter, SMPSegmenter):
    pass


class RowsTorchSegmenter(RowsSegmenter, TorchSegmenter):
    pass


def image_estimators():
    """Networks of a few weights, if there is torch to build them."""
    try:
        import segmentation_models_pytorch  # noqa: F401
        from torch import nn
    except ModuleNotFoundError:
        return []
    stages = {"encoder_depth": 3, "decoder_channels": (8, 8, 8), "channels": (8, 8, 8, 8)}
    short = {"steps": 1, "batch_size": 2, "device": "cpu"}
    return [
        RowsMAEEmbedder(
            image_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=1, decoder_dim=8, **short
        ),
        RowsContrastiveEmbedder(image_size=32, embed_dim=32, **short),
        RowsRandomFeaturesEmbedder(image_size=8, device="cpu"),
        RowsJoinedEmbedder(RandomFeaturesEmbedder(image_size=8, device="cpu"), seeds=[0, 1]),
        RowsTorchEmbedder(nn.Conv2d(1, 3, 1), image_size=4, in_channels=1, device="cpu"),
        RowsRidgeSegmenter(image_size=8, classes=[0, 1], device="cpu"),
        RowsSMPSegmenter(
            encoder_name="tu-resnet10t",
            arch_kwargs=stages | {"stem_width": 8},
            image_size=8,
            classes=[0, 1],
            **short,
        ),
        RowsTorchSegmenter(nn.Conv2d(1, 1, 1), image_size=8, classes=[0, 1], **short),
    ]


@parametrize_with_checks(image_estimators(), expected_failed_checks=expected_failures)
def test_scikit_learn_on_images(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    checked = {type(e).__name__.removeprefix("Rows") for e in [*SELECTORS, *image_estimators()]}
    public = {
        name for name in skxssr.__all__ if name.endswith(("Selector", "Embedder", "Segmenter"))
    }
    if not image_estimators():
        public -= {name for name in public if not name.endswith("Selector")}
    assert checked == public


FIXED = {"alpha": 0.0, "n_neighbors": 4}  # what a budget would otherwise decide


@pytest.mark.parametrize(
    ("selector", "true_of_it"),
    [
        (XSSRSelector(), {}),  # k-means depends on the order of the rows, and on the budget
        (XSSRSelector(alpha="auto"), {}),
        (XSSRSelector(**(FIXED | {"alpha": 0.5}), preprocess=None), {}),
        (make_variant("XSSR", engine="full", calibration="kernel"), {}),
        (make_variant("XSSR", alpha="auto", metric="cosine", calibration="radius"), {}),
        # Not to one component, as below: typicalities of points on a line tie, and this pipeline,
        # which works in the float type of its input, would break those ties by its rounding.
        (XSSRSelector(preprocess=make_pipeline(StandardScaler(), PCA())), {}),
        (make_variant("residual", preprocess=make_pipeline(StandardScaler(), PCA(1))), {}),
        (make_variant("residual"), {"permutation": True}),
        (make_variant("residual", **FIXED), {"prefix": True, "permutation": True}),
        (
            make_variant("residual", **(FIXED | {"alpha": 0.5})),
            {"prefix": True, "permutation": True},
        ),
        (make_variant("residual", engine="full", calibration="kernel"), {"permutation": True}),
        (make_variant("residual", metric="cosine", calibration="radius"), {"permutation": True}),
        (make_variant("typicality, distance", **FIXED), {"prefix": True, "permutation": True}),
        (CoreSetSelector(), {"prefix": True, "permutation": True}),
        (CoreSetSelector(initialize="random", preprocess=None), {"prefix": True}),
        (CoreSetSelector(metric="cosine"), {"prefix": True, "permutation": True}),
        (MaxHerdingSelector(), {"permutation": True}),
        (MaxHerdingSelector(bandwidth=1.5), {"prefix": True, "permutation": True}),
        (MaxHerdingSelector(n_neighbors=4, metric="cosine"), {"prefix": True}),
        (ProbCoverSelector(), {}),
        (ProbCoverSelector(radius=1.5, preprocess=None), {"prefix": True}),
        (FacilityLocationSelector(), {"prefix": True, "permutation": True}),
        (KMedoidsSelector(), {"permutation": True}),
        (KMedoidsSelector(swaps=0, metric="cosine"), {"prefix": True}),
        (KMedoidsSelector(cover_source=False, preprocess=None), {"permutation": True}),
        (KMeansSelector(), {}),
        (TypiClustSelector(), {}),
        (TypiClustSelector(n_neighbors=3, max_clusters=4, metric="cosine"), {}),
        (USLSelector(), {}),
        (RandomSelector(), {"prefix": True}),
        (FixedIntervalSelector(), {}),
    ],
    ids=repr,
)
def test_our_contract(selector, true_of_it):
    check_selector(selector, **true_of_it)


@every_selector
def test_unfitted_and_fitted(selector, pool, source):
    fresh = clone(selector).set_params(random_state=0)
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    before = set(vars(fresh))
    fresh.select(pool, 4)
    assert set(vars(fresh)) - before == {"selection_"}
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    fresh.fit(source)
    check_is_fitted(fresh)
    assert not hasattr(fresh, "selection_")
    assert fresh.n_features_in_ == 3
    fresh.select(pool, 4)
    fresh.fit(source)
    assert not hasattr(fresh, "selection_")


@every_selector
def test_clone_and_pickle(selector, pool, source):
    fitted = clone(selector).set_params(random_state=3).fit(source)
    picks = fitted.select(pool, 6).tolist()
    again = pickle.loads(pickle.dumps(fitted))
    assert again.select(pool, 6).tolist() == picks
    copy = clone(fitted)
    assert not hasattr(copy, "source_")
    assert copy.get_params() == fitted.get_params()
    assert copy.fit(source).select(pool, 6).tolist() == picks


def test_parameters_of_a_pipeline_within_are_reached(pool, source):
    selector = XSSRSelector(preprocess=make_pipeline(StandardScaler(), PCA(2)), alpha=0.0)
    assert selector.get_params()["preprocess__pca__n_components"] == 2
    selector.set_params(preprocess__pca__n_components=1).fit(source)
    assert selector.preprocess_[-1].n_components_ == 1
    assert clone(selector).get_params()["preprocess__pca__n_components"] == 1
    z = make_pipeline(StandardScaler(), PCA(1)).fit(source).transform(pool)
    expected = XSSRSelector(preprocess=None, alpha=0.0).select(z, 5)
    assert selector.select(pool, 5).tolist() == expected.tolist()
    bare = XSSRSelector(preprocess=PCA(3)).set_params(preprocess__n_components=2)
    assert bare.fit(source).preprocess_.n_components_ == 2


@every_selector
def test_names_of_columns_are_kept_and_compared(selector, pool, source):
    names = ["a", "b", "c"]
    fitted = clone(selector).fit(pd.DataFrame(source, columns=names))
    assert fitted.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.select(pd.DataFrame(pool, columns=["a", "c", "b"]), 2)
