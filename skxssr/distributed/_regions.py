"""The rows of a pool in blocks that are regions of space.

What a row adds to the coverage of its surroundings does not change with picks far away. So a block
that is a region can pick by itself for a while, where blocks of rows in the order of the file would
all pick the same place.
"""

from typing import Any

import numpy as np

from skxssr.base.request import Request
from skxssr.distributed._pool import MOST_BYTES, Pool, take_rows

Tree = tuple | int  # (feature, threshold, tree below, tree above), or the number of a region


def n_regions(pool: Pool) -> int:
    """One for each thread, or as many as keep them small."""
    return max(pool.cluster.n_threads, -(-pool.n * pool.p * pool.dtype.itemsize // MOST_BYTES))


def cut(points: np.ndarray, wanted: int, first: int = 0) -> Tree:
    """Cut space so that regions hold the same number of `points`, across where they spread most."""
    if wanted < 2 or len(points) < 2:
        return first
    feature = int(np.argmax(points.var(axis=0, dtype=np.float64)))
    below = wanted // 2
    values = points[:, feature]
    threshold = float(
        np.partition(values, len(values) * below // wanted)[len(values) * below // wanted]
    )
    is_below = values < threshold
    if not is_below.any():
        return first
    return (
        feature,
        threshold,
        cut(points[is_below], below, first),
        cut(points[~is_below], wanted - below, first + below),
    )


def region_of(block: np.ndarray, tree: Tree) -> np.ndarray:
    """The region of each row."""
    out = np.empty(len(block), dtype=np.int32)

    def fill(rows: np.ndarray, node: Tree) -> None:
        if isinstance(node, int):
            out[rows] = node
            return
        feature, threshold, below, above = node
        is_below = block[rows, feature] < threshold
        fill(rows[is_below], below)
        fill(rows[~is_below], above)

    fill(np.arange(len(block)), tree)
    return out


def _together(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


def regions_of(pool: Pool, points: np.ndarray) -> np.ndarray:
    """The region of each row, of those that share out a sample `points` (m, p) evenly."""
    return pool.column(region_of, cut(points, n_regions(pool)))


class Parts(Pool):
    """The rows of a `pool`, which forgets them, in other blocks; rows ascend in each.

    Parameters
    ----------
    pool : Pool
    part : ndarray of shape (n,), int
        The block of each row.

    Attributes
    ----------
    members : list of ndarray of int
        Rows of the pool in each block.
    """

    def __init__(self, pool: Pool, part: np.ndarray) -> None:
        self.n, self.p, self.dtype, self.cluster = pool.n, pool.p, pool.dtype, pool.cluster
        _, self._block = np.unique(part, return_inverse=True)
        sizes = np.bincount(self._block)
        in_order = np.argsort(self._block, kind="stable")
        self.members = np.split(in_order, np.cumsum(sizes)[:-1])
        self._position = np.empty(self.n, dtype=np.int64)
        for rows in self.members:
            self._position[rows] = np.arange(len(rows))
        tasks = []
        for rows in self.members:
            parts = pool.each(take_rows, own=[(positions,) for positions in pool.split(rows)])
            tasks.append(self.cluster.delayed(_together, *parts))
        self.blocks = self.cluster.persist(tasks)
        pool.release()

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        order = np.lexsort((rows, self._block[rows]))
        cuts = np.searchsorted(self._block[rows][order], np.arange(1, len(self.members)))
        return order, np.split(self._position[rows[order]], cuts)

    def columns(self, request: Request, *vectors: np.ndarray | None) -> list[tuple]:
        """As of a pool, with the rows of each block instead of its first."""
        is_open = None
        if len(request.candidates) < self.n:
            is_open = np.zeros(self.n, dtype=bool)
            is_open[request.candidates] = True
        parts: tuple[Any, ...] = (is_open, request.groups, *vectors)
        return [
            (rows, *(None if part is None else part[rows] for part in parts))
            for rows in self.members
        ]
