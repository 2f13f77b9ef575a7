"""Partition, select, merge: the picks of one round, for selectors that cover demand.

Rows are shared out at random. Each block picks the whole budget by itself, greedily, against the
demand of all; the picks of all blocks are picked from in the same way. The better of that and of
the best block is returned: at least (1 - 1/e) / 2 of the best coverage, in expectation (Barbosa,
Ene, Nguyen, Ward: The Power of Randomization, ICML 2015; the scheme is GreeDi's, Mirzasoleiman et
al., NeurIPS 2013).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from skxssr.distributed._chains import ChainBlock, Judge
from skxssr.distributed._pool import Pool
from skxssr.distributed._regions import n_regions
from skxssr.distributed._rounds import Answer, Picked, gather

GUARANTEE = "at least (1 - 1/e) / 2 of the best coverage, in expectation"


def random_parts(pool: Pool, seed: int) -> np.ndarray:
    """A block for each row, drawn."""
    return np.random.default_rng(seed).integers(n_regions(pool), size=pool.n, dtype=np.int32)


def _alone(block: ChainBlock, budget: int) -> Answer:
    return block.top(budget, None)


def _value(chain: Answer) -> float:
    return float(chain.extra["value"].sum())


def merge(
    pool: Pool,
    blocks: list[Any],
    union: Callable[[np.ndarray, np.ndarray], ChainBlock],
    judge: Judge,
    budget: int,
) -> tuple[list[Picked], dict[str, Any]]:
    """Make all picks in one round.

    Parameters
    ----------
    pool : Pool
        In random parts.
    blocks : list of Delayed
        Persisted `ChainBlock` objects.
    union : callable
        Makes a block of rows of the pool and their values, here.
    judge : Judge
    budget : int

    Returns
    -------
    picks : list of Picked
    notes : dict
        What the record says.
    """
    cluster = pool.cluster
    chains = cluster.compute([cluster.delayed(_alone, block, budget) for block in blocks])
    sent, _ = gather(chains)
    whole = [chain for chain in chains if len(chain.rows) == budget]
    best = max(
        [union(sent.rows, np.ascontiguousarray(sent.X)).top(budget, None), *whole], key=_value
    )
    judge.load(best)
    picks = []
    for at in range(budget):
        key, extra = judge.key(at)
        picks.append(Picked(int(best.rows[at]), best.X[at], key, extra))
        judge.add(at)
    return picks, {
        "exact": False,
        "guarantee": GUARANTEE,
        "n_blocks": len(blocks),
        "n_rounds": 1,
        "n_bytes_of_rounds": sum(
            part.nbytes for of in chains for part in (*of[:4], *of.extra.values())
        ),
    }
