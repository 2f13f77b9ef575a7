"""The tasks of the study: which pictures, which masks, which split. Reasons: docs/protocol.md.

Needs the folder of the data sets (`--data`), which is no part of this project.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from skxssr.evaluation import Pool, Task, random_pools

SEED = 2611  # of every split of this edition
TEST_IMAGES = 150  # of each pool at most: the test set costs as much time as the training
TEST_SHARE = 0.3
NEAR = 0.98
POOL_SHARE = 0.8  # of the images, or patients, that are not in the test set
# Masks of Shenzhen films in which the lung field includes the heart shadow (docs/protocol.md).
OTHER_CONVENTION = Path(__file__).with_name("shenzhen_other_convention.txt")

Pair = tuple[Path, Path]  # an image and its mask


@dataclass(frozen=True)
class Source:
    """Where the pictures of a task lie.

    Attributes
    ----------
    folder : str
        Data set.
    source, target : tuple of str
        Subfolders, each with `images` and `masks`.
    foreground : int
        Value of the foreground in the masks.
    groups : callable or None
        From the data set's folder and a picture's name to its patient, or field of view.
    keep : callable or None
        From the data set's folder and a target picture's name to whether it is in the task.
    test : callable or None
        The same for a fixed test set; by default each pool draws its own.
    cleaned : bool
        Whether pictures with masks of another convention are left out, of pool and test alike.
    development : bool
        Whether choices are made on it; the others are looked at once, to report.
    what : str
        For the tables.
    """

    folder: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    what: str
    development: bool
    foreground: int = 1
    groups: Callable[[Path], Callable[[str], str]] | None = None
    keep: Callable[[Path], Callable[[str], bool]] | None = None
    test: Callable[[Path], Callable[[str], bool]] | None = None
    cleaned: bool = False


def _column(name: str, key: str) -> Callable[[Path], Callable[[str], str]]:
    """A lookup in the data set's index.csv; a picture without an entry is a group of its own."""

    def of_folder(folder: Path) -> Callable[[str], str]:
        with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
            found = {row[key]: row[name] for row in csv.DictReader(stream)}
        return lambda picture: found.get(picture) or picture

    return of_folder


def _tcga_patient(folder: Path) -> Callable[[str], str]:
    return lambda picture: "_".join(picture.split("_")[:3])


def _listed(part: str) -> Callable[[Path], Callable[[str], bool]]:
    """Whether a Shenzhen film is in the training or the test list of the data set."""

    def of_folder(folder: Path) -> Callable[[str], bool]:
        text = (folder / "shenzhen" / "split" / f"{part}.txt").read_text(encoding="utf-8")
        names = {line.removesuffix(".png") for line in text.split()}
        return lambda picture: picture in names

    return of_folder


def one_convention(picture: str) -> bool:
    """Whether the mask of a Shenzhen film leaves the heart out of the lungs, as most do."""
    return picture not in OTHER_CONVENTION.read_text(encoding="utf-8").split()


def near_copies(images: list[Path]) -> np.ndarray:
    """One number an image, the same for pictures that are nearly the same.

    Two are if their thumbnails of 32 x 32 pixels correlate by more than NEAR; chains count.
    """
    thumbnails = np.stack([_thumbnail(path) for path in images])
    near = sparse.csr_array(thumbnails @ thumbnails.T > NEAR)
    return connected_components(near, directed=False)[1]


def _thumbnail(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), float)
    centred = (pixels - pixels.mean()).ravel()
    return centred / max(np.linalg.norm(centred), 1e-12)


SKIN_SOURCE = "cam1024x768"
BRAIN = {"folder": "lgg_mri", "source": ("DU",), "groups": _tcga_patient}
FILMS = {"folder": "cxr", "foreground": 255}

