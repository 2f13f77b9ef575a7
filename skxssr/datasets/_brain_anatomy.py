"""What varies between head scans: sites, patients, series.

Lengths are in half heights of the head: x sideways from the midline, y from -1 at the forehead to 1
at the back, z upwards from the widest level. `_brain_slice` draws what is described here.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["SITES", "Head", "Look", "Series", "Site", "draw_head", "draw_series"]

_LOWEST, _HIGHEST = -0.45, 0.72  # levels of the first and the last slice
_WALL = 0.17  # scalp, bone and the fluid under it


@dataclass(frozen=True)
class Look:
    """How a scanner renders what is before it; pairs are the ends of uniform distributions.

    A mask does not depend on it: the same draws under another look give the same mask.
    """

    fat: tuple[float, float]  # signal of the scalp
    fluid: tuple[float, float]
    gray: tuple[float, float]
    white: tuple[float, float]
    lesion: tuple[float, float]  # signal above that of the gray matter
    bias: float  # largest change of signal from the middle of the head to its rim
    noise: tuple[float, float]  # standard deviation, of the range of grays
    blur: tuple[float, float]  # of the canvas
    gamma: tuple[float, float]


@dataclass(frozen=True)
class Site:
    """Which patients one hospital has, how they are placed, and its scanner; pairs as in `Look`."""

    modes: dict[str, float]  # share of patients
    height: tuple[float, float]  # half height of the head, of the canvas
    aspect: tuple[float, float]  # width of the head to its height
    tilt: float  # standard deviation, radians
    ventricles: tuple[float, float]  # size; 1 is that of a young adult
    radius: tuple[float, float]  # of a lesion
    reach: tuple[float, float]  # of a lesion to either side of its middle, in slices
    look: Look
    n_slices: tuple[int, int] = (8, 12)
    n_classes: int = 1  # 2 tells the core of a lesion from the swelling round it


SITES = {
    "A": Site(
        modes={"lesion": 0.82, "clear": 0.18},
        height=(0.41, 0.45),
        aspect=(0.78, 0.84),
        tilt=0.03,
        ventricles=(0.7, 1.1),
        radius=(0.15, 0.30),
        reach=(1.0, 2.6),
        look=Look(
            fat=(0.35, 0.50),
            fluid=(0.06, 0.14),
            gray=(0.50, 0.56),
            white=(0.38, 0.44),
            lesion=(0.24, 0.38),
            bias=0.08,
            noise=(0.010, 0.020),
            blur=(0.004, 0.007),
            gamma=(0.95, 1.05),
        ),
    ),
    "B": Site(
        modes={"lesion": 0.74, "clear": 0.20, "multiple": 0.04, "motion": 0.02},
        height=(0.34, 0.42),
        aspect=(0.74, 0.86),
        tilt=0.10,
        ventricles=(0.8, 1.7),
        radius=(0.09, 0.27),
        reach=(0.8, 2.4),
        look=Look(
            fat=(0.75, 1.0),
            fluid=(0.16, 0.32),
            gray=(0.50, 0.60),
            white=(0.44, 0.54),
            lesion=(0.14, 0.32),
            bias=0.40,
            noise=(0.020, 0.050),
            blur=(0.006, 0.014),
            gamma=(0.7, 1.2),
        ),
    ),
}


@dataclass(frozen=True)
class Lesion:
    """A bump-edged ellipsoid."""

    centre: tuple[float, float, float]
    radius: tuple[float, float, float]
    bumps: tuple[float, float]  # phases of its outline


@dataclass(frozen=True)
class Head:
    """One patient."""

    mode: str
    levels: np.ndarray  # z of each slice, from below upwards
    height: float
    aspect: float
    centre: tuple[float, float]  # on the canvas
    tilt: float
    ventricles: float
    folds: np.ndarray  # (8,) phases of the cortex and of the outline
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True)
class Series:
    """How one stack was scanned."""

    fat: float
    fluid: float
    gray: float
    white: float
    lesion: float
    bias: tuple[float, float, float]  # along x, along y, towards the rim
    noise: float
    blur: float
    gamma: float
    ghost: float  # strength, if the patient moved
    seed: int


def draw_head(rng: np.random.Generator, site: Site) -> Head:
    """A random patient of a site."""
    names, shares = list(site.modes), np.array(list(site.modes.values()))
    mode = str(rng.choice(names, p=shares / shares.sum()))
    levels = np.linspace(_LOWEST, _HIGHEST, int(rng.integers(*site.n_slices, endpoint=True)))
    aspect = rng.uniform(*site.aspect)
    n_lesions = {"clear": 0, "multiple": int(rng.integers(3, 6))}.get(mode, 1)
    return Head(
        mode=mode,
        levels=levels + rng.uniform(-0.03, 0.03),
        height=rng.uniform(*site.height),
        aspect=aspect,
        centre=(0.5 + rng.normal(0, 0.015), 0.5 + rng.normal(0, 0.015)),
        tilt=rng.normal(0, site.tilt),
        ventricles=rng.uniform(*site.ventricles),
        folds=rng.uniform(0, 2 * np.pi, size=8),
        lesions=tuple(_draw_lesion(rng, site, levels, aspect) for _ in range(n_lesions)),
    )


def _draw_lesion(rng: np.random.Generator, site: Site, levels: np.ndarray, aspect: float) -> Lesion:
    """A lesion within the brain, whose middle is near a slice but the outermost ones."""
    step = levels[1] - levels[0]
    z = levels[rng.integers(1, len(levels) - 1)] + rng.uniform(-0.3, 0.3) * step
    radius = rng.uniform(*site.radius)
    room = max(np.sqrt(1 - z * z) - _WALL - 0.7 * radius, 0.1)
    distance, turn = room * np.sqrt(rng.uniform(0.05, 1.0)), rng.uniform(0, 2 * np.pi)
    stretch = rng.uniform(0.85, 1.15)
    return Lesion(
        centre=(aspect * distance * np.cos(turn), distance * np.sin(turn), z),
        radius=(radius * stretch, radius / stretch, step * rng.uniform(*site.reach)),
        bumps=(rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)),
    )


def draw_series(rng: np.random.Generator, look: Look) -> Series:
    """A random series of a scanner."""
    return Series(
        fat=rng.uniform(*look.fat),
        fluid=rng.uniform(*look.fluid),
        gray=rng.uniform(*look.gray),
        white=rng.uniform(*look.white),
        lesion=rng.uniform(*look.lesion),
        bias=(
            rng.uniform(-look.bias, look.bias),
            rng.uniform(-look.bias, look.bias),
            rng.uniform(0, look.bias),
        ),
        noise=rng.uniform(*look.noise),
        blur=rng.uniform(*look.blur),
        gamma=rng.uniform(*look.gamma),
        ghost=rng.uniform(0.35, 0.6),
        seed=int(rng.integers(2**31)),
    )
