"""Whether a file of results belongs to the comparison that goes on with it.

What decides a result is filed as lines ``"made of/..."``. What a file of an earlier version does
not say is filed when that file is first gone on with, and nothing is refused for it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from skxssr.evaluation._runs.identity import (
    differing,
    digest,
    embedder_differs,
    embedder_identity,
    parameters_of,
    stack_hashes,
)
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.evaluation._runs.task import Task

__all__ = ["agree"]


def agree(
    log: RunLog,
    task: Task,
    selectors: Mapping[str, Any],
    embedders: Mapping[str, Any],
    segmenters: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    learns_from_source: bool,
) -> None:
    """Refuse a log of another comparison, saying what differs; file what it does not know yet.

    Parameters
    ----------
    log : RunLog
        Open; hashes are made only where it has a file.
    task : Task
        Whose images, masks, patients and sites are compared by content.
    selectors, embedders, segmenters : mapping
        As for `compare_selectors`.
    settings : mapping
        Plain values on which every line depends.
    learns_from_source : bool
        Whether masks of the source are used.

    Raises
    ------
    ValueError
        Something differs; all of it is named.
    """
    design = {
        "task": task.name,
        "target": digest(task.ids),
        "segmenters": {name: parameters_of(value) for name, value in segmenters.items()},
        **settings,
    }
    found = [] if log.design is None else _design(log.design, design, segmenters)
    news: dict[str, dict[str, Any]] = {}
    if log.path is not None:
        parts = [
            *_classes(log, "selector", selectors),
            *_classes(log, "segmenter", segmenters),
            *_embedders(log, embedders),
            _grouping(log, task),
            *_contents(log, task, learns_from_source),
        ]
        for key, line, words in parts:
            found += words
            if not words and (key not in log or _text(log[key]) != _text({"key": key, **line})):
                news[key] = line
    if found:
        raise ValueError(
            f"{log.path} holds another comparison: it differs in {', '.join(found)}. Give another "
            "file, or delete this one to start anew."
        )
    log.begin(design)
    for key, line in news.items():
        log.add(key, line)


Part = tuple[str, dict[str, Any], list[str]]  # key, the line as of now, in what it differs


def _design(
    then: Mapping[str, Any], now: Mapping[str, Any], segmenters: Mapping[str, Any]
) -> list[str]:
    words = {"target": "the names of the target images"}
    plain = [key for key in now if key != "segmenters"]
    found = [words.get(key, key) for key in plain if then.get(key) != now[key]]
    past = then.get("segmenters", {})
    if set(past) != set(segmenters):
        found.append(f"the segmenters ({_listed(past)} then, {_listed(segmenters)} now)")
    for name in set(past) & set(segmenters):
        differs = differing(segmenters[name], {"parameters": past[name]})
        if differs:
            found.append(f"{', '.join(differs)} of segmenter {name!r}")
    return found


def _classes(log: RunLog, noun: str, estimators: Mapping[str, Any]) -> list[Part]:
    parts = []
    used = {line.get(noun) for line in _results(log)}
    for name, estimator in estimators.items():
        key, now = f"made of/{noun} {name}", {"class": type(estimator).__name__}
        differs = name in used and key in log and differing(estimator, log[key])
        parts.append((key, now, [f"class of {noun} {name!r}"] if differs else []))
    return parts


def _embedders(log: RunLog, embedders: Mapping[str, Any]) -> list[Part]:
    """Each pool is compared with what it had: a list may grow with the pools."""
    parts = []
    for name, given in embedders.items():
        several = given if isinstance(given, list) else [given]
        key, words = f"made of/embedder {name}", []
        if key in log:
            then = log[key]["items"]
            pools = {line["pool"] for line in _results(log) if line.get("embedder") == name}
            pairs = sorted({(p % len(several), p % len(then)) for p in pools - {None}})
            for ours, theirs in pairs:
                differs = embedder_differs(several[ours], then[theirs])
                if differs:
                    which = f"embedder {name!r}" + (f"[{ours}]" if len(several) > 1 else "")
                    words.append(f"{which} ({', '.join(differs)})")
        parts.append((key, {"items": [embedder_identity(item) for item in several]}, words))
    return parts


def _grouping(log: RunLog, task: Task) -> Part:
    key = "made of/grouping"
    now = {
        "patients": None if task.groups is None else digest([str(g) for g in task.groups]),
        "sites": None if task.sites is None else digest([str(s) for s in task.sites]),
        "spacing": None if task.spacing is None else [float(size) for size in task.spacing],
    }
    words = {
        "patients": "the patients (groups) of the target images",
        "sites": "the sites of the target images",
        "spacing": "spacing",
    }
    if key not in log or not _results(log):
        return key, now, []
    return key, now, [words[name] for name in now if now[name] != log[key].get(name)]


def _contents(log: RunLog, task: Task, learns_from_source: bool) -> list[Part]:
    """Pixels and masks. Masks of the source count from where something is trained on them."""
    names = task.source_images.names
    wanted = [
        ("source images", "the pixels of {} source images", task.source_images, names),
        ("target images", "the pixels of {} target images", task.images, task.ids),
        ("target masks", "the masks of {} target images", task.masks, task.ids),
    ]
    if learns_from_source:
        masks = task.source_masks
        wanted.append(("source masks", "the masks of {} source images", masks, names))
    parts = []
    for kind, words, stack, ids in wanted:
        key = f"made of/{kind}"
        hashes = stack_hashes(stack)
        now = {"digest": digest(hashes), "each": "".join(value[:8] for value in hashes)}
        differs = []
        if key in log and _results(log) and log[key]["digest"] != now["digest"]:
            differs = [_which(words, _eights(log[key]["each"]), _eights(now["each"]), ids)]
        parts.append((key, now, differs))
    return parts


def _which(words: str, then: list[str], now: list[str], names: Sequence[str]) -> str:
    """How many differ, and the first."""
    if len(then) != len(now):
        return words.format(f"{len(now)} instead of {len(then)}")
    changed = [name for name, a, b in zip(names, then, now, strict=True) if a != b]
    if not changed:
        return words.format("some")
    if len(changed) == 1:
        return f"{words.format(1).removesuffix('s')}, {changed[0]}"
    return f"{words.format(len(changed))}, the first {changed[0]}"


def _eights(text: str) -> list[str]:
    return [text[i : i + 8] for i in range(0, len(text), 8)]


def _results(log: RunLog) -> list[dict[str, Any]]:
    """Lines that depend on what is compared here."""
    kinds = ("pick/", "run/", "reference/")
    return [line for key, line in log.lines.items() if key.startswith(kinds)]


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True)


def _listed(names: Mapping[str, Any]) -> str:
    return " and ".join(map(repr, sorted(names))) or "none"
