"""Greedy selection in rounds: blocks send their best rows, several picks are made of them here.

A row's score never rises as picks accumulate. So the best of the rows sent is the next pick as
long as it beats the best row that any block kept back, whatever the picks made meanwhile: one round
gives many picks, and they are those of one machine.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from skxssr._utils.progress import progress_bar
from skxssr.base.group_constraint import GroupConstraint
from skxssr.distributed._journal import Journal
from skxssr.distributed._pool import Pool

_MOST_SENT = 2048  # rows of all blocks together in a round, but at least ...
_LEAST_SENT = 8  # ... so many of each block

Key = tuple[float, float, int]  # score, tie, minus the row: the larger wins


class Answer(NamedTuple):
    """The best rows of a block after the picks it knows, the best first.

    Attributes
    ----------
    rows : ndarray of shape (q,), int
        Row of the pool of each.
    X : ndarray of shape (q, p)
    score, tie : ndarray of shape (q,)
        Exact; `tie` decides between equal scores.
    extra : dict of str to ndarray of shape (q,)
        What else is known of them.
    rest : Key or None
        Of the best row that is not among them; None: they are all.
    """

    rows: np.ndarray
    X: np.ndarray
    score: np.ndarray
    tie: np.ndarray
    extra: dict[str, np.ndarray]
    rest: Key | None


class Block:
    """Rows of one block with what is known of them, kept by a worker: a subclass scores them.

    It may be asked twice, or rebuilt from scratch on another worker: it counts the picks it knows
    (`t`), and what it answers depends on the picks alone. A copy, for another worker, starts anew.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    start : int
        Row of the pool that its first row is.
    is_open : ndarray of shape (n,), bool, or None
        Which may be picked; None: all.
    groups : ndarray of shape (n,), int, or None
    *others : object
        What a subclass needs.
    """

    def __init__(
        self,
        X: np.ndarray,
        start: int,
        is_open: np.ndarray | None,
        groups: np.ndarray | None,
        *others: Any,
    ) -> None:
        self._made_of = (X, start, is_open, groups, *others)
        self.X, self.start, self.t = X, start, 0
        self._open = np.ones(len(X), dtype=bool) if is_open is None else is_open.copy()
        self._groups = groups

    def __reduce__(self) -> tuple:
        return type(self), self._made_of

    def __sizeof__(self) -> int:
        return 2 * self.X.nbytes + 40 * len(self.X)  # Dask weighs a move by it

    def allowed(self, due: np.ndarray | None) -> np.ndarray:
        """Which rows may be picked now, where the groups `due` have their turn."""
        return self._open.copy() if due is None else self._open & due[self._groups]

    def add(self, rows: np.ndarray, X: np.ndarray) -> None:
        """Take note of further picks: rows of the pool and their values."""
        own = rows - self.start
        own = own[(own >= 0) & (own < len(self.X))]
        self._open[own] = False
        self.note(X)
        self.t += len(rows)

    def note(self, X: np.ndarray) -> None:
        """Let the picks `X` (k, p) count."""
        raise NotImplementedError

    def top(self, q: int, due: np.ndarray | None) -> Answer:
        """The `q` best rows of those allowed."""
        raise NotImplementedError


def play(
    block: Block, known: int, rows: np.ndarray, X: np.ndarray, due: np.ndarray | None, q: int
) -> Answer | int:
    """One round of a block: further picks in, its best rows out.

    `known` is how many picks it should know; where it knows fewer, since it was rebuilt, it returns
    how many that is, and is asked again with all that it lacks.
    """
    if block.t < known:
        return block.t
    lacking = block.t - known
    block.add(rows[lacking:], X[lacking:])
    return block.top(q, due)


class Candidates(Protocol):
    """The rows that blocks sent, kept up to date here."""

    rows: np.ndarray
    X: np.ndarray

    def best(self, allowed: np.ndarray) -> tuple[int, Key]:
        """Position of the best of those allowed, and its key; -1: none."""

    def add(self, position: int) -> None:
        """Let a row of them count as picked."""


class Picked(NamedTuple):
    """A pick and what it won with."""

    row: int
    X: np.ndarray
    key: Key
    extra: dict[str, float]


def gather(answers: list[Answer]) -> tuple[Answer, Key | None]:
    """All rows sent, ascending, and the best key of those kept back."""
    rows = np.concatenate([answer.rows for answer in answers])
    order = np.argsort(rows)

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(answer, name) for answer in answers])[order]

    extra = {
        name: np.concatenate([answer.extra[name] for answer in answers])[order]
        for name in answers[0].extra
    }
    kept = [answer.rest for answer in answers if answer.rest is not None]
    sent = Answer(rows[order], column("X"), column("score"), column("tie"), extra, None)
    return sent, max(kept, default=None)


class Rounds:
    """A greedy selection over blocks.

    Parameters
    ----------
    pool : Pool
    blocks : list of Delayed
        Persisted `Block` objects.
    quota : GroupConstraint
    first : ndarray of int
        Rows that count from the beginning.
    make : callable
        Makes `Candidates` of what was sent and of the values of all picks, `first` among them.
    journal : Journal
    name : str
        Of the run, in the journal.
    verbose : int
    """

    def __init__(
        self,
        pool: Pool,
        blocks: list[Any],
        quota: GroupConstraint,
        first: np.ndarray,
        make: Callable[[Answer, np.ndarray], Candidates],
        *,
        journal: Journal,
        name: str = "picks",
        verbose: int = 0,
    ) -> None:
        self._pool, self._cluster, self._blocks, self._quota = pool, pool.cluster, blocks, quota
        self._make, self._verbose = make, verbose
        self._journal, self._name = journal, name
        self._rows, self._X = first.astype(np.int64), pool.rows(first)
        self._told = 0
        self.n_rounds, self.n_bytes, self.n_rebuilt, self.n_resumed = 0, 0, 0, 0

    def run(self, budget: int, *, alone: bool = False) -> list[Picked]:
        """Make so many picks; `alone`: the first of them is not compared as the others are."""
        picks = self._resume()
        with progress_bar(budget, "picks", verbose=self._verbose, unit="pick") as bar:
            bar.update(len(picks))
            while len(picks) < budget:
                found = self._round(budget - len(picks), alone and not picks)
                picks += found
                bar.update(len(found))
                self._journal.add(
                    self._name, [[pick.row, *pick.key[:2], pick.extra] for pick in found]
                )
        return picks

    def _resume(self) -> list[Picked]:
        """The picks that the journal holds already."""
        recorded = self._journal.picks(self._name)
        if not recorded:
            return []
        rows = np.array([row for row, *_ in recorded], dtype=np.int64)
        X = self._pool.rows(rows)
        self._rows, self._X = np.append(self._rows, rows), np.vstack([self._X, X])
        for row in rows:
            self._quota.take(int(row))
        self.n_resumed = len(recorded)
        return [
            Picked(row, X[t], (score, tie, -row), extra)
            for t, (row, score, tie, extra) in enumerate(recorded)
        ]

    def _round(self, wanted: int, alone: bool) -> list[Picked]:
        most = max(_LEAST_SENT, _MOST_SENT // len(self._blocks))
        sent, rest = gather(self._ask(1 if alone else min(most, wanted)))
        candidates = self._make(sent, self._X)
        found: list[Picked] = []
        while len(found) < wanted:
            at, key = candidates.best(self._quota.allowed[sent.rows])
            # of the first nothing was kept back: each block sent its best
            if at < 0 or (found and rest is not None and key <= rest):
                break
            extra = {name: float(values[at]) for name, values in sent.extra.items()}
            found.append(Picked(int(sent.rows[at]), sent.X[at], key, extra))
            opened = self._quota.take(int(sent.rows[at]))
            candidates.add(at)
            if opened or alone:  # rows that nobody has looked at may be picked now
                break
        self._rows = np.append(self._rows, [pick.row for pick in found])
        self._X = np.vstack([self._X, [pick.X for pick in found]]).astype(self._X.dtype)
        return found

    def _ask(self, q: int) -> list[Answer]:
        due = self._quota.due if self._quota.grouped else None
        answers = self._send(range(len(self._blocks)), [self._told] * len(self._blocks), due, q)
        while behind := [b for b, answer in enumerate(answers) if isinstance(answer, int)]:
            self.n_rebuilt += len(behind)
            again = self._send(behind, [answers[b] for b in behind], due, q)
            for b, answer in zip(behind, again, strict=True):
                answers[b] = answer
        self._told = len(self._rows)
        self.n_rounds += 1
        return answers

    def _send(self, at: Any, known: list[int], due: np.ndarray | None, q: int) -> list[Any]:
        tasks = []
        for b, t in zip(at, known, strict=True):
            rows, X = self._rows[t:], self._X[t:]
            tasks.append(self._cluster.delayed(play, self._blocks[b], t, rows, X, due, q))
            self.n_bytes += rows.nbytes + X.nbytes + (0 if due is None else due.nbytes)
        answers = self._cluster.compute(tasks)
        for answer in answers:
            if isinstance(answer, Answer):
                self.n_bytes += sum(part.nbytes for part in (*answer[:4], *answer.extra.values()))
        return answers

    def notes(self) -> dict[str, Any]:
        """What the record says of the rounds."""
        return {
            "n_blocks": len(self._blocks),
            "n_rounds": self.n_rounds,
            "n_bytes_of_rounds": self.n_bytes,
            "n_blocks_rebuilt": self.n_rebuilt,
            "n_picks_resumed": self.n_resumed,
        }
