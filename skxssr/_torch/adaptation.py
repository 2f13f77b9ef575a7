"""A trained segmentation network trained on, with unlabelled images of another site beside."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from skxssr._torch.augment import augment
from skxssr._torch.global_state import seeded
from skxssr._torch.images import SquareDataset
from skxssr._torch.learning_loss import read
from skxssr._torch.loop import TrainingConfig, rows_of_step, train
from skxssr._torch.unet import MaskLoss

__all__ = ["Adversarial", "adapt", "exchange_amplitudes"]

FDA_STRENGTH = 0.01
DANN_STRENGTH = 0.1
HIDDEN = 64


def adapt(
    segmenter: Any,
    source: SquareDataset,
    target: SquareDataset,
    *,
    method: str,
    steps: int,
    strength: float | None,
) -> np.ndarray:
    """Train ``segmenter.module_`` in place; the loss of each step."""
    recipe = replace(
        TrainingConfig.of(segmenter, steps=steps, seed=segmenter.seed_, label=method),
        checkpoint_dir=None,
    )
    labelled = MaskLoss(len(segmenter.classes_), segmenter.augment)
    others = _Others(target, recipe.batch_size, recipe.seed)
    if method == "fda":
        half = FDA_STRENGTH if strength is None else strength
        return train(segmenter.module_, source, _FourierLoss(labelled, others, half), recipe)
    weight = DANN_STRENGTH if strength is None else strength
    module = Adversarial(segmenter.module_, source.take([0])[0], recipe.seed)
    return train(module, source, _AdversarialLoss(labelled, others, weight, steps), recipe)


class _Others:
    """Batches of the other site, in an endless row of seeded permutations."""

    def __init__(self, data: SquareDataset, batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.seed, self.step = data, batch_size, seed, 0

    def take(self, n: int, device: torch.device) -> torch.Tensor:
        rows = rows_of_step(self.step, len(self.data), self.batch_size, self.seed)[:n]
        self.step += 1
        return self.data.take(rows)[0].to(device)


class _FourierLoss:
    """The loss of source images that have the lowest amplitudes of others."""

    def __init__(self, labelled: MaskLoss, others: _Others, half: float) -> None:
        self.labelled, self.others, self.half = labelled, others, half

    def __call__(
        self, module: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator
    ) -> torch.Tensor:
        images, masks = batch
        others = self.others.take(len(images), images.device)
        exchanged = exchange_amplitudes(images, others, self.half)
        return self.labelled(module, (exchanged, masks), generator)


def exchange_amplitudes(images: torch.Tensor, others: torch.Tensor, half: float) -> torch.Tensor:
    """Images with the amplitudes of others in the square of lowest frequencies.

    The square reaches ``floor(half * side)`` frequencies from the mean to each side, so that with
    a small share the mean alone is exchanged; phases stay. Values are cut at 0 and 1.
    """
    spectrum, theirs = torch.fft.fft2(images.float()), torch.fft.fft2(others.float())
    reach = math.floor(half * images.shape[2])  # squares
    frequency = torch.fft.fftfreq(images.shape[2], 1 / images.shape[2], device=images.device).abs()
    low = (frequency[:, None] <= reach) & (frequency[None, :] <= reach)
    amplitude = torch.where(low, theirs.abs(), spectrum.abs())
    mixed = torch.polar(amplitude, spectrum.angle())
    return torch.fft.ifft2(mixed).real.clamp(0, 1).to(images.dtype)


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round and scaled."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.scale = scale
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.scale * gradients[0], None


class Adversarial(nn.Module):
    """A segmentation network and one that tells two sites by its deepest features."""

    def __init__(self, network: nn.Module, example: torch.Tensor, seed: int) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            width = _deepest(network.eval(), example)[0].shape[1]
        with seeded(seed, torch.device("cpu")):
            self.critic = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(
        self, images: torch.Tensor, others: torch.Tensor, scale: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the images, and the critic's of images and others."""
        features, logits = _deepest(self.network, torch.cat([images, others]))
        return logits[: len(images)], self.critic(_Reversed.apply(features, scale))[:, 0]


def _deepest(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of the encoder's last maps (or of what enters the last layer), and the logits."""
    features, logits = read(network, images)
    return features[-2 if len(features) > 1 else -1], logits


class _AdversarialLoss:
    """Loss of the masks, and of the critic, whose say grows from 0 to 1 as in the paper."""

    def __init__(self, labelled: MaskLoss, others: _Others, weight: float, steps: int) -> None:
        self.labelled, self.others, self.weight, self.steps = labelled, others, weight, steps

    def __call__(
        self, module: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator
    ) -> torch.Tensor:
        images, masks = batch
        scale = 2 / (1 + math.exp(-10 * self.others.step / self.steps)) - 1
        others = self.others.take(len(images), images.device)
        if self.labelled.augmented:
            images, masks = augment(images, masks, generator, strong=self.labelled.strong)
            blank = torch.zeros_like(masks[:1]).expand(len(others), -1, -1)
            others, _ = augment(others, blank, generator, strong=self.labelled.strong)
        logits, guesses = module(images, others, scale)
        site = torch.cat([torch.zeros(len(images)), torch.ones(len(others))]).to(guesses.device)
        critic = F.binary_cross_entropy_with_logits(guesses.float(), site)
        return self.labelled.of_logits(logits, masks) + self.weight * critic
