"""What skxssr does in the engine benchmark, served to it. Imports skxssr, and torch when asked."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from benchmarks.engine.data import groups_of, labeled_rows
from benchmarks.engine.worker import serve
from skxssr import CoreSetSelector, XSSRSelector
from skxssr.selection import make_variant

# "XSSR" is the form that most goals are of; the default has another engine
MADE = {
    "CoreSet": CoreSetSelector,
    "XSSR": partial(make_variant, "residual"),
    "XSSR, default": XSSRSelector,
}


def select(task: dict[str, Any]) -> Callable[[], Callable]:
    """A whole selection, `fit` included.

    The task: files "X" and perhaps "source", "budget", "selector" (of `MADE`), "parameters", and
    perhaps "rows" (only the first of the pool), "mapped" (the pool stays on disk), "warm" (rows
    of a small selection that goes before, so that the first call need not be thrown away),
    "labeled" (a tenth of the rows) and "n_groups".
    """
    X = np.load(task["X"], mmap_mode="r" if task.get("mapped") else None)[: task.get("rows")]
    source = np.load(task["source"]) if "source" in task else None
    of = MADE[task["selector"]]
    more: dict[str, Any] = {}
    if task.get("labeled"):
        more["labeled"] = labeled_rows(len(X))
    if n_groups := task.get("n_groups"):
        more["groups"] = groups_of(len(X), n_groups)

    def run(rows: Any, budget: int) -> dict[str, Any]:
        selector = of(**task["parameters"])
        if source is not None:
            selector.fit(source)
        record = selector.select(rows, budget, return_selection=True, **more)
        notes = {k: v for k, v in record.scales.items() if isinstance(v, Real | str)}
        return {
            "picks": record.indices.tolist(),
            "elapsed": record.elapsed,
            "notes": {k: v if isinstance(v, str | bool) else float(v) for k, v in notes.items()},
            "alphas": max(1, len(record.alphas)),
            "pairs": len(rows) * (budget + len(more.get("labeled", ()))),
        }

    calls = [lambda: run(X, task["budget"])]
    if "warm" in task:
        calls.append(lambda: run(np.array(X[: task["warm"]]), min(task["budget"], 50)))
    return lambda: calls.pop() if len(calls) > 1 else calls[0]


def nearest(task: dict[str, Any]) -> Callable[[], Callable]:
    """One exact nearest-neighbour pass of the pool over its labelled rows, by scikit-learn.

    "components" of the task: in so many principal components, found outside the clock.
    """
    from sklearn.decomposition import PCA
    from sklearn.metrics import pairwise_distances_argmin_min

    X = np.load(task["X"])
    if "components" in task:
        reduce = PCA(min(task["components"], X.shape[1]), svd_solver="covariance_eigh")
        X = np.ascontiguousarray(reduce.fit_transform(X))

    def call() -> dict[str, Any]:
        at, _ = pairwise_distances_argmin_min(X, X[labeled_rows(len(X))])
        return {"picks": at[:10].tolist()}

    return lambda: call


def bandwidth(task: dict[str, Any]) -> Callable[[], Callable]:
    """Bytes a second that the GPU reads and writes, by copying 4 GB within its memory."""
    import torch

    a = torch.empty(4 << 30, dtype=torch.uint8, device="cuda")
    b = torch.empty_like(a)

    def call() -> dict[str, Any]:
        for _ in range(10):
            b.copy_(a)
        torch.cuda.synchronize()
        return {"picks": [], "bytes": 20 * a.numel()}

    return lambda: call


TABLE = {"select": select, "nearest": nearest, "bandwidth": bandwidth}
if __name__ == "__main__":
    serve(TABLE)
