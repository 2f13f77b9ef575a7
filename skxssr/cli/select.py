"""`skxssr select`: from folders of images, or from embeddings, to the list to annotate."""

import argparse
import sys
from pathlib import Path
from typing import Any

from skxssr._utils.console import say
from skxssr._utils.names import one_line
from skxssr.cli._options import (
    add_embedder_options,
    add_folder_options,
    add_run_options,
    add_selection_jobs,
    add_value_options,
)
from skxssr.cli._values import alpha, positive, selection_budget

_SELECTOR = "XSSRSelector"
# Options that only make sense where images are opened.
_FOR_IMAGES = {
    "source": None,
    "model": None,
    "images": None,
    "exclude": None,
    "window": None,
    "image_size": None,
    "steps": None,
    "skip_unreadable": False,
    "embedder": "random-features",
    "seeds": 1,
    "axis": "axial",
}


def add_command(commands: Any) -> None:
    """Add the options of `skxssr select`."""
    select = commands.add_parser(
        "select", help="from a folder of images, or their embeddings, to the list to annotate"
    )
    pool = select.add_argument_group("what to select from")
    pool.add_argument("--target", type=Path, help="folder of target images")
    pool.add_argument(
        "--source",
        type=Path,
        help="folder of source images (optional: the default score uses no novelty)",
    )
    pool.add_argument(
        "--embeddings", type=Path, help="instead of --target: what skxssr embed wrote, or your own"
    )
    pool.add_argument(
        "--source-embeddings", type=Path, help="with --embeddings: those of the source (optional)"
    )
    select.add_argument("--out", required=True, type=Path, help="folder for the results")
    _add_again(select)
    _add_how_many(select)
    _add_labels(select)
    select.add_argument(
        "--selector",
        default=_SELECTOR,
        help="its name in Python, such as MaxHerdingSelector (XSSRSelector)",
    )
    select.add_argument(
        "--alpha", type=alpha, help="weight of novelty: 0 to 1, or auto (0), of XSSRSelector"
    )
    select.add_argument(
        "--exclude-test", type=Path, help="folder of skxssr split, whose test images are left out"
    )
    select.add_argument(
        "--keep-junk",
        action="store_true",
        help="let blank, dark, saturated, inverted images and copies be picked",
    )
    files = select.add_mutually_exclusive_group()
    files.add_argument(
        "--copy",
        action="store_true",
        help="copy the picked files into OUT/images, named in pick order, with a contact sheet",
    )
    files.add_argument("--link", action="store_true", help="the same with links instead of copies")
    select.add_argument(
        "--no-report", action="store_true", help="write no report.html (the extra report writes it)"
    )
    add_embedder_options(select)
    add_value_options(select)
    add_folder_options(select)
    add_selection_jobs(select)
    add_run_options(select)
    select.set_defaults(run=_run)


def _add_again(select: argparse.ArgumentParser) -> None:
    again = select.add_mutually_exclusive_group()
    again.add_argument(
        "--force", action="store_true", help="replace a selection that is in --out already"
    )
    again.add_argument(
        "--continue",
        dest="resume",
        action="store_true",
        help="keep a finished selection in --out, if the same is asked for, and write what is "
        "missing beside it",
    )


def _add_how_many(select: argparse.ArgumentParser) -> None:
    many = select.add_argument_group("how many")
    many.add_argument(
        "--budget",
        required=True,
        type=selection_budget,
        help="images (22), a share (5%%), whole patients ('8 patients'), or '90 minutes'",
    )
    many.add_argument(
        "--minutes-per-label", type=float, help="how long a label takes, for a budget of minutes"
    )
    many.add_argument(
        "--minutes-from",
        type=Path,
        metavar="CSV",
        help="labels differ in what they take: a table with the columns file and minutes; picks by "
        "coverage per minute instead of --selector",
    )
    many.add_argument("--max-per-group", type=positive, help="at most so many images of a patient")
    many.add_argument(
        "--min-per-site", type=positive, default=0, help="at least so many images of each site"
    )
    many.add_argument(
        "--site-from",
        metavar="folder|CSV|REGEX",
        help="the site is the first folder, in a table with the columns file and group, or a part "
        "of the path",
    )


