"""The ablation of the XSSR paper: density, novelty and diversity removed in turn.

    python benchmarks/paper/main.py ablation --data DIR --task cxr|riga|prostate|lgg
        [--budget 5%] [--seeds 3] [--split dev|test] [--fast | --large] [--jobs 1]

Both forms of `skxssr.selection.XSSR_VARIANTS` are taken apart, each compared with itself complete.
A term removed is 1 for every image; alpha is calibrated anew for what is left. Networks are shared
with main.py.
"""

import numpy as np

from benchmarks.common import difference
from benchmarks.paper.arms import ablation_arms
from benchmarks.paper.main import FORMS
from benchmarks.paper.tasks import (
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

TERMS = ("density", "novelty", "diversity")


def table(comparison: Comparison) -> list[dict[str, str]]:
    """One line a form and term removed."""
    picked = [run for run in comparison.runs if not run.get("reference")]
    pairs = {
        (row["selector"], row["against"]): row
        for row in summarize(picked, against=("random", *FORMS)).comparisons
    }
    lines = []
    for form in FORMS:
        for name in (form, *(f"{form}, without {term}" for term in TERMS)):
            runs = runs_of(comparison, name)
            alphas = [f"{run['alpha']:.1f}" for run in runs if run["alpha"] is not None]
            lines.append(
                {
                    "picked by": name,
                    "alpha": " ".join(alphas) or "-",
                    "runs": str(len(runs)),
                    "Dice": f"{np.nanmean(dice_of(runs)):.2f}",
                    "% of all": percent_of_all(comparison, name),
                    "minus complete [95%]": difference(pairs, name, form),
                    "minus random [95%]": difference(pairs, name, "random"),
                }
            )
    return lines


def main() -> None:
    setting = prepare(parse_args(__doc__))
    comparison = compare(setting, ablation_arms())
    print(heading(setting, "Ablation"))
    print(format_table(table(comparison)))
    print("\nalpha for each seed; differences paired by seed, too narrow with few seeds.")
