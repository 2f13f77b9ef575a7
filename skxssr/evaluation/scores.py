"""Scores of patients or images, with what a mean of Dice leaves out.

A mean hides empty masks, missed targets, false alarms on healthy images and the groups of patients
on whom a model fails. Here each is a number of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr.metrics.segmentation import paired_regions
from skxssr.metrics.surface import (
    check_spacing,
    check_tolerance,
    hd95_of,
    nsd_of,
    surface_distances,
)
from skxssr.pipeline import dice_summary

__all__ = ["Scores", "score_images", "subgroup_table"]


@dataclass(frozen=True, eq=False)
class Scores:
    """What `score_images` returns.

    Attributes
    ----------
    units : ndarray of shape (n_units,)
        The groups, sorted, or the numbers of the images.
    unit_of_image : ndarray of shape (n_images,), int64
        Where in `units` each image belongs.
    classes : tuple of int or None
        The foreground values, in the order of the columns; None: one column, all that is not 0.
    dice, hd95, nsd : ndarray of shape (n_units, n_classes), float64
        NaN: not counted.
    true_area, pred_area : ndarray of shape (n_images, n_classes), int64
        Foreground of each image, in pixels.
    """

    units: np.ndarray
    unit_of_image: np.ndarray
    classes: tuple[int, ...] | None
    dice: np.ndarray
    hd95: np.ndarray
    nsd: np.ndarray
    true_area: np.ndarray
    pred_area: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """Units with a target of which nothing was predicted: bool (n_units, n_classes)."""
        return (self.per_unit(self.true_area) > 0) & (self.per_unit(self.pred_area) == 0)

    @property
    def false_positive(self) -> np.ndarray:
        """Images without a target in which one was predicted: bool (n_images, n_classes)."""
        return (self.true_area == 0) & (self.pred_area > 0)

    def per_unit(self, area: np.ndarray) -> np.ndarray:
        """An area of each image, added up over each unit.

        Parameters
        ----------
        area : ndarray of shape (n_images, n_classes)
            Such as `true_area`.

        Returns
        -------
        ndarray of shape (n_units, n_classes), int64
        """
        total = np.zeros((len(self.units), area.shape[1]), dtype=np.int64)
        np.add.at(total, self.unit_of_image, area)
        return total

    def macro(self, name: str = "dice") -> np.ndarray:
        """Mean over the classes that count, per unit.

        Parameters
        ----------
        name : {"dice", "hd95", "nsd"}, default="dice"
            Of which score.

        Returns
        -------
        ndarray of shape (n_units,), float64
            NaN where no class counts.
        """
        return _mean_of_counted(getattr(self, name))

    def table(self) -> list[dict[str, Any]]:
        """One row for each class and, for several, their mean: for `skxssr.report.format_table`.

        Returns
        -------
        list of dict
            "units", of them "counted" (for Dice), Dice with 5th percentile and worst, mean HD95 and
            NSD of the units where they are defined, units "missed", "empty images" (no target),
            those of them with "false positives" and the pixels predicted there ("false area"). In
            the row of the mean the last four are sums over classes.
        """
        names = ["foreground"] if self.classes is None else list(self.classes)
        rows = [self._row(name, slice(k, k + 1)) for k, name in enumerate(names)]
        return rows if len(rows) == 1 else [*rows, self._row("mean", slice(None))]

    def to_line(self) -> dict[str, Any]:
        """Give the scores as plain lists and numbers, None for NaN: a line of JSON.

        Returns
        -------
        dict
            "units", "dice", "hd95", "nsd" (mean over classes, one entry a unit; "dice_by_class"
            where there are several), "missed", "empty_images", "false_positives", "false_area".
        """
        line: dict[str, Any] = {"units": self.units.tolist()}
        line |= {name: _plain(self.macro(name)) for name in ("dice", "hd95", "nsd")}
        if self.classes is not None and len(self.classes) > 1:
            columns = zip(self.classes, self.dice.T, strict=True)
            line["dice_by_class"] = {str(name): _plain(column) for name, column in columns}
        return line | self._counts(slice(None))

    def _counts(self, columns: slice) -> dict[str, int]:
        wrong = self.false_positive[:, columns]
        return {
            "missed": int(self.missed[:, columns].sum()),
            "empty_images": int((self.true_area[:, columns] == 0).sum()),
            "false_positives": int(wrong.sum()),
            "false_area": int(self.pred_area[:, columns][wrong].sum()),
        }

    def _row(self, name: Any, columns: slice) -> dict[str, Any]:
        dice, hd95, nsd = (
            _mean_of_counted(scores[:, columns]) for scores in (self.dice, self.hd95, self.nsd)
        )
        summary = _summary(dice)
        row = {"class": name, "units": len(self.units), "counted": summary.pop("n")}
        row |= {"Dice": summary.pop("mean"), **summary}
        row |= {"HD95": _summary(hd95)["mean"], "NSD": _summary(nsd)["mean"]}
        counts = self._counts(columns).items()
        return row | {key.replace("_", " "): count for key, count in counts}


def score_images(
    true: Any,
    pred: Any,
    *,
    groups: Any = None,
    spacing: Any = None,
    classes: Sequence[int] | None = None,
    tolerance: float = 2.0,
) -> Scores:
    """Dice, HD95 and NSD of each patient or image, and what they do not count.

    Parameters
    ----------
    true, pred : ndarray of shape (n, H, W), or sequence of n arrays
        Masks, see `skxssr.metrics.dice`; read one after the other.
    groups : array-like of shape (n,), default=None
        Patient of each image. Given, a patient is a unit: the pixels of all slices together give
        one (volumetric) Dice, so that a slice with a sliver of the target weighs little. None:
        each image is a unit.
    spacing : float, sequence of float or ndarray of shape (n, n_axes), default=None
        Size of a pixel in millimetres, see `skxssr.metrics.hausdorff95`; None: distances are in
        pixels. With `groups`, three numbers (slice, row, column) say that the slices of a patient
        are consecutive in the order given, and distances are those of the volume. Otherwise they
        are measured within slices and averaged over a patient's slices, since it is not known how
        far apart those are.
    classes : sequence of int, default=None
        The foreground values to score, one column each. None: anything that is not 0 is
        foreground.
    tolerance : float, default=2.0
        Of the NSD, in the unit of `spacing`. What annotators differ by is better than any default.

    Returns
    -------
    Scores
        An immutable record. A class that neither mask of a unit holds is not counted (NaN); one
        that only one of them holds has Dice and NSD 0 and no HD95 (NaN). So read the mean HD95
        beside the counts of `missed` and `false_positive`.

    Raises
    ------
    ValueError
        As for `skxssr.metrics.hausdorff95`; `groups` has another length than `true`; or slices of
        one patient differ in shape or spacing and `spacing` makes them a volume.

    See Also
    --------
    subgroup_table : Where a model fails.

    References
    ----------
    .. [1] A. Reinke et al., "Understanding metric-related pitfalls in image analysis validation",
       Nature Methods 21, 2024. :arxiv:`2302.01790`

    Examples
    --------
    Two patients of two slices; the second patient is healthy in both:

    >>> import numpy as np
    >>> from skxssr.evaluation import score_images
    >>> true, pred = np.zeros((2, 4, 8, 8), dtype=int)
    >>> true[0, 2:6, 2:6] = 1
    >>> pred[0, 2:6, 3:7] = 1
    >>> pred[3, 0, 0] = 1
    >>> scores = score_images(true, pred, groups=["a", "a", "b", "b"])
    >>> scores.macro()
    array([0.75, 0.  ])
    >>> scores.hd95[:, 0]
    array([ 1., nan])
    >>> scores.to_line()["false_positives"]
    1
    """
    check_tolerance(tolerance)
    n = len(true)
    units, unit_of_image = _units(groups, n)
    axes = np.shape(spacing)[-1] if np.ndim(spacing) else None
    stacked, size = groups is not None and axes == 3, np.empty((0, 0))
    counts, surfaces, slices = [], [], []
    for i, pairs in enumerate(paired_regions(true, pred, classes)):
        counts.append([[np.count_nonzero(region) for region in (a & b, a, b)] for a, b in pairs])
        stacked = stacked and pairs[0][0].ndim == 2
        size = check_spacing(spacing, n, 3 if stacked else pairs[0][0].ndim)
        if stacked:
            slices.append(pairs)
        else:
            surfaces.append([_surface(a, b, size[i], tolerance) for a, b in pairs])
    table = np.array(counts, dtype=np.int64)  # (n, classes, 3)
    both, in_true, in_pred = np.zeros((3, len(units), table.shape[1]))
    for total, column in zip((both, in_true, in_pred), np.moveaxis(table, 2, 0), strict=True):
        np.add.at(total, unit_of_image, column)
    whole = in_true + in_pred
    surface = np.full((len(units), table.shape[1], 2), np.nan)
    for unit, name in enumerate(units):
        rows = np.flatnonzero(unit_of_image == unit)
        if stacked:
            if len({slices[r][0][0].shape for r in rows}) > 1 or np.ptp(size[rows], axis=0).any():
                raise ValueError(
                    f"the slices of group {name} differ in shape or spacing, so they make no "
                    "volume: resample them, or give spacing as (row, column)"
                )
            volumes = np.moveaxis(np.array([slices[row] for row in rows]), 0, 2)
            surface[unit] = [_surface(a, b, size[rows[0]], tolerance) for a, b in volumes]
        else:
            surface[unit] = _mean_of_counted(np.array([surfaces[row] for row in rows]), axis=0)
    return Scores(
        units=units,
        unit_of_image=unit_of_image,
        classes=None if classes is None else tuple(int(value) for value in classes),
        dice=np.divide(2 * both, whole, out=np.full_like(both, np.nan), where=whole > 0),
        hd95=surface[..., 0],
        nsd=surface[..., 1],
        true_area=table[..., 1],
        pred_area=table[..., 2],
    )


def subgroup_table(
    scores: Scores, *, size_bins: int = 3, **attributes: Any
) -> list[dict[str, Any]]:
    """Dice of each class, of small and large targets, and of each value of other attributes.

    Parameters
    ----------
    scores : Scores
        From `score_images`.
    size_bins : int, default=3
        Parts of equal number into which units are cut by the area of their target (all classes, in
        pixels): 3 for tertiles, 4 for quartiles, 1 for none.
    **attributes : array-like of shape (n_images,)
        A value for each image, the same for all images of a unit: site, scanner, sex, ...

    Returns
    -------
    list of dict
        Rows for `skxssr.report.format_table`: "attribute", "value", "n" (units counted), mean Dice,
        its 5th percentile and the worst. All units come first, then classes if there are several,
        then sizes, then the attributes as given.

    Raises
    ------
    ValueError
        An attribute has another number of values than there are images, or differs within a unit;
        `size_bins` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import score_images, subgroup_table
    >>> from skxssr.report import format_table
    >>> true = np.zeros((4, 8, 8), dtype=int)
    >>> true[:2, 2:4, 2:4] = 1
    >>> true[2:, 1:7, 1:7] = 1
    >>> pred = np.roll(true, 1, axis=2)
    >>> scores = score_images(true, pred)
    >>> print(format_table(subgroup_table(scores, size_bins=2, site=["A", "B", "A", "B"])))
    | attribute |    value | n |   mean |     p5 |  worst |
    |-----------|---------:|--:|-------:|-------:|-------:|
    | all       |          | 4 | 0.6667 |    0.5 |    0.5 |
    | size      |   4 to 4 | 2 |    0.5 |    0.5 |    0.5 |
    | size      | 36 to 36 | 2 | 0.8333 | 0.8333 | 0.8333 |
    | site      |        A | 2 | 0.6667 | 0.5167 |    0.5 |
    | site      |        B | 2 | 0.6667 | 0.5167 |    0.5 |
    """
    if size_bins < 1:
        raise ValueError(f"size_bins must be at least 1. Got {size_bins} instead.")
    dice = scores.macro()
    rows = [{"attribute": "all", "value": "", **_summary(dice)}]
    if scores.classes is not None and len(scores.classes) > 1:
        columns = zip(scores.classes, scores.dice.T, strict=True)
        rows += [{"attribute": "class", "value": c, **_summary(column)} for c, column in columns]
    if size_bins > 1:
        rows += _size_rows(scores.per_unit(scores.true_area).sum(axis=1), dice, size_bins)
    for name, values in attributes.items():
        of_unit = _of_units(np.asarray(values), scores, name)
        rows += [
            {"attribute": name, "value": value, **_summary(dice[of_unit == value])}
            for value in np.unique(of_unit).tolist()
        ]
    return rows


def _surface(true: np.ndarray, pred: np.ndarray, size: np.ndarray, tolerance: float) -> list[float]:
    pair = surface_distances(true, pred, size)
    return [hd95_of(pair), nsd_of(pair, tolerance)]


def _units(groups: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The units, and where in them each of n images belongs."""
    if groups is None:
        return np.arange(n), np.arange(n)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(
            f"groups must name one patient for each of the {n} images. Got shape {groups.shape}."
        )
    return np.unique(groups, return_inverse=True)


