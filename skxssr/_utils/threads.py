"""Run a kernel over fixed blocks of rows on a few threads.

The blocks do not depend on the number of threads, so neither does any result.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from multiprocessing import get_start_method, parent_process
from numbers import Integral
from typing import Any, TypeVar

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


_forked = False  # whether this process is a copy of another, made while that one ran


def _mark_as_forked() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_as_forked)


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse numbers of threads that mean nothing, before anything long starts."""
    whole = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not whole or n_jobs == 0):
        raise ValueError(
            "n_jobs (--jobs) must be a positive number, -1 for all processors, or None. "
            f"Got {n_jobs!r} instead."
        )


def over_blocks(
    function: Callable[[int, int], object], n: int, *, n_jobs: int | None, size: int = 4096
) -> None:
    """Call `function(lo, hi)` for consecutive blocks of at most `size` that make up `range(n)`."""
    starts = range(0, n, size)
    workers = min(effective_n_jobs(n_jobs), len(starts))
    if workers <= 1:
        for lo in starts:
            function(lo, min(lo + size, n))
        return
    with ThreadPoolExecutor(workers) as pool:
        for result in [pool.submit(function, lo, min(lo + size, n)) for lo in starts]:
            result.result()


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_jobs: int | None
) -> Iterator[Result]:
    """`function` of each item, in order."""
    workers = min(effective_n_jobs(n_jobs), len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, items)


def limit_threads(n_jobs: int | None) -> Any:
    """A context in which BLAS and OpenMP use that many threads.

    One in a forked process: the OpenMP library of GNU waits for ever for the threads of its
    parent, which a fork does not copy, as soon as it wants more than one.
    """
    return _controller().limit(limits=1 if _is_forked() else effective_n_jobs(n_jobs))


def _is_forked() -> bool:
    """Also where the fork came before this module was imported."""
    return _forked or (
        parent_process() is not None and get_start_method(allow_none=True) in (None, "fork")
    )


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Made once, since looking for the libraries costs milliseconds. They are loaded by then."""
    import scipy.linalg  # noqa: F401
    import sklearn.utils._openmp_helpers  # noqa: F401

    return ThreadpoolController()
