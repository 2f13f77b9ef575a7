"""`skxssr review`: do the masks agree with one another?"""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr.cli._reading import add_images, add_reading_options, reading_of
from skxssr.cli._values import positive


def add_command(commands: Any) -> None:
    """Add the options of `skxssr review`."""
    review = commands.add_parser(
        "review", help="do the masks agree with one another? the odd ones, ranked, with pictures"
    )
    add_images(review, "folder of images; those without a mask are left out")
    review.add_argument(
        "--masks",
        required=True,
        type=Path,
        help="folder of masks, named as the images, or a .json export of Label Studio or COCO",
    )
    review.add_argument("--out", required=True, type=Path, help="folder for the results")
    review.add_argument(
        "--source-model",
        type=Path,
        help="what skxssr train wrote for a site of one convention: whose side does it take?",
    )
    review.add_argument(
        "--recipe",
        choices=("ridge", "compact", "standard"),
        default="ridge",
        help="ridge: closed form, no training (default); compact, standard: U-Nets as of skxssr "
        "train, 10 or 20 of them",
    )
    review.add_argument(
        "--image-size", type=positive, help="pixels (ridge and compact 64, standard 128)"
    )
    review.add_argument(
        "--min-region",
        type=float,
        default=0.05,
        help="share of a mask that a region must have to count (0.05)",
    )
    add_reading_options(review)
    review.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.segmentation import RidgeSegmenter, SMPSegmenter, compact_segmenter
    from skxssr.workflows.review import review_folder

    verbose = 0 if args.quiet else 1
    recipes: dict[str, Any] = {
        "ridge": RidgeSegmenter,
        "compact": compact_segmenter,
        "standard": SMPSegmenter,
    }
    given = {} if args.image_size is None else {"image_size": args.image_size}
    segmenter = recipes[args.recipe](
        random_state=args.seed, device=args.device, verbose=verbose, **given
    )
    result = review_folder(
        args.folder,
        args.masks,
        args.out,
        segmenter=segmenter,
        source_model=args.source_model,
        group_pattern=args.group_pattern,
        group_from=args.group_from,
        min_region=args.min_region,
        reading=reading_of(args),
        random_state=args.seed,
        verbose=verbose,
        on_message=say,
    )
    say(result.review.summary())
    say(f"Look at {args.out / 'review.png'}; all masks are ranked in {args.out / 'review.csv'}.")
    if (result.review.group > 0).any():
        say("Correct the masks that differ, or train without them:")
        say(f"  skxssr train --images {args.folder} --masks {args.masks} --review {args.out} ...")
