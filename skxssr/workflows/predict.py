"""Masks for the rest: what a trained model draws on the images of a folder, as PNG files."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable, read_json, write_json
from skxssr._utils.names import few, one_line
from skxssr._utils.optional import import_optional
from skxssr._utils.progress import progress
from skxssr._utils.provenance import sha256_of_files, versions
from skxssr._utils.slice_names import stem_and_slice
from skxssr.exceptions import ImageReadError
from skxssr.holdout import read_test_set
from skxssr.io import Images, IntensityRule, Masks
from skxssr.report.exports.predicted import predicted_coco, predicted_label_studio
from skxssr.workflows.labelled_set import Reading
from skxssr.workflows.models import TrainedModel, read_model
from skxssr.workflows.values import take_named_inventories

__all__ = [
    "FolderPrediction",
    "export_predictions",
    "mask_names",
    "model_images",
    "predict_folder",
    "write_masks",
]

_RECORD = "predictions.json"
_PART = 16  # images that are predicted together


@dataclass(frozen=True)
class FolderPrediction:
    """What `predict_folder` returns.

    Attributes
    ----------
    masks : dict of Path to Path
        The mask of each image.
    trained_on : list of Path
        Images left out, since the model was trained on their masks.
    reserved : list of Path
        Images left out, since they are reserved for testing.
    unreadable : dict of Path to str
        Images left out, and why.
    n_there : int
        Masks that an earlier, stopped run had written.
    """

    masks: dict[Path, Path]
    trained_on: list[Path]
    reserved: list[Path]
    unreadable: dict[Path, str]
    n_there: int


def predict_folder(
    model: str | os.PathLike,
    images: str | os.PathLike,
    out: str | os.PathLike,
    *,
    include_trained: bool = False,
    test_set: str | os.PathLike | None = None,
    reading: Reading | None = None,
    device: str = "auto",
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> FolderPrediction:
    """Predict a mask for each image of a folder, and write it as a PNG of the image's own size.

    Parameters
    ----------
    model : path
        Folder that ``skxssr train`` wrote. Images are read by the rule of its record, the one that
        it was trained by.
    images : path
        Folder of images.
    out : path
        Folder for the masks, made if missing: named and placed as the images, with the suffix
        ``.png``, values as in the masks of the training; and ``predictions.json``. Stopped, the
        same call goes on.
    include_trained : bool, default=False
        Whether to predict images too that the model was trained on; they have masks.
    test_set : path, optional
        Folder that ``skxssr split`` wrote: its images are left out. A mask that an annotator only
        corrects leans towards the model, so test images are better drawn from nothing.
    reading : Reading, optional
        How images are read.
    device : str, default="auto"
        Where.
    verbose : int, default=1
        0 for no progress bar.
    on_message : callable, optional
        Called with what the folder holds.

    Returns
    -------
    FolderPrediction

    Raises
    ------
    ImageReadError
        An image cannot be read.
    FileExistsError
        `out` holds other files.
    ValueError
        There is no model, no image is left, or two images would have one mask.
    """
    out, root, reading = Path(out), Path(images), reading or Reading()
    trained = read_model(model)
    reserved = None if test_set is None else read_test_set(test_set)
    which = reading.which(out)
    (inventory,) = take_named_inventories({"Images": root}, which, on_message, verbose)
    broken = inventory.unreadable
    if broken and not reading.skip_unreadable:
        listed = "\n".join(f"  {one_line(p)}: {why}" for p, why in list(broken.items())[:10])
        raise ImageReadError(
            f"{len(broken)} of {len(inventory.images)} images cannot be read:\n{listed}\n"
            "Repair or remove them, or pass --skip-unreadable (skip_unreadable=True)."
        )
    files = [path for path in inventory.images if path not in broken]
    hashes = sha256_of_files(files)
    names = {path: path.relative_to(root).as_posix() for path in files}
    tested = set()
    if reserved is not None:
        tested = set(reserved.find({names[path]: hashes[path] for path in files}))
    held = [path for path in files if names[path] in tested]
    known = set(trained.trained_on.values())
    seen = [path for path in files if hashes[path] in known and names[path] not in tested]
    left_out = {*held, *([] if include_trained else seen)}
    files = [path for path in files if path not in left_out]
    if not files:
        raise ValueError(
            f"no image of {root} is left to predict: {len(seen)} were trained on, {len(held)} are "
            f"reserved for testing, {len(broken)} cannot be read"
        )
    masks = mask_names(files, root, out)
    record = {
        "format": "skxssr predictions",
        "model": trained.record["weights_sha256"],
        "images": {names[path]: hashes[path] for path in files},
    }
    check_same_record(out, _RECORD, record)
    n_there = sum(mask.exists() for mask in masks.values())
    make_writable(out)
    write_json(out / _RECORD, record | {"versions": versions()})
    images_there = model_images(trained, files, inventory.rule, on_message)
    write_masks(trained.segmenter, images_there, masks, device=device, verbose=verbose)
    return FolderPrediction(masks, [] if include_trained else seen, held, broken, n_there)


def export_predictions(
    found: FolderPrediction,
    model: str | os.PathLike,
    images: str | os.PathLike,
    out: str | os.PathLike,
    to: str,
    labels: Sequence[str] | None = None,
) -> Path:
    """Write predicted masks for an annotation tool, to be corrected there.

    Parameters
    ----------
    found : FolderPrediction
        What `predict_folder` returned.
    model, images, out : path
        As they were given to it.
    to : {"label-studio", "coco"}
        The tool: ``label_studio.json`` with ``label_config.xml``, or ``coco.json``, in `out`.
    labels : sequence of str, optional
        Names of the classes but the background, in the order of their values; by default
        "foreground", or "class 1" and so on.

    Returns
    -------
    Path
        The file to import.

    Raises
    ------
    ValueError
        `labels` has another length than the model has classes.
    MissingExtraError
        pycocotools is not installed (extra "coco").
    """
    values = [int(value) for value in read_model(model).segmenter.classes_[1:]]
    if labels is None:
        labels = ["foreground"] if len(values) == 1 else [f"class {value}" for value in values]
    if len(labels) != len(values):
        raise ValueError(
            f"--labels names {len(labels)} classes, the model draws {len(values)} "
            f"(values {few(values)})"
        )
    # where foreground is 255, no tool needs to know that
    numbers = dict(zip([1] if len(values) == 1 else values, labels, strict=True))
    root = Path(images)
    masks = {
        path.relative_to(root).as_posix(): np.minimum(mask, 1) if len(values) == 1 else mask
        for path, mask in zip(found.masks, Masks(list(found.masks.values())), strict=True)
    }
    if to == "coco":
        predicted_coco(Path(out) / "coco.json", masks, numbers)
        return Path(out) / "coco.json"
    version = read_model(model).record["weights_sha256"][:12]
    predicted_label_studio(Path(out) / "label_studio.json", masks, numbers, version)
    return Path(out) / "label_studio.json"


def check_same_record(out: Path, name: str, record: Mapping[str, Any]) -> None:
    """Refuse a folder with files in it, unless they belong to the very same run."""
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out} is a file: name a folder")
    there = read_json(out / name)
    same = isinstance(there, dict) and all(there.get(key) == record[key] for key in record)
    if out.is_dir() and not same and any(out.iterdir()):
        what = "results of another run" if there is not None else "files already"
        raise FileExistsError(
            f"--out {out} holds {what}, and nothing is overwritten: name another folder, or remove "
            "it"
        )


def mask_names(files: list[Path], root: Path, out: Path) -> dict[Path, Path]:
    """Where the mask of each image goes: as the image below its folder, with the suffix .png."""
    found = {}
    for path in files:
        stem, number = stem_and_slice(path)
        found[path] = out / f"{Path(stem).relative_to(root).as_posix()}{number}.png"
    by_mask: dict[Path, Path] = {}
    for path, mask in found.items():
        if mask in by_mask:
            raise ValueError(
                f"{by_mask[mask]} and {path} would have one mask, {mask.name}: rename one, or "
                "leave it out with --exclude"
            )
        by_mask[mask] = path
    return found


def model_images(
    trained: TrainedModel,
    files: list[Path],
    rule: IntensityRule,
    on_message: Callable[[str], object],
) -> Images:
    """Images read by the rule of the model; said where that of their folder is another."""
    ours = trained.rule
    if repr(ours) != repr(rule):
        on_message(
            f"The model was trained on {ours.text or '8 bits'}; these images are read in the same "
            "way."
        )
    return Images(files, ours if ours.changed else None)


def write_masks(
    segmenter: Any, images: Images, masks: Mapping[Path, Path], *, device: str, verbose: int
) -> None:
    """Predict and write masks, but for those that are there."""
    picture = import_optional("PIL.Image", extra="torch", caller="writing masks")
    segmenter.set_params(device=device, verbose=0)
    classes = segmenter.classes_
    if classes.min() < 0 or classes.max() > 65535:
        raise ValueError(
            f"the classes {few(classes.tolist())} do not fit into a PNG, which holds 0 to 65535: "
            "train again with --foreground"
        )
    depth = np.uint8 if classes.max() < 256 else np.uint16
    places = list(masks.values())
    rows = [row for row, place in enumerate(places) if not place.exists()]
    parts = [rows[low : low + _PART] for low in range(0, len(rows), _PART)]
    for part in progress(parts, "predicting", verbose=verbose):
        labels = segmenter.predict(images.subset(part))
        for row, label in zip(part, labels, strict=True):
            place = places[row]
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(place.name + ".part")
            picture.fromarray(label.astype(depth)).save(beside, format="PNG")
            beside.replace(place)
