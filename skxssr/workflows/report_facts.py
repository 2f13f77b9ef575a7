"""What the report says in words and tables: counts, stability, and what is needed to repeat it."""

import itertools
import json
from collections import Counter
from typing import Any

import numpy as np

from skxssr.report.page import Counts
from skxssr.workflows.recorded import pick_again
from skxssr.workflows.selection_folder import SelectionFolder

__all__ = ["answer_of", "counts_of", "question_of", "repeat_of", "stability_of"]

_MOST_ROWS = 60  # of a table
_SEEDS = 3
_PATIENCE = 45.0  # seconds that the selections of other seeds may take, as the first one did


def question_of(found: SelectionFolder) -> str:
    """The question that the selection answers."""
    where = found.record.get("target") or found.record.get("embeddings") or "this pool"
    name = str(where).replace("\\", "/").rstrip("/").split("/")
    short = "/".join(name[-2:]) if len(name) > 1 else str(where)
    return f"Which {_images(len(found.picks))} of {short} should be annotated first?"


def answer_of(found: SelectionFolder) -> list[str]:
    """The answer, and what must not be done with it."""
    record = found.record
    how = record["selection"]["selector"]
    labeled = record.get("labeled", [])
    before = f", after {len(labeled)} that were labelled already" if labeled else ""
    asked = record.get("budget")
    said = f" (asked for: {asked:.0%})" if isinstance(asked, float) else ""
    said = f" (asked for: {asked})" if isinstance(asked, str) else said
    return [
        f"The {_images(len(found.picks))} below, of {len(found.names)}, in this order{before}; "
        f"picked by {how}{said}.",
        "Picked images are not a random sample: never use them as a test set.",
    ]


def counts_of(found: SelectionFolder) -> list[Counts]:
    """Tables of sites and of patients."""
    picked = found.picks
    sites = found.record.get("sites")
    tables = []
    if sites is not None:
        tables.append(_table("Sites", "site", [sites[name] for name in found.names], picked))
    else:
        folders = [name.rpartition("/")[0] or "." for name in found.names]
        note = "Sites were not named (--site-from); these are the folders."
        if len(set(folders)) == 1:
            tables.append(Counts("Sites", (), [], "Sites were not named (--site-from)."))
        else:
            tables.append(_table("Folders", "folder", folders, picked, note))
    if found.groups is None:
        note = "Which image is whose was not said (--group-pattern, --group-from)."
        tables.append(Counts("Patients", (), [], note))
    else:
        seen = len({found.groups[row] for row in picked})
        note = f"{seen} of {len(set(found.groups))} patients have a pick."
        tables.append(_table("Patients", "patient", found.groups, picked, note))
    return tables


def _table(title: str, what: str, of: list[str], picked: np.ndarray, note: str = "") -> Counts:
    all_of, picks_of = Counter(of), Counter(of[row] for row in picked)
    order = sorted(all_of, key=lambda name: (-picks_of[name], name))
    rows = [(name, all_of[name], picks_of[name]) for name in order[:_MOST_ROWS]]
    if len(order) > _MOST_ROWS:
        note = f"{note} The {len(order) - _MOST_ROWS} others have fewer picks or none.".strip()
    return Counts(title, (what, "images", "picks"), rows, note)


def stability_of(found: SelectionFolder) -> list[str]:
    """How much the picks depend on seeds, where any has a say; otherwise why none does."""
    return [*_of_embedder(found), *_of_selector(found)]


def _of_embedder(found: SelectionFolder) -> list[str]:
    seeds, embedder = found.record.get("seeds"), found.record.get("embedder") or {}
    n = len(found.picks)
    if seeds:
        picked = seeds["picked"]
        ours = set(found.picked_names)
        each = ", ".join(f"seed {s}: {len(ours & set(names))}" for s, names in picked.items())
        return [
            f"The embedder joins {len(picked)} trainings. Picks of one seed alone and of another "
            f"share {seeds['shared']:.1f} of {n} on average; two random draws would share "
            f"{seeds['by_chance']:.1f}. Of these picks each seed alone makes so many: {each}."
        ]
    name = embedder.get("class")
    if name is None:
        return ["How the embeddings were made is not known here, nor whether a seed had a say."]
    if "MAE" in name:
        return [
            f"The embedder ({name}) was trained once, with one seed. How much the picks depend on "
            "it is not known: --seeds 3 trains three and says so."
        ]
    return [
        f"The embedder ({name}) was not trained for this selection, so that no seed of a training "
        "has a say: the same files give the same embeddings."
    ]


def _of_selector(found: SelectionFolder) -> list[str]:
    selection = found.record["selection"]
    name, parameters = selection["selector"], selection["parameters"]
    if "random_state" not in parameters:
        return [f"{name} has no seed: the same embeddings give the same picks."]
    if _SEEDS * sum(selection["elapsed"].values()) > _PATIENCE:
        return [f"Selections by {name} with other seeds were not tried: they would take minutes."]
    again = pick_again(found)
    if again is None or not np.array_equal(again, found.picks):
        return [
            f"Other seeds of {name} were not tried: its parameters cannot be taken from the record."
        ]
    seeds = [int(parameters["random_state"] or 0) + step for step in range(1, _SEEDS)]
    others = [pick_again(found, random_state=seed) for seed in seeds]
    sets = [set(picks.tolist()) for picks in (found.picks, *others) if picks is not None]
    shared = np.mean([len(a & b) for a, b in itertools.combinations(sets, 2)])
    n = len(found.picks)
    same = "the seed of the selector changes none of them" if shared == n else "on average"
    return [
        f"{name} with {len(sets)} seeds on these embeddings: two sets of picks share {shared:.1f} "
        f"of {n}, {same}; two random draws would share {n * n / len(found.names):.1f}."
    ]


def repeat_of(found: SelectionFolder) -> list[tuple[str, str]]:
    """Names and values of everything that had a say."""
    record = found.record
    selection, embedder = record["selection"], record.get("embedder") or {}
    hashes = record.get("target_sha256") or {}
    rows: list[tuple[str, Any]] = [
        ("command", record.get("command")),
        ("target", record.get("target")),
        ("source", record.get("source")),
        ("embeddings", record.get("embeddings")),
        ("images", f"{len(found.names)} of the target, {len(found.source_names)} of the source"),
        ("budget", record.get("budget")),
        ("selector", f"{selection['selector']} {_plain(selection['parameters'])}"),
        ("embedder", embedder and f"{embedder.get('class')} {_plain(embedder.get('parameters'))}"),
        ("weights, SHA-256", embedder.get("weights_sha256")),
        ("values of images", _plain(record.get("values"))),
        ("patients", record.get("group_pattern") or record.get("group_from")),
        ("at most per patient", record.get("max_per_group")),
        ("at least per site", record.get("min_per_site") or None),
        ("labelled before", len(record.get("labeled", [])) or None),
        ("model", _plain(record.get("model"))),
        ("test set", _test_set(record.get("test_set"))),
        ("versions", ", ".join(f"{name} {v}" for name, v in record["versions"].items())),
        ("record", f"{found.folder / 'selection.json'}" + _hashes_said(len(hashes))),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "", "null", {})]


def _hashes_said(n: int) -> str:
    return f", which has the SHA-256 of {_images(n)} of the target" if n else ""


def _test_set(reserved: dict[str, Any] | None) -> str | None:
    return None if reserved is None else f"{reserved['folder']}, SHA-256 {reserved['sha256']}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _images(n: int) -> str:
    return f"{n} {'image' if n == 1 else 'images'}"
