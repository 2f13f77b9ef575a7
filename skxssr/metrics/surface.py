"""Distances between the outlines of predicted and true masks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from skxssr.metrics.segmentation import paired_regions

__all__ = ["average_surface_distance", "hausdorff95", "normalized_surface_distance"]

# from each boundary pixel of the truth to the prediction's boundary, and the other way
Distances = tuple[np.ndarray, np.ndarray]


def hausdorff95(
    true: Any, pred: Any, *, spacing: Any = None, classes: Sequence[int] | None = None
) -> np.ndarray:
    r"""95th percentile Hausdorff distance (HD95) of each image or volume.

    The larger of two percentiles: of the distances from the boundary of the truth to the nearest
    boundary of the prediction, and of those the other way.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W) or (n, D, H, W), or sequence of n arrays
        Masks of images (H, W) or volumes (D, H, W), of integers or bool; those in a sequence may
        differ in size.
    spacing : float, sequence of float or ndarray of shape (n, n_axes), default=None
        Size of a pixel along each axis, in millimetres: (row, column), or (slice, row, column)
        for volumes; one row for each image if they differ. None: distances are in pixels of the
        masks as they are given, and mean something else at another resolution.
    classes : sequence of int, default=None
        The foreground values to score, one column each. None: anything that is not 0 is
        foreground.

    Returns
    -------
    ndarray of shape (n,), or (n, n_classes) if `classes` is given; float64
        At least 0, 0 is best. NaN where either mask is empty: there is no distance to nothing.
        Where both are empty nothing was to be found; where one is, report the case beside the
        mean, or a model gains by predicting nothing
        (`skxssr.evaluation.score_images` counts both).

    Raises
    ------
    ValueError
        As for `dice`; or `spacing` is not positive or does not match the axes.

    See Also
    --------
    normalized_surface_distance : The share of the boundary within a tolerance.
    average_surface_distance : The mean instead of the 95th percentile.

    Notes
    -----
    A boundary pixel is a pixel of the mask with a neighbour outside it along an axis; outside the
    image counts as outside the mask. The maximum of the two percentiles is the definition of [2]_;
    some programs take one percentile of both lists together, which is never larger. Every boundary
    pixel counts the same, percentiles are interpolated linearly.

    References
    ----------
    .. [1] D. P. Huttenlocher, G. A. Klanderman, W. J. Rucklidge, "Comparing images using the
       Hausdorff distance", IEEE TPAMI 15(9), 1993. :doi:`10.1109/34.232073`
    .. [2] L. Maier-Hein et al., "Metrics reloaded: recommendations for image analysis validation",
       Nature Methods 21, 2024. :arxiv:`2206.01653`

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.metrics import hausdorff95
    >>> true = np.zeros((1, 12, 12), dtype=int)
    >>> true[0, 2:8, 2:8] = 1
    >>> hausdorff95(true, np.roll(true, 2, axis=1))
    array([2.])
    >>> hausdorff95(true, np.roll(true, 2, axis=1), spacing=(0.5, 0.5))
    array([1.])
    """
    return _each(true, pred, spacing, classes, hd95_of)


def normalized_surface_distance(
    true: Any,
    pred: Any,
    *,
    tolerance: float,
    spacing: Any = None,
    classes: Sequence[int] | None = None,
) -> np.ndarray:
    r"""Normalized surface distance (NSD, surface Dice) of each image or volume.

    The share of both boundaries that lies within `tolerance` of the other one.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W) or (n, D, H, W), or sequence of n arrays
        As for `hausdorff95`.
    tolerance : float
        What still counts as the same place, in the unit of `spacing` (pixels without it), at least
        0. Best taken from how much two annotators differ.
    spacing : float, sequence of float or ndarray of shape (n, n_axes), default=None
        As for `hausdorff95`.
    classes : sequence of int, default=None
        As for `hausdorff95`.

    Returns
    -------
    ndarray of shape (n,), or (n, n_classes) if `classes` is given; float64
        From 0 to 1, 1 is best. 0 where one of the masks is empty, NaN where both are.

    Raises
    ------
    ValueError
        As for `hausdorff95`; or `tolerance` is negative or not finite.

    See Also
    --------
    hausdorff95 : How far the outlines are apart where they are.
    dice : The share of the area.

    Notes
    -----
    Nikolov et al. [1]_ weigh each piece of surface by its area, estimated by marching cubes. Here
    every boundary pixel counts the same, as in most programs for images; in volumes whose slices
    are much thicker than their pixels are wide the two differ.

    A distance equal to the tolerance is within it, whatever floating point makes of the spacing.

    References
    ----------
    .. [1] S. Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head
       and neck anatomy for radiotherapy", 2018. :arxiv:`1809.04430`

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.metrics import normalized_surface_distance
    >>> true = np.zeros((1, 12, 12), dtype=int)
    >>> true[0, 2:8, 2:8] = 1
    >>> normalized_surface_distance(true, np.roll(true, 1, axis=1), tolerance=1)
    array([1.])
    >>> normalized_surface_distance(true, np.roll(true, 1, axis=1), tolerance=0.5).round(2)
    array([0.5])
    """
    check_tolerance(tolerance)
    return _each(true, pred, spacing, classes, lambda pair: nsd_of(pair, tolerance))


def average_surface_distance(
    true: Any, pred: Any, *, spacing: Any = None, classes: Sequence[int] | None = None
) -> np.ndarray:
    r"""Average symmetric surface distance (ASSD) of each image or volume.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W) or (n, D, H, W), or sequence of n arrays
        As for `hausdorff95`.
    spacing : float, sequence of float or ndarray of shape (n, n_axes), default=None
        As for `hausdorff95`.
    classes : sequence of int, default=None
        As for `hausdorff95`.

    Returns
    -------
    ndarray of shape (n,), or (n, n_classes) if `classes` is given; float64
        Mean distance over the pixels of both boundaries together; NaN where either mask is empty.

    Raises
    ------
    ValueError
        As for `hausdorff95`.

    See Also
    --------
    hausdorff95 : The 95th percentile instead of the mean.

    References
    ----------
    .. [1] T. Heimann et al., "Comparison and evaluation of methods for liver segmentation from CT
       datasets", IEEE TMI 28(8), 2009. :doi:`10.1109/TMI.2009.2013851`

    Examples
    --------
    >>> from skxssr.metrics import average_surface_distance
    >>> average_surface_distance([[[0, 1, 0, 0]]], [[[0, 0, 0, 1]]])
    array([2.])
    """
    return _each(true, pred, spacing, classes, assd_of)


def surface_distances(true: np.ndarray, pred: np.ndarray, spacing: np.ndarray) -> Distances:
    """Distance of each boundary pixel of one region to the other's boundary, and the other way.

    Both regions are bool, of one shape; `spacing` has one entry for each axis. The distances to an
    empty region are infinite, and there are none from it.
    """
    cut = _box(true | pred)  # exact: both boundaries lie in it
    edges = [_boundary(region[cut]) for region in (true, pred)]
    from_true, from_pred = (
        ndimage.distance_transform_edt(~other, sampling=spacing)[edge]
        if other.any()
        else np.full(np.count_nonzero(edge), np.inf)
        for edge, other in (edges, edges[::-1])
    )
    return from_true, from_pred


def hd95_of(pair: Distances) -> float:
    """HD95 from the distances both ways."""
    if not (len(pair[0]) and len(pair[1])):
        return np.nan
    return max(float(np.percentile(distances, 95)) for distances in pair)


def assd_of(pair: Distances) -> float:
    """ASSD from the distances both ways."""
    if not (len(pair[0]) and len(pair[1])):
        return np.nan
    return float(np.concatenate(pair).mean())


def nsd_of(pair: Distances, tolerance: float) -> float:
    """NSD from the distances both ways."""
    both = np.concatenate(pair)
    if not len(both):
        return np.nan
    return float(np.mean(both <= tolerance * (1 + 1e-9)))  # 3 pixels of 0.1 mm are above 0.3


def check_tolerance(tolerance: float) -> None:
    """A distance, 0 included."""
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be finite and at least 0. Got {tolerance} instead.")


def check_spacing(spacing: Any, n: int, axes: int) -> np.ndarray:
    """(n, axes) float64."""
    values = np.asarray(1.0 if spacing is None else spacing, dtype=np.float64)
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"spacing must be positive and finite. Got {spacing!r} instead.")
    if values.shape not in ((), (axes,), (n, axes)):
        raise ValueError(
            f"spacing must be one number, {axes} (one for each axis of a mask), or an array of "
            f"shape ({n}, {axes}). Got shape {values.shape} instead."
        )
    return np.broadcast_to(values, (n, axes))


def _each(
    true: Any,
    pred: Any,
    spacing: Any,
    classes: Sequence[int] | None,
    score: Callable[[Distances], float],
) -> np.ndarray:
    rows: list[list[float]] = []
    for i, pairs in enumerate(paired_regions(true, pred, classes)):
        axes = pairs[0][0].ndim
        size = check_spacing(spacing, len(true), axes)[i]
        rows.append([score(surface_distances(a, b, size)) for a, b in pairs])
    scores = np.array(rows, dtype=np.float64)
    return scores[:, 0] if classes is None else scores


def _boundary(region: np.ndarray) -> np.ndarray:
    """The pixels with a neighbour outside the region; beyond the array is outside."""
    return region & ~ndimage.binary_erosion(region)


def _box(region: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds the region; the first pixel if it is empty."""
    if not region.any():
        return tuple(slice(0, 1) for _ in region.shape)
    every = range(region.ndim)
    others = (tuple(other for other in every if other != axis) for axis in every)
    rows = (np.flatnonzero(region.any(axis=axes)) for axes in others)
    return tuple(slice(row[0], row[-1] + 1) for row in rows)
