"""CoreSet over blocks: each keeps the distances of its rows to the picks, as far as they matter."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr._kernels.demand import at_most_1
from skxssr._kernels.distances import argmax_allowed, lower_to_point
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.base.selection import Selection
from skxssr.distributed._journal import Journal
from skxssr.distributed._prepare import Prepared
from skxssr.distributed._rounds import Answer, Block, Key, Rounds
from skxssr.selection._engine.farthest_first import FarthestFirst


class FarthestBlock(Block):
    """Farthest first within a block, by the engine of one machine.

    Parameters
    ----------
    weight : ndarray of shape (n,), or None
        Squared distances are compared times this.
    budget : int
        Picks and labelled rows to come, at the most; they get rows of their own behind the block's.
    """

    def __init__(
        self,
        X: np.ndarray,
        start: int,
        is_open: np.ndarray | None,
        groups: np.ndarray | None,
        weight: np.ndarray | None,
        budget: int,
    ) -> None:
        super().__init__(X, start, is_open, groups, weight, budget)
        n = len(X)
        self._all = np.concatenate([X, np.repeat(X[:1], budget, axis=0)])
        self._weight = np.ones(len(self._all))
        if weight is not None:
            self._weight[:n] = weight
        quota: Any = SimpleNamespace(allowed=np.zeros(len(self._all), dtype=bool))
        self._quota = quota  # all that the engine asks of a constraint
        view = self._all.view()
        view.flags.writeable = False
        self._far = FarthestFirst(view, self._weight, quota, budget, n_jobs=1)

    def nearest_to(self, center: np.ndarray, due: np.ndarray | None) -> Key:
        """Key of the allowed row nearest to a point; minus infinity if there is none."""
        distance = np.full(len(self.X), np.inf)
        lower_to_point(self.X, 0, len(self.X), center, distance)
        at = int(argmax_allowed(-distance, -distance, self.allowed(due)))
        if at < 0:
            return -np.inf, -np.inf, 0
        return float(-distance[at]), float(-distance[at]), -(self.start + at)

    def note(self, X: np.ndarray) -> None:
        places = len(self.X) + self.t + np.arange(len(X))
        self._all[places] = X
        if self.t == 0 and len(X):
            self._far.start(places)
            return
        for place in places:
            # rows were set aside while the best were sought: look at all of them again
            self._far.add(int(place), opened=True)

    def top(self, q: int, due: np.ndarray | None) -> Answer:
        n = len(self.X)
        allowed = self.allowed(due)
        self._quota.allowed[:n] = allowed
        found = np.empty(min(q + 1, int(allowed.sum())), dtype=np.int64)
        nearest = np.empty(len(found))
        for r in range(len(found)):
            found[r] = self._far.best()
            nearest[r] = self._far.nearest[found[r]]
            self._quota.allowed[found[r]] = False
        score = nearest * self._weight[found]
        rest = None
        if len(found) > q:
            rest = float(score[q]), float(nearest[q]), -(self.start + int(found[q]))
        found = found[:q]
        return Answer(
            rows=found + self.start,
            X=self.X[found],
            score=score[:q],
            tie=nearest[:q],
            extra={"weight": self._weight[found]},
            rest=rest,
        )


class FarthestCandidates:
    """The rows sent: their distances to the nearest pick."""

    def __init__(self, sent: Answer) -> None:
        self.rows, self.X = sent.rows, np.ascontiguousarray(sent.X)
        self._nearest, self._weight = sent.tie.copy(), sent.extra["weight"]

    def best(self, allowed: np.ndarray) -> tuple[int, Key]:
        score = self._nearest * self._weight
        at = int(argmax_allowed(score, self._nearest, allowed))
        return at, (float(score[at]), float(self._nearest[at]), -int(self.rows[at]))

    def add(self, position: int) -> None:
        lower_to_point(self.X, 0, len(self.X), self.X[position], self._nearest)


def _nearest_to(block: FarthestBlock, center: np.ndarray, due: np.ndarray | None) -> Key:
    return block.nearest_to(center, due)


def core_set(
    selector: Any, prepared: Prepared, request: Request, journal: Journal, verbose: int
) -> Selection:
    """The picks of `skxssr.CoreSetSelector`."""
    pool = prepared.target
    labeled = request.labeled.astype(np.int64)
    quota = GroupConstraint(pool.n, request)
    weight = None if (request.weight == 1.0).all() else at_most_1(request.weight) ** 2
    total = len(labeled) + request.budget
    own = pool.columns(request, weight)
    blocks = pool.cluster.persist(pool.each(FarthestBlock, total, own=own))
    known: list[int] = []
    if not len(labeled):
        known = journal.of("first", lambda: [_first(selector, prepared, quota, blocks)])
        quota.take(known[0])
    rounds = Rounds(
        pool,
        blocks,
        quota,
        np.array([*labeled, *known]),
        lambda sent, _: FarthestCandidates(sent),
        journal=journal,
        verbose=verbose,
    )
    picks = rounds.run(request.budget - len(known))
    distances = np.array([np.nan] * len(known) + [np.sqrt(pick.key[1]) for pick in picks])
    indices = np.array(known + [pick.row for pick in picks], dtype=np.int64)
    with np.errstate(over="ignore"):  # a distance may be infinite as float32
        scores = (distances * request.weight[indices]).astype(np.float32)
    return Selection(
        indices=indices,
        scores=scores,
        terms={"diversity": distances},
        scales={"exact": True, **rounds.notes()},
    )


def _first(selector: Any, prepared: Prepared, quota: GroupConstraint, blocks: list[Any]) -> int:
    """The first pick where nothing is labelled."""
    pool = prepared.target
    if selector.initialize == "random":
        allowed = np.flatnonzero(quota.allowed)
        return int(check_random_state(selector.random_state).choice(allowed))
    if selector.initialize == "medoid":
        due = quota.due if quota.grouped else None
        center = pool.mean()
        keys = pool.cluster.compute(
            [pool.cluster.delayed(_nearest_to, block, center, due) for block in blocks]
        )
        return -max(keys)[2]
    index = int(selector.initialize)
    if index >= pool.n or not quota.allowed[index]:
        raise ValueError(
            f"initialize={index} cannot be the first pick: the pool has {pool.n} rows and the "
            "first must be one that may be picked. Choose another index or 'medoid'."
        )
    return index
