"""The cases of the engine benchmark: who runs on what. Imports the others of the room.

A case returns plain values for the result file; page.py says what they mean.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.engine.data import FIRST, kept_oracle, pool_file
from benchmarks.engine.peers import LOOP, MISSING, PEERS, installed, interpreter
from benchmarks.engine.worker import Contestant, race

CORESET = {"selector": "CoreSet", "parameters": {"preprocess": None, "initialize": FIRST}}
XSSR = {"selector": "XSSR", "parameters": {"alpha": "auto"}}
DEFAULT = {"selector": "XSSR, default", "parameters": {}}
ONE_ALPHA = 0.5
COMPONENTS = 32  # of XSSR's default preprocessing
CHECKED = {"rows": 2_000, "budget": 50}  # small enough for the full scan of XSSR
WARM = 2_000  # rows of the call that goes before, where one call of the size takes minutes
GPU = {"n": 10_000_000, "d": 256, "budget": 1_000}


@dataclass(frozen=True)
class Size:
    """How large everything is.

    Attributes
    ----------
    n, d, budget : int
        Rows, features and picks of the pool.
    n_source : int
    larger : int
        Rows of the large pool; its first `n` are the small one.
    n_groups : int
    repeats : int
        Counted calls.
    cold : int
        Starts with an empty cache of compiled code.
    """

    n: int
    d: int
    budget: int
    n_source: int
    larger: int
    n_groups: int
    repeats: int
    cold: int


FULL = Size(100_000, 384, 1_000, 20_000, 1_000_000, 50_000, repeats=5, cold=3)
QUICK = Size(5_000, 128, 100, 2_000, 20_000, 2_500, repeats=3, cold=1)


@dataclass(frozen=True)
class Bench:
    """What a case is given: sizes, numbers of threads to compare, and where to report."""

    size: Size
    threads: tuple[int, ...]
    repeats: int
    say: Callable[[str], None] = print

    def pool(self, kind: str, n: int | None = None) -> str:
        return str(pool_file(kind, n or self.size.n, self.size.d))

    def task(self, kind: str, of: dict[str, Any], **more: Any) -> dict[str, Any]:
        task = {"X": self.pool(kind), "budget": self.size.budget, **of, **more}
        if of.get("selector", "").startswith("XSSR"):
            task["source"] = self.pool("source", self.size.n_source)
        return task

    def race(self, contestants: list[Contestant], repeats: int | None = None) -> dict[str, Any]:
        """Everybody in turn; peers only where their environment was made."""
        scripts = {"ours": sys.executable, "peers": interpreter()}
        absent = [one for one in contestants if one.peer and not installed()]
        results = race(
            [one for one in contestants if one not in absent],
            python=scripts.__getitem__,
            repeats=repeats or self.repeats,
            say=self.say,
        )
        for one in absent:
            results[one.name] = {"missing": MISSING, "threads": one.threads, "peer": True}
            self.say(f"{one.name}: not installed ({MISSING})")
        return results

    def rivals(self, kind: str, threads: int) -> list[Contestant]:
        task = self.task(kind, {})
        return [
            Contestant(name, name, task, threads, "peers", peer=name != LOOP)
            for name in (LOOP, *PEERS)
        ]


def agreement(results: dict[str, Any], truth: np.ndarray | None) -> None:
    """Replace the picks by how many, from the first on, are those of the oracle."""
    for found in results.values():
        picks = found.pop("picks", None)
        if picks is not None and truth is not None:
            equal = np.asarray(picks) == truth
            found["as_oracle"] = int(equal.size if equal.all() else equal.argmin())
            found["shared_with_oracle"] = int(np.isin(picks, truth).sum())


def coreset(kind: str) -> Callable[[Bench], dict[str, Any]]:
    """CoreSet on one kind of pool, with every peer and the loop."""

    def case(bench: Bench) -> dict[str, Any]:
        truth = kept_oracle(pool_file(kind, bench.size.n, bench.size.d), bench.size.budget)
        races = {}
        for threads in bench.threads:
            task = bench.task(kind, CORESET)
            task["parameters"] = {**task["parameters"], "n_jobs": threads}
            ours = Contestant("CoreSet", "select", task, threads)
            races[str(threads)] = bench.race([ours, *bench.rivals(kind, threads)])
            agreement(races[str(threads)], truth)
        return {"races": races}

    return case


def xssr(bench: Bench) -> dict[str, Any]:
    """The default, all alphas and one, with the peers' plain k-center on the same pool."""
    races = {}
    for threads in bench.threads:
        jobs = {"n_jobs": threads}
        ours = [
            Contestant(
                f"XSSR, {name}",
                "select",
                bench.task("medium", {**XSSR, "parameters": {"alpha": alpha, **jobs}}),
                threads,
            )
            for name, alpha in (("11 alphas", "auto"), ("one alpha", ONE_ALPHA))
        ]
        default = bench.task("medium", {**DEFAULT, "parameters": jobs})
        ours.insert(0, Contestant("XSSR, default", "select", default, threads))
        races[str(threads)] = bench.race([*ours, *bench.rivals("medium", threads)])
        agreement(races[str(threads)], None)
    small = [
        Contestant(
            engine,
            "select",
            bench.task("medium", {**XSSR, "parameters": {"engine": engine}}, **CHECKED),
        )
        for engine in ("lazy", "full")
    ]
    lazy, full = bench.race(small, repeats=1).values()
    return {"races": races, "checked": CHECKED, "as_full_scan": lazy["picks"] == full["picks"]}


