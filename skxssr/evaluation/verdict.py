"""Will choosing pay? Said before any label, and how often that is wrong. Imports `selection`.

And below, and `cells`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import pairwise_distances_argmin_min

from skxssr._preprocess import evenly_spaced, fit_scale_and_pca
from skxssr._request import check_request
from skxssr.evaluation.cells import PLACE, check_runs
from skxssr.evaluation.predictors import QUANTITIES
from skxssr.metrics import domain_gap
from skxssr.neighbors import kneighbors
from skxssr.selection.random_draw import by_rounds, random_order

# Divides the default selector (gains of 0.13 to 0.21 on Montgomery to Shenzhen films) from k-center
# greedy (-0.18 to -0.06), and foretells Dice no better than a constant: docs/decisions/study.md.
THRESHOLD = 0.1
_RULE = "mean distance"  # the quantity that decides
_MAX_ROWS = 2_000  # of the pool and of each site: the measures are means, a sample gives them
_BEST = 0.05


class Gain(NamedTuple):
    """One label-free measure of picks, beside random draws.

    Attributes
    ----------
    picked : float
        Of the picks.
    random, best_random : float
        Mean of the draws, and what the best 5% of them reach.
    gain, gain_over_best : float
        How much better the picks are, as a share of `random` and of `best_random`; below 0 they
        are worse.
    """

    picked: float
    random: float
    best_random: float
    gain: float
    gain_over_best: float


@dataclass(frozen=True)
class Verdict:
    """What `label_free_verdict` returns.

    Attributes
    ----------
    text : str
        Two sentences that begin with "Choosing may pay" or with "Random will do here".
    may_pay : bool
        The same, for programs.
    budget, n_draws : int
        How many rows were picked, and how many random draws they were set against.
    threshold : float
        Gain in mean distance from which choosing may pay.
    gains : dict of str to Gain
        "mean distance" (of a row of the target to the nearest pick) and "kernel coverage", as in
        `skxssr.evaluation.label_free_quantities`.
    site_auc : float or None
        How well a linear classifier tells the target from the source: 0.5 not at all, 1 always.
        None without a source, or where either side has too few rows.
    """

    text: str
    may_pay: bool
    budget: int
    n_draws: int
    threshold: float
    gains: dict[str, Gain]
    site_auc: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON.

        Returns
        -------
        dict
            Attribute by name, each gain as a dict.
        """
        return asdict(self) | {"gains": {name: g._asdict() for name, g in self.gains.items()}}


def label_free_verdict(
    selector: Any,
    source: Any,
    target: Any,
    budget: int | float,
    *,
    n_draws: int = 200,
    random_state: int = 0,
    groups: Any = None,
    threshold: float = THRESHOLD,
) -> Verdict:
    """Say before any label is bought whether choosing may pay, or a random draw will do.

    Parameters
    ----------
    selector : BaseSelector
        A clone is fitted on `source` and picks from `target`.
    source : array-like of shape (n_source, n_features) or None
        Embeddings of the source.
    target : array-like of shape (n_samples, n_features)
        Embeddings of the target.
    budget : int or float
        See `skxssr.base.BaseSelector.select`.
    n_draws : int, default=200
        Random draws to set the picks against: enough to tell what the best 5% reach.
    random_state : int, default=0
        Seed of the draws and of the folds.
    groups : array-like of shape (n_samples,), optional
        Patient of each row. Picks and draws are spread over patients alike.
    threshold : float, default=0.1
        Choosing may pay where a row of the target is nearer to the picks than to a random draw, in
        the mean, by at least this share. On chest films of two sites the verdict was wrong in 85 of
        300 cases, no less often than always saying "may pay": coverage did not foretell Dice there,
        so decide by nothing but `compare_selectors` on labelled images
        (documentation, page "What the study decided").

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        `n_draws` is below 20, or an argument of `select` is out of its range.

    See Also
    --------
    verdict_errors : How often it was wrong, from finished comparisons.
    skxssr.evaluation.label_free_quantities : The measures, and more of them.

    Notes
    -----
    Measured in the space that selectors use by default, from at most 2,000 evenly spaced rows of
    the target. The site AUC [1]_ is that of a logistic regression, cross-validated over five folds
    in which no patient is on both sides. It enters no decision: sites that differ say that labels
    of the target are needed, not which.

    References
    ----------
    .. [1] D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
       :arxiv:`1610.06545`

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> from skxssr.evaluation import label_free_verdict
    >>> rng = np.random.default_rng(0)
    >>> modes = rng.normal(scale=5, size=(6, 8))[np.arange(120) % 6]
    >>> target = modes + 0.3 * rng.normal(size=(120, 8))
    >>> verdict = label_free_verdict(XSSRSelector(), target[:40] + 1, target, 6)
    >>> verdict.text.partition(":")[0]
    'Choosing may pay'
    """
    picks = clone(selector)
    if source is not None:
        picks.fit(source)
    indices = picks.select(target, budget, groups=groups)
    return judge_picks(
        indices,
        source,
        target,
        n_draws=n_draws,
        random_state=random_state,
        groups=groups,
        threshold=threshold,
    )


