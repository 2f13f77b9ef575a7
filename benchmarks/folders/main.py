"""What it costs to look through a folder of many pictures before anything is trained.

    python benchmarks/folders/main.py --n 20000              # writes the pictures, and looks
    python benchmarks/folders/main.py --n 20000 --json out.json

The pictures are phantom films with noise of their own, none like another: of ten, six 8-bit PNG of
256 by 256 pixels, three JPEG of 512 by 512 and one 16-bit PNG of 256 by 256, in folders of a
hundred. They are dropped from the cache of the system one by one, so that each is read from the
disk (Linux only). The time is that of `skxssr.io.take_inventory` on `--cores` cores, with the
progress bar that a user sees; the time of the processors tells what it needs on an idle machine.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.common import dispatch
from skxssr._utils.provenance import versions
from skxssr.datasets import make_phantoms
from skxssr.io import take_inventory

SIDE, LARGE, BASES = 256, 512, 50


def main() -> None:
    """Write the pictures, look through them, say what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=20_000, help="pictures (20000)")
    parser.add_argument("--cores", type=int, default=2, help="processors to use (2)")
    parser.add_argument("--folder", type=Path, help="where pictures are kept; else temporary")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    folder = args.folder or Path(tempfile.mkdtemp(prefix="skxssr-inventory-"))
    try:
        write_pictures(folder, args.n, args.cores)
        found = measure(folder, args.cores)
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{found['n']} pictures, {found['gigabytes']:.2f} GB, on {args.cores} cores, "
        f"{'cold' if found['cold'] else 'perhaps cached'}: {found['seconds']:.1f} s, "
        f"{found['processor_seconds']:.1f} s of the processors, "
        f"{found['peak_megabytes']:.0f} MB at most"
    )
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def write_pictures(folder: Path, n: int, workers: int) -> None:
    """Those that are there already stay."""
    films = make_phantoms("chest", "A", BASES, random_state=0, image_size=SIDE).images
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(_write, folder, films), range(n), chunksize=200))


def _write(folder: Path, films: np.ndarray, i: int) -> None:
    kind = i % 10
    path = folder / f"{i // 100:04d}" / f"{i:06d}.{'jpg' if 6 <= kind < 9 else 'png'}"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(i)
    film = np.roll(films[i % BASES], rng.integers(-20, 21, 2), axis=(0, 1)).astype(np.float32)
    film = rng.uniform(0.7, 1.1) * film + rng.normal(0, 3, film.shape).astype(np.float32)
    if 6 <= kind < 9:
        film = film.repeat(LARGE // SIDE, axis=0).repeat(LARGE // SIDE, axis=1)
    if kind == 9:
        pixels = (16 * film).clip(0, 4095).astype(np.uint16)
    else:
        pixels = film.clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def measure(folder: Path, cores: int) -> dict:
    """Time and memory of one look through the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    cold = all([drop_from_cache(path) for path in files])
    before, start = _processor_seconds(), time.perf_counter()
    inventory = take_inventory(folder, verbose=1)
    seconds = time.perf_counter() - start
    return {
        "n": len(inventory.images),
        "gigabytes": size / 1e9,
        "cores": cores,
        "cold": cold,
        "seconds": round(seconds, 1),
        "processor_seconds": round(_processor_seconds() - before, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "versions": versions(),
    }


def drop_from_cache(path: Path) -> bool:
    """Have the next reader read it from the disk; False where the system cannot be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    return True


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    dispatch(main, "folders", ("junk_rate", "memory"))
