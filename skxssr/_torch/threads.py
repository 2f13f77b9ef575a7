"""Read images in threads while others compute, in order.

Results never depend on how many threads there are: each item is read by one function call, and the
results come in the order of the items.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import joblib

__all__ = ["prefetch", "in_threads"]

Key = TypeVar("Key")
Value = TypeVar("Value")

QUICK = 5e-4  # seconds; to read a small array takes a tenth of it, a file ten times as much


class _Readers(ThreadPoolExecutor):
    """Threads to hand single images to, as many as there are processors."""

    def __init__(self) -> None:
        self.number = joblib.cpu_count()
        self.slow = False  # whether an item took its time
        super().__init__(self.number)

    def all_of(self, function: Callable[[Key], Value], items: Sequence[Key]) -> list[Value]:
        """One part of the items for each thread: one by one would cost more."""
        parts = min(self.number, len(items))
        bounds = [len(items) * i // parts for i in range(parts + 1)]
        done = self.map(
            lambda lo, hi: [function(item) for item in items[lo:hi]], bounds[:-1], bounds[1:]
        )
        return [value for part in done for value in part]


_HERE = threading.local()  # in the thread that `prefetch` runs: its readers


def in_threads(function: Callable[[Key], Value], items: Sequence[Key]) -> list[Value]:
    """`[function(item) for item in items]`, in as many threads as there are processors.

    While the first item takes no time all are done here: to hand them over would take longer.
    """
    readers = getattr(_HERE, "readers", None)
    if readers is None:
        with _Readers() as readers:
            return _shared_out(readers, function, items)
    return _shared_out(readers, function, items)


def prefetch(
    function: Callable[[Key], Value], keys: Iterable[Key], depth: int = 2
) -> Generator[Value, None, None]:
    """`map(function, keys)`, at most `depth` results computed in advance by another thread.

    What `function` itself does by `in_threads` goes to readers that last as long as the stream.
    """
    waiting: deque[Any] = deque()
    with _Readers() as readers:
        leader = ThreadPoolExecutor(1, initializer=setattr, initargs=(_HERE, "readers", readers))
        try:
            for key in keys:
                waiting.append(leader.submit(function, key))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            leader.shutdown(cancel_futures=True)


def _shared_out(
    readers: _Readers, function: Callable[[Key], Value], items: Sequence[Key]
) -> list[Value]:
    first: list[Value] = []
    if items and not readers.slow:
        started = time.perf_counter()
        first, items = [function(items[0])], items[1:]
        readers.slow = time.perf_counter() - started > QUICK
    if not readers.slow or readers.number < 2 or len(items) < 2:
        return first + [function(item) for item in items]
    return first + readers.all_of(function, items)
