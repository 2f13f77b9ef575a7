"""Fit an embedder on a folder, or take it back from where the same one was saved."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._utils.files import read_json, write_json
from skxssr._utils.parameters import RUN_ONLY
from skxssr.base.preprocess import evenly_spaced
from skxssr.io import Images, IntensityRule
from skxssr.workflows.values import ruled

__all__ = ["fit_or_reuse", "timed_transform", "training_parameters"]

_TRIAL = 32  # images whose embedding is timed
_WORTH_SAYING = 10.0  # seconds

_FINGERPRINT = "trained_on.json"
_UNFINISHED = "in_training.json"


def fit_or_reuse(
    embedder: Any,
    source: Path,
    files: list[Path],
    hashes: dict[Path, str],
    saved: Path,
    rule: IntensityRule,
    *,
    replace: bool = True,
) -> tuple[Any, bool]:
    """A clone fitted on `files` and saved, or read back; and whether it was read back.

    Where `saved` holds another embedder, or an unfinished training of another one, it is replaced,
    or refused if `replace` is False.
    """
    images = ruled(files, rule)
    if not hasattr(embedder, "save"):
        return clone(embedder).fit(images), False
    fingerprint = {
        "embedder": type(embedder).__name__,
        "parameters": training_parameters(embedder),
        "images": [[path.relative_to(source).as_posix(), hashes[path]] for path in files],
    }
    if rule.changed:
        fingerprint["values"] = repr(rule)
    if read_json(saved / _FINGERPRINT) == fingerprint:
        loaded = type(embedder).load(saved)
        # where and how to run is not saved: as asked for now
        return loaded.set_params(**_run_parameters(embedder)), True
    if not replace:
        _check_same(saved, fingerprint)
    return _fit_resumably(embedder, images, saved, fingerprint), False


def _check_same(saved: Path, fingerprint: dict[str, Any]) -> None:
    there = read_json(saved / _FINGERPRINT)
    begun = read_json(saved / _UNFINISHED) if (saved / "checkpoint").exists() else None
    what = "an embedder" if there is not None else "the unfinished training of an embedder"
    found = begun if there is None else there
    if found is not None and found != fingerprint:
        differing = [key for key, value in fingerprint.items() if found.get(key) != value]
        raise FileExistsError(
            f"{saved} holds {what} that differs in {', '.join(differing) or 'the values of images'}"
            ", and nothing is overwritten: name another --out, or give --force to replace it"
        )


def _fit_resumably(embedder: Any, images: Any, saved: Path, fingerprint: dict[str, Any]) -> Any:
    """Fit and save a clone; a stopped training of the same fingerprint goes on where it was."""
    checkpoint, unfinished = saved / "checkpoint", saved / _UNFINISHED
    if read_json(unfinished) != fingerprint:
        shutil.rmtree(checkpoint, ignore_errors=True)
    (saved / _FINGERPRINT).unlink(missing_ok=True)
    write_json(unfinished, fingerprint)
    embedder = clone(embedder)
    known = _run_parameters(embedder)
    embedder.set_params(**{name: checkpoint for name in known if name.endswith("checkpoint_dir")})
    embedder.fit(images)
    embedder.save(saved)
    unfinished.replace(saved / _FINGERPRINT)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return embedder


def timed_transform(embedder: Any, images: Any, on_message: Callable[[str], object]) -> np.ndarray:
    """Embed images; of many, a few are embedded first to say how long all will take."""
    if len(images) >= 10 * _TRIAL:
        rows = evenly_spaced(len(images), _TRIAL)
        start = time.perf_counter()
        embedder.transform(Images(images).subset(rows))
        seconds = (time.perf_counter() - start) * len(images) / _TRIAL
        if seconds > _WORTH_SAYING:
            on_message(
                f"Embedding {len(images)} images takes about {in_words(seconds)} (measured on "
                f"{_TRIAL} of them)."
            )
    return embedder.transform(images)


def in_words(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _run_parameters(embedder: Any) -> dict[str, Any]:
    """Those that decide no result, of the embedder and of one within it."""
    return {
        name: value
        for name, value in embedder.get_params().items()
        if name.rpartition("__")[2] in RUN_ONLY
    }


def training_parameters(embedder: Any) -> dict[str, Any]:
    """Those that decide the result, in a form that JSON gives back as it was."""

    def plain(value: Any) -> Any:
        if isinstance(value, bool | int | float | str | None):
            return value
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        if hasattr(value, "get_params") and not isinstance(value, type):
            return {"class": type(value).__name__, **training_parameters(value)}
        return repr(value)

    parameters = embedder.get_params(deep=False)
    return {name: plain(value) for name, value in parameters.items() if name not in RUN_ONLY}
