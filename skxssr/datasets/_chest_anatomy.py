"""What varies between chest films: sites, patients, exposures.

Lengths are in lung heights: x sideways from the midline, y from 0 at the apex of the lungs to 1 at
the costophrenic angles. `_chest_film` draws what is described here.
"""

from dataclasses import dataclass, field, replace

import numpy as np

__all__ = ["SITES", "Anatomy", "Film", "Look", "Site", "draw_anatomy", "draw_film"]

_TYPICAL = 4  # seed of the patient and the exposure that all "easy" films resemble


@dataclass(frozen=True)
class Look:
    """How a scanner renders what is before it; pairs are the ends of uniform distributions.

    A mask does not depend on it: the same draws under another look give the same mask.
    """

    black: tuple[float, float]  # attenuation that comes out black
    white: tuple[float, float]  # attenuation that comes out white
    gamma: tuple[float, float]
    ribs: tuple[float, float]  # attenuation of bone
    detail: tuple[float, float]  # local contrast enhancement
    noise: tuple[float, float]  # standard deviation of the grain, of the gray range
    shade: float  # largest change of exposure from one side of the plate to the other
    blur: float  # of the canvas
    marker: str
    label: bool  # a printed label in the upper right corner


@dataclass(frozen=True)
class Site:
    """Which patients one hospital has, how they are placed, and its scanner; pairs as in `Look`."""

    modes: dict[str, float]  # share of patients
    lung_height: tuple[float, float]  # of the canvas
    centre: tuple[float, float]  # of the lungs, (x, y) on the canvas
    width: tuple[float, float]  # half width of the chest, in lung heights
    margins: tuple[tuple[float, float], ...]  # unexposed: left, right, top, bottom
    air: tuple[float, float]  # attenuation that a lung lacks; less of it in a hazy lung
    opacity: tuple[float, float]  # share of the air that an opacity replaces
    look: Look
    films: tuple[float, ...] = (0.5, 0.3, 0.2)  # share of patients with one film, two, three


SITES = {
    "A": Site(
        modes={"normal": 0.84, "opacity": 0.11, "effusion": 0.05},
        lung_height=(0.46, 0.58),
        centre=(0.51, 0.42),
        width=(0.50, 0.62),
        margins=((0.02, 0.16), (0.02, 0.10), (0.01, 0.06), (0.08, 0.26)),
        air=(0.68, 0.76),
        opacity=(0.3, 0.8),
        look=Look(
            black=(-0.06, 0.10),
            white=(0.92, 1.05),
            gamma=(1.0, 1.25),
            ribs=(0.06, 0.10),
            detail=(0.0, 0.3),
            noise=(0.004, 0.010),
            shade=0.05,
            blur=0.0040,
            marker="R",
            label=True,
        ),
    ),
    "B": Site(
        modes={
            "normal": 0.44,
            "opacity": 0.25,
            "effusion": 0.10,
            "collapsed": 0.04,
            "child": 0.05,
            "rotated": 0.04,
            "device": 0.05,
            "dark": 0.01,
            "inverted": 0.01,
            "blank": 0.01,
        },
        lung_height=(0.62, 0.76),
        centre=(0.50, 0.49),
        width=(0.45, 0.55),
        margins=((0.0, 0.04), (0.0, 0.04), (0.0, 0.05), (0.0, 0.03)),
        air=(0.42, 0.76),
        opacity=(0.5, 1.3),
        look=Look(
            black=(-0.6, 0.0),
            white=(1.2, 1.9),
            gamma=(0.75, 1.05),
            ribs=(0.10, 0.20),
            detail=(0.3, 1.6),
            noise=(0.010, 0.035),
            shade=0.45,
            blur=0.0028,
            marker="L",
            label=False,
        ),
    ),
}


