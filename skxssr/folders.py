"""From two folders of images to the list to annotate. Imports `pipeline` and everything below it.

Whatever can be wrong with the input is found before the first training step.
"""

import csv
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._provenance import sha256_of_files, versions
from skxssr._request import check_request
from skxssr.base import Selection
from skxssr.exceptions import ImageReadError
from skxssr.io import find_unreadable, list_images
from skxssr.pipeline import embed_and_select

__all__ = ["FolderSelection", "group_by_pattern", "select_from_folders"]

_FINGERPRINT = "trained_on.json"
_UNFINISHED = "in_training.json"


@dataclass
class FolderSelection:
    """What `select_from_folders` returns.

    Attributes
    ----------
    files : list of Path
        Picked target images in pick order.
    selection : Selection
        Why.
    target : list of Path
        The whole pool, in the order of the selection's indices.
    source_embeddings, target_embeddings : ndarray of shape (n, d), float32
    excluded : dict of Path to str
        Images that could not be read, and why.
    embedder_reused : bool
        Whether a saved embedder of the same configuration and files was taken.
    """

    files: list[Path]
    selection: Selection
    target: list[Path]
    source_embeddings: np.ndarray
    target_embeddings: np.ndarray
    excluded: dict[Path, str] = field(default_factory=dict)
    embedder_reused: bool = False


