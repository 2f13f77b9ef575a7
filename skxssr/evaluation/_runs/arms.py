"""What a cell says of each of its selectors, and of pairs of them."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from skxssr.evaluation._analysis.bootstrap import (
    average_over_pools,
    bootstrap_p,
    bootstrap_pool_means,
    interval,
    resampled_runs,
    resampling_weights,
    widen,
)
from skxssr.evaluation._analysis.conditions import PLACE, Condition
from skxssr.evaluation._analysis.covariate import Adjustment
from skxssr.evaluation._analysis.effect_size import bad_draw_level, probability_of_superiority

ENOUGH_DRAWS = 20  # below, a pool alone says nothing of its bad draws

_AGAINST_CHANCE = (
    *("beats_random", "beats_random_low", "beats_random_high"),
    *("n_random_per_pool", "only_over_pools"),
    *("above_bad_draw", "above_bad_draw_low", "above_bad_draw_high"),
    *("random_labels", "random_labels_note", "random_labels_low", "random_labels_high"),
    *("labels_saved_percent", "minutes_saved"),
    *("average_rank", "n_pools_ranked"),
)


class Resampled:
    """A cell with its bootstrap replicates.

    Parameters
    ----------
    cell : Condition
        What to resample.
    confidence, n_bootstrap, random_state
        See `skxssr.evaluation.summarize`.

    Attributes
    ----------
    means : ndarray of shape (n_pools, n_arms, n_bootstrap), float64
        See `bootstrap_pool_means`.
    adjustment : Adjustment or None
        Where the cell has a covariate.
    """

    def __init__(
        self, cell: Condition, confidence: float, n_bootstrap: int, random_state: int
    ) -> None:
        self.cell, self.confidence, self.n_bootstrap = cell, confidence, n_bootstrap
        self.stream = [random_state, zlib.crc32("/".join(map(str, cell.key)).encode())]
        codes = (cell.scores, cell.pool, cell.arm, cell.draw, cell.seed)
        self.means = bootstrap_pool_means(*codes, n_bootstrap=n_bootstrap, **self._generators())
        self.adjustment = None
        if cell.covariate is not None:
            # the same random numbers once more
            again = resampled_runs(*codes, n_bootstrap=n_bootstrap, **self._generators())
            self.adjustment = Adjustment(cell, again)

    def _generators(self) -> dict[str, Any]:
        """One for the cell and one for each arm, which depends on no other arm."""
        names = [zlib.crc32(str(name).encode()) for name in self.cell.selectors]
        return {
            "rng": np.random.default_rng(self.stream),
            "arm_rngs": [np.random.default_rng([*self.stream, name]) for name in names],
        }

    def pool_weights(self, pools: np.ndarray) -> np.ndarray:
        """How often each of some pools comes up in the replicates: (len(pools), n_bootstrap)."""
        rng = np.random.default_rng([*self.stream, *pools.tolist()])
        return resampling_weights(len(pools), self.n_bootstrap, rng)

    def replicates(self, values: np.ndarray, resampled: np.ndarray | None = None) -> np.ndarray:
        """Replicates of the mean over the pools that have a value, stretched: (n_bootstrap,)."""
        there = np.flatnonzero(np.isfinite(values))
        if not len(there):
            return np.empty(0)
        # Pools are drawn among those that the mean is over: all where none is missing.
        weights = self.pool_weights(there)
        drawn = values[there, None] if resampled is None else resampled[there]
        # resampled within pools, too, intervals are wide enough
        student = self.confidence if resampled is None else None
        estimate = float(values[there].mean())
        return widen(average_over_pools(drawn, weights), estimate, len(there), student)

    def describe_mean(
        self, name: str, values: np.ndarray, lowest: float = -np.inf, highest: float = np.inf
    ) -> dict[str, Any]:
        """The mean of a value a pool, and its interval where there are several pools."""
        there = np.isfinite(values)
        if not there.any():
            return {}
        low, high = None, None
        if (
            there.sum() > 1
        ):  # one pool drawn again is the same pool: no interval, not one of length 0
            low, high = interval(self.replicates(values), self.confidence)
            # stretching may leave the range of a chance
            low, high = max(low, lowest), min(high, highest)
        return {name: values[there].mean(), f"{name}_low": low, f"{name}_high": high}

    def adjust(
        self, values: np.ndarray, resampled: np.ndarray, a: int, b: int
    ) -> tuple[float, np.ndarray]:
        """A mean over pools at equal covariates of two arms, and its replicates.

        Every replicate has a slope of its own, from the pools that the mean is drawn from and from
        the others, which are drawn among themselves.
        """
        adjustment = self.adjustment
        assert adjustment is not None
        there = np.isfinite(values)
        if not there.any():
            return np.nan, np.empty(0)
        weights = np.empty((len(values), self.n_bootstrap))
        for some in (there, ~there):
            if some.any():
                weights[some] = self.pool_weights(np.flatnonzero(some))
        gap = adjustment.pool_means[:, a] - adjustment.pool_means[:, b]
        gap_resampled = adjustment.resampled[:, a] - adjustment.resampled[:, b]
        mean, mean_gap = (
            average_over_pools(part[there], weights[there]) for part in (resampled, gap_resampled)
        )
        drawn = mean - adjustment.slopes(weights) * mean_gap
        estimate = float(values[there].mean() - adjustment.slope * gap[there].mean())
        return estimate, widen(drawn, estimate, int(there.sum()))

    def place(self, arm: int) -> dict[str, Any]:
        names = (*PLACE, "budget")
        return {
            **dict(zip(names, self.cell.key, strict=True)),
            "selector": self.cell.selectors[arm],
        }

    def describe(self, arm: int) -> dict[str, Any]:
        """What a row says of a selector by itself."""
        cell = self.cell
        ours = cell.arm == arm
        values, scores, run_means = cell.pool_means[:, arm], cell.scores[ours], cell.run_means[ours]
        inside = values[np.isfinite(values)]
        low, high = interval(self.replicates(values, self.means[:, arm]), self.confidence)
        return {
            **self.place(arm),
            "reference": False,
            "n_pools": len(inside),
            "n_pools_missing": len(values) - len(inside),
            "n_runs": int(ours.sum()),
            "dice": inside.mean(),
            "dice_low": max(low, 0.0),
            "dice_high": min(high, 100.0),
            "sd_pools": inside.std(ddof=1) if len(inside) > 1 else None,
            "worst_run": run_means.min(),
            "p10_runs": np.quantile(run_means, 0.1),
            "p90_runs": np.quantile(run_means, 0.9),
            "p5_images": np.nanpercentile(scores, 5),
            **dict.fromkeys(_AGAINST_CHANCE),
        }

    def compare(self, a: int, b: int, primary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The paired difference of two selectors."""
        row = {**self.place(a), "against": self.cell.selectors[b]}
        matching = [w for w in primary if all(row.get(k, v) == v for k, v in w.items())]
        margin = float(matching[0].get("margin", 0.0)) if matching else 0.0
        means = self.cell.pool_means
        values = means[:, a] - means[:, b]
        replicates = self.replicates(values, self.means[:, a] - self.means[:, b])
        low, high = interval(replicates, self.confidence)
        n_pools = int(np.isfinite(values).sum())
        row |= {
            "difference": values[np.isfinite(values)].mean() if n_pools else None,
            "low": low,
            "high": high,
            "primary": bool(matching),
            "margin": margin,
            "p": bootstrap_p(replicates - margin),
            "p_holm": None,
            "n_pools": n_pools,
            "n_pools_missing": int(np.isfinite(means[:, [a, b]]).any(axis=1).sum()) - n_pools,
        }
        if self.adjustment is not None:
            estimate, replicates = self.adjust(values, self.means[:, a] - self.means[:, b], a, b)
            low, high = interval(replicates, self.confidence)
            row |= {
                "difference_adjusted": estimate,
                "low_adjusted": low,
                "high_adjusted": high,
                "p_adjusted": bootstrap_p(replicates - margin),
            }
        return row


