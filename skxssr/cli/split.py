"""`skxssr split`: reserve a test set before anything is selected."""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr.cli._options import add_folder_options, add_sight_options
from skxssr.cli._values import budget


def add_command(commands: Any) -> None:
    """Add the options of `skxssr split`."""
    split = commands.add_parser(
        "split", help="reserve a random test set of whole patients, before anything is selected"
    )
    split.add_argument("--target", required=True, type=Path, help="folder of target images")
    split.add_argument(
        "--size", required=True, type=budget, help="at least a count (100) or a share (20%%)"
    )
    split.add_argument("--out", required=True, type=Path, help="folder for the lists")
    split.add_argument("--seed", type=int, default=0, help="seed of the draw (0)")
    split.add_argument(
        "--keep-junk", action="store_true", help="let blank, dark images and copies be drawn too"
    )
    add_sight_options(split)
    split.add_argument("--quiet", action="store_true", help="no progress bars")
    add_folder_options(split)
    split.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.holdout import split_folder

    reserved = split_folder(
        args.target,
        args.size,
        args.out,
        group_pattern=args.group_pattern,
        group_from=args.group_from,
        images=args.images,
        exclude=args.exclude,
        keep_junk=args.keep_junk,
        window=args.window,
        axis=args.axis,
        random_state=args.seed,
        verbose=0 if args.quiet else 1,
        on_message=say,
    )
    counted = f"{len(reserved.images)} of {reserved.n_images} images"
    say(f"Reserved for testing: {counted}, listed in {args.out / 'test.txt'}.")
    if reserved.n_patients is not None:
        say(f"Whole patients among them: {reserved.n_patients}.")
    else:
        say("Every image was taken for a patient of its own. If patients have several, remove")
        say(f"{args.out} and draw again with --group-pattern or --group-from.")
    say(f"Select from the others with: skxssr select ... --exclude-test {args.out}")
