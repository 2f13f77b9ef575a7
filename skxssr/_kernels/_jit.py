"""The decorators that hold every compiler flag.

`kernel` has no fast-math: scores decide by exact comparison, so no value may depend on how a loop
was vectorised. `bound_kernel` may contract and reassociate: what it returns is only ever used as a
bound with a stated margin, never compared for a decision.
No `parallel`: threads belong to the caller (`skxssr._utils.threads`), over fixed blocks of rows.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# numba looks for a change only in the file of the function that is called, though what it compiled
# holds helpers of other files. A name with the state of all of them is never stale.
_STATE = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()[:12]


def kernel(function: Callable) -> Any:
    """Compile `function` lazily, without the GIL, cached where the folder can be written."""
    return _compile(function)


def bound_kernel(function: Callable) -> Any:
    """The same for a function of bounds; infinities and NaN keep their meaning."""
    return _compile(function, fastmath={"contract", "reassoc", "nsz"})


def _compile(function: Callable, **flags: Any) -> Any:
    function.__qualname__ += f"_{_STATE}"
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", **flags)(function)
    except RuntimeError:  # a read-only install has no place for the cache: compile once a process
        return numba.njit(nogil=True, error_model="numpy", **flags)(function)