def _of_units(values: np.ndarray, scores: Scores, name: str) -> np.ndarray:
    """The value of each unit, from the values of its images."""
    n = len(scores.unit_of_image)
    if values.shape != (n,):
        raise ValueError(
            f"{name} must have one value for each of the {n} images, not {values.shape}"
        )
    first = np.unique(scores.unit_of_image, return_index=True)[1]
    of_unit = values[first]
    differing = np.flatnonzero(of_unit[scores.unit_of_image] != values)
    if len(differing):
        unit = scores.units[scores.unit_of_image[differing[0]]]
        raise ValueError(f"{name} differs within group {unit}: give its images one value")
    return of_unit


def _size_rows(area: np.ndarray, dice: np.ndarray, bins: int) -> list[dict[str, Any]]:
    """Rows by the area of the target; units of one area stay together."""
    rows = []
    if (area == 0).any():
        rows.append({"attribute": "size", "value": "no target", **_summary(dice[area == 0])})
    sizes = area[area > 0]
    if len(sizes):
        part = np.searchsorted(np.quantile(sizes, np.arange(1, bins) / bins), area, side="left")
        for number in np.unique(part[area > 0]):
            inside = (part == number) & (area > 0)
            value = f"{area[inside].min()} to {area[inside].max()}"
            rows.append({"attribute": "size", "value": value, **_summary(dice[inside])})
    return rows


def _summary(values: np.ndarray) -> dict[str, Any]:
    """How many count, and `dice_summary` of those, to four decimals."""
    counted = values[np.isfinite(values)]
    summary = dice_summary(counted) if len(counted) else dict.fromkeys(("mean", "p5", "worst"))
    rounded = {key: np.nan if value is None else round(value, 4) for key, value in summary.items()}
    return {"n": len(counted), **rounded}


def _mean_of_counted(scores: np.ndarray, axis: int = 1) -> np.ndarray:
    """Mean along an axis without NaN; NaN where nothing else is there."""
    counted = np.isfinite(scores)
    number, total = counted.sum(axis=axis), np.where(counted, scores, 0.0).sum(axis=axis)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def _plain(values: np.ndarray) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
