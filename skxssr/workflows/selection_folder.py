"""The folder of a finished selection: written, and read back by what comes after it.

``selection.csv`` is the list for people, ``selection.json`` the record and ``embeddings.npz`` the
arrays. Programs read the latter two: the list may have been edited in a spreadsheet.
"""

import csv
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import write_json
from skxssr._utils.names import few, table_cell
from skxssr.base import Selection
from skxssr.workflows.represented import Represented

__all__ = ["SelectionFolder", "read_selection_folder", "write_selection_folder"]

LIST, RECORD, ARRAYS = "selection.csv", "selection.json", "embeddings.npz"
_FORMAT = 2  # of selection.json; the first had no number and no reasons
_AGAIN = "Run skxssr select into this folder again."


@dataclass(frozen=True, eq=False)
class SelectionFolder:
    """A finished selection, as `read_selection_folder` finds it.

    Attributes
    ----------
    folder : Path
        Where it was read from.
    record : dict
        All of ``selection.json``.
    names : list of str
        The pool: paths relative to the folder of the target images, or ids, a row each.
    picks : ndarray of shape (n_picks,), int64
        Rows of the pool in pick order.
    root : Path or None
        Folder of the target images; None if the selection was made from embeddings alone.
    groups : list of str or None
        Patient of each row of the pool.
    reasons : list of str
        One sentence a pick.
    scores : ndarray of shape (n_picks,), float64
        Score each pick won with; NaN where a selector has none.
    terms : dict of str to ndarray of shape (n_picks,), float64
        The raw terms of the score.
    coverage : ndarray of shape (n_picks,), float64
        Coverage loss after each pick; empty where a selector keeps none.
    target_embeddings : ndarray of shape (n_samples, n_features)
        In the order of `names`.
    source_embeddings : ndarray of shape (n_source, n_features) or None
    source_names : list of str
        Empty without a source.
    represented : Represented
        The nearest pick of each row of the pool, and how far away it is.
    """

    folder: Path
    record: dict[str, Any]
    names: list[str]
    picks: np.ndarray
    root: Path | None
    groups: list[str] | None
    reasons: list[str]
    scores: np.ndarray
    terms: dict[str, np.ndarray]
    coverage: np.ndarray
    target_embeddings: np.ndarray
    source_embeddings: np.ndarray | None
    source_names: list[str]
    represented: Represented

    @property
    def ranks(self) -> np.ndarray:
        """1 for the first pick, and so on."""
        return np.arange(1, len(self.picks) + 1)

    @property
    def picked_names(self) -> list[str]:
        """Names of the picks, in pick order."""
        return [self.names[row] for row in self.picks]

    @property
    def files(self) -> list[Path]:
        """Files of the picks, in pick order; paths relative to nothing without a `root`."""
        return [Path(name) if self.root is None else self.root / name for name in self.picked_names]

    @property
    def picked_groups(self) -> list[str] | None:
        """Patients of the picks, in pick order; None if nobody said who is who."""
        return None if self.groups is None else [self.groups[row] for row in self.picks]


def write_selection_folder(
    out: Path,
    selection: Selection,
    *,
    names: list[str],
    groups: list[str] | None,
    reasons: list[str],
    represented: Represented,
    target_embeddings: np.ndarray,
    source_embeddings: np.ndarray | None,
    source_names: list[str],
    about: dict[str, Any],
) -> None:
    """Write the list, the arrays and, last of all, the record, each of them in one step.

    Parameters
    ----------
    out : Path
        A folder that is there.
    selection : Selection
        Of the rows of `names`.
    names, groups, reasons, represented, target_embeddings, source_embeddings, source_names
        As the attributes of `SelectionFolder`.
    about : dict
        What else the record says, in plain values: of the folders, the embedder, the versions.
        "target" is the folder of the target images, if there is one.
    """
    picked = [names[row] for row in selection.indices]
    _write_list(out / LIST, selection, names, groups, reasons)
    arrays: dict[str, Any] = {
        "target": target_embeddings,
        "target_files": np.array(names),
        "nearest_pick": represented.nearest,
        "nearest_distance": represented.distance,
    }
    if source_embeddings is not None:
        arrays |= {"source": source_embeddings, "source_files": np.array(source_names)}
    beside = out / (ARRAYS + ".part")
    with beside.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    beside.replace(out / ARRAYS)
    record = {
        "format": _FORMAT,
        **about,
        "groups": None if groups is None else dict(zip(names, groups, strict=True)),
        "picked": picked,
        "reasons": reasons,
        "selection": selection.to_dict(),
        "scores": selection.scores.tolist(),
        "terms": {name: values.tolist() for name, values in selection.terms.items()},
        "alphas": selection.alphas.tolist(),
        "alpha_losses": selection.alpha_losses.tolist(),
        "coverage": selection.coverage.tolist(),
    }
    write_json(out / RECORD, record)


