"""Pages in the little Markdown this project writes: CHANGELOG.md, CONTRIBUTING.md, decisions/.

Headings, paragraphs, lists, fenced code, tables, `code`, **bold**, *italics* and links become
reStructuredText; anything else is passed on as it is. ``.. include:: FILE`` with
``:parser: markdown_pages`` reads a file from elsewhere, ``.md`` files in the tree are pages.
"""

import re
from typing import Any

from docutils.parsers import rst
from sphinx.parsers import RSTParser

_UNDERLINES = "=-~^"


def inline(text: str) -> str:
    """Code, links and the backslashes that Markdown does not mind."""
    parts = re.split(r"(`[^`]+`)", text)
    for i, part in enumerate(parts):
        if part.startswith("`") and len(part) > 2:
            parts[i] = f"`{part}`"
            continue
        part = part.replace("\\", "\\\\")
        part = re.sub(r"\[([^\]]+)\]\((https?://[^)\s]+)\)", r"`\1 <\2>`__", part)
        parts[i] = re.sub(r"\[([^\]]+)\]\([^)\s]+\)", r"\1", part)  # a file beside: no page of ours
    return "".join(parts)


def table(lines: list[str]) -> list[str]:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    out = ["", ".. list-table::", "   :header-rows: 1", ""]
    for row in [rows[0], *rows[2:]]:
        cells = ["\\-" if cell == "-" else inline(cell) for cell in row]  # or it is a bullet
        out += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(cells)]
    return [*out, ""]


def to_rst(markdown: str) -> str:
    """The same page in reStructuredText."""
    out: list[str] = []
    lines = iter([*markdown.splitlines(), ""])
    rows: list[str] = []
    for line in lines:
        if line.lstrip().startswith("|"):
            rows.append(line)
            continue
        if rows:
            out += table(rows)
            rows = []
        if fence := re.match(r"( *)```(\w*)", line):
            indent = fence[1]
            out += ["", f"{indent}.. code-block:: {fence[2] or 'text'}", ""]
            for code in lines:
                if code.strip() == "```":
                    break
                out.append("   " + code if code.strip() else "")
            out.append("")
        elif heading := re.match(r"(#{1,4}) (.*)", line):
            title = inline(heading[2].strip())
            out += ["", title, _UNDERLINES[len(heading[1]) - 1] * len(title), ""]
        else:
            if re.match(r"\s*([-*]|\d+\.) ", line) and out and _starts_list(out[-1], line):
                out.append("")
            out.append(inline(line))
    return "\n".join(out) + "\n"


def _starts_list(before: str, line: str) -> bool:
    """Whether `line` opens a list, or one of another depth: reStructuredText wants a gap there."""
    if not before.strip():
        return False
    depth = [len(text) - len(text.lstrip()) for text in (before, line)]
    return not re.match(r"\s*([-*]|\d+\.) ", before) and (
        depth[0] == depth[1] == 0 or depth[1] > depth[0]
    )


class Parser(rst.Parser):
    """For ``:parser: markdown_pages`` of an include."""

    def parse(self, inputstring: str, document: Any) -> None:
        super().parse(to_rst(inputstring), document)


class SourceParser(RSTParser):
    """For pages of the tree."""

    supported = ("markdown",)

    def parse(self, inputstring: Any, document: Any) -> None:
        text = inputstring if isinstance(inputstring, str) else "\n".join(inputstring)
        super().parse(to_rst(text), document)


def setup(app: Any) -> dict[str, bool]:
    app.add_source_suffix(".md", "markdown")
    app.add_source_parser(SourceParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
