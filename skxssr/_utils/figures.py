"""Figures of matplotlib: made without a window, or drawn into what the caller passes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional


def new_figure(width: float, height: float, caller: str) -> Any:
    """A figure with its own canvas: no window, no global state, whatever backend the user has."""
    figure = import_optional("matplotlib.figure", extra="report", caller=caller)
    return figure.Figure(figsize=(width, height), layout="constrained", dpi=120)


def make_panels(
    grid: tuple[int, int],
    size: tuple[float, float],
    *,
    ax: Any,
    caller: str,
    n: int | None = None,
    **shared: Any,
) -> tuple[Any, Sequence[Any]]:
    """A figure and its axes, row by row.

    Parameters
    ----------
    grid : tuple of int
        Lines and columns of a new figure.
    size : tuple of float
        Width and height of a new figure, in inches.
    ax : Axes, sequence of Axes or None
        Where to draw instead: one for each of the `n` panels.
    caller : str
        For the message of an error.
    n : int, optional
        Panels that are drawn; by default all of the grid.
    **shared
        For `matplotlib.figure.Figure.subplots` of a new figure.
    """
    n = grid[0] * grid[1] if n is None else n
    if ax is None:
        figure = new_figure(*size, caller)
        return figure, figure.subplots(*grid, squeeze=False, **shared).ravel()
    given = list(np.ravel(np.array(ax, dtype=object)))
    if len(given) != n:
        raise ValueError(
            f"{caller} draws {n} panels, but ax holds {len(given)} axes: pass one for each, or no "
            "ax."
        )
    return given[0].figure, given


def save_figure(figure: Any, path: str | Path | None) -> Any:
    """Write the figure if there is a path; returns it in any case."""
    if path is not None:
        figure.savefig(path)
    return figure