def _write_list(
    path: Path,
    selection: Selection,
    names: list[str],
    groups: list[str] | None,
    reasons: list[str],
) -> None:
    beside = path.with_name(path.name + ".part")
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["rank", "file", "group", "reason", "score", *selection.terms])
        for rank, row in enumerate(selection.indices):
            group = "" if groups is None else table_cell(groups[row])
            values = [selection.scores[rank], *(term[rank] for term in selection.terms.values())]
            numbers = [f"{value:.9g}" for value in values]
            writer.writerow([rank + 1, table_cell(names[row]), group, reasons[rank], *numbers])
    beside.replace(path)


def read_selection_folder(out: str | os.PathLike) -> SelectionFolder:
    """Read back what ``skxssr select`` wrote.

    Parameters
    ----------
    out : path
        The folder given as ``--out``.

    Returns
    -------
    SelectionFolder

    Raises
    ------
    FileNotFoundError
        It holds no selection, or one of its files is missing.
    ValueError
        A file is damaged, was written by another version, or the two are not of one run.

    Examples
    --------
    >>> from skxssr.workflows.selection_folder import read_selection_folder
    >>> read_selection_folder("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere holds no selection: there is no selection.json in it. ...
    """
    out = Path(out)
    record = _read_record(out)
    try:
        return _joined(out, record, _read_arrays(out))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{out / RECORD} is incomplete ({error!r}). {_AGAIN}") from error


def _read_record(out: Path) -> dict[str, Any]:
    path = out / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{out} holds no selection: there is no {RECORD} in it. Give the --out of skxssr "
            "select, or run that first."
        ) from None
    except ValueError as error:  # no UTF-8, or no JSON
        raise ValueError(f"{path} is damaged ({error}). {_AGAIN}") from error
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        found = record.get("format") if isinstance(record, dict) else None
        raise ValueError(
            f"{path} is of format {found}, and this version reads format {_FORMAT}. {_AGAIN}"
        )
    return record


def _read_arrays(out: Path) -> dict[str, np.ndarray]:
    path = out / ARRAYS
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing. {_AGAIN}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_AGAIN}") from error


def _joined(out: Path, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> SelectionFolder:
    names = arrays["target_files"].tolist()
    rows = {name: row for row, name in enumerate(names)}
    unknown = [name for name in record["picked"] if name not in rows]
    n = {len(names), len(arrays["target"]), len(arrays["nearest_pick"])}
    if unknown or len(n) > 1 or len(record["reasons"]) != len(record["picked"]):
        what = f"does not know {few(unknown, 3)}" if unknown else f"has {len(names)} names for {n}"
        raise ValueError(
            f"{out / RECORD} and {out / ARRAYS} are not of one run: {ARRAYS} {what}. {_AGAIN}"
        )
    groups = record["groups"]
    root = record["target"]
    return SelectionFolder(
        folder=out,
        record=record,
        names=names,
        picks=np.array([rows[name] for name in record["picked"]], dtype=np.int64),
        root=None if root is None else Path(root),
        groups=None if groups is None else [groups[name] for name in names],
        reasons=record["reasons"],
        scores=np.array(record["scores"], dtype=np.float64),
        terms={name: np.array(v, dtype=np.float64) for name, v in record["terms"].items()},
        coverage=np.array(record["coverage"], dtype=np.float64),
        target_embeddings=arrays["target"],
        source_embeddings=arrays.get("source"),
        source_names=arrays["source_files"].tolist() if "source_files" in arrays else [],
        represented=Represented(arrays["nearest_pick"], arrays["nearest_distance"]),
    )
