"""Does any number computed from embeddings foretell what choosing gains? On the development tasks.

    python benchmarks/study/main.py outlook --data DIR    # measure, six minutes on one thread
    python benchmarks/study/main.py outlook               # tables from the result file
    python benchmarks/study/main.py outlook --page        # and docs/results/outlook.md

The gain is the mean Dice of selectors minus that of random draws of the same pool, by the ridge
judge. A cell is a task with a number of labels, the mean over its pools. Tasks are the units of
every p-value: their three cells are exchanged together, in all orders.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

import skxssr
from benchmarks.common import PAGES, RESULTS
from skxssr._utils.provenance import versions
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.evaluation import RidgeJudge, outlook
from skxssr.report import format_table
from skxssr.selection._engine.clusters import find_clusters

RESULT = RESULTS / "study" / "outlook.json"
PAGE = PAGES / "outlook.md"
TASKS = ("skin", "nuclei", "heart", "brain HT", "films, training")  # of development alone
BUDGETS = (5, 10, 20)
N_POOLS, N_RANDOM, N_DRAWS = 8, 20, 100
MAX_IMAGES = 600  # of a task: the judge keeps over a megabyte of each
SELECTORS: dict[str, Callable[[], Any]] = {
    "facility location": skxssr.FacilityLocationSelector,
    "TypiClust": skxssr.TypiClustSelector,
}
# What is computed from embeddings; the first is the one that `outlook` relates to gains.
NUMBERS = {
    "spread against source": "root mean square distance to the centre, over that of the source",
    "variation between draws": "standard deviation over mean, over 100 random draws, of the mean "
    "distance from an image to the nearest drawn one",
    "missed clusters": "share of k-means clusters, as many as labels, without a drawn image",
    "missed images": "share of the pool in those clusters",
    "even clusters": "effective number of those clusters (exponential of the entropy of their "
    "sizes) over the number of labels",
    "variance between clusters": "share of the variance that lies between the clusters",
    "nearer than draws": "by how much the selectors lower the mean distance to the nearest pick",
    "outliers": "share of images whose fifth neighbour is more than twice as far as the median one",
    "heavy tail": "mean fourth power of the distance to the centre over the squared mean square",
    "effective dimension": "participation ratio of the principal variances",
}
SHOWN, VARIATION = list(NUMBERS)[:2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets, to measure anew")
    parser.add_argument("--page", action="store_true", help="write the page in docs/results/")
    args = parser.parse_args()
    if args.data is not None:
        import torch

        torch.set_num_threads(1)
        records = [record for name in TASKS for record in measure(name, args.data)]
        found = {"versions": versions(), "selectors": list(SELECTORS), "records": records}
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    records = json.loads(RESULT.read_text(encoding="utf-8"))["records"]
    text = page(records)
    print(text)
    print("In skxssr/evaluation/pool_outlook.py:", constants(records))
    if args.page:
        PAGE.write_text(text, encoding="utf-8")


def measure(name: str, data: Path) -> list[dict[str, Any]]:
    """One record for each pool and number of labels of a task."""
    from benchmarks.study.tasks import SOURCES, make_task

    if not SOURCES[name].development:
        raise ValueError(f"{name!r} is a task of the report: it is looked at once, not here.")
    started = time.perf_counter()
    task = make_task(name, data, N_POOLS)
    n = len(task.images)
    kept = np.sort(np.random.default_rng(0).permutation(n)[:MAX_IMAGES])
    place = np.full(n, -1)
    place[kept] = np.arange(len(kept))
    images = [task.images[row] for row in kept]
    groups = None if task.groups is None else np.asarray(task.groups)[kept]
    embedder = skxssr.RandomFeaturesEmbedder(device="cpu").fit(task.source_images)
    source, embedded = embedder.transform(task.source_images), embedder.transform(images)
    judge = RidgeJudge(images, [task.masks[row] for row in kept], device="cpu")
    records = []
    for number, pool in enumerate(task.pools):
        rows, test = (part[part >= 0] for part in (place[pool.rows], place[pool.test]))
        X, patients = embedded[rows], None if groups is None else groups[rows]
        for budget in BUDGETS:
            picks = {
                selector: make().fit(source).select(X, budget, groups=patients)
                for selector, make in SELECTORS.items()
            }
            draws = [
                skxssr.RandomSelector(random_state=N_RANDOM * number + draw).select(
                    X, budget, groups=patients
                )
                for draw in range(N_RANDOM)
            ]
            scored = 100 * judge.scores([rows[p] for p in (*picks.values(), *draws)], test)
            dice = np.round(scored, 3).tolist()
            found = numbers(X, source, budget, patients, list(picks.values()), draws)
            records.append(
                {
                    "task": name,
                    "pool": number,
                    "budget": budget,
                    "numbers": {key: round(value, 6) for key, value in found.items()},
                    "dice": dict(zip(picks, dice, strict=False)),
                    "random": dice[len(picks) :],
                }
            )
    print(f"{name}: {len(kept)} images, {time.perf_counter() - started:.0f} s", flush=True)
    return records


def numbers(
    X: np.ndarray,
    source: np.ndarray,
    budget: int,
    groups: np.ndarray | None,
    picks: Sequence[np.ndarray],
    draws: Sequence[np.ndarray],
) -> dict[str, float]:
    """`NUMBERS` of one pool."""
    seen = outlook(X, budget, source=source, groups=groups, n_draws=N_DRAWS)
    prepare = fit_scale_and_pca(source, X)
    Z = prepare(X).astype(np.float64)
    clusters = find_clusters(Z, budget, np.ones(len(Z)), n_init=3, random_state=0)
    share = clusters.weight / clusters.weight.sum()
    between = cdist(Z, Z)
    fifth = np.sort(between, axis=1)[:, min(5, len(Z) - 1)]  # a row is its own nearest

    def to_nearest(sets: Sequence[np.ndarray]) -> float:
        return float(np.mean([between[:, rows].min(axis=1).mean() for rows in sets]))

    variances = ((Z - Z.mean(axis=0)) ** 2).mean(axis=0)  # axes are nearly those of the pool
    spread = ((Z - Z.mean(axis=0)) ** 2).sum(axis=1)
    values = (
        seen.spread,
        seen.variation,
        seen.missed_clusters,
        seen.missed_images,
        np.exp(-(share * np.log(share)).sum()) / budget,
        1 - (clusters.distance**2).sum() / spread.sum(),
        1 - to_nearest(picks) / to_nearest(draws),
        (fifth > 2 * np.median(fifth)).mean(),
        (spread**2).mean() / spread.mean() ** 2,
        variances.sum() ** 2 / (variances**2).sum(),
    )
    return dict(zip(NUMBERS, map(float, values), strict=True))


def cells(records: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Each number and outcome, tasks x numbers of labels: the mean over pools."""
    tasks = list(dict.fromkeys(record["task"] for record in records))
    budgets = sorted({record["budget"] for record in records})

    def table(value: Callable[[dict[str, Any]], float]) -> np.ndarray:
        found = [
            [
                np.mean([value(r) for r in records if (r["task"], r["budget"]) == (task, budget)])
                for budget in budgets
            ]
            for task in tasks
        ]
        return np.array(found)

    def gain(record: dict[str, Any], names: Sequence[str]) -> float:
        return float(np.mean([record["dice"][name] for name in names]) - np.mean(record["random"]))

    selectors = list(records[0]["dice"])
    answer = {name: table(lambda r, name=name: r["numbers"][name]) for name in NUMBERS}
    answer["gain"] = table(lambda r: gain(r, selectors))
    for name in selectors:
        answer[f"gain of {name}"] = table(lambda r, name=name: gain(r, [name]))
    answer["luck"] = table(lambda r: float(np.std(r["random"], ddof=1)))
    answer["random"] = table(lambda r: float(np.mean(r["random"])))
    return answer


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(spearmanr(x.ravel(), y.ravel()).statistic)


