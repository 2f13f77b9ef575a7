"""Compare selectors by the networks that their picks train."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import versions
from skxssr.evaluation._runs.agreement import agree
from skxssr.evaluation._runs.identity import digest
from skxssr.evaluation._runs.jobs import (
    ALL_LABELS,
    BLOCKS,
    REFERENCES,
    all_jobs,
    pick_all,
    unit_names,
)
from skxssr.evaluation._runs.run_log import RunLog, read_run_file
from skxssr.evaluation._runs.task import Pool, Task
from skxssr.evaluation._runs.training import train_all
from skxssr.selection import RandomSelector

__all__ = ["Comparison", "compare_selectors", "load_comparison"]

RANDOM = "random"


@dataclass(frozen=True)
class Comparison:
    """What `compare_selectors` returns; `skxssr.evaluation.summarize` makes tables of it.

    Attributes
    ----------
    runs : list of dict
        One for each selection and network trained on it: "task", "block", "embedder",
        "segmenter", "selector", "budget", "pool", "draw", "seed", "labels", "rows" (the picked
        rows of the target, a list of int in pick order), "units" (names of the test images or
        patients), "dice" (one for each; None: not counted), "alpha", "quantities" (label-free
        measures of the picks) and other scores. Networks without a selection have
        ``"reference": True`` and no "rows". Whatever is known of the target images makes a number
        for each run: ``np.mean(blurred[run["rows"]])``.
    design : dict
        What was asked for.
    sessions : list of dict
        Versions of the packages, and whatever `provenance` said, one for each change of them.
    """

    runs: list[dict[str, Any]]
    design: dict[str, Any]
    sessions: list[dict[str, Any]]

    def to_frame(self) -> Any:
        """The runs as a pandas DataFrame, one row each, with the mean Dice as a column.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        MissingExtraError
            pandas is not installed (extra "report").
        """
        pandas = import_optional("pandas", extra="report", caller="Comparison.to_frame")
        means = [np.nanmean(np.array(run["dice"], dtype=float)) for run in self.runs]
        return pandas.DataFrame(self.runs).assign(mean_dice=means)


def compare_selectors(
    task: Task,
    selectors: Mapping[str, Any],
    *,
    embedders: Mapping[str, Any],
    budgets: Sequence[int],
    segmenters: Mapping[str, Any],
    blocks: Sequence[str] = ("picks",),
    references: Sequence[str] = (ALL_LABELS,),
    n_seeds: int = 1,
    n_random: int = 5,
    n_source_models: int = 3,
    finetune: Mapping[str, Any] | None = None,
    max_per_group: int | None = None,
    out: str | os.PathLike | None = None,
    provenance: Mapping[str, Any] | None = None,
    n_jobs: int = 1,
    n_threads: int = 1,
    verbose: int = 1,
) -> Comparison:
    """Let selectors pick, train a network on each selection, and score it: everything crossed.

    Every selector gets the same pool, patients, quotas, recipe and training seeds; a random draw is
    always among them. Sets of picks that are equal are trained on once. All arms of a pool and
    seed are done before the next, so that a comparison that was stopped is still paired.

    Parameters
    ----------
    task : Task
        Source, target and pools.
    selectors : mapping of str to BaseSelector
        Those whose parameter `random_state` is None draw `n_random` times a pool, the others once.
        ``"random"`` is added if it is missing. `skxssr.StratifiedRandomSelector` gets the sites of
        the task as groups, all others its patients.
    embedders : mapping of str to transformer, pair of arrays, or list of these
        A transformer of images, fitted here on the source if it is not yet; or the embeddings of
        all source and all target images. Of a list pool i takes item ``i % len(list)``: the way to
        average over autoencoder seeds.
    budgets : sequence of int
        Labels to buy.
    segmenters : mapping of str to segmenter
        ``fit(images, masks)`` and ``predict(images)``.
    blocks : sequence of {"picks", "finetune", "joint"}, default=("picks",)
        "picks" trains on the picks alone. "finetune" goes on from a network trained on the source
        (the segmenter needs the parameter `init_from`). "joint" trains on source and picks, both
        sides weighing alike.
    references : sequence of str, default=("all labels",)
        Networks without a selection: "all labels", "source only", "source only, strong
        augmentation", "source only, target batch norm". The last two need a segmenter with
        ``augment="strong"`` and with the method `adapt`, as `SMPSegmenter`.
    n_seeds : int, default=1
        Training seeds for each pool; pools have different ones.
    n_random : int, default=5
        Draws of each random selector in each pool.
    n_source_models : int, default=3
        Networks trained on the source, shared by the seeds in turn.
    finetune : mapping, optional
        Parameters of the segmenter that differ in the block "finetune", such as fewer steps.
    max_per_group : int, optional
        Cap on picks of one patient.
    out : path, optional
        File to which every finished network is written, and from which an interrupted comparison
        goes on. What decides a result must agree with what is on file: images and masks by their
        content, embedders by class, parameters and weights (pairs of arrays by their bytes),
        selectors and segmenters by class and parameters. Parameters that decide nothing, such as
        `device`, `engine`, `n_jobs` and `verbose`, may change. One comparison at a time uses the
        file.
    provenance : mapping, optional
        What else to note in `out` beside the versions of the packages, such as a commit.
    n_jobs : int, default=1
        Networks trained at a time, as processes.
    n_threads : int, default=1
        Threads of each process; with ``n_jobs=1`` all that the library takes.
    verbose : int, default=1
        0 for no progress bar.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        A name is unknown, a budget exceeds a pool, or `out` holds another comparison: the message
        says what differs.
    BlockingIOError
        Another comparison, in this process or another one, is writing to `out`.

    Warns
    -----
    SkxssrWarning
        Lines of `out` cannot be read: they are skipped, and what they held is made anew.

    See Also
    --------
    summarize : Means, paired differences with intervals, ranks.
    load_comparison : The same from the file, without the data.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> from skxssr.evaluation import Task, compare_selectors, random_pools
    >>> class Threshold:
    ...     def get_params(self, deep=False):
    ...         return {}
    ...
    ...     def fit(self, images, masks):
    ...         self.level_ = np.mean([image.mean() for image in images])
    ...         return self
    ...
    ...     def predict(self, images):
    ...         return np.stack([image[..., 0] > self.level_ for image in images])
    >>> rng = np.random.default_rng(0)
    >>> images = rng.random((40, 8, 8))
    >>> masks = (images > 0.5).astype(np.uint8)
    >>> pools = random_pools(40, n_pools=2, random_state=0)
    >>> result = compare_selectors(
    ...     Task("toy", images, masks, images, masks, pools),
    ...     {"XSSR": XSSRSelector()},
    ...     embedders={"pixels": (images.reshape(40, -1), images.reshape(40, -1))},
    ...     budgets=[4], segmenters={"threshold": Threshold()}, n_random=3, verbose=0,
    ... )
    >>> len(result.runs), sum(run["selector"] == "random" for run in result.runs)
    (10, 6)
    """
    _check_names("blocks", blocks, BLOCKS)
    _check_names("references", references, REFERENCES)
    selectors = {RANDOM: RandomSelector(random_state=None), **selectors}
    settings = {
        "n_seeds": n_seeds,
        "n_source_models": n_source_models,
        "finetune": dict(finetune or {}),
        "max_per_group": max_per_group,
    }
    from_source = bool({"finetune", "joint"} & {*blocks} or {*references} - {ALL_LABELS})
    with RunLog(out) as log:
        agree(
            *(log, task, selectors, embedders, segmenters, settings),
            learns_from_source=from_source,
        )
        for number, pool in enumerate(task.pools):
            file_pool(log, number, unit_names(task, pool), pool)
        picks = pick_all(task, selectors, embedders, budgets, log, n_random, max_per_group, verbose)
        planned = all_jobs(
            task, picks, segmenters, blocks, references, n_seeds, n_source_models, finetune or {}
        )
        jobs = [job for job in planned if job.key not in log]
        if jobs:
            log.note(versions() | dict(provenance or {}))
        train_all(task, jobs, segmenters, log, n_jobs=n_jobs, n_threads=n_threads, verbose=verbose)
        return comparison_of(log.lines.values(), log.design or {})


def load_comparison(path: str | os.PathLike) -> Comparison:
    """Read back what `compare_selectors` wrote to `out`; needs no data.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Comparison

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no file of `compare_selectors`, or the line that says what was compared is lost.

    Warns
    -----
    SkxssrWarning
        Lines cannot be read: which, and that all others count.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skxssr.evaluation import Task, compare_selectors, load_comparison, random_pools
    >>> images = np.random.default_rng(0).random((40, 8, 8))
    >>> masks = (images > 0.5).astype(np.uint8)
    >>> task = Task("toy", images, masks, images, masks, random_pools(40, n_pools=2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = compare_selectors(
    ...         task, {}, embedders={"pixels": (images.reshape(40, -1),) * 2}, budgets=[4],
    ...         segmenters={}, out=f"{folder}/runs.jsonl", verbose=0,
    ...     )
    ...     read = load_comparison(f"{folder}/runs.jsonl")
    >>> read.design == written.design
    True
    """
    found = read_run_file(path)
    return comparison_of(found.lines.values(), found.design or {})


def comparison_of(lines: Iterable[dict[str, Any]], design: dict[str, Any]) -> Comparison:
    """What the lines of a `RunLog` say."""
    lines = list(lines)
    sessions = [line for line in lines if line["key"].startswith("session/")]
    return Comparison(_join(lines, design["task"]), design, sessions)


def _join(lines: list[dict[str, Any]], task: str) -> list[dict[str, Any]]:
    """One run for each pick and each network that was trained on it, and the references."""
    units = {line["pool"]: line["units"] for line in lines if line["key"].startswith("units/")}
    trained: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for line in lines:
        if line["key"].startswith("run/"):
            trained.setdefault((line["pool"], line["digest"]), []).append(line)
    runs = []
    for line in lines:
        shared = {"task": task, "units": units.get(line.get("pool"))}
        if line["key"].startswith("pick/"):
            networks = trained.get((line["pool"], line["digest"]), [])
            labels = len(line["rows"])
            runs += [{**line, **run, **shared, "labels": labels} for run in networks]
        elif line["key"].startswith("reference/"):
            runs.append({**line, **shared, "draw": 0, "reference": True})
    return runs


def file_pool(log: RunLog, number: int, units: list[str], pool: Pool) -> None:
    """Note a pool, so that another one is never taken for it; more of them may be added later."""
    key = f"units/{number}"
    now = {"units": units, "rows": digest(pool.rows.tolist()), "test": digest(pool.test.tolist())}
    log.keep(key, {"pool": number, **now})
    then = log[key]
    # earlier versions did not say which rows
    if any(then.get(name, value) != value for name, value in now.items()):
        raise ValueError(
            f"{log.path} holds another comparison: its pool {number} has other rows. Make the "
            "pools with the same random_state, or give another file."
        )


def _check_names(parameter: str, given: Sequence[str], known: Sequence[str]) -> None:
    strange = [name for name in given if name not in known]
    if strange or isinstance(given, str):
        raise ValueError(
            f"{parameter} must be a sequence of {', '.join(map(repr, known))}. Got {given!r}."
        )
