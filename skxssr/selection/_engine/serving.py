"""Greedy picks that lower the cost of serving the demand.

Shared by facility location, k-medoids and coverage by balls, which differ in the cost.
"""

from typing import NamedTuple

import numpy as np

from skxssr._kernels import medoids as kernels
from skxssr._utils.threads import over_blocks
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request

_ROWS_BLOCK = 64  # a gain costs m distances, so that few rows are already work for a thread


def serving_cost(
    X: np.ndarray, demand: np.ndarray, request: Request, *, sampled: bool, radius: float = -1.0
) -> kernels.Cost:
    """The cost of serving the rows `demand` of `X`, with weights of at most 1; see `Cost`.

    The unit is the whole demand: right for a cost of at most 1.
    """
    weight = request.weight[demand]
    weight = weight / (weight.max() or 1.0)
    own = np.full(len(X), -1, dtype=np.int64)
    if sampled:  # or the sample would favour its members
        own[demand] = np.arange(len(demand))
    return kernels.Cost(
        X=X,
        demand=np.ascontiguousarray(X[demand].T, dtype=np.float64),
        weight=weight,
        whole=float(weight.sum()),
        own=own,
        radius=radius,
        unit=float(weight.sum()) or 1.0,
    )


class LazyGains:
    """Gains of the candidates, refreshed only where a stale one could still win.

    Gains never rise as picks accumulate, so a stale score bounds the fresh one and every pick is
    that of a full scan. A row that a group constraint blocks just keeps its bound.

    Parameters
    ----------
    cost : Cost
    rows : ndarray of int
        Candidates.
    n_jobs : int or None
        Threads of `scan`.

    Attributes
    ----------
    gain : ndarray of shape (n,)
        Fresh at the row `best` returned last.
    score : ndarray of shape (n,), float32
        Likewise.
    n_evaluations : int
    """

    def __init__(
        self,
        cost: kernels.Cost,
        rows: np.ndarray,
        *,
        n_jobs: int | None,
    ) -> None:
        self.gain = np.zeros(len(cost.X))
        self.score = np.zeros(len(cost.X), dtype=np.float32)
        self.n_evaluations = 0
        self._cost, self._rows, self._n_jobs = cost, rows, n_jobs
        self._offset: float | None = None  # of the scores; None: there are none yet
        self._order = rows

    def scan(self, current: np.ndarray) -> None:
        """Compute every gain over the costs `current` (m,)."""
        over_blocks(
            lambda lo, hi: kernels.gains_of_rows(
                self._cost, self._rows, lo, hi, current, self.gain
            ),
            len(self._rows),
            n_jobs=self._n_jobs,
            size=_ROWS_BLOCK,
        )
        self._offset = None
        self.n_evaluations += len(self._rows)

    def set_gains(self, gain: np.ndarray, rows: np.ndarray | slice = slice(None)) -> None:
        """Take other gains of `rows`, never less than the fresh ones."""
        self.gain[rows] = gain
        self._offset = None

    def best(self, current: np.ndarray, allowed: np.ndarray, *, offset: float = 0.0) -> int:
        """The allowed row of the highest score, `offset` taken from gains; ties to the first."""
        how = (offset, self.gain)
        if self._offset != offset:
            kernels.scores_of_gains(self._cost, self._rows, *how, self.score)
            self._offset, self._order = offset, self._rows
        # nearly sorted already, but for the rows that were refreshed
        self._order = self._order[np.argsort(-self.score[self._order], kind="stable")]
        pick, n_fresh = kernels.best_gain(
            self._cost, self._order, allowed, current, *how, self.score
        )
        self.n_evaluations += n_fresh
        return int(pick)


class Built(NamedTuple):
    """Greedy picks, and by how much each lowered the weighted sum of costs."""

    indices: np.ndarray
    gains: np.ndarray
    n_evaluations: int


def build(
    cost: kernels.Cost,
    current: np.ndarray,
    request: Request,
    *,
    offset: float = 0.0,
    n_jobs: int | None,
) -> Built:
    """Pick greedily what lowers the cost most, from `current` (m,); exact.

    `offset` is taken from the gains when the first picks are compared: where the demand starts at a
    common bound, its cost drowns the differences in float32.
    """
    current = current.copy()
    served = np.empty(len(current))
    quota = GroupConstraint(len(cost.X), request)
    lazy = LazyGains(cost, request.candidates, n_jobs=n_jobs)
    lazy.scan(current)
    indices, gains = np.empty(request.budget, dtype=np.int64), np.empty(request.budget)
    for t in range(request.budget):
        pick = lazy.best(current, quota.allowed, offset=0.0 if t else offset)
        indices[t], gains[t] = pick, lazy.gain[pick]
        quota.take(pick)
        kernels.costs_of_row(cost, pick, served)
        np.minimum(current, served, out=current)
    return Built(indices, gains, lazy.n_evaluations)
