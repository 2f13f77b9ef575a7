"""The adapters of small-text under its real learner, against naive k-center.

Runs where small-text is:
`python -m tests.environments small-text -m pytest tests/integrations/test_small_text.py`.
"""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from skxssr import CoreSetSelector, XSSRSelector
from tests import naive
from tests.conftest import normal

pytest.importorskip(
    "small_text", reason="small-text has an environment of its own: tests/environments.py"
)
from small_text import (
    PoolBasedActiveLearner,
    SklearnClassifier,
    SklearnClassifierFactory,
    SklearnDataset,
    random_initialization,
)
from small_text.query_strategies import EmptyPoolException, PoolExhaustedException

from skxssr.integrations.small_text import XSSRQueryStrategy, xssr_initialization

N = 100


class EmbeddingClassifier(SklearnClassifier):
    """What small-text's neural classifiers offer besides: embeddings, here two of the features."""

    def embed(self, dataset, scale=1.0, pbar="tqdm"):
        return scale * dataset.x.toarray()[:, :2]


@pytest.fixture
def X():
    return normal(N, 3, 0)


@pytest.fixture
def y(X):
    return (X[:, 0] > 0).astype(np.int64)


def k_center(first=7):
    return CoreSetSelector(preprocess=None, initialize=first)


def learner_of(X, y, strategy):
    factory = SklearnClassifierFactory(LogisticRegression(), 2)
    dataset = SklearnDataset(csr_matrix(X), y, target_labels=np.arange(2))
    return PoolBasedActiveLearner(factory, strategy, dataset)


# Labels first, last and in between: small-text's own greedy_coreset is right for the last alone.
@pytest.mark.parametrize(
    "labeled", [range(10), range(90, 100), [60, 3, 99, 41]], ids=["first", "last", "scattered"]
)
def test_a_query_is_naive_k_center_around_the_labels(X, y, labeled):
    learner = learner_of(X, y, XSSRQueryStrategy(k_center(), embeddings=X))
    labeled = np.array(labeled)
    learner.initialize_data(labeled, y[labeled])
    expected = naive.k_center(X, 10, 0, labeled=labeled.tolist())
    first = learner.query(num_samples=5)
    assert first.tolist() == expected[:5]
    learner.update(y[first])
    assert learner.query(num_samples=5).tolist() == expected[5:]


def test_a_query_needs_neither_labels_nor_a_classifier(X, y):
    learner = learner_of(X, y, XSSRQueryStrategy(k_center(), embeddings=X))
    nothing = np.empty(0, dtype=int)
    learner.initialize_data(nothing, nothing, retrain=False)
    assert learner.classifier is None
    first = learner.query(num_samples=8)
    assert first.tolist() == naive.k_center(X, 8, 7)
    learner.update(y[first])
    assert learner.classifier is not None
    assert not set(learner.query(num_samples=8)) & set(first)


def test_initialisation_begins_a_loop(X, y):
    indices = xssr_initialization(X, n_samples=8, selector=k_center())
    assert indices.tolist() == naive.k_center(X, 8, 7)
    theirs = random_initialization(list(range(N)), n_samples=8)
    assert (indices.shape, indices.dtype) == (theirs.shape, theirs.dtype)
    assert len(xssr_initialization(X)) == len(random_initialization(list(range(N)))) == 10
    learner = learner_of(X, y, XSSRQueryStrategy(embeddings=X))
    learner.initialize_data(indices, y[indices])
    assert not set(learner.query(num_samples=8)) & set(indices)


def test_ignored_rows_are_neither_picked_nor_covered(X, y):
    labeled, ignored = np.array([y.argmin(), y.argmax()]), np.array([10, 70, 99])
    learner = learner_of(X, y, XSSRQueryStrategy(embeddings=X))
    learner.initialize_data(labeled, y[labeled], indices_ignored=ignored)
    kept = np.setdiff1d(np.arange(N), ignored)
    expected = XSSRSelector().select(X[kept], 6, labeled=np.searchsorted(kept, labeled))
    assert learner.query(num_samples=6).tolist() == kept[expected].tolist()


def test_a_pool_is_used_up_to_the_last_row(X, y):
    learner = learner_of(X, y, XSSRQueryStrategy(embeddings=X))
    labeled = np.arange(95)
    learner.initialize_data(labeled, y[:95])
    with pytest.raises(PoolExhaustedException):
        learner.query(num_samples=6)
    last = learner.query(num_samples=5)
    assert sorted(last.tolist()) == list(range(95, 100))
    learner.update(y[last])
    with pytest.raises(EmptyPoolException):
        learner.query(num_samples=1)


def test_embeddings_of_the_classifier(X, y):
    dataset = SklearnDataset(csr_matrix(X), y, target_labels=np.arange(2))
    labeled = np.array([3, 40, 77])
    unlabeled = np.setdiff1d(np.arange(N), labeled)
    classifier = EmbeddingClassifier(LogisticRegression(), 2).fit(dataset[labeled])
    query = XSSRQueryStrategy(k_center()).query
    expected = naive.k_center(X[:, :2], 6, 0, labeled=labeled.tolist())
    for further in ({}, {"pbar": None, "scale": 2.0}):
        picks = query(classifier, dataset, unlabeled, labeled, y[labeled], n=6, **further)
        assert picks.tolist() == expected


def test_a_source_is_that_of_a_fitted_selector(X):
    source = normal(40, 3, 1) + 2
    fitted = XSSRSelector().fit(source)
    expected = fitted.select(X, 5).tolist()
    assert xssr_initialization(X, 5, source=source).tolist() == expected
    assert xssr_initialization(X, 5, selector=fitted).tolist() == expected
    empty = np.empty(0, dtype=int)
    strategy = XSSRQueryStrategy(embeddings=X, source=source)
    assert strategy.query(None, X, np.arange(N), empty, empty, n=5).tolist() == expected
    assert not hasattr(XSSRQueryStrategy(embeddings=X).selector, "source_")


def test_a_learner_is_saved_and_loaded_with_its_strategy(X, y, tmp_path):
    learner = learner_of(X, y, XSSRQueryStrategy(embeddings=X))
    labeled = xssr_initialization(X, 8)
    learner.initialize_data(labeled, y[labeled])
    learner.save(tmp_path / "learner")
    again = PoolBasedActiveLearner.load(tmp_path / "learner")
    assert again.query(num_samples=5).tolist() == learner.query(num_samples=5).tolist()
    assert "XSSRSelector" in str(again.query_strategy)


def test_what_cannot_be_meant_is_refused(X, y):
    rows, empty = np.arange(N), np.empty(0, dtype=int)
    with pytest.raises(TypeError, match="NoneType has no method embed"):
        XSSRQueryStrategy().query(None, X, rows, empty, empty, n=5)
    with pytest.raises(ValueError, match="embeddings has 99 rows, but the data set has 100"):
        XSSRQueryStrategy(embeddings=X[1:]).query(None, X, rows, empty, empty, n=5)
    for how in ({"source": X}, {"selector": XSSRSelector().fit(X)}):
        with pytest.raises(ValueError, match="A source needs embeddings"):
            XSSRQueryStrategy(**how)
    with pytest.raises(ValueError, match="at most 100 can be picked"):
        xssr_initialization(X, 101)
