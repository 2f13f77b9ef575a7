"""Differences at equal covariates: the slope against least squares, the interval by simulation."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr.evaluation import summarize
from skxssr.evaluation._analysis.bootstrap import resampled_runs
from skxssr.evaluation._analysis.conditions import Condition
from skxssr.evaluation._analysis.covariate import Adjustment, slopes

few = settings(max_examples=25, deadline=None)
BAD = set(range(40))  # rows with a mask of another convention
PLACE = {"task": "t", "block": "picks", "embedder": "e", "segmenter": "s", "budget": 10}


def study(rng, *, slope, n_pools=8, n_draws=5, heavy=0, gain=0.0, n_units=6, noise=0.3, apart=0.3):
    """A cell where every bad pick moves Dice by `slope`; "XSSR" picks `heavy` more of them."""
    runs = []
    unit = rng.normal(0, 2, n_units)
    for pool in range(n_pools):
        ease = rng.normal()
        arms = [("random", draw) for draw in range(n_draws)] + [("XSSR", 0), ("CoreSet", 0)]
        for name, draw in arms:
            n_bad = rng.binomial(6, 0.4) + heavy * (name == "XSSR")
            rows = [*rng.permutation(40)[:n_bad], *(40 + rng.permutation(60)[: 10 - n_bad])]
            mean = 85 + ease + gain * (name == "XSSR") + slope * n_bad + apart * rng.normal()
            dice = mean + unit + noise * rng.normal(size=n_units)
            run = {**PLACE, "selector": name, "pool": pool, "draw": draw, "seed": pool}
            run |= {"rows": [int(row) for row in rows], "units": [f"film {i}" for i in range(6)]}
            runs.append(run | {"dice": (dice / 100).tolist()})
    return runs


def n_bad(run):
    return sum(row in BAD for row in run["rows"])


def compared(runs, **options):
    comparisons = summarize(runs, against=["random"], covariate=n_bad, **options).comparisons
    (row,) = (row for row in comparisons if row["selector"] == "XSSR")
    return row


def least_squares(x, y, pool, arm, weight):
    """The slope by the textbook: one column for x, one for each arm and each pool."""
    columns = [x, *(arm == a for a in np.unique(arm)), *(pool == p for p in np.unique(pool))]
    root = np.sqrt(weight)
    return np.linalg.lstsq(root[:, None] * np.column_stack(columns), root * y)[0][0]


# --- the slope ----------------------------------------------------------------------------------


@few
@given(st.integers(0, 10_000))
def test_the_slope_is_that_of_least_squares_with_dummies(seed):
    rng = np.random.default_rng(seed)
    n = 40
    pool, arm = rng.integers(0, 5, n), rng.integers(0, 3, n)
    x, y, w = rng.normal(size=n) + pool, rng.normal(size=n) + 3 * pool + arm, rng.random(n) + 0.1
    w[pool == 4] = 0  # did not come up
    times = rng.integers(0, 3, 5).astype(float)
    times[:3] = [1, 2, 1]
    sums = np.zeros((5, 5, 3, 1))
    for i in range(n):
        sums[:, pool[i], arm[i], 0] += w[i] * np.array([1, x[i], y[i], x[i] ** 2, x[i] * y[i]])
    kept = w * times[pool] > 0
    expected = least_squares(x[kept], y[kept], pool[kept], arm[kept], (w * times[pool])[kept])
    assert slopes(sums, times[:, None])[0] == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_every_replicate_has_the_slope_of_its_own_runs():
    # two seeds a pool, an arm that misses a pool, a unit not counted
    rng = np.random.default_rng(0)
    runs = [r | {"seed": 2 * r["pool"] + s} for r in study(rng, slope=-1.0) for s in range(2)]
    runs = [r for r in runs if (r["selector"], r["pool"]) != ("CoreSet", 3)]
    runs[7]["dice"][2] = None
    cell = Condition(("t",), runs, n_bad)
    codes = (cell.scores, cell.pool, cell.arm, cell.draw, cell.seed)

    def again():
        rng, *arm_rngs = np.random.default_rng(1).spawn(4)
        return resampled_runs(*codes, n_bootstrap=20, rng=rng, arm_rngs=arm_rngs)

    adjustment = Adjustment(cell, again())
    one = np.ones(len(runs))
    expected = least_squares(cell.covariate, cell.run_means, cell.pool, cell.arm, one)
    assert adjustment.slope == pytest.approx(expected)
    times = np.random.default_rng(2).multinomial(8, np.ones(8) / 8, size=20).T.astype(float)
    found = adjustment.slopes(times)
    ((y, weights),) = again()
    for b in range(20):
        w = weights[:, b] * times[cell.pool, b]
        kept = w > 0
        parts = (cell.covariate, y[:, b], cell.pool, cell.arm, w)
        assert found[b] == pytest.approx(least_squares(*(part[kept] for part in parts)))
        for p, a in itertools.product(range(8), range(3)):
            ours = (cell.pool == p) & (cell.arm == a)
            mean = cell.covariate[ours].mean() if ours.any() else np.nan
            if weights[ours, b].sum() > 0:
                mean = np.average(cell.covariate[ours], weights=weights[ours, b])
            np.testing.assert_allclose(adjustment.resampled[p, a, b], mean)


# --- what is reported ---------------------------------------------------------------------------


def test_adjusted_numbers_by_hand():
    runs = study(np.random.default_rng(1), slope=-1.0, heavy=3, gain=0.5)
    summary = summarize(runs, covariate=n_bad, n_bootstrap=50)
    cell = Condition(("t",), runs, n_bad)
    slope = least_squares(
        *(cell.covariate, cell.run_means, cell.pool, cell.arm, np.ones(len(runs)))
    )
    x = cell.by_pool_and_arm(cell.covariate)
    for row in summary.comparisons:
        a, b = (cell.selectors.index(row[name]) for name in ("selector", "against"))
        raw = np.mean(cell.pool_means[:, a] - cell.pool_means[:, b])
        assert row["difference"] == pytest.approx(raw)
        assert row["difference_adjusted"] == pytest.approx(raw - slope * np.mean(x[:, a] - x[:, b]))
        assert row["low_adjusted"] < row["difference_adjusted"] < row["high_adjusted"]
    rows = {row["selector"]: row for row in summary.rows}
    for arm, name in enumerate(cell.selectors):
        assert rows[name]["covariate"] == pytest.approx(x[:, arm].mean())
        assert rows[name]["covariate_slope"] == pytest.approx(slope)
    assert rows["random"]["dice_adjusted"] == pytest.approx(rows["random"]["dice"])
    gap = rows["XSSR"]["dice_adjusted"] - rows["random"]["dice_adjusted"]
    (xssr,) = (
        row
        for row in summary.comparisons
        if (row["selector"], row["against"]) == ("XSSR", "random")
    )
    assert gap == pytest.approx(xssr["difference_adjusted"])
    # the raw numbers are those without a covariate, and a key of the runs says the same
    plain = summarize(runs, n_bootstrap=50)
    for with_it, without in zip(
        summary.rows + summary.comparisons, plain.rows + plain.comparisons, strict=True
    ):
        assert without.items() <= with_it.items()
    keyed = [run | {"bad masks": n_bad(run)} for run in runs]
    assert summarize(keyed, covariate="bad masks", n_bootstrap=50).rows == summary.rows
    # neither its origin nor its unit moves a difference
    moved = summarize(runs, covariate=lambda run: 1e4 - 3 * n_bad(run), n_bootstrap=50)
    for ours, theirs in zip(moved.comparisons, summary.comparisons, strict=True):
        for key in ("difference_adjusted", "low_adjusted", "high_adjusted", "p_adjusted"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-6)


def test_a_covariate_that_says_nothing_changes_little():
    for seed in range(5):
        row = compared(study(np.random.default_rng(seed), slope=0.0), n_bootstrap=300)
        half = (row["high"] - row["low"]) / 2
        assert abs(row["difference_adjusted"] - row["difference"]) < 0.5 * half
        assert row["high_adjusted"] - row["low_adjusted"] < 1.5 * 2 * half


def test_a_strong_covariate_shrinks_the_interval_and_corrects_who_picks_much_of_it():
    shares, raw, adjusted = [], [], []
    for seed in range(8):
        runs = study(np.random.default_rng(seed), slope=-1.5, heavy=3, gain=1.0)
        row = compared(runs, n_bootstrap=300)
        shares.append((row["high_adjusted"] - row["low_adjusted"]) / (row["high"] - row["low"]))
        raw.append(row["difference"])
        adjusted.append(row["difference_adjusted"])
    assert np.median(shares) < 2 / 3
    assert np.mean(raw) == pytest.approx(1.0 - 1.5 * 3, abs=0.6)
    assert np.mean(adjusted) == pytest.approx(1.0, abs=0.2)


def test_the_slope_is_learned_within_selectors():
    """A selector that is better and picks more of what does no harm is not corrected for it."""
    found = [
        compared(study(np.random.default_rng(seed), slope=0.0, heavy=4, gain=2.0), n_bootstrap=20)
        for seed in range(8)
    ]
    # without the selectors in the model the slope would take up most of the gain
    assert np.mean([row["difference_adjusted"] for row in found]) == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize(("n_pools", "n_draws"), [(5, 3), (10, 5)])
def test_the_adjusted_interval_holds_the_truth_about_as_often_as_it_says(n_pools, n_draws):
    rng = np.random.default_rng(n_pools)
    held, small, repetitions = 0, 0, 120
    for _ in range(repetitions):
        runs = study(rng, slope=-1.0, heavy=2, n_pools=n_pools, n_draws=n_draws)
        row = compared(runs, n_bootstrap=200, confidence=0.9)
        held += row["low_adjusted"] <= 0 <= row["high_adjusted"]
        small += row["p_adjusted"] < 0.1
    assert 0.83 <= held / repetitions <= 1.0
    assert small / repetitions <= 0.17


# --- what cannot be adjusted ----------------------------------------------------------------------


def test_where_selector_and_pool_tell_the_covariate_there_is_no_slope():
    runs = study(np.random.default_rng(0), slope=0.0)
    for number in (lambda run: 7.0, lambda run: run["pool"] + (run["selector"] == "XSSR")):
        summary = summarize(runs, covariate=number, n_bootstrap=20)
        for row in summary.comparisons:
            assert row["difference"] is not None
            assert row["difference_adjusted"] is row["low_adjusted"] is row["p_adjusted"] is None
        assert {row["dice_adjusted"] for row in summary.rows} == {None}


def test_selectors_that_never_met_and_references_have_nothing_adjusted():
    runs = study(np.random.default_rng(0), slope=-1.0, n_pools=4)
    runs = [r for r in runs if (r["selector"] == "random") == (r["pool"] < 2)]
    full = {**PLACE, "selector": "all labels", "pool": 0, "draw": 0, "seed": 0, "units": ["a"]}
    full |= {"dice": [0.9], "reference": True}
    summary = summarize([*runs, full], covariate=n_bad, n_bootstrap=20)
    for row in summary.comparisons:
        met = "random" not in (row["selector"], row["against"])
        assert (row["difference_adjusted"] is None) != met
    assert summary.rows[-1]["reference"] and summary.rows[-1]["dice_adjusted"] is None
    for table in (summary.rows, summary.comparisons):
        assert len({tuple(row) for row in table}) == 1
        json.dumps(table, allow_nan=False)


def test_covariates_that_are_no_numbers_are_refused():
    runs = study(np.random.default_rng(0), slope=0.0, n_pools=2)
    with pytest.raises(ValueError, match=r"covariate='bad' is not a key of runs\[0\]; add it"):
        summarize(runs, covariate="bad")
    for value in (None, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"covariate of runs\[0\] is .*must be a finite"):
            summarize(runs, covariate=lambda run, value=value: value)
