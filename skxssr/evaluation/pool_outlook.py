"""What embeddings say about choosing before any label, and how little.

And below. The figures of the five tasks are made by benchmarks/study/outlook.py; a test compares.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import check_array, check_random_state

from skxssr.base.preprocess import evenly_spaced, fit_scale_and_pca
from skxssr.base.request import check_request
from skxssr.selection._engine.clusters import find_clusters
from skxssr.selection.random_draw import by_rounds, random_order

__all__ = ["Outlook", "outlook"]

_MAX_ROWS = 2_000  # of the pool are covered and clustered: shares and means, a sample gives them
_N_INIT = 3


class Measured(NamedTuple):
    """What was found at one number of labels: lowest and highest of the five tasks."""

    variation: tuple[float, float]
    gain: tuple[float, float]


# printed by `python benchmarks/study/main.py outlook`
MEASURED = {
    5: Measured(variation=(0.044, 0.127), gain=(-3.864, 3.539)),
    10: Measured(variation=(0.027, 0.082), gain=(0.254, 3.188)),
    20: Measured(variation=(0.02, 0.037), gain=(0.075, 1.175)),
}
SPREAD = (0.91, 1.41)
SPEARMAN, P_VALUE, P_BEST, N_TRIED = 0.52, 0.13, 0.53, 10


@dataclass(frozen=True)
class Outlook:
    """What `outlook` returns.

    Attributes
    ----------
    text : str
        Plain sentences; the first is the answer.
    budget, n_draws : int
        How many images are labelled, and how many random draws of as many were made.
    spread : float or None
        How widely the pool spreads, against the source: ratio of the root mean square distances to
        the centre. None without a source, or where all its rows are equal.
    variation : float
        How much luck a random draw is: the standard deviation over draws, divided by the mean, of
        the mean distance from an image of the pool to the nearest drawn one.
    n_clusters : int
        Clusters of the pool by k-means: as many as labels, fewer where rows are equal.
    missed_clusters : float
        Share of the clusters in which a draw has no image, in the mean over draws.
    missed_images : float
        Share of the pool that lies in those clusters, in the mean over draws.
    """

    text: str
    budget: int
    n_draws: int
    spread: float | None
    variation: float
    n_clusters: int
    missed_clusters: float
    missed_images: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON.

        Returns
        -------
        dict
            Attribute by name.
        """
        return asdict(self)


