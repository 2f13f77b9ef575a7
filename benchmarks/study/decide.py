"""What docs/protocol.md decides by, from the result files: the rule, the comparisons, the goals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t

from skxssr.evaluation._analysis.bootstrap import holm
from skxssr.evaluation._analysis.effect_size import probability_of_superiority
from skxssr.report import format_table

BUDGETS = (5, 10)
RANDOM, CORESET, OURS, ALL_LABELS = "random", "CoreSet", "XSSR", "all labels"
RIVALS = ("random by cluster", CORESET, "MaxHerding", "facility location", "TypiClust")
SHARE_OF_HEADROOM = 0.03
POOLS_OF_RULE = 6  # that all development tasks have
CANDIDATES = (
    "TypiClust",
    "root of typicality x kernel coverage",
    "typical rows of the largest clusters",
    "typicality x coverage, alpha 0",
    "typicality x coverage, alpha auto",
    "XSSR as described",
)

Runs = Sequence[Mapping[str, Any]]
Dice = dict[tuple[str, int, int], dict[str, np.ndarray]]  # task, budget, pool: selector: Dice


def mean_dice(run: Mapping[str, Any]) -> float:
    """Of a network, x 100; images without foreground have none."""
    return 100 * float(np.nanmean(np.array(run["dice"], dtype=float)))


def dice_of(runs: Runs) -> Dice:
    """Mean Dice x 100 of every network, by task, budget, pool and selector."""
    found: dict[tuple[str, int, int], dict[str, list[float]]] = {}
    for run in runs:
        if run["block"] == "picks" and run["labels"] in BUDGETS and run["selector"] != ALL_LABELS:
            place = found.setdefault((run["task"], run["labels"], run["pool"]), {})
            place.setdefault(run["selector"], []).append(mean_dice(run))
    return {
        place: {name: np.array(values) for name, values in arms.items()}
        for place, arms in found.items()
        if RANDOM in arms
    }


def dice_of_budgets(runs: Runs) -> dict[int, dict[str, np.ndarray]]:
    """Mean Dice x 100 of every network, by budget and selector, pools together."""
    found: dict[int, dict[str, list[float]]] = {}
    for run in runs:
        if run["block"] == "picks" and run["selector"] != ALL_LABELS:
            arms = found.setdefault(run["labels"], {})
            arms.setdefault(run["selector"], []).append(mean_dice(run))
    return {b: {name: np.array(v) for name, v in arms.items()} for b, arms in found.items()}


def beats(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The share of pairs that we win; ties are half. The study trains with one seed."""
    seeds = np.zeros(len(ours)), np.zeros(len(theirs))
    return probability_of_superiority(ours, seeds[0], theirs, seeds[1])


def by_pool(dice: Dice, measure: Any) -> dict[str, np.ndarray]:
    """A measure of each pool's arms, averaged over budgets: one array of pools a task.

    Pools without one of the arms are left out.
    """
    values: dict[str, dict[int, list[float]]] = {}
    for (task, _, pool), arms in dice.items():
        value = measure(arms)
        if value is not None:
            values.setdefault(task, {}).setdefault(pool, []).append(value)
    return {task: np.array([np.mean(v) for v in pools.values()]) for task, pools in values.items()}


def pooled(values: Mapping[str, np.ndarray]) -> tuple[float, float, float, float]:
    """Mean over tasks of the mean over pools, its 95% interval and two-sided p against 0.

    Tasks are taken as they are; pools within them are the sample.
    """
    mean = float(np.mean([v.mean() for v in values.values()]))
    error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in values.values())) / len(values)
    df = sum(len(v) - 1 for v in values.values())
    reach = float(t.ppf(0.975, df) * error)
    p = float(2 * t.sf(abs(mean) / error, df)) if error > 0 else float(mean == 0)
    return mean, mean - reach, mean + reach, p


def against(selector: str, other: str, measure: Any) -> Any:
    return lambda arms: (
        measure(arms[selector], arms[other]) if selector in arms and other in arms else None
    )


