"""Rows and demand points as the kernels take them: exact, and as float32 with a margin."""

from typing import NamedTuple

import numpy as np

from skxssr._kernels.distances import lower_to_point

BLOCK = 64  # demand points handled together: a constant, so that loops over them have no rest
_REGION = 256  # demand points for each region that they are ordered by
_ROUNDING = 2.0**-24  # of float32
_SAFE = 1e15  # float32 squares of distances within 1 / _SAFE and _SAFE neither vanish nor overflow
_SHRINK = 1e-5  # of a square, for rows that are not float32 themselves
_ROWS = 4096  # converted at a time


class Demand(NamedTuple):
    """Rows and demand points, exact and as float32.

    Points are handled in blocks of `BLOCK`, which are passed over as one: they had better be small
    regions, see `near_each_other`. A block that is not full holds its last point again, without
    weight.

    Attributes
    ----------
    X : (n, p) float32 or float64, C order
        The rows that may be picked.
    rows : (m,) int64
        Row of each demand point.
    points : (p, m) float64, C order
        The demand points, one a column.
    weight : (m,) float64
        Of the demand, at most 1: only ratios matter.
    filler : (m,) bool
        Points that are there to fill a block.
    own : (n,) int64
        Column of the row itself, to be left out of its own density; -1 for none.
    precision : float
        1 / (2 h^2) of the Gaussian kernel; negative: exact matches only.
    X32 : (n, p) float32, C order
        The rows, or the rows moved and scaled, see `unit`.
    points32 : (p, m) float32, C order
    moved32 : (m, p) float32, C order
        The points of `X32` less `middle32`, one a row.
    norms32 : (m,) float32
        Squared norms of `moved32` times `norm_share`.
    norm_share : float
        What is left of squared norms so that a float32 product gives a lower bound of a distance:
        with it, ``|a|^2 + |b|^2 - 2 a.b`` of rows moved to `middle32`, in float32, is at most their
        squared distance in `X32`.
    middle32 : (p,) float32
        The middle of the points of `X32`.
    centers32 : (p, n_blocks) float32, C order
        The middle of each block of points of `points32`, one a column.
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
    filler: np.ndarray
    own: np.ndarray
    precision: float
    X32: np.ndarray
    points32: np.ndarray
    moved32: np.ndarray
    norms32: np.ndarray
    norm_share: float
    middle32: np.ndarray
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
    starts: np.ndarray | None = None,
    largest: float = 0.0,
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
    starts : ndarray of int, optional
        First of each block, and m. By default a block is full before the next begins.
    largest : float
        A magnitude that rows put in later may have, see `put_rows`.
    """
    n_features = X.shape[1]
    if starts is None:
        starts = np.append(np.arange(0, len(rows), BLOCK), len(rows))
    places = starts[:-1, None] + np.arange(BLOCK)
    filler = (places >= starts[1:, None]).ravel()
    places = np.minimum(places, starts[1:, None] - 1).ravel()
    rows, weight = rows[places], np.where(filler, 0.0, weight[places])
    weight = at_most_1(weight)  # bounds hold weights as float32
    own = np.full(len(X), -1, dtype=np.int64)
    if sampled:
        own[rows[~filler]] = np.flatnonzero(~filler)
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
        largest = float(np.abs(X).max(initial=largest))
        moved = 2.0 * _ROUNDING * diameter + 2.0**-50 * largest * np.sqrt(n_features)
        # |d^2 - s| <= 2 d moved + moved^2 <= _SHRINK d^2 + moved^2 (1 + 1 / _SHRINK)
        relative += _SHRINK
        absolute = 1.01 * moved**2 * (1.0 + 1.0 / _SHRINK) + unit * n_features * 1e-37
    points32 = np.ascontiguousarray(X32[rows].T)
    centers32, radius32 = _blocks(points32)
    middle32 = np.zeros(n_features, dtype=np.float32)
    if len(rows):
        middle32[:] = X32[rows].mean(axis=0, dtype=np.float64)
    moved32 = X32[rows] - middle32
    norms32 = np.einsum("ij,ij->i", moved32, moved32, dtype=np.float64)
    # of |a|^2 + |b|^2: the product and the norms are p roundings off each, moving the rows is 4
    norm_share = 1.0 - (2 * n_features + 24) * 1.01 * _ROUNDING
    return Demand(
        X=X,
        rows=np.ascontiguousarray(rows, dtype=np.int64),
        points=np.ascontiguousarray(X[rows].T, dtype=np.float64),
        weight=np.ascontiguousarray(weight, dtype=np.float64),
        filler=filler,
        own=own,
        precision=precision,
        X32=X32,
        points32=points32,
        moved32=moved32,
        norms32=(norms32 * norm_share).astype(np.float32),
        norm_share=norm_share,
        middle32=middle32,
        centers32=centers32,
        radius32=radius32,
        unit=unit,
        relative=relative,
        absolute=absolute,
    )


