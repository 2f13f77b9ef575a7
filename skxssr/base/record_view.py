"""A record as a notebook shows it, and as a picture."""

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._utils.figures import make_panels

if TYPE_CHECKING:
    from skxssr.base.selection import Selection

_MOST_SHOWN = 30  # picks in a notebook
_WIDTH, _HEIGHT, _MARGIN = 260, 110, 12  # of a curve, in pixels


def record_html(record: "Selection") -> str:
    """The summary, the curves of coverage and alpha, and one table row a pick."""
    said = "<br>".join(map(html.escape, record.summary().splitlines()))
    curves = ""
    if len(record.coverage) > 1:
        picks = np.arange(1, len(record.coverage) + 1)
        curves += _curve(picks, record.coverage, f"coverage loss ({record.calibration})", "picks")
    if len(record.alphas) > 1:
        curves += _curve(
            record.alphas, record.alpha_losses, "coverage loss after the last pick", "alpha"
        )
    return f"<div><p>{said}</p>{curves}{_table(record)}</div>"


def _table(record: "Selection") -> str:
    with_coverage = len(record.coverage) == len(record)
    columns = ["rank", "index", "score", *record.terms, *(["coverage"] if with_coverage else [])]
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in columns)
    shown = min(len(record), _MOST_SHOWN)
    values = [record.scores, *record.terms.values(), *([record.coverage] if with_coverage else [])]
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in [
                str(rank + 1),
                str(record.indices[rank]),
                *(f"{value[rank]:.4g}" for value in values),
            ]
        )
        + "</tr>"
        for rank in range(shown)
    )
    more = len(record) - shown
    rest = f"<p>and {more} more: <code>to_frame()</code> has all.</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _curve(x: np.ndarray, y: np.ndarray, name: str, along: str) -> str:
    """A small line chart as SVG, which needs no matplotlib; the numbers stand at its corners."""
    x, y = (np.nan_to_num(np.asarray(values, dtype=np.float64)) for values in (x, y))
    wide, high = np.ptp(x) or 1.0, np.ptp(y) or 1.0
    across = _MARGIN + (x - x.min()) / wide * (_WIDTH - 2 * _MARGIN)
    down = _HEIGHT - _MARGIN - (y - y.min()) / high * (_HEIGHT - 2 * _MARGIN)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
    caption = html.escape(
        f"{name}: {y.min():.4g} to {y.max():.4g}; {along}: {x.min():g} to {x.max():g}"
    )
    return (
        f'<figure style="display:inline-block;margin:0 1em 0 0"><svg width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="{caption}"><polyline points="{points}" '
        'fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def plot_record(record: "Selection", ax: Any) -> Any:
    """The figure with the coverage of each pick, and without `ax` the alpha curve beside it."""
    with_alphas = ax is None and len(record.alphas) > 0
    figure, axes = make_panels(
        (1, 1 + with_alphas), (8 if with_alphas else 4, 3), ax=ax, caller="Selection.plot"
    )
    axes[0].plot(np.arange(1, len(record) + 1), record.coverage, marker=".")
    axes[0].set(xlabel="picks", ylabel=f"coverage loss ({record.calibration})")
    if with_alphas:
        axes[1].plot(record.alphas, record.alpha_losses, marker=".")
        axes[1].axvline(record.alpha, color="0.5", ls=":", label=f"alpha = {record.alpha:g}")
        axes[1].set(xlabel="alpha", ylabel="coverage loss after the last pick")
        axes[1].legend()
    return figure