@dataclass(frozen=True)
class Anatomy:
    """One patient. Pairs are (image left, image right), that is the patient's right and left."""

    mode: str
    width: tuple[float, float]
    apex: float  # distance of the apices from the midline
    mediastinum: float  # half width
    heart: float  # how far the heart reaches to its left
    dome: tuple[float, float]  # height of the diaphragm
    angle: tuple[float, float]  # depth of the costophrenic angle
    knob: float  # aortic
    air: tuple[float, float]
    rib_start: float
    rib_spacing: float
    rib_slope: float
    breast: float
    fat: float
    warp: np.ndarray  # phases of the smooth deformation
    vessels: np.ndarray  # (2, 48) brightness per direction from the hilum
    bubble: tuple[float, float, float]  # stomach: x, y below the dome, radius
    blobs: tuple[tuple[float, float, float, float, float], ...] = ()  # opacities: x, y, rx, ry, s
    texture: np.ndarray = field(default_factory=lambda: np.zeros((12, 12)))
    fluid: tuple[float, float] = (9.0, 9.0)  # level of an effusion, per side; 9 is none
    shift: float = 0.0  # of heart and mediastinum
    device: tuple[float, float] | None = None


@dataclass(frozen=True)
class Film:
    """One exposure of a patient."""

    height: float
    centre: tuple[float, float]
    tilt: float  # radians
    breath: float  # lowers or lifts the diaphragm
    margins: tuple[float, float, float, float]
    skew: float  # of the collimator
    black: float
    white: float
    gamma: float
    ribs: float
    detail: float
    noise: float
    fog: float
    shade: tuple[float, float]  # change of exposure along x and y
    label: np.ndarray  # (3, 14) bits of print
    seed: int


def draw_anatomy(rng: np.random.Generator, site: Site) -> Anatomy:
    """A random patient of a site."""
    names, shares = list(site.modes), np.array(list(site.modes.values()))
    mode = str(rng.choice(names, p=shares / shares.sum()))
    if mode == "easy":
        return _nearly_the_same(rng, site)
    width = rng.uniform(*site.width)
    dome = rng.uniform(0.76, 0.86)
    air = rng.uniform(*site.air)
    patient = Anatomy(
        mode=mode,
        width=(width * rng.uniform(0.97, 1.03), width),
        apex=width * rng.uniform(0.36, 0.46),
        mediastinum=rng.uniform(0.075, 0.115),
        heart=rng.uniform(0.16, 0.27),
        dome=(dome, dome + rng.uniform(0.0, 0.05)),
        angle=(rng.uniform(0.97, 1.03), rng.uniform(0.97, 1.03)),
        knob=rng.uniform(0.01, 0.05),
        air=(air, air),
        rib_start=rng.uniform(-0.06, 0.0),
        rib_spacing=rng.uniform(0.092, 0.108),
        rib_slope=rng.uniform(0.14, 0.28),
        breast=max(0.0, rng.uniform(-0.20, 0.22)),
        fat=rng.uniform(0.07, 0.16),
        warp=rng.uniform(0, 2 * np.pi, size=6),
        vessels=rng.random((2, 48)),
        bubble=(rng.uniform(0.20, 0.32), rng.uniform(0.04, 0.10), rng.uniform(-0.02, 0.08)),
    )
    if mode == "opacity":
        blobs = tuple(
            (
                _sign(rng) * rng.uniform(0.20, 0.40),
                rng.uniform(0.12, 0.35) if rng.random() < 0.6 else rng.uniform(0.3, 0.8),
                rng.uniform(0.06, 0.20),
                rng.uniform(0.06, 0.22),
                rng.uniform(*site.opacity),
            )
            for _ in range(rng.integers(1, 5))
        )
        return replace(patient, blobs=blobs, texture=rng.standard_normal((12, 12)))
    if mode == "effusion":
        level = rng.uniform(0.55, 0.85)
        side = int(rng.integers(3))  # left, right, both
        other = level + rng.uniform(-0.08, 0.08)
        return replace(patient, fluid=((level, 9.0), (9.0, level), (level, other))[side])
    if mode == "collapsed":
        side = int(rng.integers(2))
        towards = (-1, 1)[side]
        sides = (0.0, 0.8) if side == 0 else (0.8, 0.0)
        return replace(patient, air=sides, shift=towards * rng.uniform(0.05, 0.12))
    if mode == "child":
        width = rng.uniform(0.60, 0.70)
        return replace(
            patient,
            width=(width, width),
            apex=width * 0.42,
            mediastinum=rng.uniform(0.13, 0.18),
            heart=rng.uniform(0.24, 0.32),
            rib_slope=rng.uniform(0.02, 0.08),
            rib_spacing=0.115,
            breast=0.0,
            knob=0.0,
            fat=0.12,
        )
    if mode == "rotated":
        turn = _sign(rng) * rng.uniform(0.06, 0.11)
        return replace(
            patient, shift=turn, width=(width * (1 + 1.6 * turn), width * (1 - 1.6 * turn))
        )
    if mode == "device":
        side = -1 if rng.random() < 0.2 else 1  # most sit on the patient's left
        return replace(patient, device=(side * rng.uniform(0.30, 0.42), rng.uniform(0.10, 0.22)))
    return patient


