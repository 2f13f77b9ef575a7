"""Montgomery -> Shenzhen: does XSSR pick better films to label than CoreSet or a random draw?

For each seed a masked autoencoder is trained on the Montgomery films alone, XSSR and CoreSet pick
from the Shenzhen pool, and one U-Net per arm is trained on its picks alone, all by one recipe, and
tested on other Shenzhen films. Arms: source only (all Montgomery masks, no target label), random
(several draws a seed), CoreSet, XSSR, all labels.

    python benchmarks/chest_xray.py --data DIR [--budget 22] [--seeds 3] [--device auto]

`--split dev`, the default, tests on a fixed quarter of the 440 training films and leaves the 110
test films alone; `--split test` opens them and notes it in results/test_split.log. Every run is
written to the result file as it ends; started again with the same arguments, the script goes on
where it stopped. The data: `skxssr.datasets.load_chest_xray`.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import joblib
import numpy as np
from scipy import stats

import skxssr
from skxssr._utils.progress import progress
from skxssr._utils.provenance import versions
from skxssr.datasets import load_chest_xray
from skxssr.pipeline import train_and_score
from skxssr.report import format_table

HERE = Path(__file__).parent
DEV_SEED = 2606  # of the fixed quarter that is the test set of --split dev

# Both recipes were chosen on training films of the target, never on its test films; why and what
# they cost: docs/decisions/training.md.
RECIPES: dict[str, dict[str, Any]] = {
    "full": {
        "embedder": {"image_size": 128, "patch_size": 32, "steps": 900},
        "segmenter": {"image_size": 64, "steps": 1000, "learning_rate": 3e-3},
        "draws": 5,
    },
    "fast": {
        "embedder": {"image_size": 64, "patch_size": 16, "steps": 600},
        "segmenter": {"image_size": 64, "steps": 300, "learning_rate": 3e-3},
        "draws": 3,
    },
}
# A small residual U-Net: a film's lungs need no more, and a run takes a minute on two cores.
COMPACT = {
    "encoder_name": "tu-resnet10t",
    "arch_kwargs": {
        "encoder_depth": 4,
        "decoder_channels": [64, 32, 16, 16],
        "channels": [16, 32, 64, 128],
        "stem_width": 16,
    },
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="folder with both sets")
    parser.add_argument("--budget", default="22", help="a count, or a share such as 5%%")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of everything (3)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--fast", action="store_true", help="fewer steps, under 10 minutes")
    parser.add_argument("--jobs", type=int, default=1, help="U-Nets trained at a time (1)")
    parser.add_argument("--out", type=Path, help="result file (default: benchmarks/results/...)")
    args = parser.parse_args()
    share = args.budget.endswith("%")
    args.budget = float(args.budget[:-1]) / 100 if share else int(args.budget)
    return args


def load(data: Path, split: str) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Source set, target set, rows of the target pool, rows of the target test set."""
    sets = load_chest_xray(data)
    target = sets.shenzhen
    if target.split is None:
        raise SystemExit(f"{data} has no split files for Shenzhen: see load_chest_xray")
    train, test = target.split["train"], target.split["test"]
    if split == "dev":
        shuffled = np.random.default_rng(DEV_SEED).permutation(train)
        quarter = len(train) // 4
        train, test = np.sort(shuffled[quarter:]), np.sort(shuffled[:quarter])
    return sets.montgomery, target, train, test


def pick(seed: int, args: argparse.Namespace, recipe: dict[str, Any]) -> dict[str, list[int]]:
    """Rows of the target to train on, for every arm that has any."""
    source, target, pool, _ = load(args.data, args.split)
    embedder = skxssr.MAEEmbedder(
        **recipe["embedder"], random_state=seed, device=args.device, verbose=1
    ).fit(source.images)
    source_z = embedder.transform(source.images)
    target_z = embedder.transform([target.images[row] for row in pool])
    selectors = {
        "XSSR": skxssr.XSSRSelector(),
        "CoreSet": skxssr.CoreSetSelector(),
        **{
            f"random {draw}": skxssr.RandomSelector(random_state=1000 * seed + draw)
            for draw in range(recipe["draws"])
        },
    }
    arms: dict[str, list[int]] = {"source only": []}
    for name, selector in selectors.items():
        arms[name] = pool[selector.fit(source_z).select(target_z, args.budget)].tolist()
        if name == "XSSR":
            print(f"seed {seed}: {selector.selection_.summary()}", flush=True)
    return arms | {"all labels": pool.tolist()}