def growth(bench: Bench) -> dict[str, Any]:
    """Both selectors on a memory-mapped pool and on a larger one."""
    threads = max(bench.threads)
    contestants = []
    for of in (XSSR, CORESET):
        jobs = {**of["parameters"], "n_jobs": threads}
        for n in (bench.size.n, bench.size.larger):
            task = bench.task("medium", {**of, "parameters": jobs}, mapped=True, warm=WARM)
            task["X"] = bench.pool("medium", n)
            contestants.append(Contestant(f"{of['selector']}, {n:,} rows", "select", task, threads))
    results = bench.race(contestants)
    agreement(results, None)
    return {"races": {str(threads): results}}


def demands(bench: Bench) -> dict[str, Any]:
    """Labelled rows and groups, and the nearest-neighbour pass that labels may cost."""
    threads = max(bench.threads)
    pool = pool_file("medium", bench.size.n, bench.size.d)
    extra: dict[str, dict[str, Any]] = {
        "plain": {},
        "labeled": {"labeled": True},
        "groups": {"n_groups": bench.size.n_groups},
    }
    contestants = []
    for of, space in ((CORESET, {}), (XSSR, {"components": COMPONENTS})):
        jobs = {**of, "parameters": {**of["parameters"], "n_jobs": threads}}
        name = of["selector"]
        contestants += [
            Contestant(f"{name}, {how}", "select", bench.task("medium", jobs, **asked), threads)
            for how, asked in extra.items()
        ]
        contestants.append(
            Contestant(
                f"{name}, neighbour pass", "nearest", bench.task("medium", {}, **space), threads
            )
        )
    results = bench.race(contestants)
    for how, asked in extra.items():
        truth = kept_oracle(pool, bench.size.budget, **asked)
        agreement({f"CoreSet, {how}": results[f"CoreSet, {how}"]}, truth)
    agreement(results, None)
    return {"races": {str(threads): results}}


def threads(bench: Bench) -> dict[str, Any]:
    """One thread and two: the dense parts, and whether the picks are the same."""
    contestants = [
        Contestant(
            f"{of['selector']}, {kind}, {n}",
            "select",
            bench.task(kind, {**of, "parameters": {**of["parameters"], "n_jobs": n}}),
            n,
        )
        for of, kind in ((CORESET, "isotropic"), (XSSR, "medium"))
        for n in (1, 2)
    ]
    results = bench.race(contestants)
    same = {
        name: results[f"{name}, 1"]["picks"] == results[f"{name}, 2"]["picks"]
        for name in ("CoreSet, isotropic", "XSSR, medium")
    }
    agreement(results, None)
    return {"races": {"1 and 2": results}, "same_picks": same}


