"""What the estimators cost beside the bare network: embedding, training, reading files.

    python benchmarks/engine/main.py throughput --page     # 5 minutes on two idle cores, no data
    python benchmarks/engine/main.py throughput --quick    # a minute; writes nothing

Every case has a bare loop, written out below: plain PyTorch over tensors that lie ready in memory,
with the same network, batches, optimiser, learning rates, crops and masks, seeds included, so that
its losses or embeddings are compared with the estimator's, bit for bit. The estimator's time is
that of the whole call: checking, reading, building the network, progress, hashing the weights. The
bare loop builds its network too. Both take turns; the first turn does not count; the ratio is the
bare loop's time through the estimator's in the same turn, of which the median is shown. Batches are
doubled from the default until the bare network needs 50 ms for one. The page is made from the JSON.
"""

import argparse
import copy
import gc
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from segmentation_models_pytorch.losses import DiceLoss
from timm.optim import param_groups_weight_decay
from torchvision.transforms import v2

from benchmarks.common import PAGES, RESULTS, commit, machine, network
from skxssr import MAEEmbedder, SMPSegmenter
from skxssr._torch import images as torch_images
from skxssr._torch.augment import augment
from skxssr._torch.loop import TrainingConfig, rows_of_step, seeds_of_step
from skxssr._utils.progress import progress
from skxssr._utils.provenance import versions
from skxssr.datasets import make_phantoms
from skxssr.io import Images
from skxssr.report import format_table

LEAST_BATCH = 0.05  # seconds
LEAST_STEPS = 10
FILE_SIDE = 512  # pixels of the files; the networks see 64 or 128
MAE: dict[str, Any] = {}  # the defaults
UNETS: dict[str, dict[str, Any]] = {
    "compact, 64 px": {**network(16), "image_size": 64},
    "default, 128 px": {},
}
COMMAND = "python benchmarks/engine/main.py throughput"
HEADER = """\
# Results: throughput

Written by `{command} --page` from `benchmarks/results/throughput.json`: commit {commit}, {machine},
torch {torch} on {threads} threads. A ratio of 1 is the throughput of plain PyTorch over tensors
that lie ready in memory, doing the same arithmetic: its losses or embeddings were the same to the
bit in every turn. Medians of {repeats} turns, a first one left out; in brackets the lowest and the
highest. Processor time adds up what all threads used. It does not see waiting, nor other programs
on the machine."""
NOTES = """\
Films in memory are as wide as the network's square (MAE 128 pixels), files are 8-bit PNG of {side}
x {side} pixels; "passes" says how often each was drawn. A bare step of training holds the forward
and backward pass, the optimiser, and the same random crops or distortions, one image at a time.
Training on files was as for a set that does not fit in memory. "Temporary folder" decodes each
file once in the call, "every pass anew" shows what that saves; like "decoded" they depend on
the files and on the processors, hence no goal."""


@dataclass
class Case:
    """Something done by a bare loop and by estimators; every run returns what must be equal."""

    name: str
    images: int  # in one run, repeats included
    different: int
    batch_size: int
    bare_batch: float  # seconds
    runs: dict[str, Callable[[], np.ndarray]]  # "bare" first
    goals: dict[str, float]


