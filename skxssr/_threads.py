"""Run a kernel over fixed blocks of rows on a few threads. Imports the standard library and joblib.

The blocks do not depend on the number of threads, so neither does any result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from joblib import effective_n_jobs


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
