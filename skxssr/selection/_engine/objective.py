"""The score of one selection, for any alpha.

Formulas and their reasons: docs/method.rst.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skxssr._kernels.demand import Demand, make_demand, without_points
from skxssr._kernels.greedy import Score, powers
from skxssr.base.request import Request
from skxssr.metrics.coverage import precision_of
from skxssr.selection._engine.coverage_state import start_state
from skxssr.selection._engine.greedy_runs import greedy_runs, run_full
from skxssr.selection._engine.lazy_greedy import Run
from skxssr.selection._engine.scales import (
    Scales,
    coverage_of,
    distance_range,
    ranks,
    source_cover,
    typicality,
)
from skxssr.selection.score import ScoreSpec


def novelty_powers(
    far: np.ndarray | None,
    unit: float,
    alpha: float,
    n: int,
    *,
    in_demand: bool,
    additive: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """What novelty multiplies: the score of each of `n` rows, and their demand (None: it does not).

    `far` is the novelty in units of distance; None: there is none.
    """
    powered = np.ones(n)
    if far is not None and (in_demand or not additive):
        powers(far, unit, alpha, powered)
    factor = None
    if in_demand:
        powered, factor = np.ones(n), powered
    if additive:
        if far is not None and not in_demand:
            powered = ranks(far)
        powered = alpha * powered
    return powered, factor


class Objective:
    """The score of the rows `X`: what it needs but alpha, and the state before the first pick.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    source : ndarray of shape (n_source, p) or None
        None: there is no novelty.
    far : ndarray of shape (n,)
        Novelty in units of distance.
    request : Request
    form : ScoreSpec
    scales : Scales
    search : dict
        `algorithm`, `seed` and `n_jobs` of the neighbour search.
    device : str, optional
        Where torch computes bounds of densities; by default numba does.

    Attributes
    ----------
    notes : dict
        What it adds to `Selection.scales`.
    exact : bool
        Whether the neighbours behind a constant density are certainly the nearest.
    demand : Demand
        Also where the density does not come from it: coverage does.
    coverage : callable
        Returns the coverage losses of picks; takes their rows, weights (n,) and the kind of loss.
    n_starts : int
        First densities computed so far, each of all candidates.
    """

    def __init__(
        self,
        X: np.ndarray,
        source: np.ndarray | None,
        far: np.ndarray,
        request: Request,
        form: ScoreSpec,
        scales: Scales,
        search: dict[str, Any],
        device: str | None = None,
    ) -> None:
        self.notes: dict[str, Any] = {}
        self.exact, self.n_starts = True, 0
        self._request, self._scales, self._n_jobs = request, scales, search["n_jobs"]
        self._device = device
        self._unit = scales.diameter or 1.0
        self._additive = form.composite == "additive"
        self._far = far if source is not None and "novelty" in form.terms else None
        self._in_demand = self._far is not None and form.novelty == "demand"
        self._residual = form.residual
        scale = self._unit
        if self._additive:
            scale = distance_range(X, seed=search["seed"]) or scale
            self.notes["diversity_range"] = scale

        self.demand = make_demand(
            X,
            scales.demand,
            request.weight[scales.demand],
            sampled=scales.notes["demand_sampled"],
            precision=precision_of(scales.bandwidth),
            diameter=scales.diameter,
            starts=scales.blocks,
        )
        self.coverage = coverage_of(self.demand, request)
        self._picked, self._constant = self.demand, np.zeros(0)
        if not form.residual:  # what is picked does not change the density
            self._picked = without_points(self.demand)
            self._constant = request.weight / request.weight.max()
            if "density" in form.terms:
                typical, self.exact = typicality(X, max(scales.n_neighbors, 1), **search)
                self._constant = typical * self._constant
        self._score = Score(
            density_scale=1.0,
            distance_scale=scale,
            novelty_power=np.ones(0),
            alpha=0.0,
            additive=self._additive,
        )
        credit = None
        if source is not None and form.source_weight > 0:
            credit = form.source_weight * source_cover(source, self.demand, seed=search["seed"])
            self.notes["source_weight"] = float(form.source_weight)
        self._start = start_state(
            self._picked, request, scales.diameter, n_jobs=self._n_jobs, credit=credit
        )

    def _scores(self, alpha: float) -> tuple[Demand, Score]:
        """Demand and score at an alpha, but for the scale of its densities."""
        demand = self._picked
        powered, factor = novelty_powers(
            self._far,
            self._unit,
            alpha,
            len(demand.X),
            in_demand=self._in_demand,
            additive=self._additive,
        )
        if factor is not None:
            demand = demand._replace(weight=demand.weight * factor[demand.rows])
        return demand, self._score._replace(novelty_power=powered, alpha=alpha)

    def runs(self, alphas: list[float], on_stage: Callable[[str], object]) -> Iterator[Run]:
        """Yield the greedy run of each alpha, in order; call `on_stage` after each stage."""
        pairs = [self._scores(alpha) for alpha in alphas]
        demands = [demand for demand, _ in pairs] if self._in_demand else [self._picked]
        self.n_starts = len(demands) if self._residual else 0
        return greedy_runs(
            demands,
            [score for _, score in pairs],
            self._start,
            self._constant,
            self._request,
            n_jobs=self._n_jobs,
            on_stage=on_stage,
            device=self._device,
        )

    def full_scan(self, alpha: float, run: Run) -> Run:
        """The same as `run`, that of `alpha`, by the full scan."""
        demand, score = self._scores(alpha)
        score = score._replace(density_scale=run.density_scale)
        return run_full(
            demand, score, self._start, self._constant, self._request, n_jobs=self._n_jobs
        )
