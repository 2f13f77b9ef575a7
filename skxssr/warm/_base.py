"""The contract of a warm selector: `select` on images, with a model that has seen labels."""

import time
from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skxssr._utils.parameters import plain_parameters
from skxssr.base import Selection
from skxssr.base.request import Request, check_budget, check_request, refuse_unknown
from skxssr.io import Images
from skxssr.selection.random_draw import by_rounds

__all__ = ["RankingSelector", "WarmSelector"]


class WarmSelector(BaseEstimator, metaclass=ABCMeta):
    """Base of the selectors that ask a fitted model: a subclass writes `_select`."""

    _parameter_constraints: dict = {"model": [HasMethods(["fit", "predict_proba"])]}

    model: Any

    def fit(self, images: Any = None, masks: Any = None) -> Self:
        """Do nothing, since all that is needed is in `model`.

        Parameters
        ----------
        images, masks : None
            Ignored; there for the API of scikit-learn.

        Returns
        -------
        self
        """
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        """A clone keeps the fitted `model`: cloned, it would have nothing to say."""
        params = self.get_params(deep=False)
        model = params.pop("model")
        return type(self)(model, **{name: clone(v, safe=False) for name, v in params.items()})

    def select(
        self,
        images: Any,
        budget: int | float | None = None,
        *,
        labeled: Any = None,
        candidates: Any = None,
        groups: Any = None,
        max_per_group: int | None = None,
        sample_weight: Any = None,
        return_selection: bool = False,
        **unknown: Any,
    ) -> Any:
        """Pick images of the target.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            The whole pool, labelled images included, as for `skxssr.io.Images`. The model is
            asked about those that may be picked.
        budget : int or float
            How many: an int is a count, a float in (0, 1] is that fraction of all images, rounded
            down, at least one.
        labeled : array-like of int, or boolean mask of shape (n,), optional
            Images already labelled; never returned.
        candidates : array-like of int, or boolean mask of shape (n,), optional
            Only these may be picked.
        groups : array-like of shape (n,), optional
            Patient or volume of each image. Every group is visited once before any is visited
            twice; a labelled image is a visit.
        max_per_group : int, optional
            At most so many images of a group, labelled ones included.
        sample_weight : array-like of shape (n,), optional
            What the score of an image is multiplied by, at least 0; by default 1.
        return_selection : bool, default=False
            Return the whole record instead of the indices.
        **unknown
            Refused; the error names the argument that is meant.

        Returns
        -------
        ndarray of shape (budget,), int64, or Selection
            Indices of images in pick order, or the record, which is also kept as `selection_`.

        Raises
        ------
        ValueError
            An argument is out of its range; the message names the largest feasible budget.
        TypeError
            `budget` is missing or not a number, or there is no such argument.
        sklearn.exceptions.NotFittedError
            The model is not fitted: train it on the images that are labelled.
        """
        refuse_unknown(unknown)
        if budget is None:
            check_budget(budget, 0)
        self._validate_params()
        check_is_fitted(self)
        check_is_fitted(self.model)
        images = Images(images)
        request = check_request(
            len(images),
            budget,
            labeled=labeled,
            candidates=candidates,
            groups=groups,
            max_per_group=max_per_group,
            sample_weight=sample_weight,
        )
        start = time.perf_counter()
        record = self._select(images.subset(request.candidates), request)
        self.selection_ = replace(
            record,
            selector=type(self).__name__,
            parameters=plain_parameters(self.get_params(deep=False)),
            n_samples=len(images),
            elapsed={"select": time.perf_counter() - start},
        )
        return self.selection_ if return_selection else self.selection_.indices.copy()

    @abstractmethod
    def _select(self, images: Images, request: Request) -> Selection:
        """Pick among `images`, those of `request.candidates` in that order."""


class RankingSelector(WarmSelector):
    """A warm selector that scores each image by itself and takes the highest."""

    def _select(self, images: Images, request: Request) -> Selection:
        scores = np.full(len(request.weight), np.nan)
        scores[request.candidates] = self._scores(images)
        weighed = (scores * request.weight)[request.candidates]
        order = request.candidates[np.argsort(-weighed, kind="stable")]
        picked = by_rounds(order, request)
        return Selection(picked, (scores * request.weight)[picked].astype(np.float32))

    @abstractmethod
    def _scores(self, images: Images) -> np.ndarray:
        """One number an image, the higher the sooner it is picked."""
