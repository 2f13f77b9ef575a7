"""Tell a collection of Dask from an array in memory, without importing Dask."""

from typing import Any


def is_lazy(value: Any) -> bool:
    """Whether it is an array or another collection of Dask."""
    return type(value).__module__.partition(".")[0] in ("dask", "dask_expr")
