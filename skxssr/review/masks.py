"""Do the masks of a set agree with one another?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.io import Images, Masks
from skxssr.review.folds import draw_folds
from skxssr.review.groups import same_place
from skxssr.review.record import OUTCOMES, MaskReview
from skxssr.review.regions import SIDES, Difference, difference, place_in_words

__all__ = ["review_masks"]

_DEVIATIONS = 3.0  # of the set's own errors, beyond which a mask is out of line
_MAD = 1.4826  # makes the median absolute deviation that of a normal distribution
_SHARED_BY = 0.01  # of all patients: regions that fewer have in common may meet by chance


def review_masks(
    images: Any,
    masks: Any,
    *,
    segmenter: Any = None,
    source: Any = None,
    source_images: Any = None,
    groups: Sequence[Any] | None = None,
    n_folds: int | None = None,
    min_region: float = 0.05,
    random_state: int = 0,
) -> MaskReview:
    """Score each mask by what a model of the other masks would have drawn.

    A region that some annotators include and others leave out (the heart in the lung field, a
    swelling around a tumour) costs a model more than noise does, since it is learned. Such masks
    are told from careless ones by two signs: the difference is one connected region on one side,
    and other masks differ in the same place.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
        At least 3, better 10, see `skxssr.io.Images`.
    masks : ndarray of shape (n, H, W), or sequence of paths or arrays
        One an image, see `skxssr.io.Masks`.
    segmenter : RidgeSegmenter or SMPSegmenter, optional
        Not fitted; what is fitted without each fold. `RidgeSegmenter()` by default: closed form,
        all folds in one pass. A U-Net is trained once a fold and round.
    source : RidgeSegmenter or SMPSegmenter, optional
        Fitted on another site whose masks are of one convention. It adds `source_dice`, and says
        whose side it takes; it changes no outcome.
    source_images : as `images`, optional
        The same images as `source` is to see them, where its site was read by another rule.
    groups : sequence of length n, optional
        Patient of each image; those of a patient are never learned from one another, and a
        convention is one of several patients.
    n_folds : int, optional
        By default 10 with up to 50 masks and 5 with more.
    min_region : float, default=0.05
        Regions below this share of the mask never count, nor do losses of Dice below it. The limit
        is higher where the set's own errors are: their median and three deviations (1.48 times the
        median absolute deviation).
    random_state : int, default=0
        Draws the folds.

    Returns
    -------
    MaskReview

    Raises
    ------
    ValueError
        There are fewer than 3 masks (or patients), masks do not pair with the images, or a
        parameter is out of range.
    MissingExtraError
        cleanlab is not installed (extra "review").

    See Also
    --------
    skxssr.RidgeSegmenter.out_of_fold : The predictions.
    skxssr.workflows.review.review_folder : The same for folders, with a table and pictures.

    Notes
    -----
    Two rounds are made: the second learns only from masks that the first found to agree. Where
    nearly half of the masks follow another convention there is none that the others share, and the
    model sits between both. A lone mask of another convention cannot be told from an odd one.

    Regions are compared in squares of the segmenter's `image_size`, after an opening that removes
    differences thinner than 1/24 of the square: outlines drawn a little wider are no region.

    Examples
    --------
    Twenty disks, four of which were drawn with the handle:

    >>> import numpy as np
    >>> from skxssr import RidgeSegmenter
    >>> from skxssr.review import review_masks
    >>> rng = np.random.default_rng(0)
    >>> images, masks = np.zeros((20, 32, 32)), np.zeros((20, 32, 32), dtype=np.uint8)
    >>> masks[:, 6:24, 6:18] = 1
    >>> images[:, 6:24, 6:18], images[:, 10:20, 18:25] = 0.8, 0.5
    >>> images += 0.05 * rng.random(images.shape)
    >>> masks[:4, 10:20, 18:25] = 1
    >>> review = review_masks(images, masks, segmenter=RidgeSegmenter(image_size=32))
    >>> np.flatnonzero(review.outcome == "another convention")
    array([0, 1, 2, 3])
    """
    import_optional("cleanlab.segmentation.rank", extra="review", caller="review_masks")
    if not 0 < min_region < 1:
        raise ValueError(f"min_region ({min_region}) must lie between 0 and 1.")
    if segmenter is None:
        from skxssr.segmentation import RidgeSegmenter

        segmenter = RidgeSegmenter()
    images, masks = Images(images), Masks(masks)
    if groups is not None and len(groups) != len(images):
        raise ValueError(f"groups has {len(groups)} entries for {len(images)} images.")
    folds = draw_folds(len(images), groups, n_folds, random_state)
    trusted = None
    for _ in range(2):
        seen = _look(segmenter.out_of_fold(images, masks, folds, trusted=trusted), len(images))
        strength, limits = _strengths(seen, min_region)
        trusted = strength.max(axis=1) <= 1
        if trusted.all() or not _learnable(trusted, folds):
            break
    beside = (
        None
        if source is None
        else _look(
            source.beside(images if source_images is None else source_images, masks), len(images)
        )
    )
    patients = np.arange(len(images)) if groups is None else np.asarray(groups)
    return _judge(images.names, patients, seen, strength, limits, beside)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Differences of all masks, with the label quality and the predictions."""

    differences: list[Difference]
    quality: np.ndarray
    predicted: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """(n, 2 * (n_classes - 1))."""
        return np.stack([one.share.ravel() for one in self.differences])

    @property
    def dice(self) -> np.ndarray:
        return np.array([one.dice for one in self.differences])


