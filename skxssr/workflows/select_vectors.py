"""From embeddings that are there already to the list to annotate, without opening an image."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable
from skxssr._utils.names import few
from skxssr._utils.provenance import versions
from skxssr._utils.threads import check_n_jobs
from skxssr.base import Selection
from skxssr.holdout import ReservedSet, read_test_set
from skxssr.holdout.groups import groups_of
from skxssr.workflows.choice import Budget, Choice
from skxssr.workflows.embeddings_file import (
    Embeddings,
    check_same_embedder,
    read_embeddings,
)
from skxssr.workflows.inputs import check_choice, minutes_of, sites_of
from skxssr.workflows.labels import labeled_rows
from skxssr.workflows.out_folder import check_out
from skxssr.workflows.outcome import conclude
from skxssr.workflows.worth import Worth

__all__ = ["VectorSelection", "select_from_embeddings"]


@dataclass
class VectorSelection:
    """What `select_from_embeddings` returns.

    Attributes
    ----------
    names : list of str
        Ids of the picks, in pick order.
    selection : Selection
        Why; its indices are rows of `pool`.
    pool : list of str
        Ids of all rows that were selected from.
    reasons : list of str
        For each pick, how many other images it stands for.
    worth : Worth or None
        Where the coverage curve flattens.
    groups : list of str or None
        Patient of each row of the pool, if known.
    junk : dict of str to str
        Rows that count as seen and were not to be picked, and why.
    left_out : list of str
        Ids that the test set reserves.
    test_set : ReservedSet or None
    labeled : list of str
        Ids that were labelled already.
    """

    names: list[str]
    selection: Selection
    pool: list[str]
    reasons: list[str]
    worth: Worth | None = None
    groups: list[str] | None = None
    junk: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    test_set: ReservedSet | None = None
    labeled: list[str] = field(default_factory=list)


def select_from_embeddings(
    embeddings: str | os.PathLike,
    budget: int | float | Budget,
    out: str | os.PathLike,
    *,
    selector: Any,
    source_embeddings: str | os.PathLike | None = None,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    max_per_group: int | None = None,
    min_per_site: int = 0,
    site_from: str | os.PathLike | None = None,
    minutes_per_label: float | None = None,
    minutes_from: str | os.PathLike | None = None,
    labeled: str | os.PathLike | Sequence[str] | None = None,
    test_set: str | os.PathLike | None = None,
    keep_junk: bool = False,
    command: str | None = None,
    force: bool = False,
    on_message: Callable[[str], object] = lambda text: None,
) -> VectorSelection:
    """Pick from embeddings and write the list and its record, as `select_from_folders` does.

    From files that ``skxssr embed`` wrote the picks are those that the folders would give.

    Parameters
    ----------
    embeddings, source_embeddings : path
        See `skxssr.workflows.embeddings_file.read_embeddings`. The source is optional.
    out : path
        Folder for the results, made if missing.
    budget, selector, group_pattern, group_from, max_per_group, min_per_site, site_from
        As for `skxssr.workflows.select.select_from_folders`.
    minutes_per_label, minutes_from, labeled, test_set, keep_junk, command, force, on_message
        Likewise. Junk and near copies are those that ``skxssr embed`` found; other files know none.
        Reserved images are told by their content where the file has hashes, else by their ids.

    Returns
    -------
    VectorSelection

    Raises
    ------
    FileExistsError
        `out` holds a selection, and `force` is False.
    ValueError
        A file cannot be read or has no ids, both were made by different embedders, or the budget
        cannot be met.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> from skxssr.workflows.select_vectors import select_from_embeddings
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.npz")
    ...     np.savez(path, features=X, names=[f"film {row}" for row in range(30)])
    ...     found = select_from_embeddings(path, 3, Path(folder, "out"), selector=XSSRSelector())
    >>> len(found.names)
    3
    """
    selector._validate_params()
    check_n_jobs(getattr(selector, "n_jobs", None))
    out = Path(out)
    check_out(out, force=force)
    target = read_embeddings(embeddings)
    source = None
    if source_embeddings is not None:
        source = read_embeddings(source_embeddings, side="source")
        check_same_embedder(source, target)
    on_message(f"{embeddings}: {len(target.ids)} images, {target.vectors.shape[1]} numbers each.")
    reserved = None if test_set is None else read_test_set(test_set)
    rows, left_out = _not_tested(target, reserved, group_pattern, group_from)
    names, X = [target.ids[row] for row in rows], target.vectors[rows]
    if source is not None and reserved is not None:
        source = _without_tested(source, reserved)
    junk = {} if keep_junk else {n: why for n, why in _junk(target).items() if n in set(names)}
    groups = groups_of([*names, *left_out], group_pattern, group_from)
    if groups is None and reserved is not None and left_out:
        groups = reserved.groups_of(names)
    groups = None if groups is None else groups[: len(names)]
    choice = Choice(
        len(names),
        budget,
        groups=groups,
        patients_known=groups is not None,
        max_per_group=max_per_group,
        candidates=_candidates(names, junk),
        labeled=np.empty(0, dtype=np.intp)
        if labeled is None
        else labeled_rows(labeled, names, left_out),
        sites=sites_of(names, site_from),
        min_per_site=min_per_site,
        minutes_per_label=minutes_per_label,
        minutes=minutes_of(names, minutes_from),
    )
    clustered = groups is None and max_per_group is None and not keep_junk
    if clustered:
        choice.groups = _clusters(target, names)
    check_choice(choice, list(junk))
    make_writable(out)
    selection = choice.select(selector if source is None else selector.fit(source.vectors), X)
    reasons, worth = conclude(
        out,
        choice,
        selection,
        names=names,
        groups=groups,
        source_names=[] if source is None else source.ids,
        source_embeddings=None if source is None else source.vectors,
        target_embeddings=X,
        about={
            "versions": versions(),
            "target": target.about.get("folder"),
            "source": None if source is None else source.about.get("folder"),
            "embeddings": str(Path(embeddings).resolve()),
            "source_embeddings": None
            if source_embeddings is None
            else str(Path(source_embeddings).resolve()),
            "embedder": target.about.get("embedder"),
            "group_pattern": group_pattern,
            "group_from": None if group_from is None else str(group_from),
            "test_set": None
            if reserved is None
            else {"folder": str(reserved.folder.resolve()), "sha256": reserved.sha256},
            "junk": junk,
            "near_copies": target.about.get("near_copies", []) if clustered else [],
            "rule": target.about.get("rule"),
            "command": command,
        },
    )
    return VectorSelection(
        names=[names[row] for row in selection.indices],
        selection=selection,
        pool=names,
        reasons=reasons,
        worth=worth,
        groups=groups,
        junk=junk,
        left_out=left_out,
        test_set=reserved,
        labeled=[names[row] for row in choice.labeled],
    )


def _hashes(side: Embeddings) -> dict[str, str]:
    """SHA-256 by id; empty texts where a file says none."""
    return dict(zip(side.ids, side.sha256 or [""] * len(side.ids), strict=True))


def _not_tested(
    target: Embeddings,
    reserved: ReservedSet | None,
    group_pattern: str | None,
    group_from: str | os.PathLike | None,
) -> tuple[np.ndarray, list[str]]:
    """Rows that are not reserved for testing, and ids that are."""
    if reserved is None:
        return np.arange(len(target.ids)), []
    if target.sha256 is None:
        tested = {name for name in target.ids if name in reserved.kept_away}
        if not tested:
            raise ValueError(
                f"--exclude-test {reserved.folder}: no id of --embeddings is the path of a "
                f"reserved image ({few(list(reserved.images), 2)}): give the images such ids, or "
                "embed them with skxssr embed, which keeps hashes"
            )
    else:
        tested = set(reserved.find(_hashes(target)))
    rows = np.array([row for row, name in enumerate(target.ids) if name not in tested], np.intp)
    if not len(rows):
        raise ValueError(f"every image of --embeddings is in the test set in {reserved.folder}")
    reserved.check_pool([target.ids[row] for row in rows], group_pattern, group_from)
    return rows, [name for name in target.ids if name in tested]


def _without_tested(source: Embeddings, reserved: ReservedSet) -> Embeddings:
    """A source without copies of reserved images."""
    contents = set(reserved.kept_away.values())
    hashes = _hashes(source)
    rows = [row for row, name in enumerate(source.ids) if hashes[name] not in contents]
    if len(rows) == len(source.ids):
        return source
    return Embeddings(source.vectors[rows], [source.ids[row] for row in rows], about=source.about)


def _junk(target: Embeddings) -> dict[str, str]:
    junk = target.about.get("junk", {})
    return junk if isinstance(junk, dict) else {}


def _candidates(names: list[str], junk: dict[str, str]) -> np.ndarray | None:
    rows = [row for row, name in enumerate(names) if name not in junk]
    return None if len(rows) == len(names) else np.array(rows, dtype=np.intp)


def _clusters(target: Embeddings, names: list[str]) -> list[str] | None:
    """Near copies as one group each, the others alone; None if the file knows of none."""
    clusters = target.about.get("near_copies", [])
    head = {name: cluster[0] for cluster in clusters for name in cluster}
    return [head.get(name, name) for name in names] if head else None
