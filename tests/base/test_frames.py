"""Data frames in, their own labels out; transformers, searches and routing of scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, GroupKFold, ParameterGrid, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skxssr import CoreSetSelector, RandomSelector, XSSRSelector

NAMES = ["a", "b", "c"]
LABELS = [f"film {i}" for i in range(80)]


def make_frame(library, values):
    if library == "pandas":
        return pd.DataFrame(values, columns=NAMES)
    polars = pytest.importorskip("polars")
    return polars.DataFrame(np.asarray(values), schema=NAMES)


every_library = pytest.mark.parametrize("library", ["pandas", "polars"])
every_selector = pytest.mark.parametrize(
    "selector", [XSSRSelector(), CoreSetSelector()], ids=lambda s: type(s).__name__
)


@every_library
@every_selector
def test_a_frame_picks_what_its_values_pick(library, selector, pool, source):
    expected = clone(selector).fit(source).select(pool, 9).tolist()
    fitted = clone(selector).fit(make_frame(library, source))
    frame = make_frame(library, pool)
    assert fitted.select(frame, 9).tolist() == expected
    # The oldest scikit-learn supported cannot ask the newest polars for names.
    if hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        assert fitted.feature_names_in_.tolist() == NAMES
        with pytest.raises(ValueError, match="feature names should match"):
            fitted.select(frame[["b", "a", "c"]], 9)
    assert clone(selector).select(frame, 9).tolist() == clone(selector).select(pool, 9).tolist()


def test_a_frame_for_a_source_of_no_names_is_taken_without_a_warning(pool, source):
    frame = make_frame("pandas", pool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = CoreSetSelector().fit(source)
        assert fitted.select(frame, 9).tolist() == fitted.select(pool, 9).tolist()
        assert len(CoreSetSelector().select(frame, 9)) == 9
    with pytest.raises(ValueError, match="2 features, but CoreSetSelector is expecting 3"):
        fitted.select(frame[["a", "b"]], 9)


@every_selector
def test_the_last_step_of_a_pipeline_selects_what_the_transformer_hands_over(
    selector, pool, source
):
    pipe = make_pipeline(StandardScaler(), clone(selector)).fit(source)
    by_hand = clone(selector).fit(StandardScaler().fit_transform(source))
    expected = by_hand.select(StandardScaler().fit(source).transform(pool), 5).tolist()
    assert pipe[-1].select(pipe[:-1].transform(pool), 5).tolist() == expected
    assert clone(pipe).get_params()["standardscaler"] is not pipe.get_params()["standardscaler"]


@every_selector
@pytest.mark.parametrize("verb", ["fit_predict", "predict", "transform", "fit_transform", "score"])
def test_another_verb_says_what_to_write(selector, verb, pool):
    assert not hasattr(selector, verb)
    with pytest.raises(AttributeError, match=rf"{verb}'.*\.fit\(source\)\.select\(X, 22\)"):
        getattr(selector, verb)(pool)
    if verb in ("transform", "fit_transform"):  # a Pipeline says of these that it has none
        return
    with pytest.raises(AttributeError, match=f"no attribute '{verb}'") as caught:
        getattr(make_pipeline(StandardScaler(), clone(selector)), verb)(pool)
    assert r"pipe.fit(source)[-1].select(pipe[:-1].transform(X), 22)" in str(caught.value.__cause__)
    with pytest.raises(AttributeError, match="has no attribute 'colour'$"):
        selector.colour  # noqa: B018


@every_library
def test_arguments_may_be_columns_of_a_frame(library, pool):
    series = pytest.importorskip(library).Series
    arguments = {
        "labeled": np.arange(80) % 16 == 3,
        "candidates": np.arange(80) > 8,
        "groups": np.array([f"patient {i % 11}" for i in range(80)]),
        "sample_weight": np.linspace(0, 1, 80),
    }
    columns = {name: series(value.tolist()) for name, value in arguments.items()}
    selector = XSSRSelector()
    assert (
        selector.select(pool, 9, **columns).tolist()
        == selector.select(pool, 9, **arguments).tolist()
    )


@pytest.mark.parametrize(
    "labels", [LABELS, pd.MultiIndex.from_product([range(8), range(10)]), range(800, 0, -10)],
    ids=["text", "multi-index", "numbers"],
)  # fmt: skip
def test_the_index_of_a_pandas_frame_comes_out(labels, pool):
    frame = pd.DataFrame(pool, index=labels)
    record = CoreSetSelector().select(frame, 6, return_selection=True)
    picked = record.take(frame)
    pd.testing.assert_frame_equal(picked, frame.iloc[record.indices])
    assert record.take(frame.index).tolist() == picked.index.tolist()
    np.testing.assert_array_equal(frame.loc[record.take(frame.index)], pool[record.indices])
    assert record.take(frame[0]).index.tolist() == picked.index.tolist()


def test_rows_of_a_polars_frame_come_out(pool):
    polars = pytest.importorskip("polars")
    frame = make_frame("polars", pool).with_columns(polars.Series("film", LABELS))
    record = CoreSetSelector().select(frame[NAMES], 6, return_selection=True)
    picked = record.take(frame)
    assert picked["film"].to_list() == [LABELS[row] for row in record.indices]
    np.testing.assert_array_equal(picked[NAMES].to_numpy(), pool[record.indices])
    assert record.take(frame["film"]).to_list() == picked["film"].to_list()


def test_entries_of_sequences_and_arrays_come_out(pool):
    record = RandomSelector(random_state=0).select(pool, 6, return_selection=True)
    expected = [LABELS[row] for row in record.indices]
    assert record.take(LABELS) == expected
    assert record.take(tuple(LABELS)) == expected
    assert record.take(np.array(LABELS)).tolist() == expected
    np.testing.assert_array_equal(record.take(pool), pool[record.indices])


def test_what_has_another_length_is_refused(pool):
    record = RandomSelector(random_state=0).select(pool, 6, return_selection=True)
    for values in (LABELS[:-1], pool[1:], pd.DataFrame(pool).T):
        with pytest.raises(ValueError, match="values has .* entries, but 80 rows"):
            record.take(values)


@pytest.mark.parametrize(
    "preprocess",
    [
        StandardScaler(),
        MinMaxScaler(),
        PCA(2, random_state=0),
        GaussianRandomProjection(2, random_state=0),
        FunctionTransformer(np.cbrt),
        make_column_transformer((StandardScaler(), [0, 2])),
        make_pipeline(StandardScaler(), PCA(2)),
        make_pipeline(StandardScaler(), PCA(2)).set_output(transform="pandas"),
    ],
    ids=lambda p: type(p).__name__,
)  # fmt: skip
def test_any_transformer_preprocesses(preprocess, pool, source):
    selector = XSSRSelector(preprocess=preprocess).fit(source)
    fitted = clone(preprocess).fit(source)
    by_hand = XSSRSelector(preprocess=None).fit(np.asarray(fitted.transform(source)))
    expected = by_hand.select(np.asarray(fitted.transform(pool)), 7).tolist()
    assert selector.select(pool, 7).tolist() == expected
    assert clone(selector).fit(source).select(pool, 7).tolist() == expected
    assert not hasattr(preprocess, "n_features_in_")  # the parameter itself is never fitted


def reach(selector, X, y=None):
    """Minus the mean distance of a fold's rows to 5 picks among them: of plain values."""
    picks = selector.select(X, 5)
    return -pairwise_distances(X, X[picks]).min(axis=1).mean()


