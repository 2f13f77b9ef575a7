"""Plain-text tables that are Markdown too."""

from collections.abc import Mapping, Sequence
from typing import Any


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Align rows of one set of keys as a Markdown table.

    Parameters
    ----------
    rows : sequence of mapping
        One mapping a line; the keys of the first are the columns, the first of
        them to the left, the others to the right.

    Returns
    -------
    str
        Lines without a final newline.

    Examples
    --------
    >>> from skxssr.report import format_table
    >>> print(format_table([{"selector": "random", "Dice": "0.94"}]))
    | selector | Dice |
    |----------|-----:|
    | random   | 0.94 |
    """
    columns = list(rows[0])
    cells = [[str(row[column]) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)
    ]
    right = [i > 0 for i in range(len(columns))]

    def line(values: Sequence[str]) -> str:
        padded = [
            value.rjust(width) if to_right else value.ljust(width)
            for value, width, to_right in zip(values, widths, right, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "|".join(
        "-" * (width + 1) + (":" if to_right else "-")
        for width, to_right in zip(widths, right, strict=True)
    )
    return "\n".join([line(columns), f"|{rule}|", *(line(values) for values in cells)])
