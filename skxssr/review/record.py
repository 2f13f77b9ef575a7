"""What a review found, as a table and in a few sentences."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skxssr._utils.names import few
from skxssr.review.regions import SIDES

__all__ = ["MaskReview", "OUTCOMES"]

OUTCOMES = ("another convention", "region of its own", "scattered", "agrees")


@dataclass(frozen=True, eq=False)
class MaskReview:
    """What `review_masks` returns.

    Attributes
    ----------
    names : list of str
        The images.
    outcome : ndarray of shape (n,), dtype str
        One of `OUTCOMES` for each mask: it belongs to a group whose masks all include (or leave
        out) a region in the same place; it does so alone; its errors are large but scattered; or
        it agrees with what the others say.
    group : ndarray of shape (n,), dtype intp
        From 1, the largest first; 0 outside of "another convention".
    side : ndarray of shape (n,), dtype str
        "includes" or "leaves out": what the mask does to its most conspicuous region.
    class_index : ndarray of shape (n,), dtype intp
        The class of that region, from 1.
    region : ndarray of shape (n,), dtype float64
        Its area, as a share of the larger of mask and prediction.
    place : list of str
        Where it lies in the box around mask and prediction, such as "lower right" of the picture.
    strength : ndarray of shape (n,), dtype float64
        How many times its limit the mask reaches, by region or by Dice; above 1 it is no longer
        taken for agreement.
    dice : ndarray of shape (n,), dtype float64
        Of the mask and what the others say; NaN where both are empty.
    quality : ndarray of shape (n,), dtype float64
        The label quality of cleanlab (softmin), from 0 to 1.
    source_dice : ndarray of shape (n,) or None
        Of the mask and the source model, if there is one.
    source_sides : dict of int to float
        For each group, the share of its masks in which the source model sees the same difference,
        that is, sides with the other masks; empty without a source model.
    order : ndarray of shape (n,), dtype intp
        All rows, those to look at first.
    predicted : ndarray of shape (n, S, S), dtype uint8
        What the others say, as class indices in the square of the segmenter.
    limits : dict
        What separates agreement from the rest: of regions (by side), and of Dice.
    """

    names: list[str]
    outcome: np.ndarray
    group: np.ndarray
    side: np.ndarray
    class_index: np.ndarray
    region: np.ndarray
    place: list[str]
    strength: np.ndarray
    dice: np.ndarray
    quality: np.ndarray
    source_dice: np.ndarray | None
    source_sides: dict[int, float]
    order: np.ndarray
    predicted: np.ndarray
    limits: dict[str, Any]

    def of_group(self, number: int) -> np.ndarray:
        """Find the rows of a group, the most conspicuous first.

        Parameters
        ----------
        number : int
            From 1.

        Returns
        -------
        ndarray of int
        """
        return self.order[self.group[self.order] == number]

    def table(self) -> list[dict[str, Any]]:
        """A line a mask, those to look at first.

        Returns
        -------
        list of dict
        """
        lines = []
        for rank, row in enumerate(self.order, start=1):
            own = self.outcome[row] != "agrees" and self.region[row] > 0
            line = {
                "rank": rank,
                "name": self.names[row],
                "outcome": str(self.outcome[row]),
                "group": int(self.group[row]) or "",
                "side": str(self.side[row]) if own else "",
                "place": self.place[row] if own else "",
                "class": int(self.class_index[row]),
                "region": float(self.region[row]),
                "strength": float(self.strength[row]),
                "dice": float(self.dice[row]),
                "label_quality": float(self.quality[row]),
            }
            if self.source_dice is not None:
                line["source_dice"] = float(self.source_dice[row])
            lines.append(line)
        return lines

    def summary(self) -> str:
        """Say what was found in a few sentences.

        Returns
        -------
        str
        """
        n = len(self.names)
        agreeing = int((self.outcome == "agrees").sum())
        lines = [f"{agreeing} of {n} masks agree with what the others would have had there."]
        n_groups = int(self.group.max(initial=0))
        lines += [self._about_group(number) for number in range(1, n_groups + 1)]
        for outcome, what in (
            ("region of its own", "differ in a region that no other mask treats so"),
            ("scattered", "differ in many places, as if drawn without care"),
        ):
            names = [self.names[row] for row in self.order if self.outcome[row] == outcome]
            if names:
                lines.append(f"{len(names)} {what}: {few(names, 3)}.")
        return "\n".join(lines)

    def _about_group(self, number: int) -> str:
        rows = self.of_group(number)
        side, other = SIDES if self.side[rows[0]] == SIDES[0] else SIDES[::-1]
        places = [self.place[row] for row in rows]
        place = max(dict.fromkeys(places), key=places.count)
        text = (
            f"Group {number}: {len(rows)} masks {_plural(side)} a region ({place}; median "
            f"{np.median(self.region[rows]):.0%} of the mask) that the others {_plural(other)}: "
            f"{few([self.names[row] for row in rows], 3)}."
        )
        if number in self.source_sides:
            text += f" The source model sides with the others in {self.source_sides[number]:.0%}."
        return text


def _plural(verb: str) -> str:
    return {"includes": "include", "leaves out": "leave out"}[verb]
