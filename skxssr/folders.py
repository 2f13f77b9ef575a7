"""From two folders of images to the list to annotate. Imports `pipeline` and everything below it.

Whatever can be wrong with the input is found before the first training step.
"""

import csv
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._files import make_writable, read_json, write_text
from skxssr._provenance import sha256_of_files, versions
from skxssr._record import RUN_ONLY
from skxssr._request import check_request
from skxssr.base import Selection
from skxssr.exceptions import ImageReadError
from skxssr.holdout import ReservedSet, group_by_pattern, read_test_set
from skxssr.holdout.files import reserved_nearby
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
    test_set : ReservedSet or None
        The test set that was kept away from.
    left_out : list of Path
        Images that are in it, target images first; they are in no other list.
    """

    files: list[Path]
    selection: Selection
    target: list[Path]
    source_embeddings: np.ndarray
    target_embeddings: np.ndarray
    excluded: dict[Path, str] = field(default_factory=dict)
    embedder_reused: bool = False
    test_set: ReservedSet | None = None
    left_out: list[Path] = field(default_factory=list)


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
    test_set: str | os.PathLike | None = None,
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
        A count, or a fraction of the readable target images that are not reserved; see
        `skxssr.base.BaseSelector.select`.
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
        See `skxssr.holdout.group_by_pattern`; the groups of `select`.
    max_per_group : int, optional
        See `skxssr.base.BaseSelector.select`.
    test_set : path, optional
        Folder that `skxssr.holdout.split_folder` (``skxssr split``) wrote. Its images are left out
        altogether, under any name: neither picked, nor embedded, nor trained on. Without it, a test
        set of these images that lies in or beside `target` or `out` is not overlooked but refused.
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
        A folder holds no image, the budget cannot be met, groups do not match, a patient of the
        test set has images outside of it, or a test set of these images was reserved and `test_set`
        does not say so.
    PermissionError
        `out` cannot be written. All of these come before anything is trained.

    Examples
    --------
    Phantoms in two folders, and an autoencoder far too small to be of use:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skxssr import MAEEmbedder, XSSRSelector
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.folders import select_from_folders
    >>> with tempfile.TemporaryDirectory() as name:
    ...     home = Path(name)
    ...     for site, n in ("A", 6), ("B", 9):
    ...         (home / site).mkdir()
    ...         films = make_phantoms("chest", site, n, random_state=0, image_size=32)
    ...         for film, pixels in zip(films.ids, films.images):
    ...             Image.fromarray(pixels).save(home / site / f"{film}.png")
    ...     result = select_from_folders(
    ...         home / "A", home / "B", 3, home / "out", verbose=0, selector=XSSRSelector(),
    ...         embedder=MAEEmbedder(
    ...             image_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=2,
    ...             decoder_dim=16, steps=3, batch_size=4, random_state=0,
    ...         ),
    ...     )
    ...     written = sorted(path.name for path in (home / "out").iterdir())
    >>> len(result.files)
    3
    >>> written
    ['embedder', 'embeddings.npz', 'selection.csv', 'selection.json']
    """
    selector._validate_params()
    source, target, out = Path(source), Path(target), Path(out)
    reserved = None if test_set is None else read_test_set(test_set)
    source_files, target_files = list_images(source), list_images(target)
    names = {path: path.relative_to(target).as_posix() for path in target_files}
    if reserved is None:
        for forgotten in reserved_nearby(target, out):
            if not forgotten.images.keys().isdisjoint(names.values()):
                forgotten.check_pool(list(names.values()))
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
    hashes = sha256_of_files([*source_files, *target_files])
    left_out: list[Path] = []
    if reserved is not None:
        # by content too: a copy under another name is the same image
        contents = set(reserved.images.values())
        copies = {path for path in hashes if hashes[path] in contents}
        copies |= {path for path in target_files if names[path] in reserved.images}
        left_out = [path for path in [*target_files, *source_files] if path in copies]
        source_files = [path for path in source_files if path not in copies]
        target_files = [path for path in target_files if path not in copies]
        for folder, files in ((source, source_files), (target, target_files)):
            if not files:
                raise ValueError(
                    f"every image of {folder} is in the test set reserved in {reserved.folder}: "
                    "give the folder that it was drawn from, or one of other images"
                )
        reserved.check_pool([names[path] for path in target_files], group_pattern)
    groups = None if group_pattern is None else group_by_pattern(target_files, group_pattern)
    check_request(len(target_files), budget, groups=groups, max_per_group=max_per_group)
    make_writable(out)

    reused = False
    if refit:
        embedder, reused = fit_or_reuse(embedder, source, source_files, hashes, out / "embedder")
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
        test_set=reserved,
        left_out=left_out,
    )
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
            "parameters": training_parameters(embedder),
            "weights_sha256": getattr(embedder, "weights_sha256_", None),
            "fitted_here": refit,
            "reused": reused,
        },
        "test_set": None
        if reserved is None
        else {
            "folder": str(reserved.folder.resolve()),
            "sha256": reserved.sha256,
            "n_images": len(reserved.images),
            "n_patients": reserved.n_patients,
            "left_out": [str(path) for path in left_out],
        },
        "excluded": {str(path): reason for path, reason in excluded.items()},
        "source_sha256": {
            path.relative_to(source).as_posix(): hashes[path] for path in source_files
        },
        "target_sha256": {names[path]: hashes[path] for path in target_files},
    }
    write_text(out / "selection.json", json.dumps(_finite(record), indent=1, allow_nan=False))
    with (out / "embeddings.npz").open("wb") as stream:
        np.savez_compressed(
            stream,
            source=picked.source_embeddings,
            target=picked.target_embeddings,
            source_files=np.array([path.relative_to(source).as_posix() for path in source_files]),
            target_files=np.array([names[path] for path in target_files]),
        )
    return result


def fit_or_reuse(
    embedder: Any, source: Path, files: list[Path], hashes: dict[Path, str], saved: Path
) -> tuple[Any, bool]:
    """A clone fitted on `files` and saved, or read back; and whether it was read back."""
    fingerprint = {
        "embedder": type(embedder).__name__,
        "parameters": training_parameters(embedder),
        "images": [[path.relative_to(source).as_posix(), hashes[path]] for path in files],
    }
    if read_json(saved / _FINGERPRINT) == fingerprint:
        return type(embedder).load(saved), True
    return _fit_resumably(embedder, files, saved, fingerprint), False


def _fit_resumably(
    embedder: Any, files: list[Path], saved: Path, fingerprint: dict[str, Any]
) -> Any:
    """Fit and save a clone; a stopped training of the same fingerprint goes on where it was."""
    checkpoint, unfinished = saved / "checkpoint", saved / _UNFINISHED
    if read_json(unfinished) != fingerprint:
        shutil.rmtree(checkpoint, ignore_errors=True)
    (saved / _FINGERPRINT).unlink(missing_ok=True)
    write_text(unfinished, json.dumps(fingerprint, indent=1))
    embedder = clone(embedder)
    if "checkpoint_dir" in embedder.get_params(deep=False):
        embedder.set_params(checkpoint_dir=checkpoint)
    embedder.fit(files)
    embedder.save(saved)
    unfinished.replace(saved / _FINGERPRINT)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return embedder


def training_parameters(embedder: Any) -> dict[str, Any]:
    parameters = embedder.get_params(deep=False)
    return {
        name: value if isinstance(value, bool | int | float | str | None) else repr(value)
        for name, value in parameters.items()
        if name not in RUN_ONLY
    }


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
