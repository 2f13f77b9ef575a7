"""`skxssr demo`: the whole pipeline on built-in phantoms."""

import argparse
from pathlib import Path
from typing import Any

from skxssr.cli._options import add_run_options, add_selection_jobs
from skxssr.cli._values import budget


def add_command(commands: Any) -> None:
    """Add the options of `skxssr demo`."""
    demo = commands.add_parser("demo", help="the whole pipeline on built-in phantoms")
    demo.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for the pictures")
    demo.add_argument("--budget", type=budget, default=12, help="images to pick (12)")
    add_selection_jobs(demo)
    add_run_options(demo)
    demo.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from skxssr.workflows.demo import run_demo

    run_demo(
        args.out,
        budget=args.budget,
        random_state=args.seed,
        device=args.device,
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
    )
