"""Would choosing have paid on my own data? Imports `evaluation`, `folders`, `selection`, `report`.

A labelled target is played through: pools, picks and networks as if it had no label yet.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._files import make_writable, read_json, write_text
from skxssr._optional import import_optional
from skxssr._progress import progress
from skxssr._provenance import sha256_of_files, versions
from skxssr._request import check_budget
from skxssr.base import BaseSelector
from skxssr.evaluation import (
    Comparison,
    Pool,
    Summary,
    Task,
    Verdict,
    compare_selectors,
    label_free_verdict,
    plot_forest,
    plot_label_efficiency,
    random_pools,
    summarize,
    verdict_errors,
)
from skxssr.evaluation.words import outcome_sentence, outcome_table
from skxssr.exceptions import ImageReadError
from skxssr.folders import fit_or_reuse, training_parameters
from skxssr.holdout import group_by_pattern
from skxssr.io import Masks, check_mask_shapes, find_unreadable, list_images, pair_images_and_masks
from skxssr.report import format_table
from skxssr.selection import CoreSetSelector, MaxHerdingSelector, XSSRSelector

__all__ = ["FolderComparison", "compare_folders"]

_INPUTS, _RUNS = "inputs.json", "runs.jsonl"
_MOST_CLASSES = 30

_WORDS = """\
minus random: paired difference in Dice x 100 to the random draws of the same pools, with its 95%
interval; beats a draw: how often its network beat that of a random draw; worth: the number of
random labels that give the same Dice."""


@dataclass(frozen=True, eq=False)
class FolderComparison:
    """What `compare_folders` returns.

    Attributes
    ----------
    verdict : str
        One sentence: at which budgets choosing would have paid.
    text : str
        Tables, label-free verdicts and the sentence.
    comparison : Comparison
        Every network.
    summary : Summary
        Means, paired differences, chances.
    label_free : dict of int to Verdict
        By budget, what could be said before any label.
    embedder_reused : bool
        Whether a saved embedder of the same configuration and files was taken.
    """

    verdict: str
    text: str
    comparison: Comparison
    summary: Summary
    label_free: dict[int, Verdict]
    embedder_reused: bool = False


def compare_folders(
    source: str | os.PathLike,
    target: str | os.PathLike,
    masks: str | os.PathLike,
    out: str | os.PathLike,
    *,
    embedder: Any,
    segmenter: Any,
    selectors: Mapping[str, BaseSelector] | None = None,
    budgets: Sequence[int | float] = (5, 10, 20),
    source_masks: str | os.PathLike | None = None,
    n_pools: int = 5,
    n_random: int = 5,
    group_pattern: str | None = None,
    minutes_per_label: float | None = None,
    refit: bool = True,
    n_jobs: int = 1,
    random_state: int = 0,
    verbose: int = 1,
    tell: Callable[[str], object] = lambda text: None,
) -> FolderComparison:
    """Play a selection through on a target that is labelled already.

    Each pool is a random 70% of what a quarter of the patients, drawn anew as its test set, leaves.
    Selectors pick from it, as many random draws are made, a network is trained on each set of
    picks and scored on the test set. What is finished is kept: the same call goes on from there.

    Parameters
    ----------
    source, target : path
        Folders of images, searched with their subfolders.
    masks : path
        Masks of the target, with the names of the images; see `skxssr.io.pair_images_and_masks`.
    out : path
        Folder for the results, made if missing. Receives ``runs.jsonl`` (every network),
        ``summary.json`` (tables, verdicts, versions), ``forest.png``, ``efficiency.png``,
        ``inputs.json`` (what it all came from) and ``embedder/``.
    embedder : MAEEmbedder or TorchEmbedder
        As for `skxssr.folders.select_from_folders`.
    segmenter : segmenter
        Cloned for every network; gets `classes`, if it has that parameter, from all masks, since a
        few picks may lack one.
    selectors : mapping of str to BaseSelector, optional
        The first is the one that the verdicts are about. By default `XSSRSelector`,
        `CoreSetSelector` and `MaxHerdingSelector`.
    budgets : sequence of int or float, default=(5, 10, 20)
        Counts, or fractions of the target images. Several, since the random draws of one tell how
        many random labels a choice at another is worth.
    source_masks : path, optional
        Masks of the source: adds networks trained on the source alone, what costs no label.
    n_pools : int, default=5
        Repetitions; below 5 intervals are too narrow, and 25 are needed to see 0.3 Dice points.
    n_random : int, default=5
        Random draws a pool and budget.
    group_pattern : str, optional
        Patient in the file name, see `skxssr.holdout.group_by_pattern`: patients are never divided
        between pool and test set, picks are spread over them, scores are theirs.
    minutes_per_label : float, optional
        Time to annotate an image; adds the minutes saved.
    refit : bool, default=True
        Whether to fit the embedder on the source.
    n_jobs : int, default=1
        Networks trained at a time, as processes of one thread.
    random_state : int, default=0
        Seed of the pools.
    verbose : int, default=1
        0 for no progress bars.
    tell : callable, optional
        Called with what there is to say before the networks are trained: how many there are, and
        the label-free verdicts.

    Returns
    -------
    FolderComparison

    Raises
    ------
    ImageReadError
        An image or a mask cannot be read.
    ValueError
        Images and masks do not pair, masks have no or too many values, a budget exceeds a pool, or
        `out` holds a comparison of something else.
    MissingExtraError
        matplotlib is not installed. All of these come before anything is trained.

    See Also
    --------
    skxssr.folders.select_from_folders : Where nothing is labelled yet.
    skxssr.evaluation.compare_selectors : The same in Python, with every choice.
    """
    import_optional("matplotlib", extra="report", caller="compare_folders")
    source, target, out = Path(source), Path(target), Path(out)
    selectors = _default_selectors() if selectors is None else dict(selectors)
    files, mask_files = _pairs(target, masks)
    sources, source_mask_files = list_images(source), None
    if source_masks is not None:
        sources, source_mask_files = _pairs(source, source_masks)
    _check_readable([*sources, *files], verbose)
    classes = _classes(
        _values(files, mask_files, verbose),
        None if source_mask_files is None else _values(sources, source_mask_files, verbose),
    )
    groups = None if group_pattern is None else group_by_pattern(files, group_pattern)
    pools = random_pools(len(files), n_pools=n_pools, groups=groups, random_state=random_state)
    counts = _counts(budgets, len(files), pools)
    if classes is not None and "classes" in segmenter.get_params(deep=False):
        segmenter = clone(segmenter).set_params(classes=classes)
    make_writable(out)
    every = [*sources, *files, *mask_files, *(source_mask_files or [])]
    hashes = sha256_of_files(every)
    identity = {
        "source": _digest(source, sources, hashes),
        "target": _digest(target, files, hashes),
        "masks": _digest(Path(masks), mask_files, hashes),
        "group_pattern": group_pattern,
        "embedder": training_parameters(embedder)
        if refit
        else getattr(embedder, "weights_sha256_", None),
    }
    if source_mask_files is not None and source_masks is not None:
        identity["source_masks"] = _digest(Path(source_masks), source_mask_files, hashes)
    _check_same(out, identity)
    tell(_plan(files, pools, counts, selectors, n_random, groups))
    reused = False
    if refit:
        embedder, reused = fit_or_reuse(embedder, source, sources, hashes, out / "embedder")
    source_z, target_z = embedder.transform(sources), embedder.transform(files)
    first = next(iter(selectors))
    label_free = {
        budget: label_free_verdict(selectors[first], source_z, target_z, budget, groups=groups)
        for budget in counts
    }
    tell("\n".join(f"{budget} labels: {said.text}" for budget, said in label_free.items()))
    # masks of the source that nobody gave are never read: nothing is trained on them
    nothing = np.zeros((len(sources), 1, 1), dtype=np.uint8)
    task = Task(
        target.resolve().name,
        sources,
        nothing if source_mask_files is None else source_mask_files,
        files,
        mask_files,
        pools,
        ids=[path.relative_to(target).as_posix() for path in files],
        groups=groups,
    )
    try:
        comparison = compare_selectors(
            task,
            selectors,
            embedders={type(embedder).__name__: (source_z, target_z)},
            budgets=counts,
            segmenters={type(segmenter).__name__: segmenter},
            references=["all labels"] + (["source only"] if source_mask_files else []),
            n_random=n_random,
            out=out / _RUNS,
            n_jobs=n_jobs,
            verbose=verbose,
        )
    except KeyboardInterrupt as stop:
        stop.add_note(f"Finished networks are in {out / _RUNS}; the same command goes on.")
        raise
    summary = summarize(comparison.runs, against=["random"], minutes_per_label=minutes_per_label)
    verdict = outcome_sentence(summary, first)
    text = _report(comparison, summary, label_free, first, verdict)
    record = {
        "verdict": verdict,
        "versions": versions(),
        "minutes_per_label": minutes_per_label,
        "label_free": {str(budget): said.to_dict() for budget, said in label_free.items()},
        "label_free_errors": verdict_errors(comparison.runs, by=["budget", "selector"]),
        **asdict(summary),
    }
    write_text(out / "summary.json", json.dumps(record, indent=1))
    plot_forest(summary.comparisons, out / "forest.png")
    plot_label_efficiency(comparison.runs, out / "efficiency.png")
    return FolderComparison(verdict, text, comparison, summary, label_free, reused)


def _default_selectors() -> dict[str, BaseSelector]:
    return {
        "XSSR": XSSRSelector(random_state=0),
        "CoreSet": CoreSetSelector(),
        "MaxHerding": MaxHerdingSelector(),
    }


def _pairs(images: Path, masks: str | os.PathLike) -> tuple[list[Path], list[Path]]:
    pairs = pair_images_and_masks(images, masks)
    return [image for image, _ in pairs], [mask for _, mask in pairs]


def _check_readable(files: list[Path], verbose: int) -> None:
    broken = find_unreadable(files, verbose=verbose)
    if broken:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in list(broken.items())[:10])
        raise ImageReadError(
            f"{len(broken)} of {len(files)} images cannot be read:\n{listed}\n"
            "Repair them, or remove them and their masks."
        )


def _values(images: list[Path], masks: list[Path], verbose: int) -> list[int]:
    """The values that occur in masks, which are checked on the way."""
    check_mask_shapes(images, masks)
    found: set[int] = set()
    for mask in progress(Masks(masks), "reading masks", verbose=verbose):
        found |= set(np.unique(mask).tolist())
    if not 2 <= len(found) <= _MOST_CLASSES:
        remedy = (
            "masks hold one whole number per pixel and class: save them as PNG, unsmoothed"
            if len(found) > 2
            else "there is nothing to segment; is it the folder of the masks?"
        )
        raise ValueError(
            f"the masks beside {masks[0]} hold {len(found)} different values; {remedy}"
        )
    return sorted(found)


def _classes(target: list[int], source: list[int] | None) -> list[int] | None:
    """Classes of all networks; None where foreground is 1 on one side and 255 on the other."""
    both = sorted({*target, *(source or target)})
    return None if len(both) > 2 == len(target) == len(source or target) else both


def _counts(budgets: Sequence[int | float], n: int, pools: Sequence[Pool]) -> list[int]:
    counts = sorted({check_budget(budget, n) for budget in budgets})
    smallest = min(len(pool.rows) for pool in pools)
    if not counts or counts[-1] > smallest:
        raise ValueError(
            f"budgets={list(budgets)!r} asks for {counts[-1:] or 'nothing'}, but a pool holds only "
            f"{smallest} of the {n} images: give budgets from 1 to {smallest}."
        )
    return counts


def _digest(folder: Path, files: list[Path], hashes: Mapping[Path, str]) -> str:
    lines = [f"{path.relative_to(folder).as_posix()} {hashes[path]}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_same(out: Path, identity: dict[str, Any]) -> None:
    """Refuse to go on with networks that came from something else."""
    identity = json.loads(json.dumps(identity))
    there = read_json(out / _INPUTS)
    if isinstance(there, dict) and there != identity and (out / _RUNS).exists():
        differing = [
            name for name in {**there, **identity} if there.get(name) != identity.get(name)
        ]
        raise ValueError(
            f"{out} holds a comparison that differs in {', '.join(differing)}: its networks say "
            "nothing about this one. Give another folder with --out, or remove that one."
        )
    write_text(out / _INPUTS, json.dumps(identity, indent=1))


def _plan(
    files: list[Path],
    pools: Sequence[Pool],
    counts: list[int],
    selectors: Mapping[str, Any],
    n_random: int,
    groups: list[str] | None,
) -> str:
    n_networks = len(pools) * (len(counts) * (len(selectors) + n_random) + 1)
    patients = "" if groups is None else f" of {len(set(groups))} patients"
    return (
        f"{len(files)} labelled target images{patients}; {len(pools)} times, about "
        f"{len(pools[0].rows)} of them are a pool and {len(pools[0].test)} are tested on.\n"
        f"Budgets {', '.join(map(str, counts))}; {', '.join(selectors)} and {n_random} random "
        f"draws each: about {n_networks} networks to train.\nThe bar estimates the time once the "
        "first are done. Stop whenever you like: the same command goes on."
    )


def _report(
    comparison: Comparison,
    summary: Summary,
    label_free: Mapping[int, Verdict],
    first: str,
    verdict: str,
) -> str:
    parts = []
    for budget, said in label_free.items():
        table = format_table(outcome_table(summary, budget))
        parts.append(f"{budget} labels\n\n{table}\n\nBefore any label, of {first}: {said.text}")
    references = [row for row in summary.rows if row["reference"]]
    parts.append(
        format_table(
            [
                {
                    "trained on": row["selector"],
                    "labels": str(row["budget"]),
                    "Dice": f"{row['dice']:.2f}",
                }
                for row in references
            ]
        )
    )
    parts.append(_WORDS)
    errors = verdict_errors(comparison.runs, by=["selector"])
    ours = next(row for row in errors if row["selector"] == first)
    parts.append(
        f"The label-free verdict on {first}, made in each pool and at each budget, was right "
        f"{ours['n'] - ours['false_alarms'] - ours['misses']} times out of {ours['n']}: "
        f'{ours["false_alarms"]} times "may pay" and it did not, {ours["misses"]} times "random '
        'will do" and choosing paid. Always saying "may pay" would have been right '
        f"{ours['beaten']} times."
    )
    return "\n\n".join([*parts, verdict])