def outlook(
    X: Any,
    budget: int | float,
    *,
    source: Any = None,
    groups: Any = None,
    n_draws: int = 100,
    random_state: Any = 0,
) -> Outlook:
    """Say before any label what this pool is like, and how little that foretells about choosing.

    On five tasks no number computed from embeddings foretold how much choosing gains, beyond what
    the best of ten reaches by chance (documentation, page "When not to use it"). So the answer is a
    description of the pool, what was measured elsewhere, and the advice to measure.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Embeddings of the pool.
    budget : int or float
        Images that will be labelled; a float in (0, 1] is a fraction of the pool.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source: for the preprocessing, as in selectors, and to compare with. On
        five tasks none of the numbers that need no source did better.
    groups : array-like of shape (n_samples,), optional
        Patient of each row: draws are spread over patients, as selectors spread picks.
    n_draws : int, default=100
        Random draws. With 100 the variation is known to within some 7% of itself.
    random_state : int, RandomState instance or None, default=0
        Seed of draws and clusters; fixed, so that the same pool gets the same answer.

    Returns
    -------
    Outlook

    Raises
    ------
    ValueError
        `X` or `source` is not a finite table, they differ in their number of features, `budget` or
        `groups` do not fit `X`, or `n_draws` is below 20.

    See Also
    --------
    RidgeJudge : What choosing gains where masks exist, in seconds.
    compare_selectors : The same by networks that are trained.
    label_free_quantities : Measures of picks instead of the pool.

    Notes
    -----
    Measured in the space that selectors use by default. Distances and clusters are those of at most
    2,000 evenly spaced rows of the pool; draws are from all of it.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.evaluation import outlook
    >>> rng = np.random.default_rng(0)
    >>> centers = rng.normal(scale=5, size=(6, 8))
    >>> pool = centers[np.arange(120) % 6] + 0.3 * rng.normal(size=(120, 8))
    >>> found = outlook(pool, 6)
    >>> found.n_clusters, round(found.missed_clusters, 1)  # (5/6) ** 6 is 0.33
    (6, 0.3)
    >>> found.text.partition(":")[0]
    'Embeddings alone cannot say whether choosing pays here'
    """
    if n_draws < 20:
        raise ValueError(
            f"n_draws={n_draws!r} must be at least 20: fewer do not tell how much draws vary."
        )
    X = check_array(X, dtype=np.float64, input_name="X")
    if source is not None:
        source = check_array(source, dtype=np.float64, input_name="source")
        if source.shape[1] != X.shape[1]:
            raise ValueError(
                f"source has {source.shape[1]} features but X has {X.shape[1]}: embed both with "
                "the same embedder."
            )
    request = check_request(len(X), budget, groups=groups)
    generator = check_random_state(random_state)
    prepare = fit_scale_and_pca(source, X)
    Z = np.asarray(prepare(X), dtype=np.float64)
    covered = evenly_spaced(len(Z), _MAX_ROWS)
    weight = np.zeros(len(Z))
    weight[covered] = 1.0
    clusters = find_clusters(Z, request.budget, weight, n_init=_N_INIT, random_state=generator)
    share = clusters.weight / clusters.weight.sum()
    distance = np.empty(n_draws)
    missed = np.empty((n_draws, len(share)))
    for draw in range(n_draws):
        rows = by_rounds(random_order(request, generator), request)
        distance[draw] = pairwise_distances_argmin_min(Z[covered], Z[rows])[1].mean()
        missed[draw] = clusters.visits(rows) == 0
    mean = float(distance.mean())
    variation = float(distance.std(ddof=1)) / mean if mean > 0 else 0.0
    wide = 0.0 if source is None else _spread(np.asarray(prepare(source), dtype=np.float64))
    spread = _spread(Z) / wide if wide > 0 else None
    numbers = (spread, variation, len(share), float(missed.mean()), float((missed @ share).mean()))
    return Outlook(_say(request.budget, *numbers), request.budget, n_draws, *numbers)


def _say(
    budget: int,
    spread: float | None,
    variation: float,
    n_clusters: int,
    missed_clusters: float,
    missed_images: float,
) -> str:
    if variation == 0:
        return (
            "Choosing cannot pay here, as far as the embedding sees: every random draw of "
            f"{budget} covers the pool equally well."
        )
    near = min(MEASURED, key=lambda labels: abs(np.log(labels / budget)))
    (least, most), (worst, best) = MEASURED[near]
    relative = ""
    if spread is not None:
        relative = (
            "The best of them was how widely the pool spreads, against the source: here "
            f"{spread:.2f} times as widely, there {SPREAD[0]:.2f} to {SPREAD[1]:.2f} (rank "
            f"correlation with the gain {SPEARMAN:+.2f}, p = {P_VALUE:.2f}, {P_BEST:.2f} as the "
            f"best of {N_TRIED}). "
        )
    return (
        f"Embeddings alone cannot say whether choosing pays here: none of {N_TRIED} numbers "
        f"computed from them foretold it on five tasks beyond chance. {relative}Choosing changed "
        f"the mean Dice there by {worst:+.1f} to {best:+.1f} points over random draws of {near}. "
        f"From one random draw of {budget} to another the mean distance from an image to the "
        f"nearest drawn one varies by {variation:.1%} here, by {least:.1%} to {most:.1%} there; a "
        f"draw misses {missed_clusters:.0%} of {n_clusters} clusters here, with "
        f"{missed_images:.0%} of the images. Where some masks exist, skxssr compare --fast "
        "measures what choosing gains."
    )


def _spread(rows: np.ndarray) -> float:
    """Root mean square distance to the centre; 0 where all rows are equal, without rounding."""
    return float(np.sqrt((rows - rows[0]).var(axis=0).sum()))
