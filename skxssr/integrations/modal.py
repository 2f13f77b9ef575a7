"""A selector as query strategy of modAL.

modAL calls any callable with the learner and the pool, so there is nothing to inherit from.
"""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from skxssr.base import BaseSelector
from skxssr.base.request import check_budget, check_rows, check_weight
from skxssr.integrations._selector import fitted_selector

__all__ = ["SelectorStrategy"]


class SelectorStrategy:
    """Query strategy of modAL that picks with a selector, from the first batch on.

    A strategy of modAL [1]_ is a callable: hand it to a learner or a committee, as
    ``ActiveLearner(..., query_strategy=SelectorStrategy())``. The learner may be cold: nothing of
    its estimator is used, only the rows it was trained on.

    Parameters
    ----------
    selector : BaseSelector, optional
        By default ``XSSRSelector()``. A fitted one brings its source. Its `selection_` is the
        record of the last query.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source images, in the space of the pool. A clone of the selector is fitted
        on them, so `selector` itself stays as it was. Without them, and with an unfitted selector,
        there is no source.

    Attributes
    ----------
    selector : BaseSelector
        The one that picks.

    See Also
    --------
    skxssr.integrations.warm.entropy : Uncertainty of the learner, as weight of the demand.

    Notes
    -----
    modAL removes labelled rows from the pool and remembers them in ``learner.X_training``. A
    selector has to know them: what lies near them is covered. So they are appended to the pool as
    labelled rows, never to be picked. Pool and memory together are then the same rows in every
    round, so the demand, its scales and the preprocessing do not drift as the pool shrinks, and the
    picks are those of ``selector.select(everything, n, labeled=...)``. They come after the pool, so
    indices stay those of the pool. Of a committee the rows of all members count, each once.

    Rows that the learner has forgotten are not known: ``teach(..., only_new=True)`` does not
    remember them, and ``DeepActiveLearner`` has no memory at all. Keep the pool whole then, and
    pass ``labeled``. Labelled source rows that a learner was started from count as labelled too:
    they cover the part of the target near them.

    ``ActiveLearner.query`` tries to unpack what a strategy returns and calls it again if that
    fails. A bare array of two indices would be unpacked as (index, metrics), so a tuple is returned
    always. An error of ours is therefore raised twice; the message is the same.

    modAL 0.4.2.1 was written for older releases of scikit-learn: ``query`` works with all that
    skxssr supports, ``teach`` and ``fit`` only below 1.8, and DataFrames are refused by ``teach``
    under pandas 2 and later.

    References
    ----------
    .. [1] Danka, Horvath. modAL: A modular active learning framework for Python. 2018.
       :arxiv:`1805.00979`.

    Examples
    --------
    For modAL a learner is what has an `X_training`; ``examples/modal_loop.py`` is a whole loop.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skxssr.integrations.modal import SelectorStrategy
    >>> rng = np.random.default_rng(0)
    >>> source, X_pool = rng.normal(size=(50, 4)), rng.normal(0.5, 1.0, size=(200, 4))
    >>> strategy = SelectorStrategy(source=source)
    >>> cold = SimpleNamespace(X_training=None)
    >>> first, scores = strategy(cold, X_pool, n_instances=5)
    >>> first.shape, scores.shape
    ((5,), (5,))
    >>> taught = SimpleNamespace(X_training=X_pool[first])
    >>> second, _ = strategy(taught, np.delete(X_pool, first, axis=0), n_instances=5)
    >>> strategy.selector.selection_.n_samples
    200
    """

    def __init__(self, selector: BaseSelector | None = None, *, source: Any = None) -> None:
        self.selector = fitted_selector(selector, None if source is None else np.asarray(source))

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        *,
        labeled: Any = None,
        candidates: Any = None,
        groups: Any = None,
        max_per_group: int | None = None,
        sample_weight: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pick rows of the pool; ``learner.query`` passes further keywords on.

        Parameters
        ----------
        learner : modAL learner or committee
            Its `X_training` counts as labelled, unless `labeled` is given.
        X_pool : array-like of shape (n_pool, n_features)
            Embeddings of the unlabelled images; of all images, if `labeled` is given.
        n_instances : int or float, default=1
            How many rows: a count, or a fraction of the pool.
        labeled : array-like of int, or boolean mask of shape (n_pool,), optional
            Labelled rows of a pool that was kept whole. The memory of the learner is then not
            looked at.
        candidates : array-like of int, or boolean mask of shape (n_pool,), optional
            Only these rows may be picked.
        groups : array-like of shape (n_pool,), optional
            Patient or volume of each row. The rows that a learner remembers have none, so this
            needs a cold learner or `labeled`.
        max_per_group : int, optional
            At most so many rows of a group, labelled ones included.
        sample_weight : array-like of shape (n_pool,), optional
            Demand of each row, such as the learner's uncertainty about it. Rows that the learner
            remembers get the mean of it.

        Returns
        -------
        indices : ndarray of shape (n_instances,), int64
            Rows of `X_pool` in pick order.
        scores : ndarray of shape (n_instances,), float32
            Score each pick won with; NaN where the selector has none. modAL calls them metrics.

        Raises
        ------
        ValueError
            The pool and the rows of the learner differ in their number of columns, `groups` cannot
            be known for all rows, or an argument is refused by `BaseSelector.select`.
        """
        pool = check_array(X_pool, dtype=[np.float64, np.float32], input_name="X_pool")
        n = len(pool)
        rows = pool
        if labeled is None:
            known = _training_rows(learner, pool)
            if len(known) and groups is not None:
                raise ValueError(
                    f"groups has one entry for each of the {n} rows of X_pool, but the "
                    f"{len(known)} rows in learner.X_training belong to groups too. Keep the pool "
                    "whole and pass labeled=, the labelled rows, beside groups."
                )
            rows = np.concatenate([pool, known])
            labeled = np.arange(n, len(rows))
        if candidates is not None:
            candidates = check_rows(candidates, n, "candidates")
        if sample_weight is not None:
            weight = check_weight(sample_weight, n)
            sample_weight = np.append(weight, np.full(len(rows) - n, weight.mean()))
        record = self.selector.select(
            rows,
            check_budget(n_instances, n),
            labeled=labeled,
            candidates=candidates,
            groups=groups,
            max_per_group=max_per_group,
            sample_weight=sample_weight,
            return_selection=True,
        )
        return record.indices.copy(), record.scores.copy()


def _training_rows(learner: Any, pool: np.ndarray) -> np.ndarray:
    """What the learner remembers; of a committee, which holds nothing itself, all its members."""
    members = getattr(learner, "learner_list", [learner])
    known = [pool[:0]]
    for member in members:
        training = getattr(member, "X_training", None)
        if training is None:
            continue
        training = check_array(
            training,
            dtype=[np.float64, np.float32],
            ensure_min_samples=0,
            input_name="learner.X_training",
        )
        if training.shape[1] != pool.shape[1]:
            raise ValueError(
                f"learner.X_training has {training.shape[1]} columns and X_pool {pool.shape[1]}. "
                "Train and query the learner on the same embeddings."
            )
        known.append(training)
    rows = np.concatenate(known)
    # Members are taught the same rows: each counts once, as it takes one label.
    return rows if len(members) == 1 else np.unique(rows, axis=0)
