"""From what the report says to one HTML file that needs nothing else, and no network."""

import base64
import hashlib
import json
from importlib import resources
from typing import Any

import numpy as np

from skxssr._utils.names import one_line
from skxssr._utils.optional import import_optional
from skxssr.report.page.content import Content, Coverage
from skxssr.report.page.plots import Plot, coverage_plot, map_plot

__all__ = ["render_page"]

_CALLER = "The report (report.html)"


def render_page(content: Content) -> str:
    """Write the page.

    Everything is inside of it: the pictures, the styles, the code and the plotting library. A rule
    in its head (Content-Security-Policy) forbids the browser to load anything, and to run any code
    but the scripts whose hashes it lists. All text is escaped.

    Parameters
    ----------
    content : Content

    Returns
    -------
    str
        HTML.

    Raises
    ------
    MissingExtraError
        bokeh is not installed.
    """
    import_optional("bokeh", extra="report", caller=_CALLER)
    jinja2 = import_optional("jinja2", extra="report", caller=_CALLER)
    from bokeh.resources import Resources

    plots = {"map": map_plot(content.map)}
    if content.coverage is not None:
        plots["coverage"] = coverage_plot(content.coverage)
    here = resources.files("skxssr.report.page")
    library = "\n".join(Resources(mode="inline", components=["bokeh"], minified=True).js_raw)
    code = here.joinpath("page.js").read_text(encoding="utf-8")
    scripts = [library.replace("\r", ""), code]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["shown"] = one_line
    return environment.from_string(here.joinpath("template.html").read_text("utf-8")).render(
        page=content,
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        allowed=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        plots=_embedded(plots),
        coverage_rows=_coverage_rows,
    )


def _coverage_rows(curves: Coverage) -> list[list[str]]:
    """The numbers of labels from 1 on, in steps that grow, with the medians of the draws."""
    n = max(len(curves.picks), curves.random.shape[1], curves.coreset.shape[1])
    steps = sorted({1, len(curves.picks), n, *(m * 10**e for e in range(5) for m in (1, 2, 3, 5))})

    def at(values: np.ndarray, k: int) -> str:
        return f"{values[k - 1]:.4g}" if k <= len(values) else ""

    columns = [curves.picks, *(np.median(d, axis=0) for d in (curves.random, curves.coreset))]
    return [[str(k), *(at(column, k) for column in columns)] for k in steps if k <= n]


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _embedded(plots: dict[str, Plot]) -> str:
    """The plots as JSON that cannot end the element it stands in."""
    from bokeh.embed import json_item

    items: dict[str, Any] = {
        name: {"item": json_item(plot.figure), "inked": plot.inked} for name, plot in plots.items()
    }
    text = json.dumps(items, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
