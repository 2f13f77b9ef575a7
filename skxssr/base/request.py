"""The arguments of `select`, validated into a `Request`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

# What other libraries call the arguments of `select`.
_BUDGET = "budget=, the number of rows to pick (22) or their share (0.1)"
_ROWS = "labeled=, the rows that are labelled already"
_MEANT = {
    **dict.fromkeys(
        ("n", "k", "n_samples", "n_select", "n_instances", "batch_size", "size", "num_samples"),
        _BUDGET,
    ),
    **dict.fromkeys(("labelled", "initial", "selected", "idxs_lb"), _ROWS),
    **dict.fromkeys(("weights", "weight"), "sample_weight=, one number a row"),
    "source": "fit(source) first, then select(X, budget)",
    "random_state": "it into the selector: RandomSelector(random_state=0)",
    "n_jobs": "it into the selector, where it has n_jobs: XSSRSelector(n_jobs=2)",
}


class Request(NamedTuple):
    """A validated call of `select`, in terms of row indices.

    Attributes
    ----------
    budget : int
    labeled : ndarray of int
        Rows that count as covered; never picked.
    candidates : ndarray of int
        Rows that may be picked, ascending; none of them is labelled.
    groups : ndarray of shape (n,) of int, or None
        Group of each row, numbered from 0.
    max_per_group : int or None
    weight : ndarray of shape (n,), float64
        Demand of each row.
    """

    budget: int
    labeled: np.ndarray
    candidates: np.ndarray
    groups: np.ndarray | None
    max_per_group: int | None
    weight: np.ndarray

    def feasible(self) -> int:
        """How many rows can be picked at the most."""
        if self.groups is None or self.max_per_group is None:
            return len(self.candidates)
        n_groups = int(self.groups.max(initial=-1)) + 1
        visits = np.bincount(self.groups[self.labeled], minlength=n_groups)
        room = np.maximum(self.max_per_group - visits, 0)
        return int(
            np.minimum(room, np.bincount(self.groups[self.candidates], minlength=n_groups)).sum()
        )


def check_budget(budget: Any, n: int) -> int:
    """A count as it is, a fraction in (0, 1] of all n rows as max(1, floor(fraction * n))."""
    if budget is None:
        raise TypeError(
            "select needs a budget, the number of rows to pick: write select(X, 22) for 22 rows or "
            "select(X, 0.1) for a tenth of them."
        )
    if isinstance(budget, bool | np.bool_) or not isinstance(budget, Real):
        raise TypeError(
            f"budget must be a count (int) or a fraction in (0, 1] (float). Got {budget!r} of type "
            f"{type(budget).__name__} instead: write 22 for 22 rows or 0.1 for a tenth of them."
        )
    if isinstance(budget, Integral):
        if int(budget) < 1:
            raise ValueError(
                f"budget must be at least 1. Got {budget} instead: where no row is to be picked, "
                "do not call select."
            )
        return int(budget)
    if not 0 < float(budget) <= 1:
        is_count = float(budget) > 1 and float(budget).is_integer()
        hint = " For a count, pass an int" + (f": {int(float(budget))}." if is_count else ".")
        raise ValueError(f"A fractional budget must be in (0, 1]. Got {budget} instead.{hint}")
    return max(1, int(np.floor(float(budget) * n + 1e-9)))


def refuse_unknown(names: Iterable[str]) -> None:
    """Say which argument of `select` is meant by one that it does not have."""
    for name in names:
        if name in _MEANT:
            meant = f"write {_MEANT[name]}"
        else:
            meant = (
                "it takes budget, labeled, candidates, groups, max_per_group, sample_weight and "
                "return_selection"
            )
        raise TypeError(f"select got an unexpected argument {name!r}: {meant}.")


def check_rows(value: Any, n: int, name: str) -> np.ndarray:
    """Row indices, in the order given, from indices or a boolean mask."""
    value = np.asarray(value)
    if value.dtype == bool:
        if value.shape != (n,):
            raise ValueError(
                f"{name} is a boolean mask of shape {value.shape}, but the pool has {n} rows: "
                f"pass shape ({n},)."
            )
        return np.flatnonzero(value)
    if value.size == 0:
        return np.empty(0, dtype=np.intp)
    if value.ndim != 1 or not np.issubdtype(value.dtype, np.integer):
        raise ValueError(
            f"{name} must be one-dimensional row indices or a boolean mask. Got an array of shape "
            f"{value.shape} and dtype {value.dtype} instead."
        )
    outside = value[(value < 0) | (value >= n)]
    if outside.size:
        raise ValueError(
            f"{name} holds the index {outside[0]}, but the {n} rows of the pool are numbered 0 to "
            f"{n - 1}."
        )
    unique, counts = np.unique(value, return_counts=True)
    if len(unique) < len(value):
        raise ValueError(f"{name} holds the index {unique[counts > 1][0]} more than once.")
    return value.astype(np.intp)


def _column(value: Any, n: int, name: str) -> np.ndarray:
    """One entry a row; a table of one column is taken as that column."""
    value = np.asarray(value)
    if value.ndim == 2 and value.shape[1] == 1:
        value = value[:, 0]
    if value.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional. Got an array of shape {value.shape}.")
    if len(value) != n:
        raise ValueError(
            f"{name} has {len(value)} entries, but the pool has {n} rows: pass one each."
        )
    return value


def check_groups(groups: Any, n: int, name: str = "groups") -> np.ndarray:
    """Group of each row, numbered from 0 in the order of their sorted names."""
    _check_one_type(groups, name)
    groups = _column(groups, n, name)
    try:
        if (groups != groups).any():
            raise TypeError("NaN is in no group")
        return np.unique(groups, return_inverse=True)[1]
    except TypeError as error:
        raise ValueError(
            f"{name} mixes types that cannot be compared, or holds missing values: pass all "
            "strings or all integers, one for every row."
        ) from error


def _check_one_type(groups: Any, name: str) -> None:
    """Refuse text mixed with other things, which an array would make text of without a word.

    1 and "1" would become one group, and a missing value a group called "nan".
    """
    if isinstance(groups, list | tuple):
        flat = [
            item for row in groups for item in (row if isinstance(row, list | tuple) else [row])
        ]
        is_text = [isinstance(item, str) for item in flat]
        if any(is_text) and not all(is_text):
            first, other = flat[is_text.index(True)], flat[is_text.index(False)]
            raise ValueError(
                f"{name} mixes types that cannot be compared, or holds missing values (the string "
                f"{first!r} and {other!r} of type {type(other).__name__}): pass all strings or all "
                "integers, one for every row."
            )


@contextmanager
def naming_rows(X: Any, name: str) -> Iterator[None]:
    """Where a check of `X` fails within, say which rows hold NaN or infinity, if any do."""
    try:
        yield
    except ValueError:
        _check_finite(X, name)
        raise


def _check_finite(X: Any, name: str) -> None:
    try:
        X = np.asarray(X)
        X = X.astype(np.float64) if X.dtype.kind in "fOiu" else X
    except (TypeError, ValueError):
        return
    if X.ndim != 2 or X.dtype.kind != "f":  # no table of numbers: somebody else's message
        return
    broken = ~np.isfinite(X)
    rows = np.flatnonzero(broken.any(axis=1))
    if not len(rows):
        return
    shown = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    column = int(np.flatnonzero(broken[rows[0]])[0])
    what = "NaN" if np.isnan(X[rows[0], column]) else "infinity"
    raise ValueError(
        f"Input X contains {what} in {len(rows)} of the {len(X)} rows of the {name}: {shown} (row "
        f"{rows[0]} in column {column}). Embed these images again, or leave the rows out; rows are "
        "counted from 0."
    )


def check_weight(weight: Any, n: int) -> np.ndarray:
    """Demand of each row as float64; 1 each by default."""
    if weight is None:
        return np.ones(n)
    weight = _column(weight, n, "sample_weight")
    try:
        weight = weight.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must hold numbers. Got an array of dtype {weight.dtype} instead."
        ) from error
    if not np.isfinite(weight).all() or (weight < 0).any():
        bad = weight[~(np.isfinite(weight) & (weight >= 0))][0]
        raise ValueError(f"sample_weight must be finite and at least 0. It holds {bad}.")
    if not weight.any():
        raise ValueError("sample_weight is 0 everywhere: at least one row needs a positive weight.")
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError(
                f"sample_weight sums to more than float64 holds; its largest is {weight.max():g}. "
                "Only ratios matter: divide it by its largest value."
            )
    return weight


def check_request(
    n: int,
    budget: Any,
    *,
    labeled: Any = None,
    candidates: Any = None,
    groups: Any = None,
    max_per_group: Any = None,
    sample_weight: Any = None,
) -> Request:
    """Validate the arguments of `select` for a pool of `n` rows.

    Raises
    ------
    TypeError
        `budget` is not a number.
    ValueError
        Any argument is out of its range; the message names the value and the limit, and for a
        budget that cannot be met the largest that can.
    """
    labeled = check_rows([] if labeled is None else labeled, n, "labeled")
    free = np.ones(n, dtype=bool)
    if candidates is not None:
        free[:] = False
        free[check_rows(candidates, n, "candidates")] = True
    free[labeled] = False
    if max_per_group is not None:
        if groups is None:
            raise ValueError(f"max_per_group={max_per_group} needs groups: pass one for every row.")
        if (
            isinstance(max_per_group, bool)
            or not isinstance(max_per_group, Integral)
            or max_per_group < 1
        ):
            raise ValueError(
                f"max_per_group must be an int of at least 1. Got {max_per_group!r} instead."
            )
    request = Request(
        budget=check_budget(budget, n),
        labeled=labeled,
        candidates=np.flatnonzero(free),
        groups=None if groups is None else check_groups(groups, n),
        max_per_group=None if max_per_group is None else int(max_per_group),
        weight=check_weight(sample_weight, n),
    )
    feasible = request.feasible()
    if request.budget > feasible:
        remedy = (
            f"Lower the budget to {feasible} or less." if feasible else "Nothing can be picked."
        )
        capped = "" if max_per_group is None else f" and max_per_group={max_per_group}"
        raise ValueError(
            f"budget={budget!r} asks for {request.budget} rows, but at most {feasible} can be "
            f"picked: the pool has {n} rows, {len(labeled)} of them labelled, "
            f"{len(request.candidates)} candidates{capped}. {remedy}"
        )
    return request
