"""`XSSRQueryStrategy` in scikit-activeml: its generic tests of a strategy, its loop, its rivals.

The generic tests are in the wheel of release 0.6.1 and in no later one. It is fetched once into
pytest's cache and never copied into the repository.
"""

import hashlib
import importlib
import pickle
import subprocess
import sys
import unittest
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import skxssr
from skxssr import CoreSetSelector, MaxHerdingSelector, RandomSelector, XSSRSelector
from skxssr.exceptions import MissingExtraError
from tests.conftest import normal

pytest.importorskip("skactiveml", reason="the strategy is one of scikit-activeml's")

from skactiveml.classifier import SklearnClassifier  # noqa: E402
from skactiveml.exceptions import MappingError  # noqa: E402
from skactiveml.pool import CoreSet, MaxHerding, SubSamplingWrapper, UncertaintySampling  # noqa: E402
from skactiveml.utils import MISSING_LABEL, labeled_indices, unlabeled_indices  # noqa: E402

from skxssr.integrations.skactiveml import XSSRQueryStrategy  # noqa: E402

RELEASE = "0.6.1"
SHA256 = "50b213116e0c940e2e9b879766f656693309676c7b57122bc06ac97480c50475"
SELECTORS = [getattr(skxssr, name) for name in skxssr.__all__ if name.endswith("Selector")]


def labels(n, labeled, value=1.0):
    y = np.full(n, MISSING_LABEL)
    y[labeled] = value
    return y