def _add_labels(select: argparse.ArgumentParser) -> None:
    labels = select.add_argument_group("the next batch")
    labels.add_argument(
        "--labeled",
        metavar="FILE|DIR",
        help="what is labelled already: an earlier selection.csv, a list of files, or a folder of "
        "masks",
    )
    labels.add_argument(
        "--model",
        type=Path,
        help="folder of a trained segmenter: what it is unsure of is picked from first",
    )


def _run(args: argparse.Namespace) -> None:
    from skxssr.selection.by_name import selector_by_name

    _check_sides(args)
    if args.resume and _is_finished(args):
        return
    selector = selector_by_name(
        args.selector,
        alpha=args.alpha,
        random_state=args.seed,
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
    )
    common = {
        "selector": selector,
        "group_pattern": args.group_pattern,
        "group_from": args.group_from,
        "max_per_group": args.max_per_group,
        "min_per_site": args.min_per_site,
        "site_from": args.site_from,
        "minutes_per_label": args.minutes_per_label,
        "minutes_from": args.minutes_from,
        "labeled": args.labeled,
        "test_set": args.exclude_test,
        "keep_junk": args.keep_junk,
        "command": args.command_line,
        "force": args.force,
        "on_message": say,
    }
    if args.embeddings is not None:
        _from_embeddings(args, common)
    else:
        _from_folders(args, common)


def _is_finished(args: argparse.Namespace) -> bool:
    """Whether the selection is there as it is asked for; then what is missing beside it is made."""
    from skxssr.cli._again import differing_options
    from skxssr.workflows.out_folder import holds_selection
    from skxssr.workflows.selection_folder import RECORD

    if not holds_selection(args.out):
        return False
    differing = differing_options(args, args.out / RECORD)
    if differing is None or differing:
        what = f"asked for otherwise ({', '.join(differing)})" if differing else "made otherwise"
        raise ValueError(
            f"--continue: the selection in {one_line(args.out)} was {what}: name another --out, or "
            "give --force to replace it"
        )
    say(f"The selection in {one_line(args.out)} is finished, and is kept as it is.")
    _finish(args, anew=False)
    return True


def _check_sides(args: argparse.Namespace) -> None:
    if (args.target is None) == (args.embeddings is None):
        raise ValueError(
            "Give either --target, a folder of images, or --embeddings, a file that skxssr embed "
            "wrote."
        )
    if args.embeddings is not None and (args.copy or args.link):
        raise ValueError(
            "--copy and --link need the images, and --embeddings opens none: give --target, or "
            "afterwards skxssr export, if skxssr embed wrote the embeddings"
        )
    if args.embeddings is None and args.source_embeddings is not None:
        raise ValueError("--source-embeddings goes with --embeddings, not with --target.")
    if args.embeddings is not None:
        for name, default in _FOR_IMAGES.items():
            if getattr(args, name) != default:
                option = "--" + name.replace("_", "-")
                raise ValueError(
                    f"{option} is for images, and --embeddings opens none: leave {option} away, or "
                    "give --target instead of --embeddings."
                )
    if args.minutes_from is not None and (args.selector != _SELECTOR or args.alpha is not None):
        raise ValueError(
            "--minutes-from picks by coverage per minute, which other selectors do not know: leave "
            "--selector and --alpha away."
        )
    if args.source is None and args.source_embeddings is None and args.alpha not in (None, 0.0):
        raise ValueError(
            f"--alpha {args.alpha} weighs the distance to the source: give --source (or "
            "--source-embeddings), or leave --alpha away."
        )


