"""Train the networks of a comparison, several at a time, and score them.

Two ways to use the source's labels beside the picks: "finetune", a network trained on the source
goes on with the picks; "joint", both at once.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone

from skxssr._utils.progress import progress
from skxssr.evaluation._runs.jobs import SOURCE_MODELS, Job
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.evaluation._runs.task import Task
from skxssr.evaluation.scores import Scores, score_images


def train_all(
    task: Task,
    jobs: Sequence[Job],
    segmenters: Mapping[str, Any],
    log: RunLog,
    *,
    n_jobs: int,
    n_threads: int,
    verbose: int,
) -> None:
    """Train and score every job and file its line as soon as it is done."""
    needed = sorted({job.source for job in jobs if job.source is not None})
    fits = [delayed(_fit_source)(task, segmenters[s], *which) for s, *which in needed]
    fitted = progress(
        _parallel(fits, n_jobs, n_threads), "source models", verbose=verbose, total=len(needed)
    )
    sources = dict(zip(needed, fitted, strict=True))
    work = [
        delayed(_work)(
            task,
            job,
            segmenters[job.line["segmenter"]],
            None if job.source is None else sources[job.source],
        )
        for job in jobs
    ]
    results = _parallel(work, n_jobs, n_threads, in_order=False)
    for key, line in progress(results, "networks", verbose=verbose, total=len(work)):
        log.add(key, line)


def _parallel(
    work: Sequence[Any], n_jobs: int, n_threads: int, *, in_order: bool = True
) -> Iterator[Any]:
    how = "generator" if in_order else "generator_unordered"
    if n_jobs == 1:
        yield from Parallel(n_jobs=1, return_as=how)(work)
        return
    with parallel_config(backend="loky", inner_max_num_threads=n_threads):
        results = Parallel(n_jobs=n_jobs, return_as=how)(work)
    yield from results


def _fit_source(task: Task, segmenter: Any, name: str, number: int) -> Any:
    """The `number`-th network trained on all of the source."""
    copy = _seeded(segmenter, 7_000_000 + number)
    if SOURCE_MODELS[name]:
        copy.set_params(**SOURCE_MODELS[name])
    return copy.fit(task.source_images, task.source_masks)


def _work(task: Task, job: Job, segmenter: Any, start: Any) -> tuple[str, dict[str, Any]]:
    """Train, predict and score."""
    test = job.pool.test
    started = time.perf_counter()
    if len(job.rows):
        fitted = _fit(task, job, _seeded(segmenter, job.line["seed"]), start)
    elif job.adapt:
        fitted = start.adapt(task.images.subset(job.pool.rows))
    else:
        fitted = start
    seconds = time.perf_counter() - started
    classes = getattr(fitted, "classes_", None)
    scores = score_images(
        [task.masks[int(row)] for row in test],
        fitted.predict(task.images.subset(test)),
        groups=None if task.groups is None else task.groups[test],
        spacing=task.spacing,
        classes=None if classes is None or len(classes) == 2 else [int(c) for c in classes[1:]],
    )
    line = {**job.line, **_short(scores), "seconds": round(seconds, 1)}
    losses = getattr(fitted, "loss_curve_", np.empty(0))
    if len(losses) >= 5 and len(job.rows):
        fifth = len(losses) // 5  # flat, if the two are near
        late = [losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()]
        line["late_losses"] = [round(float(value), 5) for value in late]
    return job.key, line


def _short(scores: Scores) -> dict[str, Any]:
    """What a line keeps: Dice of every unit, means of the rest."""
    line = scores.to_line()
    del line["units"]  # the same for all networks of a pool, and filed once
    line["dice"] = [None if value is None else round(value, 5) for value in line["dice"]]
    for name in ("hd95", "nsd"):
        known = [value for value in line[name] if value is not None]
        line[name] = round(float(np.mean(known)), 4) if known else None
    return line


def _fit(task: Task, job: Job, segmenter: Any, start: Any) -> Any:
    images, masks = task.images.subset(job.rows), task.masks.subset(job.rows)
    if job.line["block"] == "finetune":
        segmenter.set_params(init_from=start, **job.changes)
    elif job.line["block"] == "joint":  # both sides weigh alike, however few the picks are
        n_source, n = len(task.source_images), len(job.rows)
        times, again = max(1, round(n_source / n)), max(1, round(n / n_source))
        images = [*list(task.source_images) * again, *list(images) * times]
        masks = [*list(task.source_masks) * again, *list(masks) * times]
    return segmenter.fit(images, masks)


def _seeded(segmenter: Any, seed: int) -> Any:
    copy = clone(segmenter, safe=False)
    if "random_state" in copy.get_params(deep=False):
        copy.set_params(random_state=seed)
    return copy
