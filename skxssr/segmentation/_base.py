"""What every segmenter does once it is fitted: predict and score. `_torch` only in methods."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from skxssr._torch.saving import SavedEstimator
from skxssr.io import Images, MaskRule, Masks
from skxssr.metrics.segmentation import dice
from skxssr.segmentation import _checks as checks


class Segmenter(SavedEstimator, BaseEstimator):
    """An estimator whose `module_` has `probabilities`: squares to a map for each class."""

    image_size: int
    batch_size: int
    device: str
    cache_dir: str | os.PathLike | None
    verbose: int
    module_: Any
    n_channels_: int
    classes_: np.ndarray

    def predict(self, images: Any) -> "np.ndarray | list[np.ndarray]":
        """The most probable class of each pixel.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, H, W), or list of n arrays of shape (H, W)
            Raw class values, of the size of each image and the dtype of `classes_`; a list if
            sizes differ.
        """
        return checks.stack([self._label(maps) for maps in self._maps(images, "predicting")])

    def predict_proba(self, images: Any) -> "np.ndarray | list[np.ndarray]":
        """The probability of each class in each pixel.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size; four bytes per class and pixel are returned, so pass them in parts if
            there are many.

        Returns
        -------
        ndarray of shape (n, n_classes, H, W), or list of n arrays of shape (n_classes, H, W)
            float32 in the order of `classes_`, summing to 1; a list if sizes differ.
        """
        return checks.stack(list(self._maps(images, "predicting")))

    def score(self, images: Any, masks: Any) -> float:
        """Mean Dice of the predictions, one score per image, all images equal.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Read in batches; predictions are not kept.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            The truth. With two classes anything but 0 is foreground.

        Returns
        -------
        float
            In [0, 1]. With several classes, the mean over foreground classes first; a class that
            neither has counts as 1 (see `skxssr.metrics.dice`).
        """
        check_is_fitted(self)
        images, masks = Images(images), Masks(masks)
        checks.check_pairs(images, masks)
        if masks.rule is None:
            masks = Masks(masks, getattr(self, "mask_rule_", None))
        plain = len(self.classes_) == 2 and self.classes_[0] == 0
        foreground = None if plain else self.classes_[1:].tolist()
        names, scores = zip(images.names, masks.names, strict=True), []
        for row, (maps, pair) in enumerate(zip(self._maps(images, "scoring"), names, strict=True)):
            true, pred = masks[row], self._label(maps)
            checks.check_same_size(true, pred, pair)
            scores.append(dice([true], [pred], classes=foreground).mean())
        return float(np.mean(scores))

    def out_of_fold(
        self, images: Any, masks: Any, folds: Any, *, trusted: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Predict each image by a model that was fitted without its fold.

        What `skxssr.review` scores masks by: a model that has not seen a mask says what the other
        masks would have had there. This estimator itself is neither fitted nor changed.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `fit`.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            As for `fit`.
        folds : array-like of shape (n,)
            The fold of each image: integers from 0. Images of a patient belong into one.
        trusted : array-like of bool of shape (n,), optional
            Masks to learn from; the others are only predicted. All by default.

        Yields
        ------
        rows : ndarray of shape (b,), dtype intp
            Which images these are; fold by fold, a batch at a time.
        probabilities : ndarray of shape (b, n_classes, S, S), dtype float32
            Of each class, in the square that the image was made into (`image_size`).
        codes : ndarray of shape (b, S, S), dtype int64
            The masks in the same squares: indices of their classes, -1 where there is no label and
            0 in the padding.

        Raises
        ------
        ValueError
            `folds` or `trusted` have another length, there are fewer than two folds, or the images
            outside of a fold hold no trusted mask. And what `fit` refuses.
        """
        images, masks = Images(images), Masks(masks)
        checks.check_pairs(images, masks)
        number, taught = checks.check_folds(folds, trusted, len(images))
        data, classes = self._training_set(images, masks)
        return self._predict_folds(data, classes, images, masks, number, taught)

    def _predict_folds(
        self,
        data: Any,
        classes: np.ndarray,
        images: Images,
        masks: Masks,
        folds: np.ndarray,
        taught: np.ndarray,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        predict = self._backend("out_of_fold").predict
        how: dict[str, Any] = {"batch_size": self.batch_size, "device": self.device}
        with data.spilling(2 * len(data)):
            networks = self._fold_networks(data, classes, images, masks, folds, taught)
            for fold, network in enumerate(networks):
                yield from predict(network, data, np.flatnonzero(folds == fold), **how)

    def _fold_networks(
        self,
        data: Any,
        classes: np.ndarray,
        images: Images,
        masks: Masks,
        folds: np.ndarray,
        taught: np.ndarray,
    ) -> Iterator[Any]:
        """For each fold a network fitted without it."""
        ruled = Masks(masks, getattr(self, "mask_rule_", None))
        for fold in range(int(folds.max()) + 1):
            rows = np.flatnonzero((folds != fold) & taught).tolist()
            model = clone(self).set_params(classes=classes.tolist())
            yield model.fit(images.subset(rows), ruled.subset(rows)).module_

    def beside(
        self, images: Any, masks: Any
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What this fitted model predicts beside masks that others drew, in squares.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            One an image, of its size and with as many classes as this model has; their values may
            be others (255 for 1).

        Yields
        ------
        rows, probabilities, codes : ndarray
            As `out_of_fold` yields them.

        Raises
        ------
        ValueError
            The masks have another number of classes than the model.
        """
        check_is_fitted(self)
        reader = clone(self).set_params(classes=None)
        data, classes = reader._training_set(Images(images), Masks(masks), keep=False)
        if len(classes) != len(self.classes_):
            raise ValueError(
                f"the masks hold {len(classes)} classes ({classes.tolist()}), the model knows "
                f"{len(self.classes_)} ({self.classes_.tolist()}): give a model of such masks"
            )
        data.channels = self.n_channels_
        how: dict[str, Any] = {"batch_size": self.batch_size, "device": self.device}
        predict = self._backend("out_of_fold").predict
        return predict(self.module_, data, range(len(data)), **how)

    def to_original(self, square: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Class indices of a square as those of the image that it was made from.

        Parameters
        ----------
        square : ndarray of int of shape (S, S)
            Such as the most probable class of what `out_of_fold` yields.
        shape : sequence of two int
            Height and width of the image.

        Returns
        -------
        ndarray of shape (H, W), dtype uint8
            The padding cut, edges smoothed by interpolation.
        """
        return self._backend("out_of_fold").to_original(square, tuple(shape))

    def _maps(self, images: Any, label: str) -> Iterator[np.ndarray]:
        """The probabilities (n_classes, H, W) of each image."""
        check_is_fitted(self)
        from_square = self._backend("images").from_square
        batches = self._backend("infer").apply(
            self.module_,
            self.module_.probabilities,
            Images(images),
            size=self.image_size,
            channels=self.n_channels_,
            batch_size=self.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            verbose=self.verbose,
            label=label,
        )
        for squares, placements in batches:
            for square, at in zip(squares, placements, strict=True):
                yield from_square(square, at).numpy()

    def _label(self, maps: np.ndarray) -> np.ndarray:
        return self.classes_[maps.argmax(axis=0)]

    def _training_set(
        self, images: Any, masks: Any, *, keep: bool = True
    ) -> tuple[Any, np.ndarray]:
        """Images and masks as a `SquareDataset`, checked, and the class values that masks hold."""
        torch_images, class_codes = self._backend("images"), self._backend("classes")
        images, masks = Images(images), Masks(masks)
        checks.check_pairs(images, masks)
        given = getattr(self, "classes", None)
        given = None if given is None else checks.check_classes(given)
        ignore = getattr(self, "ignore", None)
        masks, classes = class_codes.with_rule(masks, classes=given, ignore=ignore)
        self.mask_rule_ = masks.rule
        channels = torch_images.count_channels(images)
        data = self._squares(images, masks, channels, classes, keep, self.cache_dir)
        return data, classes

    def _labelled_squares(self, images: Any, masks: Any, *, cache_dir: Any = None) -> Any:
        """Images and masks as the fitted network sees them: its channels, classes and rule."""
        images, masks = Images(images), Masks(masks)
        checks.check_pairs(images, masks)
        if masks.rule is None:
            masks = Masks(masks, self.mask_rule_)
        return self._squares(images, masks, self.n_channels_, self.classes_, True, cache_dir)

    def _squares(
        self,
        images: Images,
        masks: Masks,
        channels: int,
        classes: np.ndarray,
        keep: bool,
        cache_dir: str | os.PathLike | None,
    ) -> Any:
        return self._backend("images").SquareDataset(
            images,
            self.image_size,
            channels,
            masks=masks,
            encode=self._backend("classes").ClassCodes(classes),
            n_classes=len(classes),
            keep=keep,
            cache_dir=cache_dir,
        )

    def _set_network(self, module: Any, channels: int, classes: np.ndarray, seed: int) -> None:
        self.module_ = module
        self.n_channels_ = channels
        ends = [np.min_scalar_type(int(classes[i])) for i in (0, -1)]
        self.classes_ = classes.astype(np.promote_types(*ends))
        self.seed_ = seed
        self.weights_sha256_ = self._backend("weights").digest(module)

    def _rule_value(self) -> dict[str, Any]:
        """The rule of the masks as plain values, for `save`."""
        rule = getattr(self, "mask_rule_", None)
        return {} if rule is None else {"mask_rule_": rule.to_dict()}

    def _restore_rule(self, fitted: dict[str, Any]) -> None:
        plain = fitted.get("mask_rule_")
        self.mask_rule_ = None if plain is None else MaskRule.from_dict(plain)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True  # skxssr.io checks images, not scikit-learn
        tags.target_tags.required = True
        return tags
