"""The one decorator that holds every compiler flag. Imports numba only.

No fast-math: scores decide by exact comparison, so no value may depend on how a loop was
vectorised.
No `parallel`: threads belong to the caller (`skxssr._threads`), over fixed blocks of rows.
"""

from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable) -> Any:
    """Compile `function` lazily, without the GIL, cached where the folder can be written."""
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # a read-only install has no place for the cache: compile once a process
        return numba.njit(nogil=True, error_model="numpy")(function)
