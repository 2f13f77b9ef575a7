"""Selectors as a query strategy of scikit-activeml.

The strategy is a subclass of the library's, so that importing this file needs scikit-activeml.
"""

from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._utils.optional import import_optional
from skxssr.base import BaseSelector, Selection
from skxssr.selection import XSSRSelector

import_optional("skactiveml.base", extra="activeml", caller="skxssr.integrations.skactiveml")

from skactiveml.base import SingleAnnotatorPoolQueryStrategy  # noqa: E402
from skactiveml.utils import MISSING_LABEL, labeled_indices  # noqa: E402

__all__ = ["XSSRQueryStrategy"]


class XSSRQueryStrategy(SingleAnnotatorPoolQueryStrategy):
    """Any selector as a pool-based query strategy of scikit-activeml.

    Needs no classifier and no label, so that it can make the first batch; labelled rows count as
    covered, so that it can make the later ones too.

    Parameters
    ----------
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source images, which the selector is fitted on. Without them there is no
        novelty.
    selector : BaseSelector, optional
        What picks; `XSSRSelector` with its defaults unless given. It is cloned at each query and
        never changed itself. A fit would be lost in the clone, so that a fitted one is refused.
    missing_label : scalar, str, None or nan, default=nan
        What stands in `y` for a label not there yet.
    random_state : int, RandomState instance or None, default=None
        None leaves the selector its own `random_state`, so that the picks are those of its
        ``select``. Anything else seeds the selector anew at each query, as the library does: from
        this seed and the number of unlabelled rows.

    Attributes
    ----------
    selector_ : BaseSelector
        The clone that made the last query; ``selector_.selection_`` says why it picked what.
    n_features_in_ : int
        Number of features of the last pool.

    See Also
    --------
    skxssr.XSSRSelector : The default selector, its parameters and its record.

    Notes
    -----
    `candidates` restrict what may be picked. What the picks are to cover is all of `X` in any case,
    so that candidates are indices: samples that are not rows of `X` raise the library's
    `MappingError`, as they do in its own `TypiClust` and `ProbCover`. Labelled rows are not picked
    again, and as candidates they are refused.

    With ``return_utilities=True`` `XSSRSelector` scores every candidate at every pick (its
    ``engine="full"``): slower, and the same picks. Within a query the scores can be compared;
    between queries they cannot, since they are relative to the best first density. A selector that
    does not keep scores of the rows it passed over gets 1 for the pick and 0 for every other
    candidate, which says no more than what was picked.

    Patients and weights are no arguments of a query in scikit-activeml: call ``select`` of the
    selector, with `groups` or `sample_weight`, where they are needed.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.integrations.skactiveml import XSSRQueryStrategy
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> y = np.full(100, np.nan)                             # no label yet
    >>> strategy = XSSRQueryStrategy()
    >>> first = strategy.query(X, y, batch_size=10)
    >>> y[first] = X[first, 0] > 0                           # the annotator's answer
    >>> second, utilities = strategy.query(X, y, batch_size=5, return_utilities=True)
    >>> utilities.shape, bool(np.isnan(utilities[0, first]).all()), set(first) & set(second)
    ((5, 100), True, set())
    """

    def __init__(
        self,
        source: Any = None,
        selector: BaseSelector | None = None,
        missing_label: Any = MISSING_LABEL,
        random_state: Any = None,
    ) -> None:
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.source = source
        self.selector = selector

    def query(
        self,
        X: Any,
        y: Any,
        candidates: Any = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Pick the rows to label next.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of the whole pool, labelled rows included.
        y : array-like of shape (n_samples,)
            Labels, with `missing_label` where there is none. Only which are missing matters.
        candidates : array-like of int of shape (n_candidates,), optional
            Rows of `X` that may be picked, by default all unlabelled ones.
        batch_size : int, default=1
            How many rows; lowered with a warning to the number of candidates.
        return_utilities : bool, default=False
            Return the scores too.

        Returns
        -------
        query_indices : ndarray of shape (batch_size,), int64
            Rows of `X` in pick order.
        utilities : ndarray of shape (batch_size, n_samples), float64
            Score of each row at each pick; NaN for labelled rows, for rows that are no candidates
            and for rows already picked. Only with ``return_utilities=True``; see Notes.

        Raises
        ------
        ValueError
            An argument is out of its range, `candidates` hold labelled rows, or `selector` is
            already fitted.
        TypeError
            `selector` is not a selector, or an argument is not of its type.
        MappingError
            `candidates` are samples and not indices.
        """
        X, y, candidates, batch_size, return_utilities = self._validate_data(
            X, y, candidates, batch_size, return_utilities, reset=True
        )
        _, rows = self._transform_candidates(
            candidates, X, y, enforce_mapping=True, allow_only_unlabeled=True
        )
        self.selector_ = self._make_selector(return_utilities)
        if batch_size == 0:  # the pool is used up, of which the library has warned
            nothing = np.empty(0, dtype=np.int64)
            return (nothing, np.empty((0, len(X)))) if return_utilities else nothing
        record = self.selector_.select(
            X,
            batch_size,
            labeled=labeled_indices(y, self.missing_label_),
            candidates=rows,
            return_selection=True,
        )
        indices = record.indices.copy()
        return (indices, _utilities(record, rows)) if return_utilities else indices

    def _make_selector(self, with_utilities: bool) -> BaseSelector:
        """The clone that is asked: seeded, fitted on the source, told to keep its scores."""
        selector = XSSRSelector() if self.selector is None else self.selector
        if not isinstance(selector, BaseSelector):
            raise TypeError(
                f"selector must be a selector of skxssr, as XSSRSelector(). Got {selector!r} of "
                f"type {type(selector).__name__} instead."
            )
        if hasattr(selector, "source_"):
            raise ValueError(
                f"selector is a fitted {type(selector).__name__}, but a query works with an "
                "unfitted clone. Pass an unfitted selector, and the embeddings as source."
            )
        selector = clone(selector)
        names = selector.get_params()
        changes: dict[str, Any] = {}
        if with_utilities and isinstance(selector, XSSRSelector):
            changes["engine"] = "full"
        if self.random_state is not None:
            for name in sorted(names):  # in one order, so that a seed means the same selector
                if name.rpartition("__")[2] == "random_state":
                    changes[name] = self.random_state_.randint(np.iinfo(np.int32).max)
        selector.set_params(**changes)
        return selector if self.source is None else selector.fit(self.source)


def _utilities(record: Selection, rows: np.ndarray) -> np.ndarray:
    """The scores kept in a record; where there are none, 1 for the pick among zeros."""
    if record.utilities is not None:
        return record.utilities.astype(np.float64)
    utilities = np.full((len(record), record.n_samples), np.nan)
    utilities[:, rows] = 0.0
    for t, pick in enumerate(record.indices):
        utilities[t, pick] = 1.0
        utilities[t + 1 :, pick] = np.nan
    return utilities
