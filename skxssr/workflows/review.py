"""Do the masks of a folder agree with one another? A ranked table, and pictures of the first."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable, read_json, write_json
from skxssr._utils.names import few, table_cell
from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import versions
from skxssr.holdout.groups import groups_of
from skxssr.io import Masks
from skxssr.report import error_sheet
from skxssr.review import MaskReview, review_masks
from skxssr.segmentation import RidgeSegmenter
from skxssr.workflows.labelled_set import LabelledSet, Reading, read_labelled_set
from skxssr.workflows.models import read_model
from skxssr.workflows.predict import check_same_record, model_images
from skxssr.workflows.values import flat

__all__ = ["FolderReview", "review_folder", "without_other_conventions"]

_RECORD, _TABLE, _SHEET = "review.json", "review.csv", "review.png"
_FORMAT = "skxssr review"
_SHOWN, _OF_EACH = 24, 6  # masks on the sheet, and of each group and outcome at most
_KINDS = ("in both", "predicted only", "in the mask only")


@dataclass(frozen=True, eq=False)
class FolderReview:
    """What `review_folder` returns.

    Attributes
    ----------
    review : MaskReview
        Scores and outcome of each mask; names are paths below the folder of the images.
    files : list of Path
        The images.
    masks : list of Path or tuple of Path
        Theirs.
    shown : ndarray of int
        Rows on the sheet.
    """

    review: MaskReview
    files: list[Path]
    masks: list[Any]
    shown: np.ndarray


def review_folder(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    out: str | os.PathLike,
    *,
    segmenter: Any = None,
    source_model: str | os.PathLike | None = None,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    min_region: float = 0.05,
    reading: Reading | None = None,
    random_state: int = 0,
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> FolderReview:
    """Compare each mask of a folder with what a model of the others would have drawn.

    Parameters
    ----------
    images, masks : path
        The two folders; images without a mask are left out.
    out : path
        Folder for the results, made if missing. Receives ``review.csv`` (a line a mask, those to
        look at first), ``review.png`` (some of each kind, with their differences) and
        ``review.json``.
    segmenter : RidgeSegmenter or SMPSegmenter, optional
        As for `skxssr.review.review_masks`; its classes are those of all masks.
    source_model : path, optional
        Folder that ``skxssr train`` wrote, of a site whose masks are of one convention.
    group_pattern, group_from : optional
        Who is who, see `skxssr.holdout.group_by_pattern`: masks of a patient are not compared with
        one another, and a convention is one of several patients.
    min_region : float, default=0.05
        Share of the mask that a region must have to count.
    reading : Reading, optional
        How images and masks are read.
    random_state : int, default=0
        Draws the folds.
    verbose : int, default=1
        0 for no progress bars.
    on_message : callable, optional
        Called with what the folders hold.

    Returns
    -------
    FolderReview

    Raises
    ------
    ImageReadError
        A file cannot be read.
    FileExistsError
        `out` holds other files.
    ValueError
        There are fewer than 3 masks (or patients), or masks and images do not pair.
    MissingExtraError
        cleanlab or matplotlib is not installed.

    See Also
    --------
    skxssr.review.review_masks : What is compared, and what it can tell.
    """
    import_optional("matplotlib", extra="report", caller="skxssr review")
    import_optional("cleanlab.segmentation.rank", extra="review", caller="skxssr review")
    out, reading = Path(out), reading or Reading()
    groups_of([], group_pattern, group_from)
    trained = None if source_model is None else read_model(source_model)
    data = read_labelled_set(images, masks, out, reading, verbose=verbose, on_message=on_message)
    data = data.with_rule(reading, on_message)
    groups = groups_of(data.names, group_pattern, group_from)
    segmenter = RidgeSegmenter(verbose=verbose) if segmenter is None else segmenter
    record = {
        "format": _FORMAT,
        "data": data.to_dict(),
        "segmenter": type(segmenter).__name__,
        "min_region": min_region,
        "random_state": random_state,
        "source": None if trained is None else trained.record["weights_sha256"],
    }
    check_same_record(out, _RECORD, record)
    seen = None
    if trained is not None:
        seen = model_images(trained, data.files, data.inventory.rule, on_message)
    review = review_masks(
        data.images,
        data.masks,
        segmenter=segmenter,
        source=None if trained is None else trained.segmenter,
        source_images=seen,
        groups=groups,
        min_region=min_region,
        random_state=random_state,
    )
    review = replace(review, names=data.names)
    shown = _rows_to_show(review)
    make_writable(out)
    _write_table(out / _TABLE, review, groups)
    _draw(out / _SHEET, review, data, shown, segmenter)
    more = {
        "versions": versions(),
        "limits": review.limits,
        "source sides": {str(group): share for group, share in review.source_sides.items()},
        "another convention": {
            review.names[row]: {
                "group": int(review.group[row]),
                "sha256": [data.hashes[part] for part in flat([data.mask_files[row]])],
            }
            for row in review.order
            if review.group[row] > 0
        },
    }
    write_json(out / _RECORD, record | more)
    return FolderReview(review, data.files, data.mask_files, shown)


def without_other_conventions(
    data: LabelledSet,
    review: str | os.PathLike,
    on_message: Callable[[str], object],
    *,
    groups: Sequence[int] | None = None,
) -> LabelledSet:
    """Leave out masks that a review found to follow another convention, as they were then.

    Parameters
    ----------
    data : LabelledSet
        Images with masks.
    review : path
        Folder that ``skxssr review`` wrote. A mask that was corrected since is kept.
    on_message : callable
        Called with what is left out.
    groups : sequence of int, optional
        Only masks of these groups; of all by default.

    Returns
    -------
    LabelledSet

    Raises
    ------
    ValueError
        The folder holds no review, or not these groups, or nothing would be left.
    """
    record = read_json(Path(review) / _RECORD)
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ValueError(f"--review {review}: give the folder that skxssr review wrote")
    found = record["another convention"].values()
    there = {entry["group"] for entry in found}
    unknown = sorted(set(groups or ()) - there)
    if unknown:
        raise ValueError(
            f"--review {review} has no group {few(unknown)}: its groups are {few(sorted(there))}"
        )
    taken = there if groups is None else set(groups)
    suspect = {part for entry in found if entry["group"] in taken for part in entry["sha256"]}
    held = np.array(
        [
            any(data.hashes[part] in suspect for part in flat([mask]))  # by content, not by name
            for mask in data.mask_files
        ]
    )
    if held.all():
        raise ValueError(
            f"--review {review}: every mask is listed there as of another convention, and none is "
            "left to learn from"
        )
    names = few([name for name, one in zip(data.names, held, strict=True) if one], 3)
    if held.any():
        on_message(f"{held.sum()} masks of another convention are left out ({names}).")
    return data.keep(np.flatnonzero(~held))


def _rows_to_show(review: MaskReview) -> np.ndarray:
    """Some of each group, then of each outcome but agreement; all in the order of the table."""
    kinds = [
        f"{outcome} {group}" for outcome, group in zip(review.outcome, review.group, strict=True)
    ]
    counts: dict[str, int] = {}
    rows = []
    for row in review.order:
        counts[kinds[row]] = counts.get(kinds[row], 0) + 1
        if review.outcome[row] != "agrees" and counts[kinds[row]] <= _OF_EACH:
            rows.append(row)
    return np.array(rows[:_SHOWN] or review.order[:_OF_EACH], dtype=np.intp)


def _write_table(path: Path, review: MaskReview, groups: list[str] | None) -> None:
    beside = path.with_name(f"{path.name}.part")
    patient = None if groups is None else dict(zip(review.names, groups, strict=True))
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for line in review.table():
            name = line.pop("name")
            own = {} if patient is None else {"patient": table_cell(patient[name])}
            cells = {"rank": line.pop("rank"), "file": table_cell(name)} | own | line
            if stream.tell() == 0:
                writer.writerow(cells)
            writer.writerow(_plain(value) for value in cells.values())
    beside.replace(path)


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if np.isfinite(value) else ""


def _draw(
    path: Path, review: MaskReview, data: LabelledSet, shown: np.ndarray, segmenter: Any
) -> None:
    """The rows to show, each mask beside what the others say."""
    images = [data.files[row] for row in shown]
    masks = Masks([data.mask_files[row] for row in shown], data.rule)
    lowest = data.rule.classes[0] if data.rule is not None else 0
    drawn = [np.uint8(mask > lowest) for mask in masks]
    others = [
        np.uint8(segmenter.to_original(review.predicted[row], mask.shape) > 0)
        for row, mask in zip(shown, drawn, strict=True)
    ]
    pictures = replace(data, files=images).images
    captions = [_caption(review, row) for row in shown]
    columns = {"what the others say": others}
    error_sheet(pictures, drawn, columns, path, captions=captions, kinds=_KINDS, truth="mask")


def _caption(review: MaskReview, row: int) -> str:
    stem = Path(review.names[row]).stem
    name = stem if len(stem) <= 24 else f"...{stem[-24:]}"
    what = f"group {review.group[row]}" if review.group[row] else review.outcome[row]
    return f"{name}\n{what}"
