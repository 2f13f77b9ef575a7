"""`skxssr export`: the picks of a finished selection for an annotation tool."""

import argparse
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr._utils.names import one_line

_FORMATS = ("images", "label-studio", "cvat", "coco", "masks", "monai-label")


def add_command(commands: Any) -> None:
    """Add the options of `skxssr export`."""
    export = commands.add_parser(
        "export",
        help="the picks for an annotation tool: Label Studio, CVAT, COCO, folders, MONAI Label",
        description="Write the picks of a finished selection in the form that an annotation tool "
        "reads, in pick order, with rank and reason. README.txt in the folder has the next steps.",
        epilog="example: skxssr export picks/ --to label-studio --labels lung",
    )
    export.add_argument("picks", type=Path, help="folder that skxssr select wrote")
    export.add_argument(
        "--to",
        required=True,
        choices=_FORMATS,
        help="images: the files in pick order with contact sheets; the others: what the tool reads",
    )
    export.add_argument("--out", type=Path, help="folder to write (one of that name in PICKS)")
    export.add_argument(
        "--labels", default="foreground", help="what is to be drawn: lung,lesion (foreground)"
    )
    export.add_argument("--link", action="store_true", help="link to image files, do not copy them")
    export.add_argument(
        "--force", action="store_true", help="write into a folder that is there; masks in it stay"
    )
    export.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.workflows.export import export_selection

    found = export_selection(
        args.picks,
        args.to,
        out=args.out,
        labels=[label.strip() for label in args.labels.split(",")],
        link=args.link,
        force=args.force,
        on_message=say,
    )
    where = one_line(found.folder)
    say(f"{len(found.items)} images in pick order are in {where};", end=" ")
    say(f"which is which, {where}/order.csv.")
    if args.to != "images":
        say(f"The next steps are in {where}/README.txt.")
