"""Pools of the engine benchmark, their float64 oracle and the NumPy loop. Imports numpy only.

Pools and oracles are kept as files in a folder that git ignores: the processes of one run map
the same file, and the oracle is slow.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "engine"
SEED = 2606
N_CENTERS = 50
SPREADS = {"medium": (0.3, 1.2), "tight": (0.1, 0.1)}  # of a row about its centre, uniform
FIRST = 0  # row of the first pick, for everybody
LABELED_EVERY = 10  # 10% of the pool is labelled
_ROWS = 10_000  # written at a time, so that a larger pool begins with the rows of a smaller one
_ORACLE_ROWS = 256  # at a time: in float64 they stay in the cache of a core


def rows_of(kind: str, n: int, d: int) -> np.ndarray:
    """The first `n` rows of a pool, float32.

    Parameters
    ----------
    kind : {"medium", "tight", "isotropic", "source"}
        "medium" and "tight" lie about 50 centres from N(0, I); rows of "medium" spread by a
        standard deviation drawn for each row uniformly in 0.3 to 1.2, of "tight" by 0.1.
        "isotropic" is N(0, I). "source" is another site of "medium": its first 30 centres, all
        shifted by one vector.
    n, d : int
        Rows and features.

    Returns
    -------
    ndarray of shape (n, d), float32
    """
    return np.concatenate(list(_blocks(kind, n, d)))[:n]


def _blocks(kind: str, n: int, d: int):
    setting = np.random.default_rng(SEED)
    centers = setting.normal(size=(N_CENTERS, d)).astype(np.float32)
    low, high = SPREADS.get(kind, SPREADS["medium"])
    if kind == "source":
        centers = centers[:30] + 0.3 * setting.normal(size=d).astype(np.float32)
    for block in range(-(-n // _ROWS)):
        rng = np.random.default_rng([SEED, *kind.encode(), block])
        noise = rng.standard_normal(size=(_ROWS, d), dtype=np.float32)
        spread = rng.uniform(low, high, size=(_ROWS, 1)).astype(np.float32)
        at = rng.integers(len(centers), size=_ROWS)
        yield noise if kind == "isotropic" else centers[at] + spread * noise


def pool_file(kind: str, n: int, d: int, dtype: str = "float32") -> Path:
    """The .npy file of a pool, written block by block if it is not there."""
    path = CACHE / f"{kind}-{n}x{d}-{dtype}-{SEED}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        X = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=(n, d))
        for i, block in enumerate(_blocks(kind, n, d)):
            X[i * _ROWS : (i + 1) * _ROWS] = block[: n - i * _ROWS]
        X.flush()
        unfinished.replace(path)
    return path


def labeled_rows(n: int) -> np.ndarray:
    """The rows that are labelled already, where any are: every tenth."""
    return np.arange(0, n, LABELED_EVERY)


def groups_of(n: int, n_groups: int) -> np.ndarray:
    """A group for each row, of nearly equal sizes, drawn once."""
    return np.random.default_rng(SEED).permutation(n) % n_groups


def numpy_loop(X: np.ndarray, budget: int, first: int = FIRST) -> np.ndarray:
    """Greedy k-center by one matrix-vector product a pick: what is written by hand.

    Squared distances are expanded, ``|x|^2 - 2 x.y + |y|^2``, in the type of `X`.

    Examples
    --------
    >>> numpy_loop(np.array([[0.0], [1.0], [2.0], [10.0]]), 3)
    array([0, 3, 2])
    """
    norms = np.einsum("ij,ij->i", X, X)
    nearest = np.full(len(X), np.inf, dtype=X.dtype)
    picks = np.empty(budget, dtype=np.int64)
    pick = first
    for t in range(budget):
        picks[t] = pick
        squared = X @ X[pick]
        squared *= -2
        squared += norms
        squared += norms[pick]
        np.minimum(nearest, squared, out=nearest)
        nearest[pick] = -np.inf
        pick = int(nearest.argmax())
    return picks


def oracle(
    X: np.ndarray, budget: int, *, labeled: np.ndarray | None = None, groups=None
) -> np.ndarray:
    """Greedy k-center by a full scan of exact differences in float64; ties to the lowest row.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    budget : int
    labeled : ndarray of int, optional
        Rows that count as picked already. Without them the first pick is row `FIRST`.
    groups : ndarray of shape (n,), optional
        Every group is visited once before any is visited twice.

    Returns
    -------
    ndarray of shape (budget,), int64

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> oracle(X, 3)
    array([0, 3, 2])
    >>> oracle(X, 2, labeled=np.array([3]))
    array([0, 2])
    >>> oracle(X, 2, groups=np.array([0, 1, 1, 0]))
    array([0, 2])
    """
    n = len(X)
    nearest = np.full(n, np.inf)
    free = np.ones(n, dtype=bool)
    visits = np.zeros(0 if groups is None else groups.max() + 1, dtype=np.int64)
    with ThreadPoolExecutor(os.cpu_count()) as threads:

        def take(rows: np.ndarray) -> None:
            free[rows] = False
            if groups is not None:
                np.add.at(visits, groups[rows], 1)
            points = X[rows].astype(np.float64)

            def lower(start: int) -> None:
                block = X[start : start + _ORACLE_ROWS].astype(np.float64)
                near = nearest[start : start + _ORACLE_ROWS]
                for point in points:
                    difference = block - point
                    np.minimum(near, np.einsum("ij,ij->i", difference, difference), out=near)

            list(threads.map(lower, range(0, n, _ORACLE_ROWS)))

        if labeled is not None:
            take(labeled)
        picks = np.empty(budget, dtype=np.int64)
        for t in range(budget):
            allowed = free
            if groups is not None:
                visited = visits[groups]
                allowed = free & (visited == visited[free].min())
            if t == 0 and labeled is None:
                picks[t] = FIRST
            else:
                picks[t] = np.where(allowed, nearest, -1.0).argmax()
            take(picks[t : t + 1])
    return picks


def kept_oracle(
    path: Path, budget: int, *, labeled: bool = False, n_groups: int = 0, say: Callable = print
) -> np.ndarray:
    """Oracle of a pool's file, computed once and then read from a file beside it."""
    asked = json.dumps([path.name, budget, labeled, n_groups])
    kept = CACHE / f"oracle-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.npy"
    if not kept.exists():
        say(f"oracle of {path.name}, {budget} picks: once, then kept in {kept.name}")
        X = np.load(path)
        picks = oracle(
            X,
            budget,
            labeled=labeled_rows(len(X)) if labeled else None,
            groups=groups_of(len(X), n_groups) if n_groups else None,
        )
        np.save(kept, picks)
    return np.load(kept)
