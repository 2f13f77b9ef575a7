"""The training recipe of the study, tuned on source labels alone (see docs/protocol.md).

Compact U-Nets are trained on 10 random Montgomery films and tested on its 28 test films; no
Shenzhen film is read. Printed for each recipe: Dice over draws, whether the loss is flat (mean loss
of the last fifth of the steps over that of the fourth), seconds.

    python benchmarks/first_edition/main.py recipe --data DIR/cxr [--draws 3]
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
from skxssr._utils.provenance import versions
from skxssr.datasets import load_chest_xray
from skxssr.pipeline import train_and_score
from skxssr.report import format_table

LABELS = 10
COLUMNS = ("dice", "flat", "seconds")


RECIPES: dict[str, dict[str, Any]] = {
    f"width {width}, {size} px, {steps} steps, {precision}, rate {rate:g}": {
        **network(width),
        "image_size": size,
        "steps": steps,
        "learning_rate": rate,
        "precision": precision,
    }
    for width, size, steps, precision, rate in [
        (8, 64, 300, "32-true", 3e-3),
        (8, 64, 300, "32-true", 1e-2),
        (8, 64, 600, "32-true", 3e-3),
        (8, 64, 600, "bf16-mixed", 3e-3),
        (8, 64, 600, "32-true", 1e-2),
        (16, 64, 300, "32-true", 1e-2),
        (8, 32, 150, "32-true", 1e-2),
        (8, 32, 300, "32-true", 1e-2),
        (8, 64, 300, "bf16-mixed", 1e-2),
        (8, 64, 1200, "32-true", 1e-2),
    ]
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "recipe.json")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    films = load_chest_xray(args.data).montgomery
    train, test = films.split["train"], films.split["test"]
    images, masks = list(films.images), list(films.masks)
    done = json.loads(args.out.read_text())["runs"] if args.out.exists() else []
    lines, record = [], []
    for name, parameters in RECIPES.items():
        found = [run for run in done if run["recipe"] == name and len(run["dice"]) == args.draws]
        dice, flat, seconds = (list(found[0][key]) if found else [] for key in COLUMNS)
        for draw in range(len(dice), args.draws):
            rows = np.random.default_rng(draw).choice(train, LABELS, replace=False)
            segmenter = skxssr.SMPSegmenter(**parameters, random_state=draw, device="cpu")
            started = time.perf_counter()
            scored = train_and_score(
                segmenter,
                images,
                masks,
                rows,
                [images[row] for row in test],
                [masks[row] for row in test],
            )
            seconds.append(time.perf_counter() - started)
            losses = segmenter.loss_curve_
            fifth = len(losses) // 5
            flat.append(losses[-fifth:].mean() / losses[-2 * fifth : -fifth].mean())
            dice.append(100 * float(np.nanmean(scored.dice)))
        record.append({"recipe": name, "dice": dice, "flat": flat, "seconds": seconds})
        lines.append(
            {
                "recipe": name,
                "Dice": f"{np.mean(dice):.2f}",
                "draws": " ".join(f"{value:.2f}" for value in dice),
                "last/4th fifth": f"{np.mean(flat):.3f}",
                "seconds": f"{np.median(seconds):.1f}",
            }
        )
        print(format_table(lines[-1:]), flush=True)
        args.out.parent.mkdir(exist_ok=True)
        result = {"labels": LABELS, "threads": args.threads, "versions": versions(), "runs": record}
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(format_table(lines))
