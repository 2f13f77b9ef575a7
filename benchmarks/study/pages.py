"""The page of the study, from its result files. Needs no data and trains nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common import beats_random, difference, difference_in, reference
from benchmarks.study.decide import CANDIDATES, POOLS_OF_RULE, primary_table, rule_table, task_table
from benchmarks.study.judge import agreement_table
from benchmarks.study.recipes import table as recipe_table
from benchmarks.study.search import lines as search_lines
from benchmarks.study.search import tables as search_tables
from benchmarks.study.tasks import SOURCES
from skxssr.evaluation import Comparison, Summary, pool_over, summarize
from skxssr.report import format_table

AGAINST = ("random", "CoreSet")
N_BOOTSTRAP = 5_000
HEADER = """\
# Results: the study, second edition

Written by `python benchmarks/study/main.py --page` from the runs in `benchmarks/results/study/`;
the [protocol](../protocol.md) says what was decided beforehand. Dice x 100, intervals of 95%,
differences paired by pool. P(beats random) is the chance that a network trained on the picks beats
one trained on a random draw of the same pool. "Labels saved" is the share of labels that these
picks save against random draws of the same mean Dice, read from the curve of random draws over the
budgets of the task; "beyond the curve" means that random draws of the largest budget do not reach
it. Skin lesions: ISIC 2017. Nuclei: 2018 Data Science Bowl. Heart: ACDC. Breast: BUSI. Brain:
TCGA-LGG, masks by Buda et al. 2019. Chest films: NLM Montgomery County and
Shenzhen sets (Jaeger et al. 2014, Candemir et al. 2014; Shenzhen masks by Stirenko et al.).
"""


def page(found: Mapping[str, Comparison]) -> str:
    """All tables, in Markdown."""
    summaries = {name: summary_of(result.runs) for name, result in found.items()}
    parts = [HEADER]
    for title, development in (("report", False), ("development", True)):
        names = [name for name in found if SOURCES[name].development == development]
        names = [name for name in names if name != "films, uncleaned"]
        if names:
            runs = [run for name in names for run in found[name].runs]
            parts += [f"## All {title} tasks together", *together(runs)]
            parts += decided(runs, development)
    for name, result in found.items():
        parts += [f"## {name}: {SOURCES[name].what}", *one_task(result, summaries[name])]
        if name == "films, uncleaned":
            parts += adjusted(result)
    parts += [*agreement_table(), search_tables(search_lines()), recipe_table()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def summary_of(runs: Sequence[Mapping[str, Any]], **how: Any) -> Summary:
    return summarize(runs, against=AGAINST, n_bootstrap=N_BOOTSTRAP, **how)


def together(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """P(beats random), rank and the worst task of every selector, tasks weighing alike."""
    # one name for the networks of all tasks, so that tasks are pooled
    runs = [{**run, "segmenter": "U-Net"} for run in runs]
    summary = summary_of(runs)
    parts = []
    for budget in sorted({row["budget"] for row in summary.pools}):
        here = Summary(
            [row for row in summary.rows if row["budget"] == budget and not row["reference"]],
            [row for row in summary.comparisons if row["budget"] == budget],
            [row for row in summary.pools if row["budget"] == budget],
        )
        lines = []
        for row in pool_over(here, by=["selector"]):
            gains = task_means(here, row["selector"])
            if not gains:  # random draws themselves
                continue
            lines.append(
                {
                    "selector": row["selector"],
                    "tasks": str(len(gains)),
                    "P(beats random)": beats_random(row),
                    "minus random": f"{np.mean(list(gains.values())):+.2f}",
                    "worst task": f"{min(gains.values()):+.2f} ({min(gains, key=gains.get)})",
                    "rank": "-" if row["average_rank"] is None else f"{row['average_rank']:.1f}",
                }
            )
        lines.sort(key=lambda line: line["P(beats random)"], reverse=True)
        parts += [f"{budget} labels:", format_table(lines)]
    return parts


def task_means(summary: Summary, selector: str) -> dict[str, float]:
    """Mean difference to random in each task."""
    return {
        row["task"]: row["difference"]
        for row in summary.comparisons
        if (row["selector"], row["against"]) == (selector, "random")
    }


def decided(runs: Sequence[Mapping[str, Any]], development: bool) -> list[str]:
    """The tables that the protocol decides by."""
    if not development:
        return [
            "The comparisons of the protocol, p by Holm's method:",
            primary_table(runs),
            "Task by task, 5 and 10 labels together:",
            task_table(runs),
        ]
    return [
        "The rule for the default: P(beats random), mean of 5 and 10 labels (in brackets: pools), "
        f"in the {POOLS_OF_RULE} pools that every task has:",
        rule_table([run for run in runs if run["pool"] < POOLS_OF_RULE], CANDIDATES),
        "The same with every pool that was trained:",
        rule_table(runs, CANDIDATES),
    ]


def made_by(comparison: Comparison) -> str:
    """How many networks there are, and the commits that trained them."""
    networks = {run["key"]: run["seconds"] for run in comparison.runs}
    commits = ", ".join(dict.fromkeys(line["commit"] for line in comparison.sessions))
    minutes = sum(networks.values()) / 60
    return f"{len(networks)} networks, {minutes:.0f} minutes of training; commits {commits}."


def one_task(comparison: Comparison, summary: Summary) -> list[str]:
    """One table a budget, the best mean first, and the row of all labels."""
    parts = [made_by(comparison)]
    pairs = {(row["budget"], row["selector"], row["against"]): row for row in summary.comparisons}
    for budget in sorted({row["budget"] for row in summary.rows if not row["reference"]}):
        here = [row for row in summary.rows if row["budget"] == budget and not row["reference"]]
        of_budget = {key[1:]: row for key, row in pairs.items() if key[0] == budget}
        lines = []
        for row in sorted(here, key=lambda row: -row["dice"]):
            line = {
                "selector": row["selector"],
                "runs": str(row["n_runs"]),
                "Dice": f"{row['dice']:.1f}",
                "worst run": f"{row['worst_run']:.1f}",
            }
            for other in AGAINST:
                line[f"minus {other}"] = difference(of_budget, row["selector"], other)
            line["P(beats random)"] = beats_random(row)
            line["labels saved"] = saved(row)
            lines.append(line)
        parts += [f"{budget} labels, {here[0]['n_pools']} pools:", format_table(lines)]
    references = [reference(row) for row in summary.rows if row["reference"]]
    if references:
        parts += ["Without a selection:", format_table(references)]
    return parts


def saved(row: Mapping[str, Any]) -> str:
    """Share of the labels saved: random draws of how many labels are worth as much."""
    share, note = row["labels_saved_percent"], row["random_labels_note"]
    if share is None:
        return note or "-"
    return f"{share:.0f}%" + (f" ({note})" if note else "")


def adjusted(comparison: Comparison) -> list[str]:
    """Differences to random, raw and adjusted for masks of another convention among the picks."""
    others = set(comparison.sessions[0]["other_convention"])
    rows = summary_of(
        comparison.runs, covariate=lambda run: sum(row in others for row in run["rows"])
    ).comparisons
    lines = [
        {
            "selector": row["selector"],
            "labels": str(row["budget"]),
            "minus random": difference_in(row),
            "adjusted": difference_in(row, "_adjusted"),
        }
        for row in rows
        if row["against"] == "random"
    ]
    return [
        "The same, adjusted for how many of the picks have a mask of the other convention:",
        format_table(lines),
    ]