def _look(batches: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]], n: int) -> _Seen:
    rank = import_optional("cleanlab.segmentation.rank", extra="review", caller="review_masks")
    found: dict[int, Difference] = {}
    quality = np.full(n, np.nan)
    predicted = np.zeros((0, 0, 0), dtype=np.uint8)
    for rows, probabilities, codes in batches:
        best = probabilities.argmax(axis=1)
        if not len(predicted):
            predicted = np.zeros((n, *best.shape[1:]), dtype=np.uint8)
        predicted[rows] = best
        labels = np.where(codes >= 0, codes, best)  # without a label there is nothing to doubt
        quality[rows], _ = rank.get_label_quality_scores(labels, probabilities, verbose=False)
        for row, mask, pred in zip(rows, codes, best, strict=True):
            found[int(row)] = difference(mask, pred, probabilities.shape[1])
    return _Seen([found[row] for row in range(n)], quality, predicted)


def _strengths(seen: _Seen, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Each kind of region, and Dice last, as multiples of its limit (n, kinds + 1); the limits."""
    lost = 1 - np.nan_to_num(seen.dice, nan=1.0)
    values = np.column_stack([seen.share, lost])
    middle = np.median(values, axis=0)
    spread = _DEVIATIONS * _MAD * np.median(np.abs(values - middle), axis=0)
    limits = np.maximum(middle + spread, least)
    limits[-1] = middle[-1] + max(spread[-1], least)
    return values / limits, limits


def _learnable(trusted: np.ndarray, folds: np.ndarray) -> bool:
    return all((trusted & (folds != fold)).any() for fold in np.unique(folds))


def _judge(
    names: list[str],
    patients: np.ndarray,
    seen: _Seen,
    strength: np.ndarray,
    limits: np.ndarray,
    beside: _Seen | None,
) -> MaskReview:
    n = len(names)
    kind = strength[:, :-1].argmax(axis=1)
    rows = np.arange(n)
    flagged = strength[rows, kind] > 1
    region = seen.share[rows, kind]
    places = np.stack([one.place.reshape(len(limits) - 1, -1) for one in seen.differences])
    group = _groups(kind, flagged, places[rows, kind], region, patients)
    outcome = np.full(n, "agrees", dtype=f"<U{max(map(len, OUTCOMES))}")
    outcome[strength[:, -1] > 1] = "scattered"
    outcome[flagged] = "region of its own"
    outcome[group > 0] = "another convention"
    strongest = strength.max(axis=1)
    first = np.array([OUTCOMES.index(name) for name in outcome])
    centres = [one.centre.reshape(-1, 2)[k] for one, k in zip(seen.differences, kind, strict=True)]
    sides = {}
    if beside is not None:
        theirs = np.stack([one.place.reshape(len(limits) - 1, -1) for one in beside.differences])
        alike = (places[rows, kind] * theirs[rows, kind]).sum(axis=1)
        same = (beside.share[rows, kind] > limits[kind]) & (alike > 0.5)
        sides = {g: float(same[group == g].mean()) for g in range(1, group.max(initial=0) + 1)}
    return MaskReview(
        names=names,
        outcome=outcome,
        group=group,
        side=np.array(SIDES)[kind % 2],
        class_index=kind // 2 + 1,
        region=region,
        place=["" if np.isnan(c).any() else place_in_words(c) for c in centres],
        strength=strongest,
        dice=seen.dice,
        quality=seen.quality,
        source_dice=None if beside is None else beside.dice,
        source_sides=sides,
        order=np.lexsort((rows, -strongest, group, first)),
        predicted=seen.predicted,
        limits={
            "regions": dict(zip(_kinds(len(limits) - 1), limits[:-1].tolist(), strict=True)),
            "lost Dice": float(limits[-1]),
        },
    )


def _kinds(n: int) -> list[str]:
    several = n > 2
    return [f"{SIDES[k % 2]}{f' class {k // 2 + 1}' if several else ''}" for k in range(n)]


def _groups(
    kind: np.ndarray,
    flagged: np.ndarray,
    places: np.ndarray,
    region: np.ndarray,
    patients: np.ndarray,
) -> np.ndarray:
    """Numbers of the groups of all kinds, the largest first; 0 outside of any."""
    least = max(2, int(np.ceil(_SHARED_BY * len(np.unique(patients)))))
    found: list[np.ndarray] = []
    for k in np.unique(kind[flagged]):
        rows = np.flatnonzero(flagged & (kind == k))
        numbers = same_place(places[rows], region[rows])
        groups = [rows[numbers == number] for number in range(1, numbers.max(initial=0) + 1)]
        found += [members for members in groups if len(np.unique(patients[members])) >= least]
    group = np.zeros(len(kind), dtype=np.intp)
    for number, members in enumerate(sorted(found, key=len, reverse=True), start=1):
        group[members] = number
    return group