def minus(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(ours.mean() - theirs.mean())


def rule_table(runs: Runs, candidates: Sequence[str]) -> str:
    """The rule for the default: P(beats random) of each task over both budgets, the worst first."""
    dice = dice_of(runs)
    lines = []
    for name in candidates:
        chances = by_pool(dice, against(name, RANDOM, beats))
        gains = by_pool(dice, against(name, RANDOM, minus))
        if not chances:
            continue
        of_task = {task: values.mean() for task, values in chances.items()}
        lines.append(
            {
                "candidate": name,
                **{task: f"{of_task[task]:.2f} ({len(chances[task])})" for task in of_task},
                "worst task": f"{min(of_task.values()):.2f}",
                "mean": f"{np.mean(list(of_task.values())):.2f}",
                "minus random": f"{pooled(gains)[0]:+.2f}",
            }
        )
    lines.sort(key=lambda line: line["worst task"], reverse=True)
    return format_table(lines)


def primary_table(runs: Runs, ours: str = OURS) -> str:
    """The comparisons of the protocol on the report tasks, corrected by Holm's method."""
    dice = dice_of(runs)
    lines = []
    for budget in BUDGETS:
        here = {place: arms for place, arms in dice.items() if place[1] == budget}
        chance = by_pool(here, against(ours, RANDOM, beats))
        mean, low, high, p = pooled({task: values - 0.5 for task, values in chance.items()})
        said = f"{mean + 0.5:.2f} [{low + 0.5:.2f}, {high + 0.5:.2f}]"
        lines.append(
            {
                "comparison": f"P(beats random), {budget} labels",
                "found": said,
                "goal": "0.80",
                "p": p,
            }
        )
    for other, goal in ((RANDOM, "above 0"), (CORESET, "+1.00")):
        mean, low, high, p = pooled(by_pool(dice, against(ours, other, minus)))
        said = f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        lines.append({"comparison": f"Dice minus {other}", "found": said, "goal": goal, "p": p})
    corrected = holm([line.pop("p") for line in lines])
    for line, p in zip(lines, corrected, strict=True):
        line["p, Holm"] = f"{p:.3f}"
    return format_table(lines)


def task_table(runs: Runs, ours: str = OURS) -> str:
    """Each report task: default minus random, minus CoreSet, and against the best rival."""
    dice = dice_of(runs)
    full = {}
    for run in runs:
        if run["selector"] == ALL_LABELS:
            full.setdefault(run["task"], []).append(mean_dice(run))
    lines = []
    for task in dict.fromkeys(place[0] for place in dice):
        here = {place: arms for place, arms in dice.items() if place[0] == task}
        random = np.mean([np.mean(arms[RANDOM]) for arms in here.values()])
        line = {"task": task, "pools": str(len({place[2] for place in here}))}
        for other in (RANDOM, CORESET):
            values = by_pool(here, against(ours, other, minus))
            mean, low, high, _ = pooled(values)
            line[f"minus {other}"] = f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        rivals = {
            rival: np.mean([np.mean(arms[rival]) for arms in here.values() if rival in arms])
            for rival in RIVALS
            if any(rival in arms for arms in here.values())
        }
        best = max(rivals, key=rivals.__getitem__)
        mean, low, high, _ = pooled(by_pool(here, against(ours, best, minus)))
        line["best rival"] = f"{best}: {mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        if task in full:
            headroom = float(np.mean(full[task]) - random)
            line["headroom"] = f"{headroom:+.1f}"
            line["margin"] = f"{-SHARE_OF_HEADROOM * max(headroom, 0):.2f}"
        tenth = [
            float(np.mean(arms[ours]) >= np.quantile(arms[RANDOM], 0.1))
            for arms in here.values()
            if ours in arms
        ]
        line["above random's 10th percentile"] = f"{np.mean(tenth):.0%}"
        lines.append(line)
    return format_table(lines)
