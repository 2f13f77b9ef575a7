"""What the tables of the paper share: pairs of sites, splits, recipes, the comparison itself.

`main.py` and, named to it, `ablation.py`, `sites.py` and `sheets.py` take the same
arguments and share one result file a setting, so that a network that two tables need is
trained once. Run one at a time: a file has one writer. Pair, split, recipe and budget are in its
name; more seeds go on where fewer stopped.
"""

import argparse
import datetime
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch: spinning threads starve others

import numpy as np
from sklearn.utils import Bunch

import skxssr
from benchmarks.common import RESULTS, commit, machine
from benchmarks.paper.arms import DEFAULT_256, MAE, PROXY, SEED, UNET
from skxssr.base.request import check_budget
from skxssr.datasets import load_chest_xray, load_lgg_mri, load_prostate, load_riga_plus
from skxssr.evaluation import Comparison, Pool, Task, compare_selectors

MESSIDOR = ("MESSIDOR_Base1", "MESSIDOR_Base2", "MESSIDOR_Base3")
EMBEDDER, SEGMENTER = "MAE, source", "U-Net"
REFERENCES = ("all labels", "source only")
BEFORE = ("source only", "random", "CoreSet")  # rows of a table before and after the forms of XSSR
AFTER = ("all labels",)
TEST_SHARE, DEV_SHARE = 0.2, 0.25

RECIPES: dict[str, dict[str, Any]] = {
    # those of the study, see docs/protocol.md; tuned on chest films alone
    "full": {"embedder": MAE, "segmenter": UNET, "draws": 5},
    "fast": {
        "embedder": {"image_size": 64, "patch_size": 16, "steps": 200},
        "segmenter": PROXY,
        "draws": 3,
    },
    # ResNet-18 at 256 pixels: for a GPU
    "large": {"embedder": MAE, "segmenter": DEFAULT_256, "draws": 5},
}


@dataclass(frozen=True)
class Pair:
    """A source and the target sites of one benchmark of the paper.

    Attributes
    ----------
    name : str
        For headings.
    load : callable
        Takes the folder, returns a mapping of site to Bunch.
    source : str
        Site that is the source.
    targets : tuple of str
        Sites that are pooled to be the target.
    classes : tuple of int
        Values of the masks; said beforehand, since picks may all be healthy slices.
    """

    name: str
    load: Callable[[Path], Mapping[str, Any]]
    source: str
    targets: tuple[str, ...]
    classes: tuple[int, int] = (0, 1)


PAIRS = {
    "cxr": Pair(
        "chest X-ray, lungs, Montgomery -> Shenzhen",
        load_chest_xray,
        "montgomery",
        ("shenzhen",),
        (0, 255),
    ),
    "riga": Pair(
        "RIGA+, optic disc, BinRushed -> MESSIDOR, bases 1 to 3",
        load_riga_plus,
        "BinRushed",
        MESSIDOR,
    ),
    "prostate": Pair(
        "prostate MRI, RUNMC -> five sites",
        load_prostate,
        "RUNMC",
        ("BMC", "I2CVB", "UCL", "BIDMC", "HK"),
    ),
    "lgg": Pair("brain MRI, glioma, DU -> HT, FG, CS", load_lgg_mri, "DU", ("HT", "FG", "CS")),
}


@dataclass(frozen=True)
class Setting:
    """A pair of sites, split, with budget and recipe: what a result file is about.

    Attributes
    ----------
    source, target : Bunch
        Images, masks, ids and groups; the target also `site`, of every image.
    task : Task
        As many equal pools as seeds: seeds differ in autoencoder, draws and weights.
    budget : int
        Labels to buy.
    """

    pair: Pair
    source: Any
    target: Any
    task: Task
    budget: int
    args: argparse.Namespace

    @property
    def recipe(self) -> dict[str, Any]:
        return RECIPES[self.args.recipe]

    @property
    def pool(self) -> Pool:
        return self.task.pools[0]

    @property
    def name(self) -> str:
        args = self.args
        return f"paper_{args.task}_{args.split}_{args.recipe}_{self.budget}"

    def segmenter(self) -> Any:
        return skxssr.SMPSegmenter(
            **self.recipe["segmenter"], classes=self.pair.classes, device=self.args.device
        )

    def site_of_unit(self) -> dict[str, str]:
        """The site of each test patient, or image."""
        units = self.target.ids if self.task.groups is None else self.task.groups
        return {str(units[row]): str(self.target.site[row]) for row in self.pool.test}