def judge_picks(
    picks: Any,
    source: Any,
    target: Any,
    *,
    n_draws: int = 200,
    random_state: int = 0,
    groups: Any = None,
    max_per_group: int | None = None,
    threshold: float = THRESHOLD,
) -> Verdict:
    """The verdict on rows that were picked already; see `label_free_verdict`."""
    if n_draws < 20:
        raise ValueError(
            f"n_draws={n_draws!r} must be at least 20: fewer do not tell what the best 5% reach."
        )
    target = np.asarray(target)
    picks = np.asarray(picks)
    request = check_request(len(target), len(picks), groups=groups, max_per_group=max_per_group)
    source = None if source is None else np.asarray(source)
    prepare = fit_scale_and_pca(source, target)
    Z = np.asarray(prepare(target), dtype=np.float64)
    demand = Z[evenly_spaced(len(Z), _MAX_ROWS)]
    k = min(10, len(Z) - 1)
    reach = kneighbors(demand, Z, k + 1, algorithm="exact")[0][:, -1]  # a row is its own nearest
    reach = reach[reach > 0]
    bandwidth = 2 * float(np.median(reach)) if reach.size else 1.0
    draws = [
        by_rounds(random_order(request, np.random.RandomState(seed)), request)
        for seed in np.random.SeedSequence(random_state).generate_state(n_draws)
    ]
    measured = np.array([_measure(demand, Z[rows], bandwidth) for rows in (picks, *draws)])
    gains = {
        name: _gain(measured[0, i], measured[1:, i], QUANTITIES[name])
        for i, name in enumerate(("mean distance", "kernel coverage"))
    }
    auc = None
    patients = len(target) if groups is None else len(np.unique(groups))
    if source is not None and min(len(source), patients) > 1:
        auc = domain_gap(source, target, groups=groups, random_state=random_state).auc
    may_pay = bool(gains[_RULE].gain >= threshold)
    text = _say(gains[_RULE], may_pay, threshold, auc)
    return Verdict(text, may_pay, len(picks), n_draws, threshold, gains, auc)


def _measure(demand: np.ndarray, picked: np.ndarray, bandwidth: float) -> tuple[float, float]:
    """Mean distance and kernel coverage: the largest kernel is that of the nearest pick."""
    nearest = pairwise_distances_argmin_min(demand, picked)[1]
    return float(nearest.mean()), float(np.exp(-0.5 * (nearest / bandwidth) ** 2).mean())


def _gain(picked: float, draws: np.ndarray, sign: int) -> Gain:
    mean = float(draws.mean())
    best = float(np.quantile(draws, 1 - _BEST if sign > 0 else _BEST))
    shares = (_relative(picked, other, sign) for other in (mean, best))
    return Gain(float(picked), mean, best, *shares)


def _relative(ours: float, theirs: float, sign: int) -> float:
    """How much better ours is, as a share of theirs; 0 where there is nothing to gain."""
    return float(sign * (ours - theirs) / theirs) if theirs > 0 else 0.0


def _say(gain: Gain, may_pay: bool, threshold: float, auc: float | None) -> str:
    side, to = ("nearer", "to") if gain.gain >= 0 else ("farther", "from")
    best = "nearer" if gain.gain_over_best >= 0 else "farther"
    text = (
        f"{'Choosing may pay' if may_pay else 'Random will do here'}: in embedding space the "
        f"target is {abs(gain.gain):.0%} {side} {to} the picks than {to} a random draw, in the "
        f"mean ({abs(gain.gain_over_best):.0%} {best} than the best 5% of draws; {threshold:.0%} "
        "is asked for)."
    )
    return text if auc is None else f"{text} Sites are told apart with an AUC of {auc:.2f}."


