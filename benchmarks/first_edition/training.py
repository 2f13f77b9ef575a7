"""What the recipes for autoencoder and U-Net cost and yield, on real films without the test films.

    python benchmarks/first_edition/main.py training --data DIR

Each autoencoder is fitted on the Montgomery films; its embeddings of the Shenzhen training films
are probed by a ridge regression for the area, position and spread of the lungs (mean
cross-validated R2 of five numbers; 32 principal components). Each U-Net is trained on 22 random
films of three quarters of the Shenzhen training films and scored on the last quarter. One seed
each: enough to see a gross difference.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import RESULTS, commit, machine, network
from skxssr import MAEEmbedder, RandomSelector, SMPSegmenter
from skxssr._utils.provenance import versions
from skxssr.datasets import load_chest_xray
from skxssr.io import Masks
from skxssr.pipeline import train_and_score
from skxssr.report import format_table

DEV_SEED = 2606  # of the quarter of the training films that is tested on
# chosen on training films of the target, never on its test films: docs/decisions/training.md
RECIPES: dict[str, dict[str, Any]] = {
    "full": {
        "embedder": {"image_size": 128, "patch_size": 32, "steps": 900},
        "segmenter": {"image_size": 64, "steps": 1000, "learning_rate": 3e-3},
    },
    "fast": {
        "embedder": {"image_size": 64, "patch_size": 16, "steps": 600},
        "segmenter": {"image_size": 64, "steps": 300, "learning_rate": 3e-3},
    },
}
EMBEDDERS: dict[str, dict[str, Any]] = {
    "defaults, untrained": {"steps": 1, "learning_rate": 1e-9},
    "defaults": {},
    "benchmark, full": RECIPES["full"]["embedder"],
    "benchmark, fast": RECIPES["fast"]["embedder"],
}
SEGMENTERS: dict[str, dict[str, Any]] = {
    "benchmark, full": RECIPES["full"]["segmenter"],
    "benchmark, fast": RECIPES["fast"]["segmenter"],
    "as full, no augmentation": RECIPES["full"]["segmenter"] | {"augment": False},
}


def load(data: Path) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Source set, target set, rows of the target pool, rows of the target test set."""
    sets = load_chest_xray(data)
    target = sets.shenzhen
    if target.split is None:
        raise SystemExit(f"{data} has no split files for Shenzhen: see load_chest_xray")
    shuffled = np.random.default_rng(DEV_SEED).permutation(target.split["train"])
    quarter = len(shuffled) // 4
    return sets.montgomery, target, np.sort(shuffled[quarter:]), np.sort(shuffled[:quarter])


def lung_shape(mask: np.ndarray) -> list[float]:
    """Area, centre and spread of the lungs, in units of the image's side."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    where = [rows.mean() / height, columns.mean() / width, rows.std() / height]
    return [len(rows) / mask.size, *where, columns.std() / width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS / "training.json")
    args = parser.parse_args()
    source, target, pool, test = load(args.data)
    films = [target.images[row] for row in [*pool, *test]]
    masks = [target.masks[row] for row in [*pool, *test]]
    shapes = np.array([lung_shape(mask) for mask in Masks(masks)])
    probe = make_pipeline(StandardScaler(), PCA(32), RidgeCV(np.logspace(-2, 4, 13)))
    lines = []
    for name, parameters in EMBEDDERS.items():
        started = time.perf_counter()
        embedder = MAEEmbedder(**parameters, random_state=0, device=args.device).fit(source.images)
        seconds = time.perf_counter() - started
        z = embedder.transform(films)
        r2 = np.mean([cross_val_score(probe, z, shape, cv=5).mean() for shape in shapes.T])
        lines.append({"autoencoder": name, "fit, s": f"{seconds:.0f}", "probe R2": f"{r2:.2f}"})
    rows = RandomSelector(random_state=0).select(np.zeros((len(pool), 1)), 22)
    nets = []
    for name, parameters in SEGMENTERS.items():
        segmenter = SMPSegmenter(**network(16), **parameters, random_state=0, device=args.device)
        scored = train_and_score(
            segmenter, films, masks, rows, films[-len(test) :], masks[-len(test) :]
        )
        dice = f"{100 * scored.dice.mean():.2f}"
        nets.append({"U-Net, 22 films": name, "fit, s": f"{scored.seconds:.0f}", "Dice": dice})
    print(f"{format_table(lines)}\n\n{format_table(nets)}\n\nOne seed, {machine(args.device)}.")
    result = {"autoencoders": lines, "unets": nets, "machine": machine(args.device)}
    result |= {"versions": versions(), "commit": commit()}
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
