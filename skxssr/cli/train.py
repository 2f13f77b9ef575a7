"""`skxssr train`: from masks to a model."""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr.cli._reading import add_images, add_reading_options, reading_of
from skxssr.cli._values import positive


def add_command(commands: Any) -> None:
    """Add the options of `skxssr train`."""
    train = commands.add_parser("train", help="train a segmenter on the masks that there are")
    add_images(train, "folder of images; those without a mask are left out")
    train.add_argument(
        "--masks",
        required=True,
        type=Path,
        help="folder of masks, named as the images, or a .json export of Label Studio or COCO",
    )
    train.add_argument("--out", required=True, type=Path, help="folder for the model")
    train.add_argument(
        "--source-images",
        type=Path,
        help="a labelled site to begin with: its weights are the start",
    )
    train.add_argument("--source-masks", type=Path, help="its masks")
    train.add_argument(
        "--exclude-test", type=Path, help="folder of skxssr split, whose test images are left out"
    )
    train.add_argument(
        "--review",
        type=Path,
        help="folder of skxssr review, whose masks of another convention are left out",
    )
    train.add_argument(
        "--review-groups",
        type=_numbers,
        metavar="1,2",
        help="of its groups only these (all)",
    )
    train.add_argument(
        "--recipe",
        choices=("compact", "standard"),
        default="compact",
        help="compact: a small U-Net, half a minute on a CPU (default); standard: on a ResNet-18",
    )
    train.add_argument("--steps", type=positive, help="training steps (compact 400, standard 600)")
    train.add_argument(
        "--image-size", type=positive, help="pixels, of the network (compact 64, standard 128)"
    )
    add_reading_options(train)
    train.set_defaults(run=_run)


def _numbers(text: str) -> list[int]:
    return [positive(part.strip()) for part in text.split(",")]


def _run(args: argparse.Namespace) -> None:
    from skxssr.segmentation import SMPSegmenter, compact_segmenter
    from skxssr.workflows.train import train_from_folders

    verbose = 0 if args.quiet else 1
    asked = {"steps": args.steps, "image_size": args.image_size}
    given = {name: value for name, value in asked.items() if value is not None}
    recipe = compact_segmenter if args.recipe == "compact" else SMPSegmenter
    model = train_from_folders(
        args.folder,
        args.masks,
        args.out,
        segmenter=recipe(random_state=args.seed, device=args.device, verbose=verbose, **given),
        source_images=args.source_images,
        source_masks=args.source_masks,
        test_set=args.exclude_test,
        review=args.review,
        review_groups=args.review_groups,
        group_pattern=args.group_pattern,
        group_from=args.group_from,
        reading=reading_of(args),
        verbose=verbose,
        on_message=say,
    )
    if model.reused:
        say(f"The model in {args.out} was trained on the same files: nothing was left to do.")
    else:
        seconds = model.record["seconds"]
        say(f"Trained in {seconds:.0f} s; the model and its record are in {args.out}.")
    say(f"Masks for the rest: skxssr predict --model {args.out} --images {args.folder} --out ...")
    say(f"How good it is: skxssr evaluate --model {args.out} --test ... --images ... --masks ...")
