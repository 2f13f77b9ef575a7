"""`skxssr embed`: a folder of images to vectors with names, once."""

import argparse
import sys
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr._utils.names import one_line
from skxssr.cli._options import (
    add_embedder_options,
    add_run_options,
    add_value_options,
    add_which_options,
)


def add_command(commands: Any) -> None:
    """Add the options of `skxssr embed`."""
    embed = commands.add_parser(
        "embed", help="a folder of images to vectors with names, once; then select in seconds"
    )
    embed.add_argument("--images", dest="folder", required=True, type=Path, help="folder of images")
    embed.add_argument("--out", required=True, type=Path, help="file for the results, NAME.npz")
    embed.add_argument("--force", action="store_true", help="replace that file if it is there")
    embed.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="embed on the workers of this Dask scheduler, tcp://host:8786; they see these files",
    )
    add_embedder_options(embed)
    add_value_options(embed)
    add_which_options(embed, "--only")
    add_run_options(embed)
    embed.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.cli._embedder import named_embedder
    from skxssr.workflows.embed import embed_folder

    named = named_embedder(args)
    made = embed_folder(
        args.folder,
        args.out,
        embedder=named.embedder,
        refit=not named.fitted,
        force=args.force,
        images=args.images,
        exclude=args.exclude,
        skip_unreadable=args.skip_unreadable,
        window=args.window,
        axis=args.axis,
        scheduler=args.scheduler,
        verbose=0 if args.quiet else 1,
        on_message=say,
    )
    for name, reason in made.about["excluded"].items():
        say(f"left out: {one_line(name)}: {reason}", file=sys.stderr)
    n, width = made.vectors.shape
    say(f"{n} images, {width} numbers each, are in {args.out}.")
    saved = args.out.with_suffix(".embedder")
    if named.trains:
        say(
            f"The embedder that was trained is in {saved}: embed other sites with --embedder",
            end=" ",
        )
        say(f"{saved}.")
    say(f"Select from them with: skxssr select --embeddings {args.out} --budget 22 --out picks/")