def timed(run: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Seconds, seconds of processor time, result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def measure(case: Case, repeats: int, verbose: int) -> list[dict[str, Any]]:
    """One record for each run but the bare one."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in case.runs}
    names = list(case.runs)
    for turn in progress(range(repeats + 1), case.name, verbose=verbose):
        results = {}
        gc.collect()
        for name in names if turn % 2 else names[::-1]:
            wall, cpu, results[name] = timed(case.runs[name])
            if turn:
                seconds[name].append((wall, cpu))
        for name in names:
            if not np.array_equal(results[name], results["bare"]):
                raise AssertionError(f"{case.name}, {name}: not what the bare loop computes")
    bare = np.array(seconds["bare"])
    records = []
    for name in names[1:]:
        ratios = bare / np.array(seconds[name])
        records.append(
            {
                "case": case.name,
                "run": name,
                "goal": case.goals.get(name),
                "batch_size": case.batch_size,
                "bare_batch_ms": round(1000 * case.bare_batch),
                "passes": round(case.images / case.different, 1),
                "ratios": np.round(ratios[:, 0], 3).tolist(),
                "processor_ratios": np.round(ratios[:, 1], 3).tolist(),
                "bare_seconds": np.round(bare[:, 0], 3).tolist(),
            }
        )
    return records


def large_enough(first: int, one_batch: Callable[[int], Any]) -> tuple[int, float]:
    """A batch size for which the bare network needs at least 50 ms, and what it needs."""
    for size in itertools.accumulate(itertools.repeat(2), lambda a, b: a * b, initial=first):
        one_batch(size)
        seconds = min(timed(lambda size=size: one_batch(size))[0] for _ in range(3))
        if seconds >= LEAST_BATCH:
            return size, seconds
    raise AssertionError


def squares_of(images: Any, size: int) -> torch.Tensor:
    squares = [torch_images.to_square(image, size, 1) for image in Images(images)]
    return torch.stack(squares)


# the bare loops


def bare_embedding(embedder: MAEEmbedder, squares: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        batches = squares.split(embedder.batch_size)
        parts = [embedder.module_.embed(batch, "mean") for batch in batches]
    return torch.cat(parts).numpy()


# batch, seeds of torch's global and of the loss's own generator, learning rate
Step = tuple[tuple[torch.Tensor, ...], tuple[int, int], float]


def plan(estimator: Any, tensors: tuple[torch.Tensor, ...], **rest: Any) -> list[Step]:
    """The batches that `estimator.fit` trains on, ready in memory, with seeds and rates."""
    recipe = TrainingConfig.of(estimator, steps=estimator.steps, seed=estimator.seed_, **rest)
    found = []
    for step in range(recipe.steps):
        rows = torch.from_numpy(rows_of_step(step, len(tensors[0]), recipe.batch_size, recipe.seed))
        batch = tuple(tensor[rows] for tensor in tensors)
        found.append((batch, seeds_of_step(recipe.seed, step), recipe.learning_rate_at(step)))
    return found


def bare_mae_training(embedder: MAEEmbedder, steps: list[Step]) -> np.ndarray:
    module = embedder._build(1, embedder.seed_)
    groups = param_groups_weight_decay(module, embedder.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
    crop = v2.RandomResizedCrop(
        embedder.image_size, scale=(0.5, 1.0), ratio=(0.8, 1.25), antialias=True
    )
    module.train()
    losses = []
    for (images,), (global_seed, own_seed), rate in steps:
        torch.manual_seed(global_seed)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = torch.stack([crop(image) for image in images])
        generator = torch.Generator().manual_seed(own_seed)
        noise = torch.rand(len(images), module.n_patches, generator=generator)
        loss = module(images, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def bare_unet_training(segmenter: SMPSegmenter, steps: list[Step]) -> np.ndarray:
    module = segmenter._build(segmenter.seed_, 1, segmenter.classes_, weights=None)
    groups = param_groups_weight_decay(module, segmenter.weight_decay)
    optimizer = torch.optim.AdamW(groups, fused=True)
    dice = DiceLoss("binary")
    module.train()
    losses = []
    for (images, masks), (global_seed, own_seed), rate in steps:
        torch.manual_seed(global_seed)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, masks = augment(images, masks, torch.Generator().manual_seed(own_seed))
        logits = module(images)
        entropy = F.binary_cross_entropy_with_logits(logits[:, 0], masks.float())
        loss = entropy + dice(logits, masks[:, None].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


# the cases


def embedding(seconds: float, files: list[Path], cache: Path, **sizes: Any) -> Case:
    """`MAEEmbedder.transform` of arrays, and of files with and without a cache."""
    embedder = MAEEmbedder(**sizes, steps=1, device="cpu", random_state=0).fit(files[:1])
    ready = squares_of(files, embedder.image_size)

    def one_batch(size: int) -> None:
        with torch.inference_mode():
            embedder.module_.embed(repeat(ready, size), "mean")

    embedder.batch_size, batch = large_enough(embedder.batch_size, one_batch)
    n = embedder.batch_size * max(3, round(seconds / batch))
    squares, paths = repeat(ready, n), list(itertools.islice(itertools.cycle(files), n))
    arrays = squares[:, 0].numpy()  # floats in [0, 1] of the size the network takes
    cached = copy.copy(embedder).set_params(cache_dir=cache)
    runs = {
        "bare": lambda: bare_embedding(embedder, squares),
        "arrays in memory": lambda: embedder.transform(arrays),
        "files, cache_dir filled": lambda: cached.transform(paths),
        "files, decoded": lambda: embedder.transform(paths),
    }
    goals = {"arrays in memory": 0.95, "files, cache_dir filled": 0.95}
    return Case("MAEEmbedder.transform", n, len(files), embedder.batch_size, batch, runs, goals)


def mae_training(seconds: float, files: list[Path], cache: Path, **sizes: Any) -> Case:
    """`MAEEmbedder.fit` on arrays in memory, and on files as if memory were too small for them."""
    embedder = MAEEmbedder(**sizes, steps=1, device="cpu", random_state=0).fit(files[:1])
    ready = squares_of(files, embedder.image_size)

    def bare(size: int, steps: int) -> Callable[[], np.ndarray]:
        embedder.set_params(batch_size=size, steps=steps)
        prepared = plan(embedder, (ready,), betas=(0.9, 0.95))
        return lambda: bare_mae_training(embedder, prepared)

    size, batch = large_enough(embedder.batch_size, lambda size: bare(size, 1)())
    steps = max(LEAST_STEPS, round(seconds / batch))
    run_bare, arrays = bare(size, steps), ready[:, 0].numpy()
    cached = copy.copy(embedder).set_params(cache_dir=cache)

    def fit_files(embedder: MAEEmbedder, free: int) -> np.ndarray:
        """Without memory for squares, and with so many bytes in the folder for temporary files."""
        usage = shutil.disk_usage
        with (
            mock.patch.object(torch_images, "KEEP_BYTES", 0),
            mock.patch.object(shutil, "disk_usage", lambda path: usage(path)._replace(free=free)),
        ):
            return embedder.fit(files).loss_curve_

    runs = {
        "bare": run_bare,
        "arrays in memory": lambda: embedder.fit(arrays).loss_curve_,
        "files, cache_dir filled": lambda: fit_files(cached, 0),
        "files, temporary folder": lambda: fit_files(embedder, 2**60),
        "files, every pass anew": lambda: fit_files(embedder, 0),
    }
    goals = {"arrays in memory": 0.9, "files, cache_dir filled": 0.9}
    return Case("MAEEmbedder.fit", size * steps, len(files), size, batch, runs, goals)


def unet_training(name: str, seconds: float, n: int, **parameters: Any) -> Case:
    """`SMPSegmenter.fit` on arrays."""
    segmenter = SMPSegmenter(**parameters, steps=1, device="cpu", random_state=0)
    side = segmenter.image_size
    films = make_phantoms("chest", "A", n, random_state=0, image_size=side)
    segmenter.fit(films.images, films.masks)
    ready = squares_of(films.images, side), torch.from_numpy((films.masks > 0).astype(np.int64))

    def bare(size: int, steps: int) -> Callable[[], np.ndarray]:
        segmenter.set_params(batch_size=size, steps=steps)
        prepared = plan(segmenter, ready)
        return lambda: bare_unet_training(segmenter, prepared)

    size, batch = large_enough(segmenter.batch_size, lambda size: bare(size, 1)())
    steps = max(LEAST_STEPS, round(seconds / batch))
    runs = {
        "bare": bare(size, steps),
        "arrays in memory": lambda: segmenter.fit(films.images, films.masks).loss_curve_,
    }
    case = f"SMPSegmenter.fit, {name}"
    return Case(case, size * steps, n, size, batch, runs, {"arrays in memory": 0.9})


def repeat(tensor: torch.Tensor, n: int) -> torch.Tensor:
    """The first n of the endlessly repeated rows."""
    return tensor[torch.arange(n) % len(tensor)]


def cases(seconds: float, n_files: int, folder: Path) -> list[Case]:
    films = make_phantoms("chest", "A", n_files, random_state=0, image_size=FILE_SIDE).images
    files = [folder / f"film{i:04d}.png" for i in range(n_files)]
    for path, film in zip(files, films, strict=True):
        Image.fromarray(film).save(path)
    cache = folder / "cache"
    unets = [unet_training(name, seconds, n_files, **how) for name, how in UNETS.items()]
    return [
        embedding(seconds, files, cache, **MAE),
        mae_training(seconds, files, cache, **MAE),
        *unets,
    ]


def page(result: dict[str, Any]) -> str:
    """The page of docs/results/ that a result says."""

    def ratio(values: list[float]) -> str:
        return f"{np.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"

    lines = [
        {
            "estimator": record["case"],
            "images": record["run"],
            "passes": f"{record['passes']:.1f}",
            "batch": str(record["batch_size"]),
            "bare batch, ms": str(record["bare_batch_ms"]),
            "throughput": ratio(record["ratios"]),
            "goal": "-" if record["goal"] is None else f"{record['goal']:.2f}",
            "processor time": ratio(record["processor_ratios"]),
        }
        for record in result["records"]
    ]
    header = HEADER.format(
        command=COMMAND,
        torch=result["versions"]["torch"],
        **{name: result[name] for name in ("commit", "machine", "threads", "repeats")},
    )
    notes = NOTES.format(side=FILE_SIDE)
    return "\n\n".join([header, format_table(lines), notes]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short runs; nothing is written")
    parser.add_argument("--page", action="store_true", help="write the page in docs/results/")
    parser.add_argument("--from-json", action="store_true", help="measure nothing, for --page")
    parser.add_argument("--threads", type=int, help="of torch (one for each core)")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    out = RESULTS / "throughput.json"
    if args.from_json:
        result = json.loads(out.read_text(encoding="utf-8"))
    else:
        if args.threads:
            torch.set_num_threads(args.threads)
        repeats = 3 if args.quick else 5
        made_by = commit()
        with tempfile.TemporaryDirectory() as folder:
            records = []
            for case in cases(0.5 if args.quick else 2.0, 16 if args.quick else 64, Path(folder)):
                records += measure(case, repeats, verbose=0 if args.quiet else 1)
        result = {
            "commit": made_by,
            "machine": machine("cpu"),
            "threads": torch.get_num_threads(),
            "repeats": repeats,
            "versions": versions(),
            "records": records,
        }
        if not args.quick:
            out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(page(result))
    if args.page and not args.quick:
        (PAGES / "throughput.md").write_text(page(result), encoding="utf-8")