class Chances(NamedTuple):
    """How random draws fared in a cell.

    Attributes
    ----------
    beaten : ndarray of shape (n_pools, n_arms), float64
        Share of random runs that the runs of a selector exceed.
    bad_draw : ndarray of shape (n_pools,), float64
        See `bad_draw_level`.
    fewest_draws : int
        In the pool with the fewest.
    """

    beaten: np.ndarray
    bad_draw: np.ndarray
    fewest_draws: int


def chances_of(cell: Condition, random: str) -> Chances | None:
    """Set every arm against the random draws of its pool; None without any."""
    if random not in cell.selectors:
        return None
    n_pools = len(cell.pools)
    draws = cell.n_draws(cell.selectors.index(random))
    fewest = int(draws[draws > 0].min())
    chance = cell.arm == cell.selectors.index(random)
    beaten = np.full(cell.pool_means.shape, np.nan)
    for p in range(n_pools):
        drawn = chance & (cell.pool == p)
        for arm, name in enumerate(cell.selectors):
            ours = (cell.arm == arm) & (cell.pool == p)
            if name != random:
                beaten[p, arm] = probability_of_superiority(
                    *(cell.run_means[ours], cell.seed[ours]),
                    *(cell.run_means[drawn], cell.seed[drawn]),
                )
    level = bad_draw_level(
        *(cell.run_means[chance], cell.pool[chance], n_pools), per_pool=fewest >= ENOUGH_DRAWS
    )
    return Chances(beaten, level, fewest)


