"""`select` for Dask arrays."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.lazy import is_lazy
from skxssr._utils.parameters import plain_parameters
from skxssr.base.request import Request, check_request
from skxssr.base.selection import Selection
from skxssr.distributed._arrays import check_layout
from skxssr.distributed._cluster import Cluster
from skxssr.distributed._farthest import core_set
from skxssr.distributed._journal import Journal, identity
from skxssr.distributed._prepare import Prepared, check_preprocess, prepare
from skxssr.distributed._residual import max_herding
from skxssr.distributed._serving import facility_location
from skxssr.distributed._xssr import check_xssr, typi_clust, xssr
from skxssr.selection import (
    CoreSetSelector,
    FacilityLocationSelector,
    MaxHerdingSelector,
    RandomSelector,
    TypiClustSelector,
    XSSRSelector,
)


def random_draw(
    selector: Any, prepared: Prepared, request: Request, journal: Journal, verbose: int
) -> Selection:
    """The picks of `skxssr.RandomSelector`: a draw of row numbers, which is made here."""
    return selector._select(None, np.empty((prepared.target.n, 0)), request)


_ALGORITHMS: dict[type, Any] = {
    CoreSetSelector: core_set,
    FacilityLocationSelector: facility_location,
    MaxHerdingSelector: max_herding,
    RandomSelector: random_draw,
    TypiClustSelector: typi_clust,
    XSSRSelector: xssr,
}
_BLIND = (RandomSelector,)
_APPROXIMATE = (FacilityLocationSelector, MaxHerdingSelector)


def select(
    selector: Any,
    X: Any,
    budget: int | float,
    *,
    labeled: Any = None,
    candidates: Any = None,
    groups: Any = None,
    max_per_group: int | None = None,
    sample_weight: Any = None,
    client: Any = None,
    resume: str | Path | None = None,
    approximate: bool = False,
    verbose: int = 0,
    return_selection: bool = False,
) -> Any:
    """Pick rows of a Dask array.

    ``selector.select(X, budget)`` calls this where `X`, or the source that `fit` was given, is a
    Dask array. The picks are those of one machine on the same values, whatever the chunks and the
    workers; the page "On a cluster" of the user guide has the exceptions.

    Parameters
    ----------
    selector : BaseSelector
        An `skxssr.XSSRSelector` with ``scoring="xssr"`` or ``"residual"``, a
        `skxssr.TypiClustSelector`, `skxssr.CoreSetSelector`, `skxssr.FacilityLocationSelector`,
        `skxssr.MaxHerdingSelector` or `skxssr.RandomSelector`.
    X : dask.array.Array of shape (n_samples, n_features)
        Embeddings of the target images. Chunks along rows only, of known sizes.
    budget : int or float
        As for `skxssr.base.BaseSelector.select`, like all that follow up to `sample_weight`.
    labeled, candidates : array-like of int, or boolean mask of shape (n_samples,), optional
        May be Dask arrays; they are brought to the client, as are the next three.
    groups : array-like of shape (n_samples,), optional
        Patient or volume of each row.
    max_per_group : int, optional
        At most so many rows of a group.
    sample_weight : array-like of shape (n_samples,), optional
        Demand of each row.
    client : distributed.Client, optional
        Where to compute. By default the client in force, and without one the scheduler that Dask
        is set to, threads of this process unless configured otherwise.
    resume : str or Path, optional
        A file for the picks made so far, written after every round. Where it is there already, the
        selection goes on from the last pick in it: for a scheduler that died.
    approximate : bool, default=False
        Pick in one round: rows are shared out at random, each block picks the whole budget by
        itself, and the picks are picked from again (GreeDi). It covers at least (1 - 1/e) / 2 of
        what is possible, in expectation, where the exact picks cover at least 1 - 1/e; the record
        says ``exact`` False. For `skxssr.FacilityLocationSelector` and
        `skxssr.MaxHerdingSelector`, without groups.
    verbose : int, default=0
        1 shows a progress bar over the picks.
    return_selection : bool, default=False
        Return the whole record instead of the indices.

    Returns
    -------
    ndarray of shape (budget,), int64, or Selection
        Row indices in pick order, or the record, which is also kept as ``selector.selection_``.

    Raises
    ------
    TypeError
        `X` is no Dask array of numbers, or the selector has no form for Dask arrays.
    ValueError
        Chunks are of unknown size or cut columns, a block holds NaN or infinity, the client is
        closed, `resume` holds another selection, or an argument is out of its range.
    RuntimeError
        A worker lacks this package, or has other versions.
    MissingExtraError
        Dask is not installed.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skxssr import CoreSetSelector
    >>> X = da.from_array(np.array([[0.0], [1.0], [2.0], [10.0]]), chunks=(2, 1))
    >>> CoreSetSelector(initialize=0, preprocess=None).select(X, 3)
    array([0, 3, 2])
    """
    selector._validate_params()
    algorithm = _algorithm(selector)
    if approximate:
        _check_approximate(selector, groups, resume)
        algorithm = partial(algorithm, approximate=True)
    if getattr(selector, "engine", "lazy") != "lazy":
        raise ValueError(
            f"engine={selector.engine!r} is for arrays in memory: pass engine='lazy' for Dask's."
        )
    source = getattr(selector, "source_", None)
    cluster = Cluster(client)
    X, source = _lazy_alike(X, source)
    is_blind = isinstance(selector, _BLIND)
    if not is_blind:
        check_preprocess(selector.preprocess)
    named = [labeled, candidates, groups, sample_weight]
    lazy = [value for value in named if is_lazy(value)]
    here = dict(zip(map(id, lazy), cluster.compute(lazy), strict=True))
    labeled, candidates, groups, sample_weight = (here.get(id(v), v) for v in named)
    request = check_request(
        len(X),
        budget,
        labeled=labeled,
        candidates=candidates,
        groups=groups,
        max_per_group=max_per_group,
        sample_weight=sample_weight,
    )
    if resume is not None:
        resume = _check_resume(resume, selector)
    start = time.perf_counter()
    prepared = prepare(selector, source, X, cluster, fit=not is_blind)
    journal = Journal(resume, identity(selector, prepared.sample, prepared.source_sample, request))
    seconds = time.perf_counter() - start
    record = algorithm(selector, prepared, request, journal, verbose)
    selector.selection_ = replace(
        record,
        selector=type(selector).__name__,
        parameters=plain_parameters(selector.get_params(deep=False)),
        n_samples=len(X),
        n_source_samples=0 if source is None else len(source),
        elapsed={"preprocess": seconds, **record.elapsed},
    )
    return selector.selection_ if return_selection else selector.selection_.indices.copy()


def check_fit(selector: Any, X: Any) -> None:
    """Refuse a source that `select` could not use; reads no value."""
    _algorithm(selector)
    check_layout(X, "source")
    if not isinstance(selector, _BLIND):
        check_preprocess(selector.preprocess)


def _algorithm(selector: Any) -> Any:
    if type(selector) not in _ALGORITHMS:
        names = ", ".join(sorted(known.__name__ for known in _ALGORITHMS))
        raise TypeError(
            f"{type(selector).__name__} has no form for Dask arrays; {names} have. Pass an array "
            "in memory, X.compute(), or one of these."
        )
    if isinstance(selector, XSSRSelector):
        check_xssr(selector)
    return _ALGORITHMS[type(selector)]


def _check_approximate(selector: Any, groups: Any, resume: Any) -> None:
    if not isinstance(selector, _APPROXIMATE):
        names = " and ".join(known.__name__ for known in _APPROXIMATE)
        raise ValueError(
            f"approximate=True has a guarantee for {names} alone. Got {type(selector).__name__}: "
            "pass approximate=False."
        )
    if groups is not None:
        raise ValueError(
            "approximate=True has no guarantee with groups: leave them out, or pass "
            "approximate=False."
        )
    if resume is not None:
        raise ValueError(
            "approximate=True makes all picks in one round, so that there is nothing to go on "
            "from: leave resume out."
        )


def _lazy_alike(X: Any, source: Any) -> tuple[Any, Any]:
    """Both sides, checked; a target in memory, where the source is not, as one Dask array."""
    if not is_lazy(X):
        import dask.array

        X = np.asarray(X)
        X = dask.array.from_array(X, chunks=X.shape)
    if is_lazy(source):
        check_layout(source, "source")
    check_layout(X, "target", n_features=None if source is None else source.shape[1])
    return X, source


def _check_resume(resume: str | Path, selector: Any) -> Path:
    state = selector.get_params(deep=False).get("random_state", 0)
    if not isinstance(state, int | np.integer):
        raise ValueError(
            f"resume= repeats what was drawn, but random_state={state!r} cannot be repeated: pass "
            "an int."
        )
    path = Path(resume)
    if not path.parent.is_dir():
        raise ValueError(f"resume={str(resume)!r} lies in no folder: make {path.parent} first.")
    return path
