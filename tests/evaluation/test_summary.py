"""The tables of `skxssr.evaluation`, against plain loops over the runs."""

import itertools
import json
import math

import numpy as np
import pytest

from skxssr.evaluation import pool_over, summarize

PLACE = ("task", "block", "embedder", "segmenter", "budget")
GAIN = {"random": 0.0, "CoreSet": -0.5, "MaxHerding": 0.3, "XSSR": 1.0}


def make_runs(
    *, tasks=("chest",), blocks=("picks",), budgets=(5, 20), n_pools=4, n_draws=3, n_units=12,
    gain=GAIN, noise=0.3, seed=0,
):  # fmt: skip
    """Runs of a study whose true differences are known."""
    rng = np.random.default_rng(seed)
    runs = []
    for task, block in itertools.product(tasks, blocks):
        unit = rng.normal(0, 2, n_units)
        for pool in range(n_pools):
            ease = rng.normal(0, 1)
            for repeat, budget in itertools.product(range(2), budgets):
                for name in gain:
                    for draw in range(n_draws if name == "random" else 1):
                        mean = 85 + 2 * math.log2(budget) + ease + gain[name]
                        dice = mean + rng.normal(0, noise) + unit + rng.normal(0, noise, n_units)
                        run = {"task": task, "block": block, "embedder": "mae", "segmenter": "unet"}
                        run |= {"selector": name, "budget": budget, "pool": pool, "draw": draw}
                        run |= {"seed": 2 * pool + repeat, "labels": budget}
                        run |= {"units": [f"film {i}" for i in range(n_units)]}
                        runs.append(run | {"dice": np.clip(dice / 100, 0, 1).tolist()})
    return runs


def reference(name, dice, **changes):
    run = {"task": "chest", "block": "picks", "embedder": "-", "segmenter": "unet", "draw": 0}
    run |= {"selector": name, "budget": 0, "pool": 0, "seed": 0, "reference": True}
    return run | {"units": ["film 0", "film 1"], "dice": [dice, dice]} | changes


def mean_of(run):
    counted = [d for d in run["dice"] if d is not None and not math.isnan(d)]
    return 100 * sum(counted) / len(counted)


def pool_mean(runs, pool, **wanted):
    means = [
        mean_of(r) for r in runs if r["pool"] == pool and all(r[k] == v for k, v in wanted.items())
    ]
    return sum(means) / len(means) if means else None


def find(rows, **wanted):
    found = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def runs():
    made = make_runs(blocks=("picks", "finetune"))
    made[3]["dice"][2] = None
    made[4]["dice"][5] = math.nan
    # XSSR has not run in pool 3 of one cell yet
    holes = {"selector": "XSSR", "pool": 3, "budget": 5, "block": "picks"}
    return [r for r in made if not all(r[k] == v for k, v in holes.items())]


@pytest.fixture(scope="module")
def summary(runs):
    return summarize(runs, n_bootstrap=400)


def test_means_and_spreads_by_loops(runs, summary):
    assert len(summary.rows) == 2 * 2 * 4
    for row in summary.rows:
        wanted = {name: row[name] for name in (*PLACE, "selector")}
        own = [r for r in runs if all(r[k] == v for k, v in wanted.items())]
        means = [pool_mean(own, pool) for pool in range(4)]
        means = [m for m in means if m is not None]
        assert row["n_runs"] == len(own)
        assert (row["n_pools"], row["n_pools_missing"]) == (len(means), 4 - len(means))
        assert row["dice"] == pytest.approx(np.mean(means))
        assert row["sd_pools"] == pytest.approx(np.std(means, ddof=1))
        assert row["worst_run"] == pytest.approx(min(map(mean_of, own)))
        images = [100 * d for r in own for d in r["dice"] if d is not None and not math.isnan(d)]
        assert row["p5_images"] == pytest.approx(np.percentile(images, 5))
        assert row["dice_low"] < row["dice"] < row["dice_high"]
    missing = [row for row in summary.rows if row["n_pools_missing"]]
    assert [(row["selector"], row["budget"], row["block"]) for row in missing] == [
        ("XSSR", 5, "picks")
    ]


