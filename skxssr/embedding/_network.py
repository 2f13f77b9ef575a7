"""What the embedders around a network share: how they run it, and how the trained ones begin."""

import os
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skxssr._torch.saving import SavedEstimator
from skxssr.embedding._base import ImageEmbedder
from skxssr.io import Images

__all__ = ["NetworkEmbedder", "Start", "TrainedEmbedder"]

# With steps=None: enough for a small set to be learned, and for a large one to be seen in full.
MIN_STEPS = 1000
MIN_EPOCHS = 10


class NetworkEmbedder(SavedEstimator, ImageEmbedder):
    """An embedder whose `module_` maps squares of `n_channels_` channels to vectors."""

    image_size: int
    batch_size: int
    device: str
    cache_dir: str | os.PathLike | None
    verbose: int
    module_: Any
    n_channels_: int
    seed_: int

    def _apply(self, images: Any, function: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._backend("infer").collect(
            self.module_,
            function,
            Images(images),
            size=self.image_size,
            channels=self.n_channels_,
            batch_size=self.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            verbose=self.verbose,
            label="embedding",
        )

    def _fitted_values(self) -> dict[str, Any]:
        return {"n_channels_": self.n_channels_, "seed_": self.seed_}


class Start(NamedTuple):
    """What a training begins with."""

    data: Any  # a SquareDataset
    channels: int
    steps: int
    seed: int


class TrainedEmbedder(NetworkEmbedder):
    """A `NetworkEmbedder` that trains, and whose `_build(channels, seed)` makes the network."""

    embed_dim: int
    pooling: str
    steps: int | None
    random_state: Any
    loss_curve_: np.ndarray

    def transform(self, images: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            C-contiguous, ``n_features_out_`` features. Does not depend on `batch_size` beyond
            rounding.
        """
        return self._apply(images, lambda squares: self.module_.embed(squares, self.pooling))

    def _start(self, images: Any) -> Start:
        """The images as squares, with the steps and the seed that they are trained with."""
        torch_images = self._backend("images")
        images = Images(images)
        steps = self.steps or max(MIN_STEPS, MIN_EPOCHS * -(-len(images) // self.batch_size))
        seed = int(check_random_state(self.random_state).randint(2**31))
        channels = torch_images.count_channels(images)
        data = torch_images.SquareDataset(
            images, self.image_size, channels, cache_dir=self.cache_dir
        )
        return Start(data, channels, steps, seed)

    def _set_fitted(self, module: Any, channels: int, seed: int, losses: np.ndarray) -> None:
        self.module_ = module
        self.n_channels_ = channels
        self.n_features_out_ = self.embed_dim * (1 + self.pooling.startswith("mean+"))
        self.seed_ = seed
        self.loss_curve_ = losses
        self.weights_sha256_ = self._backend("weights").digest(module)

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        self._check_sizes()
        module = self._build(fitted["n_channels_"], 0)
        module.load_state_dict(state)
        losses = np.array(fitted["loss_curve_"])
        self._set_fitted(module.eval(), fitted["n_channels_"], fitted["seed_"], losses)

    def _check_sizes(self) -> None:
        """Refuse sizes of the network that do not go together."""
        raise NotImplementedError

    def _build(self, channels: int, seed: int) -> Any:
        raise NotImplementedError
