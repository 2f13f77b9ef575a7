"""Procedural images with masks, from sites that differ."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skxssr.datasets import _brain_anatomy as brain
from skxssr.datasets import _chest_anatomy as chest
from skxssr.datasets._brain_slice import render as render_slice
from skxssr.datasets._chest_film import render as render_film
from skxssr.datasets._descriptions import DESCRIPTIONS
from skxssr.datasets._scenarios import LOOKS, SCENARIOS

__all__ = ["make_phantoms"]

_ONE_FILM = ("dark", "inverted", "blank", "easy")


def make_phantoms(
    task: str = "chest",
    site: str = "A",
    n_samples: int = 100,
    random_state: Any = None,
    *,
    image_size: int = 128,
    scanner: str | None = None,
    scenario: str | None = None,
) -> Bunch:
    """Procedural medical images with masks, for demonstrations and tests without any data.

    Site "A" stands for the source and "B" for the target: a model trained on A loses visibly on B.
    Images of a patient follow each other. Patients are drawn from seeds of their own: the first k
    of n samples are the same for every n. Dice on phantoms is never evidence of how well a method
    works on patients.

    Parameters
    ----------
    task : {"chest", "lesion"}, default="chest"
        What to draw. "chest": frontal films with the lungs as masks, one to three of a patient,
        alike but for pose, exposure and noise. "lesion": head scans, each patient a stack of 8 to
        12 neighbouring slices of which some show a lesion and the others have an empty mask.
    site : {"A", "B"}, default="A"
        The hospital: its patients, how they are placed, and its scanner.
    n_samples : int, default=100
        Number of images; several hundred of 64 pixels are drawn per second and core. A stack that
        does not fit is cut off.
    random_state : int, RandomState instance or None, default=None
        Seed. With an int the same images come out on every call.
    image_size : int, default=128
        Height and width in pixels, 32 or more. The anatomy does not depend on it. 128 is the size
        at which the embedder looks by default.
    scanner : {"A", "B"}, default=None
        Whose scanner images the patients of `site`; None is the site's own. Contrast, exposure,
        noise and sharpness change, masks and ids do not: with the same `random_state`,
        ``("A", scanner="B")`` are the patients of A as B's scanner sees them, and
        ``("B", scanner="A")`` differ from A by their patients and poses alone.
    scenario : str, default=None
        Another population; None is the task's own, in which the sites differ in everything.

        - "rare" (chest): on site B one lung is collapsed in 4% of patients, apart from the 3% of
          spoilt films; nothing else is rare. Site A is as without a scenario.
        - "dense" (chest): on site B 62% of patients have nearly the same, easy film; the others
          differ widely, so that going after density alone finds little to learn from. Site A is as
          without a scenario.
        - "small" (lesion): lesions of a few pixels at an `image_size` of 64, one or two at 32, in
          one to three slices.
        - "two_classes" (lesion): the same images, with 1 in the swelling and 2 in the core.
        - "null" (both): one homogeneous population on one scanner; sites differ in nothing but the
          seed, and one image of a chest patient. No selector should beat random draws by much.

    Returns
    -------
    Bunch
        With attributes

        images : ndarray of shape (n_samples, image_size, image_size), dtype uint8
            Gray images; bone is white in films and black in scans.
        masks : ndarray of shape (n_samples, image_size, image_size), dtype uint8
            1 in the visible lungs or in a lesion (2 in its core with "two_classes"), 0 elsewhere;
            what counts as visible is said in `DESCR`.
        groups : ndarray of shape (n_samples,), dtype int64
            Patient of each image, from 0; a patient's images follow each other, slices from below
            upwards.
        ids : list of str
            A unique name per image, such as `"A-p0012-f1"` (film) or `"A-p0012-s07"` (slice).
        modes : ndarray of shape (n_samples,), dtype str
            What is particular about the patient: "normal", "opacity", "collapsed" and so on, listed
            in `DESCR` with their shares.
        site : str
            As given.
        scanner : {"A", "B"}
            The scanner in use.
        scenario : str or None
            As given.
        DESCR : str
            What the phantoms are, with the share of each mode.

    Raises
    ------
    ValueError
        `task`, `site`, `scanner` or `scenario` is unknown, or a number is too small.

    See Also
    --------
    load_chest_xray : Real films.

    Examples
    --------
    >>> from skxssr.datasets import make_phantoms
    >>> source = make_phantoms("chest", site="A", n_samples=4, random_state=0, image_size=64)
    >>> source.images.shape, int(source.masks.max()), source.ids[0]
    ((4, 64, 64), 1, 'A-p0000-f0')

    The same patients on the scanner of the other site:

    >>> moved = make_phantoms("chest", "A", 4, random_state=0, image_size=64, scanner="B")
    >>> bool((moved.masks == source.masks).all())
    True
    >>> bool((moved.images == source.images).mean() < 0.5)
    True

    Slices with and without a lesion:

    >>> stacks = make_phantoms("lesion", "B", 40, random_state=0, image_size=64)
    >>> bool(0 < stacks.masks.any(axis=(1, 2)).sum() < 40)
    True
    """
    if task not in SCENARIOS:
        raise ValueError(f"task must be one of {sorted(SCENARIOS)}. Got {task!r} instead.")
    if scenario not in SCENARIOS[task]:
        names = sorted(name for name in SCENARIOS[task] if name is not None)
        raise ValueError(
            f"scenario must be None or one of {names} for task={task!r}. Got {scenario!r} instead."
        )
    sites, looks = SCENARIOS[task][scenario], LOOKS[task]
    if site not in sites:
        raise ValueError(f"site must be one of {sorted(sites)}. Got {site!r} instead.")
    if scanner is not None and scanner not in looks:
        raise ValueError(
            f"scanner must be None or one of {sorted(looks)}. Got {scanner!r} instead."
        )
    for name, value, least in (("n_samples", n_samples, 1), ("image_size", image_size, 32)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}. Got {value!r} instead.")
    entropy = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    population = sites[site]
    if scanner is not None:
        population = replace(population, look=looks[scanner])
    draw_patient, suffix = _TASKS[task]
    images = np.empty((n_samples, image_size, image_size), dtype=np.uint8)
    masks = np.empty_like(images)
    groups = np.empty(n_samples, dtype=np.int64)
    ids: list[str] = []
    modes: list[str] = []
    n_patients = 0
    while len(ids) < n_samples:
        # one seed per patient, whose images follow from it in order
        seed = np.random.SeedSequence(entropy, spawn_key=(sorted(sites).index(site), n_patients))
        mode, drawn = draw_patient(np.random.default_rng(seed), population, image_size)
        for j, (image, mask) in enumerate(islice(drawn, n_samples - len(ids))):
            i = len(ids)
            images[i], masks[i], groups[i] = image, mask, n_patients
            ids.append(f"{site}-p{n_patients:04d}-" + suffix.format(j))
            modes.append(mode)
        n_patients += 1
    return Bunch(
        images=images,
        masks=masks,
        groups=groups,
        ids=ids,
        modes=np.array(modes),
        site=site,
        scanner=next(name for name, look in looks.items() if look == population.look),
        scenario=scenario,
        DESCR=DESCRIPTIONS[task],
    )


def _chest_films(
    rng: np.random.Generator, site: chest.Site, size: int
) -> tuple[str, Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Mode of a random patient, and its films with their masks, drawn as they are asked for."""
    patient = chest.draw_anatomy(rng, site)
    n_films = 1 if patient.mode in _ONE_FILM else int(rng.choice((1, 2, 3), p=site.films))
    films = (chest.draw_film(rng, site, patient) for _ in range(n_films))
    return patient.mode, (render_film(patient, film, site.look, size) for film in films)


def _brain_slices(
    rng: np.random.Generator, site: brain.Site, size: int
) -> tuple[str, Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Mode of a random patient, and its slices with their masks from below upwards."""
    head = brain.draw_head(rng, site)
    series = brain.draw_series(rng, site.look)
    stack = (render_slice(head, series, j, size, site.n_classes) for j in range(len(head.levels)))
    return head.mode, stack


_TASKS: dict[str, tuple[Any, str]] = {
    "chest": (_chest_films, "f{}"),
    "lesion": (_brain_slices, "s{:02d}"),
}
