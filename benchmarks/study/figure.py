"""Draw docs/_static/study.png, the figure of the README: Dice against labels on two tasks.

    python benchmarks/study/main.py figure

The band is from the 10th to the 90th percentile of random draws, over pools; a cross is the worst.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.common import ROOT  # noqa: E402
from benchmarks.study.decide import ALL_LABELS, OURS, dice_of_budgets  # noqa: E402
from benchmarks.study.judge import file_of  # noqa: E402
from skxssr.evaluation import load_comparison  # noqa: E402

OUT = ROOT / "docs" / "_static" / "study.png"
TITLES = {
    "skin": "Skin lesions of many cameras",
    "breast": "Breast ultrasound",
    "films": "Chest films of one hospital",
}
COLOURS = {OURS: "#0072B2", "CoreSet": "#D55E00"}
MARKERS = {OURS: "o", "CoreSet": "s"}


def draw(ax: Any, task: str, runs: Sequence[Any]) -> None:
    found = dice_of_budgets(runs)
    budgets = sorted(budget for budget in found if OURS in found[budget])
    random = [found[budget]["random"] for budget in budgets]
    low, high = (np.array([np.percentile(values, q) for values in random]) for q in (10, 90))
    ax.fill_between(budgets, low, high, color="0.88", label="random: 10th to 90th percentile")
    ax.plot(budgets, [values.mean() for values in random], color="0.45", label="random: mean")
    ax.plot(
        budgets, [values.min() for values in random], "x", color="0.45", label="random: worst draw"
    )
    for name in ("CoreSet", OURS):
        means = [found[budget][name].mean() for budget in budgets]
        ax.plot(budgets, means, color=COLOURS[name], marker=MARKERS[name], label=name, lw=2)
    full = [100 * np.nanmean(run["dice"]) for run in runs if run["selector"] == ALL_LABELS]
    if full:
        ax.axhline(
            float(np.mean(full)), color="0.2", ls=":", lw=1.2, label="all labels of the pool"
        )
    ax.set_title(TITLES.get(task, task), fontsize=11)
    ax.set_xticks(budgets, [str(budget) for budget in budgets])
    ax.set_xlabel("labels")
    ax.grid(axis="y", color="0.93")
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs=2, default=["breast", "films"])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    for ax, task in zip(axes, args.tasks, strict=True):
        draw(ax, task, load_comparison(file_of(task)).runs)
    axes[0].set_ylabel("Dice x 100 of a U-Net\ntrained on these labels alone")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.savefig(args.out, dpi=150, metadata={"Software": None})
    print(f"Look at {args.out}.")
