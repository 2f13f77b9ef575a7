"""The record of one selection: what was picked and why."""

import html
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._utils.optional import import_optional

if TYPE_CHECKING:
    import pandas

_FORMAT = 1
_MOST_SHOWN = 30  # picks in a notebook


@dataclass(frozen=True, eq=False)
class Selection:
    """What `select` picked and why; immutable, and holds none of the input.

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
        for value in [*vars(self).values(), *self.terms.values()]:
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return (
            f"<Selection of {len(self)} of {self.n_samples} rows by {self.selector}, "
            f"alpha={self.alpha}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and one row a pick."""
        columns = [
            "rank",
            "index",
            "score",
            *self.terms,
            *(["coverage"] if len(self.coverage) else []),
        ]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = []
        for t in range(min(len(self), _MOST_SHOWN)):
            values = [
                self.scores[t],
                *(of[t] for of in self.terms.values()),
                *self.coverage[t : t + 1],
            ]
            cells = [str(t + 1), str(self.indices[t]), *(f"{value:.4g}" for value in values)]
            body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        more = len(self) - len(body)
        rest = f"<p>and {more} more: <code>to_frame()</code> has all.</p>" if more else ""
        said = "<br>".join(map(html.escape, self.summary().splitlines()))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        return f"<div><p>{said}</p>{table}{rest}</div>"

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
        figures = import_optional("matplotlib.figure", extra="report", caller="Selection.plot")
        curve = ax is None and len(self.alphas) > 0
        if ax is None:
            figure = figures.Figure(figsize=(8 if curve else 4, 3), layout="constrained")
            axes = figure.subplots(1, 1 + curve, squeeze=False)[0]
        else:
            figure, axes = ax.figure, [ax]
        axes[0].plot(np.arange(1, len(self) + 1), self.coverage, marker=".")
        axes[0].set(xlabel="picks", ylabel=f"coverage loss ({self.calibration})")
        if curve:
            axes[1].plot(self.alphas, self.alpha_losses, marker=".")
            axes[1].axvline(self.alpha, color="0.5", ls=":", label=f"alpha = {self.alpha:g}")
            axes[1].set(xlabel="alpha", ylabel="coverage loss after the last pick")
            axes[1].legend()
        return figure

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
        plain: dict[str, Any] = {"format": _FORMAT}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in {"terms", "utilities"} and not isinstance(value, np.ndarray):
                plain[f.name] = value
        return plain

    def save(self, path: str | Path) -> None:
        """Write `path`.json (plain values) and `path`.npz (arrays).

        Parameters
        ----------
        path : str or Path
            Without a suffix; a suffix ``.json`` or ``.npz`` is dropped.
        """
        base = _base(path)
        arrays: dict[str, Any] = {f"term_{name}": value for name, value in self.terms.items()}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                arrays[f.name] = value
        text = json.dumps(self.to_dict(), indent=2)
        np.savez_compressed(base.with_name(base.name + ".npz"), **arrays)
        base.with_name(base.name + ".json").write_text(text + "\n", encoding="utf-8")

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
        ValueError
            The file was written in a format this version does not know.
        """
        base = _base(path)
        plain = json.loads(base.with_name(base.name + ".json").read_text(encoding="utf-8"))
        if plain.pop("format", None) != _FORMAT:
            raise ValueError(f"{base}.json is not a selection of format {_FORMAT}.")
        with np.load(base.with_name(base.name + ".npz"), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        terms = {n.removeprefix("term_"): arrays.pop(n) for n in list(arrays) if n[:5] == "term_"}
        return cls(terms=terms, **arrays, **plain)


def _base(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in {".json", ".npz"} else path
