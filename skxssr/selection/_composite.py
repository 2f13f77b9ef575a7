"""The score of one selection, for any alpha. Imports `_kernels`, `_greedy`, `_scales`.

Formulas and their reasons: docs/method.rst.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr._kernels.greedy import Field, powers
from skxssr._quota import Request
from skxssr.metrics.coverage import precision_of
from skxssr.selection._greedy import Run, Start, run_full, run_lazy, start_state
from skxssr.selection._scales import Scales, distance_range, ranks, source_cover, typicality

TERMS = ("density", "novelty", "diversity")


@dataclass(frozen=True)
class Form:
    """The parameters of `XSSRSelector` that make up its score; see there.

    Raises
    ------
    ValueError
        `terms` is no selection of `TERMS`, or a parameter needs a demand that is not there.
    """

    terms: tuple[str, ...]
    composite: str
    density: str
    novelty: str
    source_weight: float

    def __post_init__(self) -> None:
        if not self.terms or len(set(self.terms)) < len(self.terms) or set(self.terms) - {*TERMS}:
            raise ValueError(
                f"terms must name at least one of {TERMS}, each once. Got {self.terms!r} instead."
            )
        asked = ""
        if self.source_weight > 0:
            asked = f"source_weight={self.source_weight}"
        elif self.novelty == "demand" and "novelty" in self.terms:
            asked = "novelty='demand'"
        if asked and not self.residual:
            raise ValueError(
                f"{asked} acts on the demand, which only the residual density has. Got "
                f"density={self.density!r} and terms={self.terms!r}: pass density='residual' and "
                "keep 'density' among the terms."
            )

    @property
    def residual(self) -> bool:
        """Whether picks cover demand."""
        return self.density == "residual" and "density" in self.terms

    @property
    def trades(self) -> bool:
        """Whether there are novelty and diversity for alpha to trade off."""
        return {"novelty", "diversity"} <= {*self.terms}


class Composite:
    """The score of the rows `X`: what it needs but alpha, and the state before the first pick.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    source : ndarray of shape (n_source, p) or None
        None: there is no novelty.
    far : ndarray of shape (n,)
        Novelty in units of distance.
    request : Request
    form : Form
    scales : Scales
    search : dict
        `algorithm`, `seed` and `n_jobs` of the neighbour search.

    Attributes
    ----------
    notes : dict
        What it adds to `Selection.scales`.
    exact : bool
        Whether the neighbours behind a constant density are certainly the nearest.
    n_starts : int
        First densities computed so far, each of all candidates.
    """

    def __init__(
        self,
        X: np.ndarray,
        source: np.ndarray | None,
        far: np.ndarray,
        request: Request,
        form: Form,
        scales: Scales,
        search: dict[str, Any],
    ) -> None:
        self.notes: dict[str, Any] = {}
        self.exact, self.n_starts = True, 0
        self._request, self._scales, self._n_jobs = request, scales, search["n_jobs"]
        self._unit = scales.diameter or 1.0
        self._additive = form.composite == "additive"
        self._far = far if source is not None and "novelty" in form.terms else None
        self._in_demand = self._far is not None and form.novelty == "demand"
        self._residual = form.residual
        scale = self._unit
        if self._additive:
            scale = distance_range(X, seed=search["seed"]) or scale
            self.notes["diversity_range"] = scale

        own = np.full(len(X), -1, dtype=np.int64)
        constant = np.zeros(0)
        demand, weight = np.empty((X.shape[1], 0)), np.empty(0)
        if form.residual:
            demand = np.ascontiguousarray(X[scales.demand].T, dtype=np.float64)
            weight = np.ascontiguousarray(request.weight[scales.demand])
            if scales.notes["demand_sampled"]:  # or the sample would favour its members
                own[scales.demand] = np.arange(len(scales.demand))
        else:
            constant = request.weight / request.weight.max()
            if "density" in form.terms:
                typical, self.exact = typicality(X, max(scales.n_neighbors, 1), **search)
                constant = typical * constant
        self._field = Field(
            X=X,
            demand=demand,
            weight=weight,
            own=own,
            precision=precision_of(scales.bandwidth),
            constant_density=constant,
            density_scale=1.0,
            distance_scale=scale,
            novelty_power=np.ones(0),
            alpha=0.0,
            additive=self._additive,
        )
        self._credit = None
        if source is not None and form.source_weight > 0:
            nearest = source_cover(source, demand, self._field.precision, seed=search["seed"])
            self._credit = form.source_weight * nearest
            self.notes["source_weight"] = float(form.source_weight)
        self._start: Start | None = None
        if not self._in_demand:  # else the first densities depend on alpha
            self._field, self._start = self._begin(self._field, self._n_jobs)

    def _begin(self, field: Field, n_jobs: int | None) -> tuple[Field, Start]:
        """The state before the first pick, and the field with the scale of its densities."""
        self.n_starts += 1
        start = start_state(
            field, self._request, self._scales.diameter, n_jobs=n_jobs, credit=self._credit
        )
        if self._residual:
            field = field._replace(density_scale=float(start.density.max()) or 1.0)
        return field, start

    def _at(self, alpha: float, n_jobs: int | None) -> tuple[Field, Start]:
        field, start = self._field, self._start
        powered = np.ones(len(field.X))
        if self._far is not None and (self._in_demand or not self._additive):
            powers(self._far, self._unit, alpha, powered)
        if start is None:
            weight = field.weight * powered[self._scales.demand]
            field, start = self._begin(field._replace(weight=weight), n_jobs)
            powered = np.ones(len(field.X))
        if self._additive:
            if self._far is not None and not self._in_demand:
                powered = ranks(self._far)
            powered = alpha * powered
        return field._replace(novelty_power=powered, alpha=alpha), start

    def run(self, alpha: float, *, full: bool = False) -> Run:
        """Select greedily; the densities of the run are those of the score, divided by their scale.

        Only a full scan uses several threads: lazy runs share them out among the alphas.
        """
        field, start = self._at(alpha, self._n_jobs if full else 1)
        if full:
            run = run_full(field, start, self._request, n_jobs=self._n_jobs)
        else:
            run = run_lazy(field, start, self._request)
        run.density /= field.density_scale
        return run
