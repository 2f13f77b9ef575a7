"""Compare selectors by what a `RidgeJudge` says of their picks."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skxssr._utils.progress import progress
from skxssr._utils.provenance import versions
from skxssr.evaluation._runs.agreement import agree
from skxssr.evaluation._runs.jobs import ALL_LABELS, pick_all, unit_names
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.evaluation._runs.task import Task
from skxssr.evaluation.compare import RANDOM, Comparison, comparison_of, file_pool
from skxssr.evaluation.ridge_judge import RidgeJudge
from skxssr.selection import RandomSelector

__all__ = ["judge_selectors"]

SEGMENTER = "ridge"  # name of the judge in the runs


def judge_selectors(
    task: Task,
    selectors: Mapping[str, Any],
    *,
    embedders: Mapping[str, Any],
    budgets: Sequence[int],
    judge: RidgeJudge,
    n_random: int = 20,
    max_per_group: int | None = None,
    out: str | os.PathLike | None = None,
    provenance: Mapping[str, Any] | None = None,
    verbose: int = 1,
) -> Comparison:
    """Let selectors pick and have every selection judged in closed form: no network is trained.

    As `compare_selectors` with the block "picks" and the reference "all labels". Since no network
    is trained, many pools and random draws are affordable, and what limits the answer is not chance
    but the judge: it is a linear segmenter, and another one may rank selectors otherwise.

    Parameters
    ----------
    task : Task
        Target and pools. Masks of the source are not read.
    selectors : mapping of str to BaseSelector
        As for `compare_selectors`; ``"random"`` is added if it is missing.
    embedders : mapping of str to transformer, pair of arrays, or list of these
        As for `compare_selectors`.
    budgets : sequence of int
        Labels to buy.
    judge : RidgeJudge
        Made of the ``images`` and ``masks`` of the task.
    n_random : int, default=20
        Draws of each random selector in each pool. From 20 on each pool tells its bad draws by
        itself (`summarize`).
    max_per_group : int, optional
        Cap on picks of one patient.
    out : path, optional
        File to which every selection is written, and from which an interrupted comparison goes on,
        with the same rules as in `compare_selectors`. A file of networks that were trained is
        refused, and the other way round.
    provenance : mapping, optional
        What else to note in `out` beside the versions of the packages.
    verbose : int, default=1
        0 for no progress bar.

    Returns
    -------
    Comparison
        For `summarize` and `load_comparison` like any other. The segmenter is called "ridge".
        Runs have no "quantities", which would take longer than all else (`label_free_quantities`).

    Raises
    ------
    ValueError
        The judge knows another number of images, a budget exceeds a pool, or `out` holds another
        comparison: the message says what differs.
    BlockingIOError
        Another comparison, in this process or another one, is writing to `out`.

    See Also
    --------
    compare_selectors : By networks that are trained on the picks.
    summarize : Means, paired differences with intervals, ranks.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.evaluation import (
    ...     RidgeJudge, Task, judge_selectors, random_pools, summarize
    ... )
    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((24, 16, 16), dtype=np.uint8)
    >>> masks[:, 4:9, 5:12] = 1
    >>> images = 0.5 * rng.random((24, 16, 16)) + 0.4 * masks
    >>> pixels = images.reshape(24, -1)
    >>> result = judge_selectors(
    ...     Task("toy", images, masks, images, masks, random_pools(24, n_pools=2)),
    ...     {"CoreSet": CoreSetSelector()},
    ...     embedders={"pixels": (pixels, pixels)}, budgets=[3],
    ...     judge=RidgeJudge(images, masks, image_size=16), n_random=4, verbose=0,
    ... )
    >>> [(row["selector"], row["n_runs"]) for row in summarize(result.runs).rows]
    [('CoreSet', 2), ('random', 8), ('all labels', 2)]
    """
    if len(judge) != len(task.images):
        raise ValueError(
            f"task {task.name!r} has {len(task.images)} target images, the judge knows "
            f"{len(judge)}: make it of task.images and task.masks"
        )
    selectors = {RANDOM: RandomSelector(random_state=None), **selectors}
    segmenters = {SEGMENTER: judge.prototype}
    settings = {"max_per_group": max_per_group}
    with RunLog(out) as log:
        agree(log, task, selectors, embedders, segmenters, settings, learns_from_source=False)
        for number, pool in enumerate(task.pools):
            file_pool(log, number, unit_names(task, pool), pool)
        picks = pick_all(
            *(task, selectors, embedders, budgets, log, n_random, max_per_group, verbose),
            measured=False,
        )
        waiting = [
            {key: rest for key, *rest in _selections(task, picks, number, judge) if key not in log}
            for number in range(len(task.pools))
        ]
        if any(waiting):
            log.note(versions() | dict(provenance or {}))
        for number, lines in enumerate(progress(waiting, "judging", verbose=verbose)):
            chosen = [{"pool": number, "selector": "", "rows": rows} for _, rows in lines.values()]
            runs = judge.runs(task, chosen, segmenter=SEGMENTER)
            for (key, (line, _)), run in zip(lines.items(), runs, strict=True):
                log.add(key, {**line, "dice": run["dice"]})
        return comparison_of(log.lines.values(), log.design or {})


def _selections(
    task: Task, picks: Sequence[Mapping[str, Any]], number: int, judge: RidgeJudge
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Key, line and rows of every selection in a pool, and of all its labels."""
    seed, rows = judge.random_state, task.pools[number].rows
    shared = {"pool": number, "segmenter": SEGMENTER, "seed": seed, "block": "picks"}
    for pick in picks:
        if pick["pool"] == number:
            name = pick["digest"]
            key = f"run/{number}/picks/{SEGMENTER}/{seed}/{name}"
            yield key, {**shared, "digest": name}, pick["rows"]
    key = f"reference/{number}/picks/{SEGMENTER}/{seed}/{ALL_LABELS}"
    labels = {"selector": ALL_LABELS, "embedder": "none", "budget": len(rows), "labels": len(rows)}
    yield key, shared | labels, rows
