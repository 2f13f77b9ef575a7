"""Which selector should be the default, and does it beat a random draw? Second edition.

    python benchmarks/study/main.py                                  # tables from the result files
    python benchmarks/study/main.py --page                           # and docs/results/study.md
    python benchmarks/study/main.py --data DIR --run skin nuclei     # train what is missing

The protocol is docs/protocol.md. A task is one comparison of `skxssr.evaluation.compare_selectors`
and one file in benchmarks/results/study/; every finished network is a line of it, so that a run may
be stopped and goes on where it was.
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import skxssr
from benchmarks.common import PAGES, commit, dispatch
from benchmarks.study.arms import EMBEDDING, arms, embed
from benchmarks.study.judge import RESULTS, file_of
from benchmarks.study.pages import page
from benchmarks.study.recipes import RECIPES, TUNED_ON
from benchmarks.study.recipes import RESULT as TUNING
from benchmarks.study.tasks import SOURCES, make_task, one_convention
from skxssr.evaluation import compare_selectors, load_comparison

PAGE = PAGES / "study.md"
BUDGETS = (5, 10)
TWENTY = ("skin", "breast")  # tasks that are asked at 20 labels, too
N_POOLS, N_RANDOM = 10, 5
POINTS = 2.0  # a recipe may be so much worse than the best, if it is cheaper


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets; only for --run")
    parser.add_argument("--run", nargs="*", default=[], metavar="TASK", choices=list(SOURCES))
    parser.add_argument(
        "--pools", type=int, default=N_POOLS, help=f"stop after so many ({N_POOLS})"
    )
    parser.add_argument("--budgets", type=int, nargs="*", default=list(BUDGETS))
    parser.add_argument("--arms", nargs="*", help="only these selectors, and random draws")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at a time (1)")
    parser.add_argument("--page", action="store_true", help="write the page in docs/results/")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    if args.run and args.data is None:
        parser.error("--run needs --data")
    return args


def recipe_of(name: str) -> str:
    """The cheapest recipe that is within POINTS of the best, over draws of source pictures."""
    runs = json.loads(TUNING.read_text(encoding="utf-8"))["runs"]
    means = {
        recipe: np.mean(
            [
                run["dice"]
                for run in runs
                if (run["source"], run["recipe"], run["labels"]) == (TUNED_ON[name], recipe, 10)
            ]
        )
        for recipe in RECIPES
    }
    return next(recipe for recipe in RECIPES if means[recipe] > max(means.values()) - POINTS)


def contradicting(task: skxssr.evaluation.Task) -> list[int]:
    """Rows of the target whose mask follows another convention; none where that is not known."""
    return [row for row, name in enumerate(task.ids) if not one_convention(name.split("/")[-1])]


def run(name: str, args: argparse.Namespace) -> None:
    """Train what a task lacks, in its first pools."""
    task = make_task(name, args.data, N_POOLS)
    task = dataclasses.replace(task, pools=task.pools[: args.pools])
    recipe = recipe_of(name)
    chosen = arms(SOURCES[name].development)
    if args.arms is not None:
        chosen = {arm: chosen[arm] for arm in args.arms}
    segmenter = skxssr.SMPSegmenter(
        **RECIPES[recipe],
        classes=[0, SOURCES[name].foreground],
        cache_dir=RESULTS / ".squares",
    )
    compare_selectors(
        task,
        chosen,
        embedders={EMBEDDING: embed(task)},
        budgets=args.budgets,
        segmenters={f"U-Net, {recipe}": segmenter},
        references=("all labels",),
        n_random=N_RANDOM,
        provenance={"commit": commit(), "other_convention": contradicting(task)},
        out=file_of(name),
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
    )


def main() -> None:
    args = parse_args()
    for name in args.run:
        run(name, args)
    found = {name: load_comparison(file_of(name)) for name in SOURCES if file_of(name).exists()}
    text = page({name: result for name, result in found.items() if result.runs})
    print(text)
    if args.page:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    dispatch(main, "study", ("figure", "judge", "outlook", "recipes", "review", "search"))
