"""Mini-batch k-means of a pool that is not in memory: scikit-learn's, over rows as it draws them.

`MiniBatchKMeans.fit` looks at rows that it has drawn and at no others. So it is given an array of
the whole shape that holds nothing, and a random generator that brings the rows it draws and puts
them there before it returns their numbers. The centers are those of one machine, to the bit.
"""

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils.extmath import row_norms

from skxssr._utils.threads import limit_threads

_AHEAD = 8  # batches asked for at a time

Rows = Callable[[np.ndarray], np.ndarray]


class _Sheet:
    """An array of shape (n, p) of which only the rows written last take up memory."""

    def __init__(self, n: int, p: int) -> None:
        wanted = ("MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_NORESERVE")
        flags = sum(getattr(mmap, name, 0) for name in wanted)
        size = n * p * 8
        self._map = mmap.mmap(-1, size, flags=flags) if flags else mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self._map.madvise(mmap.MADV_NOHUGEPAGE)  # a row would take up 2 MiB
        self.array = np.frombuffer(self._map, dtype=np.float64).reshape(n, p)

    def write(self, at: np.ndarray, rows: np.ndarray) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
        self.array[at] = rows


class _Bringing(np.random.RandomState):
    """Brings the rows of every draw from all `n` before it returns it."""

    def __init__(self, state: np.random.RandomState, n: int, bring: Callable) -> None:
        super().__init__()
        self.set_state(state.get_state())
        self._n, self._bring = n, bring

    def randint(self, low: Any, high: Any = None, size: Any = None, dtype: Any = int) -> Any:
        if size is None or high != self._n:
            return super().randint(low, high, size, dtype)
        return self._drawn(lambda: super(_Bringing, self).randint(low, high, size, dtype))

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        if size is None or not replace or not np.isscalar(a) or a != self._n:
            return super().choice(a, size, replace, p)
        return self._drawn(lambda: super(_Bringing, self).choice(a, size, replace, p))

    def _drawn(self, draw: Callable[[], np.ndarray]) -> np.ndarray:
        drawn = draw()

        def later() -> list[np.ndarray]:
            # what comes next, unless something else is drawn in between
            state = self.get_state()
            following = [draw() for _ in range(_AHEAD - 1)]
            self.set_state(state)
            return following

        self._bring(drawn, later)
        return drawn


class _MiniBatches(MiniBatchKMeans):
    """k-means++ on rows that were brought, whose norms nobody could know before."""

    def _init_centroids(
        self,
        X: np.ndarray,
        x_squared_norms: np.ndarray,
        init: Any,
        random_state: Any,
        sample_weight: np.ndarray,
        init_size: int | None = None,
        n_centroids: int | None = None,
    ) -> np.ndarray:
        drawn = random_state.randint(0, X.shape[0], init_size)
        X = X[drawn]
        return super()._init_centroids(
            X,
            x_squared_norms=row_norms(X, squared=True),
            init=init,
            random_state=random_state,
            sample_weight=sample_weight[drawn],
            n_centroids=n_centroids,
        )


def can_draw(n: int, parameters: dict[str, Any]) -> bool:
    """Whether the first centers come from a draw of so many rows, not from all of them."""
    return n > 3 * max(parameters["batch_size"], parameters["n_clusters"])


def fit_minibatches(
    n: int, p: int, rows: Rows, weight: np.ndarray, parameters: dict[str, Any]
) -> np.ndarray:
    """The centers of `MiniBatchKMeans(**parameters)` on `n` rows, which `can_draw`.

    Parameters
    ----------
    n, p : int
        Shape of the data.
    rows : callable
        Returns rows by their numbers, in any order and repeated, float64.
    weight : ndarray of shape (n,)
    parameters : dict
        See `skxssr.selection._engine.clusters.minibatch_parameters`.

    Returns
    -------
    ndarray of shape (n_clusters, p)
    """
    sheet = _Sheet(n, p)
    known: dict[bytes, np.ndarray] = {}
    size = [0]

    def bring(drawn: np.ndarray, later: Callable[[], list[np.ndarray]]) -> None:
        key = drawn.tobytes()
        if key not in known:
            known.clear()
            draws = [drawn, *later()] if len(drawn) == size[0] else [drawn]
            found = np.split(rows(np.concatenate(draws)), len(draws))
            known.update({d.tobytes(): part for d, part in zip(draws, found, strict=True)})
        size[0] = len(drawn)
        sheet.write(drawn, known.pop(key))

    given = check_random_state(parameters["random_state"])
    state = _Bringing(given, n, bring)
    model = _MiniBatches(**{**parameters, "random_state": state}, compute_labels=False)
    # no look at values that are not there
    with limit_threads(1), config_context(assume_finite=True):
        model.fit(sheet.array, sample_weight=weight)
    given.set_state(state.get_state())
    return np.array(model.cluster_centers_)
