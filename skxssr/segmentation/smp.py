"""`SMPSegmenter`, a U-Net or a relative of it. Imports scikit-learn; `_torch` only in methods."""

import os
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import backend
from skxssr.io import Images, Masks
from skxssr.metrics.segmentation import dice

__all__ = ["SMPSegmenter"]


class SMPSegmenter(BaseEstimator):
    def __init__(
        self,
        *,
        arch: str = "Unet",
        encoder_name: str = "resnet18",
        encoder_weights: str | None = None,
        arch_kwargs: dict[str, Any] | None = None,
        image_size: int = 256,
        classes: Any = None,
        augment: bool = True,
        init_from: Any = None,
        steps: int = 600,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        warmup: float = 0.05,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.arch = arch
        self.encoder_name = encoder_name
        self.encoder_weights = encoder_weights
        self.arch_kwargs = arch_kwargs
        self.image_size = image_size
        self.classes = classes
        self.augment = augment
        self.init_from = init_from
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.device = device
        self.devices = devices
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints: dict = {
        "arch": [str],
        "encoder_name": [str],
        "encoder_weights": [str, None],
        "arch_kwargs": [dict, None],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "classes": ["array-like", None],
        "augment": ["boolean"],
        "init_from": [HasMethods(["fit", "predict"]), None],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "device": [str],
        "devices": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions({"auto", "32-true", "16-mixed", "bf16-mixed"})],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, masks: Any) -> Self:
        torch_images = self._backend("images")
        unet = self._backend("unet")
        loop = self._backend("loop")
        images, masks = Images(images), Masks(masks)
        if len(images) != len(masks):
            raise ValueError(
                f"there are {len(images)} images and {len(masks)} masks: give one mask per image"
            )
        classes = self._check_classes() if self.classes is not None else unet.find_classes(masks)
        channels = torch_images.count_channels(images)
        seed = int(check_random_state(self.random_state).randint(2**31))
        module = self._build(seed, channels, classes)
        if self.init_from is not None:
            self._check_init_from(channels, classes)
            module.load_state_dict(self.init_from.module_.state_dict())
        data = torch_images.SquareSet(
            images,
            self.image_size,
            channels,
            masks=masks,
            encode=unet.ClassCodes(classes),
            n_classes=len(classes),
        )
        recipe = loop.Recipe(
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            seed=seed,
            device=self.device,
            devices=self.devices,
            precision=self.precision,
            checkpoint_dir=self.checkpoint_dir,
            verbose=self.verbose,
            label=self.arch,
        )
        losses = loop.train(module, data, unet.MaskLoss(len(classes), self.augment), recipe)
        self._set_fitted(module, channels, classes, seed, losses)
        return self

    def predict(self, images: Any) -> "np.ndarray | list[np.ndarray]":
        return _stack([self._label(maps) for maps in self._maps(images, "predicting")])

    def predict_proba(self, images: Any) -> "np.ndarray | list[np.ndarray]":
        return _stack(list(self._maps(images, "predicting")))

    def score(self, images: Any, masks: Any) -> float:
        images, masks = Images(images), Masks(masks)
        foreground = None if len(self.classes_) == 2 else self.classes_[1:].tolist()
        scores = [
            dice([masks[row]], [self._label(maps)], classes=foreground).mean()
            for row, maps in enumerate(self._maps(images, "scoring"))
        ]
        return float(np.mean(scores))

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
            verbose=self.verbose,
            label=label,
        )
        for squares, placements in batches:
            for square, at in zip(squares, placements, strict=True):
                yield from_square(square, at).numpy()

    def _label(self, maps: np.ndarray) -> np.ndarray:
        return self.classes_[maps.argmax(axis=0)]

    def _check_classes(self) -> np.ndarray:
        classes = np.asarray(self.classes)
        if classes.ndim != 1 or classes.dtype.kind not in "iub" or len(np.unique(classes)) < 2:
            raise ValueError(
                "classes must be None or at least two distinct integers, the first (lowest) the "
                f"background. Got {self.classes!r} instead."
            )
        return np.unique(classes)

    def _check_init_from(self, channels: int, classes: np.ndarray) -> None:
        check_is_fitted(self.init_from)

    def _set_fitted(
        self, module: Any, channels: int, classes: np.ndarray, seed: int, losses: np.ndarray
    ) -> None:
        self.module_ = module
        self.n_channels_ = channels
        self.classes_ = classes.astype(np.min_scalar_type(int(classes[-1])))
        self.seed_ = seed
        self.loss_curve_ = losses
        self.weights_sha256_ = self._backend("weights").digest(module)

    def _build(self, seed: int, channels: int, classes: np.ndarray) -> Any:
        return self._backend("unet").build(
            seed,
            arch=self.arch,
            encoder_name=self.encoder_name,
            encoder_weights=None if self.init_from is not None else self.encoder_weights,
            arch_kwargs=self.arch_kwargs,
            in_channels=channels,
            n_classes=len(classes),
            image_size=self.image_size,
        )

    def _backend(self, module: str) -> Any:
        return backend(module, caller="SMPSegmenter", extra="seg")

    def __sklearn_clone__(self) -> Self:
        """A clone keeps the fitted `init_from`: cloned, it would lose the weights to start from."""
        params = self.get_params(deep=False)
        start = params.pop("init_from")
        copy = type(self)(**{name: clone(value, safe=False) for name, value in params.items()})
        copy.init_from = start
        return copy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True  # skxssr.io checks images, not scikit-learn
        tags.target_tags.required = True
        return tags


def _stack(arrays: list[np.ndarray]) -> "np.ndarray | list[np.ndarray]":
    """One array if all shapes are equal, else the list."""
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays
