"""How well the ridge judge ranks sets of picks, against the U-Net on the same sets.

    python benchmarks/study/main.py judge --data DIR [--tasks skin]  # judge the picks of the study
    python benchmarks/study/main.py judge                            # the table

Sets of picks are those of benchmarks/results/study/*.jsonl; the judge's Dice of each goes to
benchmarks/results/study/judge.jsonl.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.study.tasks import SOURCES, make_task
from skxssr.evaluation import RidgeJudge, load_comparison, proxy_agreement
from skxssr.report import format_table

RESULTS = common.RESULTS / "study"
JUDGED = RESULTS / "judge.jsonl"
NAME = "ridge judge"


def file_of(name: str) -> Path:
    """Where the runs of a task are."""
    return RESULTS / f"{name.replace(', ', '_').replace(' ', '_')}.jsonl"


def judged() -> list[dict[str, Any]]:
    if not JUDGED.exists():
        return []
    return [json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()]


def judge_task(name: str, data: Path) -> None:
    """Judge every set of picks of a task that is not on file."""
    known = {(line["task"], line["pool"], line["digest"]) for line in judged()}
    sets = {
        (run["pool"], run["digest"]): run["rows"]
        for run in load_comparison(file_of(name)).runs
        if not run.get("reference") and (name, run["pool"], run["digest"]) not in known
    }
    if not sets:
        return
    task = make_task(name, data, 1 + max(pool for pool, _ in sets))
    judge = RidgeJudge(task.images, task.masks)
    lines = []
    for pool in sorted({pool for pool, _ in sets}):
        mine = {digest: rows for (p, digest), rows in sets.items() if p == pool}
        scores = judge.scores([np.array(rows) for rows in mine.values()], task.pools[pool].test)
        lines += [
            {"task": name, "pool": pool, "digest": digest, "dice": round(float(score), 5)}
            for digest, score in zip(mine, scores, strict=True)
        ]
    with JUDGED.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)


def agreement_table() -> list[str]:
    """Rank correlation of the judge with the U-Net within pools, a line a task and budget."""
    dice = {(line["task"], line["pool"], line["digest"]): line["dice"] for line in judged()}
    rows = []
    for name in SOURCES:
        if not file_of(name).exists():
            continue
        runs = [run for run in load_comparison(file_of(name)).runs if not run.get("reference")]
        runs = [{**run, "segmenter": "U-Net"} for run in runs]
        both = runs + [
            {**run, "segmenter": NAME, "dice": [dice[name, run["pool"], run["digest"]]]}
            for run in runs
            if (name, run["pool"], run["digest"]) in dice
        ]
        if len(both) > len(runs):
            rows += proxy_agreement(both, proxy=NAME, segmenter="U-Net")
    if not rows:
        return []
    lines = [
        {
            "task": row["task"],
            "labels": str(row["budget"]),
            "Spearman": f"{row['spearman']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]",
            "sets of picks": str(row["n"]),
            "pools": str(row["n_pools"]),
        }
        for row in rows
    ]
    title = (
        "Rank correlation of Dice by the ridge judge with that of the U-Net, same sets of picks,"
    )
    return ["## The ridge judge", f"{title} within pools:", format_table(lines)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tasks", nargs="*", default=list(SOURCES), choices=list(SOURCES))
    args = parser.parse_args()
    if args.data is not None:
        for name in args.tasks:
            if file_of(name).exists():
                judge_task(name, args.data)
    print("\n\n".join(agreement_table()))
