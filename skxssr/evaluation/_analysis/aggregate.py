"""Chances and worst cases over tasks, blocks and budgets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skxssr.evaluation._analysis.bootstrap import (
    average_over_pools,
    interval,
    resampling_weights,
    widen,
)
from skxssr.evaluation._analysis.conditions import PLACE, plain
from skxssr.evaluation.summary import Summary


def pool_over(
    summary: Summary,
    by: Sequence[str] = ("embedder", "segmenter", "selector"),
    *,
    random: str = "random",
    n_bootstrap: int = 2000,
    random_state: int = 0,
) -> list[dict[str, Any]]:
    """Say how often a selector beats a random draw over all, and where it fares worst.

    Parameters
    ----------
    summary : Summary
        From `summarize`.
    by : sequence of str, default=("embedder", "segmenter", "selector")
        Keys of a row of the answer, out of "task", "block", "embedder", "segmenter", "budget" and
        "selector"; the others are pooled.
    random : str, default="random"
        Selector whose draws are chance.
    n_bootstrap : int, default=2000
        Replicates.
    random_state : int, default=0
        Seed.

    Returns
    -------
    list of dict
        The keys `by`; "n_cells", "n_pools" (different pools of all tasks together);
        "beats_random" with "_low", "_high"; "worst_beats_random_low" and
        "worst_difference_low" (the lowest lower end over cells, of the chance and of the paired
        difference to random) with "worst_beats_random_at" and "worst_difference_at" (the cell);
        "average_rank", the mean over cells.

    Raises
    ------
    ValueError
        `by` has an unknown key.

    Notes
    -----
    The chance is the mean over cells of the mean over pools. Its interval resamples the pools of
    each task, one draw for all blocks and budgets, since these share their pools; tasks are taken
    as they are.

    Examples
    --------
    >>> from skxssr.evaluation import pool_over, summarize
    >>> place = dict(task="chest", block="picks", embedder="mae", segmenter="unet", budget=22)
    >>> runs = [
    ...     dict(place, selector=name, pool=p, draw=0, seed=0, units=["a"], dice=[d + 0.01 * p])
    ...     for p in range(4)
    ...     for name, d in [("random", 0.90), ("XSSR", 0.92)]
    ... ]
    >>> pool_over(summarize(runs), by=["selector"])[0]["beats_random"]
    1.0
    """
    known = (*PLACE, "budget", "selector")
    if not set(by) <= set(known):
        raise ValueError(f"by={list(by)!r} must be out of {list(known)}.")
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in summary.pools:
        if row["beats_random"] is not None:
            groups.setdefault(tuple(row[name] for name in by), []).append(row)
    answer = []
    for key, rows in sorted(groups.items()):
        named = dict(zip(by, key, strict=True))
        of_group = [
            row
            for row in summary.rows
            if not row["reference"] and all(row[n] == v for n, v in named.items())
        ]
        differences = [
            row
            for row in summary.comparisons
            if row["against"] == random and all(row[n] == v for n, v in named.items())
        ]
        ranks = [row["average_rank"] for row in of_group if row["average_rank"] is not None]
        answer.append(
            {
                **named,
                **_chance(rows, summary.confidence, n_bootstrap, random_state),
                **_worst("beats_random", of_group, "beats_random_low"),
                **_worst("difference", differences, "low"),
                "average_rank": plain(np.mean(ranks)) if ranks else None,
            }
        )
    return answer


def _chance(
    rows: Sequence[Mapping[str, Any]], confidence: float, n_bootstrap: int, random_state: int
) -> dict[str, Any]:
    """The chance over cells, its interval, and of how many cells and pools it is."""
    rng = np.random.default_rng(random_state)
    pools: dict[str, list[Any]] = {}
    for row in rows:
        pools.setdefault(row["task"], []).append(row["pool"])
    numbers = {task: sorted(set(names)) for task, names in sorted(pools.items())}
    weights = {
        task: resampling_weights(len(names), n_bootstrap, rng) for task, names in numbers.items()
    }
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        cells.setdefault(tuple(row[n] for n in (*PLACE, "budget", "selector")), []).append(row)
    means, replicates = [], []
    for (task, *_), inside in cells.items():
        values = np.array([row["beats_random"] for row in inside])
        places = [numbers[task].index(row["pool"]) for row in inside]
        means.append(values.mean())
        drawn = average_over_pools(values[:, None], weights[task][places])
        replicates.append(widen(drawn, means[-1], len(numbers[task]), confidence))
    # A replicate in which none of a cell's pools came up leaves that cell out.
    together = np.array(replicates)
    there = np.isfinite(together)
    with np.errstate(invalid="ignore"):
        low, high = interval(
            np.where(there, together, 0.0).sum(axis=0) / there.sum(axis=0), confidence
        )
    n_pools = sum(len(names) for names in numbers.values())
    return {
        "n_cells": len(cells),
        "n_pools": n_pools,
        "beats_random": plain(np.mean(means)),
        "beats_random_low": max(low, 0.0) if n_pools > 1 else None,
        "beats_random_high": min(high, 1.0) if n_pools > 1 else None,
    }


def _worst(name: str, rows: Sequence[Mapping[str, Any]], bound: str) -> dict[str, Any]:
    """The lowest lower end, and where it is."""
    known = [row for row in rows if row[bound] is not None]
    if not known:
        return {f"worst_{name}_low": None, f"worst_{name}_at": None}
    worst = min(known, key=lambda row: row[bound])
    where = {key: worst[key] for key in (*PLACE, "budget", "selector")}
    return {f"worst_{name}_low": worst[bound], f"worst_{name}_at": where}