def _from_folders(args: argparse.Namespace, common: dict[str, Any]) -> None:
    from skxssr.cli._embedder import named_embedder
    from skxssr.workflows.select import select_from_folders

    named = named_embedder(args)
    _say_first(args)
    result = select_from_folders(
        args.source,
        args.target,
        args.budget,
        args.out,
        embedder=named.embedder,
        model=args.model,
        images=args.images,
        exclude=args.exclude,
        skip_unreadable=args.skip_unreadable,
        window=args.window,
        axis=args.axis,
        refit=not named.fitted,
        verbose=0 if args.quiet else 1,
        **common,
    )
    for path, reason in result.excluded.items():
        say(f"left out: {one_line(path)}: {reason}", file=sys.stderr)
    if not named.trains:
        trained = "No network was trained: the same files give the same picks in every run."
    elif result.embedder_reused:
        trained = f"The embedder in {args.out / 'embedder'} was trained on the same files: reused."
    else:
        trained = ""
    _say_result(args, result, trained)


def _from_embeddings(args: argparse.Namespace, common: dict[str, Any]) -> None:
    from skxssr.workflows.select_vectors import select_from_embeddings

    _say_first(args)
    result = select_from_embeddings(
        args.embeddings,
        args.budget,
        args.out,
        source_embeddings=args.source_embeddings,
        **common,
    )
    _say_result(args, result, "")


def _say_first(args: argparse.Namespace) -> None:
    """What should be known before the work begins."""
    if args.exclude_test is None:
        say("No --exclude-test: reserve a random test set first, with skxssr split.")
    if args.source is None and args.source_embeddings is None:
        say("No source: none is needed, since the default score uses no novelty.")


def _say_result(args: argparse.Namespace, result: Any, trained: str) -> None:
    if result.junk:
        say(
            f"Left out of the choice: {len(result.junk)} images that are not worth a label, listed",
            end=" ",
        )
        say(f"in {args.out / 'selection.json'}; --keep-junk lets them be picked.")
    if result.test_set is not None:
        kept = f"{len(result.left_out)} images that {result.test_set.folder} reserves for testing"
        say(f"Left out: {kept}.")
    if trained:
        say(trained)
    say(result.selection.summary())
    if args.minutes_from is not None:
        minutes = result.selection.terms["minutes"].sum()
        say(
            f"They take {minutes:g} minutes. What they add in coverage is at least 0.31 of the most"
        )
        say("that can be had for that time (half of 1 - 1/e).")
    _say_seeds(result)
    if result.worth is not None:
        say(result.worth.text())
    say(f"The list to annotate is {args.out / 'selection.csv'}; how it came about,", end=" ")
    say(f"{args.out / 'selection.json'}.")
    _finish(args, anew=True)
    say("Picked images are not a random sample: never use them as a test set.")


def _finish(args: argparse.Namespace, *, anew: bool) -> None:
    """What is written beside a finished selection; what is there stays, unless it is `anew`."""
    from skxssr.workflows.report import REPORT, report_if_possible

    _place_files(args, anew)
    if args.no_report or (not anew and (args.out / REPORT).exists()):
        return
    report = report_if_possible(args.out, say)
    if report is not None:
        say(f"What was picked and why, as a page for the browser, is {report}.")


def _place_files(args: argparse.Namespace, anew: bool) -> None:
    """The picked files in pick order, if they are wanted and not there."""
    from skxssr.workflows.export import ORDER, export_selection

    if (args.copy or args.link) and (anew or not (args.out / ORDER).exists()):
        export_selection(args.out, "images", link=args.link, force=anew, on_message=say)
        say(f"The picked images, in pick order, are in {one_line(args.out / 'images')}.")


def _say_seeds(result: Any) -> None:
    seeds = getattr(result, "seeds", None)
    if seeds is not None:
        n = len(result.files)
        say(f"Picked from {len(seeds.files)} autoencoders together. Picks of one seed alone and of")
        say(
            f"another share {seeds.shared:.1f} of {n} on average; two random draws would share",
            end=" ",
        )
        say(f"{seeds.by_chance:.1f}.")
