"""Does choosing beat chance? The study of docs/protocol.md, cell by cell.

    python benchmarks/quality.py --data DIR --task cxr              # tables from result files
    python benchmarks/quality.py --data DIR --task cxr --run cxr_dev    # train what is missing
    python benchmarks/quality.py --data DIR --task cxr --run cxr_dev --fresh
    python benchmarks/quality.py --task goals                       # all tasks together

`--data` is the folder that holds `cxr` and `lgg_mri`; tables alone need no data. A cell is one
comparison of `skxssr.evaluation.compare_selectors`, defined in quality_cells.py, and one file in
results/quality/, which cells on the same pools share; every finished network is a line of it, so
that a run may be stopped and goes on where it was. Cells whose test set is the 110 Shenzhen test
films note each opening of them in results/test_split.log.
"""

import argparse
import datetime
import hashlib
import json
import os
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
from chest_xray import commit, machine
from quality_cells import CELLS, MAE, Cell, make_embedder, sides
from quality_tables import default_rule, goals, resolutions, second_round, tables

from skxssr.evaluation import compare_selectors, load_comparison
from skxssr.metrics import domain_gap

HERE = Path(__file__).parent
COMMIT = commit()  # before the log of openings is written to
TITLES = {
    "cxr": "Results: chest X-rays",
    "lgg": "Results: brain MRI",
    "goals": "Results: all tasks",
}
HEADER = """\
Written by `{command} --task {task} --page` from the runs in `benchmarks/results/quality/`; the
protocol says what a cell is. Dice x 100, intervals of 95%. Only "p=" is corrected for the number of
comparisons, within the primary ones. "XSSR" is the default, "XSSR as described" the literal
reading of the paper; neither may be credited with the figures of the other. Chest films: NLM
Montgomery County and Shenzhen sets (Jaeger et al. 2014, Candemir et al. 2014; Shenzhen masks by
Stirenko et al.). Brain MRI: TCGA-LGG with masks by Buda et al. 2019; its slices were kept by their
masks, so everything there is conditional on a lesion being present."""
SECOND_ROUND = ("cxr_dev", "cxr_dev_5_22", "cxr_test", "cxr_reverse")
COMMAND = "python benchmarks/quality.py"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with cxr and lgg_mri; only for --run")
    tasks = sorted({cell.task for cell in CELLS.values()})
    parser.add_argument("--task", required=True, choices=[*tasks, "goals"])
    parser.add_argument("--run", nargs="*", default=[], metavar="CELL", help="cells to train")
    parser.add_argument("--fresh", action="store_true", help="delete their files first")
    parser.add_argument("--pools", type=int, help="stop after so many pools (all)")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at a time (1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (1)")
    parser.add_argument("--page", action="store_true", help="write the page in docs/results/")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    if args.run and args.data is None:
        parser.error("--run needs --data")
    strange = [name for name in args.run if name not in names(args.task)]
    if strange:
        parser.error(f"{strange} are no cells of {args.task}: there are {names(args.task)}")
    return args


def names(task: str) -> list[str]:
    return [name for name, cell in CELLS.items() if cell.task == task]


def file_of(name: str) -> Path:
    return HERE / "results" / "quality" / f"{CELLS[name].file or name}.jsonl"


def run(name: str, cell: Cell, args: argparse.Namespace) -> None:
    """Train what a cell lacks."""
    out = file_of(name)
    task, kept = cell.make_task(args.data, args.pools)
    if cell.opens_test_films:
        line = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%MZ} quality.py {name} {COMMIT}"
        with (HERE / "results" / "test_split.log").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    embedders: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for kind, n in cell.embedders.items():
        pairs = [embed(kind, seed, cell, args) for seed in range(n)]
        embedders[kind] = [(source, target[kept]) for source, target in pairs]
    # how well the sites are told apart, before anything is trained
    site_auc = {
        kind: [round(domain_gap(*pair, groups=task.groups).auc, 3) for pair in pairs]
        for kind, pairs in embedders.items()
    }
    compare_selectors(
        task,
        cell.selectors(),
        embedders=embedders,
        budgets=cell.budgets,
        segmenters=cell.segmenters(),
        blocks=cell.blocks,
        references=cell.references,
        n_random=cell.n_random,
        n_seeds=cell.n_seeds,
        finetune=cell.finetune,
        provenance={"commit": COMMIT, "machine": machine("auto"), "site_auc": site_auc},
        out=out,
        n_jobs=args.jobs,
        n_threads=args.threads,
        verbose=0 if args.quiet else 1,
    )


def embed(
    kind: str, seed: int, cell: Cell, args: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of source and target, kept in a folder that git ignores."""
    made_by = json.dumps([kind, seed, cell.embedding_task, MAE])
    name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    path = HERE / "results" / ".embeddings" / f"{name}.npz"
    if path.exists():
        with np.load(path) as kept:
            return kept["source"], kept["target"]
    source, target, trainable = sides(cell.embedding_task, args.data)
    images = list(source.images)
    if kind == "MAE, source and target":
        images += [target.images[row] for row in trainable]
    embedder = make_embedder(kind, seed).fit(images)
    found = embedder.transform(source.images), embedder.transform(target.images)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, source=found[0], target=found[1], made_by=made_by)
    return found


def main() -> None:
    args = parse_args()
    if args.fresh:
        for path in set(map(file_of, args.run)):
            path.unlink(missing_ok=True)
    for name in args.run:
        run(name, CELLS[name], args)
    wanted = names(args.task) or [name for name in CELLS if "dev" not in name]
    paths = [path for path in dict.fromkeys(map(file_of, wanted)) if path.exists()]
    results = {path.stem: load_comparison(path) for path in paths}
    results = {name: result for name, result in results.items() if result.runs}
    if args.task == "goals":
        texts = [goals(list(results.values()))] if results else []
    else:
        texts = [tables(name, result) for name, result in results.items()]
        if "cxr_dev" in results:
            texts.append(default_rule(results["cxr_dev"]))
        if {"cxr_test", "cxr_256_compact"} <= set(results):
            texts.append(resolutions(results["cxr_test"], results["cxr_256_compact"]))
        if set(SECOND_ROUND) <= set(results):
            dev, more, *report = (results[name] for name in SECOND_ROUND)
            texts.append(second_round([dev, more], report))
    print("\n".join(texts))
    if args.page:
        title = f"# {TITLES[args.task]}\n\n{HEADER.format(command=COMMAND, task=args.task)}\n"
        page = HERE.parent / "docs" / "results" / f"{args.task}.md"
        page.write_text("\n".join([title, *texts]), encoding="utf-8")


if __name__ == "__main__":
    main()