def parse_args(text: str | None) -> argparse.Namespace:
    """The arguments that all scripts take; `text` is the docstring of the script."""
    parser = argparse.ArgumentParser(description=(text or "").split("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of the published files")
    parser.add_argument("--task", required=True, choices=sorted(PAIRS))
    parser.add_argument("--budget", default="5%", help="a count, or a share of the pool (5%%)")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of everything (3)")
    parser.add_argument(
        *("--split",),
        choices=["dev", "test"],
        default="dev",
        help="dev, the default, tests on a quarter of the training part",
    )
    size = parser.add_mutually_exclusive_group()
    for name, text in (("fast", "32 pixels, minutes"), ("large", "256 pixels, for a GPU")):
        size.add_argument(f"--{name}", dest="recipe", action="store_const", const=name, help=text)
    parser.set_defaults(recipe="full")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at a time (1)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    share = args.budget.endswith("%")
    args.budget = float(args.budget[:-1]) / 100 if share else int(args.budget)
    return args


def prepare(args: argparse.Namespace) -> Setting:
    """Read the lists of images, split, and count the budget."""
    pair = PAIRS[args.task]
    sets = pair.load(args.data)
    source = sets[pair.source]
    target = pooled([sets[site] for site in pair.targets], pair.targets)
    pool = split(target, args.split)
    task = Task(
        args.task,
        source.images,
        source.masks,
        target.images,
        target.masks,
        [pool] * args.seeds,
        target.ids,
        target.groups,
    )
    return Setting(pair, source, target, task, check_budget(args.budget, len(pool.rows)), args)


def pooled(parts: Sequence[Any], sites: Sequence[str]) -> Any:
    """Several sites as one target."""
    sizes = [len(part.images) for part in parts]
    starts = np.cumsum([0, *sizes])
    groups = [part.get("groups") for part in parts]
    published = [part.get("split") for part in parts]
    return Bunch(
        images=[image for part in parts for image in part.images],
        masks=[mask for part in parts for mask in part.masks],
        ids=[name for part in parts for name in part.ids],
        groups=None if any(of is None for of in groups) else np.concatenate(groups),
        site=np.repeat(list(sites), sizes),
        test=None
        if any(of is None for of in published)
        else np.concatenate([s + of["test"] for s, of in zip(starts, published, strict=False)]),
    )


def split(target: Any, which: str) -> Pool:
    """Pool and test set: as published, or a fifth of the patients of each site.

    "dev" tests on a quarter of the rest, so that the test set is opened to report, not to choose.
    """
    rows = np.arange(len(target.images))
    units = rows if target.groups is None else np.unique(target.groups, return_inverse=True)[1]
    test = target.test
    if test is None:
        test = _some(rows, units, target.site, TEST_SHARE)
    rest = np.setdiff1d(rows, test)
    if which == "dev":
        test = _some(rest, units, target.site, DEV_SHARE)
        rest = np.setdiff1d(rest, test)
    if not len(test) or not len(rest):
        raise SystemExit(
            f"{len(rest)} images are left to pick from and {len(test)} to test on: each site needs "
            "some patients (three or more)"
        )
    return Pool(rest, np.sort(test))


def _some(rows: np.ndarray, units: np.ndarray, site: np.ndarray, share: float) -> np.ndarray:
    """Rows of a share of the patients of each site, never of all."""
    rng = np.random.default_rng(SEED)
    taken: list[int] = []
    for name in np.unique(site[rows]):
        inside = rng.permutation(np.unique(units[rows[site[rows] == name]]))
        taken += inside[: min(max(1, round(share * len(inside))), len(inside) - 1)].tolist()
    return rows[np.isin(units[rows], taken)]


def embeddings(setting: Setting) -> list[tuple[np.ndarray, np.ndarray]]:
    """Source and target, by an autoencoder trained on the source alone, for each seed.

    They are kept in a folder that git ignores, by what made them.
    """
    found = []
    for seed in range(setting.args.seeds):
        parameters = setting.recipe["embedder"]
        named = [setting.source.ids, setting.target.ids, str(setting.args.data.resolve())]
        made_by = json.dumps([seed, parameters, named])
        name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
        path = setting.args.out / ".embeddings" / f"{name}.npz"
        if not path.exists():
            embedder = skxssr.MAEEmbedder(
                **parameters,
                random_state=seed,
                device=setting.args.device,
                verbose=0 if setting.args.quiet else 1,
            ).fit(setting.source.images)
            source = embedder.transform(setting.source.images)
            target = embedder.transform(setting.target.images)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, source=source, target=target)
        with np.load(path) as kept:
            found.append((kept["source"], kept["target"]))
    return found