def test_differences_are_paired_by_pool(runs, summary):
    for c in summary.comparisons:
        cell = {name: c[name] for name in PLACE}
        pairs = [
            (
                pool_mean(runs, pool, selector=c["selector"], **cell),
                pool_mean(runs, pool, selector=c["against"], **cell),
            )
            for pool in range(4)
        ]
        both = [a - b for a, b in pairs if a is not None and b is not None]
        assert c["difference"] == pytest.approx(np.mean(both))
        assert (c["n_pools"], c["n_pools_missing"]) == (len(both), 4 - len(both))
        assert c["low"] <= c["difference"] <= c["high"]
    pairs = {(c["selector"], c["against"]) for c in summary.comparisons}
    assert pairs == {
        *(("XSSR", name) for name in ("random", "CoreSet", "MaxHerding")),
        *(("MaxHerding", "random"), ("MaxHerding", "CoreSet"), ("CoreSet", "random")),
    }


def test_chances_and_bad_draws_by_loops(runs, summary):
    for row in summary.rows:
        cell = {name: row[name] for name in PLACE}
        inside = [r for r in runs if all(r[k] == v for k, v in cell.items())]
        if row["selector"] == "random":
            assert row["beats_random"] is None
            continue
        shares = []
        for pool in range(4):
            ours = [r for r in inside if r["selector"] == row["selector"] and r["pool"] == pool]
            theirs = [r for r in inside if r["selector"] == "random" and r["pool"] == pool]
            wins = [
                float(mean_of(a) > mean_of(b))
                for a in ours
                for b in theirs
                if a["seed"] == b["seed"]
            ]
            shares += [np.mean(wins)] if wins else []
        assert row["beats_random"] == pytest.approx(np.mean(shares))
        assert 0 <= row["beats_random_low"] <= row["beats_random"] <= row["beats_random_high"] <= 1
        assert row["n_random_per_pool"] == 3 and row["only_over_pools"] is True
        # six runs a pool, centred and stretched
        centred = []
        for pool in range(4):
            means = np.array(
                [mean_of(r) for r in inside if r["selector"] == "random" and r["pool"] == pool]
            )
            centred += list((means - means.mean()) * math.sqrt(6 / 5))
        depth = np.quantile(centred, 0.1)
        gaps = [
            pool_mean(inside, p, selector=row["selector"])
            - pool_mean(inside, p, selector="random")
            - depth
            for p in range(4)
            if pool_mean(inside, p, selector=row["selector"]) is not None
        ]
        assert row["above_bad_draw"] == pytest.approx(np.mean(gaps))


def test_twenty_draws_are_enough_for_a_pool_alone():
    runs = make_runs(n_draws=20, n_pools=2, budgets=(5,))
    row = find(summarize(runs, n_bootstrap=50).rows, selector="XSSR")
    assert (row["n_random_per_pool"], row["only_over_pools"]) == (20, False)
    levels = [
        np.quantile([mean_of(r) for r in runs if r["selector"] == "random" and r["pool"] == p], 0.1)
        for p in range(2)
    ]
    gaps = [pool_mean(runs, p, selector="XSSR") - levels[p] for p in range(2)]
    assert row["above_bad_draw"] == pytest.approx(np.mean(gaps))


def test_ranks_are_over_pools_where_all_have_run(runs, summary):
    row = find(summary.rows, selector="XSSR", budget=5, block="picks")
    assert (row["n_pools_ranked"], row["average_rank"]) == (3, 1.0)
    cell = [r for r in summary.rows if (r["budget"], r["block"]) == (20, "finetune")]
    assert sum(r["average_rank"] for r in cell) == pytest.approx(1 + 2 + 3 + 4)


def test_p_values_are_corrected_in_two_families(runs):
    primary = [
        {"selector": "XSSR", "against": "random", "block": "picks"},
        {"selector": "XSSR", "against": "MaxHerding", "budget": 20, "margin": -0.3},
    ]
    comparisons = summarize(runs, primary=primary, n_bootstrap=400).comparisons
    first = [c for c in comparisons if c["primary"]]
    assert {(c["against"], c["block"], c["budget"], c["margin"]) for c in first} == {
        *(("random", "picks", 5, 0.0), ("random", "picks", 20, 0.0)),
        *(("MaxHerding", "picks", 20, -0.3), ("MaxHerding", "finetune", 20, -0.3)),
    }
    for family in (first, [c for c in comparisons if not c["primary"]]):
        largest = 0.0
        for rank, c in enumerate(sorted(family, key=lambda c: c["p"])):
            largest = max(largest, min(1.0, (len(family) - rank) * c["p"]))
            assert c["p_holm"] == pytest.approx(largest)


