"""Which images must lie on one side of a split: those of a patient, and copies of one another."""

from collections.abc import Sequence
from pathlib import Path

from skxssr.io import Inventory
from skxssr.io.junk import near_copies, same_content

__all__ = ["clusters_of_copies", "on_one_side"]


def clusters_of_copies(inventory: Inventory, *, near: bool) -> list[list[Path]]:
    """Images that show the same, pixel for pixel, or with `near` nearly so."""
    clusters = same_content(inventory.facts)
    if near:
        facts = inventory.facts
        clusters += near_copies({p: facts[p] for p in facts if p not in inventory.junk})
    return clusters


def on_one_side(
    files: Sequence[Path], groups: Sequence[str] | None, clusters: Sequence[Sequence[Path]]
) -> list[str] | None:
    """Group of each file, where groups that share a cluster are one; None if every file is its own.

    Parameters
    ----------
    files : sequence of Path
    groups : sequence of str or None
        Patients; None if nobody said.
    clusters : sequence of sequence of Path
        Of `files`.
    """
    if groups is None and not clusters:
        return None
    own = [str(path) for path in files] if groups is None else list(groups)
    group_of = dict(zip(files, own, strict=True))
    above: dict[str, str] = {}

    def head(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    for cluster in clusters:
        first, *others = dict.fromkeys(head(group_of[path]) for path in cluster)
        for other in others:
            if head(other) != head(first):
                above[head(other)] = head(first)
    return [head(name) for name in own]
