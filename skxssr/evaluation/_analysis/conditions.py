"""Runs grouped into cells that can be compared, as arrays.

A cell is all runs of one task, block, embedder, segmenter and budget, whatever selector.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

REQUIRED = (
    *("task", "block", "embedder", "segmenter", "selector"),
    *("budget", "pool", "draw", "seed", "units", "dice"),
)
PLACE = ("task", "block", "embedder", "segmenter")


class Condition:
    """The runs of one cell in a fixed order, with what they belong to as integers.

    Parameters
    ----------
    key : tuple
        Task, block, embedder, segmenter and budget.
    runs : sequence of mapping
        At least one, checked by `check_runs`.
    covariate : callable, optional
        From `covariate_reader`.

    Attributes
    ----------
    key : tuple
        As given.
    selectors, pools : list
        Sorted; arms and pools are numbered by their places here.
    arm, pool, draw, seed : ndarray of shape (n_runs,), int64
        What each run belongs to; draws and seeds as given.
    scores : ndarray of shape (n_runs, n_units), float64
        Dice x 100; NaN where a unit is not counted or was not in the test set.
    run_means : ndarray of shape (n_runs,), float64
        Mean over counted units.
    pool_means : ndarray of shape (n_pools, n_arms), float64
        Mean over the runs of a pool; NaN where a selector has none.
    covariate : ndarray of shape (n_runs,), float64, or None
        Of each run.

    Examples
    --------
    >>> from skxssr.evaluation._analysis.conditions import Condition
    >>> run = dict(selector="random", pool=3, draw=0, seed=0, units=["a", "b"], dice=[0.5, None])
    >>> Condition(("chest", "picks", "mae", "unet", 22), [run]).pool_means
    array([[50.]])
    """

    def __init__(
        self,
        key: tuple[Any, ...],
        runs: Sequence[Mapping[str, Any]],
        covariate: Callable[[Mapping[str, Any]], float] | None = None,
    ) -> None:
        self.key = key
        # The order of the file must not change a random number.
        runs = sorted(runs, key=lambda r: (r["pool"], r["selector"], r["draw"], r["seed"]))
        self.selectors = sorted({run["selector"] for run in runs})
        self.pools = sorted({run["pool"] for run in runs})
        self.arm = np.array([self.selectors.index(run["selector"]) for run in runs])
        self.pool = np.array([self.pools.index(run["pool"]) for run in runs])
        self.draw = np.array([run["draw"] for run in runs], dtype=np.int64)
        self.seed = np.array([run["seed"] for run in runs], dtype=np.int64)
        column = {u: i for i, u in enumerate(sorted({u for run in runs for u in run["units"]}))}
        self.scores = np.full((len(runs), len(column)), np.nan)
        for row, run in zip(self.scores, runs, strict=True):
            # float64 turns None into NaN
            row[[column[u] for u in run["units"]]] = np.array(run["dice"], dtype=np.float64) * 100
        self.run_means = np.nanmean(self.scores, axis=1)
        self.pool_means = self.by_pool_and_arm(self.run_means)
        self.covariate = None
        if covariate is not None:
            self.covariate = np.array([covariate(run) for run in runs])

    def by_pool_and_arm(self, values: np.ndarray) -> np.ndarray:
        """Mean of a value a run over the runs of each pool and arm: (n_pools, n_arms)."""
        shape = (len(self.pools), len(self.selectors))
        group = np.ravel_multi_index((self.pool, self.arm), shape)
        size = shape[0] * shape[1]
        with np.errstate(invalid="ignore"):
            means = np.bincount(group, values, size) / np.bincount(group, minlength=size)
        return means.reshape(shape)

    def n_draws(self, arm: int) -> np.ndarray:
        """Number of different draws of an arm in every pool: (n_pools,), int."""
        ours = self.arm == arm
        return np.array(
            [len(set(self.draw[ours & (self.pool == p)])) for p in range(len(self.pools))]
        )


def check_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Say which run cannot be used, and why.

    Parameters
    ----------
    runs : sequence of mapping
        See `skxssr.evaluation.summarize`.

    Raises
    ------
    ValueError
        There is no run, a key is missing, units and scores differ in number, a unit comes twice,
        a score is outside 0 to 1, no unit is counted, or two runs are of the same network.
    """
    if not len(runs):
        raise ValueError("runs is empty; one mapping a trained network is needed.")
    seen: dict[tuple[Any, ...], int] = {}
    for i, run in enumerate(runs):
        missing = [name for name in REQUIRED if name not in run]
        if missing:
            raise ValueError(f"runs[{i}] lacks {', '.join(map(repr, missing))}.")
        units, dice = run["units"], np.array(run["dice"], dtype=np.float64)
        if len(units) != len(dice):
            raise ValueError(f"runs[{i}] has {len(units)} units but {len(dice)} Dice scores.")
        if len(set(units)) != len(units):
            raise ValueError(f"runs[{i}] scores a unit twice; average within a unit first.")
        if not np.isfinite(dice).any():
            raise ValueError(f"runs[{i}] counts no unit; leave it out.")
        if np.nanmin(dice) < 0 or np.nanmax(dice) > 1:
            raise ValueError(f"runs[{i}] has a Dice score outside 0 to 1; percent are not meant.")
        key = tuple(run[name] for name in (*PLACE, "selector", "budget", "pool", "draw", "seed"))
        if key in seen:
            raise ValueError(f"runs[{seen[key]}] and runs[{i}] are of the same network: {key}.")
        seen[key] = i


