"""The whole pipeline on built-in phantoms: `make demo`.

One run, to see every part work and what it makes; the comparison that counts is in `benchmarks/`.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._utils.console import say
from skxssr._utils.progress import progress
from skxssr._utils.provenance import versions
from skxssr.base import BaseSelector
from skxssr.datasets import make_phantoms
from skxssr.embedding import MAEEmbedder
from skxssr.pipeline import Scored, dice_summary, train_and_score
from skxssr.report import contact_sheet, format_table, plot_picks
from skxssr.segmentation import compact_segmenter
from skxssr.selection import CoreSetSelector, RandomSelector, XSSRSelector

IMAGE_SIZE = 64
N_SOURCE, N_POOL, N_TEST = 160, 240, 80
N_RANDOM = 3

_CAVEAT = """\
Dice on phantoms is never evidence. This run shows that every part works and what a result looks
like, not which selector is better: phantoms are no patients, and with this few labels two random
draws can differ by more than selectors do.
Real images, several seeds and intervals: benchmarks/paper/main.py."""


def demo_embedder(**parameters: Any) -> MAEEmbedder:
    """A masked autoencoder that two cores train in about half a minute."""
    return MAEEmbedder(image_size=IMAGE_SIZE, patch_size=16, steps=600, **parameters)


def run_demo(
    out: str | Path,
    *,
    budget: int | float = 12,
    random_state: int = 0,
    device: str = "auto",
    n_jobs: int | None = -1,
    verbose: int = 1,
    embedder: Any = None,
    segmenter: Any = None,
    n_images: tuple[int, int, int] = (N_SOURCE, N_POOL, N_TEST),
) -> str:
    """Run source phantoms -> autoencoder -> selection -> U-Nets -> Dice, and print the table.

    Parameters
    ----------
    out : path
        Folder for ``picks.png`` (embedding with the picks), ``sheet.png`` (the images picked by
        XSSR) and ``demo.json`` (every score).
    budget : int or float, default=12
        Images to label.
    random_state : int, default=0
        Seed of the phantoms, the networks and the random draws.
    device : str, default="auto"
        Where networks are trained.
    n_jobs : int, optional
        Threads of the selection.
    verbose : int, default=1
        0 for no progress bars.
    embedder, segmenter : estimators, optional
        Unfitted, instead of the small ones of the demo.
    n_images : tuple of int, default=(160, 240, 80)
        Number of source images, of images in the target pool and of test images.

    Returns
    -------
    str
        What was printed last: the table and the line under it.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    common = {"random_state": random_state, "device": device, "verbose": verbose}
    embedder = demo_embedder(**common) if embedder is None else embedder
    segmenter = compact_segmenter(**common | {"verbose": 0}) if segmenter is None else segmenter
    n_source, n_pool, n_test = n_images
    say(f"Chest film phantoms: {n_source} from site A, {n_pool} + {n_test} from site B.")
    source = make_phantoms("chest", "A", n_source, random_state=random_state)
    target = make_phantoms("chest", "B", n_pool + n_test, random_state=random_state + 1)
    pool, test, groups = _split_by_patient(target, n_pool)

    say("1. A masked autoencoder learns from the unlabelled images of site A.")
    embedder.fit(source.images)
    say(f"2. Selectors pick {budget} of the {len(groups)} films of site B, patients spread.")
    selectors: dict[str, BaseSelector] = {
        "XSSR": XSSRSelector(n_jobs=n_jobs, random_state=random_state),
        "CoreSet": CoreSetSelector(n_jobs=n_jobs),
    } | {
        f"random {draw}": RandomSelector(random_state=random_state + draw)
        for draw in range(1, N_RANDOM + 1)
    }
    source_z = embedder.transform(source.images)
    target_z = embedder.transform(target.images[pool])
    picked = {
        name: selector.fit(source_z).select(target_z, budget, groups=groups)
        for name, selector in selectors.items()
    }
    summary = selectors["XSSR"].selection_.summary()
    say("   " + summary.replace("\n", "\n   "))

    say("3. One U-Net for each, trained on its picks alone, scored on other patients of site B.")
    trainings: dict[str, tuple[Any, Any, Any]] = {
        "source only": (source.images, source.masks, np.arange(n_source)),
        **{name: (target.images[pool], target.masks[pool], rows) for name, rows in picked.items()},
        "all labels": (target.images[pool], target.masks[pool], np.arange(len(pool))),
    }
    scored = {
        name: train_and_score(
            clone(segmenter), *trainings[name], target.images[test], target.masks[test]
        )
        for name in progress(list(trainings), "U-Nets", verbose=verbose)
    }
    labels = {name: len(rows) for name, (_, _, rows) in trainings.items()}
    labels["source only"] = 0
    text = f"{format_table(_table(scored, labels))}\n\n{_CAVEAT}"
    say(f"\n{text}\n")

    shown = {name: picked[name] for name in ("XSSR", "CoreSet", "random 1")}
    plot_picks(source_z, target_z, shown, out / "picks.png")
    rows = picked["XSSR"]
    contact_sheet(
        target.images[pool],
        rows,
        out / "sheet.png",
        captions=[f"{target.ids[pool[row]]} ({target.modes[pool[row]]})" for row in rows],
    )
    record = {
        "versions": versions(),
        "random_state": random_state,
        "picks": {name: chosen.tolist() for name, chosen in picked.items()},
        "dice": {name: result.dice.tolist() for name, result in scored.items()},
        "seconds": time.perf_counter() - started,
    }
    (out / "demo.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    say(f"Look at {out / 'picks.png'} and {out / 'sheet.png'}; every score is in", end=" ")
    say(f"{out / 'demo.json'}. {time.perf_counter() - started:.0f} s in all.")
    return text


def _split_by_patient(target: Any, n_pool: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the pool, rows of the test set, and groups of the pool; no patient is in both."""
    patients = target.groups
    in_pool = np.isin(patients, np.unique(patients[:n_pool]))
    pool, test = np.flatnonzero(in_pool), np.flatnonzero(~in_pool)
    return pool, test, patients[pool]


def _table(scored: dict[str, Scored], labels: dict[str, int]) -> list[dict[str, str]]:
    """One line a selector; random as the mean and the worst of its draws."""
    full = float(np.nanmean(scored["all labels"].dice))
    lines = {
        name: dice_summary(result.dice, full) | {"seconds": result.seconds, "labels": labels[name]}
        for name, result in scored.items()
    }
    draws = [lines.pop(name) for name in list(lines) if name.startswith("random ")]
    lines[f"random, mean of {len(draws)}"] = {
        key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]
    }
    lines[f"random, worst of {len(draws)}"] = min(draws, key=lambda draw: draw["mean"])
    order = ["source only", *[name for name in lines if name.startswith("random")]]
    order += ["CoreSet", "XSSR", "all labels"]
    return [
        {
            "selector": name,
            "labels": f"{lines[name]['labels']:.0f}",
            "Dice mean": f"{lines[name]['mean']:.3f}",
            "5th pct": f"{lines[name]['p5']:.3f}",
            "worst": f"{lines[name]['worst']:.3f}",
            "% of full": f"{lines[name]['percent_of_full']:.1f}",
            "train s": f"{lines[name]['seconds']:.0f}",
        }
        for name in order
    ]
