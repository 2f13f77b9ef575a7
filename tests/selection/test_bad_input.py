"""What is refused: each message names the parameter, the value and the limit; nothing is lost."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skxssr import CoreSetSelector, RandomSelector, XSSRSelector
from skxssr.exceptions import SkxssrWarning
from skxssr.metrics import coverage_loss
from tests.conftest import normal
from tests.selection.test_common import SELECTORS

POOL = normal(20, 3, 0)

every_selector = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)


def spoiled(value):
    X = POOL.copy()
    X[4, 1] = value
    return X


BAD_POOLS = {
    "NaN": (
        spoiled(np.nan),
        ValueError,
        "X contains NaN in 1 of the 20 rows .*: 4 .row 4 in column 1",
    ),
    "infinity": (spoiled(np.inf), ValueError, "X contains infinity in 1 of the 20 rows .*: 4 "),
    "too large": (
        spoiled(-1e200),
        ValueError,
        "target holds a value of magnitude 1e\\+200.*1e\\+150",
    ),
    "empty": (POOL[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
    "no column": (POOL[:, :0], ValueError, r"0 feature\(s\)"),
    "one dimension": (POOL[:, 0], ValueError, "Expected 2D array, got 1D array"),
    "three dimensions": (POOL[None], ValueError, "dim 3"),
    "text": (np.full((20, 3), "a"), ValueError, "could not convert|dtype='numeric'"),
    "complex": (POOL + 1j, ValueError, "Complex data not supported"),
    "sparse": (sparse.csr_matrix(POOL), TypeError, "[Ss]parse"),
    "another number of features": (POOL[:, :2], ValueError, "2 features, but .* expecting 3"),
}

BAD_ARGUMENTS = {
    "budget 0": ({"budget": 0}, ValueError, "budget must be at least 1. Got 0"),
    "budget negative": ({"budget": -4}, ValueError, "budget must be at least 1. Got -4"),
    "budget too large": ({"budget": 21}, ValueError, "budget=21 .* at most 20 .*20 rows"),
    "budget fraction 0": ({"budget": 0.0}, ValueError, r"in \(0, 1\]. Got 0.0"),
    "budget fraction": ({"budget": 1.5}, ValueError, r"in \(0, 1\]. Got 1.5"),
    "budget NaN": ({"budget": np.nan}, ValueError, r"in \(0, 1\]. Got nan"),
    "budget as a float": ({"budget": 7.0}, ValueError, r"Got 7.0 .*pass an int: 7\."),
    "budget None": ({"budget": None}, TypeError, r"needs a budget.*write select\(X, 22\)"),
    "n": ({"n": 5}, TypeError, "unexpected argument 'n': write budget="),
    "k": ({"k": 5}, TypeError, "unexpected argument 'k': write budget="),
    "another name": ({"colour": 5}, TypeError, "unexpected argument 'colour': it takes budget, "),
    "a seed": ({"random_state": 0}, TypeError, "write it into the selector"),
    "budget bool": ({"budget": True}, TypeError, "budget must be a count .*Got True of type bool"),
    "budget text": ({"budget": "5%"}, TypeError, "budget must be a count .*Got '5%' of type str"),
    "budget above what labels leave": (
        {"budget": 19, "labeled": [3, 4]},
        ValueError,
        "budget=19 .* at most 18 .* 2 of them labelled",
    ),
    "budget above the candidates": (
        {"budget": 3, "candidates": [3, 4]},
        ValueError,
        "budget=3 .* at most 2 .* 2 candidates",
    ),
    "budget above the quota": (
        {"budget": 9, "groups": np.arange(20) % 4, "max_per_group": 2},
        ValueError,
        "budget=9 .* at most 8 .*max_per_group=2. Lower the budget to 8",
    ),
    "fraction above the candidates": (
        {"budget": 0.5, "candidates": [3, 4]},
        ValueError,
        "budget=0.5 asks for 10 rows, but at most 2",
    ),
    "no candidate": ({"candidates": []}, ValueError, "budget=2 .*Nothing can be picked"),
    "all labelled": ({"labeled": np.arange(20)}, ValueError, "20 of them labelled.*Nothing can be"),
    "labeled out of range": ({"labeled": [3, 20]}, ValueError, "labeled .*index 20.* 0 to 19"),
    "labeled negative": ({"labeled": [-1]}, ValueError, "labeled .*index -1.* 0 to 19"),
    "labeled repeated": ({"labeled": [3, 7, 3]}, ValueError, "labeled .*index 3 more than once"),
    "labeled not whole": ({"labeled": [1.0, 2.0]}, ValueError, "labeled must be .*dtype float64"),
    "labeled text": ({"labeled": ["a"]}, ValueError, "labeled must be .*indices"),
    "labeled table": ({"labeled": [[1], [2]]}, ValueError, r"labeled must be .*shape \(2, 1\)"),
    "labeled mask": (
        {"labeled": np.ones(19, bool)},
        ValueError,
        r"labeled is a boolean mask of shape \(19,\).* 20 rows",
    ),
    "candidates out of range": (
        {"candidates": [25]},
        ValueError,
        "candidates .*index 25.* 0 to 19",
    ),
    "candidates repeated": ({"candidates": [2, 2]}, ValueError, "candidates .*index 2 more than"),
    "groups too short": ({"groups": [1, 2]}, ValueError, "groups has 2 entries.* 20 rows"),
    "groups table": ({"groups": np.zeros((20, 2))}, ValueError, r"groups .*shape \(20, 2\)"),
    "groups with NaN": ({"groups": [np.nan] + [1.0] * 19}, ValueError, "groups .*missing"),
    "groups with None": ({"groups": ["a"] * 19 + [None]}, ValueError, "groups .*missing"),
    "groups with NA": ({"groups": pd.Series(["a"] * 19 + [pd.NA])}, ValueError, "groups .*missing"),
    "groups of objects with NaN": (
        {"groups": np.array([3, np.nan, 1, 3, *range(16)], dtype=object)},
        ValueError,
        "groups .*missing",
    ),
    "groups mixed": (
        {"groups": np.array(["a"] * 19 + [1], dtype=object)},
        ValueError,
        "groups mixes types",
    ),
    "max_per_group without groups": (
        {"max_per_group": 1},
        ValueError,
        "max_per_group=1 needs groups",
    ),
    "max_per_group 0": (
        {"groups": [1] * 20, "max_per_group": 0},
        ValueError,
        "max_per_group must be .* at least 1. Got 0",
    ),
    "max_per_group bool": (
        {"groups": [1] * 20, "max_per_group": True},
        ValueError,
        "max_per_group must be .*Got True",
    ),
    "weight too short": ({"sample_weight": [1.0]}, ValueError, "sample_weight has 1 entries.* 20"),
    "weight negative": (
        {"sample_weight": [1.0] * 19 + [-2.0]},
        ValueError,
        "sample_weight must be .*at least 0.* -2.0",
    ),
    "weight NaN": (
        {"sample_weight": [np.nan] * 20},
        ValueError,
        "sample_weight must be finite.*nan",
    ),
    "weight 0 everywhere": (
        {"sample_weight": np.zeros(20)},
        ValueError,
        "sample_weight is 0 every",
    ),
    "weight table": ({"sample_weight": np.ones((20, 2))}, ValueError, r"sample_weight .*\(20, 2\)"),
    "weight text": ({"sample_weight": ["a"] * 20}, ValueError, "sample_weight .*numbers"),
}

BAD_PARAMETERS = [
    (XSSRSelector, "alpha", 1.5, r"'alpha' parameter of XSSRSelector must be .*\[0.*1.*\].* 1.5"),
    (XSSRSelector, "alpha", "best", "'alpha' parameter .*auto.*'best'"),
    (XSSRSelector, "alphas", (0.0, 2.0), r"alphas must hold .*\[0, 1\]. Got \(0.0, 2.0\)"),
    (XSSRSelector, "alphas", (), r"alphas must hold at least one value.*\(\)"),
    (XSSRSelector, "alphas", (np.nan,), "alphas must hold .*nan"),
    (XSSRSelector, "scoring", "best", "'scoring' parameter .*residual"),
    (XSSRSelector, "n_neighbors", 0, "'n_neighbors' parameter .*0"),
    (XSSRSelector, "n_neighbors", 2.5, "'n_neighbors' parameter .*2.5"),
    (XSSRSelector, "metric", "manhattan", "'metric' parameter .*cosine"),
    (XSSRSelector, "preprocess", "pca", "'preprocess' parameter .*'pca'"),
    (XSSRSelector, "algorithm", "faiss", "'algorithm' parameter .*pynndescent"),
    (XSSRSelector, "engine", "gpu", "'engine' parameter .*lazy"),
    (XSSRSelector, "random_state", "seed", "'random_state' parameter .*seed"),
    (CoreSetSelector, "initialize", -1, "'initialize' parameter .*-1"),
    (CoreSetSelector, "initialize", "first", "'initialize' parameter .*medoid"),
    (CoreSetSelector, "initialize", 20, "initialize=20 cannot be the first pick: the pool has 20"),
    (RandomSelector, "random_state", "seed", "'random_state' parameter .*seed"),
]


def refused(selector, X, arguments, error, message):
    """The call fails as it should, and the record of the call before it is still there."""
    before = selector.select(POOL, 2, return_selection=True)
    with pytest.raises(error, match="(?s)" + message):
        selector.select(X, **{"budget": 2, **arguments})
    assert selector.selection_ is before


@every_selector
@pytest.mark.parametrize("case", list(BAD_POOLS))
def test_bad_pool(selector, case):
    refused(selector.fit(POOL), BAD_POOLS[case][0], {}, *BAD_POOLS[case][1:])


@every_selector
@pytest.mark.parametrize("case", [case for case in BAD_POOLS if "features" not in case])
def test_bad_source(selector, case):
    X, error, message = BAD_POOLS[case]
    selector.fit(POOL)
    before = selector.select(POOL, 2, return_selection=True)
    with pytest.raises(error, match=message.replace("target", "source")):
        selector.fit(X)
    assert selector.selection_ is before
    assert selector.source_ is not X


@every_selector
@pytest.mark.parametrize("case", list(BAD_ARGUMENTS))
def test_bad_argument(selector, case):
    refused(selector, POOL, *BAD_ARGUMENTS[case])


@pytest.mark.parametrize(("make", "name", "value", "message"), BAD_PARAMETERS)
def test_bad_parameter(make, name, value, message):
    selector = make().fit(POOL)
    before = selector.select(POOL, 2, return_selection=True)
    with pytest.raises(ValueError, match="(?s)" + message):
        selector.set_params(**{name: value}).select(POOL, 2)
    assert selector.selection_ is before


def test_the_first_pick_asked_for_must_be_one_that_may_be_picked():
    selector = CoreSetSelector(initialize=3)
    with pytest.raises(ValueError, match="initialize=3 cannot be the first pick"):
        selector.select(POOL, 2, candidates=[4, 5, 6])
    assert selector.select(POOL, 2, candidates=[3, 4, 5])[0] == 3


def test_a_parameter_that_does_not_exist():
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'"):
        XSSRSelector(k=3)
    with pytest.raises(TypeError, match="positional"):
        XSSRSelector(0.5)


@pytest.mark.parametrize("selector", [XSSRSelector(), CoreSetSelector()], ids=str)
@pytest.mark.parametrize("preprocess", ["auto", None])
def test_equal_rows_give_the_lowest_indices_and_one_warning(selector, preprocess):
    selector.set_params(preprocess=preprocess)
    X = np.tile(normal(1, 3, 1), (30, 1))
    with pytest.warns(SkxssrWarning, match="All 30 rows are equal") as caught:
        assert selector.select(X, 4).tolist() == [0, 1, 2, 3]
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_random_draw_of_equal_rows_is_still_a_draw():
    drawn = RandomSelector(random_state=0).select(np.ones((30, 2)), 4)  # a warning would fail
    assert drawn.tolist() != [0, 1, 2, 3]


@pytest.mark.parametrize("fitted", [False, True])
def test_neighbours_that_cannot_be_had_warn_and_are_recorded(fitted):
    selector = XSSRSelector(n_neighbors=30)
    if fitted:
        selector.fit(normal(40, 3, 1))
    with pytest.warns(SkxssrWarning, match="n_neighbors=30 was lowered to 19.* 20 rows") as caught:
        selector.select(POOL, 3)
    assert caught[0].filename == __file__
    assert selector.selection_.scales["n_neighbors"] == 19


def test_a_source_smaller_than_n_neighbors_warns_where_the_user_chose_it():
    source = normal(4, 3, 1)
    assert XSSRSelector().fit(source).select(POOL, 3).shape == (3,)  # the default adapts silently
    selector = XSSRSelector(n_neighbors=7).fit(source)
    with pytest.warns(SkxssrWarning, match="n_neighbors=7 was lowered to 4.*source has 4 rows"):
        selector.select(POOL, 3)
    assert selector.selection_.scales["novelty_neighbors"] == 4
    assert selector.selection_.scales["n_neighbors"] == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selected": []}, "selected is empty"),
        ({"selected": [20]}, "selected .*index 20"),
        ({"selected": [-1]}, "selected .*index -1"),
        ({"selected": [0.5]}, "selected must be"),
        ({"selected": np.ones(19, bool)}, "selected is a boolean mask"),
        ({"selected": [0], "kind": "median"}, "kind must be one of .*'median'"),
        ({"selected": [0], "kind": "kernel"}, "kind='kernel' needs a positive bandwidth. Got None"),
        ({"selected": [0], "kind": "kernel", "bandwidth": -1}, "positive bandwidth. Got -1"),
        ({"selected": [0], "sample_weight": [1.0]}, "sample_weight has 1 entries"),
        ({"selected": [0], "sample_weight": -np.ones(20)}, "sample_weight must be"),
    ],
)
def test_coverage_loss_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        coverage_loss(POOL, **arguments)


def test_coverage_loss_takes_a_mask():
    mask = np.arange(20) == 7
    assert coverage_loss(POOL, mask) == coverage_loss(POOL, [7])
