"""Checks of the contract of selectors, for those bundled and for anyone's.

`check_selector` is to `select` what `sklearn.utils.estimator_checks.check_estimator` is to `fit`.
"""

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

__all__ = ["check_selector"]

_N = 24
_BUDGET = 7
_RNG = np.random.default_rng(0)
# Values that float32 holds exactly, no two distances equal.
_POOL = _RNG.normal(size=(_N, 3)).astype(np.float32).astype(np.float64)
_SOURCE = _RNG.normal(size=(13, 3)).astype(np.float32).astype(np.float64)
_GROUPS = _RNG.permutation(np.repeat(np.arange(6), [1, 2, 3, 4, 6, 8]))
_LABELED = [3, 17, 8]


def check_selector(selector: Any, *, prefix: bool = False, permutation: bool = False) -> None:
    """Check that a selector keeps the contract of `skxssr.base.BaseSelector`.

    The selector needs `fit(X, y=None)` and ``select(X, budget, *, labeled, candidates, groups,
    max_per_group, sample_weight)``. It is cloned for every check, with ``random_state=0`` where it
    has that parameter, and its warnings are ignored.

    Parameters
    ----------
    selector : estimator
        An unfitted instance. Its class need not derive from `BaseSelector`.
    prefix : bool, default=False
        Also check that a smaller budget gives the first picks of a larger one. True of greedy
        selectors whose scales do not depend on the budget.
    permutation : bool, default=False
        Also check that permuted rows give the same picks, permuted. True of selectors that draw
        nothing at random, where no scores tie.

    Raises
    ------
    AssertionError
        A check failed; the message names the check and the selector and says what was seen.

    See Also
    --------
    sklearn.utils.estimator_checks.check_estimator : The checks of scikit-learn's own contract.

    Examples
    --------
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.testing import check_selector
    >>> check_selector(CoreSetSelector(), prefix=True, permutation=True)
    """
    checks = list(_CHECKS)
    if prefix:
        checks.append(check_prefix)
    if permutation:
        checks.append(check_permutation)
    for check in checks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(selector)
            except Exception as error:
                raise AssertionError(
                    f"{check.__name__} fails for {selector!r}: {error or type(error).__name__}"
                ) from error


def _fresh(selector: Any, source: Any = _SOURCE) -> Any:
    """A clone with a fixed seed, fitted on `source` unless that is None."""
    selector = clone(selector)
    if "random_state" in selector.get_params():
        selector.set_params(random_state=0)
    return selector if source is None else selector.fit(source)


def _pick(selector: Any, X: Any = _POOL, budget: Any = _BUDGET, **call: Any) -> list[int]:
    """What a fresh selector picks, checked for what is true of every answer."""
    expected = max(1, int(budget * len(X))) if isinstance(budget, float) else int(budget)
    return _valid(_fresh(selector).select(X, budget, **call), expected, len(X))


def _valid(picks: Any, budget: int, n: int) -> list[int]:
    assert isinstance(picks, np.ndarray), f"select returned a {type(picks).__name__}, no ndarray"
    assert np.issubdtype(picks.dtype, np.integer), f"indices are of dtype {picks.dtype}"
    assert picks.shape == (budget,), f"budget {budget} gave an array of shape {picks.shape}"
    assert picks.min() >= 0, f"the index {picks.min()} is negative"
    assert picks.max() < n, f"the index {picks.max()} is outside the {n} rows"
    assert len(set(picks.tolist())) == budget, f"a row is returned twice: {picks.tolist()}"
    return picks.tolist()


def _same(seen: list[int], expected: list[int], what: str) -> None:
    assert seen == expected, f"{what} gives {seen} instead of {expected}"


