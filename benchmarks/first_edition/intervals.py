"""How often do intervals of P(beats random) hold the truth? A simulation; needs no data.

Selectors that do not differ from random draws, so that the truth is a half: every pool has its own
draws and seeds, in as many pools as the cells of the study have. Printed: how many intervals of 95%
hold it, with the quantile of the normal distribution and with Student's, which `summarize` uses.

    python benchmarks/first_edition/main.py intervals [--repetitions 4000]
"""

import argparse

import numpy as np

from skxssr.evaluation._analysis.bootstrap import (
    average_over_pools,
    interval,
    resampling_weights,
    widen,
)
from skxssr.evaluation._analysis.effect_size import probability_of_superiority
from skxssr.report import format_table

# pools, random draws in each, seeds
DESIGNS = ((5, 3, 5), (10, 5, 1), (15, 5, 1), (25, 5, 1))


def one_pool(n_draws: int, n_seeds: int, rng: np.random.Generator) -> float:
    """P(beats random) in a pool whose picks are as good as any draw."""
    seed = np.tile(np.arange(n_seeds), n_draws)
    ours = rng.normal() + rng.normal(size=n_seeds)
    random = np.repeat(rng.normal(size=n_draws), n_seeds) + rng.normal(size=n_draws * n_seeds)
    return probability_of_superiority(ours, np.arange(n_seeds), random, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    args = parser.parse_args()
    rows = []
    for n_pools, n_draws, n_seeds in DESIGNS:
        rng = np.random.default_rng(0)
        held = np.zeros(2)
        for _ in range(args.repetitions):
            values = np.array([[one_pool(n_draws, n_seeds, rng)] for _ in range(n_pools)])
            weights = resampling_weights(n_pools, 400, rng)
            replicates = average_over_pools(values, weights)
            for i, student in enumerate((None, 0.95)):
                ends = interval(widen(replicates, values.mean(), n_pools, student), 0.95)
                held[i] += ends[0] <= 0.5 + 1e-12 and ends[1] >= 0.5 - 1e-12
        normal, student = held / args.repetitions
        rows.append(
            {
                "pools": str(n_pools),
                "draws": str(n_draws),
                "seeds": str(n_seeds),
                "normal": f"{normal:.2f}",
                "Student": f"{student:.2f}",
            }
        )
    print(format_table(rows))