def _nearly_the_same(rng: np.random.Generator, site: Site) -> Anatomy:
    """A patient that hardly differs from one typical patient of the site."""
    one = draw_anatomy(np.random.default_rng(_TYPICAL), replace(site, modes={"normal": 1.0}))
    stretch = rng.normal(1.0, 0.005)
    return replace(
        one,
        mode="easy",
        width=(one.width[0] * stretch, one.width[1] * stretch),
        heart=one.heart + rng.normal(0, 0.003),
        warp=one.warp + rng.normal(0, 0.03, size=len(one.warp)),
    )


def _sign(rng: np.random.Generator) -> float:
    return -1.0 if rng.random() < 0.5 else 1.0


def draw_film(rng: np.random.Generator, site: Site, patient: Anatomy) -> Film:
    """A random exposure of a patient; its anatomy stays, pose, exposure and grain do not."""
    if patient.mode == "easy":
        return _nearly_the_same_film(rng, site, patient)
    look = site.look
    left, right, top, bottom = (float(rng.uniform(*pair)) for pair in site.margins)
    tilt = rng.normal(0, 0.025)
    height = rng.uniform(*site.lung_height)
    if patient.mode == "rotated":
        tilt += _sign(rng) * rng.uniform(0.20, 0.45)
    if patient.mode == "child":
        height *= rng.uniform(0.62, 0.8)
    return Film(
        height=height,
        centre=(site.centre[0] + rng.normal(0, 0.02), site.centre[1] + rng.normal(0, 0.02)),
        tilt=tilt,
        breath=rng.uniform(-0.03, 0.03),
        margins=(left, right, top, bottom),
        skew=rng.normal(0, 0.012),
        black=rng.uniform(*look.black),
        white=rng.uniform(*look.white),
        gamma=rng.uniform(*look.gamma),
        ribs=rng.uniform(*look.ribs),
        detail=rng.uniform(*look.detail),
        noise=rng.uniform(*look.noise),
        fog=rng.uniform(0.0, 0.05),
        shade=(rng.uniform(-look.shade, look.shade), rng.uniform(-look.shade, look.shade)),
        label=rng.random((3, 14)) < 0.6,
        seed=int(rng.integers(2**31)),
    )


def _nearly_the_same_film(rng: np.random.Generator, site: Site, patient: Anatomy) -> Film:
    """An exposure that hardly differs from one typical exposure of the site, at its clearest."""
    one = draw_film(np.random.default_rng(_TYPICAL), site, replace(patient, mode="normal"))
    look = site.look
    return replace(
        one,
        height=one.height * rng.normal(1.0, 0.004),
        centre=(one.centre[0] + rng.normal(0, 0.002), one.centre[1] + rng.normal(0, 0.002)),
        tilt=one.tilt + rng.normal(0, 0.003),
        black=look.black[1] + rng.normal(0, 0.01),
        white=look.white[0],
        gamma=look.gamma[1],
        ribs=look.ribs[0],
        detail=look.detail[0],
        noise=look.noise[0],
        shade=(0.0, 0.0),
        seed=int(rng.integers(2**31)),
    )
