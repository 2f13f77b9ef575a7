"""Baselines that know only how the pool is made up: strata, slices."""

import numpy as np

from skxssr.base.preprocess import evenly_spaced
from skxssr.base.request import Request
from skxssr.selection.random_draw import BlindSelector, by_rounds, random_order


class StratifiedRandomSelector(BlindSelector):
    """Draw rows at random, from each stratum in proportion to its size.

    The strata, sites for example, are the `groups` of `select`. **Unlike every other selector**
    this one does not visit each group once before any is visited twice: a site with twice the
    images gives twice the picks.

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
    RandomSelector : Without strata; with `groups`, as many picks of each as of any other.
    FixedIntervalSelector : Evenly spaced slices of each patient.

    Notes
    -----
    Shares are those of labelled rows and picks together, by the largest remainder [1]_; ties are
    drawn at random. A stratum with too few candidates, or at its `max_per_group`, leaves its share
    to the others. The size of a stratum is the sum of its `sample_weight`, and rows within it are
    drawn in proportion to their weight. Without `groups` it is `RandomSelector`.

    References
    ----------
    .. [1] Cochran. Sampling Techniques, chapter 5. Wiley, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import StratifiedRandomSelector
    >>> site = np.repeat(["a", "b"], [20, 10])
    >>> picked = StratifiedRandomSelector(random_state=0).select(np.eye(30), 6, groups=site)
    >>> sorted(site[picked].tolist())
    ['a', 'a', 'a', 'a', 'b', 'b']
    """

    def _draw(self, request: Request, generator: np.random.RandomState) -> np.ndarray:
        order = random_order(request, generator)
        if request.groups is None:
            return order[: request.budget].astype(np.int64)
        size = np.bincount(request.groups, weights=request.weight)
        visits = np.bincount(request.groups[request.labeled], minlength=len(size))
        room = np.bincount(request.groups[request.candidates], minlength=len(size))
        if request.max_per_group is not None:
            room = np.minimum(room, request.max_per_group - visits)
        due = (len(request.labeled) + request.budget) * size / size.sum() - visits
        tie = generator.permutation(len(size))
        queues = [iter(order[request.groups[order] == group]) for group in range(len(size))]
        picks = np.empty(request.budget, dtype=np.int64)
        for t in range(request.budget):
            # The one most behind its share comes next; rounded, so that equal shares tie.
            behind = np.where(room > 0, np.round(due, 9), -np.inf)
            group = np.lexsort((tie, -behind))[0]
            picks[t] = next(queues[group])
            room[group] -= 1
            due[group] -= 1
        return picks


class FixedIntervalSelector(BlindSelector):
    """Take evenly spaced slices of each patient, patients in random order.

    The patients are the `groups` of `select`, and the rows of each are in the order of its slices.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}, default="euclidean"
        Ignored; there so that selectors can be exchanged.
    preprocess : "auto", None or transformer, default="auto"
        Ignored likewise.
    random_state : int, RandomState instance or None, default=None
        Order of the patients and position of the first slice of each. None draws anew at each
        call.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`; a fixed interval has no scores (NaN).
    source_ : ndarray of shape (n_source, n_features)
        Set by `fit`; ignored.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    RandomSelector : Slices at random, as many of each patient.

    Notes
    -----
    How many slices a patient gives follows from the rule of every selector, one of each before two
    of any. Its candidates are cut into as many equal stretches, and the slice at the same place of
    each stretch is taken: systematic sampling, every slice equally likely [1]_. With fewer labels
    than patients there is nothing to space: that is a random draw by patient. Labelled rows
    count as visits of their patient; where they lie is not looked at, nor is `sample_weight`.
    Without `groups` the pool counts as one patient.

    References
    ----------
    .. [1] Cochran. Sampling Techniques, chapter 8. Wiley, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import FixedIntervalSelector
    >>> patient = np.repeat([0, 1], 8)
    >>> FixedIntervalSelector(random_state=0).select(np.eye(16), 4, groups=patient)
    array([11,  2, 15,  6])
    """

    def _draw(self, request: Request, generator: np.random.RandomState) -> np.ndarray:
        group = request.groups
        if group is None:
            group = np.zeros(len(request.weight), dtype=np.intp)
            request = request._replace(groups=group)
        n_groups = int(group.max()) + 1
        place = generator.permutation(n_groups)
        offset = generator.uniform(size=n_groups)
        # patient by patient, slices in order; the quota then says how many each gives
        order = request.candidates[np.argsort(place[group[request.candidates]], kind="stable")]
        count = np.bincount(group[by_rounds(order, request)], minlength=n_groups)
        taken = []
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            patient = int(group[rows[0]])
            n_slices = int(count[patient])
            if n_slices:
                taken.append(rows[evenly_spaced(len(rows), n_slices, float(offset[patient]))])
        return by_rounds(np.concatenate(taken), request)
