"""Greedy k-center whose bounds are computed on a device.

Every pick is looked at from all rows, by torch and with a margin; the rows that could be farthest
are few, and compared exactly.
"""

import time
from typing import Any

import numpy as np

from skxssr._kernels.distances import argmax_allowed
from skxssr._torch import backend
from skxssr.base.group_constraint import GroupConstraint
from skxssr.selection._engine.farthest_first import FarthestFirst


class FarthestOnDevice(FarthestFirst):
    """The same picks as `FarthestFirst`; bounds of all rows are kept on `device`."""

    _distances: Any

    def __init__(
        self,
        X: np.ndarray,
        weight: np.ndarray,
        quota: GroupConstraint,
        budget: int,
        *,
        n_jobs: int | None,
        device: str,
    ) -> None:
        super().__init__(X, weight, quota, budget, n_jobs=n_jobs)
        self._device = device
        self._backend = backend("bounds", caller="CoreSetSelector with engine='torch'")

    def start(self, points: np.ndarray) -> None:
        """Look at the first picks, rows of X, from everywhere."""
        self._first_look(points)
        self._distances = self._backend.Distances(
            lambda lo, hi: self._moved(np.arange(lo, hi))[0],
            self._in_unit(self.nearest),
            self._X.shape[1],
            self._weight,
            device=self._device,
            n_jobs=self._n_jobs,
        )
        self._distances.allow(self._quota.allowed)
        if len(points) > 1:
            self._distances.lower_to_all(points[1:])
            self.n_evaluations += len(self._X) * (len(points) - 1)

    def add(self, pick: int, *, opened: bool) -> None:
        """Look at a further pick; `opened`: rows that were blocked are allowed now."""
        start = time.perf_counter()
        self._note(pick)
        if opened or self._quota.grouped:
            self._distances.allow(self._quota.allowed)
        else:
            self._distances.forbid(pick)
        self._distances.lower_to(pick)
        self.n_evaluations += len(self._X)
        self.seconds += time.perf_counter() - start

    def best(self) -> int:
        """The allowed row farthest from the picks; ties to the lowest index."""
        rows = self._distances.leaders()
        self._look_again(rows)
        nearest = self.nearest[rows]
        self._distances.know(rows, self._in_unit(nearest))
        at = argmax_allowed(nearest * self._weight[rows], nearest, np.ones(len(rows), dtype=bool))
        return int(rows[at])

    def _in_unit(self, squared: np.ndarray) -> np.ndarray:
        """Squared distances in the unit of the moved rows; as lengths, whose scale is safe."""
        return (np.sqrt(squared) * self._scale) ** 2
