"""A selector as a heuristic of baal."""

from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.base import BaseSelector
from skxssr.integrations._selector import fitted_selector

import_optional("baal.active", extra="baal", caller="skxssr.integrations.baal")

from baal.active.heuristics import AbstractHeuristic  # noqa: E402

__all__ = ["XSSRHeuristic"]


class XSSRHeuristic(AbstractHeuristic):
    """Any selector as a heuristic of baal, from no label at all onwards.

    A heuristic of baal is shown predictions and nothing else. This one picks from embeddings, so it
    is given those of the whole data set, and the data set itself, which knows what is labelled.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
        Of every row of the data set that `dataset` was made from, labelled or not, in its order.
    dataset : baal.active.ActiveLearningDataset
        The one that the loop labels. Labelled rows count as covered.
    query_size : int
        How many rows a step labels: the same number as the loop's.
    selector : BaseSelector, optional
        What picks, by default ``XSSRSelector()``. A fitted one brings its source.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source images. A clone of the selector is fitted on them.
    uncertainty : AbstractHeuristic, optional
        A heuristic of baal that is largest where the model is least sure, such as ``BALD()`` or, of
        segmentation, ``Entropy(reduction="mean")``. Its values weigh the demand: what the model is
        unsure of is what needs covering. Not used while nothing is labelled, since the model then
        knows nothing to be unsure of. By default predictions are not looked at.

    Attributes
    ----------
    selector : BaseSelector
        The one that picks; ``selector.selection_`` is the record of the last step, in rows of the
        whole data set.

    Raises
    ------
    ValueError
        `embeddings` and `dataset` differ in length, or `uncertainty` is smallest where the model is
        least sure, as ``Margin()`` is.

    See Also
    --------
    skxssr.XSSRSelector : The default selector, its parameters and its record.

    Notes
    -----
    baal counts rows in two ways: ``dataset.label`` takes rows of the pool, which shrinks at each
    step, `embeddings` are by rows of the data set. The ranking is in rows of the pool, as the loop
    expects. It says nothing beyond the first `query_size`: those score from 1 downwards, all others
    0, in no order.

    Leave the loop's `max_sample` at -1. It hands over a random part of the pool and does not say
    which, so that predictions could not be told apart; a selector has no need of it.

    A loop asks for predictions even if there is no model yet: anything with one row for each of the
    pool will do, as ``np.zeros((len(pool), 1))``.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from baal.active import ActiveLearningDataset
    >>> from skxssr.integrations.baal import XSSRHeuristic
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> active = ActiveLearningDataset(TensorDataset(torch.from_numpy(X)))
    >>> heuristic = XSSRHeuristic(X, active, query_size=5)

    ``ActiveLearningLoop(active, get_predictions, heuristic, query_size=5)`` does the rest. This is
    what each of its steps comes to:

    >>> no_model = np.zeros((100, 1))
    >>> ranks, scores = heuristic.get_ranks(no_model)
    >>> active.label(ranks[:5])
    >>> len(active), len(active.pool)
    (5, 95)
    """

    def __init__(
        self,
        embeddings: Any,
        dataset: Any,
        query_size: int,
        *,
        selector: BaseSelector | None = None,
        source: Any = None,
        uncertainty: Any = None,
    ) -> None:
        super().__init__(reverse=True)
        self.embeddings = np.asarray(embeddings)
        if len(self.embeddings) != len(dataset.labelled):
            raise ValueError(
                f"embeddings has {len(self.embeddings)} rows, but the data set has "
                f"{len(dataset.labelled)}: pass one row for each item of it, labelled or not."
            )
        if uncertainty is not None and not uncertainty.reversed:
            raise ValueError(
                f"uncertainty={type(uncertainty).__name__}() is smallest where the model is least "
                "sure, so it cannot be a weight. Use one that is largest there, as BALD() or "
                "Entropy()."
            )
        self.dataset = dataset
        self.query_size = query_size
        self.selector = fitted_selector(selector, source)
        self.uncertainty = uncertainty

    def compute_score(self, predictions: Any, target_predictions: Any = None) -> np.ndarray:
        """Score the rows of the pool; baal calls this from `get_ranks`.

        Parameters
        ----------
        predictions : array-like of shape (n_pool, ...), or list of them
            Predictions of the whole pool, as `uncertainty` expects them. Without one only their
            number matters.
        target_predictions : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_pool,), float64
            From 1 for the first pick downwards in equal steps; 0 for what is not picked.

        Raises
        ------
        ValueError
            There are not as many predictions as unlabelled rows.
        """
        return self._score(self._unsure(predictions))

    def get_uncertainties_generator(
        self, predictions: Any, target_predictions: Any = None
    ) -> np.ndarray:
        """Score the rows of the pool from predictions that come batch by batch.

        Parameters
        ----------
        predictions : iterable of array-like
            Batches of predictions, in the order of the pool.
        target_predictions : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_pool,), float64
            See `compute_score`.

        Raises
        ------
        ValueError
            There are not as many predictions as unlabelled rows.
        """
        parts = [self._unsure(part) for part in predictions]
        return self._score(np.concatenate([np.empty(0), *parts]))

    def _unsure(self, predictions: Any) -> np.ndarray:
        """Uncertainty of each row; 1 each without a measure of it, or without a trained model."""
        if self.uncertainty is None or not self.dataset.labelled.any():
            several = isinstance(predictions, list | tuple)  # the outputs of one model
            return np.ones(len(predictions[0] if several else predictions))
        return np.asarray(self.uncertainty.get_uncertainties(predictions), dtype=np.float64)

    def _score(self, unsure: np.ndarray) -> np.ndarray:
        labelled = self.dataset.labelled
        pool = np.flatnonzero(~labelled)
        if len(unsure) != len(pool):
            raise ValueError(
                f"There are predictions for {len(unsure)} rows, but {len(pool)} rows of the data "
                "set are unlabelled. Predict the whole pool; leave max_sample of the loop at -1."
            )
        weight = None
        unsure = np.maximum(unsure, 0)  # rounding makes some measures slightly negative
        if unsure.any():
            weight = np.full(len(labelled), unsure.mean())
            weight[pool] = unsure
        budget = min(self.query_size, len(pool))
        picks = self.selector.select(
            self.embeddings, budget, labeled=labelled, sample_weight=weight
        )
        scores = np.zeros(len(pool))
        scores[np.searchsorted(pool, picks)] = np.arange(budget, 0, -1) / budget
        return scores
