"""Procedural images with masks, from sites that differ. Imports numpy, scikit-learn, `_chest_*`."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skxssr.datasets._chest_anatomy import SITES, draw_anatomy, draw_film
from skxssr.datasets._chest_film import render

__all__ = ["make_phantoms"]

_DESCR = """Chest film phantoms
===================
Stylised frontal chest films, drawn from formulas, and the masks of their lungs. No image of any
person went into them. They serve to try and test software: a result on phantoms says that a
pipeline works, not that it works on patients.

Site A, like an old source collection: small lungs high on the plate, wide black borders, a printed
label and a right marker, hard contrast, little noise, nearly all normal.
Site B, like a target hospital: lungs fill the plate, soft and variable contrast with enhanced ribs,
more noise, a left marker, and much disease. Shares of patients there: normal 44%, opacity 25%,
effusion 10%; rare modes child 5%, device (pacemaker) 5%, collapsed (one lung without air) 4%,
rotated 4%; outliers dark (nearly black), inverted and blank (exposed without a patient) 1% each.

Masks follow what a reader would outline: the lung is drawn through patchy opacities, ribs and
devices; heart, mediastinum and what lies below the diaphragm are left out; a pleural effusion's
surface is the lower border; a collapsed lung is not drawn; a blank film has an empty mask.
"""

_ONE_FILM = ("dark", "inverted", "blank")


def make_phantoms(
    task: str = "chest",
    site: str = "A",
    n_samples: int = 100,
    random_state: Any = None,
    *,
    image_size: int = 128,
) -> Bunch:
    """Procedural medical images with masks, for demonstrations and tests without any data.

    Site "A" stands for the source and "B" for the target: a model trained on A loses visibly on B.
    Each patient has one to three films, alike but for pose, exposure and noise. Samples are drawn
    from seeds of their own: the first k of n samples are the same for every n.

    Parameters
    ----------
    task : {"chest"}, default="chest"
        What to draw.
    site : {"A", "B"}, default="A"
        The hospital: its contrast, noise, geometry, borders and mix of anatomy.
    n_samples : int, default=100
        Number of films; about 100 to 200 are drawn per second and core at the default size.
    random_state : int, RandomState instance or None, default=None
        Seed. With an int the same films come out on every call.
    image_size : int, default=128
        Height and width in pixels, 32 or more. The anatomy does not depend on it. 128 is the size
        at which the embedder looks by default.

    Returns
    -------
    Bunch
        With attributes

        images : ndarray of shape (n_samples, image_size, image_size), dtype uint8
            Gray films, bone white.
        masks : ndarray of shape (n_samples, image_size, image_size), dtype uint8
            1 in the visible lungs, 0 elsewhere; what counts as visible is said in `DESCR`.
        groups : ndarray of shape (n_samples,), dtype int64
            Patient of each film, from 0; films of one patient follow each other.
        ids : list of str
            A unique name per film, such as `"A-p0012-f1"`.
        modes : ndarray of shape (n_samples,), dtype str
            "normal", "opacity", "effusion", and on site B the rare "collapsed", "child", "rotated",
            "device" and the outliers "dark", "inverted", "blank".
        site : str
            As given.
        DESCR : str
            What the phantoms are, with the share of each mode.

    Raises
    ------
    ValueError
        `task` or `site` is unknown, or a number is too small.

    See Also
    --------
    load_chest_xray : Real films.

    Examples
    --------
    >>> from skxssr.datasets import make_phantoms
    >>> source = make_phantoms("chest", site="A", n_samples=4, random_state=0, image_size=64)
    >>> source.images.shape, source.masks.max(), source.ids[0]
    ((4, 64, 64), np.uint8(1), 'A-p0000-f0')
    """
    if task != "chest":
        raise ValueError(f"task must be 'chest', the only one there is. Got {task!r} instead.")
    if site not in SITES:
        raise ValueError(f"site must be one of {sorted(SITES)}. Got {site!r} instead.")
    for name, value, least in (("n_samples", n_samples, 1), ("image_size", image_size, 32)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}. Got {value!r} instead.")
    entropy = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    look = SITES[site]
    images = np.empty((n_samples, image_size, image_size), dtype=np.uint8)
    masks = np.empty_like(images)
    groups = np.empty(n_samples, dtype=np.int64)
    ids: list[str] = []
    modes: list[str] = []
    n_patients = 0
    while len(ids) < n_samples:
        # one seed per patient, whose films follow from it in order
        seed = np.random.SeedSequence(entropy, spawn_key=(sorted(SITES).index(site), n_patients))
        rng = np.random.default_rng(seed)
        patient = draw_anatomy(rng, look)
        n_films = 1 if patient.mode in _ONE_FILM else int(rng.choice((1, 2, 3), p=(0.5, 0.3, 0.2)))
        for j in range(min(n_films, n_samples - len(ids))):
            i = len(ids)
            images[i], masks[i] = render(patient, draw_film(rng, look, patient), look, image_size)
            groups[i] = n_patients
            ids.append(f"{site}-p{n_patients:04d}-f{j}")
            modes.append(patient.mode)
        n_patients += 1
    return Bunch(
        images=images,
        masks=masks,
        groups=groups,
        ids=ids,
        modes=np.array(modes),
        site=site,
        DESCR=_DESCR,
    )
