"""Dask arrays as `select` and `fit` take them: what can be told without reading a value."""

from typing import Any

import numpy as np


def check_layout(X: Any, name: str, *, n_features: int | None = None) -> None:
    """Refuse a collection whose rows cannot be told from its chunks; reads no value.

    Raises
    ------
    TypeError
        It is no Dask array, or not of numbers.
    ValueError
        It is not two-dimensional, has no row or no column, chunks of unknown size or chunks along
        columns, or another number of features than the source.
    """
    if not (hasattr(X, "chunks") and hasattr(X, "map_blocks") and hasattr(X, "dtype")):
        raise TypeError(
            f"The {name} is a {type(X).__module__}.{type(X).__name__}. Pass a dask.array of shape "
            "(rows, features); of a data frame that is frame.to_dask_array(lengths=True)."
        )
    if X.ndim != 2:
        raise ValueError(
            f"The {name} has {X.ndim} dimensions, but must have 2: rows and features. Got shape "
            f"{X.shape}."
        )
    if X.dtype.kind not in "fiub":
        raise TypeError(f"The {name} is of dtype {X.dtype}, but must hold real numbers.")
    if any(np.isnan(size) for size in X.chunks[0] + X.chunks[1]):
        raise ValueError(
            f"The chunks of the {name} are of unknown size, so that its rows cannot be numbered. "
            "Call X.compute_chunk_sizes() first (it reads the array once)."
        )
    if X.shape[0] < 1 or X.shape[1] < 1:
        raise ValueError(f"The {name} has shape {X.shape}: at least one row and one column needed.")
    if X.numblocks[1] > 1:
        raise ValueError(
            f"The {name} has {X.numblocks[1]} chunks along its columns {X.chunks[1]}, but a row "
            "must lie in one chunk: pass X.rechunk({1: -1})."
        )
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(
            f"The {name} has {X.shape[1]} features, but the source that the selector was fitted on "
            f"has {n_features}."
        )


def engine_dtype(dtype: np.dtype) -> np.dtype:
    """What rows of `dtype` are computed with: as for arrays in memory."""
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


def starts_of(chunks: tuple[int, ...]) -> np.ndarray:
    """First row of each chunk, and the number of rows."""
    return np.concatenate([[0], np.cumsum(chunks)]).astype(np.int64)