def test_a_margin_moves_the_test_and_not_the_interval(runs):
    def compared(margin):
        primary = [{"selector": "CoreSet", "against": "random", "margin": margin}]
        rows = summarize(runs, primary=primary, n_bootstrap=400).comparisons
        return find(rows, selector="CoreSet", against="random", budget=5, block="picks")

    at_zero, below = compared(0.0), compared(-3.0)
    assert below["p"] < 0.01 and below["margin"] == -3.0
    assert (at_zero["low"], at_zero["high"]) == (below["low"], below["high"])
    assert compared(round(at_zero["difference"], 3))["p"] > 0.5


def test_selectors_that_are_random_draws_in_disguise_are_found_out():
    gain = {"random": 0.0, **{f"s{i}": 0.0 for i in range(8)}}
    runs = make_runs(gain=gain, n_pools=12, budgets=(5, 10, 20, 40), n_units=8)
    summary = summarize(runs, n_bootstrap=300)
    chances = [r["beats_random"] for r in summary.rows if r["beats_random"] is not None]
    assert np.mean(chances) == pytest.approx(0.5, abs=0.04)
    assert np.mean([c["low"] <= 0 <= c["high"] for c in summary.comparisons]) >= 0.85
    assert min(c["p_holm"] for c in summary.comparisons) > 0.05
    gaps = [r["average_rank"] for r in summary.rows]
    assert np.mean(gaps) == pytest.approx(5.0)


def test_label_savings_follow_the_random_curve():
    # Dice rises by 2 with every doubling, so a point is worth the square root of 2
    runs = make_runs(budgets=(5, 10, 20, 40), noise=0.0)
    rows = summarize(runs, n_bootstrap=20, minutes_per_label={"chest": 6.0}).rows
    row = find(rows, selector="XSSR", budget=10)
    assert row["random_labels"] == pytest.approx(10 * math.sqrt(2))
    assert row["labels_saved_percent"] == pytest.approx(100 * (1 - 1 / math.sqrt(2)))
    assert row["minutes_saved"] == pytest.approx(60 * (math.sqrt(2) - 1))
    assert find(rows, selector="XSSR", budget=40)["random_labels_note"] == "beyond the curve"
    assert find(rows, selector="CoreSet", budget=5)["random_labels_note"] == "below the curve"
    assert find(rows, selector="CoreSet", budget=20)["labels_saved_percent"] < 0
    assert find(rows, selector="random", budget=20)["random_labels"] is None
    # without noise every pool says the same
    assert row["random_labels_low"] == row["random_labels_high"] == pytest.approx(10 * 2**0.5)
    beyond = find(rows, selector="XSSR", budget=40)
    assert beyond["random_labels_low"] is None and beyond["random_labels_high"] is None
    below = find(rows, selector="CoreSet", budget=5)
    assert below["random_labels_low"] == below["random_labels_high"] == 0
    # a missing pool is an easy or a hard one: the pairs count, not the means
    fewer = [r for r in runs if r["selector"] != "XSSR" or r["pool"] != 0]
    again = find(summarize(fewer, n_bootstrap=20).rows, selector="XSSR", budget=10)
    assert again["random_labels"] == pytest.approx(10 * math.sqrt(2))
    assert again["minutes_saved"] is None


def test_the_interval_of_label_savings_holds_what_they_are_in_truth():
    covered, lengths = 0, []
    for seed in range(30):
        runs = make_runs(budgets=(5, 10, 20, 40), n_pools=12, seed=seed)
        row = find(summarize(runs, n_bootstrap=200).rows, selector="XSSR", budget=10)
        low, high = row["random_labels_low"], row["random_labels_high"] or np.inf
        covered += low <= 10 * 2**0.5 <= high
        lengths.append(high - low)
    assert covered >= 25
    assert 0 < np.median(lengths) < 10
    one_pool = make_runs(budgets=(5, 10), n_pools=1)
    row = find(summarize(one_pool, n_bootstrap=20).rows, selector="XSSR", budget=5)
    assert row["random_labels_low"] is None and row["random_labels_high"] is None


