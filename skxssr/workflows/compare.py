"""Would choosing have paid on my own data?

A labelled target is played through: pools, picks and networks as if it had no label yet.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._utils.files import make_writable, write_text
from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import sha256_of_files, versions
from skxssr._utils.threads import check_n_jobs
from skxssr.base import BaseSelector
from skxssr.base.request import check_budget
from skxssr.evaluation import (
    Comparison,
    Outlook,
    Pool,
    RidgeJudge,
    Summary,
    Task,
    compare_selectors,
    judge_selectors,
    outlook,
    plot_forest,
    plot_label_efficiency,
    random_pools,
    summarize,
)
from skxssr.evaluation._analysis.text import outcome_sentence, outcome_table, plan_sentence
from skxssr.evaluation._runs.identity import EmbeddingPair
from skxssr.holdout.groups import groups_of
from skxssr.io import Masks
from skxssr.report import format_table
from skxssr.segmentation import RidgeSegmenter
from skxssr.selection import (
    CoreSetSelector,
    FacilityLocationSelector,
    MaxHerdingSelector,
    TypiClustSelector,
    XSSRSelector,
)
from skxssr.workflows import values
from skxssr.workflows.compare_identity import RUNS, check_same, digest, digest_of_groups
from skxssr.workflows.embedders import fit_or_reuse, training_parameters
from skxssr.workflows.labelled import read_labelled, who_is_who

__all__ = ["FolderComparison", "compare_folders"]

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
        Tables and the sentence.
    comparison : Comparison
        Every network, or every selection that was judged.
    summary : Summary
        Means, paired differences, chances.
    label_free : dict of int to Outlook
        By budget, what could be said before any label; not part of `text`.
    embedder_reused : bool
        Whether a saved embedder of the same configuration and files was taken.
    """

    verdict: str
    text: str
    comparison: Comparison
    summary: Summary
    label_free: dict[int, Outlook]
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
    group_from: str | os.PathLike | None = None,
    images: str | None = None,
    exclude: str | None = None,
    mask_suffix: str | None = None,
    skip_unreadable: bool = False,
    keep_junk: bool = False,
    foreground: str | Sequence[int] | None = None,
    ignore: Sequence[int] | None = None,
    join_masks: bool = False,
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    minutes_per_label: float | None = None,
    refit: bool = True,
    n_jobs: int = 1,
    random_state: int = 0,
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
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
        Folder for the results, made if missing. Receives ``runs.jsonl`` (every run),
        ``summary.json`` (tables, outlooks, versions), ``forest.png``, ``efficiency.png``,
        ``inputs.json`` (what it all came from) and ``embedder/``.
    embedder : transformer of images
        As for `skxssr.workflows.select.select_from_folders`.
    segmenter : segmenter
        Cloned for every network; gets `classes`, if it has that parameter, from all masks, since a
        few picks may lack one. A `RidgeSegmenter` is not fitted again and again: a `RidgeJudge`
        with its parameters judges all selections (`judge_selectors`). It keeps
        1.2 MB an image at 64 pixels.
    selectors : mapping of str to BaseSelector, optional
        The first is the one that the sentence is about. By default `XSSRSelector`,
        `CoreSetSelector`, `MaxHerdingSelector`, `FacilityLocationSelector` and
        `TypiClustSelector`.
    budgets : sequence of int or float, default=(5, 10, 20)
        Counts, or fractions of the target images. Several, since the random draws of one tell how
        many random labels a choice at another is worth.
    source_masks : path, optional
        Masks of the source: adds networks trained on the source alone, what costs no label. Not
        with a `RidgeSegmenter`, whose judge knows the target alone.
    n_pools : int, default=5
        Repetitions; below 5 intervals are too narrow, and 25 are needed to see 0.3 Dice points.
    n_random : int, default=5
        Random draws a pool and budget.
    group_pattern : str, optional
        Patient in the file name, see `skxssr.holdout.group_by_pattern`: patients are never divided
        between pool and test set, picks are spread over them, scores are theirs.
    keep_junk : bool, default=False
        Whether target images that are blank, dark, saturated or copies of others take part. Copies,
        and where nobody said who is who near copies, are on one side, pool or test set.
    foreground : str or sequence of int, optional
        Values of masks that are foreground, see `skxssr.io.find_mask_rule`.
    ignore : sequence of int, optional
        Values of pixels without a label; an empty one: there are none.
    join_masks : bool, default=False
        Whether several masks of one image are parts of one.
    window : str or two floats, optional
        Black and white of the images, see `skxssr.io.find_intensity_rule`.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    minutes_per_label : float, optional
        Time to annotate an image; adds the minutes saved.
    refit : bool, default=True
        Whether to fit the embedder on the source.
    n_jobs : int, default=1
        Networks trained at a time, as processes of one thread. A judge needs none.
    random_state : int, default=0
        Seed of the pools.
    verbose : int, default=1
        0 for no progress bars.
    on_message : callable, optional
        Called with what there is to say before the networks are trained: what the folders hold,
        what the values of images and masks mean, how many networks there are, and what embeddings
        say without labels.

    Returns
    -------
    FolderComparison

    Raises
    ------
    ImageReadError
        An image or a mask cannot be read.
    ValueError
        Images and masks do not pair, masks have no or too many values, a budget exceeds a pool,
        masks of the source are given to a judge, or `out` holds a comparison of something else.
    MissingExtraError
        matplotlib is not installed. All of these come before anything is trained.

    See Also
    --------
    skxssr.workflows.select.select_from_folders : Where nothing is labelled yet.
    skxssr.evaluation.compare_selectors : The same in Python, with every choice.
    skxssr.evaluation.judge_selectors : The same in Python, with a judge.
    """
    import_optional("matplotlib", extra="report", caller="compare_folders")
    judged = isinstance(segmenter, RidgeSegmenter)
    if judged and source_masks is not None:
        raise ValueError(
            f"--source-masks {source_masks} is for networks trained on the source, and --fast (a "
            "RidgeSegmenter) trains none: leave one of them away."
        )
    source, target, out = Path(source), Path(target), Path(out)
    selectors = _default_selectors() if selectors is None else dict(selectors)
    check_n_jobs(n_jobs)
    groups_of([], group_pattern, group_from)  # the rule itself, before images are opened
    which = {"images": images, "exclude": exclude, "out": [out], "window": window, "axis": axis}
    sides = values.take_inventories(source, target, which, on_message, verbose)
    sources, source_mask_files, files, mask_files = read_labelled(
        sides,
        masks,
        source_masks,
        how={"mask_suffix": mask_suffix, "join": join_masks, "axis": axis},
        skip_unreadable=skip_unreadable,
        keep_junk=keep_junk,
        on_message=on_message,
    )
    source_rule, target_rule = (side.rule for side in sides)
    source_images = values.ruled(sources, source_rule)
    target_images = values.ruled(files, target_rule)
    how: dict[str, Any] = {"foreground": foreground, "ignore": ignore}
    mask_rule = values.check_masks(target_images, mask_files, Path(masks), on_message, how)
    source_mask_rule = None
    if source_mask_files is not None and source_masks is not None:
        source_mask_rule = values.check_masks(
            source_images, source_mask_files, Path(source_masks), on_message, how
        )
    classes = values.shared_classes(mask_rule, source_mask_rule)
    names = [path.relative_to(target).as_posix() for path in files]
    patients, groups = who_is_who(sides[1], files, group_pattern, group_from, on_message)
    pools = random_pools(len(files), n_pools=n_pools, groups=groups, random_state=random_state)
    counts = _counts(budgets, len(files), pools)
    if classes is not None and "classes" in segmenter.get_params(deep=False):
        segmenter = clone(segmenter).set_params(classes=classes)
    make_writable(out)
    every = [*sources, *files, *values.flat([*mask_files, *(source_mask_files or [])])]
    hashes = sha256_of_files(every)
    of_source = {}
    if source_mask_files is not None and source_masks is not None:
        parts = values.flat(source_mask_files)
        of_source["source_masks"] = digest(Path(source_masks), parts, hashes)
    identity = {
        "source": digest(source, sources, hashes),
        "target": digest(target, files, hashes),
        "masks": digest(Path(masks), values.flat(mask_files), hashes),
        "group_pattern": group_pattern,
        **({} if group_from is None else {"group_from": str(group_from)}),
        **({} if groups == patients else {"copies": digest_of_groups(groups)}),
        "embedder": training_parameters(embedder)
        if refit
        else getattr(embedder, "weights_sha256_", None),
        **of_source,
        **({"judge": type(segmenter).__name__} if judged else {}),
        **values.how_read([mask_rule, source_mask_rule], [target_rule, source_rule]),
    }
    check_same(out, identity)
    n_patients = None if patients is None else len(set(patients))
    on_message(
        plan_sentence(len(files), n_patients, pools, counts, list(selectors), n_random, judged)
    )
    reused = False
    if refit:
        embedder, reused = fit_or_reuse(
            embedder, source, sources, hashes, out / "embedder", source_rule
        )
    source_z, target_z = embedder.transform(source_images), embedder.transform(target_images)
    label_free = {
        budget: outlook(target_z, budget, source=source_z, groups=groups) for budget in counts
    }
    on_message("\n".join(f"{budget} labels: {said.text}" for budget, said in label_free.items()))
    # masks of the source that nobody gave are never read: nothing is trained on them
    nothing = np.zeros((len(sources), 1, 1), dtype=np.uint8)
    task = Task(
        target.resolve().name,
        source_images,
        nothing if source_mask_files is None else Masks(source_mask_files, source_mask_rule),
        target_images,
        Masks(mask_files, mask_rule),
        pools,
        ids=names,
        groups=groups,
    )
    pair = EmbeddingPair((source_z, target_z), made_by=embedder)
    common: dict[str, Any] = {
        "embedders": {type(embedder).__name__: pair},
        "budgets": counts,
        "n_random": n_random,
        "out": out / RUNS,
        "verbose": verbose,
    }
    references = ["all labels"] + (["source only"] if source_mask_files else [])
    comparison = _networks_or_judge(task, selectors, segmenter, references, n_jobs, common)
    return _written(out, comparison, next(iter(selectors)), label_free, minutes_per_label, reused)


def _networks_or_judge(
    task: Task,
    selectors: Mapping[str, BaseSelector],
    segmenter: Any,
    references: list[str],
    n_jobs: int,
    common: Mapping[str, Any],
) -> Comparison:
    """What the picks are worth, by networks or by the judge of a linear segmenter."""
    try:
        if isinstance(segmenter, RidgeSegmenter):
            judge = RidgeJudge(task.images, task.masks, **segmenter.get_params())
            return judge_selectors(task, selectors, judge=judge, **common)
        return compare_selectors(
            task,
            selectors,
            segmenters={type(segmenter).__name__: segmenter},
            references=references,
            n_jobs=n_jobs,
            **common,
        )
    except KeyboardInterrupt as stop:
        stop.add_note(f"What is finished is in {common['out']}; the same command goes on.")
        raise


def _written(
    out: Path,
    comparison: Comparison,
    first: str,
    label_free: dict[int, Outlook],
    minutes_per_label: float | None,
    reused: bool,
) -> FolderComparison:
    """The comparison in words, with its summary and pictures in the folder."""
    summary = summarize(comparison.runs, against=["random"], minutes_per_label=minutes_per_label)
    verdict = outcome_sentence(summary, first)
    text = _report(summary, list(label_free), verdict)
    record = {
        "verdict": verdict,
        "versions": versions(),
        "minutes_per_label": minutes_per_label,
        "label_free": {str(budget): said.to_dict() for budget, said in label_free.items()},
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
        "facility location": FacilityLocationSelector(),
        "TypiClust": TypiClustSelector(),
    }


def _counts(budgets: Sequence[int | float], n: int, pools: Sequence[Pool]) -> list[int]:
    counts = sorted({check_budget(budget, n) for budget in budgets})
    smallest = min(len(pool.rows) for pool in pools)
    if not counts or counts[-1] > smallest:
        raise ValueError(
            f"budgets={list(budgets)!r} asks for {counts[-1:] or 'nothing'}, but a pool holds only "
            f"{smallest} of the {n} images: give budgets from 1 to {smallest}."
        )
    return counts


def _report(summary: Summary, counts: Sequence[int], verdict: str) -> str:
    parts = [
        f"{budget} labels\n\n{format_table(outcome_table(summary, budget))}" for budget in counts
    ]
    references = [
        {
            "trained on": row["selector"],
            "labels": str(row["budget"]),
            "Dice": f"{row['dice']:.2f}",
        }
        for row in summary.rows
        if row["reference"]
    ]
    return "\n\n".join([*parts, format_table(references), _WORDS, verdict])
