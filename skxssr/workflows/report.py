"""The report of a finished selection: one HTML file, from its folder and the images."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from skxssr._utils.files import write_text
from skxssr._utils.names import one_line
from skxssr._utils.optional import import_optional
from skxssr.base.preprocess import evenly_spaced, fit_scale_and_pca
from skxssr.exceptions import ImageReadError, MissingExtraError
from skxssr.io import Images
from skxssr.report.page import Card, Content, Map, Picture, Thumbnails, render_page
from skxssr.workflows.report_coverage import coverage_bands, coverage_text
from skxssr.workflows.report_facts import (
    answer_of,
    counts_of,
    question_of,
    repeat_of,
    stability_of,
)
from skxssr.workflows.selection_folder import SelectionFolder, read_selection_folder
from skxssr.workflows.values import rule_from_record

__all__ = ["report_if_possible", "write_report"]

REPORT = "report.html"
_SIDE, _SMALL = 224, 96  # pixels of a pick and of its neighbours
_NEAR, _JUNK = 6, 60  # pictures that are shown
_MOST_DOTS = 20_000  # of the map, of either side


def write_report(
    picks: str | os.PathLike, *, on_message: Callable[[str], object] = lambda text: None
) -> Path:
    """Write ``report.html`` into the folder of a finished selection.

    Parameters
    ----------
    picks : path
        The ``--out`` of ``skxssr select``. The images are read from where they were then.
    on_message : callable, optional
        Called with what the report lacks.

    Returns
    -------
    Path
        The file: one page that holds all it shows, and loads nothing.

    Raises
    ------
    FileNotFoundError, ValueError
        The folder holds no selection, or a damaged one.
    MissingExtraError
        bokeh is not installed.

    See Also
    --------
    skxssr.workflows.select.select_from_folders : What is reported of.

    Examples
    --------
    >>> from skxssr.workflows.report import write_report
    >>> write_report("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere holds no selection: there is no selection.json in it. ...
    """
    found = read_selection_folder(picks)
    import_optional("bokeh", extra="report", caller="The report (report.html)")
    content = report_content(found)
    for note in content.notes:
        on_message(note)
    path = found.folder / REPORT
    write_text(path, render_page(content))
    return path


def report_if_possible(picks: Path, on_message: Callable[[str], object]) -> Path | None:
    """The report of a selection that has just been made, which never fails for want of it."""
    try:
        return write_report(picks, on_message=on_message)
    except MissingExtraError as error:
        on_message(f"No report was written: {error}, then run: skxssr report {one_line(picks)}")
    except Exception as error:  # the selection is made and written: nothing here may undo that
        why = f"{type(error).__name__}: {error}"
        on_message(f"No report was written ({why}). Later: skxssr report {one_line(picks)}")
    return None


def report_content(found: SelectionFolder) -> Content:
    """Everything that the page says of a selection.

    Parameters
    ----------
    found : SelectionFolder

    Returns
    -------
    Content
    """
    reader = _Reader(found)
    near = _nearest(found)
    thumbnails = Thumbnails()
    junk = list((found.record.get("junk") or {}).items())
    shown = reader.pictures(found.picks.tolist(), _SIDE, thumbnails)
    first = [(name, reader.rows.get(name, -1), why) for name, why in junk[:_JUNK]]
    shown |= reader.pictures((row for _, row, _ in first if row >= 0), _SMALL, thumbnails)
    in_turn = [rows[at] for at in range(_NEAR) for rows in near if at < len(rows)]
    shown |= reader.pictures(in_turn, _SMALL, thumbnails)
    curves = coverage_bands(found)
    question = question_of(found)
    notes = list(reader.notes)
    missing = [row for row in in_turn if row not in shown]
    if thumbnails.left <= 0:
        notes.append(
            f"{len(missing)} of the unpicked pictures are named and not shown, so that this page "
            "stays small."
        )
    return Content(
        title=f"skxssr: {question}",
        question=question,
        answer=answer_of(found),
        cards=_cards(found, near, shown),
        junk=[
            Picture(name, shown.get(reader.rows.get(name, -1)), why) for name, why in junk[:_JUNK]
        ],
        n_junk=len(junk),
        copies=found.record.get("near_copies") or [],
        map=_map(found),
        coverage=curves,
        coverage_text=coverage_text(curves),
        counts=counts_of(found),
        stability=stability_of(found),
        repeat=repeat_of(found),
        notes=notes,
    )


class _Reader:
    """Reads images from where they were when they were selected; says what it could not."""

    def __init__(self, found: SelectionFolder) -> None:
        self.rows = {name: row for row, name in enumerate(found.names)}
        self.notes: list[str] = []
        self.images: Images | None = None
        rule = found.record.get("rule")
        if found.root is None:
            self.notes.append("No image is shown: the selection was made from embeddings alone.")
        elif not found.root.is_dir():
            self.notes.append(f"No image is shown: the folder {found.root} is not there any more.")
        else:
            files = [found.root / name for name in found.names]
            self.images = Images(files, None if rule is None else rule_from_record(rule))
        self.names = found.names
        self.n_failed = 0

    def pictures(self, rows: Iterable[int], side: int, thumbnails: Thumbnails) -> dict[int, str]:
        """By row, those that can be read and for which there is room."""
        shown: dict[int, str] = {}
        if self.images is None:
            return shown
        for row in rows:
            if thumbnails.left <= 0:
                break
            try:
                uri = thumbnails.uri(self.images[row], side)
            except (ImageReadError, OSError, ValueError) as error:
                self._failed(row, error)
                continue
            if uri is not None:
                shown[row] = uri
        return shown

    def _failed(self, row: int, error: Exception) -> None:
        self.n_failed += 1
        if self.n_failed == 1:
            self.notes.append(f"{self.names[row]} cannot be shown: {error}")
        elif self.n_failed == 2:
            self.notes.append("Others cannot be shown either.")


def _nearest(found: SelectionFolder) -> list[list[int]]:
    """For each pick, the unpicked rows that it stands for, the nearest first."""
    nearest, distance = found.represented
    junk = found.record.get("junk") or {}
    aside = {*found.picks.tolist(), *(r for r, name in enumerate(found.names) if name in junk)}
    near: list[list[int]] = [[] for _ in found.picks]
    for row in np.argsort(distance, kind="stable").tolist():
        if nearest[row] >= 0 and row not in aside:
            near[nearest[row]].append(row)
    return near


def _cards(found: SelectionFolder, near: list[list[int]], shown: dict[int, str]) -> list[Card]:
    sites = found.record.get("sites")
    groups = found.picked_groups
    cards = []
    for at, (row, name, reason) in enumerate(
        zip(found.picks.tolist(), found.picked_names, found.reasons, strict=True)
    ):
        facts = [] if groups is None else [("patient", groups[at])]
        facts += [] if sites is None else [("site", str(sites[name]))]
        facts += [(term, f"{values[at]:.3g}") for term, values in found.terms.items()]
        others = [Picture(found.names[other], shown.get(other)) for other in near[at][:_NEAR]]
        sentence = reason[:1].upper() + reason[1:] + "."
        picture = Picture(name, shown.get(row))
        cards.append(Card(at + 1, picture, sentence, facts, others, len(near[at])))
    return cards


def _map(found: SelectionFolder) -> Map:
    """The first two principal components of what selectors see."""
    source, target = found.source_embeddings, found.target_embeddings
    transform = fit_scale_and_pca(source, target)
    here = transform(target)
    there = np.empty((0, here.shape[1])) if source is None else transform(source)
    variance = np.var(np.vstack([here, there]), axis=0, dtype=np.float64)
    shares = variance / max(float(variance.sum()), 1e-300)
    first, second = [*shares[:2].tolist(), 0.0][:2]
    here, there = (_two(points) for points in (here, there))
    notes = []
    rows = evenly_spaced(len(here), _MOST_DOTS)
    sources = evenly_spaced(len(there), _MOST_DOTS) if len(there) else np.empty(0, dtype=np.intp)
    for side, n, some in (("target", len(here), rows), ("source", len(there), sources)):
        if len(some) < n:
            notes.append(f"{len(some)} of the {n} {side} images are drawn, evenly spaced.")
    return Map(
        target=here[rows],
        source=there[sources],
        names=[one_line(found.names[row]) for row in rows],
        nearest=found.represented.nearest[rows],
        picks=here[found.picks],
        pick_names=[one_line(name) for name in found.picked_names],
        shares=(first, second),
        notes=notes,
    )


def _two(points: np.ndarray) -> np.ndarray:
    """The first two columns; a second of zeros where there is one alone."""
    return (
        points[:, :2] if points.shape[1] > 1 else np.column_stack([points, np.zeros(len(points))])
    )
