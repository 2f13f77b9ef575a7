"""The default preprocessing, a user's own, and rows of length one."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.base.preprocess import evenly_spaced, fit_scale_and_pca, normalize_rows
from tests import naive
from tests.conftest import normal


def naive_auto(source, target, rows):
    """Distances between `rows` after scaling and PCA, from whole matrices and the full SVD."""
    sides = [target] if source is None else [source, target]
    center = np.mean([s.mean(axis=0) for s in sides], axis=0)
    scale = np.sqrt(np.mean([((s - center) ** 2).mean(axis=0) for s in sides], axis=0))
    scale[scale == 0] = 1
    moment = sum(((s - center) / scale).T @ ((s - center) / scale) / len(s) for s in sides)
    n_components = min(32, rows.shape[1], sum(map(len, sides)) - 1)
    axes = np.linalg.eigh(moment)[1][:, ::-1][:, :n_components]
    z = (rows - center) / scale @ axes
    return naive.distances(z, z)


@pytest.mark.parametrize("d", [1, 2, 5, 40, 90], ids="d={}".format)
@pytest.mark.parametrize("n_source", [0, 25, 200])
def test_auto_keeps_the_distances_of_scaled_principal_components(d, n_source):
    target = normal(60, d, 0) * np.linspace(1, 9, d) + 3
    source = normal(n_source, d, 1) * np.linspace(2, 1, d) if n_source else None
    z = fit_scale_and_pca(source, target)(target)
    assert z.dtype == np.float32
    assert z.shape == (60, min(32, d, 60 + n_source - 1))
    np.testing.assert_allclose(
        naive.distances(z, z), naive_auto(source, target, target), rtol=1e-4, atol=1e-5
    )


def test_a_feature_that_the_source_hardly_has_counts_as_much_as_another():
    source = np.column_stack([normal(50, 1, 0), np.zeros(50)])
    target = np.column_stack([normal(50, 1, 1), normal(50, 1, 2)])
    transform = fit_scale_and_pca(source, target)
    both = np.vstack([transform(source), transform(target)])
    expected = naive_auto(source, target, np.vstack([source, target]))
    np.testing.assert_allclose(naive.distances(both, both), expected, rtol=1e-4, atol=1e-4)
    assert expected.max() < 10


def test_each_side_counts_the_same_however_many_rows_it_has():
    source, target = normal(40, 50, 0), normal(60, 50, 1) * 2
    fitted = fit_scale_and_pca(source, target)
    weighted = fit_scale_and_pca(np.repeat(source, 7, axis=0), target)
    near = fitted(target), weighted(target)
    np.testing.assert_allclose(np.abs(near[0]), np.abs(near[1]), atol=2e-4)


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, 1e17, 1e140])
def test_constant_columns_take_no_component_and_move_nothing(value):
    X = normal(300, 40, 0)
    with_constants = np.column_stack([X, np.full((300, 30), value)])
    plain, more = fit_scale_and_pca(None, X)(X), fit_scale_and_pca(None, with_constants)
    np.testing.assert_allclose(
        naive.distances(plain, plain),
        naive.distances(more(with_constants), more(with_constants)),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("d", [3, 384])
def test_equal_rows_stay_equal(d):
    X = np.repeat(normal(20, d, 0), 5, axis=0)[np.random.default_rng(0).permutation(100)]
    z = fit_scale_and_pca(normal(30, d, 1), X)(X)
    assert len(np.unique(z, axis=0)) == 20


def test_auto_is_the_same_bits_on_any_number_of_threads_and_from_any_memory_layout():
    source, target = normal(300, 64, 0), normal(5000, 64, 1)
    results = []
    for threads, layout in ((1, "C"), (2, "F"), (4, "C")):
        with threadpool_limits(threads):
            transform = fit_scale_and_pca(source, np.asarray(target, order=layout))
            results.append(transform(np.asarray(target, order=layout)))
    assert all((z == results[0]).all() for z in results)


@pytest.mark.parametrize(
    ("n", "m"), [(10, 10), (10, 20), (10, 9), (10, 3), (1000, 7), (20001, 20000)]
)
@pytest.mark.parametrize("offset", [0.0, 0.5, 0.999])
def test_evenly_spaced(n, m, offset):
    positions = evenly_spaced(n, m, offset)
    assert len(positions) == min(n, m) == len(set(positions.tolist()))
    assert positions[0] >= 0
    assert positions[-1] < n
    if m < n:
        assert set(np.diff(positions)) <= {n // m, n // m + 1, -(-n // m)}


def test_rows_of_length_one(dtype):
    X = (normal(6, 4, 0) * 50).astype(dtype)
    X[2] = 0
    z = normalize_rows(X)
    assert z.dtype == dtype
    assert (z[2] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(z[[0, 1, 3]], axis=1), 1, rtol=1e-6)


def test_cosine_is_euclidean_on_rows_of_length_one(pool):
    unit = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    for make in (CoreSetSelector, XSSRSelector):
        cosine = make(metric="cosine", preprocess=None).select(pool * 3, 12)
        assert cosine.tolist() == make(preprocess=None).select(unit, 12).tolist()


@pytest.mark.parametrize("fitted_on", ["source", "target"])
def test_a_transformer_is_cloned_and_fitted_on_the_source_else_on_the_target(
    pool, source, fitted_on
):
    mine = make_pipeline(StandardScaler(), PCA(2))
    selector = XSSRSelector(preprocess=mine, alpha=0.0)
    reference = make_pipeline(StandardScaler(), PCA(2))
    if fitted_on == "source":
        selector.fit(source)
        assert selector.preprocess_ is not mine
    picks = selector.select(pool, 10)
    assert not hasattr(mine[-1], "components_")
    z = reference.fit(source if fitted_on == "source" else pool).transform(pool)
    assert picks.tolist() == XSSRSelector(preprocess=None, alpha=0.0).select(z, 10).tolist()


def test_a_transformer_set_after_fit_is_fitted_on_the_kept_source(pool, source):
    late = XSSRSelector(alpha=0.5).fit(source).set_params(preprocess=PCA(2))
    early = XSSRSelector(alpha=0.5, preprocess=PCA(2)).fit(source)
    assert late.select(pool, 8).tolist() == early.select(pool, 8).tolist()


class Spoiled(TransformerMixin, BaseEstimator):
    """A transformer that yields NaN, or fails in fit."""

    def __init__(self, fails=False):
        self.fails = fails

    def fit(self, X, y=None):
        if self.fails:
            raise RuntimeError("this transformer cannot be fitted")
        return self

    def transform(self, X):
        return X * np.nan


def test_nan_from_a_transformer_is_named(pool):
    with pytest.raises(ValueError, match="preprocess output contains NaN"):
        XSSRSelector(preprocess=Spoiled()).select(pool, 3)


def test_a_fit_that_fails_leaves_the_selector_as_it_was(pool, source):
    selector = XSSRSelector(preprocess=PCA(2)).fit(source)
    before = selector.select(pool, 5)
    selector.set_params(preprocess=Spoiled(fails=True))
    with pytest.raises(RuntimeError, match="cannot be fitted"):
        selector.fit(source * 2)
    assert selector.selection_.indices.tolist() == before.tolist()
    assert selector.set_params(preprocess=PCA(2)).select(pool, 5).tolist() == before.tolist()
