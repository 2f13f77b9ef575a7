"""Facility location on distances: greedy k-medoids."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.medoids import select_medoids


class FacilityLocationSelector(BaseSelector):
    """Greedy facility location: always the row that lowers the mean distance to the picks most.

    The similarity of two rows is a bound on every distance less their distance, so that maximising
    the facility location function is minimising the weighted mean distance of the pool to what is
    picked or labelled: the BUILD phase of k-medoids [1]_, and the representative step of many
    methods [2]_.

    Parameters
    ----------
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
        Record of the last `select`. The term "gain" is by how much the pick lowered the mean
        distance, a first pick from a bound on every distance; the score is its share of that bound.
        `coverage` is the mean distance after each pick.
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; it only serves the preprocessing.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    KMedoidsSelector : Goes on to exchange picks, and counts the source as picked.
    MaxHerdingSelector : The same with a kernel that sees near rows only.

    Notes
    -----
    Lazy and exact: the picks are those of a full scan. At least 1 - 1/e of the largest possible
    similarity, half of that with `groups`. Scores are compared as float32; ties go to the lowest
    index. Late picks do tie: two rows that would serve only each other gain the same. In pools
    above 5,000 rows the mean is over a sample of at least 5,000 and 30 a pick, recorded in
    ``selection_.scales``.

    References
    ----------
    .. [1] Kaufman, Rousseeuw. Partitioning Around Medoids. In: Finding Groups in Data, Wiley 1990.
       :doi:`10.1002/9780470316801.ch2`.
    .. [2] Wei, Iyer, Bilmes. Submodularity in Data Subset Selection and Active Learning. ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import FacilityLocationSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [30.0]])
    >>> FacilityLocationSelector(preprocess=None).select(X, 3)
    array([2, 5, 3])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return select_medoids(None, X, request, passes=0, seed=seed, n_jobs=self.n_jobs)
