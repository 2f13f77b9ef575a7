"""The main table of the XSSR paper: random, CoreSet, XSSR, all labels, and the source alone.

    python benchmarks/paper/main.py --data DIR --task cxr|riga|prostate|lgg
        [--budget 5%] [--seeds 3] [--split dev|test] [--fast | --large] [--jobs 1]

For each seed an autoencoder is trained on the source images, selectors pick from the pool of the
target, and one U-Net per arm is trained on its picks alone, all by one recipe. XSSR comes in two
forms, neither of which is the paper's code: "XSSR as described", our reading of its abstract, and
"XSSR", the default of this package. The figures of one say nothing of the other. What is finished
is in results/, where a stopped run goes on; pairs, splits and recipes: tasks.py.

"lgg" stands in for the prostate: several institutions, patients made of slices. It was not in the
paper, and its slices were kept by their masks.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.common import difference, dispatch
from benchmarks.paper.arms import forms, some_rivals
from benchmarks.paper.tasks import (
    AFTER,
    BEFORE,
    compare,
    dice_of,
    heading,
    parse_args,
    percent_of_all,
    prepare,
    runs_of,
)
from skxssr.evaluation import Comparison, summarize
from skxssr.report import format_table

FORMS = ("XSSR as described", "XSSR")


def arms() -> dict[str, Any]:
    return {**some_rivals("CoreSet"), **forms(*FORMS)}


def table(comparison: Comparison) -> list[dict[str, str]]:
    """One line an arm."""
    picked = [run for run in comparison.runs if not run.get("reference")]
    pairs = {
        (row["selector"], row["against"]): row
        for row in summarize(picked, against=("random",)).comparisons
    }
    lines = []
    for name in (*BEFORE, *FORMS, *AFTER):
        runs = runs_of(comparison, name)
        dice = dice_of(runs)
        means = np.nanmean(dice, axis=1)
        lines.append(
            {
                "trained on": name,
                "labels": str(runs[0]["labels"]),
                "runs": str(len(runs)),
                "Dice": f"{means.mean():.2f}",
                "sd": f"{means.std(ddof=1):.2f}" if len(runs) > 1 else "-",
                "worst run": f"{means.min():.2f}",
                "5th pct": f"{np.nanpercentile(dice, 5):.2f}",
                "% of all": percent_of_all(comparison, name),
                "minus random [95%]": difference(pairs, name, "random"),
            }
        )
    return lines


def main() -> None:
    setting = prepare(parse_args(__doc__))
    comparison = compare(setting, arms())
    print(heading(setting, "Main table"))
    print(format_table(table(comparison)))
    print(
        "\nsd and worst over runs, 5th percentile over test units of all runs; differences paired "
        "by seed,\nbootstrap over seeds, draws and test units: too narrow with few seeds."
    )


if __name__ == "__main__":
    dispatch(main, "paper", ("ablation", "sheets", "sites"))
