"""The two plots of the report, in Bokeh: the map, and coverage against the number of labels."""

from typing import Any, NamedTuple

import numpy as np

from skxssr.report.page.content import Coverage, Map

__all__ = ["Plot", "coverage_plot", "map_plot"]

# dark on light and light on dark alike
_TARGET, _SOURCE, _PICK = "#3b8bc4", "#8a8a8a", "#d1495b"
_RANDOM, _CORESET, _GREEDY = "#7d7d7d", "#d98e04", "#2a9d8f"


class Plot(NamedTuple):
    """A plot, and which properties of its models follow the colour of the text.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    inked : list of (str, str)
        Identity of a model, and its property.
    """

    figure: Any
    inked: list[tuple[str, str]]


def _figure(height: int, label: tuple[str, str], tools: str, **more: Any) -> Any:
    from bokeh.plotting import figure

    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=tools,
        toolbar_location="above",
        x_axis_label=label[0],
        y_axis_label=label[1],
        background_fill_color=None,
        border_fill_color=None,
        **more,
    )
    plot.toolbar.logo = None
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = "#888888", 0.25
    return plot


def _inked(plot: Any, *more: tuple[Any, str]) -> Plot:
    """Axes and legends are written in the colour of the text of the page."""
    found = [(axis, name) for axis in plot.axis for name in ("axis_label_text_color",)]
    for axis in plot.axis:
        found += [
            (axis, name)
            for name in ("major_label_text_color", "axis_line_color", "major_tick_line_color")
        ]
        axis.minor_tick_line_color = None
    found += [(legend, "label_text_color") for legend in plot.legend]
    for legend in plot.legend:
        legend.location = "left"
        legend.background_fill_alpha = 0.0
        legend.border_line_alpha = 0.0
    return Plot(plot, [(model.id, name) for model, name in [*found, *more]])


def map_plot(content: Map) -> Plot:
    """The target, the source and the picks, each a source of data that the page can select in."""
    from bokeh.models import ColumnDataSource, HoverTool

    first, second = (f"{share:.0%} of the variance" for share in content.shares)
    plot = _figure(
        460,
        (f"first principal component ({first})", f"second principal component ({second})"),
        "pan,wheel_zoom,box_zoom,reset,tap",
        active_drag=None,
        active_scroll=None,
        output_backend="canvas",
    )
    source = ColumnDataSource(_columns(content.source))
    target = ColumnDataSource(
        _columns(content.target)
        | {"name": list(content.names), "nearest": np.asarray(content.nearest, dtype=np.int32)},
        name="targets",
    )
    ranks = [str(rank) for rank in range(1, 1 + len(content.picks))]
    picks = ColumnDataSource(
        _columns(content.picks) | {"name": list(content.pick_names), "rank": ranks}, name="picks"
    )
    if len(content.source):
        plot.scatter(
            "x", "y", source=source, marker="square", size=5, color=_SOURCE, alpha=0.5,
            line_color=None, nonselection_alpha=0.5, legend_label="source",
        )  # fmt: skip
    shown = plot.scatter(
        "x", "y", source=target, size=6, color=_TARGET, alpha=0.65, line_color=None,
        selection_alpha=1.0, nonselection_alpha=0.15, legend_label="target",
    )  # fmt: skip
    marks = plot.scatter(
        "x", "y", source=picks, size=17, color=_PICK, line_color="white", alpha=0.95,
        nonselection_alpha=0.45, legend_label="picked, in order",
    )  # fmt: skip
    plot.text(
        "x", "y", text="rank", source=picks, text_color="white", text_align="center",
        text_baseline="middle", text_font_size="10px", nonselection_text_alpha=0.6,
    )  # fmt: skip
    plot.add_tools(
        HoverTool(renderers=[shown], tooltips=[("image", "@name")], point_policy="snap_to_data"),
        HoverTool(renderers=[marks], tooltips=[("pick", "@rank"), ("image", "@name")]),
    )
    plot.add_layout(plot.legend[0], "below")
    plot.legend.orientation = "horizontal"
    return _inked(plot)


def _columns(points: np.ndarray) -> dict[str, np.ndarray]:
    points = np.asarray(points, dtype=np.float32)
    return {"x": np.ascontiguousarray(points[:, 0]), "y": np.ascontiguousarray(points[:, 1])}


def coverage_plot(content: Coverage) -> Plot:
    """Bands of random and CoreSet draws, the picks, the greedy curve, a marker at the budget."""
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.models.annotations import Label, Span

    plot = _figure(
        360,
        ("number of labels", "mean distance to the nearest label"),
        "pan,box_zoom,reset,tap",
        active_drag=None,
    )
    for draws, colour, dash, name in (
        (content.random, _RANDOM, "dashed", "random draws"),
        (content.coreset, _CORESET, "dotted", "CoreSet draws"),
    ):
        if draws.size:
            ks = np.arange(1, draws.shape[1] + 1)
            low, middle, high = np.percentile(draws, [10, 50, 90], axis=0)
            plot.varea(ks, low, high, fill_color=colour, fill_alpha=0.25, legend_label=name)
            plot.line(ks, middle, color=colour, line_dash=dash, line_width=2, legend_label=name)
    if content.greedy.size:
        plot.line(
            np.arange(1, len(content.greedy) + 1), content.greedy, color=_GREEDY,
            line_dash="dashdot", line_width=2, legend_label="greedy coverage",
        )  # fmt: skip
    budget = len(content.picks)
    ks = np.arange(1, budget + 1)
    curve = ColumnDataSource({"k": ks, "loss": content.picks}, name="curve")
    plot.line("k", "loss", source=curve, color=_PICK, line_width=2.5, legend_label="these picks")
    dots = plot.scatter(
        "k", "loss", source=curve, color=_PICK, size=7, nonselection_alpha=0.35,
        legend_label="these picks",
    )  # fmt: skip
    plot.add_tools(
        HoverTool(renderers=[dots], tooltips=[("labels", "@k"), ("distance", "@loss{0.000}")])
    )
    marker = Span(location=budget, dimension="height", line_width=1.5, line_dash=[4, 3])
    highest = max(float(values.max()) for values in (content.picks, content.random) if values.size)
    said = Label(
        x=budget, y=highest, x_offset=5, y_offset=-18, text=f"budget: {budget}",
        text_font_size="12px",
    )  # fmt: skip
    plot.add_layout(marker)
    plot.add_layout(said)
    plot.add_layout(plot.legend[0], "below")
    plot.legend.ncols = 2
    return _inked(plot, (marker, "line_color"), (said, "text_color"))
