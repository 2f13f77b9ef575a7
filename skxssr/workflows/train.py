"""From masks to a model: train a segmenter on the images of a folder that have a mask."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr.holdout import ReservedSet, read_test_set
from skxssr.holdout.groups import groups_of
from skxssr.workflows.embedders import training_parameters
from skxssr.workflows.labelled_set import (
    LabelledSet,
    Reading,
    read_labelled_set,
    without_reserved,
)
from skxssr.workflows.models import TrainedModel, check_free, fit_model
from skxssr.workflows.review import without_other_conventions
from skxssr.workflows.values import shared_classes

__all__ = ["train_from_folders"]


def train_from_folders(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    out: str | os.PathLike,
    *,
    segmenter: Any,
    source_images: str | os.PathLike | None = None,
    source_masks: str | os.PathLike | None = None,
    test_set: str | os.PathLike | None = None,
    review: str | os.PathLike | None = None,
    review_groups: Sequence[int] | None = None,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    reading: Reading | None = None,
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> TrainedModel:
    """Train a segmenter on the masks that there are, and save it with a record.

    Parameters
    ----------
    images : path
        Folder of images; those without a mask are left out.
    masks : path
        Masks, with the names of their images; see `skxssr.io.pair_images_and_masks`.
    out : path
        Folder for the model, made if missing. Receives ``weights.safetensors`` and ``config.json``
        (of the segmenter) and ``training.json`` (every file with its SHA-256, what values of images
        and masks mean, the test set that was kept away from). ``checkpoint/`` lies there while it
        trains.
    segmenter : SMPSegmenter
        Cloned; gets `classes` from all masks.
    source_images, source_masks : path, optional
        Of a site that is labelled already. A first network is trained on it and kept in
        ``out/source``; the one of the new masks starts from its weights.
    test_set : path, optional
        Folder that ``skxssr split`` wrote: its images are left out. Without it, a test set of these
        images that lies in or beside `images` or `out` is not overlooked but refused.
    review : path, optional
        Folder that ``skxssr review`` wrote of these masks: those of another convention are left
        out, unless they were corrected since.
    review_groups : sequence of int, optional
        Of the groups of the review only these; all by default.
    group_pattern, group_from : optional
        Who is who, see `skxssr.holdout.group_by_pattern`: a patient of the test set is refused.
    reading : Reading, optional
        How images and masks are read.
    verbose : int, default=1
        0 for no progress bars.
    on_message : callable, optional
        Called with what the folders hold before anything is trained.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ImageReadError
        An image that has a mask, or a mask, cannot be read.
    FileExistsError
        `out` holds another model, or files of something else.
    ValueError
        No image has a mask, a mask has no image, or another size, or none has any foreground; one
        of the two source folders is given alone. All of these come before anything is trained.

    See Also
    --------
    skxssr.workflows.predict.predict_folder : Masks for the rest.
    skxssr.workflows.evaluate.evaluate_folder : How good they are.
    """
    out, reading = Path(out), reading or Reading()
    if (source_images is None) != (source_masks is None):
        raise ValueError("--source-images and --source-masks go together: give both or neither")
    groups_of([], group_pattern, group_from)  # the rule itself, before images are opened
    reserved = None if test_set is None else read_test_set(test_set)
    common: dict[str, Any] = {"verbose": verbose, "on_message": on_message}

    def look(folder: Any, its_masks: Any, name: str) -> LabelledSet:
        found = read_labelled_set(folder, its_masks, out, reading, name=name, **common)
        kept = without_reserved(
            found,
            reserved,
            out,
            group_pattern=group_pattern,
            group_from=group_from,
            on_message=on_message,
        )
        if review is not None and name == "Images":
            kept = without_other_conventions(kept, review, on_message, groups=review_groups)
        return kept.with_rule(reading, on_message)

    data = look(images, masks, "Images")
    source = None
    if source_images is not None:
        source = look(source_images, source_masks, "Source")
    assert data.rule is not None
    classes = shared_classes(data.rule, None if source is None else source.rule)
    if classes is not None:
        segmenter = clone(segmenter).set_params(classes=classes)
    prints = {
        place: _fingerprint(segmenter, target, from_source)
        for place, target, from_source in (
            (out, data, source),
            *([] if source is None else [(out / "source", source, None)]),
        )
    }
    for place, fingerprint in prints.items():
        check_free(place, fingerprint)
    on_message(_warnings(data))
    about = _about(data, reserved)
    if source is not None:
        on_message(f"First a network of the source alone, on {len(source.files)} masks.")
        place = out / "source"
        first = fit_model(segmenter, source, place, prints[place], _about(source, reserved))
        segmenter = clone(segmenter).set_params(init_from=first.segmenter)
        about["source"] = _about(source, reserved)
        on_message(f"Now it goes on with {len(data.files)} masks of {data.inventory.root}.")
    return fit_model(segmenter, data, out, prints[out], about)


def _fingerprint(segmenter: Any, data: LabelledSet, source: LabelledSet | None) -> dict[str, Any]:
    return {
        "segmenter": type(segmenter).__name__,
        "parameters": training_parameters(segmenter),
        "trained on": {
            "images": data.to_dict(),
            "source": None if source is None else source.to_dict(),
        },
    }


def _about(data: LabelledSet, reserved: ReservedSet | None) -> dict[str, Any]:
    return {
        "images": str(data.inventory.root.resolve()),
        "masks": str(data.masks_root.resolve()),
        "n_trained_on": len(data.files),
        "n_images": len(data.inventory.images),
        "test_set": None
        if reserved is None
        else {
            "folder": str(reserved.folder.resolve()),
            "sha256": reserved.sha256,
            "n_images": len(reserved.images),
        },
    }


def _warnings(data: LabelledSet) -> str:
    """What to know of the masks before a network is trained on them."""
    masks = data.masks
    lowest = masks.rule.classes[0] if masks.rule is not None else 0
    areas = np.array([(mask > lowest).mean() for mask in masks])
    empty = [name for name, area in zip(data.names, areas, strict=True) if area == 0]
    said = [f"The network is trained on {len(data.files)} masks."]
    if len(data.files) == 1:
        said.append("One mask teaches one image: have more annotated before trusting it.")
    if empty:
        said.append(
            f"{len(empty)} masks hold no foreground (such as {empty[0]}): right if there is nothing"
            " to draw, wrong if they were not finished."
        )
    if (areas > 0.98).any():
        said.append(f"{(areas > 0.98).sum()} masks are nearly all foreground: look at them.")
    return " ".join(said)
