"""`TorchEmbedder`, any network. Imports scikit-learn; `_torch` only inside methods."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import backend
from skxssr.embedding._base import ImageEmbedder
from skxssr.io import Images

__all__ = ["TorchEmbedder"]


class TorchEmbedder(ImageEmbedder):
    def __init__(
        self,
        module: Any,
        *,
        image_size: int = 224,
        in_channels: int = 3,
        mean: Any = None,
        std: Any = None,
        pretrained: bool = True,
        batch_size: int = 32,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.image_size = image_size
        self.in_channels = in_channels
        self.mean = mean
        self.std = std
        self.pretrained = pretrained
        self.batch_size = batch_size
        self.device = device
        self.verbose = verbose

    _parameter_constraints: dict = {
        "module": [str, HasMethods(["forward", "state_dict"])],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "in_channels": [Interval(Integral, 1, 3, closed="both")],
        "mean": ["array-like", float, None],
        "std": ["array-like", float, None],
        "pretrained": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, y: Any = None) -> Self:
        wrap = backend("wrap", caller="TorchEmbedder")
        module = wrap.as_embedder(
            self.module,
            in_channels=self.in_channels,
            pretrained=self.pretrained,
            mean=self.mean,
            std=self.std,
        )
        first = self._embed(module, Images(images)[:1])
        self.module_ = module
        self.n_features_out_ = first.shape[1]
        self.weights_sha256_ = backend("weights", caller="TorchEmbedder").digest(module)
        return self

    def transform(self, images: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._embed(self.module_, Images(images))

    def _embed(self, module: Any, images: Images) -> np.ndarray:
        return backend("infer", caller="TorchEmbedder").collect(
            module,
            module,
            images,
            size=self.image_size,
            channels=self.in_channels,
            batch_size=self.batch_size,
            device=self.device,
            verbose=self.verbose,
            label="embedding",
        )
