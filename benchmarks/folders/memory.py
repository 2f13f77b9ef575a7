"""Peak memory of `skxssr select` over a folder of many pictures.

    python benchmarks/folders/main.py memory --n 20000    # writes the pictures, selects

Pictures are films of 96 x 96 pixels: 200 phantoms, shifted and with noise of their own, so that
none is a copy of another. The peak is the largest resident set that the system counted for the
process of the command. It is printed and kept in benchmarks/results/memory.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import RESULTS
from skxssr._utils.provenance import versions
from skxssr.datasets import make_phantoms

RESULT = RESULTS / "memory.json"
LIMIT_GB = 4.0


def write_pictures(folder: Path, n: int) -> None:
    """Write n films that differ from one another."""
    films = make_phantoms("chest", "B", 200, random_state=0, image_size=96).images
    rng = np.random.default_rng(0)
    for row in range(n):
        moved = np.roll(films[row % len(films)], rng.integers(-12, 13, 2), axis=(0, 1))
        noisy = np.clip(moved + rng.normal(0, 6, moved.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"film{row:06d}.png", compress_level=1)


def measure(n: int, budget: int) -> dict:
    """Run the command once; seconds and GB."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "films").mkdir()
        write_pictures(root / "films", n)
        command = [sys.executable, "-m", "skxssr.cli", "select", "--target", str(root / "films")]
        options = ["--budget", str(budget), "--out", str(root / "picks"), "--quiet"]
        started = time.perf_counter()
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # in KiB on Linux, in bytes on macOS
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    return {
        "n": n,
        "budget": budget,
        "peak GB": round(peak, 3),
        "under the limit": peak < LIMIT_GB,
        "processor seconds": round(usage.ru_utime + usage.ru_stime),
        "seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=20_000, help="pictures")
    parser.add_argument("--budget", type=int, default=100, help="picks")
    args = parser.parse_args()
    known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"runs": []}
    found = measure(args.n, args.budget)
    print(json.dumps(found))
    kept = [run for run in known["runs"] if run["n"] != args.n]
    runs = sorted([*kept, found], key=lambda run: run["n"])
    text = json.dumps({"versions": versions(), "runs": runs}, indent=1)
    RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