def test_the_interval_of_label_savings_is_wide_enough_with_few_pools():
    # pools alone are drawn again: without the stretch and Student's quantile 0.86 of 150 held it
    gain, held = {"random": 0.0, "XSSR": 1.0}, 0
    for seed in range(150):
        runs = make_runs(
            budgets=(5, 20), n_pools=4, n_draws=1, n_units=2, gain=gain, noise=0.5, seed=seed
        )
        row = find(summarize(runs, n_bootstrap=100).rows, selector="XSSR", budget=5)
        held += row["random_labels_low"] <= 5 * 2**0.5 <= (row["random_labels_high"] or np.inf)
    assert 0.9 <= held / 150 <= 0.99


def test_references_have_a_row_and_are_compared_with_nothing(runs):
    more = [
        *(reference("all labels", 0.95, budget=440, pool=p, block="picks") for p in range(3)),
        reference("all labels", 0.92, budget=439, pool=3, block="picks"),
        *(reference("source only", 0.80, pool=-1, seed=s, block="zero labels") for s in range(2)),
    ]
    found = summarize([*runs, *more], n_bootstrap=50)
    plain = summarize(runs, n_bootstrap=50)
    assert found.comparisons == plain.comparisons
    assert [row for row in found.rows if not row["reference"]] == plain.rows
    full = find(found.rows, selector="all labels")
    assert (full["dice"], full["budget"], full["n_pools"]) == (pytest.approx(94.25), 440, 4)
    zero = find(found.rows, selector="source only")
    assert (zero["dice"], zero["n_runs"], zero["n_pools"]) == (pytest.approx(80.0), 2, 1)
    assert zero["beats_random"] is None and zero["average_rank"] is None


def test_the_order_of_runs_and_other_tasks_change_nothing(runs, summary):
    shuffled = [runs[i] for i in np.random.default_rng(0).permutation(len(runs))]
    for i in range(0, len(shuffled), 3):
        run = shuffled[i]
        turned = {"units": run["units"][::-1], "dice": run["dice"][::-1]}
        shuffled[i] = run | turned
    other = make_runs(tasks=("brain",), seed=5)
    again = summarize([*other, *shuffled], n_bootstrap=400)
    assert [row for row in again.rows if row["task"] == "chest"] == summary.rows
    assert summarize(runs, n_bootstrap=400, random_state=1).rows != summary.rows


def test_another_arm_changes_no_interval_of_the_others(runs, summary):
    """Of several draws a pool, like those of a stratified random selector, and first by name."""
    draws = [r for r in runs if r["selector"] == "random"]
    more = summarize(runs + [r | {"selector": "another"} for r in draws], n_bootstrap=400)
    kept = [row for row in more.comparisons if row["selector"] != "another"]
    assert [row | {"p_holm": 0} for row in kept] == [
        row | {"p_holm": 0} for row in summary.comparisons
    ]
    rows = [row for row in more.rows if row["selector"] != "another"]
    ranked = {"average_rank": 0}
    assert [row | ranked for row in rows] == [row | ranked for row in summary.rows]


def test_folds_with_units_of_their_own():
    runs = make_runs(n_pools=5, budgets=(5,), n_units=3)
    for run in runs:
        run["units"] = [f"patient {run['pool']}-{i}" for i in range(3)]
    c = find(summarize(runs, n_bootstrap=300).comparisons, selector="XSSR", against="random")
    assert c["n_pools"] == 5 and c["low"] < c["difference"] < c["high"]


def test_one_pool_and_no_random():
    alone = [r for r in make_runs(n_pools=1, budgets=(5,)) if r["selector"] != "random"]
    summary = summarize(alone, n_bootstrap=50)
    row = find(summary.rows, selector="XSSR")
    assert row["sd_pools"] is None and row["beats_random"] is None and row["random_labels"] is None
    assert {c["against"] for c in summary.comparisons} == {"CoreSet", "MaxHerding"}
    chance = find(summarize(make_runs(n_pools=1, budgets=(5,))).rows, selector="XSSR")
    assert chance["beats_random"] is not None and chance["beats_random_low"] is None
    assert pool_over(summary) == []


