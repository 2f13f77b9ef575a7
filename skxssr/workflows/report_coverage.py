"""Coverage against the number of labels: of the picks, of random and of CoreSet draws."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.report.page import Coverage
from skxssr.selection import CoreSetSelector, RandomSelector
from skxssr.workflows.recorded import choice_of
from skxssr.workflows.selection_folder import SelectionFolder

__all__ = ["coverage_bands", "coverage_text", "losses_after_each"]

N_RANDOM, N_CORESET = 20, 10
_FARTHER = 2  # times the budget, so that the marker stands in the middle


def losses_after_each(
    X: np.ndarray, picks: np.ndarray, labeled: Sequence[int] | np.ndarray = ()
) -> np.ndarray:
    """Mean distance of all rows to the nearest label, after each pick.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        In the space in which distances are meant.
    picks : ndarray of shape (n_picks,), int
        In pick order.
    labeled : sequence of int, optional
        Rows that were labelled before.

    Returns
    -------
    ndarray of shape (n_picks,), float64

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.workflows.report_coverage import losses_after_each
    >>> losses_after_each(np.array([[0.0], [1.0], [5.0]]), np.array([0, 2]))
    array([2.        , 0.33333333])
    """
    labeled = np.asarray(labeled, dtype=np.intp)
    centers = np.concatenate([labeled, picks]).astype(np.intp)
    total = np.zeros(len(centers))
    for part in pairwise_distances_chunked(
        X, X[centers], reduce_func=lambda distances, start: np.minimum.accumulate(distances, axis=1)
    ):
        total += part.sum(axis=0, dtype=np.float64)
    return total[len(labeled) :] / len(X)


def coverage_bands(found: SelectionFolder) -> Coverage | None:
    """The curves of the report, up to twice the budget.

    Random draws and CoreSet (from a random first pick each) have the same groups, candidates and
    labelled rows as the selection had.

    Parameters
    ----------
    found : SelectionFolder

    Returns
    -------
    Coverage or None
        None where nothing was picked.
    """
    n_picks = len(found.picks)
    if not n_picks:
        return None
    choice = choice_of(found)
    source, target = found.source_embeddings, found.target_embeddings
    X = fit_scale_and_pca(source, target)(target)
    n = min(len(choice.open_rows()), _FARTHER * n_picks)
    rules = choice.rules()
    for name in ("max_per_group", "sample_weight"):  # or the pool might end before the curve does
        rules.pop(name, None)
    draws = [RandomSelector(random_state=seed) for seed in range(N_RANDOM)]
    rival = [
        CoreSetSelector(initialize="random", random_state=seed, preprocess=None)
        for seed in range(N_CORESET)
    ]
    random, coreset = (
        np.array([losses_after_each(X, one.select(X, n, **rules), choice.labeled) for one in many])
        for many in (draws, rival)
    )
    worth = found.record.get("worth") or {"losses": []}
    return Coverage(
        picks=losses_after_each(X, found.picks, choice.labeled),
        random=random,
        coreset=coreset,
        greedy=np.array(worth["losses"][:n], dtype=np.float64),
    )


def coverage_text(curves: Coverage | None) -> list[str]:
    """What the curves say, in sentences.

    Parameters
    ----------
    curves : Coverage or None

    Returns
    -------
    list of str
    """
    if curves is None:
        return ["Nothing was picked."]
    n = len(curves.picks)
    at = min(n, curves.random.shape[1]) - 1
    ours = curves.picks[-1]
    random, coreset = curves.random[:, at], curves.coreset[:, at]
    return [
        f"After {n} {'label' if n == 1 else 'labels'} the mean distance of an image to its nearest "
        f"label is {ours:.4g}. Random draws of as many leave {_range(random)}, and CoreSet from "
        f"random first picks {_range(coreset)} (10th to 90th percentile of {len(random)} and "
        f"{len(coreset)}). {int((random > ours).sum())} of the {len(random)} random draws leave "
        "more.",
        "Distances are in the space that selectors see after the default preprocessing. This is "
        "coverage and no accuracy: it foretells no Dice. CoreSet minimises the largest distance, "
        "not the mean one that is drawn here.",
    ]


def _range(values: np.ndarray) -> str:
    low, high = np.percentile(values, [10, 90])
    return f"{low:.4g} to {high:.4g}"
