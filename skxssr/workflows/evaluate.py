"""How good masks are: Dice and distances against held-out ones, by site, and what went wrong."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable, write_json
from skxssr._utils.names import few, table_cell
from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import sha256_of_files, versions
from skxssr.evaluation import Scores, score_images
from skxssr.evaluation._analysis.bootstrap import interval, resampling_weights, widen
from skxssr.holdout import read_test_set
from skxssr.holdout.groups import groups_of
from skxssr.io import Masks, check_mask_shapes, find_mask_rule, pixel_spacing
from skxssr.report import error_sheet, format_table
from skxssr.workflows.inputs import sites_of
from skxssr.workflows.labelled import read_some_labelled
from skxssr.workflows.labelled_set import LabelledSet, Reading, read_labelled_set, reserved_rows
from skxssr.workflows.models import TrainedModel, read_model
from skxssr.workflows.predict import check_same_record, mask_names, model_images, write_masks
from skxssr.workflows.values import flat

__all__ = ["FolderEvaluation", "evaluate_folder"]

_RECORD, _TABLE = "evaluation.json", "scores.csv"
_SHOWN = 8  # images on a sheet
_REPLICATES = 2000


@dataclass(frozen=True, eq=False)
class FolderEvaluation:
    """What `evaluate_folder` returns.

    Attributes
    ----------
    text : str
        The table and what it does not count.
    names : list of str
        The images.
    scores : Scores
        Of each image.
    rows : list of dict
        The table: all, classes if there are several, sites.
    """

    text: str
    names: list[str]
    scores: Scores
    rows: list[dict[str, Any]]


def evaluate_folder(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    out: str | os.PathLike,
    *,
    model: str | os.PathLike | None = None,
    predictions: str | os.PathLike | None = None,
    test_set: str | os.PathLike | None = None,
    site_from: str | None = None,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    reading: Reading | None = None,
    device: str = "auto",
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> FolderEvaluation:
    """Score a model, or masks from anywhere, against masks that it was not trained on.

    Parameters
    ----------
    images, masks : path
        The two folders; images without a mask are left out.
    out : path
        Folder for the results, made if missing. Receives ``scores.csv`` (a line an image, the worst
        first), ``evaluation.json``, ``worst.png`` and ``best.png``, and of a model
        ``predictions/``.
    model : path, optional
        Folder that ``skxssr train`` wrote. Images that it was trained on are left out.
    predictions : path, optional
        Masks instead of a model, with the names of the images.
    test_set : path, optional
        Folder that ``skxssr split`` wrote: only its images are scored.
    site_from : str, optional
        ``"folder"``, a CSV table, or a regular expression with one group: a line of the table for
        each site.
    group_pattern, group_from : optional
        Who is who, see `skxssr.holdout.group_by_pattern`: a patient is then a unit. Told by the
        test set where it knows.
    reading : Reading, optional
        How images and masks are read.
    device : str, default="auto"
        Where the model runs.
    verbose : int, default=1
        0 for no progress bars.
    on_message : callable, optional
        Called with what the folders hold.

    Returns
    -------
    FolderEvaluation

    Raises
    ------
    ImageReadError
        A file cannot be read.
    FileExistsError
        `out` holds other files.
    ValueError
        Neither or both of `model` and `predictions` are given, nothing is left to score, or images
        lack a prediction.
    MissingExtraError
        matplotlib is not installed.

    Notes
    -----
    Intervals are 95% percentile intervals of a bootstrap over patients, or over images where nobody
    said who is who. They tell how much the mean depends on which patients were tested, not how much
    another training would change it.
    """
    import_optional("matplotlib", extra="report", caller="skxssr evaluate")
    if (model is None) == (predictions is None):
        raise ValueError("give one of --model and --predictions: what is to be evaluated")
    out, reading = Path(out), reading or Reading()
    groups_of([], group_pattern, group_from)
    trained = None if model is None else read_model(model)
    reserved = None if test_set is None else read_test_set(test_set)
    data = read_labelled_set(images, masks, out, reading, verbose=verbose, on_message=on_message)
    if reserved is None:
        on_message(
            "No --test: these scores are those of the site only if the images were drawn at random,"
            " as skxssr split does."
        )
    else:
        tested = reserved_rows(data, reserved, out, on_message)
        if not tested.any():
            raise ValueError(
                f"--test {test_set}: none of the {len(data.files)} images of {images} that have a "
                f"mask is in that test set: give the masks of its {len(reserved.images)} images"
            )
        data = data.keep(np.flatnonzero(tested))
        missing = len(reserved.images) - len(data.files)
        if missing > 0:
            on_message(f"{missing} of {len(reserved.images)} images of the test set have no mask.")
    if trained is not None:
        data = _unseen(data, trained, on_message)
    data = data.with_rule(reading, on_message)
    names = data.names
    groups = groups_of(names, group_pattern, group_from, root=data.inventory.root)
    if groups is None and reserved is not None:
        groups = reserved.groups_of(names)
    sites = sites_of(names, site_from)
    record = {
        "format": "skxssr evaluation",
        "model": None if trained is None else trained.record["weights_sha256"],
        "predictions": None if predictions is None else str(Path(predictions).resolve()),
        "data": data.to_dict(),
    }
    check_same_record(out, _RECORD, record)
    if trained is None:
        found = _given(data, Path(str(predictions)), reading, on_message)
    else:
        found = _predicted(data, trained, out, record, device, verbose, on_message)
    check_mask_shapes(data.images, found)
    result = _score(data, found, groups, sites, trained)
    make_writable(out)
    _write(out, result, data, found, groups, sites, record)
    return result


def _unseen(
    data: LabelledSet, trained: TrainedModel, on_message: Callable[[str], object]
) -> LabelledSet:
    known = set(trained.trained_on.values())
    seen = np.array([data.hashes[path] in known for path in data.files])
    if seen.all():
        raise ValueError(
            f"the model was trained on all {len(seen)} of these images, whose scores would say "
            "nothing of new ones: give masks of others"
        )
    if seen.any():
        on_message(f"{seen.sum()} images are left out: the model was trained on them.")
    return data.keep(np.flatnonzero(~seen))


def _predicted(
    data: LabelledSet,
    trained: TrainedModel,
    out: Path,
    record: dict[str, Any],
    device: str,
    verbose: int,
    on_message: Callable[[str], object],
) -> Masks:
    """Masks of the model, written to ``out/predictions``."""
    make_writable(out)
    write_json(out / _RECORD, record)
    places = mask_names(data.files, data.inventory.root, out / "predictions")
    images = model_images(trained, data.files, data.inventory.rule, on_message)
    write_masks(trained.segmenter, images, places, device=device, verbose=verbose)
    return Masks(list(places.values()))


def _given(
    data: LabelledSet, folder: Path, reading: Reading, on_message: Callable[[str], object]
) -> Masks:
    """Masks from anywhere, one for each image."""
    files, masks = read_some_labelled(
        data.inventory,
        folder,
        how={"mask_suffix": None, "join": False, "axis": reading.axis},
        skip_unreadable=False,
        on_message=on_message,
    )
    mask_of = dict(zip(files, masks, strict=True))
    lacking = [
        name for name, path in zip(data.names, data.files, strict=True) if path not in mask_of
    ]
    if lacking:
        raise ValueError(
            f"--predictions {folder}: {len(lacking)} of {len(data.files)} images that have a mask "
            f"to be compared with have none there ({few(lacking)})"
        )
    stored = Masks([mask_of[path] for path in data.files])
    try:
        return Masks(stored, find_mask_rule(stored))
    except ValueError:  # nothing but background in all of them
        return stored


def _score(
    data: LabelledSet,
    found: Masks,
    groups: Sequence[str] | None,
    sites: Sequence[str] | None,
    trained: TrainedModel | None,
) -> FolderEvaluation:
    assert data.rule is not None
    classes = None
    if len(data.rule.classes) > 2:
        classes = list(data.rule.classes[1:])
        theirs = [] if trained is None else trained.segmenter.classes_.tolist()[1:]
        absent = sorted(set(classes) - set(theirs)) if trained is not None else []
        if absent:
            raise ValueError(
                f"the masks hold classes {few(absent)}, which the model does not know: it was "
                f"trained on {few(theirs)}. Say with --foreground what is meant"
            )
    elif data.rule.classes[0] != 0:
        classes = [data.rule.classes[1]]
    spacing, unit = _spacing(data.files)
    by_image = score_images(data.masks, found, classes=classes, spacing=spacing)
    units = by_image
    if groups is not None:
        units = score_images(data.masks, found, classes=classes, spacing=spacing, groups=groups)
    rows = _rows(units, sites, unit)
    shown = [{key: _shown(value) for key, value in row.items()} for row in rows]
    of_what = "images" if groups is None else "patients"
    counts = units.table()[-1]
    text = (
        f"{format_table(shown)}\n\n"
        f"n counts {of_what}; in brackets are 95% intervals of means over {of_what} (bootstrap).\n"
        f"Missed altogether: {counts['missed']}. Without any foreground: "
        f"{counts['empty images']} images, of which {counts['false positives']} have some "
        "predicted."
    )
    return FolderEvaluation(text, data.names, by_image, rows)


def _spacing(files: list[Path]) -> tuple[np.ndarray | None, str]:
    """Of each image in mm, if all of them say it; else distances are in pixels."""
    sizes = [pixel_spacing(path) for path in files]
    if any(size is None for size in sizes):
        return None, "pixels"
    return np.array(sizes, dtype=float), "mm"


def _rows(units: Scores, sites: Sequence[str] | None, unit: str) -> list[dict[str, Any]]:
    """Lines of the table: mean and interval of all, of each class, of each site."""
    dice, distance = units.macro("dice"), units.macro("hd95")
    rows = [_row("all", dice, distance, unit)]
    if units.classes is not None and len(units.classes) > 1:
        columns = zip(units.classes, units.dice.T, units.hd95.T, strict=True)
        rows += [_row(f"class {name}", own, far, unit) for name, own, far in columns]
    if sites is not None:
        first = np.unique(units.unit_of_image, return_index=True)[1]
        of_unit = np.asarray(sites)[first]
        rows += [
            _row(str(site), dice[of_unit == site], distance[of_unit == site], unit)
            for site in np.unique(of_unit)
        ]
    return rows


def _row(name: str, dice: np.ndarray, distance: np.ndarray, unit: str) -> dict[str, Any]:
    counted = dice[np.isfinite(dice)]
    worst = {"5th pct": np.nan, "worst": np.nan}
    if len(counted):
        worst = {"5th pct": float(np.percentile(counted, 5)), "worst": float(counted.min())}
    return {
        "which": name,
        "n": len(counted),
        "Dice": _mean(dice),
        **worst,
        f"HD95 ({unit})": _mean(distance),
    }


def _mean(values: np.ndarray) -> list[float]:
    """The mean of those that count, and its interval; NaN where there is nothing to draw from."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return [np.nan, np.nan, np.nan]
    mean = float(known.mean())
    if len(known) == 1:
        return [mean, np.nan, np.nan]
    weights = resampling_weights(len(known), _REPLICATES, np.random.default_rng(0))
    replicates = widen(known @ weights / len(known), mean, len(known))
    return [mean, *interval(replicates, 0.95)]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        mean, low, high = value
        digits = 3 if mean <= 1 else 1
        if np.isnan(mean):
            return "-"
        if np.isnan(low):
            return f"{mean:.{digits}f}"
        return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.3f}"
    return str(value)


