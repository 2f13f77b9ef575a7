"""Tables of the first edition of the study, from its committed runs; nothing is trained.

    python benchmarks/first_edition/main.py --task cxr              # print the tables
    python benchmarks/first_edition/main.py --task cxr --page       # and write docs/results/cxr.md
    python benchmarks/first_edition/main.py --task goals            # all tasks together

What was asked and how is in docs/protocol_first_edition.md. Selection has changed since: the
commits that made the runs are named in the tables, and train them again. The second edition is in
benchmarks/study/.
"""

import argparse
import json
import sys
from pathlib import Path

if not __package__:  # run as a script
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.common import PAGES, RESULTS, dispatch
from benchmarks.first_edition.tables import (
    adjusted,
    default_rule,
    goals,
    resolutions,
    second_round,
    tables,
)
from skxssr.evaluation import load_comparison

FILES = {
    "cxr": (
        "cxr_dev",
        "cxr_dev_proxy",
        "cxr_test",
        "cxr_source",
        "cxr_256_compact",
        "cxr_reverse",
        "cxr_dev_5_22",
    ),
    "lgg": ("lgg_HT", "lgg_pooled"),
}
TITLES = {
    "cxr": "First edition: chest X-rays",
    "lgg": "First edition: brain MRI",
    "goals": "First edition: all tasks",
}
HEADER = """\
Written by `{command} --task {task} --page` from the runs in `benchmarks/results/quality/`, those of
the first edition of the study; its [protocol](../protocol_first_edition.md) says what a cell is.
**"XSSR" on this page is the default of that time, today `make_variant("residual")`**, with features
scaled by the source; it may not be credited with figures of today's default, nor the other way
round. "XSSR as described" is the literal reading of the paper. Of the chest films 11% have masks of
another convention, which decided much of what is seen here ([why](../decisions/study.md)). Dice x
100, intervals of 95%. Only "p=" is corrected for the number of comparisons, among the primary.
Chest films: NLM Montgomery County and Shenzhen sets (Jaeger et al. 2014, Candemir et al. 2014;
Shenzhen masks by Stirenko et al.). Brain MRI: TCGA-LGG with masks by Buda et al. 2019; its slices
were kept by their masks, so everything there is conditional on a lesion being present."""
SECOND_ROUND = ("cxr_dev", "cxr_dev_5_22", "cxr_test", "cxr_reverse")
COMMAND = "python benchmarks/first_edition/main.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", required=True, choices=list(TITLES))
    parser.add_argument("--page", action="store_true", help="write the page in docs/results/")
    args = parser.parse_args()
    wanted = FILES.get(args.task) or [
        name for names in FILES.values() for name in names if "dev" not in name
    ]
    results = {name: load_comparison(RESULTS / "quality" / f"{name}.jsonl") for name in wanted}
    if args.task == "goals":
        texts = [goals(list(results.values()))]
    else:
        texts = [tables(name, result) for name, result in results.items()]
    if args.task == "cxr":
        dev, more, *report = (results[name] for name in SECOND_ROUND)
        rows = json.loads((RESULTS / "quality" / "other_convention_rows.json").read_text())
        texts += [
            adjusted(results["cxr_test"], rows),
            default_rule(results["cxr_dev"]),
            resolutions(results["cxr_test"], results["cxr_256_compact"]),
            second_round([dev, more], report),
        ]
    print("\n".join(texts))
    if args.page:
        title = f"# {TITLES[args.task]}\n\n{HEADER.format(command=COMMAND, task=args.task)}\n"
        page = PAGES / f"{args.task}.md"
        page.write_text("\n".join([title, *texts]), encoding="utf-8")


if __name__ == "__main__":
    dispatch(main, "first_edition", ("intervals", "recipe", "training"))
