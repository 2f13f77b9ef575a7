"""Drawing a test set by chance, whole groups at a time."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr.base.request import check_groups


def reserve_test_set(
    ids: Sequence[Any],
    size: int | float,
    *,
    groups: Any = None,
    strata: Any = None,
    random_state: Any = 0,
) -> np.ndarray:
    """Draw a test set at random, whole groups at a time.

    Groups are drawn one after another, each as likely as any other, until the test set holds
    `size` images; the last one drawn comes whole, so it may hold a few more. A patient is thus in
    the test set or in the pool, never in both: images of one patient resemble each other, and a
    score on patients seen in training says little about new ones [1]_.

    Parameters
    ----------
    ids : sequence of shape (n,)
        A name for each image, no two the same: strings or integers.
    size : int or float
        At least so many images: an int is a count, a float in (0, 1) that share of all `n`, rounded
        up. So 1 is one image.
    groups : array-like of shape (n,), optional
        Patient of each image. By default each image is a group of its own.
    strata : array-like of shape (n,), optional
        Site, or whatever else has to be present on both sides, of each image. Every stratum gives
        its share of `size`, rounded up, drawn from its own groups.
    random_state : int or RandomState instance, default=0
        An int gives the same draw whenever it is asked for, whatever the order of the images: a
        test set that changes is none. A larger `size` keeps what a smaller one drew.

    Returns
    -------
    ndarray of shape (n_test,), int64
        Rows of the test set, ascending.

    Raises
    ------
    TypeError
        `size` is not a number.
    ValueError
        `size` is out of its range, or so large that a draw could leave nothing (of a stratum) to
        select from; two images have one id; a group lies in two strata; or an argument has another
        length than `ids`.

    See Also
    --------
    split_folder : The same for a folder of images, written down.

    Notes
    -----
    Patients are drawn with equal probability, not images: a patient with many images is no likelier
    to be tested on. Average scores over patients before averaging over the test set.

    References
    ----------
    .. [1] Kapoor, Narayanan. Leakage and the reproducibility crisis in machine-learning-based
       science. Patterns 4(9), 2023. :doi:`10.1016/j.patter.2023.100804`.

    Examples
    --------
    >>> from skxssr.holdout import reserve_test_set
    >>> patients = ["ann", "ann", "bob", "bob", "cat", "cat", "dan", "dan"]
    >>> test = reserve_test_set(range(8), 0.25, groups=patients)
    >>> [patients[row] for row in test]
    ['cat', 'cat']
    """
    n = len(ids)
    if n == 0:
        raise ValueError("ids is empty: give one for each image to draw from.")
    by_id = check_groups(ids, n, "ids")
    if by_id.max() + 1 < n:
        twice = ids[int(np.flatnonzero(np.bincount(by_id)[by_id] > 1)[0])]
        raise ValueError(f"ids holds {twice!r} more than once: name every image differently.")
    wanted = images_asked_for(size, n)
    group = by_id if groups is None else check_groups(groups, n)
    n_images = np.bincount(group)
    # Both are sorted by label, not by row, so that the order of the images decides nothing.
    stratum = np.zeros(n, dtype=np.intp) if strata is None else check_groups(strata, n, "strata")
    stratum_of = np.zeros(len(n_images), dtype=np.intp)
    stratum_of[group] = stratum
    torn = np.flatnonzero(stratum_of[group] != stratum)
    if torn.size:
        raise ValueError(
            f"groups and strata disagree: group {np.asarray(groups)[torn[0]]} lies in more than "
            "one stratum, and groups stay whole. Give all images of a group one stratum."
        )
    rng = check_random_state(random_state)
    chosen = np.zeros(len(n_images), dtype=bool)
    for s in range(int(stratum.max()) + 1):
        members = np.flatnonzero(stratum_of == s)
        total, largest = int(n_images[members].sum()), int(n_images[members].max())
        share = -(-wanted * total // n)  # rounded up, in integers
        if share > total - largest:
            where = "" if strata is None else f" of stratum {np.asarray(strata)[stratum == s][0]}"
            raise ValueError(
                f"size={size!r} asks for {share} of the {total} images{where}, but the largest of "
                f"their {len(members)} groups has {largest}: a draw could leave nothing to select "
                f"from. At most {total - largest} can be asked for; lower the size"
                + (", add groups, or merge the stratum with another." if where else ".")
            )
        order = rng.permutation(members)
        before = np.cumsum(n_images[order]) - n_images[order]
        chosen[order[before < share]] = True
    return np.flatnonzero(chosen[group]).astype(np.int64)


def images_asked_for(size: Any, n: int) -> int:
    """A count as it is, a share in (0, 1) of n images rounded up; errors as `reserve_test_set`."""
    if isinstance(size, bool | np.bool_) or not isinstance(size, Real):
        raise TypeError(
            f"size must be a count (int) or a share in (0, 1) (float). Got {size!r} of type "
            f"{type(size).__name__} instead."
        )
    if isinstance(size, Integral):
        if int(size) < 1:
            raise ValueError(f"size must be at least 1. Got {size} instead.")
        return int(size)
    if not 0 < float(size) < 1:
        hint = " For a count, pass an int." if float(size) > 1 else ""
        raise ValueError(f"A fractional size must be in (0, 1). Got {size} instead.{hint}")
    return max(1, math.ceil(float(size) * n - 1e-9))
