"""Preprocessing of both sides: fitted here on the rows that one machine would fit it on."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skxssr._utils.lazy import is_lazy
from skxssr.base.preprocess import fit_positions, fit_scale_and_pca, normalize_rows
from skxssr.distributed._arrays import engine_dtype
from skxssr.distributed._cluster import Cluster
from skxssr.distributed._pool import Pool, look_at
from skxssr.exceptions import SkxssrWarning


class Source(NamedTuple):
    """The source, in memory or on the cluster; rows of it are prepared when they are asked for."""

    n: int
    X: Any
    prepare: Callable[[np.ndarray], np.ndarray]
    p: int
    dtype: np.dtype
    cluster: Cluster

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Prepared rows at ascending `positions`: the same floats as where all are prepared."""
        if is_lazy(self.X):
            return Pool(self.X, self.prepare, self.p, self.dtype, self.cluster).rows(positions)
        return np.ascontiguousarray(self.prepare(self.X)[positions], dtype=self.dtype)


class Prepared(NamedTuple):
    """Both sides after preprocessing, and samples of them as they came."""

    target: Pool
    source: Source | None
    sample: np.ndarray
    source_sample: np.ndarray | None


def _as_they_are(rows: np.ndarray) -> np.ndarray:
    return rows.astype(engine_dtype(rows.dtype), copy=False)


class _Prepare:
    """From rows as they came to rows in which distances are meant; sent to workers."""

    def __init__(self, transform: Callable, normalize: bool) -> None:
        self._transform, self._normalize = transform, normalize

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        rows = self._transform(_as_they_are(rows))
        return normalize_rows(rows) if self._normalize else rows


def check_preprocess(preprocess: Any) -> None:
    """Refuse a transformer: scikit-learn's cannot be fitted on rows that are not in memory."""
    if preprocess not in ("auto", None):
        raise ValueError(
            f"preprocess={type(preprocess).__name__}(...) cannot be fitted on a Dask array. Fit it "
            "on a sample, transform the array with X.map_blocks(fitted.transform, "
            "chunks=(X.chunks[0], (n_components,)), dtype=...), and pass preprocess=None."
        )


def prepare(selector: Any, source: Any, X: Any, cluster: Cluster, *, fit: bool) -> Prepared:
    """Look at every value once, fit the preprocessing and leave the target's rows on the cluster.

    `fit` is whether `preprocess="auto"` is in force: draws that do not look at values need none.
    """
    sample = look_at(X, fit_positions(len(X)), "target", cluster)
    source_sample = None
    if is_lazy(source):
        source_sample = look_at(source, fit_positions(len(source)), "source", cluster)
    elif source is not None:
        source_sample = source
    transform: Callable = _as_they_are
    dtypes = {engine_dtype(X.dtype)} | (
        {engine_dtype(source.dtype)} if source is not None else set()
    )
    dtype = np.dtype(np.float64) if len(dtypes) > 1 else dtypes.pop()
    if fit and selector.preprocess == "auto":
        transform, dtype = fit_scale_and_pca(source_sample, sample), np.dtype(np.float32)
    prepare_rows = _Prepare(transform, fit and selector.metric == "cosine")
    p = prepare_rows(sample[:1]).shape[1]
    target = Pool(X, prepare_rows, p, dtype, cluster)
    if fit and target.is_constant():
        warnings.warn(
            f"All {len(X)} rows are equal after preprocessing, so any pick is as good as any "
            "other: the lowest indices are returned. Check the embeddings.",
            SkxssrWarning,
            stacklevel=4,
        )
    of_source = None
    if source is not None:
        of_source = Source(len(source), source, prepare_rows, p, dtype, cluster)
    if source_sample is not None:
        source_sample = source_sample[fit_positions(len(source_sample))]
    return Prepared(target, of_source, sample, source_sample)
