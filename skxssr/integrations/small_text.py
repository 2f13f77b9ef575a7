"""Selectors inside small-text."""

from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.base import BaseSelector
from skxssr.integrations._selector import fitted_selector

import_optional("small_text", extra="small-text", caller="skxssr.integrations.small_text")

from small_text.query_strategies import QueryStrategy  # noqa: E402

__all__ = ["XSSRQueryStrategy", "xssr_initialization"]


def xssr_initialization(
    x: Any, n_samples: int = 10, *, selector: BaseSelector | None = None, source: Any = None
) -> np.ndarray:
    """Choose what to label first, in place of small-text's `random_initialization`.

    Parameters
    ----------
    x : array-like of shape (n, n_features)
        Embeddings of the data set, in its order. Dense: reduce TF-IDF with ``TruncatedSVD``.
    n_samples : int, default=10
        How many, as in `random_initialization`.
    selector : BaseSelector, optional
        What picks, by default ``XSSRSelector()``. A fitted one brings its source.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of texts that are labelled already, elsewhere. A clone of the selector is fitted
        on them.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Indices relative to `x`, in pick order.

    Raises
    ------
    ValueError
        `n_samples` is larger than the data set, or `x` is not a finite matrix.

    See Also
    --------
    XSSRQueryStrategy : The rounds after the first, or all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.integrations.small_text import xssr_initialization
    >>> embeddings = np.random.default_rng(0).normal(size=(100, 8))
    >>> indices = xssr_initialization(embeddings, n_samples=5)
    >>> indices.shape, len(set(indices.tolist()))
    ((5,), 5)
    """
    return fitted_selector(selector, source).select(x, n_samples)


class XSSRQueryStrategy(QueryStrategy):
    """Any selector as a query strategy of small-text.

    Parameters
    ----------
    selector : BaseSelector, optional
        What picks, by default ``XSSRSelector()``. A fitted one brings its source.
    embeddings : array-like of shape (n, n_features), optional
        One row for each of the whole data set, in its order. By default they are asked of the
        classifier at each query (``clf.embed``), so that they change as it learns.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of texts that are labelled already, elsewhere. A clone of the selector is fitted
        on them. Needs `embeddings`: those of a classifier move away from it with every round.

    Attributes
    ----------
    selector : BaseSelector
        The one that picks; ``selector.selection_`` is the record of the last query, in rows of what
        was neither ignored nor left out by a subsampling, ascending.

    Raises
    ------
    ValueError
        There is a source and no `embeddings`.

    See Also
    --------
    xssr_initialization : The first batch, before there is a learner.

    Notes
    -----
    Labelled rows count as covered. Ignored ones, and those that a subsampling strategy left out,
    are neither picked nor do they need covering.

    With `embeddings` a query needs no classifier and no label: a learner initialised with none
    works, ``learner.initialize_data(np.empty(0, int), np.empty(0, int), retrain=False)``.

    small-text's own embedding-based strategies take `embeddings` as keyword of a query, ordered
    as unlabelled rows before labelled ones. Here they belong to the strategy and are in the order
    of the data set.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.integrations.small_text import XSSRQueryStrategy
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> strategy = XSSRQueryStrategy(embeddings=X)
    >>> labeled, unlabeled = np.arange(10), np.arange(10, 100)
    >>> indices = strategy.query(None, X, unlabeled, labeled, np.zeros(10, int), n=5)
    >>> indices.shape, bool(indices.min() >= 10)
    ((5,), True)
    """

    def __init__(
        self,
        selector: BaseSelector | None = None,
        *,
        embeddings: Any = None,
        source: Any = None,
    ) -> None:
        self.selector = fitted_selector(selector, source)
        self.embeddings = None if embeddings is None else np.asarray(embeddings)
        if embeddings is None and hasattr(self.selector, "source_"):
            raise ValueError(
                "A source needs embeddings: the classifier's own change with every round, and the "
                "source would not change with them. Pass embeddings= for the whole data set."
            )

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: np.ndarray,
        indices_labeled: np.ndarray,
        y: Any,
        n: int = 10,
        **embed_kwargs: Any,
    ) -> np.ndarray:
        """Pick what to label next; ``learner.query`` calls this.

        Parameters
        ----------
        clf : small_text.classifiers.Classifier or None
            Asked for embeddings, if none were given. Else not used.
        dataset : Dataset
            The whole data set.
        indices_unlabeled : ndarray of int
            What may be picked, relative to `dataset`.
        indices_labeled : ndarray of int
            What counts as covered, relative to `dataset`.
        y : ndarray of int or csr_matrix
            Not used.
        n : int, default=10
            How many.
        **embed_kwargs
            Passed to ``clf.embed``, as ``pbar=None``. A learner passes them on from its
            `query_strategy_kwargs`.

        Returns
        -------
        ndarray of shape (n,), int64
            Indices relative to `dataset`, in pick order.

        Raises
        ------
        EmptyPoolException
            Nothing is unlabelled.
        PoolExhaustedException
            Less than `n` are.
        TypeError
            There are no embeddings, and the classifier has none.
        ValueError
            `embeddings` and `dataset` differ in length.
        """
        self._validate_query_input(indices_unlabeled, n)
        rows = np.sort(np.concatenate([indices_unlabeled, indices_labeled]).astype(np.int64))
        if self.embeddings is not None:
            if len(self.embeddings) != len(dataset):
                raise ValueError(
                    f"embeddings has {len(self.embeddings)} rows, but the data set has "
                    f"{len(dataset)}: pass one row for each item of it."
                )
            X = self.embeddings[rows]
        elif hasattr(clf, "embed"):
            X = clf.embed(dataset[rows], **embed_kwargs)
        else:
            raise TypeError(
                f"There are no embeddings: {type(clf).__name__} has no method embed. Pass "
                "embeddings= to the strategy."
            )
        return rows[self.selector.select(X, n, labeled=np.searchsorted(rows, indices_labeled))]

    def __str__(self) -> str:
        return f"XSSRQueryStrategy(selector={self.selector})"
