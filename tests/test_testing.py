"""The published checks of our contract: each one catches a selector that breaks it."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skxssr import CoreSetSelector, RandomSelector, testing
from skxssr.testing import check_selector


class Twisted(BaseEstimator):
    """A selector that keeps the contract, CoreSet underneath, but for what `twist` breaks."""

    def __init__(self, twist=None, random_state=0):
        self.twist = twist
        self.random_state = random_state

    def fit(self, X, y=None):
        self.inner_ = CoreSetSelector().fit(X)
        self.__dict__.pop("selection_", None)
        return self

    def select(self, X, budget, **call):
        run = self.inner_.select if hasattr(self, "inner_") else CoreSetSelector().select
        if self.twist is not None:
            return self.twist(self, run, X, budget, call)
        self.selection_ = run(X, budget, return_selection=True, **call)
        return self.selection_.indices.copy()


def test_a_selector_of_another_family_passes():
    check_selector(Twisted(), prefix=True, permutation=True)


BREACHES = {}


def breach(check):
    """Register a twist as one that `check`, and no check before it, must catch."""

    def register(twist):
        BREACHES[twist.__name__] = (check, twist)
        return twist

    return register


def without(*names):
    return lambda self, run, X, budget, call: run(
        X, budget, **{k: v for k, v in call.items() if k not in names}
    )


def refusing_less(self, run, X, budget, call, when, instead):
    """Answer `instead` of failing where `when` is true."""
    try:
        return run(X, budget, **call)
    except (ValueError, TypeError):
        if when:
            return instead()
        raise


@breach("check_clone")
def replaces_a_parameter(self, run, X, budget, call):
    self.random_state = np.random.RandomState(0)
    return run(X, budget, **call)


@breach("check_picks")
def returns_a_list(self, run, X, budget, call):
    return run(X, budget, **call).tolist()


@breach("check_picks")
def returns_floats(self, run, X, budget, call):
    return run(X, budget, **call).astype(float)


@breach("check_picks")
def returns_a_row_twice(self, run, X, budget, call):
    return np.r_[run(X, budget, **call)[:1].repeat(min(budget, 2)), run(X, budget, **call)[2:]]


@breach("check_picks")
def returns_a_row_beyond(self, run, X, budget, call):
    return run(X, budget, **call) + 20


@breach("check_picks")
def returns_a_negative_row(self, run, X, budget, call):
    return run(X, budget, **call) - len(X)


@breach("check_picks")
def returns_one_row_more(self, run, X, budget, call):
    return run(X, budget + 1, **call)


@breach("check_determinism")
def changes_from_call_to_call(self, run, X, budget, call):
    self._calls = getattr(self, "_calls", 0) + 1
    return np.roll(run(X, budget, **call), self._calls)


@breach("check_budget")
def takes_a_bool(self, run, X, budget, call):
    return run(X, int(budget) if isinstance(budget, bool) else budget, **call)


@breach("check_budget")
def takes_nothing_for_a_budget(self, run, X, budget, call):
    return run(X, budget, **call) if budget else np.empty(0, dtype=int)


@breach("check_budget")
def lowers_a_budget_silently(self, run, X, budget, call):
    return run(X, min(budget, len(X)) if isinstance(budget, int) else budget, **call)


@breach("check_budget")
def says_nothing_of_the_limit(self, run, X, budget, call):
    try:
        return run(X, budget, **call)
    except ValueError as error:
        raise ValueError("bad budget") from error


@breach("check_budget")
def takes_a_fraction_of_something_else(self, run, X, budget, call):
    return run(X, budget / 2 if isinstance(budget, float) else budget, **call)


@breach("check_budget")
def loses_the_record(self, run, X, budget, call):
    self.__dict__.pop("selection_", None)
    self.selection_ = run(X, budget, return_selection=True, **call)
    return self.selection_.indices.copy()


BREACHES["ignores_labels"] = ("check_labeled", without("labeled"))
BREACHES["ignores_candidates"] = ("check_candidates", without("candidates"))
BREACHES["ignores_groups"] = ("check_groups", without("groups", "max_per_group"))
BREACHES["ignores_the_cap"] = ("check_max_per_group", without("max_per_group"))


@breach("check_labeled")
def takes_a_mask_for_indices(self, run, X, budget, call):
    if isinstance(call.get("labeled"), np.ndarray) and call["labeled"].dtype == bool:
        call["labeled"] = np.unique(call["labeled"].astype(int))
    return run(X, budget, **call)


@breach("check_labeled")
def takes_a_label_out_of_range(self, run, X, budget, call):
    return refusing_less(
        self, run, X, budget, call, call.get("labeled") == [24], lambda: run(X, budget)
    )


@breach("check_groups")
def counts_no_labelled_visit(self, run, X, budget, call):
    if "groups" in call and len(call.get("labeled", [])):
        labeled = call["labeled"]
        groups = call["groups"].copy().astype(object)
        groups[labeled] = "none"
        return run(X, budget, groups=groups.astype(str), labeled=labeled)
    return run(X, budget, **call)


@breach("check_sample_weight")
def takes_a_negative_weight(self, run, X, budget, call):
    if call.get("sample_weight") is not None and np.min(call["sample_weight"]) < 0:
        call["sample_weight"] = np.abs(call["sample_weight"])
    return run(X, budget, **call)


@breach("check_sample_weight")
def depends_on_the_unit_of_weight(self, run, X, budget, call):
    picks = run(X, budget, **call)
    return picks[::-1].copy() if np.max(call.get("sample_weight", 1)) == 2 else picks


def reversed_if(condition):
    """Another answer for one form of the input."""

    def twist(self, run, X, budget, call):
        picks = run(X, budget, **call)
        return picks[::-1].copy() if condition(X) else picks

    return twist


BREACHES["depends_on_the_memory_layout"] = (
    "check_input_forms",
    reversed_if(lambda X: isinstance(X, np.ndarray) and not X.flags.c_contiguous),
)
BREACHES["depends_on_being_writable"] = (
    "check_input_forms",
    reversed_if(lambda X: isinstance(X, np.ndarray) and not X.flags.writeable),
)
BREACHES["depends_on_the_float_type"] = (
    "check_input_forms",
    reversed_if(lambda X: getattr(X, "dtype", None) == np.float32),
)
BREACHES["depends_on_being_mapped"] = (
    "check_input_forms",
    reversed_if(lambda X: isinstance(X, np.memmap)),
)
BREACHES["depends_on_being_a_frame"] = (
    "check_input_forms",
    reversed_if(lambda X: hasattr(X, "columns")),
)


@breach("check_input_untouched")
def writes_into_its_input(self, run, X, budget, call):
    picks = run(X, budget, **call)
    if isinstance(X, np.ndarray) and X.flags.writeable and "candidates" in call and len(call) > 3:
        X[0] = 0
    return picks


@breach("check_small_data")
def needs_two_rows(self, run, X, budget, call):
    if np.shape(X)[0] == 1:
        raise ValueError("one row")
    return run(X, budget, **call)


@breach("check_bad_data")
def takes_nan(self, run, X, budget, call):
    return run(np.nan_to_num(np.asarray(X), posinf=np.inf), budget, **call)


@breach("check_bad_data")
def takes_other_features(self, run, X, budget, call):
    return refusing_less(
        self,
        run,
        X,
        budget,
        call,
        np.shape(X)[1:] == (2,),
        lambda: CoreSetSelector().select(X, budget),
    )


@breach("check_source")
def learns_without_fit(self, run, X, budget, call):
    self.mean_ = np.mean(X)
    return run(X, budget, **call)


@breach("check_prefix")
def picks_the_last_first(self, run, X, budget, call):
    picks = run(X, budget, **call)
    return picks if len(set(call.get("groups", [0]))) > 1 else picks[::-1].copy()


@breach("check_permutation")
def depends_on_the_order_of_rows(self, run, X, budget, call):
    run(X, budget, **call)
    return RandomSelector(random_state=0).select(X, budget, **call)


@pytest.mark.parametrize("name", list(BREACHES))
def test_a_breach_is_caught_by_its_check(name):
    check, twist = BREACHES[name]
    with pytest.raises(AssertionError, match=f"^{check} fails for Twisted"):
        check_selector(Twisted(twist), prefix=True, permutation=True)


def test_every_check_is_shown_to_catch_something():
    names = {name for name, _ in inspect.getmembers(testing, inspect.isfunction)}
    checks = {name for name in names if name.startswith("check_")} - {"check_selector"}
    assert {check for check, _ in BREACHES.values()} == checks
