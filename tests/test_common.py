"""Every selector under scikit-learn's checks, under ours, and what both leave out."""

import inspect
import pickle

import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

import skxssr
from skxssr import (
    CoreSetSelector,
    FacilityLocationSelector,
    FixedIntervalSelector,
    KMeansSelector,
    KMedoidsSelector,
    MaxHerdingSelector,
    ProbCoverSelector,
    RandomSelector,
    StratifiedRandomSelector,
    TypiClustSelector,
    USLSelector,
    XSSRSelector,
)
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

# check -> reason, for every selector; none fails
EXPECTED_FAILURES: dict[str, str] = {}

every_selector = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)


@parametrize_with_checks(SELECTORS, expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_scikit_learn(estimator, check):
    check(estimator)


FIXED = {"alpha": 0.0, "n_neighbors": 4}  # what a budget would otherwise decide


@pytest.mark.parametrize(
    ("selector", "true_of_it"),
    [
        (XSSRSelector(), {"permutation": True}),
        (XSSRSelector(**FIXED), {"prefix": True, "permutation": True}),
        (XSSRSelector(**(FIXED | {"alpha": 0.5})), {"prefix": True, "permutation": True}),
        (XSSRSelector(**FIXED, preprocess=None), {"prefix": True, "permutation": True}),
        (XSSRSelector(**FIXED, density="typicality"), {"prefix": True, "permutation": True}),
        (XSSRSelector(engine="full", calibration="kernel"), {"permutation": True}),
        (XSSRSelector(metric="cosine", calibration="radius"), {"permutation": True}),
        (XSSRSelector(preprocess=make_pipeline(StandardScaler(), PCA(1))), {}),
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


# Numpydoc's codes that this project does not follow, and why.
IGNORED_CODES = {
    "SA01": "a See Also section where there is nothing to see",
    "EX01": "an example in each method: the class has one",
    "ES01": "an extended summary where the summary says it all",
    "RT03": "`self` needs no description",
    "RT04": "a description may start with a name in code",
    "PR06": "a boolean mask is an array, not a bool",
    "PR08": "a description may start with a name in code",
}
RECORD = ("skxssr.Selection", "PR01")  # users read its fields and never pass them: Attributes


def documented():
    for name in sorted(set(skxssr.__all__) - {"__version__"}):
        try:
            public = getattr(skxssr, name)
        except ImportError:
            continue  # its extra is not installed
        yield f"skxssr.{name}"
        for method, value in vars(public).items():
            if not method.startswith("_") and inspect.isfunction(inspect.unwrap(value)):
                yield f"skxssr.{name}.{method}"
    yield from ("skxssr.base.BaseSelector.fit", "skxssr.base.BaseSelector.select")
    yield from ("skxssr.testing.check_selector", "skxssr.metrics.coverage_loss")
    yield from ("skxssr.neighbors.kneighbors",)


@pytest.mark.parametrize("name", list(documented()))
def test_docstring(name):
    errors = {code: text for code, text in validate(name)["errors"] if (name, code) != RECORD}
    assert {code: text for code, text in errors.items() if code not in IGNORED_CODES} == {}


@every_selector
def test_documented_parameters_are_those_of_the_signature(selector):
    documented = [parameter.name for parameter in ClassDoc(type(selector))["Parameters"]]
    assert documented == list(inspect.signature(type(selector)).parameters)
