"""Run a kernel over fixed blocks of rows on a few threads.

The blocks do not depend on the number of threads, so neither does any result.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_start_method, parent_process
from numbers import Integral
from threading import Lock
from typing import Any, TypeVar

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


_forked = False  # whether this process is a copy of another, made while that one ran


def _mark_as_forked() -> None:
    global _forked, _BLAS
    _forked = True
    _BLAS = _BlasThreads()  # another thread of the parent may have held the lock


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


@contextmanager
def limit_threads(n_jobs: int | None) -> Iterator[None]:
    """A context in which BLAS and OpenMP use that many threads.

    One in a forked process: the OpenMP library of GNU waits for ever for the threads of its
    parent, which a fork does not copy, as soon as it wants more than one.

    Several Python threads may be in such a context at once. OpenMP has a number for each of them,
    BLAS one for the process: it is the smallest that any of them asked for, and what it was before
    as soon as the last has left.
    """
    n = 1 if _is_forked() else effective_n_jobs(n_jobs)
    of_process, of_thread = _libraries("torch" in sys.modules)
    with of_thread.limit(limits=n), _BLAS.at_most(n, of_process):
        yield


class _BlasThreads:
    """The number of threads of BLAS, asked for by several Python threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked: list[int] = []
        self._before: dict[str, tuple[Any, int]] = {}  # library and its number, by its file

    @contextmanager
    def at_most(self, n: int, libraries: Sequence[Any]) -> Iterator[None]:
        with self._lock:
            for library in libraries:
                self._before.setdefault(library.filepath, (library, library.get_num_threads()))
            self._asked.append(n)
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._asked.remove(n)
                self._apply()

    def _apply(self) -> None:
        for library, before in self._before.values():
            # since 3.8 threadpoolctl lets one thread alone set the number of OpenBLAS
            release = getattr(library, "clear_controlling_thread", lambda force: None)
            release(force=True)
            library.set_num_threads(min(self._asked, default=before))
            if not self._asked:
                release(force=True)
        if not self._asked:
            self._before.clear()


_BLAS = _BlasThreads()


def _is_forked() -> bool:
    """Also where the fork came before this module was imported."""
    return _forked or (
        parent_process() is not None and get_start_method(allow_none=True) in (None, "fork")
    )


@lru_cache(maxsize=2)
def _libraries(with_torch: bool) -> tuple[list[Any], ThreadpoolController]:
    """Loaded libraries that have one number of threads for the process, and one for each thread.

    torch's are among them once it is loaded. Kept, since looking for them costs milliseconds.
    """
    import scipy.linalg  # noqa: F401
    import sklearn.utils._openmp_helpers  # noqa: F401

    loaded = ThreadpoolController()
    of_thread = loaded.select(user_api="openmp", threading_layer="openmp")
    own = {library.filepath for library in of_thread.lib_controllers}
    return [lib for lib in loaded.lib_controllers if lib.filepath not in own], of_thread
