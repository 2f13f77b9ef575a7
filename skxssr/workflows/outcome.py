"""What a selection from folders comes to, and the writing of any selection."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skxssr.base import Selection
from skxssr.holdout import ReservedSet
from skxssr.io import Inventory
from skxssr.workflows.choice import Choice
from skxssr.workflows.represented import find_represented, reasons_of
from skxssr.workflows.selection_folder import write_selection_folder
from skxssr.workflows.worth import Worth, coverage_worth

__all__ = ["FolderSelection", "SeedAgreement", "agreement", "asked_of", "conclude"]


@dataclass
class FolderSelection:
    """What `select_from_folders` returns.

    Attributes
    ----------
    files : list of Path
        Picked target images in pick order.
    selection : Selection
        Why.
    target : list of Path
        The whole pool, in the order of the selection's indices.
    source_embeddings : ndarray of shape (n_source, d), float32, or None
        None without a source.
    target_embeddings : ndarray of shape (n, d), float32
    reasons : list of str
        For each pick, how many other images it stands for: those whose nearest pick it is.
    worth : Worth or None
        Where the coverage curve flattens.
    groups : list of str or None
        Patient of each image of the pool, if known.
    excluded : dict of Path to str
        Images that could not be read, and why.
    embedder_reused : bool
        Whether a saved embedder of the same configuration and files was taken.
    test_set : ReservedSet or None
        The test set that was kept away from.
    left_out : list of Path
        Images that are in it, target images first; they are in no other list.
    labeled : list of Path
        Images of the pool that were labelled already.
    seeds : SeedAgreement or None
        How much the picks depend on the seed, for an embedder of several (`JoinedEmbedder`).
    junk : dict of Path to str
        Images of the pool that count as seen and were not to be picked, and why: blank, dark,
        saturated, inverted, of an odd size, or copies.
    source_inventory, target_inventory : Inventory
        What the folders hold.
    """

    files: list[Path]
    selection: Selection
    target: list[Path]
    source_embeddings: np.ndarray | None
    target_embeddings: np.ndarray
    reasons: list[str] = field(default_factory=list)
    worth: Worth | None = None
    groups: list[str] | None = None
    excluded: dict[Path, str] = field(default_factory=dict)
    embedder_reused: bool = False
    test_set: ReservedSet | None = None
    left_out: list[Path] = field(default_factory=list)
    seeds: "SeedAgreement | None" = None
    labeled: list[Path] = field(default_factory=list)
    junk: dict[Path, str] = field(default_factory=dict)
    source_inventory: Inventory | None = None
    target_inventory: Inventory | None = None


@dataclass(frozen=True)
class SeedAgreement:
    """What `select_from_folders` says of how much picks depend on the seed of the embedder.

    Attributes
    ----------
    files : dict of int to list of Path
        By seed, the picks from its embeddings alone, in pick order.
    shared : float
        How many picks two seeds have in common, on average over all pairs of them.
    by_chance : float
        How many two random draws from the pool would.
    """

    files: dict[int, list[Path]]
    shared: float
    by_chance: float

    def named(self, names: Mapping[Path, str]) -> dict[str, Any]:
        """The same in plain values, with the names of the files.

        Parameters
        ----------
        names : mapping of Path to str

        Returns
        -------
        dict
        """
        picked = {seed: [names[file] for file in files] for seed, files in self.files.items()}
        return {"picked": picked, "shared": self.shared, "by_chance": self.by_chance}


def agreement(chosen: Mapping[int, np.ndarray], files: list[Path]) -> SeedAgreement:
    """How many of the `chosen` rows, by seed, two seeds share."""
    pairs = list(itertools.combinations(chosen.values(), 2))
    budget = len(next(iter(chosen.values())))
    return SeedAgreement(
        {seed: [files[row] for row in rows] for seed, rows in chosen.items()},
        float(np.mean([len(np.intersect1d(*pair)) for pair in pairs])) if pairs else float(budget),
        budget**2 / len(files),
    )


def asked_of(choice: Choice, names: list[str]) -> dict[str, Any]:
    """What the record says of what was asked for."""
    budget = choice.budget
    weight = choice.sample_weight
    return {
        "budget": budget if isinstance(budget, int | float) else str(budget),
        "minutes_per_label": choice.minutes_per_label,
        "minutes": None
        if choice.minutes is None
        else dict(zip(names, choice.minutes.tolist(), strict=True)),
        "max_per_group": choice.max_per_group,
        "min_per_site": choice.min_per_site,
        "sites": None if choice.sites is None else dict(zip(names, choice.sites, strict=True)),
        "labeled": [names[row] for row in choice.labeled],
        "sample_weight": None if weight is None else weight.tolist(),
    }


def conclude(
    out: Path,
    choice: Choice,
    selection: Selection,
    *,
    names: list[str],
    groups: list[str] | None,
    source_names: list[str],
    source_embeddings: np.ndarray | None,
    target_embeddings: np.ndarray,
    about: dict[str, Any],
) -> tuple[list[str], Worth | None]:
    """Write everything of a selection into `out`; returns the reasons and the coverage curve."""
    represented = find_represented(
        source_embeddings, target_embeddings, selection.indices, choice.labeled
    )
    reasons = reasons_of(represented, len(selection))
    worth = coverage_worth(choice, source_embeddings, target_embeddings, len(selection))
    write_selection_folder(
        out,
        selection,
        names=names,
        groups=groups,
        reasons=reasons,
        represented=represented,
        target_embeddings=target_embeddings,
        source_embeddings=source_embeddings,
        source_names=source_names,
        about=about
        | asked_of(choice, names)
        | {"worth": None if worth is None else worth.to_dict()},
    )
    return reasons, worth