def train(
    seed: int, name: str, rows: list[int], args: argparse.Namespace, recipe: dict[str, Any]
) -> dict[str, Any]:
    """Train and score one arm."""
    if args.jobs > 1:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // args.jobs))
    source, target, _, test = load(args.data, args.split)
    images, masks = (source, target)[bool(rows)].images, (source, target)[bool(rows)].masks
    segmenter = skxssr.SMPSegmenter(
        **COMPACT, **recipe["segmenter"], random_state=seed, device=args.device
    )
    scored = train_and_score(
        segmenter,
        images,
        masks,
        rows or np.arange(len(images)),
        [target.images[row] for row in test],
        [target.masks[row] for row in test],
    )
    losses = segmenter.loss_curve_
    fifth = max(1, len(losses) // 5)
    return {
        "seed": seed,
        "arm": name,
        "labels": len(rows),
        "picked": [target.ids[row] for row in rows] if 0 < len(rows) < 100 else None,
        "dice": [round(float(value), 5) for value in scored.dice],
        "seconds": round(scored.seconds, 1),
        # flat if the last two are near: the mean loss of the fourth and of the last fifth
        "late_losses": [
            round(float(losses[-2 * fifth : -fifth].mean()), 5),
            round(float(losses[-fifth:].mean()), 5),
        ],
    }


def table(runs: list[dict[str, Any]]) -> list[dict[str, str]]:
    """One line an arm; differences are paired by seed, to the mean of that seed's random draws."""
    seeds = sorted({run["seed"] for run in runs})

    def means(kind: str, seed: int | None = None) -> np.ndarray:
        return np.array(
            [
                np.nanmean(run["dice"])
                for run in runs
                if run["arm"].split()[0] == kind.split()[0] and seed in (None, run["seed"])
            ]
        )

    lines = []
    for kind in ("source only", "random", "CoreSet", "XSSR", "all labels"):
        dice = 100 * means(kind)
        images = 100 * np.concatenate(
            [run["dice"] for run in runs if run["arm"].split()[0] == kind.split()[0]]
        )
        gaps = np.array([100 * (means(kind, s).mean() - means("random", s).mean()) for s in seeds])
        interval = f"{gaps.mean():+.2f}"
        if len(seeds) > 1:
            half = stats.t.ppf(0.975, len(seeds) - 1) * gaps.std(ddof=1) / np.sqrt(len(seeds))
            interval += f" [{gaps.mean() - half:+.2f}, {gaps.mean() + half:+.2f}]"
        share = [means(kind, s).mean() / means("all labels", s).mean() for s in seeds]
        lines.append(
            {
                "trained on": kind,
                "labels": str(next(r["labels"] for r in runs if r["arm"].startswith(kind[:6]))),
                "runs": str(len(dice)),
                "Dice": f"{dice.mean():.2f}",
                "sd": f"{dice.std(ddof=1):.2f}" if len(dice) > 1 else "-",
                "worst run": f"{dice.min():.2f}",
                "5th pct": f"{np.nanpercentile(images, 5):.2f}",
                "% of all": f"{100 * np.mean(share):.1f}",
                "minus random [95%]": "-" if kind == "random" else interval,
            }
        )
    return lines


def commit() -> str:
    """The commit of the code, marked if the code differs from it; results may have come since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=HERE.parent, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results"
    )
    name = git("describe", "--always", "--abbrev=12")
    return (f"{name}-dirty" if changed else name) or "unknown"


def machine(device: str) -> str:
    """Where it ran."""
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def main() -> None:
    args = parse_args()
    recipe = RECIPES["fast" if args.fast else "full"]
    load(args.data, args.split)
    size = "fast" if args.fast else "full"
    out = args.out or HERE / "results" / f"chest_xray_{args.split}_{size}_{args.budget}.json"
    settings = {
        "budget": args.budget,
        "split": args.split,
        "recipe": recipe,
        "network": COMPACT,
    }
    result: dict[str, Any] = {"settings": settings, "picks": {}, "runs": []}
    if out.exists():
        result = json.loads(out.read_text())
        if result["settings"] != settings:
            raise SystemExit(f"{out} holds runs with other settings: name another --out")
    if args.split == "test":
        with (HERE / "results" / "test_split.log").open("a") as log:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            log.write(f"{now} {commit()} {' '.join(sys.argv)}\n")
    started, code = time.perf_counter(), commit()
    for seed in range(args.seeds):
        if str(seed) not in result["picks"]:
            result["picks"][str(seed)] = pick(seed, args, recipe)
        arms = result["picks"][str(seed)]
        done = {run["arm"] for run in result["runs"] if run["seed"] == seed}
        runs = joblib.Parallel(n_jobs=args.jobs, return_as="generator")(
            joblib.delayed(train)(seed, name, rows, args, recipe)
            for name, rows in arms.items()
            if name not in done
        )
        total = len(arms) - len(done)
        for run in progress(runs, f"seed {seed}", verbose=1, total=total):
            result["runs"].append(run)
            result |= {
                "machine": machine(args.device),
                "versions": versions(),
                "commit": code,
                "command": " ".join(["python", *sys.argv]),
            }
            out.parent.mkdir(parents=True, exist_ok=True)
            part = out.with_suffix(".part")
            part.write_text(json.dumps(result, indent=None, separators=(",", ":")) + "\n")
            part.replace(out)
    wanted = [run for run in result["runs"] if run["seed"] < args.seeds]
    print(format_table(table(wanted)))
    print(
        f"{args.seeds} seed(s) on {result['machine']}; {time.perf_counter() - started:.0f} s. "
        "Dice x 100; sd and worst over runs, 5th percentile over films of all runs; differences "
        f"paired by seed with a Student-t interval. Every run: {out}"
    )


if __name__ == "__main__":
    main()
