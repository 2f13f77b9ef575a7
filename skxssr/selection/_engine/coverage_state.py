"""Rows and demand as the kernels take them, and what is covered first."""

from typing import Any, NamedTuple

import numpy as np

from skxssr._kernels.blocks import nearest_blocks
from skxssr._kernels.cover import Cover, cover, lower_nearest, reach_of
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import (
    RAISE,
    RAISE_SUM,
    density_bounds,
    density_of_rows,
    exponent_of_bound,
)
from skxssr._torch import backend
from skxssr._utils.threads import over_blocks
from skxssr.base.request import Request

ROWS_BLOCK = 64  # a density costs m distances, so that few rows are already work for a thread
_MOST_ROWS = 256  # of a matrix product, which is faster the more there are


class InitialState(NamedTuple):
    """State before the first pick, shared by every alpha: what the labelled rows cover.

    Attributes
    ----------
    cover : Cover
    nearest : ndarray of shape (n,)
        Squared distance of the candidates to the nearest labelled row, or the square of the common
        bound.
    """

    cover: Cover
    nearest: np.ndarray


def empty_cover(demand: Demand, covered: np.ndarray) -> Cover:
    """A `Cover` of the demand that covers so much (m,), which it takes over."""
    reach = np.empty(len(covered), dtype=np.float32)
    state = Cover(covered, reach, np.empty(len(demand.radius32), dtype=np.float32))
    reach_of(demand, state)
    return state


def start_state(
    demand: Demand,
    request: Request,
    diameter: float,
    *,
    n_jobs: int | None,
    credit: np.ndarray | None = None,
) -> InitialState:
    """Cover by the labelled rows, on top of a `credit` (m,)."""
    state = empty_cover(demand, np.zeros(len(demand.rows)) if credit is None else credit.copy())
    nearest = np.full(len(demand.X), diameter**2)
    labeled, rows = request.labeled.astype(np.int64), request.candidates.astype(np.int32)
    if len(labeled):
        over_blocks(
            lambda lo, hi: cover(demand, labeled, lo, hi, state),
            len(demand.radius32),
            n_jobs=n_jobs,
            size=8,
        )
        labeled32 = np.ascontiguousarray(demand.X32[labeled].T)
        seen = np.zeros(len(demand.X), dtype=np.int32)
        over_blocks(
            lambda lo, hi: lower_nearest(demand, rows, lo, hi, labeled, labeled32, seen, nearest),
            len(rows),
            n_jobs=n_jobs,
            size=1024,
        )
    return InitialState(state, nearest)


class RunCoverage(NamedTuple):
    """What one run covers, exact and as its bounds take it.

    Attributes
    ----------
    exact : Cover
    weighted32 : ndarray of shape (m,), float32
        Times the weight of the demand, nowhere above.
    share : ndarray of shape (m,)
        A little less than that weight.
    """

    exact: Cover
    weighted32: np.ndarray
    share: np.ndarray

    def round_down(self) -> None:
        """Bring `weighted32` up to date."""
        np.multiply(self.exact.covered, self.share, out=self.weighted32, casting="same_kind")


def rounded_up(weight: np.ndarray) -> np.ndarray:
    """As float32, nowhere below, and no smaller than float32 holds in full unless 0."""
    up = (weight * (1.0 + 2e-7)).astype(np.float32)
    return np.where(weight > 0, np.maximum(up, np.finfo(np.float32).tiny), up)


def densities_on(device: str, demand: Demand, *, n_jobs: int | None) -> Any:
    """What computes the bounds of densities on a device."""
    bounds = backend("bounds", caller="XSSRSelector with engine='torch'")
    slope, offset = exponent_of_bound(demand)
    return bounds.Densities(
        demand, slope, offset, raised=RAISE, raised_sum=RAISE_SUM, device=device, n_jobs=n_jobs
    )


class CoverageBatch:
    """What each of several runs of one demand covers.

    Parameters
    ----------
    demand : Demand
        With the weights that these runs share.
    start : InitialState
    n_runs : int
    on_device : skxssr._torch.bounds.Densities, optional
        Computes the bounds; by default the kernels do.

    Attributes
    ----------
    runs : list of RunCoverage
    """

    def __init__(
        self,
        demand: Demand,
        start: InitialState,
        n_runs: int,
        *,
        n_jobs: int | None,
        on_device: Any = None,
    ) -> None:
        m = len(demand.rows)
        self._on_device = on_device
        self._demand, self._weight32 = demand, rounded_up(demand.weight)
        self._reach = np.repeat(start.cover.reach[None], n_runs, axis=0)
        self._farthest = np.repeat(start.cover.farthest[None], n_runs, axis=0)
        self._weighted32 = np.empty((n_runs, m), dtype=np.float32)
        share = demand.weight * (1.0 - 2e-7)
        self.runs = [
            RunCoverage(Cover(start.cover.covered.copy(), reach, farthest), weighted32, share)
            for reach, farthest, weighted32 in zip(
                self._reach, self._farthest, self._weighted32, strict=True
            )
        ]
        for covered in self.runs:
            covered.round_down()
        self._block = np.zeros(len(demand.X), dtype=np.int32)
        if m and on_device is None:
            over_blocks(
                lambda lo, hi: nearest_blocks(demand, lo, hi, self._block),
                len(demand.X),
                n_jobs=n_jobs,
            )

    def in_order(self, rows: np.ndarray) -> np.ndarray:
        """`rows`, those near the same demand after each other: what `bounds` is fast with."""
        return rows[np.argsort(self._block[rows], kind="stable")]

    def bounds(self, rows: np.ndarray, states: list[int], *, n_jobs: int | None) -> np.ndarray:
        """Upper bounds of shape (n_states, n_rows) of the densities of `rows` in some of the runs.

        The kernel is computed once for all of them.
        """
        if self._on_device is not None:
            return self._on_device.bounds(rows, self._weight32, self._weighted32[states])
        out, of = np.empty((len(states), len(rows))), np.array(states)
        over_blocks(
            lambda lo, hi: density_bounds(
                *(self._demand, rows, lo, hi),
                *(of, self._weighted32, self._reach, self._farthest, self._weight32, out),
            ),
            len(rows),
            n_jobs=n_jobs,
            size=min(max(len(rows) // 8, ROWS_BLOCK), _MOST_ROWS),
        )
        return out


def largest_density(
    demand: Demand, rows: np.ndarray, bound: np.ndarray, start: InitialState, *, n_jobs: int | None
) -> float:
    """The largest exact density of `rows`, of which `bound` holds upper bounds."""
    exact = np.zeros(len(demand.X))
    order = rows[np.argsort(-bound, kind="stable")]
    sorted_bound = np.sort(bound)[::-1]
    largest, lo, size = 0.0, 0, 8
    while lo < len(order) and sorted_bound[lo] > largest:
        block = order[lo : lo + size]
        over_blocks(
            lambda a, b, block=block: density_of_rows(  # type: ignore[misc]
                demand, block, a, b, start.cover.covered, exact
            ),
            len(block),
            n_jobs=n_jobs,
            size=ROWS_BLOCK,
        )
        largest = max(largest, float(exact[block].max()))
        lo, size = lo + size, min(2 * size, 4096)
    return largest