def _refuses(
    selector: Any,
    mentions: str,
    X: Any = _POOL,
    budget: Any = _BUDGET,
    error: type[Exception] = ValueError,
    **call: Any,
) -> None:
    """A call fails with `error`, its message mentions the value, and the last record is kept."""
    fitted = _fresh(selector)
    fitted.select(_POOL, 2)
    before = getattr(fitted, "selection_", None)
    said = ", ".join(f"{k}={v!r}" for k, v in {"budget": budget, **call}.items())
    try:
        fitted.select(X, budget, **call)
    except error as raised:
        assert mentions in str(raised), (
            f"the error for {said} does not mention {mentions}: {raised}"
        )
    except Exception as raised:
        raise AssertionError(f"{said} raises {raised!r} instead of {error.__name__}") from raised
    else:
        raise AssertionError(f"{said} is accepted, on rows of shape {np.shape(X)}")
    assert getattr(fitted, "selection_", None) is before, f"a failed call ({said}) lost selection_"


def check_clone(selector: Any) -> None:
    """It can be cloned, fitted and used without a change to its parameters."""
    before = selector.get_params(deep=False)
    again = clone(selector).get_params(deep=False)
    assert before.keys() == again.keys(), "a clone has other parameters"
    used = clone(selector)
    held = used.get_params(deep=False)
    used.fit(_SOURCE).select(_POOL, 2)
    changed = [k for k, v in used.get_params(deep=False).items() if v is not held[k]]
    assert not changed, f"fit or select replaced the parameters {changed}"
    assert clone(used).get_params(deep=False).keys() == before.keys()


def check_picks(selector: Any) -> None:
    """Picks are distinct row numbers, one a pick, with a source and without."""
    _pick(selector)
    _valid(_fresh(selector, None).select(_POOL, _BUDGET), _BUDGET, _N)


def check_determinism(selector: Any) -> None:
    """With `random_state` set, the same call gives the same picks, on one object or another."""
    first = _pick(selector)
    _same(_pick(selector), first, "a second selector")
    fitted = _fresh(selector)
    fitted.select(_POOL, _BUDGET)
    _same(fitted.select(_POOL, _BUDGET).tolist(), first, "a second call")


def check_budget(selector: Any) -> None:
    """1 row, all rows and fractions are legal; 0, too many, and bool are refused."""
    for budget in (1, _N, 1.0, 0.25, 0.001, np.int64(3), np.float64(0.5)):
        _pick(selector, budget=budget)
    for budget in (0, -1, 0.0, 1.5, float("nan")):
        _refuses(selector, str(budget), budget=budget)
    _refuses(selector, str(_N), budget=_N + 1)
    _refuses(selector, "True", budget=True, error=TypeError)


def check_labeled(selector: Any) -> None:
    """Labelled rows are never returned, as indices or as a mask."""
    rest = _N - len(_LABELED)
    for budget in (_BUDGET, rest):
        picks = _pick(selector, budget=budget, labeled=_LABELED)
        returned = set(picks) & set(_LABELED)
        assert not returned, f"the labelled rows {sorted(returned)} are returned"
        mask = np.isin(np.arange(_N), _LABELED)
        _same(_pick(selector, budget=budget, labeled=mask), picks, "a mask instead of indices")
    _same(_pick(selector, labeled=[]), _pick(selector), "labeled=[]")
    _refuses(selector, str(rest), budget=rest + 1, labeled=_LABELED)
    _refuses(selector, str(_N), labeled=[_N])
    _refuses(selector, "-1", labeled=[-1])
    _refuses(selector, "3", labeled=[3, 5, 3])


def check_candidates(selector: Any) -> None:
    """Only candidates are returned, as indices or as a mask."""
    only = [2, 19, 3, 8, 11, 5, 14, 23, 20]
    picks = _pick(selector, candidates=only)
    assert set(picks) <= set(only), f"{sorted(set(picks) - set(only))} are no candidates"
    mask = np.isin(np.arange(_N), only)
    _same(_pick(selector, candidates=mask), picks, "a mask instead of indices")
    _same(_pick(selector, candidates=np.arange(_N)), _pick(selector), "every row a candidate")
    both = set(_pick(selector, candidates=only, labeled=_LABELED))
    assert both == set(only) - set(_LABELED), f"labelled candidates: {sorted(both)} are returned"
    _refuses(selector, str(len(only)), budget=len(only) + 1, candidates=only)
    _refuses(selector, str(_N + 2), candidates=[1, _N + 2])


