"""What is asked of a pool, and the selection that keeps to it: images, patients, minutes, sites."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skxssr.base import Selection
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.base.request import check_budget, check_request
from skxssr.selection.cost_effective import cost_effective

__all__ = ["Budget", "Choice"]


@dataclass(frozen=True)
class Budget:
    """A budget that is not counted in images.

    Parameters
    ----------
    amount : float
        How many.
    unit : {"patients", "minutes"}
        Of what. Whole patients, all of whose images are annotated; or minutes of annotation.

    Examples
    --------
    >>> from skxssr.workflows.choice import Budget
    >>> str(Budget(8, "patients"))
    '8 patients'
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"


@dataclass
class Choice:
    """What is to be picked from a pool of `n` rows, checked before anything is embedded.

    Attributes
    ----------
    n : int
    budget : int, float or Budget
        A count, a share of the rows that may be picked, patients or minutes.
    groups : list of str or None
        What is visited once before any is twice: patients, or clusters of near copies.
    patients_known : bool
        Whether `groups` are patients.
    max_per_group : int or None
    candidates : ndarray of int, or None
        Rows that may be picked; None for all.
    labeled : ndarray of int
        Rows that are labelled already.
    sample_weight : ndarray of shape (n,), or None
    sites : list of str or None
    min_per_site : int
        At least so many rows of each site, labelled ones included.
    minutes_per_label : float or None
    minutes : ndarray of shape (n,), or None
        What a label of each row takes, for a budget of minutes: then coverage per minute picks.
    """

    n: int
    budget: int | float | Budget
    groups: list[str] | None = None
    patients_known: bool = False
    max_per_group: int | None = None
    candidates: np.ndarray | None = None
    labeled: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    sample_weight: np.ndarray | None = None
    sites: list[str] | None = None
    min_per_site: int = 0
    minutes_per_label: float | None = None
    minutes: np.ndarray | None = None

    def open_rows(self) -> np.ndarray:
        """Rows that may be picked and are not labelled yet, ascending."""
        rows = np.arange(self.n) if self.candidates is None else self.candidates
        return np.setdiff1d(rows, self.labeled)

    def rules(self) -> dict[str, Any]:
        """Arguments of `select`."""
        rules: dict[str, Any] = {"groups": self.groups, "max_per_group": self.max_per_group}
        if self.candidates is not None:
            rules["candidates"] = self.candidates
        if len(self.labeled):
            rules["labeled"] = self.labeled
        if self.sample_weight is not None:
            rules["sample_weight"] = self.sample_weight
        return rules

    def count(self) -> int:
        """How many images, or whole patients."""
        budget = self.budget
        if not isinstance(budget, Budget):
            return check_budget(budget, max(1, len(self.open_rows())))
        if budget.unit == "patients":
            return check_budget(int(budget.amount), self.n)
        if self.minutes_per_label is None:
            raise ValueError(
                f"--budget {budget} is time, and how long a label takes is not known: give "
                "--minutes-per-label"
            )
        if not self.minutes_per_label > 0:
            raise ValueError(f"--minutes-per-label {self.minutes_per_label:g} must be above 0.")
        n = int(budget.amount / self.minutes_per_label + 1e-9)
        if n < 1:
            raise ValueError(
                f"--budget {budget} is not enough for one label of {self.minutes_per_label:g} "
                "minutes (--minutes-per-label)."
            )
        return n

    def check(self) -> None:
        """Raise where the pool cannot give what is asked; see `BaseSelector.select`."""
        if self.minutes is not None:
            self._check_minutes(self.minutes)
        elif self.of_patients:
            self._check_patients()
        else:
            check_request(self.n, self.count(), **self.rules())
        if self.min_per_site:
            self._check_sites()

    @property
    def of_patients(self) -> bool:
        """Whether the budget is one of whole patients."""
        return isinstance(self.budget, Budget) and self.budget.unit == "patients"

    def _check_minutes(self, minutes: np.ndarray) -> None:
        if not (isinstance(self.budget, Budget) and self.budget.unit == "minutes"):
            raise ValueError(
                f"--minutes-from goes with a budget of minutes ('90 minutes'), not {self.budget}"
            )
        if self.minutes_per_label is not None or self.max_per_group or self.min_per_site:
            raise ValueError(
                "--minutes-from picks by coverage per minute, whose guarantee knows no other "
                "limit: leave --minutes-per-label, --max-per-group and --min-per-site away"
            )
        least = minutes[self.open_rows()].min(initial=np.inf)
        if least > self.budget.amount:
            raise ValueError(
                f"--budget {self.budget}: the shortest label that may be made takes {least:g}"
            )

    def _check_patients(self) -> None:
        if not self.patients_known or self.groups is None:
            raise ValueError(
                f"--budget {self.budget}: which image is whose is not known: say so with "
                "--group-pattern or --group-from"
            )
        if self.max_per_group is not None or self.min_per_site:
            raise ValueError(
                f"--budget {self.budget} takes all images of whole patients, so that "
                "--max-per-group and --min-per-site have no say: leave them away, or give a number "
                "of images as the budget"
            )
        unseen = set(self.groups) - {self.groups[row] for row in self.labeled}
        there = len(unseen & {self.groups[row] for row in self.open_rows()})
        if self.count() > there:
            raise ValueError(
                f"--budget {self.budget}: {there} patients without a label have images that may be "
                "picked, so at most so many can be."
            )

    def _check_sites(self) -> None:
        if self.sites is None:
            raise ValueError(
                f"--min-per-site {self.min_per_site}: which image is of which site is not known: "
                "say so with --site-from folder, a CSV table or a pattern"
            )
        due = self._due_by_site()
        if sum(due.values()) > self.count():
            raise ValueError(
                f"--min-per-site {self.min_per_site} of {len(set(self.sites))} sites needs "
                f"{sum(due.values())} labels, and the budget is {self.count()}: raise --budget to "
                "that, or lower --min-per-site"
            )

    def _due_by_site(self) -> dict[str, int]:
        """How many rows each site must still get; fewer where it has no more."""
        assert self.sites is not None
        done = Counter(self.sites[row] for row in self.labeled)
        room = {site: 0 for site in self.sites} | self._room_by_site()
        return {
            site: max(0, min(self.min_per_site - done[site], there))
            for site, there in sorted(room.items())
        }

    def _room_by_site(self) -> dict[str, int]:
        assert self.sites is not None
        rooms = {}
        for site in sorted(set(self.sites)):
            rows = self._open_of(site)
            if len(rows):
                request = check_request(self.n, 1, **self.rules() | {"candidates": rows})
                rooms[site] = request.feasible()
        return rooms

    def _open_of(self, site: str) -> np.ndarray:
        assert self.sites is not None
        return np.array([row for row in self.open_rows() if self.sites[row] == site], dtype=np.intp)

    def select(self, selector: Any, X: np.ndarray) -> Selection:
        """Pick with a selector that was fitted on the source, or never.

        Parameters
        ----------
        selector : BaseSelector
        X : ndarray of shape (n, n_features)

        Returns
        -------
        Selection
            Of rows of `X`. For whole patients, scores and terms of an image are its patient's.
        """
        if self.minutes is not None:
            return self._select_by_minutes(selector, X, self.minutes)
        if self.of_patients:
            return self._select_patients(selector, X)
        freely = selector.select(X, self.count(), return_selection=True, **self.rules())
        if not self.min_per_site:
            return freely
        assert self.sites is not None
        picked = Counter(self.sites[row] for row in freely.indices)
        due = self._due_by_site()
        if all(picked[site] >= n for site, n in due.items()):
            return freely
        return self._select_by_site(selector, X, due)

    def _select_by_site(self, selector: Any, X: np.ndarray, due: dict[str, int]) -> Selection:
        """What is due to each site first, then freely; what was picked before counts as covered."""
        parts: list[Selection] = []
        labeled = self.labeled
        stages = [(n, self._open_of(site)) for site, n in due.items() if n]
        rest = self.count() - sum(due.values())
        for n, rows in [*stages, (rest, self.open_rows())]:
            if n:
                rules = self.rules() | {
                    "labeled": labeled,
                    "candidates": np.setdiff1d(rows, labeled),
                }
                parts.append(selector.select(X, n, return_selection=True, **rules))
                labeled = np.concatenate([labeled, parts[-1].indices])
        return _joined(parts)

    def _select_by_minutes(self, selector: Any, X: np.ndarray, minutes: np.ndarray) -> Selection:
        """Coverage per minute instead of the selector, in the space that selectors have."""
        assert isinstance(self.budget, Budget)
        source = getattr(selector, "source_", None)
        found = cost_effective(
            fit_scale_and_pca(source, X)(X),
            minutes,
            self.budget.amount,
            candidates=self.open_rows(),
            labeled=self.labeled,
            sample_weight=self.sample_weight,
        )
        return Selection(
            indices=found.indices,
            scores=(found.gains / minutes[found.indices]).astype(np.float32),
            terms={"gain": found.gains, "minutes": minutes[found.indices]},
            coverage=found.losses,
            calibration="mean_distance",
            selector="cost-effective facility location",
            parameters={"by_ratio": found.by_ratio},
            n_samples=len(X),
            n_source_samples=0 if source is None else len(source),
        )

    def _select_patients(self, selector: Any, X: np.ndarray) -> Selection:
        """Select among the means of patients, each weighing as much as its images."""
        assert self.groups is not None
        patients, whose = np.unique(self.groups, return_inverse=True)
        weight = np.ones(self.n) if self.sample_weight is None else self.sample_weight
        total = np.bincount(whose)
        means = np.empty((len(patients), X.shape[1]), dtype=np.float64)
        for patient in range(len(patients)):
            means[patient] = X[whose == patient].mean(axis=0, dtype=np.float64)
        is_open = np.zeros(self.n, dtype=bool)
        is_open[self.open_rows()] = True
        seen = np.unique(whose[self.labeled])
        record = selector.select(
            means.astype(X.dtype),
            self.count(),
            labeled=seen,
            candidates=np.setdiff1d(np.unique(whose[is_open]), seen),
            sample_weight=np.bincount(whose, weights=weight, minlength=len(total)),
            return_selection=True,
        )
        rows = [np.flatnonzero((whose == patient) & is_open) for patient in record.indices]
        return _spread(record, rows, self.n)


def _spread(record: Selection, rows: Sequence[np.ndarray], n: int) -> Selection:
    """A selection of patients as one of their rows."""
    times = [len(part) for part in rows]
    coverage = record.coverage
    return replace(
        record,
        indices=np.concatenate(rows).astype(np.int64),
        scores=np.repeat(record.scores, times),
        terms={name: np.repeat(values, times) for name, values in record.terms.items()},
        coverage=np.repeat(coverage, times) if len(coverage) else coverage,
        n_samples=n,
        utilities=None,
    )


def _joined(parts: list[Selection]) -> Selection:
    """Several selections, one after another, as one; what is not of a pick is the last one's."""
    names = [name for name in parts[-1].terms if all(name in part.terms for part in parts)]
    return replace(
        parts[-1],
        indices=np.concatenate([part.indices for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        terms={name: np.concatenate([part.terms[name] for part in parts]) for name in names},
        coverage=np.concatenate([part.coverage for part in parts]),
        utilities=None,
    )
