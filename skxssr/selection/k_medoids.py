"""k-medoids that counts the source as picked."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.medoids import select_medoids


class KMedoidsSelector(BaseSelector):
    """Medoids: picks that, with the source, have the lowest mean distance to the pool.

    What the source already stands for needs no label: the cost of a target row is its distance to
    the nearest row of source, labelled and picks together, as in discrepancy-based active learning
    for domain adaptation [1]_. Picks are built greedily, then exchanged one for one while that
    lowers the cost [2]_.

    Parameters
    ----------
    cover_source : bool, default=True
        Count the source as picked. False, or a selector that was never fitted: plain k-medoids.
        False is the choice for a model that is trained on the picks alone.
    swaps : int, default=10
        Most passes over the candidates in which picks are exchanged; each may exchange every pick
        once. 0 keeps the greedy picks. Two or three passes usually settle.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`; the same as for every selector, so that rivals share one
        space.
    random_state : int, RandomState instance or None, default=0
        Offset of the demand set, in pools above 5,000 rows.
    n_jobs : int, optional
        Threads; the picks do not depend on it.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`. The term "gain" is by how much each pick lowers the mean
        distance when added to those before it, the very first from a bound on every distance; the
        score is its share of the bound or of the largest distance to the source. `coverage` is the
        mean distance to labelled rows and picks, without the source. ``scales`` says how many
        swaps were made and whether the last pass found none.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    FacilityLocationSelector : The greedy picks without source and swaps.
    XSSRSelector : Weighs distance to the source against density and diversity.

    Notes
    -----
    A pass proposes the best replacement of each pick at once, as FastPAM does, in memory of the
    order of the pool and the budget, without a matrix of distances. A replacement takes the place
    of its predecessor in the order of picks and, with `groups`, is of the same group, so that
    quotas hold. An exchange must lower the cost by more than a millionth. The result is a local
    optimum: no single exchange helps, where ``exchanges_settled`` is true. Scores are compared as
    float32; ties go to the lowest index. In pools above 5,000 rows the mean is over a sample of at
    least 5,000 and 30 a pick, recorded in ``selection_.scales``; the whole source always counts.

    References
    ----------
    .. [1] de Mathelin, Deheeger, Mougeot, Vayatis. Discrepancy-Based Active Learning for Domain
       Adaptation. ICLR 2022. :arxiv:`2103.03757`.
    .. [2] Schubert, Rousseeuw. Fast and Eager k-Medoids Clustering. Information Systems 101, 2021.
       :arxiv:`2008.05171`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import KMedoidsSelector
    >>> source, X = np.array([[0.0]]), np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [30.0]])
    >>> KMedoidsSelector(preprocess=None).fit(source).select(X, 2)
    array([5, 3])
    >>> KMedoidsSelector(preprocess=None, cover_source=False).fit(source).select(X, 2)
    array([2, 5])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "cover_source": ["boolean"],
        "swaps": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        cover_source: bool = True,
        swaps: int = 10,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.cover_source = cover_source
        self.swaps = swaps
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return select_medoids(
            source if self.cover_source else None,
            X,
            request,
            passes=self.swaps,
            seed=seed,
            n_jobs=self.n_jobs,
        )
