"""Segmentation networks from segmentation_models_pytorch, and their loss."""

import copy
from collections.abc import Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import nn

from skxssr._torch.augment import augment
from skxssr._torch.classes import NO_LABEL
from skxssr._torch.loop import seeded

__all__ = ["MaskLoss", "SegmentationNet", "build", "probabilities", "wrap"]


class SegmentationNet(nn.Module):
    """Images in [0, 1] (B, C, S, S) to logits (B, 1, S, S) of two classes, (B, K, S, S) of more."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # a third faster on a CPU
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = (images - self.mean) / self.std
        return self.network(images.contiguous(memory_format=torch.channels_last))

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """(B, K, S, S), sums 1."""
        return probabilities(self(images).float())


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Logits (B, 1, ...) of two classes or (B, K, ...) of more to probabilities (B, K, ...)."""
    if logits.shape[1] > 1:
        return logits.softmax(dim=1)
    return torch.cat([(-logits).sigmoid(), logits.sigmoid()], dim=1)


class TwoAsOne(nn.Module):
    """A network with logits of background and foreground, as one with their difference.

    The sigmoid of the difference is the softmax of the two.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.network(images)
        return logits[:, 1:] - logits[:, :1]


def wrap(
    module: nn.Module, *, channels: int, n_classes: int, image_size: int, mean: float, std: float
) -> SegmentationNet:
    """A copy of somebody's network, tried on an empty image before anything is trained."""
    network = copy.deepcopy(module).eval()
    shape = (2, channels, image_size, image_size)
    needs = f"image_size={image_size} and {channels} channel{'s' * (channels > 1)}"
    try:
        with torch.no_grad():
            logits = network(torch.zeros(shape))
    except Exception as error:  # whatever the layers of a stranger's network raise
        raise ValueError(
            f"module failed on images of shape {shape}, as {needs} make them: {error}. Give a "
            "network of 2-D images with that many channels, or another image_size"
        ) from error
    expected = [1, 2] if n_classes == 2 else [n_classes]
    size = (image_size, image_size)
    fits = isinstance(logits, torch.Tensor) and logits.ndim == 4 and logits.shape[2:] == size
    if not fits or logits.shape[1] not in expected:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(
            f"module must return logits of shape (n, {' or '.join(map(str, expected))}, "
            f"{image_size}, {image_size}) for {n_classes} classes. Got {got} instead."
        )
    if n_classes == 2 and logits.shape[1] == 2:
        network = TwoAsOne(network)
    return SegmentationNet(network, [mean] * channels, [std] * channels)


def build(
    seed: int,
    *,
    arch: str,
    encoder_name: str,
    encoder_weights: str | None,
    arch_kwargs: dict[str, Any] | None,
    in_channels: int,
    n_classes: int,
    image_size: int,
    dropout: float = 0.0,
) -> SegmentationNet:
    """A new network; random weights are the same for the same seed."""
    with seeded(seed, torch.device("cpu")):
        network = smp.create_model(
            arch,
            encoder_name=encoder_name,
            encoder_weights=encoder_weights,
            in_channels=in_channels,
            classes=1 if n_classes == 2 else n_classes,
            **(arch_kwargs or {}),
        )
    stride = getattr(network.encoder, "output_stride", 32)
    if image_size % stride:
        raise ValueError(
            f"image_size ({image_size}) must be a multiple of {stride} for arch={arch!r} with "
            f"encoder_name={encoder_name!r}: use image_size={-(-image_size // stride) * stride}, "
            "or fewer stages (arch_kwargs={'encoder_depth': ...})"
        )
    if dropout:
        network.segmentation_head = nn.Sequential(nn.Dropout2d(dropout), network.segmentation_head)
    mean, std = [0.5] * in_channels, [0.25] * in_channels
    if encoder_weights is not None:
        params = smp.encoders.get_preprocessing_params(encoder_name, pretrained=encoder_weights)
        mean, std = list(params["mean"]), list(params["std"])
        if in_channels == 1:
            mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    return SegmentationNet(network, mean, std)


class MaskLoss:
    """Cross-entropy plus Dice of one training step, on augmented images if told to.

    `augmented` is False, True or "strong", as the segmenter's parameter.
    """

    def __init__(self, n_classes: int, augmented: bool | str) -> None:
        self.augmented, self.strong = bool(augmented), augmented == "strong"
        self.binary = n_classes == 2
        self.dice = smp.losses.DiceLoss("binary" if self.binary else "multiclass")

    def __call__(
        self, module: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator
    ) -> torch.Tensor:
        images, masks = batch
        if self.augmented:
            images, masks = augment(images, masks, generator, strong=self.strong)
        return self.of_logits(module(images), masks)

    def of_logits(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """The loss of what a network returned for images with these masks."""
        logits = logits.float()
        unlabelled = masks == NO_LABEL
        if bool(unlabelled.any()):
            return self._where_known(logits, masks, ~unlabelled)
        if self.binary:
            entropy = F.binary_cross_entropy_with_logits(logits[:, 0], masks.float())
            return entropy + self.dice(logits, masks[:, None].float())
        return F.cross_entropy(logits, masks) + self.dice(logits, masks)

    def _where_known(
        self, logits: torch.Tensor, masks: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """The same loss of the pixels that have a label alone, as one row of pixels."""
        if not bool(known.any()):
            return 0 * logits.sum()
        rows = logits.movedim(1, -1)[known].T[None, :, None]  # (1, K, 1, pixels)
        codes = masks[known][None, None]
        if self.binary:
            entropy = F.binary_cross_entropy_with_logits(rows[:, 0], codes.float())
            return entropy + self.dice(rows, codes[:, None].float())
        return F.cross_entropy(rows, codes) + self.dice(rows, codes)
