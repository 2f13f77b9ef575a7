"""A random draw, the baseline of every comparison."""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request


class BlindSelector(BaseSelector):
    """Base of the draws that do not look at the values: a subclass writes `_draw`."""

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "random_state": ["random_state"],
    }

    def __init__(
        self, *, metric: str = "euclidean", preprocess: Any = "auto", random_state: Any = None
    ) -> None:
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state

    def _preprocess(self, source: np.ndarray | None, X: np.ndarray) -> Any:
        return source, X

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        return Selection(
            indices=self._draw(request, check_random_state(self.random_state)),
            scores=np.full(request.budget, np.nan, dtype=np.float32),
            scales={"exact": True},
        )

    @abstractmethod
    def _draw(self, request: Request, generator: np.random.RandomState) -> np.ndarray:
        """The rows, in pick order."""


class RandomSelector(BlindSelector):
    """Draw rows at random, under the same groups and quotas as every other selector.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}, default="euclidean"
        Ignored; there so that selectors can be exchanged.
    preprocess : "auto", None or transformer, default="auto"
        Ignored likewise.
    random_state : int, RandomState instance or None, default=None
        None draws anew at each call.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`; a random draw has no scores (NaN).
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; ignored.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    XSSRSelector : What should beat this.

    Notes
    -----
    With `sample_weight` rows are drawn without replacement with probability in proportion to
    their weight [1]_; rows of weight 0 come last. A longer draw with the same seed starts with
    the shorter one.

    References
    ----------
    .. [1] Efraimidis, Spirakis. Weighted random sampling with a reservoir. Information Processing
       Letters 97, 2006. :doi:`10.1016/j.ipl.2005.11.003`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import RandomSelector
    >>> RandomSelector(random_state=0).select(np.zeros((10, 2)) + np.arange(10)[:, None], 3).shape
    (3,)
    """

    def _draw(self, request: Request, generator: np.random.RandomState) -> np.ndarray:
        return by_rounds(random_order(request, generator), request)


def random_order(request: Request, generator: np.random.RandomState) -> np.ndarray:
    """The candidates in the order of a draw without replacement, in proportion to weight."""
    uniform = generator.uniform(size=len(request.weight))
    with np.errstate(divide="ignore"):
        arrival = np.where(request.weight > 0, -np.log1p(-uniform) / request.weight, np.inf)
    order = np.lexsort((uniform, arrival))  # weight 0: in random order among themselves
    return order[np.isin(order, request.candidates)]


def by_rounds(order: np.ndarray, request: Request) -> np.ndarray:
    """The first rows of `order` that the group constraint allows, group by group in rounds."""
    if request.groups is None:
        return order[: request.budget].astype(np.int64)
    group = request.groups[order]
    same = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=int(request.groups.max()) + 1)
    visits = np.bincount(request.groups[request.labeled], minlength=len(counts))
    rounds = np.empty(len(order), dtype=np.int64)
    rounds[same] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    rounds += visits[group]
    if request.max_per_group is not None:
        order, rounds = (
            order[rounds < request.max_per_group],
            rounds[rounds < request.max_per_group],
        )
    return order[np.argsort(rounds, kind="stable")][: request.budget].astype(np.int64)
