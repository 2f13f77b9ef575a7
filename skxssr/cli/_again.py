"""Whether a finished selection is what is asked for now: the command of its record, compared."""

import argparse
import contextlib
import io
import shlex
from pathlib import Path
from typing import Any

from skxssr._utils.files import read_json

# Options that have no say in what is picked.
_FREE = {
    *("command_line", "run", "out", "quiet", "jobs", "device", "force", "resume"),
    *("no_report", "copy", "link"),
}


def differing_options(args: argparse.Namespace, record: Path) -> list[str] | None:
    """Options of `args` that differ from those of the command in `record`; None if it has none."""
    known = read_json(record)
    command = known.get("command") if isinstance(known, dict) else None
    then = _parsed(command) if isinstance(command, str) else None
    if then is None:
        return None
    now = vars(args)
    names = sorted({*now, *then} - _FREE)
    return [f"--{name.replace('_', '-')}" for name in names if now.get(name) != then.get(name)]


def _parsed(command: str) -> dict[str, Any] | None:
    from skxssr.cli import build_parser

    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return vars(build_parser().parse_args(shlex.split(command)[1:]))
        except (SystemExit, ValueError):  # of a version with other options
            return None
