"""The cells of the study: task, pools, selectors, budgets, recipe. Reasons: docs/protocol.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from recipe import network
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

import skxssr
from skxssr.datasets import load_chest_xray, load_lgg_mri
from skxssr.evaluation import Task, fold_pools, random_pools
from skxssr.io import Images
from skxssr.selection.forms import XSSR_FORMS, make_form

SEED = 2606  # of every split
SOURCE_MAE = "MAE, source"
LGG_SITES = {"lgg HT": ("HT",), "lgg pooled": ("HT", "FG", "CS")}
MAE = {"image_size": 128, "patch_size": 32, "steps": 900}
# chosen on Montgomery alone: benchmarks/recipe.py
UNET = {**network(8), "image_size": 64, "steps": 600, "learning_rate": 1e-2}
DEFAULT_256 = {"image_size": 256, "steps": 2000}
COMPACT_256 = {**UNET, "image_size": 256}
PROXY = {**network(8), "image_size": 32, "steps": 150, "learning_rate": 1e-2}
FINETUNE = {"steps": 150, "learning_rate": 3e-3}


def _pixels(images: Any) -> np.ndarray:
    """Means of 8 x 8 blocks of gray, one row an image; all images of these sets are 256 x 256."""
    blocks = (
        np.asarray(image, dtype=np.float32).reshape(32, 8, 32, 8, -1) for image in Images(images)
    )
    return np.stack([block.mean(axis=(1, 3, 4)).ravel() for block in blocks])


def make_embedder(kind: str, seed: int) -> Any:
    """An embedder that is not fitted."""
    if kind == "pixel PCA":
        return make_pipeline(FunctionTransformer(_pixels), PCA(64, random_state=seed))
    steps = {"steps": 1, "learning_rate": 1e-9} if kind == "random encoder" else {}
    return skxssr.MAEEmbedder(**(MAE | steps), random_state=seed)


def sides(name: str, data: Path) -> tuple[Any, Any, np.ndarray]:
    """Source, target, and the target rows that an embedder may be trained on, unlabelled."""
    if name in LGG_SITES:
        sets = load_lgg_mri(data / "lgg_mri")
        parts = [sets[site] for site in LGG_SITES[name]]
        target = Bunch(
            images=[image for part in parts for image in part.images],
            masks=[mask for part in parts for mask in part.masks],
            ids=[name for part in parts for name in part.ids],
            groups=np.concatenate([part.groups for part in parts]),
            sites=np.concatenate([np.full(len(part.ids), part.site) for part in parts]),
        )
        return sets.DU, target, np.arange(len(target.images))
    sets = load_chest_xray(data / "cxr")
    source, target = sets.montgomery, sets.shenzhen
    if name == "reverse":
        source, target = target, source
    return source, target, np.asarray(target.split["train"])


def rivals() -> dict[str, Any]:
    """Every selector of the library but XSSR, with its defaults."""
    return {
        "CoreSet": skxssr.CoreSetSelector(),
        "MaxHerding": skxssr.MaxHerdingSelector(),
        "facility location": skxssr.FacilityLocationSelector(),
        "k-medoids, source covered": skxssr.KMedoidsSelector(),
        "k-means centres": skxssr.KMeansSelector(),
        "TypiClust": skxssr.TypiClustSelector(),
        "ProbCover": skxssr.ProbCoverSelector(),
        "USL": skxssr.USLSelector(),
    }


def some_rivals(*names: str) -> dict[str, Any]:
    return {name: rivals()[name] for name in names}


def forms(*names: str) -> dict[str, Any]:
    return {name: make_form(name) for name in names}


def main_arms() -> dict[str, Any]:
    """XSSR as it comes, as described, and the two rivals named in the hypotheses."""
    return {**forms("XSSR", "XSSR as described"), **some_rivals("CoreSet", "MaxHerding")}


def confirming_arms() -> dict[str, Any]:
    """The same, and the form that the proxy of the development cell preferred."""
    return {**main_arms(), **forms("alpha within 3 percent")}


def rival_arms() -> dict[str, Any]:
    return {**forms("XSSR"), **rivals()}


def ablation_arms() -> dict[str, Any]:
    """Each term removed in turn, for both forms."""
    return forms(*(name for name in XSSR_FORMS if "without" in name), "XSSR", "XSSR as described")


def structured_arms() -> dict[str, Any]:
    """Baselines that look at patients, slices and sites, and at no image."""
    return {
        "fixed-interval slices": skxssr.FixedIntervalSelector(),
        "random by site": skxssr.StratifiedRandomSelector(),
    }


def dev_arms() -> dict[str, Any]:
    """The forms among which the default was chosen: written out, so that they stay what they were.

    Their parameters are those of the default at the time, not of any later one.
    """
    then = {"density": "residual", "calibration": "mean_distance", "alpha_tolerance": 0.0}
    candidates: dict[str, dict[str, Any]] = {
        "residual, alpha auto": {},
        "residual, alpha 0": {"alpha": 0.0},
        "residual, alpha 0.5": {"alpha": 0.5},
        "residual, auto within 3%": {"alpha_tolerance": 0.03},
        "residual, calibrated by novel distance": {"calibration": "novel_distance"},
        "residual, novelty as demand weight": {"novelty": "demand"},
        "as described": {"density": "typicality", "composite": "additive"},
    }
    made = {name: skxssr.XSSRSelector(**(then | change)) for name, change in candidates.items()}
    return {**made, **some_rivals("CoreSet", "MaxHerding")}


def second_dev_arms() -> dict[str, Any]:
    """The default and the one candidate of the second round."""
    arms = dev_arms()
    return {name: arms[f"residual, {name}"] for name in ("alpha auto", "novelty as demand weight")}


def second_arms() -> dict[str, Any]:
    """The same, by the names of the report."""
    return forms("XSSR", "novelty as demand weight")


@dataclass(frozen=True)
class Cell:
    """One comparison of the study.

    Attributes
    ----------
    task : {"cxr", "lgg"}
        Where its tables go.
    embedding_task : str
        Source and target, see `sides`.
    pools : str
        "rotation": pool and test set drawn anew inside the training films. "test": pools of the
        training films, tested on the test films. "folds": by patient.
    file : str
        Result file, without suffix. Cells of one file share pools, so that a network that two of
        them need is trained once and that budgets make one curve.
    """

    task: str
    embedding_task: str
    pools: str
    n_pools: int
    budgets: tuple[int, ...]
    selectors: Any = main_arms
    embedders: Mapping[str, int] = field(default_factory=lambda: {SOURCE_MAE: 3})
    blocks: tuple[str, ...] = ("picks",)
    references: tuple[str, ...] = ("all labels",)
    n_random: int = 5
    n_seeds: int = 1
    recipes: tuple[str, ...] = ("U-Net 64 px",)
    file: str = ""

    @property
    def opens_test_films(self) -> bool:
        return self.embedding_task == "cxr" and self.pools == "test"

    @property
    def finetune(self) -> dict[str, Any]:
        return {} if self.blocks == ("picks",) else FINETUNE

    def segmenters(self) -> dict[str, Any]:
        known = {
            "U-Net 64 px": UNET,
            "proxy 32 px": PROXY,
            "U-Net 256 px": DEFAULT_256,
            "compact U-Net 256 px": COMPACT_256,
        }
        return {name: skxssr.SMPSegmenter(**known[name]) for name in self.recipes}

    def make_task(self, data: Path, n_pools: int | None) -> tuple[Task, np.ndarray]:
        """The task, and which rows of the target are in it.

        As many pools as asked for; the first are the same for any number.
        """
        source, target, train = sides(self.embedding_task, data)
        images, masks, ids = list(target.images), list(target.masks), list(target.ids)
        groups, kept = target.get("groups"), np.arange(len(images))
        if self.pools == "folds":
            assert groups is not None
            pools = fold_pools(groups, random_state=SEED)
        elif self.pools == "test":
            test = np.asarray(target.split["test"])
            pools = random_pools(len(images), n_pools=self.n_pools, test=test, random_state=SEED)
            assert not set(np.concatenate([pool.rows for pool in pools])) & set(test)
        else:  # no test film is even in the task
            kept = train
            images, masks, ids = ([part[row] for row in kept] for part in (images, masks, ids))
            pools = random_pools(len(ids), n_pools=self.n_pools, test=0.25, random_state=SEED)
        task = Task(
            self.embedding_task,
            source.images,
            source.masks,
            images,
            masks,
            pools[:n_pools],
            ids,
            groups if self.pools == "folds" else None,
            sites=target.get("sites"),
        )
        return task, kept


SOURCE_ROWS = (
    "source only",
    "source only, strong augmentation",
    "source only, target batch norm",
    "all labels",
)
TEST = ("cxr", "cxr", "test")
DEV = ("cxr", "cxr", "rotation")
OTHER_EMBEDDERS = {"MAE, source and target": 1, "pixel PCA": 1, "random encoder": 1}

CELLS: dict[str, Cell] = {
    # choices, inside the 440 training films
    "cxr_dev": Cell(*DEV, 12, (10,), dev_arms, recipes=("U-Net 64 px", "proxy 32 px")),
    "cxr_dev_proxy": Cell(*DEV, 40, (5, 10, 22), dev_arms, recipes=("proxy 32 px",), references=()),
    # the report, on the 110 test films
    "cxr_10": Cell(*TEST, 25, (10,), references=(), file="cxr_test"),
    "cxr_rivals": Cell(*TEST, 10, (10,), rival_arms, file="cxr_test"),
    "cxr_ablation": Cell(*TEST, 10, (10,), ablation_arms, file="cxr_test"),
    "cxr_5_22": Cell(*TEST, 10, (5, 22), file="cxr_test"),
    "cxr_embedders": Cell(*TEST, 10, (10,), embedders=OTHER_EMBEDDERS, file="cxr_test"),
    "cxr_finetune": Cell(
        *TEST,
        10,
        (10,),
        confirming_arms,
        blocks=("finetune",),
        references=SOURCE_ROWS,
        file="cxr_source",
    ),
    "cxr_joint": Cell(*TEST, 10, (10,), blocks=("joint",), file="cxr_source"),
    "cxr_256": Cell(*TEST, 5, (10,), recipes=("U-Net 256 px",)),
    "cxr_256_compact": Cell(*TEST, 5, (10,), references=(), recipes=("compact U-Net 256 px",)),
    "cxr_reverse": Cell("cxr", "reverse", "test", 15, (10,), confirming_arms),
    # the second round: decided on the first of these, reported on the others
    "cxr_dev_5_22": Cell(*DEV, 12, (5, 22), second_dev_arms, references=(), n_random=0),
    "cxr_second_10": Cell(*TEST, 25, (10,), second_arms, references=(), file="cxr_test"),
    "cxr_second_5_22": Cell(*TEST, 10, (5, 22), second_arms, references=(), file="cxr_test"),
    "cxr_second_reverse": Cell(
        "cxr", "reverse", "test", 15, (10,), second_arms, references=(), file="cxr_reverse"
    ),
    # patients, five folds
    "lgg_HT": Cell("lgg", "lgg HT", "folds", 5, (14,), confirming_arms, n_seeds=5, n_random=3),
    "lgg_structured": Cell(
        *("lgg", "lgg pooled", "folds", 5, (25,), structured_arms),
        n_seeds=5,
        n_random=3,
        file="lgg_pooled",
    ),
    "lgg_pooled": Cell("lgg", "lgg pooled", "folds", 5, (25,), n_seeds=5, n_random=3),
}
