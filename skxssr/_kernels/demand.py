"""Rows and demand points as the kernels take them: exact, and as float32 with a margin."""

from typing import NamedTuple

import numpy as np

from skxssr._kernels.distances import lower_to_point

BLOCK = 256  # demand points handled together: their distances stay in the first-level cache
_ROUNDING = 2.0**-24  # of float32
_SAFE = 1e15  # float32 squares of distances within 1 / _SAFE and _SAFE neither vanish nor overflow
_SHRINK = 1e-5  # of a square, for rows that are not float32 themselves
_ROWS = 4096  # converted at a time


class Demand(NamedTuple):
    """Rows and demand points, exact and as float32.

    Points that are near each other had better be near in `rows`, see `near_each_other`: blocks of
    them are passed over as one.

    Attributes
    ----------
    X : (n, p) float32 or float64, C order
        The rows that may be picked.
    rows : (m,) int64
        Row of each demand point.
    points : (p, m) float64, C order
        The demand points, one a column.
    weight : (m,) float64
    own : (n,) int64
        Column of the row itself, to be left out of its own density; -1 for none.
    precision : float
        1 / (2 h^2) of the Gaussian kernel; negative: exact matches only.
    X32 : (n, p) float32, C order
        The rows, or the rows moved and scaled, see `unit`.
    points32 : (p, m) float32, C order
    centers32 : (n_blocks, p) float32, C order
        The middle of each `BLOCK` of points of `points32`.
    radius32 : (n_blocks,) float32
        A bound on the distance from there to a point of the block.
    unit : float
        Factor from a squared distance of `X32` to one of `X`.
    relative, absolute : float
        A squared distance of `X` is within ``relative * s + absolute`` of ``s``, the one of `X32`
        times `unit`.
    """

    X: np.ndarray
    rows: np.ndarray
    points: np.ndarray
    weight: np.ndarray
    own: np.ndarray
    precision: float
    X32: np.ndarray
    points32: np.ndarray
    centers32: np.ndarray
    radius32: np.ndarray
    unit: float
    relative: float
    absolute: float


def make_demand(
    X: np.ndarray,
    rows: np.ndarray,
    weight: np.ndarray,
    *,
    sampled: bool,
    precision: float,
    diameter: float,
) -> Demand:
    """The demand points `rows` of `X` with their `weight`, exact and as float32 with a margin.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    rows : ndarray of shape (m,), int
    weight : ndarray of shape (m,)
    sampled : bool
        Whether each row is left out of its own density, or a sample would favour its members.
    precision : float
        Of the kernel, see `Demand`.
    diameter : float
        A bound on every distance within `X`.
    """
    n_features = X.shape[1]
    own = np.full(len(X), -1, dtype=np.int64)
    if sampled:
        own[rows] = np.arange(len(rows))
    # each of p squares and sums is rounded, as are the differences
    relative = (n_features + 8) * 1.01 * _ROUNDING
    if X.dtype == np.float32 and 1 / _SAFE < diameter < _SAFE:
        X32, unit, absolute = X, 1.0, n_features * 1e-37
    else:
        # moved to the middle and scaled, which costs a rounding of each value
        scale = 2.0 ** -np.ceil(np.log2(diameter)) if diameter > 0 else 1.0
        center = X[0].astype(np.float64)
        X32 = np.empty(X.shape, dtype=np.float32)
        for lo in range(0, len(X), _ROWS):
            X32[lo : lo + _ROWS] = (X[lo : lo + _ROWS] - center) * scale
        unit = scale**-2.0
        largest = float(np.abs(X).max(initial=0.0))
        moved = 2.0 * _ROUNDING * diameter + 2.0**-50 * largest * np.sqrt(n_features)
        # |d^2 - s| <= 2 d moved + moved^2 <= _SHRINK d^2 + moved^2 (1 + 1 / _SHRINK)
        relative += _SHRINK
        absolute = 1.01 * moved**2 * (1.0 + 1.0 / _SHRINK) + unit * n_features * 1e-37
    points32 = np.ascontiguousarray(X32[rows].T)
    centers32, radius32 = _blocks(points32)
    return Demand(
        X=X,
        rows=np.ascontiguousarray(rows, dtype=np.int64),
        points=np.ascontiguousarray(X[rows].T, dtype=np.float64),
        weight=np.ascontiguousarray(weight, dtype=np.float64),
        own=own,
        precision=precision,
        X32=X32,
        points32=points32,
        centers32=centers32,
        radius32=radius32,
        unit=unit,
        relative=relative,
        absolute=absolute,
    )


def without_points(demand: Demand) -> Demand:
    """The rows alone."""
    n_features = demand.X.shape[1]
    return demand._replace(
        rows=np.empty(0, dtype=np.int64),
        points=np.empty((n_features, 0)),
        weight=np.empty(0),
        points32=np.empty((n_features, 0), dtype=np.float32),
        centers32=np.empty((0, n_features), dtype=np.float32),
        radius32=np.empty(0, dtype=np.float32),
    )


def _blocks(points32: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle of each block of points, and a bound on the distance from it to one of them."""
    starts = np.arange(0, points32.shape[1], BLOCK)
    centers = np.empty((len(starts), len(points32)), dtype=np.float32)
    radius = np.empty(len(starts), dtype=np.float32)
    for b, start in enumerate(starts):
        points = points32[:, start : start + BLOCK].astype(np.float64)
        centers[b] = points.mean(axis=1)
        squares = ((points - centers[b].astype(np.float64)[:, None]) ** 2).sum(axis=0)
        radius[b] = np.sqrt(squares.max()) * (1.0 + 1e-6)
    return centers, radius


def near_each_other(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The same `rows` of `X` in an order in which most blocks of them are a small region.

    Each row joins the nearest of some evenly spaced ones; the regions follow each other so that
    the next is the nearest that is left. In float64 and in a fixed order, since sums over the
    points depend on it.
    """
    n_regions = 2 * -(-len(rows) // BLOCK)
    if n_regions <= 2:
        return np.sort(rows)
    points = X[rows]
    centers = points[np.arange(n_regions) * len(rows) // n_regions]
    nearest, region = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.int64)
    for c, center in enumerate(centers):
        before = nearest.copy()
        lower_to_point(points, 0, len(points), center, nearest)
        region[nearest < before] = c
    place = np.empty(n_regions, dtype=np.int64)
    left, at = np.ones(n_regions, dtype=bool), 0
    for step in range(n_regions):
        place[at], left[at] = step, False
        gap = np.full(n_regions, np.inf)
        lower_to_point(centers, 0, n_regions, centers[at], gap)
        at = int(np.argmin(np.where(left, gap, np.inf)))
    return rows[np.lexsort((rows, place[region]))]
