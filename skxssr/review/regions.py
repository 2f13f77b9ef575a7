"""The largest connected region that a mask has and its prediction lacks, or the other way round."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__: list[str] = []

SIDES = ("includes", "leaves out")  # what the mask does to the region
FRAME = 16  # pixels a side of the frame in which places of regions are compared
_SLIVER = 24  # of the square's side: thinner differences are outlines drawn a little wider


@dataclass(frozen=True)
class Difference:
    """How a mask differs from its prediction.

    Attributes
    ----------
    dice : float
        Of all foreground; NaN where neither has any.
    share : ndarray of shape (n_classes - 1, 2)
        Area of the largest region of each class that the mask includes, and leaves out, as a share
        of the larger of both areas of the class.
    place : ndarray of shape (n_classes - 1, 2, FRAME * FRAME)
        Where those regions lie, blurred and of unit length; 0 where there is none.
    centre : ndarray of shape (n_classes - 1, 2, 2)
        Their centres of gravity in the box around mask and prediction, rows and columns in [0, 1].
    """

    dice: float
    share: np.ndarray
    place: np.ndarray
    centre: np.ndarray


def difference(codes: np.ndarray, predicted: np.ndarray, n_classes: int) -> Difference:
    """Compare class indices of a mask (S, S), -1 where it has no label, with predicted ones."""
    known = codes >= 0
    mask, pred = (codes > 0) & known, (predicted > 0) & known
    total = int(mask.sum() + pred.sum())
    dice = 2 * int((mask & pred).sum()) / total if total else np.nan
    box = _box(mask | pred)
    share = np.zeros((n_classes - 1, 2))
    place = np.zeros((n_classes - 1, 2, FRAME * FRAME), dtype=np.float32)
    centre = np.full((n_classes - 1, 2, 2), np.nan)
    for k in range(1, n_classes):
        ours, theirs = (codes == k) & known, (predicted == k) & known
        area = max(int(ours.sum()), int(theirs.sum()))
        for side, only in enumerate((ours & ~theirs, theirs & ~ours)):
            region = _largest(only)
            if region is None:
                continue
            share[k - 1, side] = region.sum() / area
            place[k - 1, side] = _in_frame(region, box)
            centre[k - 1, side] = _centre(region, box)
    return Difference(dice, share, place, centre)


def _largest(region: np.ndarray) -> np.ndarray | None:
    """The largest connected part, without slivers; None where nothing is left."""
    side = max(2, round(len(region) / _SLIVER))
    opened = ndimage.binary_opening(region, np.ones((side, side)))
    parts, n = ndimage.label(opened)
    if n == 0:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def _box(region: np.ndarray) -> tuple[int, int, int, int]:
    """Rows and columns that hold the region; all if it is empty."""
    there = np.argwhere(region)
    if len(there) == 0:
        return 0, region.shape[0], 0, region.shape[1]
    (top, left), (bottom, right) = there.min(axis=0), there.max(axis=0) + 1
    return int(top), int(bottom), int(left), int(right)


def _in_frame(region: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The region as seen in the box, so that it does not matter where the organ lies."""
    top, bottom, left, right = box
    rows = np.linspace(top, bottom - 1, FRAME).round().astype(int)
    columns = np.linspace(left, right - 1, FRAME).round().astype(int)
    seen = ndimage.gaussian_filter(region[np.ix_(rows, columns)].astype(np.float32), 1.0).ravel()
    length = float(np.linalg.norm(seen))
    return seen / length if length > 0 else seen


def _centre(region: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    top, bottom, left, right = box
    middle = np.argwhere(region).mean(axis=0) + 0.5
    return (middle - (top, left)) / (bottom - top, right - left)


def place_in_words(centre: np.ndarray) -> str:
    """Where a region lies, as one who looks at the picture would say."""
    row, column = centre
    across = "left" if column < 0.4 else "right" if column > 0.6 else "middle"
    down = "upper" if row < 0.4 else "lower" if row > 0.6 else ""
    if across == "middle":
        return {"upper": "top", "lower": "bottom", "": "centre"}[down]
    return f"{down} {across}".strip()
