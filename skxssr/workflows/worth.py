"""How many labels are worth paying for, as far as coverage can tell."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skxssr.base.preprocess import evenly_spaced
from skxssr.selection import FacilityLocationSelector
from skxssr.workflows.choice import Choice

__all__ = ["Worth", "coverage_worth"]

GAIN = 0.01  # of the present loss: below it a further label counts as not worth its price
_SMOOTHED = 5  # labels over which a gain is averaged, since a single one jumps
_FARTHER = 5  # times the budget
_AT_LEAST, _AT_MOST = 50, 300  # labels that the curve reaches
_MAX_CANDIDATES = 2000  # rows that the curve picks from: it is drawn in seconds, not in minutes


@dataclass(frozen=True)
class Worth:
    """A coverage curve and where it flattens, see `coverage_worth`.

    Attributes
    ----------
    losses : list of float
        Mean distance of the images to the nearest of the first k labels, for k from 1.
    gain : float
        The share of the loss that a further label must take off.
    stop : int or None
        After how many labels it no longer does; None if it still does at the end of the curve.
    budget : int
        How many were picked.
    labeled : int
        How many were labelled before.
    """

    losses: list[float]
    gain: float
    stop: int | None
    budget: int
    labeled: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the record."""
        return asdict(self)

    def text(self) -> str:
        """Say it in a few sentences; what coverage cannot tell too."""
        n, reached = len(self.losses), min(self.budget, len(self.losses))
        left = self.losses[reached - 1] / self.losses[0] if self.losses[0] > 0 else 0.0
        after = f" after the {self.labeled} there are" if self.labeled else ""
        lines = [
            f"How many are worth paying for: picked for coverage alone, {reached} labels{after}",
            f"leave {left:.0%} of the distance to the nearest label that the first one leaves.",
        ]
        if self.stop is None:
            lines.append(f"Up to {n} labels each still takes off {self.gain:.0%} or more.")
        elif self.stop == 1:
            lines.append(f"From the first on, each takes off less than {self.gain:.0%} of it.")
        else:
            lines.append(
                f"Beyond about {self.stop} labels each takes off less than {self.gain:.0%} of it."
            )
        lines.append("This is coverage of the embeddings and no accuracy: it foretells no Dice.")
        return "\n".join(lines)


def coverage_worth(
    choice: Choice, source: np.ndarray | None, X: np.ndarray, n_picks: int
) -> Worth | None:
    """Draw the coverage of the pool against the number of labels, and find where it flattens.

    Greedy facility location picks for it, since its picks for fewer labels begin those for more, as
    those of other selectors do not; in pools above 2,000 rows it picks from as many evenly spaced
    ones. The curve goes to five times the budget, to 50 labels at the least and to 300 at the most,
    or to the budget if that is more, with the same groups and labelled rows. It stops being worth
    it, by this rule, where the mean of the next five labels takes less than 1% off the loss that
    there is. The 1% is a convention: set your own by what a label costs.

    Parameters
    ----------
    choice : Choice
        What was asked for.
    source : ndarray of shape (n_source, d) or None
    X : ndarray of shape (n, d)
    n_picks : int
        How many images were picked.

    Returns
    -------
    Worth or None
        None where fewer than two rows may be picked.
    """
    open_rows = choice.open_rows()
    rules = choice.rules()
    if choice.max_per_group is not None:
        del rules["max_per_group"]  # or the pool might end before the curve does
    some = open_rows[evenly_spaced(len(open_rows), max(_MAX_CANDIDATES, 2 * n_picks))]
    if len(some) < choice.n:
        rules["candidates"] = some
    n = min(len(some), max(_FARTHER * n_picks, _AT_LEAST), max(_AT_MOST, n_picks))
    if n < 2:
        return None
    selector = FacilityLocationSelector()
    if source is not None:
        selector.fit(source)
    record = selector.select(X, n, return_selection=True, **rules)
    losses = record.coverage.tolist()
    return Worth(losses, GAIN, flattens(losses), n_picks, len(choice.labeled))


def flattens(losses: list[float]) -> int | None:
    """After how many labels the next ones take less than `GAIN` off, on average."""
    for k in range(1, len(losses) - _SMOOTHED + 1):
        now, later = losses[k - 1], losses[k - 1 + _SMOOTHED]
        if now <= 0 or (now - later) / _SMOOTHED < GAIN * now:
            return k
    return None
