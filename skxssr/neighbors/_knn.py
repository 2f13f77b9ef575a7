"""k-NN by scikit-learn (exact) or pynndescent (approximate).

pynndescent is imported only when chosen: its first import compiles for many seconds.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skxssr._kernels.distances import neighbor_distances
from skxssr._utils.threads import limit_threads

_SPARE = 4  # extra neighbours, so that rounding inside the library cannot push a true one out
_APPROXIMATE_FROM = 50_000


def kneighbors(
    query: np.ndarray | None,
    data: np.ndarray,
    n_neighbors: int,
    *,
    algorithm: str = "auto",
    random_state: int = 0,
    n_jobs: int | None = None,
) -> tuple[np.ndarray, bool]:
    """Euclidean distances to the nearest rows of `data`, ascending.

    Parameters
    ----------
    query : ndarray of shape (n, p) or None
        None: the rows of `data` themselves, each leaving itself out.
    data : ndarray of shape (m, p)
        float32 or float64, C order.
    n_neighbors : int
        At most m, or m - 1 if `query` is None.
    algorithm : {"auto", "exact", "pynndescent"}, default="auto"
        "auto" is approximate only for a graph within more than 50,000 rows, where an exact one
        costs n^2 distances.
    random_state : int, default=0
        Seed of pynndescent.
    n_jobs : int, optional
        Threads of the exact search. pynndescent always builds with one job: with two it returns
        another graph for the same seed.

    Returns
    -------
    distances : ndarray of shape (n, n_neighbors), float64
        Recomputed in a fixed order from the rows, so that they do not depend on threads.
    exact : bool
        Whether the neighbours are certainly the nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.neighbors import kneighbors
    >>> kneighbors(None, np.array([[0.0], [1.0], [3.0]]), 1)
    (array([[1.], [1.], [2.]]), True)
    """
    itself = query is None
    rows = data if query is None else query
    if len(rows) == 0 or n_neighbors == 0:
        return np.empty((len(rows), n_neighbors)), True
    approximate = algorithm == "pynndescent" or (
        algorithm == "auto" and itself and len(data) > _APPROXIMATE_FROM
    )
    # pynndescent cannot build on a handful of rows
    approximate = approximate and len(data) > max(2 * n_neighbors, 30)
    wanted = min(n_neighbors + itself + (0 if approximate else _SPARE), len(data))
    if approximate:
        neighbors = _approximate(rows, data, wanted, itself, random_state)
    else:
        # The library expands |x - y|^2 into products, which cancel far from the origin.
        center = np.median(data, axis=0).astype(np.float64)
        with limit_threads(n_jobs):
            search = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(data - center)
            neighbors = search.kneighbors(rows - center, return_distance=False)
    if itself:
        neighbors = _without_itself(neighbors)
    distances = np.empty(neighbors.shape)
    neighbor_distances(rows, data, np.ascontiguousarray(neighbors, dtype=np.int64), distances)
    distances.sort(axis=1)
    return np.ascontiguousarray(distances[:, :n_neighbors]), not approximate


def _without_itself(neighbors: np.ndarray) -> np.ndarray:
    """Drop each row's own index, or its last neighbour where duplicates crowded it out."""
    n, wanted = neighbors.shape
    keep = neighbors != np.arange(n)[:, None]
    keep[keep.all(axis=1), -1] = False
    return neighbors[keep].reshape(n, wanted - 1)


def _approximate(
    rows: np.ndarray, data: np.ndarray, wanted: int, itself: bool, random_state: int
) -> np.ndarray:
    from pynndescent import NNDescent

    index = NNDescent(
        data, n_neighbors=max(wanted, 15), metric="euclidean", random_state=random_state, n_jobs=1
    )
    if itself:
        graph = index.neighbor_graph[0]
    else:
        graph = index.query(rows, k=wanted)[0]
    return np.asarray(graph[:, :wanted])
