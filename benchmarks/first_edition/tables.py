"""The tables of the study, from its result files. Needs no data and trains nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common import beats_random, difference, difference_in, reference
from skxssr.evaluation import (
    Comparison,
    Summary,
    pool_over,
    proxy_agreement,
    rank_correlations,
    summarize,
)
from skxssr.report import format_table

# settled in docs/protocol.md before the study
PRIMARY_FILE = "cxr_test"
_CELL = {"selector": "XSSR", "budget": 10, "embedder": "MAE, source", "block": "picks"}
PRIMARY = [
    {**_CELL, "against": "random"},
    {**_CELL, "against": "CoreSet"},
    {**_CELL, "against": "MaxHerding", "margin": -0.3},
]
CANDIDATE = "novelty as demand weight"
AGAINST = ("random", "CoreSet", "MaxHerding")
_PLACE = ("task", "block", "embedder", "segmenter", "budget")


def tables(name: str, comparison: Comparison) -> str:
    """Everything that one result file says, in Markdown."""
    runs = comparison.runs
    primary = PRIMARY if name == PRIMARY_FILE else ()
    summary = summarize(runs, against=AGAINST, primary=primary, n_bootstrap=10_000)
    parts = [f"## {name}", sources(comparison)]
    for place in dict.fromkeys(_place(row) for row in summary.rows if not row["reference"]):
        parts += [describe(place), format_table(table(summary, place))]
    parts += [f"Alpha chosen, and in how many pools: {text}." for text in alphas(runs)]
    references = [reference(row) for row in summary.rows if row["reference"]]
    if references:
        parts += ["Without a selection:", format_table(references)]
    correlations = [correlation(row) for row in rank_correlations(runs)]
    if correlations:
        title = (
            "Spearman correlation of label-free quantities with Dice, over random draws, centred"
        )
        parts += [f"{title} within pools:", format_table(correlations)]
    segmenters = {run["segmenter"] for run in runs}
    for proxy in sorted(s for s in segmenters if s.startswith("proxy")):
        for real in sorted(segmenters - {proxy}):
            parts += agreement(runs, proxy, real)
    return "\n\n".join(parts) + "\n"


def agreement(runs: Sequence[dict[str, Any]], one: str, other: str) -> list[str]:
    """How alike two networks rank the same picks."""
    return [
        f"Rank correlation of {one} with {other}, {row['budget']} labels: "
        f"{row['spearman']:.2f} [{row['low']:.2f}, {row['high']:.2f}] over {row['n']} sets "
        f"of picks in {row['n_pools']} pools."
        for row in proxy_agreement(runs, proxy=one, segmenter=other)
    ]


def resolutions(small: Comparison, large: Comparison) -> str:
    """Do networks of 64 and 256 pixels rank the same picks, in the same pools, alike?"""
    lines = agreement([*small.runs, *large.runs], "U-Net 64 px", "compact U-Net 256 px")
    there = {(run["pool"], run["digest"]) for run in large.runs}
    arms = {run["selector"] for run in large.runs}
    same = [
        run
        for run in small.runs
        if run["selector"] in arms and (run["pool"], run.get("digest")) in there
    ]
    rows = {}
    for name, runs in (("64 pixels", same), ("256 pixels", large.runs)):
        for row in summarize(runs, against=("random",), n_bootstrap=10_000).comparisons:
            shown = rows.setdefault(row["selector"], {"minus random": row["selector"]})
            shown[name] = f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
    return "\n\n".join(["## 64 and 256 pixels", *lines, format_table([*rows.values()])]) + "\n"


def adjusted(comparison: Comparison, other_convention: Sequence[int]) -> str:
    """What is left of the differences once contradicting masks among the picks are counted."""
    others = set(other_convention)

    def count(run: Mapping[str, Any]) -> int:
        return sum(row in others for row in run["rows"])

    runs = [
        run
        for run in comparison.runs
        if not run.get("reference") and run["embedder"] == "MAE, source"
    ]
    parts = ["## contradicting_masks"]
    for budget in sorted({run["budget"] for run in runs}):
        here = [run for run in runs if run["budget"] == budget]
        dice = [100 * np.nanmean(np.array(run["dice"], dtype=float)) for run in here]
        counts = [count(run) for run in here]
        slope, without = np.polyfit(counts, dice, 1)
        parts.append(
            f"{budget} labels: over {len(here)} networks Dice and the number of such masks among "
            f"the picks have a correlation of {np.corrcoef(counts, dice)[0, 1]:.2f}; a network "
            f"without any has {without:.2f}, each costs {-slope:.2f}."
        )
    summary = summarize(runs, against=("random",), n_bootstrap=2_000, covariate=count)
    lines = [
        {
            "selector": row["selector"],
            "labels": str(row["budget"]),
            "pools": str(row["n_pools"]),
            "minus random": difference_in(row),
            "adjusted for the count": difference_in(row, "_adjusted"),
        }
        for row in summary.comparisons
    ]
    return "\n\n".join([*parts, format_table(lines)]) + "\n"


def default_rule(development: Comparison) -> str:
    """What the rule of docs/protocol.md for the default rests on."""
    summary = summarize(development.runs, against=("random",), n_bootstrap=1)
    values: dict[str, dict[int, float]] = {}
    for row in summary.pools:
        if row["segmenter"] == "U-Net 64 px":
            values.setdefault(row["selector"], {})[row["pool"]] = row["dice"]
    random = values.pop("random")
    rows = []
    for name, dice in values.items():
        gains = np.array([dice[pool] - random[pool] for pool in random])
        rows.append(
            {
                "form": name,
                "minus random": f"{gains.mean():+.3f}",
                "standard error": f"{gains.std(ddof=1) / len(gains) ** 0.5:.3f}",
            }
        )
    rows.sort(key=lambda row: -float(row["minus random"]))
    return "\n\n".join(["## The rule for the default", format_table(rows)]) + "\n"


def second_round(development: Sequence[Comparison], report: Sequence[Comparison]) -> str:
    """Novelty as demand weight: the decision by the rule of docs/protocol.md, and the report."""
    dice: dict[tuple[str, int, int], float] = {}
    for run in (run for comparison in development for run in comparison.runs):
        if run["segmenter"] == "U-Net 64 px" and not run.get("reference"):
            name = run["selector"].removeprefix("residual, ")
            dice[name, run["budget"], run["pool"]] = 100 * float(np.mean(run["dice"]))
    differences = np.array(
        [
            [
                dice[CANDIDATE, budget, pool] - dice["alpha auto", budget, pool]
                for budget in (5, 10, 22)
            ]
            for pool in sorted({pool for _, _, pool in dice})
        ]
    )
    rows = [("5", "10", "22", "mean"), np.column_stack([differences, differences.mean(axis=1)]).T]
    decision = [
        {
            "labels": labels,
            "pools": str(len(values)),
            "candidate minus default": f"{values.mean():+.3f}",
            "standard error": f"{values.std(ddof=1) / len(values) ** 0.5:.3f}",
        }
        for labels, values in zip(*rows, strict=True)
    ]
    runs = [
        run
        for comparison in report
        for run in comparison.runs
        if run["selector"] in ("XSSR", CANDIDATE) and run["embedder"] == "MAE, source"
    ]
    primary = [{"task": "cxr", "budget": 10, "selector": CANDIDATE, "against": "XSSR"}]
    reported = [
        {
            "task": row["task"],
            "labels": str(row["budget"]),
            "pools": str(row["n_pools"]),
            "candidate minus default": f"{row['difference']:+.2f} "
            f"[{row['low']:+.2f}, {row['high']:+.2f}]",
            "p": f"{row['p']:.2f}" if row["primary"] else "-",
        }
        for row in summarize(
            runs, against=("XSSR",), primary=primary, n_bootstrap=10_000
        ).comparisons
    ]
    return "\n\n".join(
        [
            f"## Second round: {CANDIDATE}",
            "The decision, in the development cells:",
            format_table(decision),
            "The report, on the test films:",
            format_table(reported) + "\n",
        ]
    )


def alphas(runs: Sequence[dict[str, Any]]) -> list[str]:
    """What calibration chose, for every selector that calibrates."""
    chosen: dict[tuple[str, str, int], dict[int, float]] = {}
    for run in runs:
        if run.get("parameters", {}).get("alpha") == "auto" and run["alpha"] is not None:
            cell = (run["selector"], run["embedder"], run["budget"])
            chosen.setdefault(cell, {})[run["pool"]] = round(run["alpha"], 2)
    return [
        f"{name} ({embedder}, {budget} labels) "
        + ", ".join(f"{alpha:g} in {n}" for alpha, n in sorted(Counter(pools.values()).items()))
        for (name, embedder, budget), pools in chosen.items()
    ]


def goals(comparisons: Sequence[Comparison]) -> str:
    """All tasks and blocks together, for the goals of docs/protocol.md."""
    runs = [
        run
        for comparison in comparisons
        for run in comparison.runs
        if run["embedder"] in ("MAE, source", "none") and run["segmenter"] == "U-Net 64 px"
    ]
    summary = summarize(runs, against=AGAINST, n_bootstrap=10_000)
    lines = []
    for row in pool_over(summary, by=["selector"]):
        low, high = (
            _number(row["beats_random_low"], ".2f"),
            _number(row["beats_random_high"], ".2f"),
        )
        at = row["worst_difference_at"]
        lines.append(
            {
                "selector": row["selector"],
                "cells": str(row["n_cells"]),
                "P(beats random)": f"{row['beats_random']:.2f} [{low}, {high}]",
                "worst lower end, minus random": _number(row["worst_difference_low"], "+.2f"),
                "where": ", ".join(str(at[name]) for name in ("task", "block", "budget")),
                "rank": _number(row["average_rank"], ".1f"),
            }
        )
    lines.sort(key=lambda line: line["P(beats random)"], reverse=True)
    labels = [
        {
            "task": row["task"],
            "block": row["block"],
            "labels": str(row["budget"]),
            "random labels for the same Dice": (
                row["random_labels_note"] or _number(row["random_labels"], ".1f")
            )
            + _between(row),
            "labels saved": _number(row["labels_saved_percent"], ".0f", "%"),
            "minus bad draw": _number(row["above_bad_draw"], "+.2f"),
            "the same for random": _number(chance_of[_place(row)]["above_bad_draw"], "+.2f"),
        }
        for chance_of in [{_place(r): r for r in summary.rows if r["selector"] == "random"}]
        for row in summary.rows
        if row["selector"] == "XSSR"
    ]
    return (
        "\n\n".join(["## All tasks and blocks", format_table(lines), format_table(labels)]) + "\n"
    )


def _between(row: dict[str, Any]) -> str:
    """The interval of a number of random labels."""
    low, high = row["random_labels_low"], row["random_labels_high"]
    if low is None:
        return ""
    ends = ("below" if low == 0 else f"{low:.1f}", "beyond" if high is None else f"{high:.1f}")
    return f" [{', '.join(ends)}]"


def sources(comparison: Comparison) -> str:
    """Which code made the runs, and where."""
    made = [f"commit {line['commit']} on {line['machine']}" for line in comparison.sessions]
    for line in comparison.sessions:
        made += [
            f"sites told apart by {kind} with an AUC of {', '.join(map(str, aucs))}"
            for kind, aucs in line.get("site_auc", {}).items()
        ]
    minutes = sum(run["seconds"] for run in _networks(comparison)) / 60
    return (
        f"{len(_networks(comparison))} networks, {minutes:.0f} minutes of training; "
        f"{'; '.join(dict.fromkeys(made))}."
    )


def _networks(comparison: Comparison) -> list[dict[str, Any]]:
    """Each network once, however many selections it stands for."""
    return list({run["key"]: run for run in comparison.runs}.values())


def describe(place: tuple[Any, ...]) -> str:
    values = dict(zip(_PLACE, place, strict=True))
    return (
        f"**{values['task']}, {values['budget']} labels**: block {values['block']}, embeddings by "
        f"{values['embedder']}, {values['segmenter']}"
    )


def table(summary: Summary, place: tuple[Any, ...]) -> list[dict[str, str]]:
    """One line a selector, the best mean first."""
    rows = [row for row in summary.rows if not row["reference"] and _place(row) == place]
    pairs = {
        (row["selector"], row["against"]): row
        for row in summary.comparisons
        if _place(row) == place
    }
    lines = []
    for row in sorted(rows, key=lambda row: -row["dice"]):
        line = {
            "selector": row["selector"],
            "pools": str(row["n_pools"]),
            "runs": str(row["n_runs"]),
            "Dice": f"{row['dice']:.2f}",
            "worst run": f"{row['worst_run']:.2f}",
        }
        for other in AGAINST:
            line[f"minus {other}"] = difference(pairs, row["selector"], other)
        line["P(beats random)"] = beats_random(row)
        line["minus bad draw"] = _number(row["above_bad_draw"], "+.2f")
        line["rank"] = _number(row["average_rank"], ".1f")
        lines.append(line)
    return lines


def correlation(row: dict[str, Any]) -> dict[str, str]:
    return {
        "quantity": row["quantity"],
        "block": row["block"],
        "embedder": row["embedder"],
        "segmenter": row["segmenter"],
        "labels": str(row["budget"]),
        "Spearman": f"{row['spearman']:+.2f}",
        "p": f"{row['p']:.3f}",
        "subsets": str(row["n"]),
    }


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _PLACE)


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit
