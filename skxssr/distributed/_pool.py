"""The preprocessed rows of one side, in blocks that stay where Dask keeps them.

Blocks begin at multiples of 4,096 rows, as those that one machine transforms: the same floats.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numpy as np

from skxssr._kernels.distances import lower_to_point
from skxssr._utils.threads import limit_threads
from skxssr.base.preprocess import BLOCK
from skxssr.base.request import Request
from skxssr.distributed._arrays import engine_dtype, starts_of
from skxssr.distributed._cluster import Cluster

MOST_BYTES = 128 * 2**20  # of a block
LARGEST = 1e150  # its square is still finite


def engine_chunks(n: int, row_bytes: int, n_threads: int) -> tuple[int, ...]:
    """Rows of each block: two for each thread, of at most 128 MiB, multiples of 4,096."""
    rows = min(-(-n // (2 * n_threads)), max(1, MOST_BYTES // row_bytes))
    rows = -(-rows // BLOCK) * BLOCK
    return (rows,) * (n // rows) + ((n % rows,) if n % rows else ())


def _look(chunk: np.ndarray, positions: np.ndarray, dtype: np.dtype) -> dict[str, Any]:
    """What the border has to know of a chunk as it came, and its rows at `positions`."""
    chunk = np.asarray(chunk).astype(dtype, copy=False)
    finite = np.isfinite(chunk)
    found: dict[str, Any] = {"rows": chunk[positions], "bad": 0}
    if finite.all():
        found["largest"] = float(np.abs(chunk).max(initial=0.0))
        return found
    bad = np.flatnonzero(~finite.all(axis=1))
    column = int(np.flatnonzero(~finite[bad[0]])[0])
    what = "NaN" if np.isnan(chunk[bad[0], column]) else "infinity"
    return found | {"bad": len(bad), "first": int(bad[0]), "column": column, "what": what}


def look_at(X: Any, positions: np.ndarray, name: str, cluster: Cluster) -> np.ndarray:
    """Read every chunk once: refuse what is not finite, and return the rows at `positions`.

    Raises
    ------
    ValueError
        A chunk holds NaN or infinity, or values so large that their squares overflow.
    """
    starts = starts_of(X.chunks[0])
    cuts = np.searchsorted(positions, starts)
    dtype = engine_dtype(X.dtype)
    tasks = [
        cluster.delayed(_look, chunk, positions[cuts[b] : cuts[b + 1]] - starts[b], dtype)
        for b, chunk in enumerate(X.to_delayed().ravel())
    ]
    found = cluster.compute(tasks)
    for b, of in enumerate(found):
        where = f"block {b} of the {name} (rows {starts[b]} to {starts[b + 1] - 1})"
        if of["bad"]:
            others = sum(1 for other in found if other["bad"]) - 1
            more = f"; {others} other blocks hold such rows too" if others else ""
            raise ValueError(
                f"Input X contains {of['what']} in {of['bad']} rows of {where}, the first in row "
                f"{starts[b] + of['first']}, column {of['column']}{more}. Embed these images "
                "again, or leave the rows out; blocks and rows are counted from 0."
            )
        if dtype == np.float64 and of["largest"] > LARGEST:
            raise ValueError(
                f"{where.capitalize()} holds a value of magnitude {of['largest']:.3g}; its square "
                f"overflows. Rescale the embeddings to magnitudes below {LARGEST:g}."
            )
    return np.concatenate([of["rows"] for of in found])


def _apply(chunk: np.ndarray, prepare: Callable, dtype: np.dtype) -> np.ndarray:
    with limit_threads(1):
        rows = prepare(np.ascontiguousarray(chunk))
    return np.ascontiguousarray(rows, dtype=dtype)


def take_rows(block: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return block[positions]


def _in_order(order: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)[order]


def _add_rows(carried: np.ndarray | None, block: np.ndarray) -> np.ndarray:
    """The sum of the rows, in their order, on top of what is `carried`: the same bits as of all."""
    for lo in range(0, len(block), BLOCK):
        part = block[lo : lo + BLOCK].astype(np.float64)
        carried = (part if carried is None else np.vstack([carried, part])).sum(axis=0)
    return np.asarray(carried)


def _farthest(block: np.ndarray, center: np.ndarray) -> float:
    nearest = np.full(len(block), np.inf)
    lower_to_point(block, 0, len(block), center, nearest)
    return float(nearest.max())


def _magnitude(block: np.ndarray) -> float:
    return float(np.abs(block).max())


def _all_equal(block: np.ndarray, first: np.ndarray) -> bool:
    return bool((block == first).all())


class Pool:
    """Rows in blocks on the cluster.

    Parameters
    ----------
    X : dask.array.Array of shape (n, d)
    prepare : callable
        From rows of `X` to rows in which distances are meant.
    p : int
        Features that `prepare` returns.
    dtype : dtype
        Of the rows.
    cluster : Cluster

    Attributes
    ----------
    n, p : int
    dtype : dtype
    starts : ndarray of shape (n_blocks + 1,), int
        First row of each block, and n.
    blocks : list of Delayed
        Persisted arrays of rows.
    """

    def __init__(
        self, X: Any, prepare: Callable, p: int, dtype: np.dtype, cluster: Cluster
    ) -> None:
        self.n, self.p, self.dtype, self.cluster = len(X), p, np.dtype(dtype), cluster
        rows = max(X.chunks[0])
        rows = max(BLOCK, rows // BLOCK * BLOCK)
        aligned = X.rechunk({0: rows}).map_blocks(
            _apply,
            prepare,
            self.dtype,
            dtype=self.dtype,
            chunks=(X.rechunk({0: rows}).chunks[0], (p,)),
            meta=np.empty((0, p), self.dtype),
            name=f"skxssr-rows-{uuid4().hex}",
        )
        chunks = engine_chunks(self.n, p * self.dtype.itemsize, cluster.n_threads)
        self.starts = starts_of(chunks)
        self.blocks = cluster.persist(aligned.rechunk({0: chunks}).to_delayed().ravel().tolist())
        self._mean: np.ndarray | None = None

    def each(self, function: Callable, *args: Any, own: list[tuple] | None = None) -> list[Any]:
        """Tasks of `function(block, *own[b], *args)` for every block b."""
        own = [()] * len(self.blocks) if own is None else own
        return [
            self.cluster.delayed(function, block, *of, *args)
            for block, of in zip(self.blocks, own, strict=True)
        ]

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Ascending `rows` by block, as positions in it."""
        cuts = np.searchsorted(rows, self.starts)
        return [rows[cuts[b] : cuts[b + 1]] - self.starts[b] for b in range(len(self.blocks))]

    def columns(self, request: Request, *vectors: np.ndarray | None) -> list[tuple]:
        """What each block has to know of its rows: first row, which are open, groups, `vectors`.

        What is the same everywhere is None, and costs no traffic.
        """
        is_open = None
        if len(request.candidates) < self.n:
            is_open = np.zeros(self.n, dtype=bool)
            is_open[request.candidates] = True
        found = []
        for lo, hi in zip(self.starts[:-1], self.starts[1:], strict=True):
            parts = [None if v is None else v[lo:hi] for v in (is_open, request.groups, *vectors)]
            found.append((int(lo), *parts))
        return found

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """An order of `rows` in which they lie in the blocks, and as positions in each."""
        order = np.argsort(rows, kind="stable")
        return order, self.split(rows[order])

    def release(self) -> None:
        """Let the workers forget the blocks: other blocks hold the rows."""
        self.blocks = []

    def take(self, rows: np.ndarray) -> Any:
        """The `rows`, in that order, as one persisted array on the cluster."""
        order, positions = self.places(rows)
        parts = self.each(take_rows, own=[(own,) for own in positions])
        back = np.argsort(order, kind="stable")
        return self.cluster.persist([self.cluster.delayed(_in_order, back, *parts)])[0]

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """The `rows`, in that order, in memory."""
        return self.cluster.compute([self.take(np.asarray(rows))])[0]

    def column(self, function: Callable, *args: Any, own: list[tuple] | None = None) -> np.ndarray:
        """What `function` returns for each row of each block, in memory."""
        return np.concatenate(self.cluster.compute(self.each(function, *args, own=own)))

    def mean(self) -> np.ndarray:
        """The mean row in float64: sums go on from block to block, as they do in one array."""
        if self._mean is None:
            if self.p == 1:  # numpy adds a single column pairwise
                self._mean = self.rows(np.arange(self.n)).mean(axis=0, dtype=np.float64)
            else:
                total = None
                for block in self.blocks:
                    total = self.cluster.delayed(_add_rows, total, block)
                self._mean = self.cluster.compute([total])[0] / self.n
        return self._mean

    def diameter(self) -> float:
        """Twice the largest distance to the mean: no two rows are farther apart."""
        farthest = max(self.cluster.compute(self.each(_farthest, self.mean())))
        return 2.0 * float(np.sqrt(farthest)) * (1 + 1e-9)

    def largest(self) -> float:
        """The largest magnitude of a value."""
        return max(self.cluster.compute(self.each(_magnitude)))

    def is_constant(self) -> bool:
        """Whether all of several rows are equal."""
        if self.n == 1:
            return False
        first = self.rows(np.array([0]))[0]
        return all(self.cluster.compute(self.each(_all_equal, first)))
