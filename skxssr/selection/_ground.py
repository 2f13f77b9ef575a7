"""Rows and demand as the kernels take them, and what is covered first. Imports `_kernels`."""

from dataclasses import dataclass

import numpy as np

from skxssr._kernels.cover import cover, lower_nearest, reach_of
from skxssr._kernels.demand import Demand
from skxssr._kernels.density import density_bounds, density_of_rows
from skxssr._quota import Request
from skxssr._threads import over_blocks

ROWS_BLOCK = 64  # a density costs m distances, so that few rows are already work for a thread


@dataclass
class Start:
    """State before the first pick, shared by every alpha: what the labelled rows cover.

    Attributes
    ----------
    covered : ndarray of shape (m,)
    reach : ndarray of shape (m,), float32
        Of `covered`, see `reach_of`.
    nearest : ndarray of shape (n,)
        Squared distance of the candidates to the nearest labelled row, or the square of the common
        bound.
    """

    covered: np.ndarray
    reach: np.ndarray
    nearest: np.ndarray


def start_state(
    demand: Demand,
    request: Request,
    diameter: float,
    *,
    n_jobs: int | None,
    credit: np.ndarray | None = None,
) -> Start:
    """Cover by the labelled rows, on top of a `credit` (m,)."""
    m = len(demand.rows)
    covered = np.zeros(m) if credit is None else credit.copy()
    reach = np.empty(m, dtype=np.float32)
    reach_of(demand, covered, 0, m, reach)
    nearest = np.full(len(demand.X), diameter**2)
    labeled, rows = request.labeled.astype(np.int64), request.candidates.astype(np.int32)
    if len(labeled):
        over_blocks(
            lambda lo, hi: cover(demand, labeled, lo, hi, covered, reach),
            m,
            n_jobs=n_jobs,
            size=1024,
        )
        labeled32 = np.ascontiguousarray(demand.X32[labeled].T)
        seen = np.zeros(len(demand.X), dtype=np.int32)
        over_blocks(
            lambda lo, hi: lower_nearest(demand, rows, lo, hi, labeled, labeled32, seen, nearest),
            len(rows),
            n_jobs=n_jobs,
            size=1024,
        )
    return Start(covered, reach, nearest)


def rounded_down(covered: np.ndarray) -> np.ndarray:
    """As float32, nowhere above."""
    return (covered * (1.0 - 2e-7)).astype(np.float32)


def rounded_up(weight: np.ndarray) -> np.ndarray:
    """As float32, nowhere below."""
    return (weight * (1.0 + 2e-7)).astype(np.float32)


def bounds_of(
    demand: Demand,
    rows: np.ndarray,
    covered: np.ndarray,
    weight: np.ndarray,
    reach: np.ndarray,
    *,
    n_jobs: int | None,
) -> np.ndarray:
    """Upper bounds of shape (n_states, n_rows) of the densities of `rows`.

    Parameters
    ----------
    covered, weight : ndarray of shape (n_states, m), float32
        `rounded_down` and `rounded_up`.
    reach : ndarray of shape (m,)
        The largest of those of the states.
    """
    out = np.empty((len(covered), len(rows)))
    over_blocks(
        lambda lo, hi: density_bounds(demand, rows, lo, hi, covered, reach, weight, out),
        len(rows),
        n_jobs=n_jobs,
        size=ROWS_BLOCK,
    )
    return out


def largest_density(
    demand: Demand, rows: np.ndarray, bound: np.ndarray, start: Start, *, n_jobs: int | None
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
                demand, block, a, b, start.covered, exact
            ),
            len(block),
            n_jobs=n_jobs,
            size=ROWS_BLOCK,
        )
        largest = max(largest, float(exact[block].max()))
        lo, size = lo + size, min(2 * size, 4096)
    return largest
