"""Exact neighbours against whole distance matrices, approximate ones by their recall."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skxssr.neighbors import kneighbors
from tests import naive
from tests.conftest import lattice, normal


def test_within_a_pool_every_row_leaves_itself_out(data, dtype):
    X = data.astype(dtype)
    k = min(5, len(X) - 1)
    found, exact = kneighbors(None, X, k)
    assert exact
    assert found.shape == (len(X), k)
    np.testing.assert_allclose(found, naive.neighbor_distances(X, k), rtol=1e-12)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 4])
def test_between_two_pools_like_scipy(n_jobs, dtype):
    Q, X = normal(70, 4, 0).astype(dtype), normal(50, 4, 1).astype(dtype)
    found, exact = kneighbors(Q, X, 6, n_jobs=n_jobs)
    expected = cKDTree(X.astype(np.float64)).query(Q.astype(np.float64), k=6)[0]
    assert exact
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_threads_do_not_change_a_bit():
    X = lattice(600, 3, 4, 0)
    one = kneighbors(None, X, 9, n_jobs=1)[0]
    assert all((kneighbors(None, X, 9, n_jobs=jobs)[0] == one).all() for jobs in (2, 4))


@pytest.mark.parametrize("offset", [1e6, 1e8, 1e10])
def test_far_from_the_origin_neighbours_are_still_the_nearest(offset):
    X = lattice(300, 3, 40, 0)  # integers: exact at every offset
    near = kneighbors(None, X, 5)[0]
    assert (kneighbors(None, X + offset, 5)[0] == near).all()
    assert (kneighbors(X[:50] + offset, X + offset, 5)[0] == kneighbors(X[:50], X, 5)[0]).all()


def test_one_wild_outlier_does_not_blur_the_others():
    X = np.vstack([normal(200, 3, 0), np.full((1, 3), 1e10)])
    found = kneighbors(None, X, 5)[0]
    np.testing.assert_allclose(found, naive.neighbor_distances(X, 5), rtol=1e-12)


@pytest.mark.parametrize("k", [0, 1, 4])
def test_few_rows(k):
    X = normal(5, 2, 0)
    assert kneighbors(None, X, k)[0].shape == (5, k)
    assert kneighbors(X[:0], X, k)[0].shape == (0, k)


@pytest.mark.slow
def test_approximate_neighbours_are_nearly_all_right_and_say_so():
    X = normal(600, 4, 0)
    exact, _ = kneighbors(None, X, 10)
    for query, truth in ((None, exact), (X[:80] + 0.01, kneighbors(X[:80] + 0.01, X, 10)[0])):
        found, certain = kneighbors(query, X, 10, algorithm="pynndescent", random_state=3)
        again, _ = kneighbors(query, X, 10, algorithm="pynndescent", random_state=3, n_jobs=2)
        assert not certain
        assert (found == again).all()
        assert (np.diff(found, axis=1) >= 0).all()
        assert (found >= truth - 1e-12).all()
        assert np.mean(np.abs(found - truth) < 1e-9) > 0.95
    few, certain = kneighbors(None, X[:20], 3, algorithm="pynndescent")
    assert certain  # too few to build a graph on: searched exactly, and said so
    np.testing.assert_allclose(few, naive.neighbor_distances(X[:20], 3), rtol=1e-12)


@pytest.mark.slow
def test_approximate_neighbours_of_duplicates():
    X = np.repeat(normal(8, 3, 0), 40, axis=0)
    found, _ = kneighbors(None, X, 5, algorithm="pynndescent")
    assert np.isfinite(found).all()
    assert np.mean(found == 0) > 0.95  # each row has 39 twins
