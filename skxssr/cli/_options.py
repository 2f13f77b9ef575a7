"""Options that several commands have, each written once."""

import argparse

from skxssr.cli._values import jobs, positive

EMBEDDER = (
    "random-features (default; nothing is trained), mae (an autoencoder, trained on the source), "
    "simclr or moco (contrastive, trained on the source), timm:NAME or "
    "timm:NAME=WEIGHTS_FILE, or the folder of a saved embedder"
)


def add_which_options(command: argparse.ArgumentParser, only: str = "--images") -> None:
    """What is an image."""
    command.add_argument(
        only,
        dest="images",
        metavar="GLOB",
        help="only these are images: 'images/*', '*_t2.png', a folder",
    )
    command.add_argument("--exclude", metavar="GLOB", help="these are none")


def add_embedder_options(command: argparse.ArgumentParser) -> None:
    """Which embedder, and its parameters."""
    command.add_argument("--embedder", default="random-features", help=EMBEDDER)
    command.add_argument(
        "--image-size",
        type=positive,
        help="pixels, of the embedder (random-features, simclr and moco 64, mae 128, timm the "
        "model's own)",
    )
    command.add_argument(
        "--steps", type=positive, help="training steps of --embedder mae, simclr, moco"
    )
    command.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="networks that --embedder mae, simclr or moco trains and joins (1)",
    )


def add_folder_options(command: argparse.ArgumentParser) -> None:
    """What is an image, and whose it is."""
    add_which_options(command)
    add_group_options(command)


def add_group_options(command: argparse.ArgumentParser) -> None:
    """Whose an image is."""
    command.add_argument(
        "--group-pattern",
        help="regular expression whose one group is the patient, in the name or the relative path",
    )
    command.add_argument(
        "--group-from",
        "--groups",
        metavar="folder|name|dicom|CSV",
        help="the patient is the folder, the name without its last number, in the tags of DICOM "
        "files, or in a table with the columns file and group",
    )


def add_value_options(command: argparse.ArgumentParser) -> None:
    """What the values of images mean, and what is done with images that cannot be read."""
    add_sight_options(command)
    command.add_argument(
        "--skip-unreadable", action="store_true", help="leave broken images out and list them"
    )


def add_sight_options(command: argparse.ArgumentParser) -> None:
    """What the values of images mean, and along what volumes are cut."""
    command.add_argument(
        "--window", help="black and white of images: -160,240, or percentiles: 1%%,99%%"
    )
    command.add_argument(
        "--axis",
        choices=("axial", "coronal", "sagittal"),
        default="axial",
        help="along which volumes are cut (axial)",
    )


def add_mask_options(command: argparse.ArgumentParser) -> None:
    """What masks are named, and what their values mean."""
    command.add_argument(
        "--mask-suffix", help="what names of masks have at their end, such as _segmentation"
    )
    command.add_argument(
        "--foreground", help="values of masks that are foreground (255, or 1,255), or '>127'"
    )
    command.add_argument(
        "--ignore", type=_mask_values, help="values of pixels without a label (255), or none"
    )
    command.add_argument(
        "--join-masks", action="store_true", help="x_mask and x_mask_1 are parts of one mask"
    )


def _mask_values(text: str) -> list[int]:
    """Values of masks, with commas between them, or none."""
    try:
        return [] if text == "none" else [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither values such as 255 or -1,255 nor none"
        ) from None


def add_run_options(command: argparse.ArgumentParser) -> None:
    """Seed, device and progress."""
    command.add_argument("--seed", type=int, default=0, help="seed of everything (0)")
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    command.add_argument("--quiet", action="store_true", help="no progress bars")


def add_selection_jobs(command: argparse.ArgumentParser) -> None:
    """How many threads the selection takes."""
    command.add_argument("--jobs", type=jobs, default=-1, help="threads of the selection (-1: all)")
