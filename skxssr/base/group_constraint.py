"""Which rows may be picked next: candidates, groups and their caps."""

import numpy as np

from skxssr.base.request import Request


class GroupConstraint:
    """The rows allowed at each pick, so that every group is visited once before any is twice.

    A labelled row is a visit of its group, so that a selection continued from its own first picks
    goes on as if it had never stopped. A group with nothing left to pick holds no round up.

    Attributes
    ----------
    allowed : ndarray of shape (n,), bool
        Kept up to date by `take`.
    grouped : bool
        Whether a pick changes more than its own row.
    due : ndarray of shape (n_groups,), bool
        Groups whose turn it is, if there are groups.
    """

    def __init__(self, n: int, request: Request) -> None:
        self.allowed = np.zeros(n, dtype=bool)
        self._groups, self.grouped = request.groups, request.groups is not None
        self._open = np.zeros(n, dtype=bool)
        self._open[request.candidates] = True
        if request.groups is None:
            self.allowed[:] = self._open
            return
        n_groups = int(request.groups.max()) + 1
        self._visits = np.bincount(request.groups[request.labeled], minlength=n_groups)
        self._left = np.bincount(request.groups[request.candidates], minlength=n_groups)
        if request.max_per_group is not None:
            self._left = np.minimum(self._left, np.maximum(request.max_per_group - self._visits, 0))
        # the rows of a group are a slice of the rows in the order of groups
        self._in_order = np.argsort(request.groups, kind="stable")
        sizes = np.bincount(request.groups, minlength=n_groups)
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._next_round()

    def _next_round(self) -> None:
        alive = self._left > 0
        if not alive.any():
            self.allowed[:] = False
            self.due = alive
            return
        due = alive & (self._visits == self._visits[alive].min())
        self.allowed[:] = self._open & due[self._groups]
        self.due = due
        self._waiting = int(due.sum())

    def take(self, row: int) -> bool:
        """Record a pick; returns whether rows that were blocked have become allowed."""
        self.allowed[row] = self._open[row] = False
        if self._groups is None:
            return False
        group = self._groups[row]
        self._visits[group] += 1
        self._left[group] -= 1
        self.due[group] = False
        self.allowed[self._in_order[self._starts[group] : self._starts[group + 1]]] = False
        self._waiting -= 1
        if self._waiting:
            return False
        self._next_round()
        return True
