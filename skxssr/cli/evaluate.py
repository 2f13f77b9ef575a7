"""`skxssr evaluate`: how good masks are."""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr.cli._reading import add_images, add_reading_options, reading_of


def add_command(commands: Any) -> None:
    """Add the options of `skxssr evaluate`."""
    evaluate = commands.add_parser(
        "evaluate", help="score a model, or predicted masks, against held-out masks"
    )
    evaluate.add_argument("--model", type=Path, help="what skxssr train wrote")
    evaluate.add_argument("--predictions", type=Path, help="or a folder of predicted masks")
    add_images(evaluate, "folder of images; those without a mask are left out")
    evaluate.add_argument(
        "--masks",
        required=True,
        type=Path,
        help="folder of masks, named as the images, or a .json export of Label Studio or COCO",
    )
    evaluate.add_argument(
        "--test", type=Path, help="folder of skxssr split: only its images are scored"
    )
    evaluate.add_argument("--out", required=True, type=Path, help="folder for the results")
    evaluate.add_argument(
        "--site-from",
        metavar="folder|CSV|REGEX",
        help="a line of the table for each site, or for whatever else this tells apart",
    )
    add_reading_options(evaluate)
    evaluate.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.workflows.evaluate import evaluate_folder

    result = evaluate_folder(
        args.folder,
        args.masks,
        args.out,
        model=args.model,
        predictions=args.predictions,
        test_set=args.test,
        site_from=args.site_from,
        group_pattern=args.group_pattern,
        group_from=args.group_from,
        reading=reading_of(args),
        device=args.device,
        verbose=0 if args.quiet else 1,
        on_message=say,
    )
    say(f"\n{result.text}")
    say(f"Look at {args.out / 'worst.png'} and {args.out / 'best.png'}; scores of each", end=" ")
    say(f"image are in {args.out / 'scores.csv'}.")
