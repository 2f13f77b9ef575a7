"""How many rows a lazy greedy run keeps up to date.

The bounds of all rows never rise over picks. The *active* rows, those of the largest bounds, are
updated after every pick; the others wait with the bound they have, of which the largest is the
*rest bound*. As soon as no active row beats the rest bound, the active rows are chosen anew: a
*refill*. Few active rows need refills often, many cost much after every pick.
"""

from dataclasses import dataclass


@dataclass
class ActiveSetSize:
    """How many rows the next refill takes, from what the last active rows cost.

    Attributes
    ----------
    least, most : int
        Rows of a refill.
    patience : int
        The active rows are halved when their updates cost so many refills.
    wanted : int
        Rows that the next refill takes.
    update_cost : int
        What updates have cost since the last refill, in the unit of the caller's refill cost.
    """

    least: int
    most: int
    patience: int
    wanted: int = 0
    update_cost: int = 0

    def __post_init__(self) -> None:
        self.wanted = self.wanted or self.least

    def before_refill(self, refill_cost: int, n: int) -> None:
        """Double the rows if the last ones cost less than a refill; `n` is how many there are.

        Rows that did not do for one pick are doubled without end, since bounds may all be equal.
        """
        if self.update_cost < refill_cost:
            self.wanted = min(2 * self.wanted, self.most if self.update_cost else n)

    def is_too_large(self, refill_cost: int, n_active: int) -> bool:
        """Whether the active rows, now `n_active`, should be halved."""
        return self.update_cost > self.patience * refill_cost and n_active > self.least

    def halve(self) -> None:
        """Let the next refill take half as many rows."""
        self.wanted = max(self.wanted // 2, self.least)
