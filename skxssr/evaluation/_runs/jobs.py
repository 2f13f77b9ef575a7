"""What a comparison has to do: pick with every selector, then list the networks to train."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skxssr._utils.progress import progress
from skxssr.evaluation._runs.identity import differing, digest, parameters_of
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.evaluation._runs.task import Pool, Task
from skxssr.evaluation.predictors import label_free_quantities
from skxssr.selection import StratifiedRandomSelector

BLOCKS = ("picks", "finetune", "joint")

# name -> parameters of the segmenter that is trained on the source alone; no target label is used
SOURCE_MODELS: dict[str, dict[str, Any]] = {
    "source only": {},
    "source only, strong augmentation": {"augment": "strong"},
}
ADAPTED = "source only, target batch norm"
ALL_LABELS = "all labels"
REFERENCES = (*SOURCE_MODELS, ADAPTED, ALL_LABELS)


@dataclass(frozen=True)
class Job:
    """One network to train, or to score if `rows` is empty.

    Attributes
    ----------
    key : str
        Under which its line is filed.
    line : dict
        What the line says besides the scores.
    rows : ndarray of int
        Rows of the target to train on.
    pool : Pool
        Where they come from, and what to score on.
    source : tuple of str, str and int, or None
        Segmenter, name in `SOURCE_MODELS` and number of the network trained on the source from
        which this one starts.
    adapt : bool
        Whether its batch norm is re-estimated on the unlabelled pool.
    changes : mapping
        Parameters of the segmenter that differ, to fine-tune.
    """

    key: str
    line: dict[str, Any]
    rows: np.ndarray
    pool: Pool
    source: tuple[str, str, int] | None = None
    adapt: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


def unit_names(task: Task, pool: Pool) -> list[str]:
    """Names of what is scored: patients in sorted order, or test images."""
    if task.groups is not None:
        return [str(group) for group in np.unique(task.groups[pool.test])]
    return [task.ids[int(row)] for row in pool.test]


def pick_all(
    task: Task,
    selectors: Mapping[str, Any],
    embedders: Mapping[str, Any],
    budgets: Sequence[int],
    log: RunLog,
    n_random: int,
    max_per_group: int | None,
    verbose: int,
    *,
    measured: bool = True,
) -> list[dict[str, Any]]:
    """The lines of every selection, pool by pool; those on file are not made again.

    With `measured` each has its label-free quantities, which take longer than the selection.
    """
    lines = []
    embeddings = _Embeddings(task, embedders)
    cells = [(number, name) for number in range(len(task.pools)) for name in embedders]
    for number, embedder in progress(cells, "selecting", verbose=verbose):
        pool = task.pools[number]
        for name, selector in selectors.items():
            by_site = isinstance(selector, StratifiedRandomSelector) and task.sites is not None
            groups = task.sites if by_site else task.groups
            groups = None if groups is None else groups[pool.rows]
            seeded = selector.get_params(deep=False).get("random_state", 0) is None
            for draw in range(n_random if seeded else 1):
                for budget in budgets:
                    key = f"pick/{number}/{embedder}/{name}/{budget}/{draw}"
                    if key in log:
                        check_same(log[key], selector)
                        lines.append(log[key])
                        continue
                    source, target = embeddings.of(embedder, number)
                    copy = clone(selector)
                    if seeded:
                        copy.set_params(random_state=100_000 + 1000 * number + draw)
                    selection = copy.fit(source).select(
                        target[pool.rows],
                        budget,
                        groups=groups,
                        max_per_group=None if by_site else max_per_group,
                        return_selection=True,
                    )
                    rows = pool.rows[selection.indices]
                    line = {
                        "pool": number,
                        "embedder": embedder,
                        "selector": name,
                        "parameters": parameters_of(selector),
                        "budget": budget,
                        "draw": draw,
                        "rows": rows.tolist(),
                        "digest": digest(np.sort(rows).tolist()),
                        "alpha": selection.alpha,
                    }
                    if measured:
                        line["quantities"] = label_free_quantities(
                            target[pool.rows], selection.indices, source=source
                        )
                    log.add(key, line)
                    lines.append(log[key])
    return lines


def all_jobs(
    task: Task,
    picks: Sequence[dict[str, Any]],
    segmenters: Mapping[str, Any],
    blocks: Sequence[str],
    references: Sequence[str],
    n_seeds: int,
    n_source_models: int,
    finetune: Mapping[str, Any],
) -> Iterator[Job]:
    """Every network, each once: a seed, a pool, and all arms of it before the next."""
    chosen: dict[int, dict[str, np.ndarray]] = {number: {} for number in range(len(task.pools))}
    for line in picks:
        chosen[line["pool"]][line["digest"]] = np.sort(np.asarray(line["rows"]))
    for repeat in range(n_seeds):  # a run that is stopped has every pool, with fewer seeds
        for number, pool in enumerate(task.pools):
            seed = number * n_seeds + repeat
            for segmenter in segmenters:
                shared = {"pool": number, "segmenter": segmenter, "seed": seed}

                def start(name: str, segmenter: str = segmenter, seed: int = seed) -> tuple:
                    return (segmenter, name, seed % n_source_models)

                for block in blocks:
                    changes = finetune if block == "finetune" else {}
                    origin = start("source only") if block == "finetune" else None
                    for name, rows in chosen[number].items():
                        yield Job(
                            f"run/{number}/{block}/{segmenter}/{seed}/{name}",
                            {**shared, "block": block, "digest": name},
                            rows,
                            pool,
                            origin,
                            changes=changes,
                        )
                    if ALL_LABELS in references:
                        yield Job(
                            f"reference/{number}/{block}/{segmenter}/{seed}/{ALL_LABELS}",
                            _reference(shared, block, ALL_LABELS, len(pool.rows)),
                            pool.rows,
                            pool,
                            origin,
                            changes=changes,
                        )
                for name in references:
                    if name == ALL_LABELS:
                        continue
                    yield Job(
                        f"reference/{number}/zero labels/{segmenter}/{seed}/{name}",
                        _reference(shared, "zero labels", name, 0),
                        np.empty(0, dtype=np.int64),
                        pool,
                        start(name if name in SOURCE_MODELS else "source only"),
                        adapt=name == ADAPTED,
                    )


def _reference(shared: dict[str, Any], block: str, name: str, labels: int) -> dict[str, Any]:
    extra = {
        "block": block,
        "selector": name,
        "embedder": "none",
        "budget": labels,
        "labels": labels,
    }
    return {**shared, **extra}


class _Embeddings:
    """Embeddings of all images, made when first asked for."""

    def __init__(self, task: Task, embedders: Mapping[str, Any]) -> None:
        self.task, self.given = task, embedders
        self.made: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, name: str, pool: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target embeddings for one pool."""
        given = self.given[name]
        several = given if isinstance(given, list) else [given]
        key = (name, pool % len(several))
        if key not in self.made:
            self.made[key] = self._make(several[key[1]])
        return self.made[key]

    def _make(self, embedder: Any) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(embedder, "transform"):
            source, target = (np.asarray(part) for part in embedder)
            expected = (len(self.task.source_images), len(self.task.images))
            if (len(source), len(target)) != expected:
                raise ValueError(
                    f"embedders: a pair has {len(source)} and {len(target)} rows, but the task has "
                    f"{expected[0]} source and {expected[1]} target images. Embed all of them."
                )
            return source, target
        try:
            check_is_fitted(embedder)
        except NotFittedError:
            embedder = clone(embedder).fit(self.task.source_images)
        source = embedder.transform(self.task.source_images)
        return source, embedder.transform(self.task.images)


def check_same(line: dict[str, Any], selector: Any) -> None:
    """Refuse to go on with picks of a selector that was set otherwise."""
    differs = differing(selector, {"parameters": line["parameters"]})
    if differs:
        raise ValueError(
            f"out holds picks of a selector {line['selector']!r} that differs in "
            f"{', '.join(differs)}. Give it another name, or another file."
        )