def check_groups(selector: Any) -> None:
    """Every group is visited once before any is visited twice; an exhausted one blocks nothing."""
    names = np.array([f"patient {g}" for g in _GROUPS])
    size = Counter(_GROUPS.tolist())
    for labeled in ([], _LABELED):
        n = _N - len(labeled)
        picks = _pick(selector, budget=n, groups=names, labeled=labeled)
        visits = Counter(_GROUPS[labeled].tolist())
        for pick in picks:
            group = int(_GROUPS[pick])
            fewest = min(visits[g] for g in size if visits[g] < size[g])
            assert visits[group] == fewest, (
                f"group {group} is visited {visits[group] + 1} times while another with rows left "
                f"is visited {fewest} times, in {picks}"
            )
            visits[group] += 1
    _same(_pick(selector, groups=np.zeros(_N)), _pick(selector), "one group of all rows")
    _refuses(selector, str(_N - 1), groups=_GROUPS[1:])


def check_max_per_group(selector: Any) -> None:
    """No group gives more rows than allowed, labelled ones included."""
    for most in (1, 2, 3):
        size = Counter(_GROUPS.tolist())
        visits = Counter(_GROUPS[_LABELED].tolist())
        feasible = sum(max(0, min(most, size[g]) - visits[g]) for g in size)
        call: dict[str, Any] = {"groups": _GROUPS, "max_per_group": most, "labeled": _LABELED}
        picks = _pick(selector, budget=feasible, **call)
        largest = max((visits + Counter(_GROUPS[picks].tolist())).values())
        assert largest <= max(most, *visits.values()), (
            f"max_per_group={most}, but {largest} rows are of one group"
        )
        _refuses(selector, str(feasible), budget=feasible + 1, **call)
    _refuses(selector, "0", groups=_GROUPS, max_per_group=0)
    _refuses(selector, "max_per_group", max_per_group=2)


def check_sample_weight(selector: Any) -> None:
    """A weight that is the same for all rows is no weight; a negative one is refused."""
    _same(_pick(selector, sample_weight=np.full(_N, 2.0)), _pick(selector), "a constant weight")
    _pick(selector, sample_weight=np.arange(_N) % 3)
    _refuses(selector, "1", sample_weight=[1.0])
    _refuses(selector, "-2", sample_weight=np.r_[np.ones(_N - 1), -2.0])
    _refuses(selector, "nan", sample_weight=np.r_[np.ones(_N - 1), np.nan])


