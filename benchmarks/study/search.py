"""The search of docs/protocol.md: forms and embeddings, ranked by the ridge judge.

    python benchmarks/study/main.py search --data DIR [--tasks skin nuclei] [--pools 5]
    python benchmarks/study/main.py search                     # the tables, from the result file

Development tasks alone. Every selection is a line of benchmarks/results/study/search.jsonl: its
Dice by the judge, and the number of random draws of its pool that it beats. An embedding and a task
that are on file are not run again.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
from sklearn.base import clone

import skxssr
from benchmarks.common import RESULTS
from benchmarks.study.arms import ClusterRandomSelector
from benchmarks.study.tasks import SOURCES, make_task
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.evaluation import RidgeJudge, Task
from skxssr.report import format_table
from skxssr.selection.variants import make_variant

RESULT = RESULTS / "study" / "search.jsonl"
BUDGETS = (5, 10, 20)
N_RANDOM = 20
N_DEMAND = 1_500  # patches that stand for all
TASKS = [name for name, where in SOURCES.items() if where.development]
MAE = {"image_size": 64, "patch_size": 8, "pooling": "mean+std", "steps": 1000, "device": "cpu"}

EMBEDDINGS: dict[str, Any] = {
    **{
        f"random features, seed {seed}": skxssr.RandomFeaturesEmbedder(
            random_state=seed, device="cpu"
        )
        for seed in range(2)
    },
    **{
        f"MAE on the source, seed {seed}": skxssr.MAEEmbedder(**MAE, random_state=seed)
        for seed in range(2)
    },
}
SELECTORS: dict[str, Any] = {
    "XSSR": skxssr.XSSRSelector(),
    "XSSR, alpha 0": skxssr.XSSRSelector(alpha=0.0),
    "XSSR, alpha 0.3": skxssr.XSSRSelector(alpha=0.3),
    "XSSR, without density": make_variant("XSSR, without density"),
    "XSSR as described": make_variant("XSSR as described"),
    "typicality, distance": make_variant("typicality, distance"),
    "residual": make_variant("residual"),
    "facility location": skxssr.FacilityLocationSelector(),
    "k-medoids": skxssr.KMedoidsSelector(cover_source=False),
    "MaxHerding": skxssr.MaxHerdingSelector(),
    "TypiClust": skxssr.TypiClustSelector(),
    "CoreSet": skxssr.CoreSetSelector(),
    "random by cluster": ClusterRandomSelector(random_state=0),
}


def search(
    name: str, data: Path, n_pools: int, wanted: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    """Judge every selector on every embedding of a task; one list an embedding."""
    task = make_task(name, data, n_pools)
    judge = RidgeJudge(task.images, task.masks, device="cpu")
    random = random_scores(task, judge)
    for embedding in wanted:
        started = time.perf_counter()
        judged: list[dict[str, Any]] = []
        embedder = clone(EMBEDDINGS[embedding]).fit(task.source_images)
        source, target = embedder.transform(task.source_images), embedder.transform(task.images)
        patches = embedder.transform_patches(task.images)
        for number, pool in enumerate(task.pools):
            groups = None if task.groups is None else task.groups[pool.rows]
            picks: dict[tuple[str, int], np.ndarray] = {}
            for budget, (selector, made) in itertools.product(BUDGETS, SELECTORS.items()):
                found = clone(made).fit(source).select(target[pool.rows], budget, groups=groups)
                picks[selector, budget] = pool.rows[found]
            picks |= {
                ("patches", budget): pool.rows[found]
                for budget, found in patch_picks(patches[pool.rows], groups).items()
            }
            scores = judge.scores(list(picks.values()), pool.test)
            for ((selector, budget), rows), score in zip(picks.items(), scores, strict=True):
                draws = random[number, budget]
                judged.append(
                    {
                        "task": name,
                        "embedding": embedding,
                        "selector": selector,
                        "budget": budget,
                        "pool": number,
                        "rows": rows.tolist(),
                        "dice": round(float(score), 5),
                        "random": round(float(draws.mean()), 5),
                        "beats": round(
                            float((score > draws).mean() + (score == draws).mean() / 2), 3
                        ),
                    }
                )
        print(f"{name}, {embedding}: {time.perf_counter() - started:.0f} s", flush=True)
        yield judged


def random_scores(task: Task, judge: RidgeJudge) -> dict[tuple[int, int], np.ndarray]:
    """Dice of the random draws of each pool and budget."""
    scores = {}
    for number, pool in enumerate(task.pools):
        groups = None if task.groups is None else task.groups[pool.rows]
        for budget in BUDGETS:
            draws = [
                skxssr.RandomSelector(random_state=1000 * number + draw).select(
                    np.zeros((len(pool.rows), 1)) + np.arange(len(pool.rows))[:, None],
                    budget,
                    groups=groups,
                )
                for draw in range(N_RANDOM)
            ]
            rows = [pool.rows[draw] for draw in draws]
            scores[number, budget] = judge.scores(rows, pool.test)
    return scores


def patch_picks(patches: np.ndarray, groups: np.ndarray | None) -> dict[int, np.ndarray]:
    """Facility location over patches: a picture covers a patch by the nearest of its own."""
    n, q, _ = patches.shape
    flat = fit_scale_and_pca(None, patches.reshape(n * q, -1))(patches.reshape(n * q, -1))[:, :12]
    demand = flat[np.random.default_rng(0).choice(n * q, min(N_DEMAND, n * q), replace=False)]
    distances = np.empty((len(demand), n), dtype=np.float32)
    for i in range(n):
        own = flat[i * q : (i + 1) * q]
        squared = (demand**2).sum(1)[:, None] + (own**2).sum(1) - 2 * demand @ own.T
        distances[:, i] = np.sqrt(np.maximum(squared.min(axis=1), 0))
    nearest = np.full(len(demand), np.quantile(distances, 0.95), dtype=np.float32)
    codes = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    visits, open_rows = np.zeros(codes.max() + 1, dtype=int), np.ones(n, dtype=bool)
    order: list[int] = []
    for _ in range(max(BUDGETS)):
        gain = np.maximum(nearest[:, None] - distances, 0).sum(axis=0)
        allowed = open_rows & (visits[codes] == visits[codes[open_rows]].min())
        order.append(int(np.where(allowed, gain, -1).argmax()))
        nearest = np.minimum(nearest, distances[:, order[-1]])
        open_rows[order[-1]] = False
        visits[codes[order[-1]]] += 1
    return {budget: np.array(order[:budget]) for budget in BUDGETS}


def lines() -> list[dict[str, Any]]:
    """What is on file."""
    if not RESULT.exists():
        return []
    return [json.loads(line) for line in RESULT.read_text(encoding="utf-8").splitlines()]


def tables(found: Sequence[Mapping[str, Any]]) -> str:
    """P(beats random) by the judge, by selector and by embedding; and overlap between seeds."""
    if not found:
        return ""
    seeds = {line["embedding"]: line["embedding"].split(", seed")[0] for line in found}
    kinds = list(dict.fromkeys(seeds.values()))
    rows = []
    for selector in dict.fromkeys(line["selector"] for line in found):
        row = {"selector": selector}
        for kind in kinds:
            mine = [
                line
                for line in found
                if line["selector"] == selector and seeds[line["embedding"]] == kind
            ]
            by_task = {
                task: np.mean([line["beats"] for line in mine if line["task"] == task])
                for task in dict.fromkeys(line["task"] for line in mine)
            }
            row[kind] = f"{np.mean(list(by_task.values())):.2f}"
            row[f"worst task, {kind}"] = (
                f"{min(by_task.values()):.2f} ({min(by_task, key=by_task.__getitem__)})"
            )
        rows.append(row)
    rows.sort(key=lambda row: row[kinds[0]], reverse=True)
    seeds_of = {kind: len({name for name, of in seeds.items() if of == kind}) for kind in kinds}
    title = ", ".join(f"{kind} ({n} seeds)" for kind, n in seeds_of.items())
    overlap = [
        {
            "embedding": kind,
            "task": task,
            **{
                f"{budget} labels": _overlap(found, seeds, kind, task, budget) for budget in BUDGETS
            },
        }
        for kind in kinds
        if seeds_of[kind] > 1
        for task in dict.fromkeys(line["task"] for line in found)
    ]
    return "\n\n".join(
        [
            "## The search, by the ridge judge",
            f"P(beats a random draw), mean over tasks, pools, seeds and 5, 10, 20 labels: {title}.",
            format_table(rows),
            "How many picks of XSSR two seeds of an embedding share, mean over pools:",
            format_table(overlap),
        ]
    )


def _overlap(
    found: Sequence[Mapping[str, Any]], seeds: Mapping[str, str], kind: str, task: str, budget: int
) -> str:
    picks: dict[int, list[set[int]]] = {}
    for line in found:
        here = (line["selector"], line["task"], line["budget"]) == ("XSSR", task, budget)
        if here and seeds[line["embedding"]] == kind:
            picks.setdefault(line["pool"], []).append(set(line["rows"]))
    shared = [len(a & b) for sets in picks.values() for a, b in itertools.combinations(sets, 2)]
    return f"{np.mean(shared):.1f} of {budget}" if shared else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tasks", nargs="*", default=TASKS, choices=TASKS)
    parser.add_argument("--embeddings", nargs="*", default=list(EMBEDDINGS))
    parser.add_argument("--pools", type=int, default=5)
    args = parser.parse_args()
    if args.data is not None:
        done = {(line["task"], line["embedding"]) for line in lines()}
        for name in args.tasks:
            wanted = [kind for kind in args.embeddings if (name, kind) not in done]
            if wanted:
                RESULT.parent.mkdir(parents=True, exist_ok=True)
                for found in search(name, args.data, args.pools, wanted):
                    with RESULT.open("a", encoding="utf-8") as stream:
                        stream.writelines(json.dumps(line) + "\n" for line in found)
    print(tables(lines()))
