"""A summary in words: tables to read, and one sentence.

For one task, block, embedder and network: what `skxssr compare` prints.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from skxssr.evaluation._runs.task import Pool
from skxssr.evaluation.summary import Summary

FEW_POOLS = 5  # below, the bootstrap interval is known to be too narrow: see `summarize`


def plan_sentence(
    n_images: int,
    n_patients: int | None,
    pools: Sequence[Pool],
    budgets: Sequence[int],
    selectors: Sequence[str],
    n_random: int,
    judged: bool,
) -> str:
    """What a comparison is going to do, before it begins.

    Parameters
    ----------
    n_images : int
        Labelled target images.
    n_patients : int or None
        Their patients, where they are known.
    pools : sequence of Pool
        The repetitions.
    budgets : sequence of int
        In labels.
    selectors : sequence of str
        Their names, without "random".
    n_random : int
        Random draws a pool and budget.
    judged : bool
        Whether a `RidgeJudge` takes the place of networks that are trained.

    Returns
    -------
    str
    """
    n_runs = len(pools) * (len(budgets) * (len(selectors) + n_random) + 1)
    patients = "" if n_patients is None else f" of {n_patients} patients"
    ahead = (
        f"about {n_runs} selections to judge, without training a network."
        if judged
        else f"about {n_runs} networks to train.\nThe bar estimates the time once the first are "
        "done. Stop whenever you like: the same command goes on."
    )
    return (
        f"{n_images} labelled target images{patients}; {len(pools)} times, about "
        f"{len(pools[0].rows)} of them are a pool and {len(pools[0].test)} are tested on.\n"
        f"Budgets {', '.join(map(str, budgets))}; {', '.join(selectors)} and {n_random} random "
        f"draws each: {ahead}"
    )


def outcome_table(summary: Summary, budget: int, *, random: str = "random") -> list[dict[str, str]]:
    """Rows for `skxssr.report.format_table`: the selectors at a budget, the best mean first.

    Parameters
    ----------
    summary : Summary
        Of one place, with every selector paired with `random`.
    budget : int
        Whose rows.
    random : str, default="random"
        Selector whose draws are chance.

    Returns
    -------
    list of dict
        "selector", "Dice", "minus random", "beats a draw", "worth" and, if any row has it,
        "minutes saved".
    """
    curve = sorted(row["budget"] for row in summary.rows if row["selector"] == random)
    rows = [row for row in summary.rows if row["budget"] == budget and not row["reference"]]
    timed = any(row["minutes_saved"] is not None for row in summary.rows)
    lines = []
    for row in sorted(rows, key=lambda row: -row["dice"]):
        chance, pair = row["beats_random"], _pair(summary, row["selector"], budget, random)
        line = {"selector": row["selector"], "Dice": f"{row['dice']:.2f}"}
        line["minus random"] = "-" if pair is None else _difference(pair)
        line["beats a draw"] = "-" if chance is None else f"{chance:.0%}"
        line["worth"] = "-" if row["selector"] == random else _worth(row, curve)
        if timed:
            saved = row["minutes_saved"]
            line["minutes saved"] = "-" if saved is None else f"{saved:+.0f}"
        lines.append(line)
    return lines


def outcome_sentence(summary: Summary, selector: str, *, random: str = "random") -> str:
    """Would choosing have paid? By the intervals of the paired differences, in one sentence.

    Parameters
    ----------
    summary : Summary
        Of one place.
    selector : str
        Of whom it is said.
    random : str, default="random"
        Selector whose draws are chance.

    Returns
    -------
    str

    Examples
    --------
    >>> from skxssr.evaluation import summarize
    >>> from skxssr.evaluation._analysis.text import outcome_sentence
    >>> place = dict(task="chest", block="picks", embedder="mae", segmenter="unet", budget=22)
    >>> runs = [
    ...     dict(place, selector=name, pool=p, draw=0, seed=0, units=["a"], dice=[d + 0.01 * p])
    ...     for p in range(5)
    ...     for name, d in [("random", 0.90), ("XSSR", 0.92)]
    ... ]
    >>> outcome_sentence(summarize(runs), "XSSR")
    'Choosing with XSSR would have paid at 22 labels (+2.00 [+2.00, +2.00]).'
    """
    pairs = [
        pair
        for pair in summary.comparisons
        if (pair["selector"], pair["against"]) == (selector, random)
        and pair["difference"] is not None
    ]
    paid = [pair for pair in pairs if pair["low"] > 0]
    cost = [pair for pair in pairs if pair["high"] < 0]
    open_ = [pair for pair in pairs if pair not in paid and pair not in cost]
    fewest = min((pair["n_pools"] for pair in pairs), default=0)
    parts = []
    if paid:
        parts.append(f"would have paid {_at(paid)}")
    if cost:
        parts.append(f"would have done harm {_at(cost)}")
    if open_:
        told = f"made no difference that {fewest} pool{'s' * (fewest != 1)} can show"
        parts.append(f"{told} {_at(open_)}")
    if not parts:
        return f"{selector} and {random} have run in no pool together: nothing can be said."
    doubt = ""
    if fewest < FEW_POOLS:
        doubt = f"; so few pools are a first look, and the intervals of {fewest} are too narrow"
    return f"Choosing with {selector} {'; it '.join(parts)}{doubt}."


def _pair(summary: Summary, selector: str, budget: int, random: str) -> Mapping[str, Any] | None:
    wanted = (selector, random, budget)
    for pair in summary.comparisons:
        if (pair["selector"], pair["against"], pair["budget"]) == wanted:
            return None if pair["difference"] is None else pair
    return None


def _difference(pair: Mapping[str, Any]) -> str:
    return f"{pair['difference']:+.2f} [{pair['low']:+.2f}, {pair['high']:+.2f}]"


def _worth(row: Mapping[str, Any], curve: Sequence[int]) -> str:
    """The number of random labels, or the end of the curve beyond which it lies."""
    if row["random_labels"] is not None:
        return f"{row['random_labels']:.1f}"
    note = row["random_labels_note"]
    if note == "beyond the curve":
        return f"> {curve[-1]}"
    return f"< {curve[0]}" if note == "below the curve" else "-"


def _at(pairs: Sequence[Mapping[str, Any]]) -> str:
    budgets = [str(pair["budget"]) for pair in pairs]
    listed = budgets[0] if len(budgets) == 1 else f"{', '.join(budgets[:-1])} and {budgets[-1]}"
    noun = "label" if budgets == ["1"] else "labels"
    return f"at {listed} {noun} ({', '.join(map(_difference, pairs))})"
