"""Overlap of predicted and true masks, one score per image."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skxssr._utils.labels import IGNORED

__all__ = ["dice", "iou"]


def dice(
    true: Any, pred: Any, *, classes: Sequence[int] | None = None, empty: float = 1.0
) -> np.ndarray:
    r"""Dice coefficient of each image: :math:`2 |A \cap B| / (|A| + |B|)`.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W) or (n, D, H, W), or sequence of n arrays
        Masks of images (H, W) or volumes (D, H, W), of integers or bool; those in a sequence may
        differ in size.
    classes : sequence of int, default=None
        The foreground values to score, one column each. None: anything that is not 0 is
        foreground, whatever its value, so a mask of 0 and 255 matches one of 0 and 1.
    empty : float, default=1.0
        The score where a class is in neither mask. 1 counts it as agreement, the convention of
        most challenges; with `numpy.nan` such an image drops out of `numpy.nanmean`.

    Returns
    -------
    ndarray of shape (n,), or (n, n_classes) if `classes` is given; float64
        Scores from 0 to 1. A class in one of the two masks only scores 0.

    Raises
    ------
    ValueError
        `true` and `pred` differ in number or shape, hold floats that are not whole numbers, or
        there is no image or no class.

    See Also
    --------
    iou : The Jaccard index; ``iou = dice / (2 - dice)``.
    hausdorff95 : How far apart the outlines are, which overlap does not say.

    References
    ----------
    .. [1] L. R. Dice, "Measures of the amount of ecologic association between species", Ecology
       26(3), 1945. :doi:`10.2307/1932409`

    Examples
    --------
    >>> from skxssr.metrics.segmentation import dice
    >>> true = [[[0, 1, 1, 0]], [[0, 0, 0, 0]]]
    >>> pred = [[[0, 1, 0, 0]], [[0, 0, 0, 0]]]
    >>> dice(true, pred)
    array([0.66666667, 1.        ])
    """
    both, n_true, n_pred = _count(true, pred, classes)
    return _ratio(2.0 * both, n_true + n_pred, empty)


def iou(
    true: Any, pred: Any, *, classes: Sequence[int] | None = None, empty: float = 1.0
) -> np.ndarray:
    r"""Intersection over union (Jaccard index) of each image: :math:`|A \cap B| / |A \cup B|`.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W) or (n, D, H, W), or sequence of n arrays
        Masks of images (H, W) or volumes (D, H, W), of integers or bool; those in a sequence may
        differ in size.
    classes : sequence of int, default=None
        The foreground values to score, one column each. None: anything that is not 0 is
        foreground.
    empty : float, default=1.0
        The score where a class is in neither mask, as for `dice`.

    Returns
    -------
    ndarray of shape (n,), or (n, n_classes) if `classes` is given; float64
        Scores from 0 to 1. A class in one of the two masks only scores 0.

    Raises
    ------
    ValueError
        As for `dice`.

    See Also
    --------
    dice : Never below it; ``dice = 2 * iou / (1 + iou)``.

    References
    ----------
    .. [1] P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11(2),
       1912. :doi:`10.1111/j.1469-8137.1912.tb05611.x`

    Examples
    --------
    >>> from skxssr.metrics.segmentation import iou
    >>> iou([[[0, 1, 1, 2]]], [[[0, 1, 0, 2]]], classes=[1, 2])
    array([[0.5, 1. ]])
    """
    both, n_true, n_pred = _count(true, pred, classes)
    return _ratio(both, n_true + n_pred - both, empty)


def _count(
    true: Any, pred: Any, classes: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels in both, in `true` and in `pred`: float64 of shape (n,) or (n, n_classes)."""
    counts = [
        [[np.count_nonzero(region) for region in (a & b, a, b)] for a, b in pairs]
        for pairs in paired_regions(true, pred, classes)
    ]
    table = np.array(counts, dtype=np.float64)  # (n, classes, 3)
    if classes is None:
        table = table[:, 0]
    return table[..., 0], table[..., 1], table[..., 2]


def paired_regions(
    true: Any, pred: Any, classes: Sequence[int] | None
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """For each image the regions of each class in `true` and in `pred`, bool; checks both.

    Pixels of which the truth has no label (`skxssr.io.MaskRule`) are in none of them.
    """
    if len(true) != len(pred):
        raise ValueError(
            f"true has {len(true)} masks and pred has {len(pred)}: give one of each per image"
        )
    if len(true) == 0:
        raise ValueError("true and pred are empty: at least one mask is needed")
    values = None if classes is None else np.asarray(classes)
    if values is not None and (values.ndim != 1 or len(values) == 0):
        raise ValueError(f"classes must be None or a sequence of at least one int. Got {classes!r}")
    for i, (one, other) in enumerate(zip(true, pred, strict=True)):
        a, b = _as_labels(one, "true", i), _as_labels(other, "pred", i)
        if a.shape != b.shape:
            raise ValueError(f"true[{i}] has shape {a.shape} and pred[{i}] {b.shape}: must agree")
        known = a != IGNORED
        if values is None:
            yield [((a != 0) & known, (b != 0) & known)]
        else:
            yield [((a == value) & known, (b == value) & known) for value in values]


def _as_labels(mask: Any, name: str, i: int) -> np.ndarray:
    labels = np.asarray(mask)
    if labels.ndim not in (2, 3):
        raise ValueError(
            f"{name}[{i}] must have shape (H, W) or (D, H, W). Got {labels.shape} instead; {name} "
            "is an array of shape (n, H, W) or (n, D, H, W), or a sequence of such masks"
        )
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.rint(labels))).all():
        raise ValueError(
            f"{name}[{i}] has floats that are not whole numbers: scores compare labels; threshold "
            "probabilities first, for example pred > 0.5"
        )
    return labels


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)