@pytest.fixture(scope="module")
def template(request, tmp_path_factory):
    """The library's module of generic tests, with its two imports of test files redirected."""
    cache = request.config.cache.mkdir(f"scikit-activeml-{RELEASE}")
    if not any(cache.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", f"scikit-activeml=={RELEASE}"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1]
            pytest.skip(f"the wheel that holds the library's generic tests cannot be had: {why}")
    wheel = next(cache.glob("*.whl"))
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == SHA256, f"delete {wheel}"
    folder = tmp_path_factory.mktemp("generic")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("template_query_strategy", "utils"):
            text = archive.read(f"skactiveml/tests/{name}.py").decode()
            text = text.replace("skactiveml.tests.utils", "generic_utils")
            text = text.replace("from ..classifier", "from skactiveml.classifier")
            (folder / f"generic_{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("generic_template_query_strategy")
    finally:
        sys.path.remove(str(folder))


@pytest.mark.parametrize("selector", [None, *SELECTORS], ids=lambda c: getattr(c, "__name__", c))
def test_generic_tests_of_the_library(template, selector):
    X = normal(25, 3, 0)
    pool = {"X": X, "y": labels(25, [0, 1], [0.0, 1.0])}
    source = None  # the defaults first, then each selector with one
    if selector is not None:
        selector, source = selector(), normal(15, 3, 1) + 1.0

    class Generic(template.TemplateSingleAnnotatorPoolQueryStrategy, unittest.TestCase):
        def setUp(self):
            super().setUp(
                qs_class=XSSRQueryStrategy,
                init_default_params={"selector": selector, "source": source},
                query_default_params_clf=pool,
                query_default_params_reg=pool,
            )

        def test_init_param_source(self):
            cases = [(X[:5], None), (X[:5, :2], ValueError), ("text", ValueError)]
            self._test_param("init", "source", cases)

        def test_init_param_selector(self):
            cases = [(CoreSetSelector(), None), (XSSRSelector().fit(X), ValueError)]
            cases += [("XSSR", TypeError), (XSSRSelector, TypeError)]
            self._test_param("init", "selector", cases)

        def test_query(self):
            pass  # the library asks that there be one: it is the rest of this file

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Generic).run(result)
    assert result.testsRun == 22
    assert not result.skipped
    assert not [text for _, text in result.failures + result.errors]


def test_a_loop_from_no_label_at_all():
    X, truth = load_digits(n_class=4, return_X_y=True)
    source, X, truth = X[:200], X[200:], truth[200:]
    y = np.full(len(X), MISSING_LABEL)
    first, warm = XSSRQueryStrategy(source=source), UncertaintySampling(random_state=0)
    classifier = SklearnClassifier(LogisticRegression(max_iter=1000), classes=range(4))
    ours = XSSRSelector().fit(source)
    for turn in range(4):
        done = labeled_indices(y)
        if turn % 2 == 0:
            picked = first.query(X, y, batch_size=6)
            np.testing.assert_array_equal(picked, ours.select(X, 6, labeled=done))
            np.testing.assert_array_equal(picked, first.selector_.selection_.indices)
            assert first.selector_.selection_.n_source_samples == 200
        else:
            picked = warm.query(X, y, clf=classifier, batch_size=6)
        assert not set(picked) & set(done)
        y[picked] = truth[picked]
    assert len(labeled_indices(y)) == 24
    assert classifier.fit(X, y).score(X, truth) > 0.9


@pytest.mark.parametrize("labeled", [[], [3], [40, 7, 11]])
def test_picks_and_utilities_are_those_of_select(source, labeled):
    X = normal(50, 3, 2)
    record = (
        XSSRSelector(engine="full")
        .fit(source)
        .select(X, 8, labeled=np.array(labeled, int), return_selection=True)
    )
    strategy = XSSRQueryStrategy(source=source)
    y = labels(50, labeled)
    picked, utilities = strategy.query(X, y, batch_size=8, return_utilities=True)
    np.testing.assert_array_equal(picked, record.indices)
    np.testing.assert_array_equal(picked, strategy.query(X, y, batch_size=8))
    np.testing.assert_array_equal(utilities, record.utilities)
    assert strategy.selector_.engine == "lazy"  # nobody asked the last query for its scores
    for t in range(8):
        assert set(np.flatnonzero(np.isnan(utilities[t]))) == {*labeled, *picked[:t]}
        assert np.nanargmax(utilities[t]) == picked[t]
    picked[0] = utilities[0, 0] = -1  # the caller's own, unlike the record


def test_all_unlabelled_rows_as_candidates_change_nothing(source):
    X, y = normal(60, 3, 3), labels(60, [5, 9])
    strategy = XSSRQueryStrategy(source=source)
    free = strategy.query(X, y, batch_size=6, return_utilities=True)
    rows = np.random.default_rng(0).permutation(unlabeled_indices(y))
    named = strategy.query(X, y, candidates=rows, batch_size=6, return_utilities=True)
    for ours, theirs in zip(free, named, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_candidates_restrict_the_picks_and_not_what_is_to_be_covered():
    X = np.vstack([normal(10, 2, 4) + 20.0, normal(40, 2, 5)])
    X[0] = -40.0
    X[1] = 0.1  # in a heap of which nothing else is a candidate
    y = np.full(50, MISSING_LABEL)
    strategy = XSSRQueryStrategy(selector=XSSRSelector(preprocess=None))
    picked, utilities = strategy.query(X, y, candidates=[0, 1], return_utilities=True)
    assert picked.tolist() == [1]  # in a pool of the two the tie would go to row 0
    np.testing.assert_array_equal(np.isfinite(utilities[0]).nonzero()[0], [0, 1])
    assert utilities[0, 1] > 2 * utilities[0, 0]
    assert strategy.selector_.selection_.scales["n_demand"] == 50


def test_candidates_that_cannot_be_picked_are_refused():
    X, y = normal(20, 3, 6), labels(20, [4])
    strategy = XSSRQueryStrategy()
    with pytest.raises(MappingError, match="index array"):
        strategy.query(X, y, candidates=X[5:])
    with pytest.raises(ValueError, match="labeled"):
        strategy.query(X, y, candidates=[3, 4, 5])


@pytest.mark.parametrize("selector", [None, CoreSetSelector()])
def test_a_batch_above_the_pool_is_capped_and_an_empty_pool_gives_an_empty_batch(selector):
    X, y = normal(12, 3, 7), labels(12, [0, 1, 2])
    strategy = XSSRQueryStrategy(selector=selector)
    with pytest.warns(UserWarning, match="'batch_size=9' was set"):
        picked, utilities = strategy.query(X, y, batch_size=40, return_utilities=True)
    assert sorted(picked) == list(range(3, 12))
    assert utilities.shape == (9, 12)
    y[:] = 0
    with pytest.warns(UserWarning, match="'batch_size=0' was set"):
        picked, utilities = strategy.query(X, y, return_utilities=True)
    assert picked.shape == (0,)
    assert utilities.shape == (0, 12)
    with pytest.warns(UserWarning, match="'batch_size=0' was set"):
        assert strategy.query(X, y).shape == (0,)


@pytest.mark.parametrize(
    ("missing", "label", "dtype"), [(-1, 7, int), ("", "cat", "U3"), (None, 3, object)]
)
def test_missing_labels_of_any_kind(missing, label, dtype):
    X = normal(30, 3, 8)
    y = np.full(30, missing, dtype=dtype)
    y[[2, 20]] = label
    picked = XSSRQueryStrategy(missing_label=missing).query(X, y, batch_size=5)
    np.testing.assert_array_equal(picked, XSSRSelector().select(X, 5, labeled=[2, 20]))


def test_core_set_picks_what_the_librarys_own_does():
    X, y = normal(300, 6, 9), labels(300, [17])
    strategy = XSSRQueryStrategy(selector=CoreSetSelector(preprocess=None))
    theirs = CoreSet(random_state=0).query(X, y, batch_size=40)
    np.testing.assert_array_equal(strategy.query(X, y, batch_size=40), theirs)


def test_max_herding_picks_what_the_librarys_own_does():
    X, y = normal(200, 4, 10), np.full(200, MISSING_LABEL)
    strategy = XSSRQueryStrategy(selector=MaxHerdingSelector(bandwidth=0.8, preprocess=None))
    theirs = MaxHerding(
        normalize_samples=False, metric_dict={"gamma": 0.5 / 0.8**2}, random_state=0
    ).query(X, y, batch_size=20)
    np.testing.assert_array_equal(strategy.query(X, y, batch_size=20), theirs)


def test_a_selector_without_scores_says_what_it_picked_and_no_more():
    X, y = normal(10, 2, 11), labels(10, [0])
    strategy = XSSRQueryStrategy(selector=CoreSetSelector(initialize=3))
    picked, utilities = strategy.query(
        X, y, candidates=[1, 2, 3, 4], batch_size=3, return_utilities=True
    )
    assert set(picked) < {1, 2, 3, 4}
    expected = np.full((3, 10), np.nan)
    expected[:, 1:5] = 0
    for t, row in enumerate(picked):
        expected[t, row] = 1
        expected[t + 1 :, row] = np.nan
    np.testing.assert_array_equal(utilities, expected)


def test_random_state_seeds_the_selector_and_none_leaves_it_its_own():
    X, y = normal(80, 2, 12), np.full(80, MISSING_LABEL)

    def pick(y, **arguments):
        return XSSRQueryStrategy(**arguments).query(X, y, batch_size=5).tolist()

    drawn = RandomSelector(random_state=3)
    assert pick(y, selector=drawn) == drawn.select(X, 5).tolist()
    assert pick(y, selector=drawn, random_state=0) == pick(y, selector=drawn, random_state=0)
    assert pick(y, selector=drawn, random_state=0) != pick(y, selector=drawn, random_state=1)
    fewer = labels(80, [0])  # one label more is another draw, as in the library
    assert pick(fewer, selector=drawn, random_state=0) != pick(y, selector=drawn, random_state=0)
    assert pick(y, selector=RandomSelector()) != pick(y, selector=RandomSelector())


def test_the_selector_given_is_never_changed(source):
    X, y = normal(40, 3, 13), np.full(40, MISSING_LABEL)
    selector = XSSRSelector(alpha=0.3, random_state=5)
    before = selector.get_params()
    strategy = XSSRQueryStrategy(source=source, selector=selector, random_state=1)
    picked = strategy.query(X, y, batch_size=4, return_utilities=True)[0]
    assert strategy.selector is selector
    assert selector.get_params() == before
    assert not hasattr(selector, "selection_")
    assert not hasattr(selector, "source_")
    for copy in (clone(strategy), pickle.loads(pickle.dumps(strategy))):
        np.testing.assert_array_equal(copy.query(X, y, batch_size=4), picked)


def test_other_strategies_of_the_library_can_wrap_it(source):
    X, y = normal(90, 3, 14), labels(90, [0, 1])
    wrapper = SubSamplingWrapper(
        XSSRQueryStrategy(source=source), max_candidates=0.5, random_state=0
    )
    picked, utilities = wrapper.query(X, y, batch_size=5, return_utilities=True)
    assert len(set(picked) - {0, 1}) == 5
    assert np.isfinite(utilities[0]).sum() == 44


def test_without_the_library_the_import_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "skxssr.integrations.skactiveml")
    monkeypatch.setitem(sys.modules, "skactiveml", None)
    monkeypatch.delitem(sys.modules, "skactiveml.base")
    with pytest.raises(MissingExtraError, match=r"pip install 'skxssr\[activeml\]'"):
        importlib.import_module("skxssr.integrations.skactiveml")