def check_input_forms(selector: Any) -> None:
    """The same values give the same picks in any memory layout, float type or container."""
    expected = _pick(selector)
    read_only = _POOL.copy()
    read_only.setflags(write=False)
    forms: dict[str, Any] = {
        "Fortran order": np.asfortranarray(_POOL),
        "every second row of a larger array": np.repeat(_POOL, 2, axis=0)[::2],
        "a read-only array": read_only,
        "float32": _POOL.astype(np.float32),
        "nested lists": _POOL.tolist(),
    }
    for name, form in forms.items():
        _same(_pick(selector, form), expected, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.npy"
        np.save(path, _POOL)
        mapped = np.load(path, mmap_mode="r")
        _same(_pick(selector, mapped), expected, "a memory-mapped array")
        del mapped  # Windows cannot remove a file that is mapped
    single = _POOL.astype(np.float32), _SOURCE.astype(np.float32)
    picks = _fresh(selector, single[1]).select(single[0], _BUDGET)
    _same(picks.tolist(), expected, "float32 source and pool")
    try:
        import pandas
    except ModuleNotFoundError:
        return
    names = ["a", "b", "c"]
    fitted = _fresh(selector, pandas.DataFrame(_SOURCE, columns=names))
    frame = pandas.DataFrame(_POOL, columns=names, index=np.arange(_N)[::-1] * 10)
    _same(fitted.select(frame, _BUDGET).tolist(), expected, "a DataFrame")
    groups = pandas.Series(_GROUPS, index=frame.index)
    _same(_pick(selector, groups=groups), _pick(selector, groups=_GROUPS), "groups as a Series")


def check_input_untouched(selector: Any) -> None:
    """`fit` and `select` change none of their arguments."""
    given = {
        "the source": _SOURCE.copy(),
        "X": _POOL.copy(),
        "labeled": np.array(_LABELED),
        "candidates": np.arange(_N)[::-1].copy(),
        "groups": _GROUPS.copy(),
        "sample_weight": np.arange(1.0, _N + 1),
    }
    kept = {name: value.copy() for name, value in given.items()}
    fitted = _fresh(selector, given["the source"])
    call = {k: given[k] for k in ("labeled", "candidates", "groups", "sample_weight")}
    fitted.select(given["X"], _BUDGET, **call)
    for name, value in given.items():
        assert np.array_equal(value, kept[name]), f"{name} was modified"


def check_small_data(selector: Any) -> None:
    """One row, one column, equal rows and constant columns are legal."""
    for X, source in (
        (_POOL[:1], _SOURCE),
        (_POOL[:2], _SOURCE[:1]),
        (_POOL[:, :1], _SOURCE[:, :1]),
        (np.ones((9, 3)), _SOURCE),
        (_POOL, np.ones((5, 3))),
        (np.column_stack([_POOL, np.ones(_N)]), np.column_stack([_SOURCE, np.ones(13)])),
    ):
        for fitted in (_fresh(selector, source), _fresh(selector, None)):
            budget = min(3, len(X))
            _valid(fitted.select(X, budget), budget, len(X))


def check_bad_data(selector: Any) -> None:
    """NaN, infinity, no rows and another number of features than the source are refused."""
    for value, name in ((np.nan, "NaN"), (np.inf, "infinity")):
        X = _POOL.copy()
        X[5, 1] = value
        _refuses(selector, name, X)
    _refuses(selector, "0", _POOL[:0], budget=1)
    _refuses(selector, "2", _POOL[:, :2])


def check_source(selector: Any) -> None:
    """`fit` returns the selector and forgets the last record; without it `select` sets no other."""
    fitted = _fresh(selector)
    assert fitted.fit(_SOURCE) is fitted, "fit does not return the selector"
    fresh = _fresh(selector, None)
    fresh.select(_POOL, 2)
    learned = {name for name in vars(fresh) if name.endswith("_")} - {"selection_"}
    assert not learned, f"select without fit sets {sorted(learned)}"
    fresh.fit(_SOURCE)
    assert not hasattr(fresh, "selection_"), "fit keeps the record of an earlier select"


def check_prefix(selector: Any) -> None:
    """A smaller budget gives the first picks of a larger one."""
    for call in ({}, {"labeled": _LABELED}, {"groups": _GROUPS}):
        longest = _pick(selector, budget=_N - len(_LABELED), **call)
        for budget in (1, 2, _BUDGET):
            _same(_pick(selector, budget=budget, **call), longest[:budget], f"a budget of {budget}")


def check_permutation(selector: Any) -> None:
    """Permuted rows give the same picks, permuted."""
    expected = _pick(selector)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(_N)
        picks = order[_pick(selector, _POOL[order])]
        _same(picks.tolist(), expected, "a permutation of the rows")


_CHECKS: tuple[Callable[[Any], None], ...] = (
    check_clone,
    check_picks,
    check_determinism,
    check_budget,
    check_labeled,
    check_candidates,
    check_groups,
    check_max_per_group,
    check_sample_weight,
    check_input_forms,
    check_input_untouched,
    check_small_data,
    check_bad_data,
    check_source,
)
