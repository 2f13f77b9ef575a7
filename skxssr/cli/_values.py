"""Values on the command line, checked as they are read."""

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skxssr.workflows.choice import Budget


def budget(text: str) -> int | float:
    """A count such as 22, or a share of the target images such as 5%."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a count such as 22 nor a percentage such as 5%"
        ) from None


def selection_budget(text: str) -> "int | float | Budget":
    """A count, a share, ``8 patients`` or ``90 minutes``."""
    from skxssr.workflows.choice import Budget

    found = re.fullmatch(r"([0-9.]+) *(patients?|min|minutes?|h|hours?)", text.strip())
    if found is None:
        try:
            return budget(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(
                f"{error}, nor patients ('8 patients'), nor time ('90 minutes')"
            ) from None
    try:
        amount = float(found[1])
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: {found[1]} is no number") from None
    if found[2].startswith("p"):
        if not amount.is_integer():
            raise argparse.ArgumentTypeError(f"{text!r}: patients are counted whole")
        return Budget(int(amount), "patients")
    return Budget(amount * (60 if found[2].startswith("h") else 1), "minutes")


def budgets(text: str) -> list[int | float]:
    """Several budgets, with commas between them."""
    return [budget(part.strip()) for part in text.split(",")]


def alpha(text: str) -> str | float:
    """A number, or "auto"."""
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number") from None


def positive(text: str) -> int:
    """A count of at least 1."""
    return _whole(text, 1)


def jobs(text: str) -> int:
    """A number of threads or processes; negative ones count from all processors."""
    number = _whole(text, None)
    if number == 0:
        raise argparse.ArgumentTypeError("0 jobs do nothing: give 1 or more, or -1 for all")
    return number


def _whole(text: str, lowest: int | None) -> int:
    limits = "" if lowest is None else f" of at least {lowest}"
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number{limits}") from None
    if lowest is not None and number < lowest:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number{limits}")
    return number
