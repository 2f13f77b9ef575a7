"""`skxssr compare`: on a target that is labelled already, would choosing have paid?"""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr.cli._options import (
    EMBEDDER,
    add_folder_options,
    add_mask_options,
    add_run_options,
    add_value_options,
)
from skxssr.cli._values import budgets, jobs, positive

_FIRST_LOOK = """\
This was a first look: a linear segmenter on random features judged the selections. Its ranking of
selectors agrees with that of a U-Net only in part (docs/results/study.md). Without --fast networks
are trained."""


def add_command(commands: Any) -> None:
    """Add the options of `skxssr compare`."""
    compare = commands.add_parser(
        "compare", help="on a target that is labelled already: would choosing have paid?"
    )
    compare.add_argument("--source", required=True, type=Path, help="folder of source images")
    compare.add_argument("--target", required=True, type=Path, help="folder of target images")
    compare.add_argument(
        "--masks", required=True, type=Path, help="folder of target masks, named as the images"
    )
    compare.add_argument("--source-masks", type=Path, help="adds networks of the source alone")
    compare.add_argument("--out", required=True, type=Path, help="folder for the results")
    compare.add_argument(
        "--budget",
        type=budgets,
        default=[5, 10, 20],
        help="counts or shares, several with commas (5,10,20)",
    )
    compare.add_argument("--pools", type=positive, help="repetitions (5; 20 with --fast)")
    compare.add_argument("--draws", type=positive, help="random draws a pool (5; 20 with --fast)")
    compare.add_argument("--steps", type=positive, help="of each network (400); not with --fast")
    compare.add_argument(
        "--image-size", type=positive, default=64, help="pixels, of the networks (64)"
    )
    compare.add_argument(
        "--fast",
        action="store_true",
        help="a first look: a linear segmenter judges, and no network is trained",
    )
    compare.add_argument("--embedder", default="random-features", help=EMBEDDER)
    compare.add_argument("--minutes-per-label", type=float, help="time to annotate one image")
    compare.add_argument(
        "--jobs", type=jobs, help="networks trained at a time (1); not with --fast"
    )
    compare.add_argument(
        "--keep-junk",
        action="store_true",
        help="let blank, dark, saturated, inverted target images and copies take part",
    )
    add_mask_options(compare)
    add_value_options(compare)
    add_folder_options(compare)
    add_run_options(compare)
    compare.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.embedding.by_name import embedder_by_name
    from skxssr.workflows.compare import compare_folders

    for option in ("steps", "jobs") if args.fast else ():
        if getattr(args, option) is not None:
            raise ValueError(
                f"--{option} is for networks, and --fast trains none: leave one of them away."
            )
    verbose = 0 if args.quiet else 1
    named = embedder_by_name(
        args.embedder, random_state=args.seed, device=args.device, verbose=verbose
    )
    often = 20 if args.fast else 5
    result = compare_folders(
        args.source,
        args.target,
        args.masks,
        args.out,
        embedder=named.embedder,
        segmenter=_segmenter(args, verbose),
        budgets=args.budget,
        source_masks=args.source_masks,
        n_pools=often if args.pools is None else args.pools,
        n_random=often if args.draws is None else args.draws,
        group_pattern=args.group_pattern,
        group_from=args.group_from,
        images=args.images,
        exclude=args.exclude,
        mask_suffix=args.mask_suffix,
        skip_unreadable=args.skip_unreadable,
        keep_junk=args.keep_junk,
        foreground=args.foreground,
        ignore=args.ignore,
        join_masks=args.join_masks,
        window=args.window,
        axis=args.axis,
        minutes_per_label=args.minutes_per_label,
        refit=not named.fitted,
        n_jobs=1 if args.jobs is None else args.jobs,
        random_state=args.seed,
        verbose=verbose,
        on_message=lambda text: say(f"{text}\n"),
    )
    say(f"{result.text}\n")
    kept = "selection" if args.fast else "network"
    say(f"Every {kept} is in {args.out / 'runs.jsonl'}, the tables in", end=" ")
    say(f"{args.out / 'summary.json'}; look at {args.out / 'forest.png'} and", end=" ")
    say(f"{args.out / 'efficiency.png'}.")
    if args.fast:
        say(_FIRST_LOOK)


def _segmenter(args: argparse.Namespace, verbose: int) -> Any:
    """What `compare` trains on every selection, or judges all of them by."""
    if args.fast:
        from skxssr import RidgeSegmenter

        return RidgeSegmenter(image_size=args.image_size, device=args.device, verbose=verbose)
    from skxssr.segmentation import compact_segmenter

    given = {} if args.steps is None else {"steps": args.steps}
    return compact_segmenter(device=args.device, image_size=args.image_size, **given)
