"""Run the selection for each alpha and choose by coverage."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr._utils.progress import progress
from skxssr._utils.threads import in_threads
from skxssr.base.request import Request
from skxssr.selection._engine.lazy_greedy import Run

_TIE = 1e-6  # relative difference below which two coverage losses are the same


@dataclass(frozen=True)
class Calibration:
    """The greedy run of every alpha, its coverage after each pick, and the alpha chosen.

    Attributes
    ----------
    alpha : float
    losses : ndarray of shape (n_grid,)
    runs : dict of float to Run
    curves : dict of float to ndarray of shape (budget + 1,)
    """

    alpha: float
    losses: np.ndarray
    runs: dict[float, Run]
    curves: dict[float, np.ndarray]


def choose_alpha(grid: list[float], losses: np.ndarray, tolerance: float) -> float:
    """The smallest alpha whose loss is within `tolerance`, relative, of the lowest."""
    within = losses <= losses.min() * (1 + max(tolerance, _TIE))
    return min(alpha for alpha, near in zip(grid, within, strict=True) if near)


def calibrate(
    objective: Any,
    grid: list[float],
    extra: list[float],
    *,
    far: np.ndarray,
    request: Request,
    kind: str,
    tolerance: float,
    n_jobs: int | None,
    verbose: int,
    on_stage: Callable[[str], object],
) -> Calibration:
    """Select for every alpha of `grid`, and of `extra` for comparison, and choose one of `grid`.

    `objective` is an `Objective`, or has what that has.
    `on_stage` is called when a stage ends: "coverage", or one of `greedy_runs`.
    """
    weight = request.weight
    if kind == "novel_distance":
        weight, kind = weight * far, "mean_distance"
    tried = sorted({*grid, *extra})
    shown = verbose if len(tried) > 1 else 0
    results = progress(objective.runs(tried, on_stage), "alpha", verbose=shown, total=len(tried))
    runs = dict(zip(tried, results, strict=True))
    # runs of the same picks have the same curve
    distinct = {run.indices.tobytes(): run.indices for run in runs.values()}
    found = in_threads(
        lambda picks: objective.coverage(picks, weight, kind),
        list(distinct.values()),
        n_jobs=n_jobs,
    )
    of_picks = dict(zip(distinct, found, strict=True))
    curves = {alpha: of_picks[run.indices.tobytes()] for alpha, run in runs.items()}
    on_stage("coverage")
    losses = np.array([curves[alpha][-1] for alpha in grid])
    return Calibration(choose_alpha(grid, losses, tolerance), losses, runs, curves)
