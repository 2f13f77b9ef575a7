"""Greedy k-center by other libraries, and by hand, in an environment of their own.

    python benchmarks/engine/main.py --install-peers

makes that environment. Run under its interpreter, this file serves them to the benchmark. Each
library gets a float32 array as a user has it, and starts from the same row. It imports numpy only;
a library where it is asked for.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine.data import FIRST, numpy_loop
from benchmarks.engine.worker import serve

FOLDER = Path(__file__).parents[2] / ".cache" / "peers"
# scikit-matter is called skmatter on the index, and holds scikit-learn at 1.8; fpsample is built
# from source and needs a C++ compiler
PACKAGES = (
    "fpsample==1.0.2",
    "skmatter==0.4.1",
    "scikit-activeml==1.0.1",
    "lightly-mundig==0.1.16",
)
MISSING = "python benchmarks/engine/main.py --install-peers makes their environment"
LOOP = "NumPy loop"
ALONE = "selection alone"  # the stage of a peer that copies the rows first


def installed() -> bool:
    return (FOLDER / "bin" / "python").exists()


def interpreter() -> str:
    """Of the peers' environment; ours where it was not made: the loop needs numpy alone."""
    return str(FOLDER / "bin" / "python") if installed() else sys.executable


def install() -> None:
    """Make the environment."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    subprocess.run([interpreter(), "-m", "pip", "install", *PACKAGES], check=True)


def versions() -> dict[str, str]:
    """Of whatever is installed there."""
    if not installed():
        return {}
    code = "from importlib.metadata import distributions as d\n"
    code += "print(*sorted({f'{x.name}=={x.version}' for x in d()}), sep='\\n')"
    done = subprocess.run([interpreter(), "-c", code], capture_output=True, text=True, check=True)
    found = dict(line.split("==") for line in done.stdout.split())
    wanted = ["numpy", "scikit-learn", *(package.split("==")[0] for package in PACKAGES)]
    return {name: found[name] for name in wanted if name in found}


def by_hand(task: dict[str, Any]) -> Callable[[], Callable]:
    X = np.load(task["X"])
    return lambda: lambda: numpy_loop(X, task["budget"])


def by_fpsample(task: dict[str, Any]) -> Callable[[], Callable]:
    import fpsample

    X = np.load(task["X"])
    # its tree variants stop at 8 features
    return lambda: lambda: fpsample.fps_sampling(X, task["budget"], FIRST)


def by_scikit_matter(task: dict[str, Any]) -> Callable[[], Callable]:
    from skmatter.sample_selection import FPS

    X = np.load(task["X"])
    settings = {"initialize": FIRST, "n_to_select": task["budget"]}
    return lambda: lambda: FPS(**settings).fit(X).selected_idx_


def by_scikit_activeml(task: dict[str, Any]) -> Callable[[], Callable]:
    from skactiveml.pool import CoreSet

    X = np.load(task["X"])
    y = np.full(len(X), np.nan)
    y[FIRST] = 0  # nothing labelled fails; what is labelled is not returned

    def call() -> list[int]:
        found = CoreSet(random_state=0).query(X, y, batch_size=task["budget"] - 1)
        return [FIRST, *found]

    return lambda: call


def by_lightly_mundig(task: dict[str, Any]) -> Callable[[], Callable]:
    from lightly_mundig import Selection

    X = np.load(task["X"])

    def call() -> dict[str, Any]:
        start = time.perf_counter()
        selection = Selection()
        selection.add_diversifying_strategy(X, 1.0)  # faster from an array than from lists
        handed_over = time.perf_counter()
        picks = selection.run_selection([FIRST], len(X), task["budget"])
        stages = {"rows handed over": handed_over - start}
        return {"picks": picks, "elapsed": {**stages, ALONE: time.perf_counter() - handed_over}}

    return lambda: call


TABLE = {
    LOOP: by_hand,
    "fpsample": by_fpsample,
    "scikit-matter": by_scikit_matter,
    "scikit-activeml": by_scikit_activeml,
    "lightly-mundig": by_lightly_mundig,
}
PEERS = tuple(name for name in TABLE if name != LOOP)

if __name__ == "__main__":
    serve(TABLE)