def test_selectors_that_never_met_in_a_pool_are_counted_as_missing():
    runs = [
        r
        for r in make_runs(budgets=(5,), gain={"random": 0, "XSSR": 1})
        if (r["selector"] == "XSSR") == (r["pool"] < 2)
    ]
    (c,) = summarize(runs, n_bootstrap=20).comparisons
    assert (c["difference"], c["low"], c["p"], c["p_holm"]) == (None, None, None, None)
    assert (c["n_pools"], c["n_pools_missing"]) == (0, 4)


def test_tables_are_plain_json_and_frames(summary):
    for table in (summary.rows, summary.comparisons, summary.pools):
        assert json.loads(json.dumps(table, allow_nan=False)) == table
        assert len({tuple(row) for row in table}) == 1
    pytest.importorskip("pandas")
    assert len(summary.to_frame()) == len(summary.rows)
    assert list(summary.to_frame("comparisons")["p"]) == [c["p"] for c in summary.comparisons]
    with pytest.raises(ValueError, match="table='nothing' must be one of"):
        summary.to_frame("nothing")


def test_pooled_over_cells(runs, summary):
    pooled = pool_over(summary, by=["selector"])
    assert [row["selector"] for row in pooled] == ["CoreSet", "MaxHerding", "XSSR"]
    for row in pooled:
        own = [r for r in summary.rows if r["selector"] == row["selector"]]
        assert row["beats_random"] == pytest.approx(np.mean([r["beats_random"] for r in own]))
        assert row["beats_random_low"] <= row["beats_random"] <= row["beats_random_high"]
        assert (row["n_cells"], row["n_pools"]) == (4, 4)
        assert row["worst_beats_random_low"] == min(r["beats_random_low"] for r in own)
        lows = {
            (c["block"], c["budget"]): c["low"]
            for c in summary.comparisons
            if (c["selector"], c["against"]) == (row["selector"], "random")
        }
        at = row["worst_difference_at"]
        assert row["worst_difference_low"] == min(lows.values())
        assert lows[at["block"], at["budget"]] == row["worst_difference_low"]
        assert row["average_rank"] == pytest.approx(np.mean([r["average_rank"] for r in own]))
    assert len(pool_over(summary, by=("block", "selector"))) == 6
    with pytest.raises(ValueError, match="must be out of"):
        pool_over(summary, by=["pool"])


def test_pools_shared_by_cells_are_resampled_together():
    """Copies of a cell add no information, so they must not narrow the interval."""
    gain = {"random": 0.0, "XSSR": 0.2}
    one = make_runs(budgets=(5,), n_pools=10, gain=gain)
    many = [dict(run, block=f"block {i}") for run in one for i in range(6)]
    (a,) = pool_over(summarize(one, n_bootstrap=20))
    (b,) = pool_over(summarize(many, n_bootstrap=20))
    assert a["beats_random_low"] == pytest.approx(b["beats_random_low"])
    assert a["beats_random_high"] == pytest.approx(b["beats_random_high"])
    assert a["beats_random_low"] < a["beats_random"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dice": [0.5]}, "has 2 units but 1 Dice"),
        ({"dice": [None, None]}, "counts no unit"),
        ({"dice": [50.0, 60.0]}, "percent are not meant"),
        ({"units": ["a", "a"]}, "scores a unit twice"),
    ],
)
def test_runs_that_cannot_be_used(change, message):
    with pytest.raises(ValueError, match=rf"runs\[0\].*{message}"):
        summarize([reference("all labels", 0.9) | change])


def test_other_bad_input():
    run = reference("XSSR", 0.9, reference=False)
    with pytest.raises(ValueError, match="runs is empty"):
        summarize([])
    with pytest.raises(ValueError, match=r"runs\[0\] and runs\[1\] are of the same network"):
        summarize([run, run])
    with pytest.raises(ValueError, match=r"runs\[0\] lacks 'seed'"):
        summarize([{k: v for k, v in run.items() if k != "seed"}])
    with pytest.raises(ValueError, match="confidence=95 must be between 0 and 1"):
        summarize([run], confidence=95)
    with pytest.raises(ValueError, match="n_bootstrap=0 must be at least 1"):
        summarize([run], n_bootstrap=0)
    with pytest.raises(ValueError, match=r"primary\[0\] has keys"):
        summarize([run], primary=[{"seed": 3}])