def put_rows(demand: Demand, X: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
    """Put other `rows` at `places` of the demand, but the first; none may be a demand point.

    `X` is what `demand.X` is a view of, and may be written to. They must be within the diameter and
    the largest magnitude that the demand was made with.
    """
    X[places] = rows
    if not np.may_share_memory(demand.X32, X):
        scale = 1.0 / np.sqrt(demand.unit)  # of a power of 4: exact
        demand.X32[places] = (X[places] - X[0].astype(np.float64)) * scale


def at_most_1(weight: np.ndarray) -> np.ndarray:
    """Weights times a power of 2, which changes no bit of their ratios."""
    part, exponent = np.frexp(weight.max(initial=0.0))
    return np.ldexp(weight, int(part == 0.5) - int(exponent))


def without_points(demand: Demand) -> Demand:
    """The rows alone."""
    n_features = demand.X.shape[1]
    return demand._replace(
        rows=np.empty(0, dtype=np.int64),
        points=np.empty((n_features, 0)),
        weight=np.empty(0),
        filler=np.empty(0, dtype=bool),
        moved32=np.empty((0, n_features), dtype=np.float32),
        norms32=np.empty(0, dtype=np.float32),
        points32=np.empty((n_features, 0), dtype=np.float32),
        centers32=np.empty((n_features, 0), dtype=np.float32),
        radius32=np.empty(0, dtype=np.float32),
    )


def _blocks(points32: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle of each block of points, and a bound on the distance from it to one of them."""
    points = points32.astype(np.float64).reshape(len(points32), -1, BLOCK)
    centers = points.mean(axis=2).astype(np.float32)
    squares = ((points - centers[:, :, None]) ** 2).sum(axis=0)
    return centers, (np.sqrt(squares.max(axis=1)) * (1.0 + 1e-6)).astype(np.float32)


def near_each_other(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same `rows` of `X` in an order in which blocks of them are small regions.

    Rows join the nearest of some that are drawn as k-means++ draws its first centres
    (Arthur, Vassilvitskii, 2007: each with a chance in proportion to its squared distance from
    those drawn before). A region is cut into shells about its centre, so that what lies at its
    rim does not widen the rest. In float64 and in a fixed order, since sums over the points depend
    on it.

    Returns
    -------
    rows : ndarray of shape (m,), int
    starts : ndarray of shape (n_blocks + 1,), int
        First of each block, and m; at most `BLOCK` apart.
    """
    rows = np.sort(rows)
    points = X[rows]
    rng = np.random.default_rng(0)
    nearest, region = np.full(len(rows), np.inf), np.zeros(len(rows), dtype=np.int64)
    at = 0
    for r in range(max(1, len(rows) // _REGION)):
        if r:
            # scaled, so that no sum overflows
            total = np.cumsum(nearest / (nearest.max() or 1.0))
            if total[-1] == 0.0:
                break
            at = min(int(np.searchsorted(total, rng.random() * total[-1], "right")), len(rows) - 1)
        before = nearest.copy()
        lower_to_point(points, 0, len(points), points[at], nearest)
        region[nearest < before] = r
    order = np.lexsort((rows, nearest, region))
    cuts = np.flatnonzero(np.diff(region[order])) + 1
    starts = [0]
    ends = [*cuts.tolist(), len(rows)]
    for lo, hi in zip([0, *ends], ends, strict=False):
        n_parts = -(-(hi - lo) // BLOCK)
        starts += [lo + (hi - lo) * (part + 1) // n_parts for part in range(n_parts)]
    return rows[order], np.array(starts)
