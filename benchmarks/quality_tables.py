"""Print the tables of the study from its result files. No data and no network needed."""

from typing import Any

from skxssr.evaluation import (
    Comparison,
    Summary,
    proxy_agreement,
    rank_correlations,
    summarize,
)
from skxssr.report import format_table

# settled in docs/protocol.md before the study
PRIMARY_CELL = "cxr_10"
PRIMARY = [
    {"selector": "XSSR", "against": "random", "budget": 10},
    {"selector": "XSSR", "against": "CoreSet", "budget": 10},
    {"selector": "XSSR", "against": "MaxHerding", "budget": 10, "margin": -0.3},
]
AGAINST = ("random", "CoreSet", "MaxHerding")
_PLACE = ("task", "block", "embedder", "segmenter", "budget")


def print_tables(name: str, comparison: Comparison) -> None:
    """Everything that one result file says."""
    runs = comparison.runs
    if not runs:
        return
    summary = summarize(
        runs, against=AGAINST, primary=PRIMARY if name == PRIMARY_CELL else (), n_bootstrap=10_000
    )
    print(f"\n## {name}\n")
    for place in dict.fromkeys(_place(row) for row in summary.rows if not row["reference"]):
        print(f"{describe(place)}\n\n{format_table(table(summary, place))}\n")
    references = [row for row in summary.rows if row["reference"]]
    if references:
        print(f"Without a selection\n\n{format_table([reference(row) for row in references])}\n")
    correlations = rank_correlations(runs)
    if correlations:
        print("Spearman correlation of label-free quantities with Dice, over random draws,")
        print(f"centred within pools\n\n{format_table(list(map(correlation, correlations)))}\n")
    segmenters = {run["segmenter"] for run in runs}
    for proxy in sorted(s for s in segmenters if s.startswith("proxy")):
        for real in sorted(segmenters - {proxy}):
            for row in proxy_agreement(runs, proxy=proxy, segmenter=real):
                print(
                    f"Rank correlation of {proxy!r} with {real!r}, {row['budget']} labels: "
                    f"{row['spearman']:.2f} [{row['low']:.2f}, {row['high']:.2f}] over {row['n']} "
                    f"sets of picks in {row['n_pools']} pools.\n"
                )


def describe(place: tuple[Any, ...]) -> str:
    values = dict(zip(_PLACE, place, strict=True))
    return (
        f"{values['task']}, {values['budget']} labels, block {values['block']!r}, "
        f"embedder {values['embedder']!r}, {values['segmenter']}"
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
        line["P(beats random)"] = chance(row)
        line["minus bad draw"] = _number(row["above_bad_draw"], "+.2f")
        line["rank"] = _number(row["average_rank"], ".1f")
        lines.append(line)
    return lines


def difference(pairs: dict[tuple[str, str], Any], selector: str, other: str) -> str:
    """Such as "+0.31 [+0.02, +0.60]", with the sign turned where the pair is filed in reverse."""
    if (selector, other) in pairs:
        pair, sign, low, high = pairs[selector, other], 1, "low", "high"
    elif (other, selector) in pairs:
        pair, sign, low, high = pairs[other, selector], -1, "high", "low"
    else:
        return "-"
    if pair["difference"] is None:
        return "-"
    text = f"{sign * pair['difference']:+.2f}"
    if pair["low"] is not None:
        text += f" [{sign * pair[low]:+.2f}, {sign * pair[high]:+.2f}]"
    if pair["primary"]:
        text += f" p={pair['p_holm']:.3f}"
    return text


def chance(row: dict[str, Any]) -> str:
    if row["beats_random"] is None:
        return "-"
    if row["beats_random_low"] is None:
        return f"{row['beats_random']:.2f}"
    low, high = row["beats_random_low"], row["beats_random_high"]
    return f"{row['beats_random']:.2f} [{low:.2f}, {high:.2f}]"


def reference(row: dict[str, Any]) -> dict[str, str]:
    return {
        "trained on": row["selector"],
        "block": row["block"],
        "segmenter": row["segmenter"],
        "labels": str(row["budget"]),
        "runs": str(row["n_runs"]),
        "Dice": f"{row['dice']:.2f}",
        "worst run": f"{row['worst_run']:.2f}",
    }


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


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
