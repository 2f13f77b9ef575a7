"""The demand set, which is small enough to be here: scales of it, and coverage by picks."""

from typing import Any

import numpy as np

from skxssr._kernels.demand import make_demand
from skxssr.base.request import Request
from skxssr.distributed._pool import Pool
from skxssr.metrics.coverage import coverage_curve, precision_of
from skxssr.selection._engine.scales import Scales, demand_rows, scales_of_demand


class DemandHere:
    """Rows of the demand set, and of the labelled rows.

    Parameters
    ----------
    pool : Pool
    request : Request
    rows : ndarray of shape (m,), int
        Rows of the pool.

    Attributes
    ----------
    pool : Pool
        Where picks come from.
    points : ndarray of shape (m, p)
        Values of the `rows`.
    labeled : ndarray of shape (n_labeled, p)
    """

    def __init__(self, pool: Pool, request: Request, rows: np.ndarray) -> None:
        self.pool = pool
        self.rows, self.points = rows, pool.rows(rows)
        self.labeled = pool.rows(request.labeled.astype(np.int64))

    def in_order(self, rows: np.ndarray) -> None:
        """Take the same `rows` of the pool in another order."""
        ascending = np.argsort(self.rows)
        self.points = self.points[ascending[np.searchsorted(self.rows[ascending], rows)]]
        self.rows = rows

    def coverage(
        self,
        picks: np.ndarray,
        weight: np.ndarray,
        kind: str,
        *,
        precision: float,
        diameter: float,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `skxssr.metrics.coverage.coverage_curve`; `picks` are rows of the pool."""
        m, n_labeled = len(self.rows), len(self.labeled)
        X = np.concatenate([self.points, self.labeled, self.pool.rows(picks)])
        own = np.concatenate([weight[self.rows], np.zeros(len(X) - m)])
        demand = make_demand(
            X,
            np.arange(m),
            own[:m],
            sampled=False,
            precision=precision,
            diameter=diameter,
            starts=starts,
        )
        places = m + np.arange(n_labeled + len(picks))
        return coverage_curve(demand, places[:n_labeled], places[n_labeled:], own, kind=kind)


def scales_here(
    pool: Pool, request: Request, seed: int, **parameters: Any
) -> tuple[Scales, DemandHere]:
    """The scales of `fix_scales`, and the demand set in their order."""
    rows, notes = demand_rows(pool.n, request, seed)
    demand = DemandHere(pool, request, rows)
    scales = scales_of_demand(
        demand.points,
        rows,
        notes,
        len(request.labeled) + request.budget,
        pool.diameter(),
        seed=seed,
        **parameters,
    )
    demand.in_order(scales.demand)
    return scales, demand


def precision_and_starts(scales: Scales) -> dict[str, Any]:
    """What `DemandHere.coverage` wants to know of scales."""
    return {
        "precision": precision_of(scales.bandwidth),
        "diameter": scales.diameter,
        "starts": scales.blocks,
    }