def in_every_order(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The correlation in every order of the tasks, cells of a task together; the first is ours."""
    orders = itertools.permutations(range(len(x)))
    return np.array([spearman(x[list(order)], y) for order in orders])


def p_values(found: dict[str, np.ndarray], outcome: str) -> tuple[dict[str, float], float]:
    """Two-sided p-value of each number alone; and that of the best of them all."""
    every = {name: np.abs(in_every_order(found[name], found[outcome])) for name in NUMBERS}
    best = np.max(list(every.values()), axis=0)
    return {name: _at_least(values) for name, values in every.items()}, _at_least(best)


def _at_least(values: np.ndarray) -> float:
    """Share of values as large as the first, but for rounding."""
    return float((values >= values[0] - 1e-9).mean())


def page(records: Sequence[dict[str, Any]]) -> str:
    """All tables, in Markdown."""
    found = cells(records)
    tasks = list(dict.fromkeys(record["task"] for record in records))
    budgets = sorted({record["budget"] for record in records})
    selectors = [name.removeprefix("gain of ") for name in found if name.startswith("gain of ")]
    alone, best = p_values(found, "gain")
    means = {name: values.mean(axis=1, keepdims=True) for name, values in found.items()}
    alone_between, best_between = p_values(means, "gain")
    n_pools = len({record["pool"] for record in records})
    foretold = [
        {
            "number": name,
            "with the gain": f"{spearman(found[name], found['gain']):+.2f}",
            "one task left out": _left_out(found[name], found["gain"]),
            "p": f"{alone[name]:.2f}",
            "between tasks": f"{spearman(means[name], means['gain']):+.2f}",
            "p between": f"{alone_between[name]:.2f}",
            **{s: f"{spearman(found[name], found[f'gain of {s}']):+.2f}" for s in selectors},
            "with the luck": f"{spearman(found[name], found['luck']):+.2f}",
        }
        for name in NUMBERS
    ]
    measured = [
        {
            "task": f"{task}, {budget} labels",
            SHOWN: f"{found[SHOWN][i, j]:.2f}",
            VARIATION: f"{found[VARIATION][i, j]:.1%}",
            "missed images": f"{found['missed images'][i, j]:.0%}",
            "random Dice": f"{found['random'][i, j]:.1f}",
            "luck": f"{found['luck'][i, j]:.1f}",
            **{s: f"{found[f'gain of {s}'][i, j]:+.1f}" for s in selectors},
            "gain": f"{found['gain'][i, j]:+.1f}",
        }
        for i, task in enumerate(tasks)
        for j, budget in enumerate(budgets)
    ]
    ranges = [
        {
            "labels": f"{budget} labels",
            "lowest variation": f"{found[VARIATION][:, j].min():.1%}",
            "highest variation": f"{found[VARIATION][:, j].max():.1%}",
            "lowest gain": f"{found['gain'][:, j].min():+.1f}",
            "mean gain": f"{found['gain'][:, j].mean():+.1f}",
            "highest gain": f"{found['gain'][:, j].max():+.1f}",
        }
        for j, budget in enumerate(budgets)
    ]
    summary = [
        {
            "of all numbers": "the best",
            "p": f"{best:.2f}",
            "p between": f"{best_between:.2f}",
            "tried": str(len(NUMBERS)),
        }
    ]
    parts = [
        "# Results: does anything foretell what choosing gains?",
        "Written by `python benchmarks/study/main.py outlook --page` from "
        "`benchmarks/results/study/outlook.json`. The gain is the mean Dice x 100 of "
        f"{' and '.join(selectors)} minus that of {N_RANDOM} random draws of the same pool, by the "
        f"ridge judge, in {n_pools} pools of each of {len(tasks)} development tasks; luck is the "
        "standard deviation of those draws. Embeddings by `RandomFeaturesEmbedder`. Of a task with "
        f"more than {MAX_IMAGES} target images as many, drawn at random, are used.",
        "## Correlation",
        f"Spearman correlation over {len(tasks) * len(budgets)} cells (a task with a number of "
        "labels), and between tasks, over the means of their cells. P-values exchange whole tasks, "
        "in all orders; of five tasks there are 120.",
        format_table(foretold),
        "The chance that the best of so many numbers does as well or better, where none foretells "
        "anything:",
        format_table(summary),
        *(f"* {name}: {what}." for name, what in NUMBERS.items()),
        "## Ranges",
        "Over tasks, the mean over pools of each:",
        format_table(ranges),
        "## Cells",
        format_table(measured),
    ]
    text = "\n\n".join(parts) + "\n"
    return text.replace(".\n\n* ", ".\n* ")


def _left_out(x: np.ndarray, y: np.ndarray) -> str:
    """Lowest and highest correlation without one of the tasks."""
    values = [spearman(np.delete(x, i, axis=0), np.delete(y, i, axis=0)) for i in range(len(x))]
    return f"{min(values):+.2f} to {max(values):+.2f}"


def constants(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What `skxssr/evaluation/pool_outlook.py` says of the five tasks."""
    found = cells(records)
    ranges = {
        name: [(round(float(c.min()), 3), round(float(c.max()), 3)) for c in found[name].T]
        for name in (VARIATION, "gain")
    }
    budgets = sorted({record["budget"] for record in records})
    alone, best = p_values(found, "gain")
    return {
        "MEASURED": dict(zip(budgets, zip(*ranges.values(), strict=True), strict=True)),
        "SPREAD": (round(float(found[SHOWN].min()), 2), round(float(found[SHOWN].max()), 2)),
        "SPEARMAN": round(spearman(found[SHOWN], found["gain"]), 2),
        "P_VALUE": round(alone[SHOWN], 2),
        "P_BEST": round(best, 2),
        "N_TRIED": len(NUMBERS),
    }