def verdict_errors(
    runs: Sequence[Mapping[str, Any]],
    *,
    threshold: float | Sequence[float] = THRESHOLD,
    quantity: str = _RULE,
    by: Sequence[str] = (*PLACE, "budget", "selector"),
    random: str = "random",
) -> list[dict[str, Any]]:
    """How often the label-free verdict was wrong about finished networks.

    A pool is judged once for each selector: the verdict, at a threshold on the gain of the picks
    over the mean random draw of that pool, against whether the networks of the picks then had a
    higher mean Dice than those of the random draws.

    Parameters
    ----------
    runs : sequence of mapping
        From `compare_selectors`; those without "quantities" (references) are passed over.
    threshold : float or sequence of float, default=0.1
        See `label_free_verdict`.
    quantity : str, default="mean distance"
        That decides, out of `skxssr.evaluation.label_free_quantities`.
    by : sequence of str, default=("task", "block", "embedder", "segmenter", "budget", "selector")
        Keys of a row of the answer; the others are pooled. ``()`` gives one row in all.
    random : str, default="random"
        Selector whose draws are chance.

    Returns
    -------
    list of dict
        The keys `by`; "threshold", "quantity"; "n", the pools judged; "beaten", those where
        choosing paid; "false_alarms" ("may pay" was said and it did not), "misses" ("random will
        do" was said and choosing paid), "error_rate", their share; "always" and "never", the error
        rates of saying the one or the other without looking.

    Raises
    ------
    ValueError
        `quantity` or `by` is unknown, or a run cannot be used.

    Notes
    -----
    Equal means count as not beaten. A pool has few random draws, so that its outcome is itself
    uncertain: where choosing changes nothing, no rule does better than an error rate of one half.

    Examples
    --------
    >>> from skxssr.evaluation import verdict_errors
    >>> place = dict(task="chest", block="picks", embedder="mae", segmenter="unet", budget=5)
    >>> runs = [
    ...     dict(place, selector=name, pool=p, draw=0, seed=0, units=["a"], dice=[dice],
    ...          quantities={"mean distance": distance})
    ...     for p, paid in enumerate([0.02, 0.01, -0.01])
    ...     for name, dice, distance in [("random", 0.9, 1.0), ("XSSR", 0.9 + paid, 0.8)]
    ... ]
    >>> row = verdict_errors(runs, by=["selector"])[0]
    >>> row["n"], row["false_alarms"], row["misses"]
    (3, 1, 0)
    """
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity={quantity!r} must be one of {sorted(QUANTITIES)}.")
    known = (*PLACE, "budget", "selector")
    if not set(by) <= set(known):
        raise ValueError(f"by={list(by)!r} must be out of {list(known)}.")
    picked = [run for run in runs if "quantities" in run and not run.get("reference")]
    if not picked:
        return []
    check_runs(picked)
    pools: dict[tuple[Any, ...], dict[str, list[tuple[float, float]]]] = {}
    for run in picked:
        place = tuple(run[name] for name in (*PLACE, "budget", "pool"))
        dice = float(np.nanmean(np.array(run["dice"], dtype=np.float64)))
        value = run["quantities"].get(quantity, np.nan)
        pools.setdefault(place, {}).setdefault(run["selector"], []).append((dice, value))
    judged: dict[tuple[Any, ...], list[tuple[bool, float]]] = {}
    for place, arms in pools.items():
        if random not in arms:
            continue
        usual, draws = np.mean(arms[random], axis=0)
        for selector, values in arms.items():
            dice, value = np.mean(values, axis=0)
            if selector == random or np.isnan(value + draws):
                continue
            named = dict(zip(known, (*place[:-1], selector), strict=True))
            outcome = (bool(dice > usual), _relative(value, draws, QUANTITIES[quantity]))
            judged.setdefault(tuple(named[name] for name in by), []).append(outcome)
    answer = []
    for key, outcomes in sorted(judged.items()):
        beaten, gain = np.array([o[0] for o in outcomes]), np.array([o[1] for o in outcomes])
        for at in np.atleast_1d(threshold).tolist():
            said = gain >= at
            alarms, misses = int((said & ~beaten).sum()), int((~said & beaten).sum())
            answer.append(
                {
                    **dict(zip(by, key, strict=True)),
                    "threshold": at,
                    "quantity": quantity,
                    "n": len(beaten),
                    "beaten": int(beaten.sum()),
                    "false_alarms": alarms,
                    "misses": misses,
                    "error_rate": (alarms + misses) / len(beaten),
                    "always": float((~beaten).mean()),
                    "never": float(beaten.mean()),
                }
            )
    return answer
