"""A trained model as a folder: the segmenter, and the record of what it was trained on."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone

from skxssr._utils.files import make_writable, read_json, write_json
from skxssr._utils.provenance import versions
from skxssr.io import IntensityRule
from skxssr.workflows.uncertainty import load_segmenter
from skxssr.workflows.values import rule_from_record, rule_to_record

__all__ = ["TrainedModel", "check_free", "fit_model", "read_model"]

_FORMAT = "skxssr model"
_RECORD, _UNFINISHED, _CHECKPOINT = "training.json", "in_training.json", "checkpoint"
_OURS = {_RECORD, _UNFINISHED, _CHECKPOINT, "weights.safetensors", "config.json", "source"}


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A segmenter with its record.

    Attributes
    ----------
    folder : Path
        Where it is saved.
    segmenter : SMPSegmenter or RidgeSegmenter
        Fitted.
    record : dict
        All of ``training.json``.
    reused : bool
        Whether it was there already, trained on the same files with the same parameters.
    """

    folder: Path
    segmenter: Any
    record: dict[str, Any]
    reused: bool = False

    @property
    def rule(self) -> IntensityRule:
        """Black and white of the images that it was trained on, and is to see."""
        return rule_from_record(self.record["intensity_rule"])

    @property
    def trained_on(self) -> dict[str, str]:
        """SHA-256 of each image that it was trained on, the source included, by name."""
        sides = self.record["fingerprint"]["trained on"]
        return {
            f"{side}/{name}": digest
            for side, data in sides.items()
            if data is not None
            for name, digest, *_ in data["files"]
        }


def read_model(folder: str | os.PathLike) -> TrainedModel:
    """Read what ``skxssr train`` wrote.

    Parameters
    ----------
    folder : path
        Its ``--out``.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ValueError
        The folder holds no finished model of ``skxssr train``.
    """
    folder = Path(folder)
    record = read_json(folder / _RECORD)
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        unfinished = (folder / _UNFINISHED).exists()
        raise ValueError(
            f"--model {folder} holds no trained model: "
            + (
                "its training was stopped; repeat the skxssr train that began it"
                if unfinished
                else f"give the folder that skxssr train wrote, which holds {_RECORD}"
            )
        )
    return TrainedModel(folder, load_segmenter(folder), record)


def check_free(folder: Path, fingerprint: Mapping[str, Any]) -> None:
    """Refuse a folder that holds anything but this very model, finished or not."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file: name a folder for the model")
    record, begun = read_json(folder / _RECORD), read_json(folder / _UNFINISHED)
    found = record.get("fingerprint") if isinstance(record, dict) else begun
    strangers = (
        sorted(path.name for path in folder.iterdir() if path.name not in _OURS)
        if folder.is_dir()
        else []
    )
    if found == fingerprint or (found is None and not strangers):
        return
    if found is None:
        what = f"other files ({', '.join(strangers[:3])})"
    else:
        differing = [key for key, value in fingerprint.items() if found.get(key) != value]
        what = f"a model that differs in {', '.join(differing)}"
    raise FileExistsError(
        f"--out {folder} holds {what}, and nothing is overwritten: name another folder, or remove "
        "it"
    )


def fit_model(
    segmenter: Any, data: Any, folder: Path, fingerprint: dict[str, Any], about: dict[str, Any]
) -> TrainedModel:
    """Fit a clone on a `LabelledSet` and save it; go on if it was stopped, reuse it if finished."""
    check_free(folder, fingerprint)
    if (folder / _RECORD).exists():
        there = read_model(folder)
        run_only = {name: getattr(segmenter, name) for name in ("device", "verbose")}
        there.segmenter.set_params(**run_only)
        return TrainedModel(folder, there.segmenter, there.record, reused=True)
    make_writable(folder)
    write_json(folder / _UNFINISHED, fingerprint)
    segmenter = clone(segmenter).set_params(checkpoint_dir=folder / _CHECKPOINT)
    started = time.perf_counter()
    segmenter.fit(data.images, data.masks)
    segmenter.save(folder)
    record = {
        "format": _FORMAT,
        "versions": versions(),
        **about,
        "intensity_rule": rule_to_record(data.inventory.rule),
        "weights_sha256": segmenter.weights_sha256_,
        "seconds": round(time.perf_counter() - started, 1),
        "loss": round(float(segmenter.loss_curve_[-20:].mean()), 6),
        "fingerprint": fingerprint,
    }
    write_json(folder / _RECORD, record)
    (folder / _UNFINISHED).unlink()
    shutil.rmtree(folder / _CHECKPOINT, ignore_errors=True)
    return TrainedModel(folder, segmenter, record)
