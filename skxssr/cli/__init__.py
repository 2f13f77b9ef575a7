"""The command line: one file for each command, with its options and what it prints."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from skxssr._utils.console import make_printable, say
from skxssr._version import __version__
from skxssr.cli import (
    compare,
    demo,
    embed,
    evaluate,
    export,
    predict,
    report,
    review,
    select,
    split,
    train,
)

# In the order of the story: embed, select, split, review, train, predict, evaluate, compare,
# report, and the demonstration last. Each has `add_command`, which adds its parser and names
# the function that runs it.
_COMMANDS = (
    *(embed, select, split, review, train, predict, evaluate, compare, report),
    *(export, demo),
)

# One example for each command, in the order of the story; `_epilog` shows those that are there.
_EXAMPLES = {
    "embed": "skxssr embed --images siteB/ --out siteB.npz",
    "select": "skxssr select --target siteB/ --budget 22 --out picks/ --exclude-test split/",
    "split": "skxssr split --target siteB/ --size 20% --out split/",
    "review": "skxssr review --images siteB/ --masks masks/ --out review/",
    "train": "skxssr train --images siteB/ --masks masks/ --out model/ --exclude-test split/",
    "predict": "skxssr predict --model model/ --images siteB/ --out predicted/",
    "evaluate": "skxssr evaluate --model model/ --test split/ --images siteB/ --masks masks/ "
    "--out scores/",
    "compare": "skxssr compare --source siteA/ --target siteB/ --masks masks/ --out compared/",
    "report": "skxssr report picks/",
    "export": "skxssr export picks/ --to label-studio --labels lung",
    "demo": "skxssr demo",
}

_MORE = """more of skxssr select:
  --embeddings siteB.npz instead of --target       in seconds, without opening an image
  --budget '8 patients' --group-pattern '^(p[0-9]+)_'
                                                   all images of eight patients
  --labeled picks/                                 the next batch, after the first

The picked images are chosen, not drawn at random: never use them as a test set. Reserve one first,
with skxssr split.
"""


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; alone, so that tests and the documentation can read it."""
    parser = argparse.ArgumentParser(
        prog="skxssr",
        description="Which images should I have annotated? Pick the few target images whose\n"
        "labels teach a segmentation model most, before any target label exists.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skxssr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def _epilog() -> str:
    names = [command.__name__.rpartition(".")[2] for command in _COMMANDS]
    shown = "".join(f"  {_EXAMPLES[name]}\n" for name in names if name in _EXAMPLES)
    return f"one example each:\n{shown}\n{_MORE}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0 is success, 2 an error of the input (one line on stderr), 130 Ctrl-C, 143 SIGTERM. Both end
    the work in the same way, and say with which command it goes on.
    """
    make_printable()
    args = build_parser().parse_args(argv)
    args.command_line = shlex.join(["skxssr", *(sys.argv[1:] if argv is None else argv)])
    # before torch loads: threads that spin while they wait slow everything down on a shared machine
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with _termination_like_ctrl_c() as terminated:
            args.run(args)
    except KeyboardInterrupt as interrupt:
        hint = "; ".join([str(interrupt), *getattr(interrupt, "__notes__", [])]).strip("; ")
        say(f"skxssr: stopped. {hint}".rstrip(), file=sys.stderr)
        say(f"Go on with the same command:\n  {args.command_line}", file=sys.stderr)
        return 143 if terminated else 130
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        say(f"skxssr: error: {error}", file=sys.stderr)
        return 2
    return 0


@contextlib.contextmanager
def _termination_like_ctrl_c() -> Iterator[list[int]]:
    """Within, SIGTERM is what Ctrl-C is, even where Ctrl-C is ignored; the list holds what arrived.

    A shell without job control starts what runs in the background with SIGINT ignored.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals are not ours
        yield arrived
        return

    def note(signum: int, frame: object) -> None:
        arrived.append(signum)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield arrived
    finally:
        signal.signal(signal.SIGTERM, before)