def test_a_loop_over_a_grid_is_the_search(pool):
    selector = XSSRSelector(preprocess=PCA(random_state=0), alpha=0.0)
    grid = {"preprocess__n_components": [1, 2, 3], "metric": ["euclidean", "cosine"]}
    search = GridSearchCV(selector, grid, scoring=reach, cv=3).fit(pool)
    by_hand = [
        cross_val_score(clone(selector).set_params(**point), pool, scoring=reach, cv=3).mean()
        for point in ParameterGrid(grid)
    ]
    assert search.cv_results_["mean_test_score"].tolist() == by_hand
    assert len(set(by_hand)) > 1
    assert search.best_params_ == ParameterGrid(grid)[int(np.argmax(by_hand))]
    assert (
        search.best_estimator_.preprocess_.n_components_
        == (search.best_params_["preprocess__n_components"])
    )
    assert search.best_estimator_.select(pool, 5).shape == (5,)


@every_selector
def test_routing_switched_on_changes_nothing(selector, pool):
    """There is nothing to request in `fit`; groups go to the splitter of the search alone."""
    patients = np.arange(80) // 8
    seen = []

    def score(fitted, X, y=None):
        rows = {tuple(row) for row in X}
        seen.append({p for p, row in zip(patients, pool, strict=True) if tuple(row) in rows})
        return reach(fitted, X)

    with sklearn.config_context(enable_metadata_routing=True):
        assert not clone(selector).get_metadata_routing()._serialize().get("fit")
        GridSearchCV(
            clone(selector),
            {"metric": ["euclidean"]},
            scoring=score,
            cv=GroupKFold(5),
        ).fit(pool, groups=patients)
    assert sorted(len(fold) for fold in seen) == [2] * 5
    assert set.union(*seen) == set(patients.tolist())


@pytest.mark.parametrize("name", ["sample_weight", "groups"])
def test_what_belongs_to_select_is_refused_by_fit(name, pool):
    with pytest.raises(TypeError, match=name):
        XSSRSelector().fit(pool, **{name: np.ones(80)})
