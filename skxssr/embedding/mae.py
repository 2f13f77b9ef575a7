"""`MAEEmbedder`, the masked autoencoder. Imports scikit-learn; `_torch` only inside methods."""

import os
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import backend
from skxssr.embedding._base import ImageEmbedder
from skxssr.io import Images

__all__ = ["MAEEmbedder", "Reconstruction"]


class Reconstruction(NamedTuple):
    """What `MAEEmbedder.reconstruct` returns: float32 arrays in [0, 1], one shape.

    Attributes
    ----------
    original : ndarray of shape (n, image_size, image_size) or (n, image_size, image_size, 3)
        The images as the network sees them: resized and padded.
    masked : ndarray
        The same, hidden patches gray.
    reconstruction : ndarray
        The same, hidden patches as the network guesses them.
    """

    original: np.ndarray
    masked: np.ndarray
    reconstruction: np.ndarray


class MAEEmbedder(ImageEmbedder):
    def __init__(
        self,
        *,
        image_size: int = 128,
        patch_size: int = 16,
        embed_dim: int = 192,
        depth: int = 6,
        num_heads: int = 6,
        decoder_dim: int = 96,
        decoder_depth: int = 2,
        mask_ratio: float = 0.75,
        pooling: str = "mean",
        augment: bool = True,
        steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.image_size = image_size
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.mask_ratio = mask_ratio
        self.pooling = pooling
        self.augment = augment
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
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "patch_size": [Interval(Integral, 2, None, closed="left")],
        "embed_dim": [Interval(Integral, 4, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "num_heads": [Interval(Integral, 1, None, closed="left")],
        "decoder_dim": [Interval(Integral, 4, None, closed="left")],
        "decoder_depth": [Interval(Integral, 1, None, closed="left")],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "pooling": [StrOptions({"mean", "cls"})],
        "augment": ["boolean"],
        "steps": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
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
    def fit(self, images: Any, y: Any = None) -> Self:
        self._check_sizes()
        torch_images = backend("images", caller="MAEEmbedder")
        mae = backend("mae", caller="MAEEmbedder")
        loop = backend("loop", caller="MAEEmbedder")
        images = Images(images)
        steps = self.steps or max(1000, 10 * -(-len(images) // self.batch_size))
        seed = int(check_random_state(self.random_state).randint(2**31))
        channels = torch_images.count_channels(images)
        data = torch_images.SquareSet(images, self.image_size, channels)
        recipe = loop.Recipe(
            steps=steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            betas=(0.9, 0.95),
            seed=seed,
            device=self.device,
            devices=self.devices,
            precision=self.precision,
            checkpoint_dir=self.checkpoint_dir,
            verbose=self.verbose,
            label="masked autoencoder",
        )
        module = self._build(channels, seed)
        loss = mae.MaskedLoss(self.image_size, module.n_patches, self.augment)
        losses = loop.train(module, data, loss, recipe)
        self._set_fitted(module, channels, seed, losses)
        return self

    def transform(self, images: Any) -> np.ndarray:
        check_is_fitted(self)
        infer = backend("infer", caller="MAEEmbedder")
        return infer.embed(
            self.module_,
            lambda squares: self.module_.embed(squares, self.pooling),
            Images(images),
            size=self.image_size,
            channels=self.n_channels_,
            batch_size=self.batch_size,
            device=self.device,
            verbose=self.verbose,
            label="embedding",
        )

    def _set_fitted(self, module: Any, channels: int, seed: int, losses: np.ndarray) -> None:
        self.module_ = module
        self.n_channels_ = channels
        self.n_features_out_ = self.embed_dim
        self.seed_ = seed
        self.loss_curve_ = losses
        self.weights_sha256_ = backend("weights", caller="MAEEmbedder").digest(module)

    def _build(self, channels: int, seed: int) -> Any:
        return backend("mae", caller="MAEEmbedder").build(
            seed,
            image_size=self.image_size,
            patch_size=self.patch_size,
            in_channels=channels,
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self.num_heads,
            decoder_dim=self.decoder_dim,
            decoder_depth=self.decoder_depth,
            mask_ratio=self.mask_ratio,
        )

    def _check_sizes(self) -> None:
        if self.image_size % self.patch_size or self.image_size == self.patch_size:
            down = max(2, self.image_size // self.patch_size) * self.patch_size
            raise ValueError(
                f"image_size ({self.image_size}) must be a multiple, at least twice, of patch_size "
                f"({self.patch_size}): use image_size={down}"
            )
        for name in ("embed_dim", "decoder_dim"):
            width = getattr(self, name)
            if width % self.num_heads or width % 4:
                unit = int(np.lcm(4, self.num_heads))
                raise ValueError(
                    f"{name} ({width}) must be divisible by num_heads ({self.num_heads}) and by 4 "
                    f"(sine and cosine for two axes): use {name}={-(-width // unit) * unit}"
                )
