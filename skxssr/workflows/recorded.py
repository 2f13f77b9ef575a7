"""A finished selection asked again: its choice and its selector, from what the record says."""

import inspect
from typing import Any

import numpy as np

from skxssr import selection
from skxssr.workflows.choice import Budget, Choice
from skxssr.workflows.selection_folder import SelectionFolder

__all__ = ["choice_of", "pick_again"]


def choice_of(found: SelectionFolder) -> Choice:
    """What was asked for, as far as the record knows it.

    Parameters
    ----------
    found : SelectionFolder

    Returns
    -------
    Choice
    """
    record, names = found.record, found.names
    budget = record.get("budget", len(found.picks))
    if isinstance(budget, str):
        amount, _, unit = budget.partition(" ")
        budget = Budget(float(amount), unit)
    rows = {name: row for row, name in enumerate(names)}
    junk = record.get("junk") or {}
    candidates = [row for name, row in rows.items() if name not in junk]
    weight, minutes, sites = (record.get(name) for name in ("sample_weight", "minutes", "sites"))
    return Choice(
        len(names),
        budget,
        groups=found.groups if found.groups is not None else _clusters(record, names),
        patients_known=found.groups is not None,
        max_per_group=record.get("max_per_group"),
        candidates=None if len(candidates) == len(names) else np.array(candidates, dtype=np.intp),
        labeled=np.array([rows[name] for name in record.get("labeled", [])], dtype=np.intp),
        sample_weight=None if weight is None else np.array(weight),
        sites=None if sites is None else [sites[name] for name in names],
        min_per_site=record.get("min_per_site") or 0,
        minutes_per_label=record.get("minutes_per_label"),
        minutes=None if minutes is None else np.array([minutes[name] for name in names]),
    )


def _clusters(record: dict[str, Any], names: list[str]) -> list[str] | None:
    """Near copies as one group each, the others alone."""
    clusters = record.get("near_copies") or []
    head = {name: cluster[0] for cluster in clusters for name in cluster}
    return [head.get(name, name) for name in names] if head else None


def pick_again(found: SelectionFolder, **parameters: Any) -> np.ndarray | None:
    """Pick from the embeddings of the folder, by the selector of the record.

    Parameters
    ----------
    found : SelectionFolder
    **parameters
        Of the selector, instead of the recorded ones; those that it does not have change nothing.

    Returns
    -------
    ndarray of int, or None
        Rows in pick order. None if the record does not say enough to make the selector.
    """
    made = getattr(selection, found.record["selection"]["selector"], None)
    if made is None:
        return None
    recorded = found.record["selection"]["parameters"] | parameters
    known = inspect.signature(made).parameters
    selector = made(**{name: value for name, value in recorded.items() if name in known})
    try:
        if found.source_embeddings is not None:
            selector.fit(found.source_embeddings)
        return choice_of(found).select(selector, found.target_embeddings).indices
    except (ValueError, TypeError):  # a parameter that the record holds as text alone
        return None
