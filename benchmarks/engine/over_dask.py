"""Selection over Dask against one machine: time, rounds, bytes per pick; needs no data.

Rows of Gaussian clusters lie in a file that the worker processes of a LocalCluster map. Every
selector picks on one machine with one thread, on one worker and on two, of one thread each; the
picks must be the same. The machine should have nothing else to do: its load is in the results.

    python benchmarks/engine/over_dask.py --out benchmarks/results/engine_dask.json
    python benchmarks/engine/over_dask.py --rows 20000 --picks 50 --selectors core-set
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skxssr import CoreSetSelector, FacilityLocationSelector, MaxHerdingSelector, XSSRSelector
from skxssr.distributed import select
from skxssr.report import format_table

SELECTORS = {
    "core-set": CoreSetSelector,
    "xssr": XSSRSelector,
    "max-herding": MaxHerdingSelector,
    "facility-location": FacilityLocationSelector,
}
APPROXIMATE = ("max-herding", "facility-location")
CHUNK = 50_000


def make_rows(path: Path, n: int, p: int, n_clusters: int = 300) -> None:
    """Write `n` rows of clusters that spread by different amounts."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_clusters, p)) * 2
    spread = rng.uniform(0.3, 1.5, size=n_clusters)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, p))
    for lo in range(0, n, CHUNK):
        of = rng.integers(n_clusters, size=min(CHUNK, n - lo))
        rows[lo : lo + len(of)] = centers[of] + spread[of, None] * rng.normal(size=(len(of), p))
    rows.flush()


def read(path: str, lo: int, hi: int) -> np.ndarray:
    """Rows of the file."""
    return np.array(np.load(path, mmap_mode="r")[lo:hi])


def lazy_rows(path: Path, n: int, p: int) -> Any:
    """The rows as a Dask array, read where they are needed."""
    import dask
    import dask.array as da

    parts = [
        da.from_delayed(
            dask.delayed(read)(str(path), lo, min(lo + CHUNK, n)),
            (min(CHUNK, n - lo), p),
            np.float32,
        )
        for lo in range(0, n, CHUNK)
    ]
    return da.concatenate(parts)


@contextmanager
def cluster_of(n_workers: int) -> Iterator[Any]:
    """A client of so many worker processes of one thread each."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(n_workers)
        yield client


def peak_memory() -> int:
    """Most bytes that this process has held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(call: Any) -> tuple[float, Any]:
    """Seconds that a call took, and what it returned."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def measure(name: str, path: Path, n: int, p: int, picks: int) -> dict[str, Any]:
    """One selector on one machine and on clusters of one and two workers."""
    selector = SELECTORS[name](n_jobs=1) if name != "core-set" else SELECTORS[name]()
    small = np.random.default_rng(1).normal(size=(600, p)).astype(np.float32)
    selector.select(small, 10)  # kernels are loaded or compiled
    X = np.load(path, mmap_mode="r")
    seconds, one = timed(lambda: selector.select(X, picks, return_selection=True))
    found: dict[str, Any] = {"selector": name, "rows": n, "columns": p, "picks": picks}
    found["one machine"] = {"seconds": seconds}
    print(f"{name}: one machine {seconds:.1f} s", flush=True)
    for n_workers in (1, 2):
        with cluster_of(n_workers) as client:
            import dask.array as da

            select(selector, da.from_array(small, chunks=(300, p)), 10, client=client)
            lazy = lazy_rows(path, n, p)
            seconds, many = timed(
                lambda lazy=lazy, client=client: select(
                    selector, lazy, picks, client=client, return_selection=True
                )
            )
            of: dict[str, Any] = {
                "seconds": seconds,
                "same picks": bool((many.indices == one.indices).all()),
                "rounds": many.scales.get("n_rounds"),
                "bytes per pick": many.scales.get("n_bytes_of_rounds", 0) / picks or None,
                "largest worker, bytes": max(client.run(peak_memory).values()),
                "elapsed": many.elapsed,
            }
            if name in APPROXIMATE:
                term = "gain" if "gain" in one.terms else "density"
                quick_seconds, quick = timed(
                    lambda lazy=lazy, client=client: select(
                        selector,
                        lazy,
                        picks,
                        client=client,
                        approximate=True,
                        return_selection=True,
                    )
                )
                of["approximate, seconds"] = quick_seconds
                of["approximate, covered"] = float(quick.terms[term].sum() / one.terms[term].sum())
        found[f"{n_workers} workers"] = of
        print(f"{name}: {n_workers} workers {of}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=128)
    parser.add_argument("--picks", type=int, default=500)
    parser.add_argument("--selectors", nargs="+", choices=SELECTORS, default=["core-set", "xssr"])
    parser.add_argument("--out", type=Path, help="JSON file; what it holds already is kept")
    args = parser.parse_args()
    results = []
    if args.out is not None and args.out.exists():
        results = json.loads(args.out.read_text(encoding="utf-8"))["results"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        make_rows(path, args.rows, args.columns)
        for name in args.selectors:
            load = os.getloadavg()[0]
            found = measure(name, path, args.rows, args.columns, args.picks)
            results.append(found | {"load before": load, "cores": os.cpu_count()})
            if args.out is not None:
                record = {"python": platform.python_version(), "results": results}
                args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(format_table([line_of(of) for of in results]))


def line_of(of: dict[str, Any]) -> dict[str, str]:
    """A line of the table."""
    two = of["2 workers"]
    return {
        "selector": of["selector"],
        "rows": f"{of['rows']:,} x {of['columns']}",
        "one machine": f"{of['one machine']['seconds']:.1f} s",
        "1 worker": f"{of['1 workers']['seconds']:.1f} s",
        "2 workers": f"{two['seconds']:.1f} s",
        "rounds": str(two["rounds"] or "-"),
        "bytes per pick": f"{two['bytes per pick']:,.0f}" if two["bytes per pick"] else "-",
        "same picks": str(of["1 workers"]["same picks"] and two["same picks"]),
    }


if __name__ == "__main__":
    main()
