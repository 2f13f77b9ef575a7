"""The command line: `skxssr split`, `select`, `compare`, `demo`.

Imports everything, inside the commands.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from skxssr._version import __version__

_EPILOG = """examples:
  skxssr split --target siteB/ --size 20% --out split/ --group-pattern '^(patient[0-9]+)_'
  skxssr select --source siteA/ --target siteB/ --budget 22 --out picks/ --exclude-test split/
  skxssr select --source siteA/ --target siteB/ --budget 5% --out picks/ --exclude-test split/ \\
      --group-pattern '^(patient[0-9]+)_'
  skxssr compare --source siteA/ --target siteB/ --masks siteB_masks/ --out compared/ --fast
  skxssr demo

The picked images are chosen, not drawn at random: never use them as a test set. Reserve one first,
with skxssr split.
"""


def _budget(text: str) -> int | float:
    """A count such as 22, or a share of the target images such as 5%."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a count such as 22 nor a percentage such as 5%"
        ) from None


def _budgets(text: str) -> list[int | float]:
    """Several budgets, with commas between them."""
    return [_budget(part.strip()) for part in text.split(",")]


def _alpha(text: str) -> str | float:
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number") from None


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; alone, so that tests and the documentation can read it."""
    parser = argparse.ArgumentParser(
        prog="skxssr",
        description="Which images should I have annotated? Pick the few target images whose\n"
        "labels teach a segmentation model most, before any target label exists.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skxssr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    split = commands.add_parser(
        "split", help="reserve a random test set of whole patients, before anything is selected"
    )
    split.add_argument("--target", required=True, type=Path, help="folder of target images")
    split.add_argument(
        "--size", required=True, type=_budget, help="at least a count (100) or a share (20%%)"
    )
    split.add_argument("--out", required=True, type=Path, help="folder for the lists")
    split.add_argument(
        "--group-pattern", help="regular expression whose one group is the patient, kept whole"
    )
    split.add_argument("--seed", type=int, default=0, help="seed of the draw (0)")

    select = commands.add_parser(
        "select", help="from two folders of images to the list to annotate"
    )
    select.add_argument("--source", required=True, type=Path, help="folder of source images")
    select.add_argument("--target", required=True, type=Path, help="folder of target images")
    select.add_argument(
        "--budget", required=True, type=_budget, help="a count (22) or a share (5%%)"
    )
    select.add_argument("--out", required=True, type=Path, help="folder for the results")
    select.add_argument(
        "--embedder", type=Path, help="saved MAEEmbedder to take instead of training"
    )
    select.add_argument("--alpha", type=_alpha, default="auto", help="0 to 1, or auto (default)")
    select.add_argument("--group-pattern", help="regular expression whose one group is the patient")
    select.add_argument("--max-per-group", type=int, help="at most so many images of a patient")
    select.add_argument(
        "--exclude-test", type=Path, help="folder of skxssr split, whose test images are left out"
    )
    select.add_argument(
        "--skip-unreadable", action="store_true", help="leave broken images out and list them"
    )
    select.add_argument("--image-size", type=int, default=128, help="pixels, of the embedder (128)")
    select.add_argument("--steps", type=int, help="training steps of the embedder")

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
        type=_budgets,
        default=[5, 10, 20],
        help="counts or shares, several with commas (5,10,20)",
    )
    compare.add_argument("--pools", type=int, help="repetitions (5; 2 with --fast)")
    compare.add_argument("--draws", type=int, help="random draws a pool (5; 2 with --fast)")
    compare.add_argument("--steps", type=int, help="of each network (400; 100 with --fast)")
    compare.add_argument("--image-size", type=int, default=64, help="pixels, of the networks (64)")
    compare.add_argument("--fast", action="store_true", help="a first look that settles nothing")
    compare.add_argument(
        "--embedder", type=Path, help="saved MAEEmbedder to take instead of training"
    )
    compare.add_argument(
        "--group-pattern", help="regular expression whose one group is the patient"
    )
    compare.add_argument("--minutes-per-label", type=float, help="time to annotate one image")

    demo = commands.add_parser("demo", help="the whole pipeline on built-in phantoms")
    demo.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for the pictures")
    demo.add_argument("--budget", type=_budget, default=12, help="images to pick (12)")

    for command in (select, compare, demo):
        command.add_argument("--seed", type=int, default=0, help="seed of everything (0)")
        command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    compare.add_argument("--jobs", type=int, default=1, help="networks trained at a time (1)")
    for command in (select, demo):
        command.add_argument(
            "--jobs", type=int, default=-1, help="threads of the selection (-1: all)"
        )
    for command in (select, compare, demo):
        command.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def _split(args: argparse.Namespace) -> None:
    from skxssr.holdout import split_folder

    reserved = split_folder(
        args.target,
        args.size,
        args.out,
        group_pattern=args.group_pattern,
        random_state=args.seed,
    )
    counted = f"{len(reserved.images)} of {reserved.n_images} images"
    print(f"Reserved for testing: {counted}, listed in {args.out / 'test.txt'}.")
    if reserved.n_patients is not None:
        print(f"Whole patients among them: {reserved.n_patients}.")
    else:
        print("Every image was taken for a patient of its own. If patients have several, remove")
        print(f"{args.out} and draw again with --group-pattern.")
    print(f"Select from the others with: skxssr select ... --exclude-test {args.out}")


def _select(args: argparse.Namespace) -> None:
    from skxssr import MAEEmbedder, XSSRSelector
    from skxssr.folders import select_from_folders

    verbose = 0 if args.quiet else 1
    if args.exclude_test is None:  # said now, not after the training
        print("No --exclude-test: reserve a random test set first, with skxssr split.", flush=True)
    if args.embedder is None:
        embedder = MAEEmbedder(
            image_size=args.image_size,
            steps=args.steps,
            device=args.device,
            random_state=args.seed,
            verbose=verbose,
        )
    else:
        embedder = MAEEmbedder.load(args.embedder).set_params(device=args.device, verbose=verbose)
    result = select_from_folders(
        args.source,
        args.target,
        args.budget,
        args.out,
        embedder=embedder,
        selector=XSSRSelector(
            alpha=args.alpha, random_state=args.seed, n_jobs=args.jobs, verbose=verbose
        ),
        group_pattern=args.group_pattern,
        max_per_group=args.max_per_group,
        test_set=args.exclude_test,
        skip_unreadable=args.skip_unreadable,
        refit=args.embedder is None,
        verbose=verbose,
    )
    for path, reason in result.excluded.items():
        print(f"left out: {path}: {reason}", file=sys.stderr)
    if result.test_set is not None:
        kept = f"{len(result.left_out)} images that {result.test_set.folder} reserves for testing"
        print(f"Left out: {kept}.")
    if result.embedder_reused:
        print(f"The embedder in {args.out / 'embedder'} was trained on the same files: reused.")
    print(result.selection.summary())
    print(f"The list to annotate is {args.out / 'selection.csv'}; how it came about,", end=" ")
    print(f"{args.out / 'selection.json'}.")
    print("Picked images are not a random sample: never use them as a test set.")


def _compare(args: argparse.Namespace) -> None:
    from skxssr import MAEEmbedder
    from skxssr.compare_folders import compare_folders
    from skxssr.demo import demo_embedder, demo_segmenter

    pools, draws, steps = (2, 2, 100) if args.fast else (5, 5, 400)
    verbose = 0 if args.quiet else 1
    common = {"random_state": args.seed, "device": args.device}
    if args.embedder is not None:
        embedder = MAEEmbedder.load(args.embedder).set_params(device=args.device, verbose=verbose)
    elif args.fast:
        embedder = demo_embedder(verbose=verbose, **common)
    else:  # that of skxssr select
        embedder = MAEEmbedder(verbose=verbose, **common)
    segmenter = demo_segmenter(device=args.device).set_params(
        image_size=args.image_size, steps=steps if args.steps is None else args.steps
    )
    result = compare_folders(
        args.source,
        args.target,
        args.masks,
        args.out,
        embedder=embedder,
        segmenter=segmenter,
        budgets=args.budget,
        source_masks=args.source_masks,
        n_pools=pools if args.pools is None else args.pools,
        n_random=draws if args.draws is None else args.draws,
        group_pattern=args.group_pattern,
        minutes_per_label=args.minutes_per_label,
        refit=args.embedder is None,
        n_jobs=args.jobs,
        random_state=args.seed,
        verbose=verbose,
        tell=lambda text: print(f"{text}\n", flush=True),
    )
    print(f"{result.text}\n")
    print(f"Every network is in {args.out / 'runs.jsonl'}, the tables in", end=" ")
    print(f"{args.out / 'summary.json'}; look at {args.out / 'forest.png'} and", end=" ")
    print(f"{args.out / 'efficiency.png'}.")
    if args.fast:
        print("This was a first look: small networks, few pools. Without --fast it counts.")


def _demo(args: argparse.Namespace) -> None:
    from skxssr.demo import run_demo

    run_demo(
        args.out,
        budget=args.budget,
        random_state=args.seed,
        device=args.device,
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0 is success, 2 an error of the input (one line on stderr), 130 Ctrl-C.
    """
    args = build_parser().parse_args(argv)
    # before torch loads: threads that spin while they wait slow everything down on a shared machine
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        commands = {"split": _split, "select": _select, "compare": _compare, "demo": _demo}
        commands[args.command](args)
    except KeyboardInterrupt as interrupt:
        hint = "; ".join([str(interrupt), *getattr(interrupt, "__notes__", [])]).strip("; ")
        print(f"skxssr: stopped. {hint}".rstrip(), file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        print(f"skxssr: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