# name -> class and parameters
FIRST_CALLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "CoreSetSelector": ("CoreSetSelector", {}),
    "XSSRSelector": ("XSSRSelector", {"scoring": "residual", "alpha": "auto"}),  # as "XSSR"
    "default XSSRSelector": ("XSSRSelector", {}),
}
IMPORT = """
import sys, time, numpy
start = time.perf_counter()
import skxssr
print(time.perf_counter() - start, "numba" in sys.modules)
"""
FIRST_CALL = """
import time, numpy
X = numpy.random.default_rng(0).normal(size=(500, 16)).astype("float32")
start = time.perf_counter()
from skxssr import {name} as Selector
imported, used = time.perf_counter(), time.process_time()
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    Selector(**{form!r}).fit(X + 1).select(X, 20)
called, used = time.perf_counter(), time.process_time() - used
depth, compiling, functions = 0, 0.0, 0
for at, one in recorder.buffer:  # starts and ends, one compilation within another
    functions += one.is_start
    compiling += at if depth == 1 and one.is_end else -at if depth == 0 else 0.0
    depth += 1 if one.is_start else -1
print(imported - start, called - imported, compiling, functions, used)
"""


def imports(bench: Bench) -> dict[str, Any]:
    """Fresh interpreters: the bare import, and the first call without and with a cache."""

    def fresh(code: str, cache: str) -> list[str]:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return done.stdout.split()

    calls: dict[str, dict[str, list[float]]] = {}
    for name, (kind_of, form) in FIRST_CALLERS.items():
        kinds = ("class", "cold", "cached", "compiling", "functions", "cold_cpu", "cached_cpu")
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(bench.size.cold):
            with tempfile.TemporaryDirectory() as cache:
                for state in ("cold", "cached"):
                    printed = fresh(FIRST_CALL.format(name=kind_of, form=form), cache)
                    import_seconds, seconds, compiling, functions, used = map(float, printed)
                    found[state].append(seconds)
                    found[f"{state}_cpu"].append(used)
                    if state == "cold":
                        found["compiling"].append(compiling)
                        found["functions"].append(functions)
                found["class"].append(import_seconds)  # with the cache of the system warm
        calls[name] = found
        bench.say(
            f"first call of {name}: {found['cold'][0]:.2g} s, then {found['cached'][0]:.2g} s"
        )
    with tempfile.TemporaryDirectory() as cache:
        bare = [fresh(IMPORT, cache) for _ in range(bench.repeats)]
        compiled = len(os.listdir(cache))
    return {
        "import": [float(seconds) for seconds, _ in bare],
        "numba_loaded": any(loaded == "True" for _, loaded in bare),
        "compiled": compiled,
        "first_call": calls,
    }


def gpu(bench: Bench) -> dict[str, Any]:
    """Both selectors in half precision on the GPU; or why not."""
    try:
        import torch
    except ImportError as error:
        return {"left_out": str(error)}
    if not torch.cuda.is_available():
        return {"left_out": "this machine has no CUDA device"}
    X = str(pool_file("medium", GPU["n"], GPU["d"], "float16"))
    source = str(pool_file("source", bench.size.n_source, GPU["d"], "float16"))
    contestants = [Contestant("copy", "bandwidth", {"X": X})]
    for of in (CORESET, XSSR):
        parameters = {**of["parameters"], "engine": "torch", "n_jobs": max(bench.threads)}
        task = {**of, "X": X, "source": source, "budget": GPU["budget"], "mapped": True}
        task |= {"warm": WARM, "parameters": parameters}
        contestants.append(Contestant(of["selector"], "select", task, max(bench.threads)))
    results = bench.race(contestants)
    agreement(results, None)
    device = torch.cuda.get_device_name()
    return {"races": {"GPU": results}, "device": device, **GPU}


CASES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "coreset-medium": coreset("medium"),
    "coreset-tight": coreset("tight"),
    "coreset-isotropic": coreset("isotropic"),
    "xssr": xssr,
    "growth": growth,
    "demands": demands,
    "threads": threads,
    "import": imports,
    "gpu": gpu,
}
