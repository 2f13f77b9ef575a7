"""The directive ``.. help-text::``: what ``skxssr [command] --help`` prints, at build time."""

import argparse
import os
from typing import Any
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive

from skxssr.cli import build_parser


def help_text(command: str) -> str:
    """The help of the whole program, or of one of its commands."""
    with mock.patch.dict(os.environ, {"COLUMNS": "88", "NO_COLOR": "1"}):
        parser = build_parser()
        if command:
            commands = next(
                action
                for action in parser._actions
                if isinstance(action, argparse._SubParsersAction)
            )
            parser = commands.choices[command]
        return parser.format_help()


class HelpText(Directive):
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        command = " ".join(self.arguments)
        shown = " ".join(["$ skxssr", *self.arguments, "--help"])
        text = f"{shown}\n{help_text(command)}"
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("help-text", HelpText)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
