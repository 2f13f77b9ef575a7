"""Greedy selection in rounds where each block is a region and picks by itself for a while.

A block sends a chain: its best row, its best row if that one is picked, and so on. The next pick
of all is the head of a chain whose score is the highest, as long as picks of other blocks did not
lower it: as scores never rise, no other row can then have a higher one. Where they did lower it,
the round ends, and blocks make new chains. So the picks are those of one machine.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from skxssr._utils.threads import limit_threads
from skxssr.distributed._rounds import Answer, Block, Key, Picked, Rounds, gather

MOST_HEADS = 4096  # of all chains together
_MORE: Key = (np.inf, np.inf, 0)  # a chain goes on behind what was sent


class Head(NamedTuple):
    """One row of a chain: its place in the block, and what it would win with.

    "value" in `extra` is what it adds to what is covered, not rounded.
    """

    place: int
    score: float
    tie: float
    extra: dict[str, float]


class ChainBlock(Block):
    """A region. A subclass makes steps and takes them back.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    rows : ndarray of shape (n,), int
        Rows of the pool, ascending.
    is_open : ndarray of shape (n,), bool, or None
        Which may be picked; None: all.
    groups : ndarray of shape (n,), int, or None
    *others : object
        What a subclass needs.
    """

    names: tuple[str, ...] = ("value",)  # in `Head.extra`

    def __init__(
        self,
        X: np.ndarray,
        rows: np.ndarray,
        is_open: np.ndarray | None,
        groups: np.ndarray | None,
        *others: Any,
    ) -> None:
        super().__init__(X, 0, is_open, groups, *others)
        self._made_of = (X, rows, is_open, groups, *others)
        self.rows = rows
        self.n_steps = 0  # of the chain that is being made
        self._chain: list[int] = []
        self._learned: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, rows: np.ndarray, X: np.ndarray) -> None:
        if not len(rows):
            return
        own = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        is_own = self.rows[own] == rows
        self._open[own[is_own]] = False
        with limit_threads(1):
            for place, x in zip(np.where(is_own, own, -1), X, strict=True):
                self.count(int(place), x)
                self.t += 1
        # what a step of the chain found out holds once those before it are picked
        picked = set(rows.tolist())
        for row, learned in zip(self._chain, self._learned[1:], strict=False):
            if row not in picked:
                break
            self.lower(*learned)
        self._chain, self._learned = [], []

    def top(self, q: int, due: np.ndarray | None) -> Answer:
        """The first `q` rows of the chain."""
        with limit_threads(1):
            return self._top(q, due)

    def _top(self, q: int, due: np.ndarray | None) -> Answer:
        due = None if due is None else due.copy()
        heads: list[Head] = []
        allowed = self.allowed(due)
        self._chain, self._learned = [], []
        saved = self.save()
        while len(heads) < q and allowed.any():
            before = self.bounds().copy()
            head = self.step(allowed)
            changed = np.flatnonzero(self.bounds() != before)
            self._learned.append((changed, self.bounds()[changed]))
            heads.append(head)
            self.n_steps = len(heads)
            allowed[head.place] = False
            if due is not None:
                due[self._groups[head.place]] = False  # type: ignore[index]
                allowed &= due[self._groups]
        self.restore(saved)
        self.n_steps = 0
        if self._learned:
            self.lower(*self._learned[0])
        places = np.array([head.place for head in heads], dtype=np.int64)
        self._chain = self.rows[places].tolist()
        return Answer(
            rows=self.rows[places],
            X=self.X[places],
            score=np.array([head.score for head in heads]),
            tie=np.array([head.tie for head in heads]),
            extra={name: np.array([head.extra[name] for head in heads]) for name in self.names},
            rest=_MORE if allowed.any() else None,
        )

    def count(self, place: int, x: np.ndarray) -> None:
        """Let a row count as picked: of this block, or -1, and its values."""
        raise NotImplementedError

    def step(self, allowed: np.ndarray) -> Head:
        """Pick the best of the rows allowed, of which there is one."""
        raise NotImplementedError

    def bounds(self) -> np.ndarray:
        """Of each row, a bound that `step` makes sharper."""
        raise NotImplementedError

    def lower(self, places: np.ndarray, bounds: np.ndarray) -> None:
        """Take bounds that hold after the picks made."""
        raise NotImplementedError

    def save(self) -> Any:
        """What `restore` needs to take steps back."""
        raise NotImplementedError

    def restore(self, saved: Any) -> None:
        """Take the steps since `save` back."""
        raise NotImplementedError


class Judge(Protocol):
    """Scores the heads of chains against all picks, here."""

    def load(self, sent: Answer) -> None:
        """Take the heads of a round."""

    def key(self, at: int) -> tuple[Key, dict[str, float]]:
        """Exact key of a head after all picks, and what else is known of it."""

    def add(self, at: int) -> None:
        """Let a head count as picked."""

    def note(self, X: np.ndarray) -> None:
        """Let rows count as picked that were picked in an earlier run."""


class ChainRounds(Rounds):
    """Rounds of chains; see `Rounds` for its parameters, of which `make` is a `Judge` here."""

    def __init__(
        self, pool: Any, blocks: list[Any], quota: Any, judge: Judge, **others: Any
    ) -> None:
        none = np.empty(0, dtype=np.int64)
        super().__init__(pool, blocks, quota, none, lambda *_: None, **others)  # type: ignore[arg-type]
        self._judge = judge
        self._length = 2

    def _resume(self) -> list[Picked]:
        picks = super()._resume()
        if picks:
            self._judge.note(self._X)
        return picks

    def _round(self, wanted: int, alone: bool) -> list[Picked]:
        most = max(2, MOST_HEADS // len(self._blocks))
        answers = self._ask(1 if alone else min(self._length, most, wanted))
        sent, at_of = self._load(answers)
        pointer = [0] * len(answers)
        found: list[Picked] = []
        ran_out = False
        while len(found) < wanted:
            heads = []
            for b, (answer, t) in enumerate(zip(answers, pointer, strict=True)):
                if t < len(answer.rows):
                    key = float(answer.score[t]), float(answer.tie[t]), -int(answer.rows[t])
                    heads.append((key, b))
                elif answer.rest is not None:  # the chain goes on, and nobody knows how
                    heads.append((_MORE, b))
            key, b = max(heads, default=(_MORE, -1))
            if key == _MORE:
                ran_out = b >= 0
                break
            at = at_of[b][pointer[b]]
            now, extra = self._judge.key(at)
            if now != key or not self._quota.allowed[sent.rows[at]]:
                break
            found.append(Picked(int(sent.rows[at]), sent.X[at], key, extra))
            pointer[b] += 1
            self._judge.add(at)
            if self._quota.take(int(sent.rows[at])) or alone:
                break
        # twice as long where a chain did not last; else as long as one did, and a row to compare
        self._length = 2 * self._length if ran_out else max(2, 1 + max(pointer))
        self._rows = np.append(self._rows, [pick.row for pick in found])
        self._X = np.vstack([self._X, [pick.X for pick in found]]).astype(self._X.dtype)
        return found

    def _load(self, answers: list[Answer]) -> tuple[Answer, list[np.ndarray]]:
        sent, _ = gather(answers)
        self._judge.load(sent)
        return sent, [np.searchsorted(sent.rows, answer.rows) for answer in answers]
