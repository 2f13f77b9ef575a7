"""`skxssr predict`: masks for the rest."""

import argparse
import sys
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr._utils.names import one_line
from skxssr.cli._reading import add_images, add_reading_options, reading_of


def add_command(commands: Any) -> None:
    """Add the options of `skxssr predict`."""
    predict = commands.add_parser(
        "predict", help="masks of a trained model for the rest of the images, to be corrected"
    )
    predict.add_argument("--model", required=True, type=Path, help="what skxssr train wrote")
    add_images(predict, "folder of images")
    predict.add_argument(
        "--out",
        required=True,
        type=Path,
        help="folder for the masks: PNG, named as the images",
    )
    predict.add_argument(
        "--include-trained",
        action="store_true",
        help="predict images too that the model was trained on",
    )
    predict.add_argument(
        "--exclude-test", type=Path, help="folder of skxssr split, whose test images are left out"
    )
    predict.add_argument(
        "--to",
        choices=("label-studio", "coco"),
        help="write them for this annotation tool, too, to be corrected there",
    )
    predict.add_argument("--labels", help="with --to, what was drawn: lung,lesion (foreground)")
    add_reading_options(predict, masks=False)
    predict.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.workflows.predict import export_predictions, predict_folder

    found = predict_folder(
        args.model,
        args.folder,
        args.out,
        include_trained=args.include_trained,
        test_set=args.exclude_test,
        reading=reading_of(args),
        device=args.device,
        verbose=0 if args.quiet else 1,
        on_message=say,
    )
    for path, reason in found.unreadable.items():
        say(f"left out: {one_line(path)}: {reason}", file=sys.stderr)
    if found.trained_on:
        say(f"Left out: {len(found.trained_on)} images that the model was trained on", end="")
        say(" (--include-trained predicts them too).")
    if found.reserved:
        say(f"Left out: {len(found.reserved)} images that are reserved for testing.")
    if found.n_there:
        say(f"{found.n_there} masks were there already, from this run as it was stopped.")
    say(f"{len(found.masks)} masks are in {args.out}, each of the size of its image.")
    if args.to is not None:
        labels = None if args.labels is None else [part.strip() for part in args.labels.split(",")]
        path = export_predictions(found, args.model, args.folder, args.out, args.to, labels)
        say(f"Import {path} into the annotation tool, and correct them there.")