def comparison_rows(
    resampled: Resampled, against: Sequence[str], primary: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Pair all arms with those of `against`, these among themselves with those before them."""
    names = resampled.cell.selectors
    rows = []
    for a, name in enumerate(names):
        others = against[: against.index(name)] if name in against else against
        rows += [resampled.compare(a, names.index(b), primary) for b in others if b in names]
    return rows


def selector_rows(
    resampled: Resampled, chances: Chances | None, random: str
) -> list[dict[str, Any]]:
    """One row a selector, without what needs other budgets."""
    cell = resampled.cell
    everywhere = cell.pool_means[np.isfinite(cell.pool_means).all(axis=1)]
    ranks = rankdata(-everywhere, axis=1).mean(axis=0) if len(everywhere) else None
    rows = []
    for arm in range(len(cell.selectors)):
        row = resampled.describe(arm)
        row["n_pools_ranked"] = len(everywhere)
        row["average_rank"] = None if ranks is None else ranks[arm]
        if chances is not None:
            row["n_random_per_pool"] = chances.fewest_draws
            row["only_over_pools"] = chances.fewest_draws < ENOUGH_DRAWS
            beaten = chances.beaten[:, arm]
            row |= resampled.describe_mean("beats_random", beaten, 0.0, 1.0)
            above = cell.pool_means[:, arm] - chances.bad_draw
            row |= resampled.describe_mean("above_bad_draw", above)
        if resampled.adjustment is not None:
            row |= resampled.adjustment.describe(arm, random)
        rows.append(row)
    return rows


def pool_rows(cell: Condition, chances: Chances | None) -> list[dict[str, Any]]:
    """One row a selector and pool where it has run."""
    rows = []
    for arm, name in enumerate(cell.selectors):
        for p, pool in enumerate(cell.pools):
            mean = cell.pool_means[p, arm]
            if np.isfinite(mean):
                rows.append(
                    {
                        **dict(zip((*PLACE, "budget"), cell.key, strict=True)),
                        "selector": name,
                        "pool": pool,
                        "n_runs": int(((cell.arm == arm) & (cell.pool == p)).sum()),
                        "dice": mean,
                        "beats_random": None if chances is None else chances.beaten[p, arm],
                        "above_bad_draw": None if chances is None else mean - chances.bad_draw[p],
                    }
                )
    return rows
