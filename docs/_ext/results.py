"""Figures of the study in the text of a page, read from docs/results/ when the pages are built.

``:result:`cxr/cxr_test/MaxHerding/minus random``` is one cell of the first table below the heading
``cxr_test`` of ``results/cxr.md`` in which a row and a column of these names meet; ``cxr_test@10``
is the part for 10 labels. The directive
``result-table`` shows rows and columns of that table. What is not there is an error: a renamed row
stops the build.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives

RESULTS = Path(__file__).parents[1] / "results"


def read_table(page: str, section: str) -> dict[str, dict[str, str]]:
    """Rows of a section of a page of results, columns by name; the first table of a name counts.

    "NAME@10": of its tables for 10 labels alone.
    """
    section, _, labels = section.partition("@")
    text = (RESULTS / f"{page}.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if section not in found:
        raise KeyError(f"results/{page}.md has no section {section!r}, only {sorted(found)}")
    rows: dict[str, dict[str, str]] = {}
    header: list[str] = []
    lines = found[section].splitlines()
    if labels:
        titles = [i for i, line in enumerate(lines) if line.startswith("**")] + [len(lines)]
        wanted = [i for i in titles[:-1] if f", {labels} labels**" in lines[i]]
        if not wanted:
            raise KeyError(f"results/{page}.md, {section}: nothing for {labels} labels")
        lines = [line for i in wanted for line in lines[i : titles[titles.index(i) + 1]]]
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif not set(cells[0]) <= {"-", ":"}:
            row = rows.setdefault(cells[0], {})
            for name, value in zip(header, cells, strict=True):
                row.setdefault(name, value)
    return rows


def look_up(path: str) -> str:
    """The cell that ``page/section/row/column`` names; Dice and differences as they stand there."""
    page, section, row, column = path.split("/")
    rows = read_table(page, section)
    if row not in rows or column not in rows[row]:
        raise KeyError(f"results/{page}.md, {section}: no row {row!r} with a column {column!r}")
    return re.sub(r" p=.*", "", rows[row][column])


def result(name: str, raw: str, text: str, line: int, inliner: Any, *_: Any) -> tuple[list, list]:
    try:
        return [nodes.Text(look_up(text))], []
    except (KeyError, ValueError, OSError) as error:
        message = inliner.reporter.error(f"result: {error}", line=line)
        return [inliner.problematic(raw, raw, message)], [message]


class ResultTable(Directive):
    """``.. result-table:: page section`` with ``:rows:`` and ``:columns:``, one name a line."""

    required_arguments = 2
    option_spec = {"rows": directives.unchanged_required, "columns": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        page, section = self.arguments
        names = [name.strip() for name in self.options["rows"].splitlines()]
        columns = [name.strip() for name in self.options["columns"].splitlines()]
        try:
            body = [
                [name, *(look_up(f"{page}/{section}/{name}/{column}") for column in columns)]
                for name in names
            ]
        except (KeyError, ValueError, OSError) as error:
            raise self.error(f"result-table: {error}") from error
        group = nodes.tgroup(cols=len(columns) + 1)
        group += [nodes.colspec(colwidth=1) for _ in range(len(columns) + 1)]
        group += nodes.thead("", _row(["", *columns]))
        group += nodes.tbody("", *map(_row, body))
        return [nodes.table("", group, classes=["results"])]


def _row(cells: list[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))


def setup(app: Any) -> dict[str, bool]:
    app.add_role("result", result)
    app.add_directive("result-table", ResultTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