def compare(setting: Setting, selectors: Mapping[str, Any]) -> Comparison:
    """Train what the result file lacks of these selectors, and return their networks."""
    args = setting.args
    note_opening(setting)
    comparison = compare_selectors(
        setting.task,
        selectors,
        embedders={EMBEDDER: embeddings(setting)},
        budgets=[setting.budget],
        segmenters={SEGMENTER: setting.segmenter()},
        references=REFERENCES,
        n_random=setting.recipe["draws"],
        provenance={"commit": commit(), "machine": machine(args.device)},
        out=args.out / f"{setting.name}.jsonl",
        n_jobs=args.jobs,
        n_threads=max(1, (os.cpu_count() or 1) // args.jobs),
        verbose=0 if args.quiet else 1,
    )
    asked = {"random", *selectors, *REFERENCES}  # whatever else is on file changes no figure
    runs = [r for r in comparison.runs if r["pool"] < args.seeds and r["selector"] in asked]
    return replace(comparison, runs=runs)


def note_opening(setting: Setting) -> None:
    """Every opening of the 110 Shenzhen test films is a line of the log."""
    if setting.args.task == "cxr" and setting.args.split == "test":
        now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%MZ}"
        with (RESULTS / "test_split.log").open("a", encoding="utf-8") as stream:
            stream.write(f"{now} {setting.name} {commit()}\n")


def runs_of(comparison: Comparison, name: str) -> list[dict[str, Any]]:
    """The networks of one arm."""
    return [run for run in comparison.runs if run["selector"] == name]


def dice_of(runs: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Dice x 100, (n_runs, n_units); NaN where it is not counted."""
    return 100 * np.array([run["dice"] for run in runs], dtype=np.float64)


def percent_of_all(comparison: Comparison, name: str) -> str:
    """Mean Dice of an arm as a share of that with all labels."""
    full = np.nanmean(dice_of(runs_of(comparison, AFTER[0])))
    if full == 0:
        return "-"
    return f"{100 * np.nanmean(dice_of(runs_of(comparison, name))) / full:.1f}"


def heading(setting: Setting, what: str) -> str:
    """Two lines above a table."""
    pool, unit = setting.pool, "image" if setting.task.groups is None else "patient"
    tested = len(setting.site_of_unit())
    return (
        f"\n{what}: {setting.pair.name}\n"
        f"{setting.budget} labels of {len(pool.rows)}, {setting.args.seeds} seeds, tested on "
        f"{tested} {unit}s ({setting.args.split}), recipe {setting.args.recipe!r}; Dice x 100, "
        f"by {unit}.\n"
    )
