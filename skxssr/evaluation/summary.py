"""Means, paired differences and chances of every selector.

Everything here works on lists of plain mappings, so that a file of runs is all it needs.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.evaluation._analysis.bootstrap import (
    average_over_pools,
    holm,
    resampling_weights,
    widen,
)
from skxssr.evaluation._analysis.conditions import (
    PLACE,
    cells_of,
    check_runs,
    covariate_reader,
    plain,
    references_of,
)
from skxssr.evaluation._analysis.covariate import ADJUSTED
from skxssr.evaluation._analysis.effect_size import label_equivalent, label_equivalent_interval
from skxssr.evaluation._runs.arms import (
    Resampled,
    chances_of,
    comparison_rows,
    pool_rows,
    selector_rows,
)

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
        is best) over "n_pools_ranked" pools, those in which every selector has run. With a
        covariate also "covariate" (mean over pools), "covariate_slope" (points of Dice for one more
        of it, the same for a cell) and "dice_adjusted" (at the mean covariate of the random draws,
        or of all selectors where there are none).
    comparisons : list of dict
        One a cell, selector and selector it is paired with: "against", "difference", "low",
        "high", "primary", "margin", "p" (of a difference equal to the margin), "p_holm",
        "n_pools", "n_pools_missing" (pools where one of the two has run and the other not). With a
        covariate also "difference_adjusted", "low_adjusted", "high_adjusted" and "p_adjusted",
        which is not corrected.
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
    covariate: Callable[[Mapping[str, Any]], float] | str | None = None,
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
    covariate : callable or str, optional
        A number of each run that its picks decide and that is known without any selector, such as
        how many masks of another convention are among them: a function of a run, or the key that
        holds it. Differences at equal covariates are then given beside the raw ones. References
        have none.

    Returns
    -------
    Summary
        Rows, comparisons and pools.

    Raises
    ------
    ValueError
        A run cannot be used or has no finite covariate, `primary` has an unknown key, or a number
        is out of its range.

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
    the same for all budgets, is stretched as that of a chance is, and uses at most 500 replicates.

    A covariate is adjusted for by analysis of covariance [1]_, [2]_: in each cell Dice is regressed
    on it with a constant for every selector and for every pool, over all runs of the cell, and the
    adjusted difference is the raw one less the slope times the difference of the mean covariates.
    The selectors must be in that model. Where one picks sets with much of the covariate and is
    better or worse for another reason, a slope without them would take that reason for an effect
    of the covariate, and the adjustment would remove what is to be measured. (A covariate from
    before an experiment [2]_ is alike in all arms, and needs none of this; here the selector
    changes it.) So the slope is learned from how sets of the same selector differ, and random
    draws, of which a pool has several, tell most. Each replicate of the bootstrap has its own
    slope. An adjusted difference answers another question than the raw one: what would be left if
    both had picked sets with the same covariate. It does not replace it. Where the covariate does
    not vary beyond selector and pool there is no slope, and what is adjusted is None.

    References
    ----------
    .. [1] W. G. Cochran (1957). Analysis of covariance: its nature and uses. Biometrics 13(3),
       261-281. :doi:`10.2307/2527916`
    .. [2] A. Deng, Y. Xu, R. Kohavi, T. Walker (2013). Improving the sensitivity of online
       controlled experiments by utilizing pre-experiment data (CUPED). WSDM 2013, 123-132.
       :doi:`10.1145/2433396.2433413`

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

    Every pick with a mask of another convention, row 7 or 8, costs a point. "XSSR" picks both and
    is half a point worse than random draws; with as many of them it would be half a point better:

    >>> picks = {"random": [[1, 2], [1, 7], [2, 8], [7, 8]], "XSSR": [[7, 8]]}
    >>> runs = [
    ...     dict(place, selector=name, pool=p, draw=i, seed=0, rows=rows, units=["a"],
    ...          dice=[0.9 + 0.005 * (name == "XSSR") - 0.01 * sum(r in (7, 8) for r in rows)])
    ...     for p in range(4) for name in picks for i, rows in enumerate(picks[name])
    ... ]
    >>> odd = lambda run: sum(row in (7, 8) for row in run["rows"])
    >>> (row,) = summarize(runs, covariate=odd).comparisons
    >>> row["difference"], round(row["difference_adjusted"], 6)
    (-0.5, 0.5)
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
    read = None if covariate is None else covariate_reader(runs, covariate)
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    pools: list[dict[str, Any]] = []
    for cell in cells_of(runs, read):
        resampled = Resampled(cell, confidence, n_bootstrap, random_state)
        chances = chances_of(cell, random)
        rows += selector_rows(resampled, chances, random)
        comparisons += comparison_rows(resampled, against, primary)
        pools += pool_rows(cell, chances)
    for cell in references_of(runs):
        resampled = Resampled(cell, confidence, n_bootstrap, random_state)
        adjusted = {} if covariate is None else dict.fromkeys(ADJUSTED)
        rows.append({**resampled.describe(0), "reference": True, **adjusted})
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

        randoms = {row["budget"]: in_order(row) for row in curve}
        means = {
            budget: average_over_pools(values[:, None], weights)
            for budget, values in randoms.items()
        }
        for row in here:
            if row["selector"] == random or row["budget"] not in means:
                continue
            pairs = in_order(row) - randoms[row["budget"]]
            n_pools = int(np.isfinite(pairs).sum())
            if n_pools < 2:
                continue
            gain = widen(
                average_over_pools(pairs[:, None], weights), np.nanmean(pairs), n_pools, confidence
            )
            wide = {
                budget: widen(drawn, np.nanmean(randoms[budget]), n_pools, confidence)
                for budget, drawn in means.items()
            }
            low, high = label_equivalent_interval(
                np.array(list(wide)),
                np.column_stack(list(wide.values())),
                wide[row["budget"]] + gain,
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
