"""XSSR and TypiClust over blocks."""

from typing import Any

import numpy as np

from skxssr.base.request import Request
from skxssr.base.selection import Selection
from skxssr.distributed._clusters import clusters_of, typicality_of
from skxssr.distributed._demand import precision_and_starts, scales_here
from skxssr.distributed._journal import Journal
from skxssr.distributed._pool import Pool
from skxssr.distributed._prepare import Prepared, Source
from skxssr.distributed._residual import ResidualScore
from skxssr.selection._engine.cluster_score import (
    N_INIT,
    N_NEIGHBORS,
    ClusterScore,
    cluster_scale,
)
from skxssr.selection._engine.scales import Scales, novelty, source_sample
from skxssr.selection.score import SCORES, ScoreSpec
from skxssr.selection.xssr import select_xssr


def _novelty(
    block: np.ndarray, sample: np.ndarray, k: int, diameter: float, search: dict[str, Any]
) -> np.ndarray:
    return novelty(block, sample, k, diameter=diameter, **search)[0]


class OnCluster:
    """What `skxssr.selection._engine.in_memory.InMemory` is, of rows on the cluster."""

    def __init__(self, prepared: Prepared, journal: Journal, verbose: int) -> None:
        self._pool: Pool = prepared.target
        self._source: Source | None = prepared.source
        self._journal, self._verbose = journal, verbose
        self.n, self.n_source = self._pool.n, 0 if self._source is None else self._source.n

    def scales(self, request: Request, *, seed: int, **parameters: Any) -> Scales:
        scales, self._demand = scales_here(self._pool, request, seed, **parameters)
        return scales

    def novelty(
        self, k: int, diameter: float, search: dict[str, Any], *, everywhere: bool
    ) -> tuple[np.ndarray, dict[str, Any]]:
        assert self._source is not None
        sample = self._source.rows(source_sample(self._source.n, search["seed"]))
        self._how = (sample, k, diameter, search)
        self._far: np.ndarray | None = None
        _, notes = novelty(self._demand.points[:1], sample, k, diameter=diameter, **search)
        if not everywhere:
            return np.ones(self.n), notes
        self._far = self._pool.column(_novelty, *self._how)
        return self._far, notes

    def novelty_of(self, picks: np.ndarray) -> np.ndarray:
        if self._far is not None:
            return self._far[picks]
        return _novelty(self._pool.rows(picks), *self._how)

    def objective(
        self,
        selector: Any,
        form: ScoreSpec,
        far: np.ndarray,
        request: Request,
        scales: Scales,
        search: dict[str, Any],
    ) -> ClusterScore | ResidualScore:
        if form.residual:
            residual = ResidualScore(
                self._pool,
                self._demand,
                None if self._source is None else self._how[0],
                far,
                request,
                form,
                scales,
                search["seed"],
                self._journal,
                self._verbose,
            )
            self._pool = residual.regions
            return residual
        wanted, min_size = cluster_scale(request, self.n, diversity="diversity" in form.terms)
        clusters = clusters_of(
            self._pool,
            wanted,
            request,
            self._journal,
            n_init=N_INIT,
            random_state=selector.random_state,
        )
        typical, exact = None, True
        if "density" in form.terms:
            k = selector.n_neighbors or N_NEIGHBORS
            typical, exact = typicality_of(self._pool, clusters, k)
        how = precision_and_starts(scales)
        return ClusterScore(
            clusters,
            typical,
            far if self._source is not None and "novelty" in form.terms else None,
            request,
            diameter=scales.diameter,
            min_size=min_size,
            exact=exact,
            coverage=lambda picks, weight, kind: self._demand.coverage(picks, weight, kind, **how),
        )


def check_xssr(selector: Any) -> None:
    """Refuse what has no form for Dask arrays, before anything starts."""
    score = selector.scoring
    form = score if isinstance(score, ScoreSpec) else SCORES[score]
    if form.diversity != "clusters" and not form.residual:
        raise ValueError(
            f"scoring={score!r} has no form for Dask arrays: pass scoring='xssr' or 'residual', or "
            "an array in memory, X.compute()."
        )
    if selector.algorithm == "pynndescent":
        raise ValueError(
            "algorithm='pynndescent' searches all rows at once: pass algorithm='auto' or 'exact' "
            "for a Dask array."
        )


def xssr(
    selector: Any, prepared: Prepared, request: Request, journal: Journal, verbose: int
) -> Selection:
    """The picks of `skxssr.XSSRSelector`."""
    record = select_xssr(selector, OnCluster(prepared, journal, verbose), request, verbose=verbose)
    if "n_rounds" in record.scales:  # the workers do not count
        record.scales.pop("n_density_evaluations")
    return record


def typi_clust(
    selector: Any, prepared: Prepared, request: Request, journal: Journal, verbose: int
) -> Selection:
    """The picks of `skxssr.TypiClustSelector`."""
    pool = prepared.target
    clusters = clusters_of(
        pool,
        selector._n_clusters(request),
        request,
        journal,
        n_init=selector.n_init,
        random_state=selector.random_state,
    )
    typicality, exact = typicality_of(pool, clusters, selector.n_neighbors)
    return selector._pick(clusters, typicality, exact, request)