SOURCES: dict[str, Source] = {
    # choices are made on these
    "skin": Source("isic2017", (SKIN_SOURCE,), (), "skin lesions, other cameras", development=True),
    "nuclei": Source(
        "dsb2018",
        ("fluo256",),
        (),
        "nuclei, other stains and microscopes",
        development=True,
        groups=_column("field", "id"),
    ),
    "heart": Source(
        "acdc_myo",
        ("NOR",),
        (),
        "myocardium in MRI, other diagnoses",
        development=True,
        groups=_column("patient", "id"),
    ),
    "brain HT": Source(**BRAIN, target=("HT",), what="glioma in MRI, one site", development=True),
    "films, training": Source(
        **FILMS,
        source=("montgomery",),
        target=("shenzhen",),
        what="lungs, training films, masks of one convention",
        development=True,
        keep=_listed("train"),
        cleaned=True,
    ),
    # the report, looked at once
    "breast": Source(
        "busi", ("malignant",), ("benign",), "breast ultrasound, benign", development=False
    ),
    "brain pooled": Source(
        **BRAIN, target=("CS", "FG", "HT"), what="glioma in MRI, three sites", development=False
    ),
    "films": Source(
        **FILMS,
        source=("montgomery",),
        target=("shenzhen",),
        what="lungs, test films, masks of one convention",
        development=False,
        test=_listed("test"),
        cleaned=True,
    ),
    "films, uncleaned": Source(
        **FILMS,
        source=("montgomery",),
        target=("shenzhen",),
        what="lungs, test films, all masks",
        development=False,
        test=_listed("test"),
    ),
    "films reversed": Source(
        **FILMS,
        source=("shenzhen",),
        target=("montgomery",),
        what="lungs, Shenzhen to Montgomery",
        development=False,
    ),
}


def pairs(folder: Path) -> list[Pair]:
    """Images and masks of one site, by name."""
    masks = {path.stem: path for path in (folder / "masks").iterdir()}
    return [
        (path, masks[path.stem])
        for path in sorted((folder / "images").iterdir())
        if path.stem in masks
    ]


def has_foreground(mask: Path) -> bool:
    with Image.open(mask) as image:
        return bool(np.asarray(image).any())


def sides(name: str, data: Path) -> tuple[list[Pair], list[Pair], np.ndarray | None, list[str]]:
    """Source pairs, target pairs, patient and site of each target picture."""
    where = SOURCES[name]
    folder = data / where.folder
    target_sites = where.target or tuple(
        sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name not in where.source)
    )
    source = [pair for site in where.source for pair in pairs(folder / site)]
    found = [(site, pair) for site in target_sites for pair in pairs(folder / site)]
    if where.keep is not None:
        kept = where.keep(folder)
        found = [(site, pair) for site, pair in found if kept(pair[0].stem)]
    if where.cleaned:
        found = [(site, pair) for site, pair in found if one_convention(pair[0].stem)]
    sites, target = [site for site, _ in found], [pair for _, pair in found]
    if where.groups is None:
        return source, target, None, sites
    group_of = where.groups(folder)
    return source, target, np.array([group_of(image.stem) for image, _ in target]), sites


def make_task(name: str, data: Path, n_pools: int) -> Task:
    """The task with its pools: whole patients, or sets of near copies, are on one side.

    Pictures without foreground are in the pool, as in life, and not in the test set: the Dice of a
    picture with nothing to find is 0 or 1.
    """
    where = SOURCES[name]
    source, target, groups, sites = sides(name, data)
    images = [image for image, _ in target]
    together = near_copies(images) if groups is None else groups
    test: Any = min(TEST_SHARE, TEST_IMAGES / len(target))
    if where.test is not None:
        listed = where.test(data / where.folder)
        test = np.flatnonzero([listed(image.stem) for image in images])
    pools = random_pools(
        len(target),
        n_pools=n_pools,
        test=test,
        share=POOL_SHARE,
        groups=None if where.test is not None else together,
        random_state=SEED,
    )
    scored = np.array([has_foreground(mask) for _, mask in target])
    pools = [Pool(pool.rows, pool.test[scored[pool.test]]) for pool in pools]
    return Task(
        name,
        [image for image, _ in source],
        [mask for _, mask in source],
        images,
        [mask for _, mask in target],
        pools,
        [f"{site}/{image.stem}" for site, image in zip(sites, images, strict=True)],
        groups,
        sites=np.array(sites),
    )
