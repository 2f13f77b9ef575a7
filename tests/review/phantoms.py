"""Phantom films of which some masks include what lies between the lungs, and some are careless."""

import numpy as np

from skxssr.datasets import make_phantoms


def planted(n=40, *, n_other=6, n_careless=3, image_size=48, seed=0):
    """Images, masks, rows of the planted convention, rows drawn without care, patients."""
    films = make_phantoms("chest", "A", n, random_state=seed, image_size=image_size)
    masks = films.masks.copy()
    normal = np.flatnonzero(films.masks.reshape(n, -1).mean(axis=1) > 0.1)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(normal)[: n_other + n_careless]
    other, careless = np.sort(chosen[:n_other]), np.sort(chosen[n_other:])
    for row in other:
        masks[row] |= between(masks[row])
    for row in careless:
        masks[row] = np.roll(masks[row], (-image_size // 8, 3), axis=(0, 1))
    return films.images, masks, other, careless, films.groups


def between(mask):
    """The gap between the lungs in the lower half of their box."""
    filled = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    for row in range((rows.min() + rows.max()) // 2, rows.max() - 2):
        own = columns[rows == row]
        if len(own):
            filled[row, own.min() : own.max() + 1] = 1
    return filled
