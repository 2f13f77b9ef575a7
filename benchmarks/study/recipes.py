"""The network that judges a task, tuned on the labels of its source alone (docs/protocol.md).

For each task a few sizes and lengths of training are tried: trained on 10 random source pictures
(of different patients where there are patients), tested on other source pictures. No target
picture is read.

    python benchmarks/study/main.py recipes --data DIR [--tasks skin nuclei] [--draws 3]
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np

import skxssr
from benchmarks.common import RESULTS, network
from benchmarks.study.tasks import SEED, SOURCES, has_foreground, near_copies, pairs
from skxssr._utils.provenance import versions
from skxssr.pipeline import train_and_score
from skxssr.report import format_table

RESULT = RESULTS / "study" / "recipes.json"
LABELS, TESTED = 10, 60
MANY = 100  # labels of the row that says how much more there is to learn


# cheapest first
RECIPES: dict[str, dict[str, Any]] = {
    f"width {width}, {size} px, {steps} steps": {
        **network(width),
        "image_size": size,
        "steps": steps,
        "learning_rate": 1e-2,
        "device": "cpu",
    }
    for width, size, steps in [(8, 64, 300), (16, 64, 300), (8, 64, 600)]
}
# one source serves several tasks
TUNED_ON = {
    "skin": "skin",
    "nuclei": "nuclei",
    "heart": "heart",
    "brain HT": "brain",
    "brain pooled": "brain",
    "films, training": "films",
    "films": "films",
    "films, uncleaned": "films",
    "films reversed": "films reversed",
    "breast": "breast",
}


def source_of(tuned: str, data: Path) -> tuple[list[Path], list[Path], np.ndarray]:
    """Source images with something to find, their masks, and what must stay together."""
    name = next(task for task, on in TUNED_ON.items() if on == tuned)
    where = SOURCES[name]
    folder = data / where.folder
    found = [pair for site in where.source for pair in pairs(folder / site)]
    found = [pair for pair in found if has_foreground(pair[1])]
    images, masks = [image for image, _ in found], [mask for _, mask in found]
    if where.groups is None:
        return images, masks, near_copies(images)
    group_of = where.groups(folder)
    return images, masks, np.unique([group_of(i.stem) for i in images], return_inverse=True)[1]


def draw(groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, few and many, and rows to test on; no group is on both sides."""
    rng = np.random.default_rng([SEED, seed])
    order = rng.permutation(groups.max() + 1)
    held = order[: len(order) // 3]
    test = rng.permutation(np.flatnonzero(np.isin(groups, held)))[:TESTED]
    rest = rng.permutation(np.flatnonzero(~np.isin(groups, held)))
    _, first = np.unique(groups[rest], return_index=True)  # one picture a group
    few = rest[np.sort(first)][:LABELS]
    return few, rest[:MANY], test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--tasks", nargs="*", default=list(dict.fromkeys(TUNED_ON.values())))
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    runs = json.loads(RESULT.read_text())["runs"] if RESULT.exists() else []
    done = {(run["source"], run["recipe"], run["labels"], run["draw"]) for run in runs}
    for tuned in args.tasks:
        images, masks, groups = source_of(tuned, args.data)
        where = next(SOURCES[task] for task, on in TUNED_ON.items() if on == tuned)
        for number in range(args.draws):
            few, many, test = draw(groups, number)
            for recipe, parameters in RECIPES.items():
                for rows in (few, many) if number == 0 else (few,):
                    if (tuned, recipe, len(rows), number) in done:
                        continue
                    segmenter = skxssr.SMPSegmenter(
                        **parameters, classes=[0, where.foreground], random_state=number
                    )
                    started = time.perf_counter()
                    scored = train_and_score(
                        segmenter,
                        images,
                        masks,
                        rows,
                        [images[row] for row in test],
                        [masks[row] for row in test],
                    )
                    runs.append(
                        {
                            "source": tuned,
                            "recipe": recipe,
                            "labels": len(rows),
                            "draw": number,
                            "dice": round(100 * float(np.nanmean(scored.dice)), 2),
                            "seconds": round(time.perf_counter() - started, 1),
                        }
                    )
                    print(runs[-1], flush=True)
                    RESULT.parent.mkdir(parents=True, exist_ok=True)
                    text = json.dumps({"versions": versions(), "runs": runs}, indent=1)
                    RESULT.write_text(text + "\n", encoding="utf-8")
    print(format_table(lines(runs)))


def table() -> str:
    """What is on file, for the page of the study."""
    if not RESULT.exists():
        return ""
    runs = json.loads(RESULT.read_text(encoding="utf-8"))["runs"]
    title = f"Dice on other pictures of the source, {LABELS} labels and {MANY} (or all there are):"
    return "\n\n".join(["## The networks, tuned on the source", title, format_table(lines(runs))])


def lines(runs: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The table of docs/protocol.md."""
    rows = []
    for source in dict.fromkeys(run["source"] for run in runs):
        for recipe in RECIPES:
            here = [run for run in runs if (run["source"], run["recipe"]) == (source, recipe)]
            few = [run["dice"] for run in here if run["labels"] == LABELS]
            many = [run["dice"] for run in here if run["labels"] != LABELS]
            if few:
                rows.append(
                    {
                        "source": source,
                        "recipe": recipe,
                        f"{LABELS} labels, mean": f"{np.mean(few):.1f}",
                        "draws": " ".join(f"{value:.1f}" for value in few),
                        f"{MANY} labels": " ".join(f"{value:.1f}" for value in many),
                        "seconds": f"{np.median([run['seconds'] for run in here]):.0f}",
                    }
                )
    return rows
