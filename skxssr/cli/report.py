"""`skxssr report`: the report of a finished selection, written again."""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say


def add_command(commands: Any) -> None:
    """Add the options of `skxssr report`."""
    report = commands.add_parser(
        "report",
        help="the picks as one HTML page, written again from a finished selection",
        description="Write report.html into the folder of a finished selection: the picks as a "
        "gallery with reasons, what was left out, a map, coverage, counts, stability, and what is "
        "needed to repeat it. One file, which loads nothing. skxssr select writes it too.",
        epilog="example: skxssr report picks/",
    )
    report.add_argument("picks", type=Path, help="folder that skxssr select wrote")
    report.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.workflows.report import write_report

    path = write_report(args.picks, on_message=say)
    say(f"The report is {path}: open it in a browser. It needs no network.")
