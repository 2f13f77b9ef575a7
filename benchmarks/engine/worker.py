"""Contestants in processes of their own, timed in turn. Imports the standard library only.

The modules ours.py and peers.py are `serve`d in a process for each contestant, under
their own interpreter: commands and answers are lines of JSON. A start costs nobody anything, all
are held to the same number of threads, and the memory of one is not that of another.
"""

import gc
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
THREAD_VARIABLES += ("RAYON_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
TOO_SLOW = 3  # times the fastest peer's first call: such a peer decides nothing, timed once
_POLL = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class Contestant:
    """One line of a race.

    Attributes
    ----------
    name : str
    what : str
        Key in the table of its script.
    task : dict
        What the script is told: files, budget, arguments.
    threads : int
    script : str
        Which script has the table.
    peer : bool
        Another library: only the fastest of them decides, so a slow one is timed only once.
    """

    name: str
    what: str
    task: dict[str, Any]
    threads: int = 1
    script: str = "ours"
    peer: bool = False


@dataclass
class Worker:
    """A process that serves a script's table."""

    python: str
    script: str
    threads: int
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        limits = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        self.process = subprocess.Popen(
            [self.python, "-u", "-m", f"benchmarks.engine.{self.script}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits, "OMP_WAIT_POLICY": "PASSIVE"},
        )

    def ask(self, **message: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.script} ended with {self.process.wait()}: {message}")
        return json.loads(answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def serve(table: dict[str, Callable[[dict[str, Any]], Callable[[], Callable]]]) -> None:
    """Answer the commands on standard input until it ends.

    A maker of the table takes the task and returns `ready`; `ready` does what belongs to no
    clock, once a run, and returns the call that is timed. The call returns picks, or a dict with
    "picks" and notes.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    ready: Callable[[], Callable]
    for line in sys.stdin:
        message = json.loads(line)
        answer: dict[str, Any] = {}
        if message["do"] == "prepare":
            try:
                ready = table[message["what"]](message["task"])
            except ImportError as error:
                answer["missing"] = str(error)
        else:
            call = ready()
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            found = call()
            answer["seconds"] = time.perf_counter() - wall
            answer["cpu"] = time.process_time() - cpu
            answer |= found if isinstance(found, dict) else {"picks": [int(i) for i in found]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def held_by(pid: int) -> int | None:
    """Bytes of memory of a process that are no file's; None where Linux is not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return 1024 * sum(int(kb) for kb in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", status, re.M))


def code_of(pid: int, data: str) -> int | None:
    """Resident bytes of all mapped files but the data: libraries, mostly."""
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return None
    total, counts = 0, False
    data = os.path.realpath(data)  # as the system names it
    for line in lines:
        if mapping := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+) *(.*)", line):
            counts = mapping[1] != "0" and mapping[2] != data
        elif counts and (kb := re.match(r"(Rss|Anonymous): +(\d+)", line)):
            total += 1024 * int(kb[2]) * (1 if kb[1] == "Rss" else -1)
    return total


class Watch:
    """The most memory that a process held meanwhile."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = held_by(pid)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        done = False
        while not done:
            done = self._done.wait(_POLL)  # and once more at the end
            now = held_by(self._pid)
            if now is not None and self.peak is not None:
                self.peak = max(self.peak, now)


def race(
    contestants: list[Contestant],
    *,
    python: Callable[[Contestant], str],
    repeats: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Run all contestants in turn, `repeats` times after a first call that does not count.

    Returns
    -------
    dict of str to dict
        For each name "seconds", "cpu" and "elapsed" of every counted call, "first" of the
        excluded one, "picks" and "same" (whether all calls agreed), "memory" (bytes: "before"
        the first call, "peak" of the counted ones, "code" of libraries), and the notes of the
        script; or "missing", and why.
    """
    results: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}
    try:
        for one in contestants:
            worker = Worker(python(one.script), one.script, one.threads)
            workers[one.name] = worker
            results[one.name] = {"threads": one.threads, "peer": one.peer}
            answer = worker.ask(do="prepare", what=one.what, task=one.task)
            if "missing" in answer:
                workers.pop(one.name).close()
                results[one.name] |= answer
                say(f"{one.name}: not installed ({answer['missing']})")
        for name, worker in workers.items():
            before = held_by(worker.process.pid)
            answer = worker.ask(do="run")
            say(f"{name}: first call {answer['seconds']:.3g} s")
            results[name] |= {"first": answer["seconds"], "seconds": [], "cpu": [], "elapsed": []}
            results[name] |= {"same": True, "memory": {"before": before, "peak": before}}
        firsts = [
            found["first"] for found in results.values() if found["peer"] and "first" in found
        ]
        for turn in range(repeats):
            for name, worker in workers.items():
                found = results[name]
                if turn and found["peer"] and found["first"] > TOO_SLOW * min(firsts):
                    continue
                with Watch(worker.process.pid) as watch:
                    answer = worker.ask(do="run")
                for key in ("seconds", "cpu", "elapsed"):
                    found[key].append(answer.pop(key, {}))
                if watch.peak is not None:
                    found["memory"]["peak"] = max(found["memory"]["peak"], watch.peak)
                found["same"] &= answer["picks"] == found.setdefault("picks", answer["picks"])
                found |= answer
        for one in contestants:
            if one.name in workers:
                found = results[one.name]
                code = code_of(workers[one.name].process.pid, one.task["X"])
                found["memory"]["code"] = code
                say(f"{one.name}: median {statistics.median(found['seconds']):.3g} s")
    finally:
        for worker in workers.values():
            worker.close()
    return results
