"""MaxHerding, and XSSR with a residual density, over blocks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr._kernels.greedy import Score
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.preprocess import evenly_spaced
from skxssr.base.request import Request
from skxssr.base.selection import Selection
from skxssr.distributed._chains import MOST_HEADS, ChainRounds
from skxssr.distributed._coverage import (
    CoverageBlock,
    CoverageJudge,
    CoveredRows,
    Points,
    largest_of,
)
from skxssr.distributed._demand import DemandHere, scales_here
from skxssr.distributed._greedi import merge, random_parts
from skxssr.distributed._journal import Journal
from skxssr.distributed._pool import Pool
from skxssr.distributed._prepare import Prepared
from skxssr.distributed._regions import Parts, regions_of
from skxssr.distributed._rounds import Picked
from skxssr.distributed._serving import columns_of
from skxssr.metrics.coverage import precision_of
from skxssr.selection._engine.lazy_greedy import Run, empty_run
from skxssr.selection._engine.objective import novelty_powers
from skxssr.selection._engine.scales import (
    MAX_RANGE,
    Scales,
    distance_range,
    source_cover,
)
from skxssr.selection.score import ScoreSpec


class CoverageRuns:
    """Greedy runs by residual densities.

    Parameters
    ----------
    pool : Pool
        It forgets its rows.
    here : DemandHere
        In the order of the scales.
    request : Request
    scales : Scales
    bandwidth : float
    credit_of : callable, optional
        Returns what is covered besides, of a demand.
    part : ndarray of shape (n,), int, optional
        The block of each row, of which all picks are made in one round, approximately. By default
        blocks are regions, and picks exact.

    Attributes
    ----------
    regions : Parts
    notes : dict
        Of the rounds so far.
    """

    def __init__(
        self,
        pool: Pool,
        here: DemandHere,
        request: Request,
        scales: Scales,
        bandwidth: float,
        journal: Journal,
        verbose: int,
        credit_of: Callable[..., np.ndarray] | None = None,
        part: np.ndarray | None = None,
    ) -> None:
        self._here, self._request, self._journal = here, request, journal
        self._verbose, self._sampled = verbose, scales.notes["demand_sampled"]
        self._points = Points(
            X=here.points,
            starts=scales.blocks,
            weight=request.weight[here.rows],
            factor=None,
            left_out=self._sampled,
            precision=precision_of(bandwidth),
            diameter=scales.diameter,
            largest=pool.largest(),
            labeled=here.labeled,
            credit=None,
            budget=request.budget,
        )
        if credit_of is not None:
            _, demand, _ = self._points.beside(here.points[:0], 0)
            self._points = self._points._replace(credit=credit_of(demand))
        self._approximate = part is not None
        part = regions_of(pool, here.points) if part is None else part
        self.regions = here.pool = Parts(pool, part)
        self._covered: list[Any] | None = None
        self.notes: dict[str, Any] = {}

    def _points_of(self, rows: np.ndarray) -> np.ndarray | None:
        """The demand point that each of `rows` is and is left out at; None: none is left out."""
        if not self._sampled:
            return None
        return columns_of(rows, self._here.rows, np.argsort(self._here.rows))

    def _prepare(self, points: Points) -> list[Any]:
        """Rows with the demand beside them, on the workers."""
        point = self._points_of(np.arange(self.regions.n))
        own = [(of[1], of[3]) for of in self.regions.columns(self._request, point)]
        return self.regions.cluster.persist(self.regions.each(CoveredRows, points, own=own))

    def run(
        self,
        name: str,
        score: Score,
        powered: np.ndarray | None,
        factor: np.ndarray | None,
    ) -> Run:
        """One run: `powered` (n,) is `Score.novelty_power`, `factor` (n,) multiplies the demand."""
        points, cluster = self._points, self.regions.cluster
        if factor is not None:
            points = points._replace(factor=factor[self._here.rows])
            covered = self._prepare(points)
        else:
            covered = self._covered = self._covered or self._prepare(points)
        largest = max(cluster.compute([cluster.delayed(largest_of, of) for of in covered]))
        score = score._replace(density_scale=largest or 1.0, novelty_power=np.empty(0))
        columns = self.regions.columns(self._request, powered)
        blocks = cluster.persist(
            [
                cluster.delayed(CoverageBlock, of, *own, score)
                for of, own in zip(covered, columns, strict=True)
            ]
        )
        most = max(MOST_HEADS, 2 * len(blocks), self._request.budget)
        judge = CoverageJudge(points, self._here.rows, score, most)
        if self._approximate:
            picks, self.notes = merge(
                self.regions,
                blocks,
                lambda rows, X: CoverageBlock(
                    CoveredRows(X, None, self._points_of(rows), points),
                    *(rows, None, None, None if powered is None else powered[rows], score),
                ),
                judge,
                self._request.budget,
            )
        else:
            picks = self._in_rounds(name, blocks, judge)
        run = empty_run(len(picks), score.density_scale)
        run.indices[:] = [pick.row for pick in picks]
        run.scores[:] = [pick.key[0] for pick in picks]
        run.density[:] = [pick.extra["density"] / score.density_scale for pick in picks]
        run.diversity[:] = np.sqrt([pick.key[1] for pick in picks])
        return run

    def _in_rounds(self, name: str, blocks: list[Any], judge: CoverageJudge) -> list[Picked]:
        rounds = ChainRounds(
            self.regions,
            blocks,
            GroupConstraint(self.regions.n, self._request),
            judge,
            journal=self._journal,
            name=name,
            verbose=self._verbose,
        )
        picks = rounds.run(self._request.budget)
        for key, value in rounds.notes().items():
            self.notes[key] = value if key == "n_blocks" else self.notes.get(key, 0) + value
        return picks


def max_herding(
    selector: Any,
    prepared: Prepared,
    request: Request,
    journal: Journal,
    verbose: int,
    *,
    approximate: bool = False,
) -> Selection:
    """The picks of `skxssr.MaxHerdingSelector`."""
    seed = int(check_random_state(selector.random_state).randint(np.iinfo(np.int32).max))
    scales, here = scales_here(
        prepared.target,
        request,
        seed,
        n_neighbors=selector.n_neighbors,
        algorithm="auto",
        n_jobs=selector.n_jobs,
    )
    notes, bandwidth = dict(scales.notes), scales.bandwidth
    if selector.bandwidth is not None:
        notes["bandwidth"] = bandwidth = float(selector.bandwidth)
        notes["exact"] = True  # whatever the neighbours, they were not needed
    runs = CoverageRuns(
        *(prepared.target, here, request, scales, bandwidth, journal, verbose),
        part=random_parts(prepared.target, seed) if approximate else None,
    )
    run = runs.run("picks", Score(1.0, 1.0, np.empty(0), alpha=1.0), None, None)
    return Selection(
        indices=run.indices,
        scores=run.scores,
        terms={"density": run.density},
        coverage=here.coverage(
            run.indices,
            request.weight,
            "kernel",
            precision=precision_of(bandwidth),
            diameter=scales.diameter,
            starts=scales.blocks,
        )[1:],
        calibration="kernel",
        scales={**notes, **runs.notes},
    )


class ResidualScore:
    """What `skxssr.selection._engine.objective.Objective` is, over blocks.

    Parameters
    ----------
    pool : Pool
        It forgets its rows.
    here : DemandHere
    source : ndarray of shape (n_source, p) or None
        The sample of the source.
    far : ndarray of shape (n,)
    request : Request
    form : ScoreSpec
        With a residual density.
    scales : Scales
    seed : int
    """

    def __init__(
        self,
        pool: Pool,
        here: DemandHere,
        source: np.ndarray | None,
        far: np.ndarray,
        request: Request,
        form: ScoreSpec,
        scales: Scales,
        seed: int,
        journal: Journal,
        verbose: int,
    ) -> None:
        self.notes: dict[str, Any] = {}
        self.exact, self.n_starts = True, 0
        self._far = far if source is not None and "novelty" in form.terms else None
        self._unit = self._scale = scales.diameter or 1.0
        self._additive = form.composite == "additive"
        self._in_demand = self._far is not None and form.novelty == "demand"
        if self._additive:
            some = evenly_spaced(pool.n, MAX_RANGE, np.random.default_rng(seed).random())
            self._scale = distance_range(pool.rows(some), seed=seed) or self._scale
            self.notes["diversity_range"] = self._scale
        credit_of = None
        if source is not None and form.source_weight > 0:
            self.notes["source_weight"] = float(form.source_weight)

            def credit_of(demand: Any) -> np.ndarray:
                return form.source_weight * source_cover(source, demand, seed=seed)

        self._runs = CoverageRuns(
            pool, here, request, scales, scales.bandwidth, journal, verbose, credit_of
        )
        self.regions = self._runs.regions
        self._here, self._scales = here, scales

    def coverage(self, picks: np.ndarray, weight: np.ndarray, kind: str) -> np.ndarray:
        """See `coverage` of `Objective`."""
        return self._here.coverage(
            picks,
            weight,
            kind,
            precision=precision_of(self._scales.bandwidth),
            diameter=self._scales.diameter,
            starts=self._scales.blocks,
        )

    def runs(self, alphas: list[float], on_stage: Callable[[str], object]) -> Iterator[Run]:
        """Yield the greedy run of each alpha, in order; call `on_stage` after each."""
        for alpha in alphas:
            powered, factor = novelty_powers(
                self._far,
                self._unit,
                alpha,
                self.regions.n,
                in_demand=self._in_demand,
                additive=self._additive,
            )
            score = Score(1.0, self._scale, np.empty(0), alpha=alpha, additive=self._additive)
            same = (powered == 1.0).all()
            yield self._runs.run(f"alpha {alpha!r}", score, None if same else powered, factor)
            self.notes |= self._runs.notes
            on_stage("rounds")

    def full_scan(self, alpha: float, run: Run) -> Run:
        """There is none: the engine is refused before anything starts."""
        raise NotImplementedError
