"""Means, paired differences and chances of every selector. Imports `_optional`, `arms`, `cells`.

Everything here works on lists of plain mappings, so that a file of runs is all it needs.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._optional import import_optional
from skxssr.evaluation.arms import Resampled, chances_of, comparison_rows, pool_rows, selector_rows
from skxssr.evaluation.cells import PLACE, cells_of, check_runs, plain, references_of
from skxssr.evaluation.chance import label_equivalent, label_equivalent_interval
from skxssr.evaluation.statistics import average_over_pools, holm, resampling_weights

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Summary:
    """What `summarize` returns: three tables, each a list of rows with the same keys.

    Dice and its differences are in percent, chances in 0 to 1; None where there is nothing to say.
    Every row begins with "task", "block", "embedder", "segmenter", "budget", "selector".

    Attributes
    ----------
    rows : list of dict
        One a cell and selector: "reference"; "n_pools", "n_pools_missing" (pools of the cell where
        the selector has not run), "n_runs"; "dice" (mean over pools), "dice_low", "dice_high",
        "sd_pools"; "worst_run", "p10_runs", "p90_runs"; "p5_images" (of all runs together);
        "beats_random" with "_low", "_high" (chance that a run beats one of a random draw of the
        same pool), "n_random_per_pool" (draws in the pool with the fewest),
        "only_over_pools" (that is under 20: the chance holds over pools, not for one);
        "above_bad_draw" with "_low", "_high" (difference to the 10th percentile of random runs);
        "random_labels" (that give the same mean), "random_labels_note", "random_labels_low",
        "random_labels_high" (0 below the curve of random draws, None beyond it and where there are
        fewer than two budgets or pools), "labels_saved_percent", "minutes_saved"; "average_rank" (1
        is best) over "n_pools_ranked" pools, those in which every selector has run.
    comparisons : list of dict
        One a cell, selector and selector it is paired with: "against", "difference", "low",
        "high", "primary", "margin", "p" (of a difference equal to the margin), "p_holm",
        "n_pools", "n_pools_missing" (pools where one of the two has run and the other not).
    pools : list of dict
        One a cell, selector and pool: "pool", "n_runs", "dice", "beats_random", "above_bad_draw".
    confidence : float
        Of all intervals.

    Examples
    --------
    See `summarize`.
    """

    rows: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    pools: list[dict[str, Any]]
    confidence: float = 0.95

    def to_frame(self, table: str = "rows") -> "pandas.DataFrame":
        """One of the tables.

        Parameters
        ----------
        table : {"rows", "comparisons", "pools"}, default="rows"
            Which.

        Returns
        -------
        pandas.DataFrame
            In the order of the list.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        ValueError
            There is no such table.
        """
        if table not in {"rows", "comparisons", "pools"}:
            raise ValueError(f"table={table!r} must be one of 'rows', 'comparisons', 'pools'.")
        pandas = import_optional("pandas", extra="report", caller="Summary.to_frame")
        return pandas.DataFrame(getattr(self, table))


def summarize(
    runs: Sequence[Mapping[str, Any]],
    *,
    random: str = "random",
    against: Sequence[str] = ("random", "CoreSet", "MaxHerding"),
    primary: Sequence[Mapping[str, Any]] = (),
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    random_state: int = 0,
    minutes_per_label: float | Mapping[str, float] | None = None,
) -> Summary:
    """Compare selectors within pools, with intervals that count every source of chance.

    Parameters
    ----------
    runs : sequence of mapping
        One a trained network, with "task", "block", "embedder", "segmenter", "selector", "budget",
        "pool", "draw", "seed", "units" (names of test images or patients) and "dice" (one a unit,
        in 0 to 1, None or NaN where not counted). With ``"reference": True`` a run gets a row and
        is compared with nothing; its pool may be -1.
    random : str, default="random"
        Selector whose draws are chance.
    against : sequence of str, default=("random", "CoreSet", "MaxHerding")
        Selectors that others are paired with. Among themselves each is paired with those named
        before it, so that no difference is counted twice. One that has not run is passed over.
    primary : sequence of mapping, default=()
        Comparisons settled beforehand. Each mapping holds values of "selector", "against",
        "budget" or any other key of `Summary.comparisons`; a comparison that agrees with all of
        one mapping is primary. A key "margin" moves the difference that is tested from 0: with
        -0.3 a small p-value of a difference above it says "not inferior by 0.3 points".
    confidence : float, default=0.95
        Of all intervals, which are not corrected for their number.
    n_bootstrap : int, default=2000
        Replicates. No p-value is below ``2 / (1 + n_bootstrap)``, times the number of comparisons
        after correction: 50 of them need some 5000 for a corrected 0.02.
    random_state : int, default=0
        Seed; every cell has its own stream, so that a new task changes no other interval.
    minutes_per_label : float or mapping of str to float, optional
        Time to annotate one image, or that by task.

    Returns
    -------
    Summary
        Rows, comparisons and pools.

    Raises
    ------
    ValueError
        A run cannot be used, `primary` has an unknown key, or a number is out of its range.

    Notes
    -----
    The mean of a selector in a pool is over its draws and seeds; a difference is taken in each pool
    where both have run and averaged over these. Its bootstrap resamples pools, test units (once a
    replicate for all pools), seeds within pools and draws within pools and selectors; replicates
    are stretched by sqrt(n / (n - 1)) for n pools. Several seeds or draws a pool enter twice,
    through themselves and through the pools, which makes intervals too wide rather than too narrow;
    with a single run a pool, fewer than ten pools and little variation between units they are too
    narrow, as any bootstrap of few things is. The p-value belongs to the interval. Primary
    comparisons are corrected among themselves by Holm's method, all others among themselves.

    Intervals of chances and of "above_bad_draw" resample pools alone, and are stretched once more,
    by the ratio of Student's quantile to the normal one. With 20 draws in every pool
    the bad draw is the 10th percentile of random runs in the pool; with fewer it is the mean of the
    pool plus the 10th percentile of all random runs of the cell, each less its pool's mean.

    "random_labels" reads the mean of random draws, made monotone in the logarithm of the budget, at
    the random mean of this budget plus the paired difference. Its interval resamples pools alone,
    the same for all budgets, and uses at most 500 replicates.

    Examples
    --------
    >>> from skxssr.evaluation import summarize
    >>> place = dict(task="chest", block="picks", embedder="mae", segmenter="unet", budget=22)
    >>> units = ["a", "b", "c"]
    >>> runs = [
    ...     dict(place, selector=name, pool=p, draw=0, seed=0, units=units, dice=[d, d, d])
    ...     for p in range(4)
    ...     for name, d in [("random", 0.90 + 0.01 * p), ("XSSR", 0.92 + 0.01 * p)]
    ... ]
    >>> summary = summarize(runs)
    >>> summary.comparisons[0]["difference"], summary.rows[0]["beats_random"]
    (2.0, 1.0)
    """
    check_runs(runs)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r} must be between 0 and 1, for example 0.95.")
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap={n_bootstrap!r} must be at least 1; 2000 is usual.")
    known = {*PLACE, "budget", "selector", "against", "margin"}
    for i, wanted in enumerate(primary):
        if set(wanted) - known:
            raise ValueError(f"primary[{i}] has keys {sorted(wanted)}; known are {sorted(known)}.")
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    pools: list[dict[str, Any]] = []
    for cell in cells_of(runs):
        resampled = Resampled(cell, confidence, n_bootstrap, random_state)
        chances = chances_of(cell, random)
        rows += selector_rows(resampled, chances)
        comparisons += comparison_rows(resampled, against, primary)
        pools += pool_rows(cell, chances)
    for cell in references_of(runs):
        resampled = Resampled(cell, confidence, n_bootstrap, random_state)
        rows.append({**resampled.describe(0), "reference": True})
    by_pool: dict[tuple[Any, ...], dict[Any, float]] = {}
    for row in pools:
        by_pool.setdefault(_cell_and_selector(row), {})[row["pool"]] = row["dice"]
    _label_savings(rows, by_pool, random, minutes_per_label)
    _label_intervals(rows, by_pool, random, confidence, min(n_bootstrap, 500), random_state)
    _correct(comparisons)
    tables = [[_rounded(row) for row in table] for table in (rows, comparisons, pools)]
    return Summary(tables[0], tables[1], tables[2], confidence)


def _label_savings(
    rows: list[dict[str, Any]],
    by_pool: Mapping[tuple[Any, ...], Mapping[Any, float]],
    random: str,
    minutes_per_label: float | Mapping[str, float] | None,
) -> None:
    """Fill in how many random labels every selector is worth."""
    curves: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["selector"] == random and not row["reference"]:
            curves.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    for row in rows:
        curve = curves.get(tuple(row[name] for name in PLACE), [])
        ours = by_pool.get(_cell_and_selector(row), {})
        theirs = by_pool.get(_cell_and_selector({**row, "selector": random}), {})
        both = ours.keys() & theirs.keys()
        if row["reference"] or row["selector"] == random or not both:
            continue
        here = next(r["dice"] for r in curve if r["budget"] == row["budget"])
        worth, note = label_equivalent(
            np.array([r["budget"] for r in curve]),
            np.array([r["dice"] for r in curve]),
            here + np.mean([ours[pool] - theirs[pool] for pool in sorted(both)]),
            np.array([r["n_runs"] for r in curve], dtype=np.float64),
        )
        row["random_labels"], row["random_labels_note"] = worth, note
        minutes = minutes_per_label
        if isinstance(minutes, Mapping):
            minutes = minutes.get(row["task"])
        if worth is not None:
            row["labels_saved_percent"] = 100 * (1 - row["budget"] / worth)
            if minutes is not None:
                row["minutes_saved"] = (worth - row["budget"]) * minutes


def _label_intervals(
    rows: list[dict[str, Any]],
    by_pool: Mapping[tuple[Any, ...], Mapping[Any, float]],
    random: str,
    confidence: float,
    n_bootstrap: int,
    random_state: int,
) -> None:
    """Fill in how sure it is how many random labels every selector is worth."""
    places: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if not row["reference"]:
            places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    for place, here in places.items():
        curve = [row for row in here if row["selector"] == random]
        names = sorted({pool for row in here for pool in by_pool[_cell_and_selector(row)]}, key=str)
        if len(curve) < 2 or len(names) < 2:
            continue
        stream = [random_state, zlib.crc32("/".join(map(str, place)).encode())]
        weights = resampling_weights(len(names), n_bootstrap, np.random.default_rng(stream))

        def in_order(row: dict[str, Any], names: list[Any] = names) -> np.ndarray:
            known = by_pool[_cell_and_selector(row)]
            return np.array([known.get(name, np.nan) for name in names])

        means = {
            row["budget"]: average_over_pools(in_order(row)[:, None], weights) for row in curve
        }
        randoms = {row["budget"]: in_order(row) for row in curve}
        for row in here:
            if row["selector"] == random or row["budget"] not in means:
                continue
            gain = average_over_pools((in_order(row) - randoms[row["budget"]])[:, None], weights)
            low, high = label_equivalent_interval(
                np.array(list(means)),
                np.column_stack(list(means.values())),
                means[row["budget"]] + gain,
                confidence,
                np.array([r["n_runs"] for r in curve], dtype=np.float64),
            )
            row["random_labels_low"] = low if low < np.inf else None
            row["random_labels_high"] = high if high < np.inf else None


def _cell_and_selector(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*PLACE, "budget", "selector"))


def _correct(comparisons: list[dict[str, Any]]) -> None:
    """Fill in the p-values corrected within the primary comparisons, and within all others."""
    for family in (True, False):
        tested = [c for c in comparisons if c["primary"] is family and np.isfinite(c["p"])]
        for c, p in zip(tested, holm([c["p"] for c in tested]), strict=True):
            c["p_holm"] = p


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Plain values, rid of the last digits that a sum leaves behind."""
    values = {name: plain(value) for name, value in row.items()}
    return {n: round(v, 10) if isinstance(v, float) else v for n, v in values.items()}
