"""How fast is the selection engine, against other libraries, and does it reach its goals?

    python benchmarks/engine/main.py --install-peers  # once: their environment, .cache/peers
    python benchmarks/engine/main.py                  # every case, hours
    python benchmarks/engine/main.py --case imports   # one; the others keep their result
    python benchmarks/engine/main.py --quick          # small sizes, 3 minutes on two idle cores
    python benchmarks/engine/main.py --page           # docs/results/engine.md, from the result
    python benchmarks/engine/main.py throughput       # embedding and training: throughput.py

A case runs everybody side by side in one run (cases.py), and its result, with every single
time, goes to results/engine.json as it ends. `--quick` keeps its own in .cache/engine. Peers that
are not installed are left out and named. Run it on a machine that does nothing else: the load
before each case is in the result.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.common import PAGES, RESULTS, commit, dispatch
from benchmarks.engine import data, peers
from benchmarks.engine.cases import CASES, FULL, QUICK, Bench
from benchmarks.engine.page import goals, page, profile, race_table
from skxssr._utils.provenance import versions


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--install-peers", action="store_true", help="make their environment")
    parser.add_argument("--case", nargs="+", choices=CASES, metavar="NAME", help="only these")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--threads", nargs="+", type=int, help="numbers to compare (1 2; quick: 1)")
    parser.add_argument("--repeats", type=int, help="counted calls (5; quick: 3)")
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    parser.add_argument("--out", type=Path, help="result file")
    return parser.parse_args()


def processor() -> str:
    """Processor, cores and memory."""
    name = platform.machine()
    cpu, memory = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpu.exists():
        models = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":")[1].strip() if models else name
    text = f"{os.cpu_count()} cores of {name}"
    if memory.exists():
        text += f", {int(memory.read_text().split()[1]) / 2**20:.0f} GiB"
    return text


def main() -> None:
    args = parse_args()
    if args.install_peers:
        peers.install()
        return
    size = QUICK if args.quick else FULL
    default = data.CACHE / "quick.json" if args.quick else RESULTS / "engine.json"
    out = args.out or default
    done = json.loads(out.read_text())["cases"] if out.exists() else {}
    if args.page:
        (PAGES / "engine.md").write_text(page(done), encoding="utf-8")
        return
    bench = Bench(
        size=size,
        threads=tuple(args.threads or ((1,) if args.quick else (1, 2))),
        repeats=args.repeats or size.repeats,
    )
    size = replace(size, repeats=bench.repeats)
    for name in args.case or CASES:
        load = os.getloadavg()[0]
        print(f"\n{name}, load {load:.1f}", flush=True)
        if load > 0.5:
            print("the machine is busy: ratios may be off", flush=True)
        case = {
            "size": asdict(size),
            "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
            "commit": commit(),
            "machine": processor(),
            "load": load,
            "versions": versions(),
            "peer_versions": peers.versions(),
            **CASES[name](bench),
        }
        for threads, results in case.get("races", {}).items():
            print(f"threads: {threads}\n{race_table(results)}")
        if name == "growth":
            print(profile(case))
        if "left_out" in case:
            print(f"left out: {case['left_out']}")
        done[name] = case
        done = {known: done[known] for known in CASES if known in done}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"cases": done}, indent=1) + "\n", encoding="utf-8")
    if args.quick:
        print("\nSmall sizes: the goals are meant for the full ones.")
    print(f"\n{goals(done)}")


if __name__ == "__main__":
    dispatch(main, "engine", ("throughput",))
