"""Pictures of a comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.figures import make_panels, save_figure
from skxssr._utils.optional import import_optional
from skxssr.evaluation._analysis.conditions import PLACE
from skxssr.evaluation.summary import summarize

# Okabe and Ito's palette, which most colour-blind readers can tell apart, without its yellow (too
# faint for a line) and its black (references); markers say the same again.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f5539")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_RANDOM = "#6b6b6b"
_STYLES = ((0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)))


def plot_label_efficiency(
    runs: Sequence[Mapping[str, Any]],
    path: str | Path | None = None,
    *,
    ax: Any = None,
    random: str = "random",
    confidence: float = 0.95,
    n_bootstrap: int = 500,
    random_state: int = 0,
) -> Any:
    """Draw mean Dice against the number of labels, one panel a task, block and network.

    Parameters
    ----------
    runs : sequence of mapping
        See `summarize`.
    path : str or Path, optional
        Picture file to write; the suffix says the format. None: no file.
    ax : matplotlib.axes.Axes or sequence of Axes, optional
        Where to draw instead of a new figure: one a panel.
    random : str, default="random"
        Selector whose draws are chance: dashed, with the middle 80% of its runs shaded.
    confidence : float, default=0.95
        Of the bars, bootstrap intervals of the mean; those of two selectors may overlap though
        their paired difference is clear, see `plot_forest`.
    n_bootstrap : int, default=500
        Replicates; enough for a picture.
    random_state : int, default=0
        Seed.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on; not shown.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    ValueError
        A run cannot be used, all are references, or `ax` holds not one of Axes a panel.

    Examples
    --------
    >>> from skxssr.evaluation import plot_label_efficiency
    >>> place = dict(task="chest", block="picks", embedder="mae", segmenter="unet")
    >>> runs = [
    ...     dict(place, selector=name, budget=b, pool=p, draw=0, seed=0, units=["a"], dice=[d])
    ...     for p in range(3)
    ...     for name, b, d in [("XSSR", 5, 0.93), ("XSSR", 22, 0.95), ("random", 5, 0.92)]
    ... ]
    >>> figure = plot_label_efficiency(runs, n_bootstrap=20)
    >>> figure.axes[0].get_xlabel()
    'labels'
    """
    figure_of = import_optional("matplotlib.ticker", extra="report", caller="plot_label_efficiency")
    rows = summarize(
        runs,
        random=random,
        against=(),
        confidence=confidence,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    ).rows
    compared = [row for row in rows if not row["reference"]]
    references = [row for row in rows if row["reference"]]
    if not compared:
        raise ValueError("runs holds references alone; there is no selector to draw.")
    places = sorted({tuple(row[name] for name in PLACE) for row in compared})
    looks = _looks(compared, random)
    styles = {name: i for i, name in enumerate(sorted({r["selector"] for r in references}))}
    lines, columns = _grid(len(places))
    figure, axes = make_panels(
        (lines, columns),
        (1.0 + 4.6 * columns, 1.2 + 3.6 * lines),
        ax=ax,
        caller="plot_label_efficiency",
        n=len(places),
    )
    blocks = {row["block"] for row in compared}
    legend: dict[str, Any] = {}
    for axis, place in zip(axes, places, strict=False):
        here = [row for row in compared if tuple(row[name] for name in PLACE) == place]
        for number, name in enumerate(looks):
            line = sorted((r for r in here if r["selector"] == name), key=lambda r: r["budget"])
            if not line:
                continue
            budgets = np.array([row["budget"] for row in line], dtype=float)
            column = {key: np.array([row[key] for row in line], dtype=float) for key in _DRAWN}
            if name == random:
                axis.fill_between(
                    budgets, column["p10_runs"], column["p90_runs"], color=_RANDOM, alpha=0.2, lw=0
                )
            # Side by side, or the bars of one budget hide each other.
            shifted = budgets * 1.025 ** (number - (len(looks) - 1) / 2)
            low, high = column["dice"] - column["dice_low"], column["dice_high"] - column["dice"]
            legend[name] = axis.errorbar(
                shifted,
                column["dice"],
                yerr=np.clip([low, high], 0, None),
                elinewidth=1,
                lw=1.6,
                ms=5,
                capsize=2,
                **looks[name],
            )
        for row in references:
            # A model trained on no target label belongs to no block in particular.
            fits = row["block"] == place[1] or row["block"] not in blocks
            if fits and row["task"] == place[0] and row["segmenter"] == place[3]:
                style = _STYLES[styles[row["selector"]] % len(_STYLES)]
                legend[row["selector"]] = axis.axhline(row["dice"], color="k", lw=1, ls=style)
        ticks = sorted({row["budget"] for row in here})
        axis.margins(y=0.08)
        axis.set_xscale("log")
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.xaxis.set_minor_locator(figure_of.NullLocator())
        axis.grid(axis="y", color="#e5e5e5", lw=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(_title(place, places), fontsize=10)
        axis.set_xlabel("labels")
    for axis in axes[len(places) :]:
        axis.axis("off")
    for axis in axes[::columns]:
        axis.set_ylabel("Dice x 100")
    look: dict[str, Any] = {"fontsize": 8, "frameon": False}
    if ax is None:
        look |= {"loc": "outside lower center", "ncols": min(4, 2 * columns)}
    (figure if ax is None else axes[0]).legend(legend.values(), legend.keys(), **look)
    return save_figure(figure, path)


_DRAWN = ("dice", "dice_low", "dice_high", "p10_runs", "p90_runs")


def plot_forest(
    rows: Sequence[Mapping[str, Any]],
    path: str | Path | None = None,
    *,
    ax: Any = None,
    against: str = "random",
) -> Any:
    """Draw paired differences of Dice with their intervals, one panel a task, block and network.

    Parameters
    ----------
    rows : sequence of mapping
        `Summary.comparisons`, or some of them.
    path : str or Path, optional
        Picture file to write; the suffix says the format. None: no file.
    ax : matplotlib.axes.Axes or sequence of Axes, optional
        Where to draw instead of a new figure: one a panel.
    against : str, default="random"
        Selector that the others are paired with; rows about another are left out.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on; not shown.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    ValueError
        No row is about `against`, or `ax` holds not one of Axes a panel.

    Notes
    -----
    Filled marks: the corrected p-value is below 0.05. Right of the line the selector is better.

    Examples
    --------
    >>> from skxssr.evaluation import plot_forest
    >>> row = dict(task="chest", block="picks", embedder="mae", segmenter="unet", budget=22)
    >>> row |= dict(selector="XSSR", against="random", difference=0.3, low=0.1, high=0.5)
    >>> row |= dict(p_holm=0.01, n_pools=8)
    >>> figure = plot_forest([row])
    >>> len(figure.axes)
    1
    """
    kept = [r for r in rows if r["against"] == against and r["difference"] is not None]
    if not kept:
        found = sorted({row["against"] for row in rows})
        raise ValueError(f"against={against!r} is in no row with a difference; found: {found}.")
    places = sorted({tuple(row[name] for name in PLACE) for row in kept})
    panels = [[r for r in kept if tuple(r[name] for name in PLACE) == place] for place in places]
    looks = _looks(kept, None)
    lines, columns = _grid(len(places))
    longest = max(len(panel) + 1.5 * len({r["budget"] for r in panel}) for panel in panels)
    figure, axes = make_panels(
        (lines, columns),
        (1.0 + 4.6 * columns, 0.7 + lines * (0.7 + 0.21 * longest)),
        ax=ax,
        caller="plot_forest",
        n=len(places),
        sharex=True,
    )
    for axis, place, panel in zip(axes, places, panels, strict=False):
        _forest(axis, panel, looks)
        axis.set_title(_title(place, places), fontsize=10)
    for axis in axes[len(places) :]:
        axis.axis("off")
    for axis in axes[max(0, len(places) - columns) : len(places)]:
        axis.tick_params(axis="x", labelbottom=True)
    said = f"Dice x 100, difference to {against}\n(pools in brackets; filled: corrected p < 0.05)"
    if ax is None:
        figure.supxlabel(said, fontsize=9)
    else:
        axes[len(places) - 1].set_xlabel(said, fontsize=9)
    return save_figure(figure, path)


def _forest(
    axis: Any, rows: Sequence[Mapping[str, Any]], looks: Mapping[str, Mapping[str, Any]]
) -> None:
    """One panel: a group of lines for every budget, its name in bold."""
    height = 0.0
    names: list[tuple[float, str, str]] = []
    for budget in sorted({row["budget"] for row in rows}):
        names.append((height, f"{budget} labels", "bold"))
        height += 1
        for row in [row for row in rows if row["budget"] == budget]:
            colour, marker = (looks[row["selector"]][key] for key in ("color", "marker"))
            clear = row["p_holm"] is not None and row["p_holm"] < 0.05
            axis.plot([row["low"], row["high"]], [height, height], color=colour, lw=1.6)
            face = colour if clear else "white"
            axis.plot(row["difference"], height, marker=marker, ms=6, color=colour, mfc=face)
            names.append((height, f"{row['selector']} ({row['n_pools']})", "normal"))
            height += 1
        height += 0.5
    axis.axvline(0, color="k", lw=1)
    axis.set_ylim(height - 0.5, -0.8)
    axis.set_yticks([at for at, _, _ in names], [name for _, name, _ in names], fontsize=8)
    for label, (_, _, weight) in zip(axis.get_yticklabels(), names, strict=True):
        label.set_fontweight(weight)
    axis.grid(axis="x", color="#e5e5e5", lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _grid(n: int) -> tuple[int, int]:
    """Lines and columns for n panels."""
    columns = 2 if n in (2, 4) else min(3, n)
    return -(-n // columns), columns


def _looks(rows: Sequence[Mapping[str, Any]], random: str | None) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of every selector, the same in every panel."""
    names = sorted({row["selector"] for row in rows} - {random})
    looks = {
        name: {
            "color": _COLOURS[i % len(_COLOURS)],
            "marker": _MARKERS[i % len(_MARKERS)],
            "ls": "-",
        }
        for i, name in enumerate(names)
    }
    if random is not None:
        looks[random] = {"color": _RANDOM, "marker": "o", "ls": "--"}
    return looks


def _title(place: tuple[Any, ...], places: Sequence[tuple[Any, ...]]) -> str:
    """What tells a place from the others; the task in any case."""
    told = [i for i in range(len(place)) if i == 0 or len({other[i] for other in places}) > 1]
    return ", ".join(str(place[i]) for i in told)