def _write(
    out: Path,
    result: FolderEvaluation,
    data: LabelledSet,
    found: Masks,
    groups: Sequence[str] | None,
    sites: Sequence[str] | None,
    record: dict[str, Any],
) -> None:
    dice, distance = result.scores.macro("dice"), result.scores.macro("hd95")
    # an image without foreground, and none predicted, has nothing to be ranked by
    order = np.argsort(np.where(np.isfinite(dice), dice, np.inf), kind="stable")
    beside = out / f"{_TABLE}.part"
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        extra = [("patient", groups), ("site", sites)]
        given = [(name, values) for name, values in extra if values is not None]
        head = ["file", *(name for name, _ in given), "dice", "hd95", "true_pixels"]
        writer.writerow([*head, "predicted_pixels"])
        for row in order:
            values = [dice[row], distance[row]]
            areas = [result.scores.true_area[row].sum(), result.scores.pred_area[row].sum()]
            own = [table_cell(values[row]) for _, values in given]
            numbers = [f"{value:.6g}" if np.isfinite(value) else "" for value in values]
            writer.writerow([table_cell(result.names[row]), *own, *numbers, *areas])
    beside.replace(out / _TABLE)
    ranked = order[np.isfinite(dice[order])]
    for name, rows in (("worst", ranked[:_SHOWN]), ("best", ranked[::-1][:_SHOWN])):
        if len(rows):
            captions = [_caption(result.names[row]) for row in rows]
            pictures = {"prediction": found}
            path = out / f"{name}.png"
            error_sheet(data.images, data.masks, pictures, path, rows=rows, captions=captions)
    files = sha256_of_files(flat([found.files(row) for row in range(len(found))]))
    more = {
        "versions": versions(),
        "table": result.rows,
        "counts": result.scores.table(),
        "predicted_sha256": {str(path): digest for path, digest in files.items()},
    }
    write_json(out / _RECORD, record | more)


def _caption(name: str, most: int = 28) -> str:
    stem = Path(name).stem
    return stem if len(stem) <= most else f"...{stem[-most:]}"
