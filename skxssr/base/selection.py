"""The record of one selection: what was picked and why."""

import copy
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.base.record_file import FORMAT, canonical, read_record, split_path, write_record
from skxssr.base.record_view import plot_record, record_html
from skxssr.exceptions import DamagedFileError

if TYPE_CHECKING:
    import pandas

_TERM = "term_"  # before the name of a term, in the file of the arrays


@dataclass(frozen=True, eq=False)
class Selection:
    """What `select` picked and why; immutable, and holds none of the input.

    Arrays that it is made of are copied, so that nobody else can change them and the caller may go
    on writing to theirs; only arrays that are read-only and own their memory are kept as they are.
    Two records are equal if all fields but `elapsed` are: the same rows for the same reasons,
    however long it took. So a record may be compared with one from a file or from another run.

    Attributes
    ----------
    indices : ndarray of shape (budget,), int64
        Rows of the pool in pick order.
    scores : ndarray of shape (budget,), float32
        Score each pick won with; NaN where a selector has no score.
    terms : dict of str to ndarray of shape (budget,), float64
        The terms of the score at the pick, for `XSSRSelector` "density" (scaled to its first
        maximum), "novelty" and "diversity" (distances after preprocessing).
    coverage : ndarray of shape (budget,), float64
        Coverage loss of the demand set after each pick, lower is better; see `calibration`.
    calibration : str
        Which coverage loss that is.
    alpha : float or None
        The trade-off in force; None if there was nothing to trade off.
    alphas, alpha_losses : ndarray of shape (n_alphas,), float64
        The calibration curve; empty if alpha was given.
    alpha_zero_overlap : float or None
        Share of the picks that alpha = 0 would have made too; None if alpha was given.
    novelty_used : bool
        Whether novelty had a say: in the score, in the demand, or in that the source counted as
        covering the target.
    scales : dict
        Size of the demand set, bandwidth, number of neighbours, whatever was sampled or
        approximate, whether everything was exact.
    elapsed : dict of str to float
        Wall-clock seconds of each stage.
    selector : str
        Class that selected.
    parameters : dict
        Its parameters, as text where they are not plain values.
    n_samples, n_source_samples : int
        Rows of the pool and of the source (0: none).
    utilities : ndarray of shape (budget, n_samples), float32, or None
        Score of every row at every pick, NaN for rows that could not be picked; only from
        ``engine="full"``.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> record = XSSRSelector().select(X, 2, return_selection=True)
    >>> record.indices.shape, record.alpha
    ((2,), 0.0)
    """

    indices: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray] = field(default_factory=dict)
    coverage: np.ndarray = field(default_factory=lambda: np.empty(0))
    calibration: str = ""
    alpha: float | None = None
    alphas: np.ndarray = field(default_factory=lambda: np.empty(0))
    alpha_losses: np.ndarray = field(default_factory=lambda: np.empty(0))
    alpha_zero_overlap: float | None = None
    novelty_used: bool = False
    scales: dict[str, Any] = field(default_factory=dict)
    elapsed: dict[str, float] = field(default_factory=dict)
    selector: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    n_samples: int = 0
    n_source_samples: int = 0
    utilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name == "terms":
                kept: Any = {term: _frozen(values) for term, values in value.items()}
            elif isinstance(value, dict):
                kept = copy.deepcopy(value)
            else:
                kept = _frozen(value) if isinstance(value, np.ndarray) else value
            object.__setattr__(self, name, kept)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        ours, theirs = self._arrays(), other._arrays()
        return (
            self._plain() == other._plain()
            and list(ours) == list(theirs)
            and all(
                mine.dtype == theirs[name].dtype
                and np.array_equal(mine, theirs[name], equal_nan=mine.dtype.kind in "fc")
                for name, mine in ours.items()
            )
        )

    def __hash__(self) -> int:
        return hash((self.selector, self.n_samples, self.indices.tobytes()))

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return (
            f"<Selection of {len(self)} of {self.n_samples} rows by {self.selector}, "
            f"alpha={self.alpha}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, the curves, and one row a pick."""
        return record_html(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw the coverage loss after each pick, and the alpha curve where alpha was calibrated.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw the coverage alone. By default a new figure, with the alpha curve beside
            it if there is one.

        Returns
        -------
        matplotlib.figure.Figure
            The figure drawn on; not shown and not saved.

        Raises
        ------
        MissingExtraError
            matplotlib is not installed.
        ValueError
            The selector keeps no coverage.
        """
        if not len(self.coverage):
            raise ValueError(
                f"{self.selector} keeps no coverage, so that there is nothing to plot."
            )
        return plot_record(self, ax)

    def _terms_of_score(self) -> list[str]:
        """What the selector scored by; "novelty" is among it unless an ablation left it out."""
        score = self.parameters.get("scoring")
        return score["terms"] if isinstance(score, dict) else ["novelty"]

    def summary(self) -> str:
        """Say in a few lines what was chosen and what had a say in it.

        Returns
        -------
        str
            A sentence a line.
        """
        lines = [f"{len(self)} of {self.n_samples} rows by {self.selector}."]
        if len(self.coverage):
            lines.append(f"Coverage loss ({self.calibration}): {self.coverage[-1]:.4g}.")
        if len(self.alphas):
            share = self.parameters.get("alpha_tolerance", 0)
            near = f"is the smallest within {share:.2%} of" if share else "has"
            lines.append(
                f"alpha = {self.alpha:g} {near} the lowest loss of {len(self.alphas)} tried."
            )
        if self.selector == "XSSRSelector" and not self.novelty_used:
            why = "alpha is 0"
            if self.n_source_samples == 0:
                why = "there was no source"
            elif "novelty" not in self._terms_of_score():
                why = "it is not among the terms"
            lines.append(f"Novelty had no say: {why}.")
            if self.n_source_samples:
                lines.append("The distance to the source did not influence the picks.")
        elif self.alpha_zero_overlap is not None:
            lines.append(f"{self.alpha_zero_overlap:.0%} of the picks are those of alpha = 0.")
        return "\n".join(lines)

    def to_frame(self) -> "pandas.DataFrame":
        """One row a pick: rank, index, score, the terms and the coverage loss after it.

        Returns
        -------
        pandas.DataFrame
            In pick order.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        pandas = import_optional("pandas", extra="report", caller="Selection.to_frame")
        columns: dict[str, Any] = {
            "rank": np.arange(1, len(self) + 1),
            "index": self.indices,
            "score": self.scores,
            **self.terms,
        }
        if len(self.coverage):
            columns["coverage"] = self.coverage
        return pandas.DataFrame(columns)

    def take(self, values: Any) -> Any:
        """The picked rows of anything with one entry a row: images, files, a frame, its index.

        Parameters
        ----------
        values : sequence, ndarray, pandas or polars object of length n_samples
            In the order of the rows that were selected from. ``frame.index`` gives the picks by
            the frame's own labels.

        Returns
        -------
        list, ndarray or pandas or polars object
            The entries of the picks, in pick order; a list for a list or tuple, else what indexing
            `values` gives. A pandas frame keeps its index.

        Raises
        ------
        ValueError
            `values` has another number of rows than the pool.

        Examples
        --------
        >>> from skxssr import CoreSetSelector
        >>> record = CoreSetSelector(initialize=0).select(
        ...     [[0.0], [1.0], [9.0]], 2, return_selection=True
        ... )
        >>> record.take(["film 7", "film 8", "film 9"])
        ['film 7', 'film 9']
        """
        if self.n_samples and len(values) != self.n_samples:
            raise ValueError(
                f"values has {len(values)} entries, but {self.n_samples} rows were selected from: "
                "pass one for each row of the pool, in its order."
            )
        if isinstance(values, list | tuple):
            return [values[row] for row in self.indices]
        # a copy, since torch warns of indices that cannot be written to
        return (values.iloc if hasattr(values, "iloc") else values)[self.indices.copy()]

    def to_dict(self) -> dict[str, Any]:
        """The plain values, without the arrays: what `save` writes as JSON.

        Returns
        -------
        dict
            Field by name, with the number of the format.
        """
        plain: dict[str, Any] = {"format": FORMAT}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in {"terms", "utilities"} and not isinstance(value, np.ndarray):
                plain[f.name] = value
        return plain

    def _plain(self) -> str:
        """The plain values as one text, without the seconds."""
        return canonical({**self.to_dict(), "elapsed": None})

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays by the names that they have in the file."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **{_TERM + name: value for name, value in self.terms.items()},
            **{name: value for name, value in named.items() if isinstance(value, np.ndarray)},
        }

    def save(self, path: str | Path) -> None:
        """Write `path`.json (plain values and a checksum of everything) and `path`.npz (arrays).

        Parameters
        ----------
        path : str or Path
            Without a suffix; a suffix ``.json`` or ``.npz`` is dropped.
        """
        write_record(path, self.to_dict(), self._arrays())

    @classmethod
    def load(cls, path: str | Path) -> "Selection":
        """Read what `save` wrote. Nothing is unpickled.

        Parameters
        ----------
        path : str or Path
            As given to `save`.

        Returns
        -------
        Selection
            Equal to the one saved.

        Raises
        ------
        FileNotFoundError
            One of the two files is missing.
        DamagedFileError
            Its SHA-256 is not that of the content: the files were truncated or changed, or they are
            of two records; or they are no record of a format that this version knows, or would
            unpack to more than 64 MiB and a hundred times their size. Files of versions that wrote
            no SHA-256 are read, and of them only some damages are found.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from skxssr import CoreSetSelector, Selection
        >>> record = CoreSetSelector().select([[0.0], [1.0], [9.0]], 2, return_selection=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record.save(Path(folder) / "why")
        ...     again = Selection.load(Path(folder) / "why")
        >>> again == record
        True
        """
        plain, arrays = read_record(path)
        terms = {n.removeprefix(_TERM): arrays.pop(n) for n in list(arrays) if n.startswith(_TERM)}
        _check_fields(path, plain, arrays)
        values: dict[str, Any] = {**plain, **arrays}
        return cls(terms=terms, **values)


def _frozen(values: Any) -> np.ndarray:
    """A read-only array that nobody else can write to."""
    if isinstance(values, np.ndarray) and values.flags.owndata and not values.flags.writeable:
        return values
    kept = np.array(values)
    kept.setflags(write=False)
    return kept


def _check_fields(path: str | Path, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Refuse files that hold something else than the fields of a record."""
    of_dict, counts = {"scales", "elapsed", "parameters"}, {"n_samples", "n_source_samples"}
    known = {f.name for f in fields(Selection)} - {"terms"}
    indices = arrays.get("indices", np.empty(0))
    unfit = [
        *(name for name in [*plain, *arrays] if name not in known),
        *(name for name in arrays if name in plain or name in of_dict),
        *(name for name in of_dict if not isinstance(plain.get(name, {}), dict)),
        *(name for name in counts if type(plain.get(name, 0)) is not int),
        *(["indices"] if indices.dtype.kind not in "iu" or indices.ndim != 1 else []),
        *(["scores"] if arrays.get("scores", np.empty(0)).shape != indices.shape else []),
    ]
    if unfit:
        raise DamagedFileError(
            f"{split_path(path)[0]} and its .npz hold no selection: {unfit[0]!r} is missing or not "
            "what a selection has there. Pass the path that Selection.save was given."
        )