def covariate_reader(
    runs: Sequence[Mapping[str, Any]], covariate: Callable[[Mapping[str, Any]], Any] | str
) -> Callable[[Mapping[str, Any]], float]:
    """How to read the covariate of a run; all are tried.

    Parameters
    ----------
    runs : sequence of mapping
        Checked by `check_runs`; references have none.
    covariate : callable or str
        Gives the number of a run, or the key that holds it.

    Returns
    -------
    callable
        From a run to a float.

    Raises
    ------
    ValueError
        A run lacks the key, or its number is not finite.

    Examples
    --------
    >>> from skxssr.evaluation._analysis.conditions import covariate_reader
    >>> covariate_reader([{"rows": [3, 5]}], lambda run: len(run["rows"]))({"rows": [1]})
    1.0
    """

    def read(run: Mapping[str, Any]) -> float:
        value = run[covariate] if isinstance(covariate, str) else covariate(run)
        return float(np.array(value, dtype=np.float64))  # None becomes NaN

    for i, run in enumerate(runs):
        if run.get("reference"):
            continue
        if isinstance(covariate, str) and covariate not in run:
            raise ValueError(
                f"covariate={covariate!r} is not a key of runs[{i}]; add it to every run that is "
                "not a reference, or give a function of a run."
            )
        if not math.isfinite(read(run)):
            raise ValueError(
                f"covariate of runs[{i}] is {read(run)}; it must be a finite number for every run "
                "that is not a reference."
            )
    return read


def cells_of(
    runs: Sequence[Mapping[str, Any]],
    covariate: Callable[[Mapping[str, Any]], float] | None = None,
) -> list[Condition]:
    """Comparable runs by cell.

    Parameters
    ----------
    runs : sequence of mapping
        Checked by `check_runs`; references are left out.
    covariate : callable, optional
        From `covariate_reader`.

    Returns
    -------
    list of Condition
        Sorted by key.
    """
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        if not run.get("reference"):
            key = tuple(run[name] for name in (*PLACE, "budget"))
            grouped.setdefault(key, []).append(run)
    return [Condition(key, grouped[key], covariate) for key in sorted(grouped)]


def references_of(runs: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """Reference runs, one cell a place and selector; the budget is that of most of its runs.

    Folds differ in size by one, and "all labels" is one row all the same.

    Parameters
    ----------
    runs : sequence of mapping
        Checked by `check_runs`.

    Returns
    -------
    list of Condition
        Sorted by key.
    """
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        if run.get("reference"):
            grouped.setdefault(tuple(run[n] for n in (*PLACE, "selector")), []).append(run)
    cells = []
    for key in sorted(grouped):
        budgets = [run["budget"] for run in grouped[key]]
        cells.append(Condition((*key[:4], max(sorted(budgets), key=budgets.count)), grouped[key]))
    return cells


def plain(value: Any) -> Any:
    """A value as JSON holds it: no numpy scalar, None for NaN."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
