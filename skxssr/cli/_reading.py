"""How folders are read, from the options that several commands share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skxssr.cli._options import (
    add_group_options,
    add_mask_options,
    add_run_options,
    add_value_options,
    add_which_options,
)

if TYPE_CHECKING:
    from skxssr.workflows.labelled_set import Reading


def add_reading_options(command: argparse.ArgumentParser, *, masks: bool = True) -> None:
    """Everything about what images and masks are, who is who, and how to run."""
    if masks:
        add_mask_options(command)
        add_group_options(command)
    add_value_options(command)
    add_which_options(command, "--only")
    add_run_options(command)


def reading_of(args: argparse.Namespace) -> "Reading":
    """The options as workflows take them."""
    from dataclasses import fields

    from skxssr.workflows.labelled_set import Reading

    given: dict[str, Any] = {
        field.name: getattr(args, field.name, field.default) for field in fields(Reading)
    }
    return Reading(**given)


def add_images(command: Any, what: str) -> None:
    """The folder of images."""
    command.add_argument("--images", dest="folder", required=True, type=Path, help=what)