def group_by_pattern(paths: Sequence[Path], pattern: str) -> list[str]:
    """Group of each file: the first bracketed part of `pattern` found in its name.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
    pattern : str
        Regular expression with one group, such as ``TCGA_.._([0-9]+)`` for the patient.

    Returns
    -------
    list of str
        One group a file.

    Raises
    ------
    ValueError
        `pattern` is no regular expression with exactly one group, or does not match every name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skxssr.folders import group_by_pattern
    >>> group_by_pattern([Path("p1_003.png"), Path("p2_001.png")], r"^(p[0-9]+)_")
    ['p1', 'p2']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"group pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    if compiled.groups != 1:
        raise ValueError(
            f"group pattern {pattern!r} has {compiled.groups} bracketed parts: mark exactly one, "
            "the patient, as in '^(p[0-9]+)_'"
        )
    matches = [compiled.search(path.name) for path in paths]
    unmatched = [path.name for path, match in zip(paths, matches, strict=True) if not match]
    if unmatched:
        raise ValueError(
            f"group pattern {pattern!r} matches no part of {len(unmatched)} file names, the first "
            f"{unmatched[0]}"
        )
    return [match[1] for match in matches if match]


def select_from_folders(
    source: str | os.PathLike,
    target: str | os.PathLike,
    budget: int | float,
    out: str | os.PathLike,
    *,
    embedder: Any,
    selector: Any,
    group_pattern: str | None = None,
    max_per_group: int | None = None,
    skip_unreadable: bool = False,
    refit: bool = True,
    verbose: int = 1,
) -> FolderSelection:
    """Train an embedder on the source images, pick target images, write the list and its record.

    Parameters
    ----------
    source, target : path
        Folders of images, searched with their subfolders.
    budget : int or float
        A count, or a fraction of the readable target images; see `skxssr.base.BaseSelector.select`.
    out : path
        Folder for the results, made if missing. Receives ``selection.csv`` (rank, file, score,
        density, novelty, diversity), ``selection.json`` (versions, parameters, SHA-256 of every
        image and of the weights, exclusions, alpha curve, coverage), ``embeddings.npz`` and, in
        ``embedder/``, the embedder.
    embedder : MAEEmbedder or TorchEmbedder
        A clone is fitted on the source images and saved, or read back from `out` if one of the
        same parameters was trained there on the same files; a training that was stopped goes on.
        With ``refit=False`` taken as fitted.
    selector : BaseSelector
        Fitted here.
    group_pattern : str, optional
        See `group_by_pattern`; the groups of `select`.
    max_per_group : int, optional
        See `skxssr.base.BaseSelector.select`.
    skip_unreadable : bool, default=False
        Leave images out that cannot be read, and list them, instead of stopping.
    refit : bool, default=True
        Whether to fit the embedder on the source.
    verbose : int, default=1
        0 for silence.

    Returns
    -------
    FolderSelection

    Raises
    ------
    ImageReadError
        An image cannot be read; all of them are named.
    ValueError
        A folder holds no image, the budget cannot be met, or groups do not match.
    PermissionError
        `out` cannot be written. All of these come before anything is trained.
    """
    selector._validate_params()
    source, target, out = Path(source), Path(target), Path(out)
    source_files, target_files = list_images(source), list_images(target)
    excluded = find_unreadable([*source_files, *target_files], verbose=verbose)
    if excluded and not skip_unreadable:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in list(excluded.items())[:10])
        raise ImageReadError(
            f"{len(excluded)} of {len(source_files) + len(target_files)} images cannot be read:\n"
            f"{listed}\nRepair or remove them, or pass --skip-unreadable (skip_unreadable=True)."
        )
    source_files = [path for path in source_files if path not in excluded]
    target_files = [path for path in target_files if path not in excluded]
    for folder, files in ((source, source_files), (target, target_files)):
        if not files:
            raise ImageReadError(f"No image of {folder} can be read.")
    groups = None if group_pattern is None else group_by_pattern(target_files, group_pattern)
    check_request(len(target_files), budget, groups=groups, max_per_group=max_per_group)
    _make_writable(out)

    hashes = sha256_of_files([*source_files, *target_files])
    reused = False
    if refit:
        fingerprint = {
            "embedder": type(embedder).__name__,
            "parameters": _fingerprint_parameters(embedder),
            "images": [
                [path.relative_to(source).as_posix(), hashes[path]] for path in source_files
            ],
        }
        saved = out / "embedder"
        if _read_json(saved / _FINGERPRINT) == fingerprint:
            embedder = type(embedder).load(saved)
            reused = True
        else:
            embedder = _fit_resumably(embedder, source_files, saved, fingerprint)
    picked = embed_and_select(
        embedder,
        selector,
        source_files,
        target_files,
        budget,
        groups=groups,
        max_per_group=max_per_group,
    )
    result = FolderSelection(
        files=[target_files[row] for row in picked.indices],
        selection=picked.selection,
        target=target_files,
        source_embeddings=picked.source_embeddings,
        target_embeddings=picked.target_embeddings,
        excluded=excluded,
        embedder_reused=reused,
    )
    names = {path: path.relative_to(target).as_posix() for path in target_files}
    _write_csv(out / "selection.csv", result, names)
    record = {
        "versions": versions(),
        "source": str(source.resolve()),
        "target": str(target.resolve()),
        "budget": budget,
        "group_pattern": group_pattern,
        "max_per_group": max_per_group,
        "picked": [names[path] for path in result.files],
        "selection": picked.selection.to_dict(),
        "scores": picked.selection.scores.tolist(),
        "terms": {name: values.tolist() for name, values in picked.selection.terms.items()},
        "alphas": picked.selection.alphas.tolist(),
        "alpha_losses": picked.selection.alpha_losses.tolist(),
        "coverage": picked.selection.coverage.tolist(),
        "embedder": {
            "class": type(embedder).__name__,
            "parameters": _fingerprint_parameters(embedder),
            "weights_sha256": getattr(embedder, "weights_sha256_", None),
            "fitted_here": refit,
            "reused": reused,
        },
        "excluded": {str(path): reason for path, reason in excluded.items()},
        "source_sha256": {
            path.relative_to(source).as_posix(): hashes[path] for path in source_files
        },
        "target_sha256": {names[path]: hashes[path] for path in target_files},
    }
    _write_text(out / "selection.json", json.dumps(_finite(record), indent=1, allow_nan=False))
    with (out / "embeddings.npz").open("wb") as stream:
        np.savez_compressed(
            stream,
            source=picked.source_embeddings,
            target=picked.target_embeddings,
            source_files=np.array([path.relative_to(source).as_posix() for path in source_files]),
            target_files=np.array(list(names.values())),
        )
    return result


def _fit_resumably(
    embedder: Any, files: list[Path], saved: Path, fingerprint: dict[str, Any]
) -> Any:
    """Fit and save a clone; a stopped training of the same fingerprint goes on where it was."""
    checkpoint, unfinished = saved / "checkpoint", saved / _UNFINISHED
    if _read_json(unfinished) != fingerprint:
        shutil.rmtree(checkpoint, ignore_errors=True)
    (saved / _FINGERPRINT).unlink(missing_ok=True)
    _write_text(unfinished, json.dumps(fingerprint, indent=1))
    embedder = clone(embedder)
    if "checkpoint_dir" in embedder.get_params(deep=False):
        embedder.set_params(checkpoint_dir=checkpoint)
    embedder.fit(files)
    embedder.save(saved)
    unfinished.replace(saved / _FINGERPRINT)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return embedder


# What changes how training runs or is shown, but not what comes out of it.
_NOT_IN_FINGERPRINT = {"verbose", "checkpoint_dir", "device", "devices"}


def _fingerprint_parameters(embedder: Any) -> dict[str, Any]:
    parameters = embedder.get_params(deep=False)
    return {
        name: value if isinstance(value, bool | int | float | str | None) else repr(value)
        for name, value in parameters.items()
        if name not in _NOT_IN_FINGERPRINT
    }


def _make_writable(out: Path) -> None:
    """Make the folder and write to it once, so that a lack of permission shows before training."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise PermissionError(
            f"--out {out} cannot be written ({error.strerror or error}): choose a folder where you "
            "may write"
        ) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
    beside.replace(path)


def _write_csv(path: Path, result: FolderSelection, names: dict[Path, str]) -> None:
    selection = result.selection
    beside = path.with_name(path.name + ".part")
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["rank", "file", "score", *selection.terms])
        for rank, file in enumerate(result.files):
            terms = [f"{values[rank]:.9g}" for values in selection.terms.values()]
            writer.writerow([rank + 1, names[file], f"{selection.scores[rank]:.9g}", *terms])
    beside.replace(path)


def _finite(value: Any) -> Any:
    """The value with NaN and infinity as None: JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
