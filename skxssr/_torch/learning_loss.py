"""The loss-prediction module of Yoo and Kweon (2019) beside a trained segmentation network."""

import copy
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import nn

from skxssr._torch.asked import LastConvolution
from skxssr._torch.augment import augment
from skxssr._torch.classes import NO_LABEL
from skxssr._torch.global_state import seeded
from skxssr._torch.images import SquareDataset

__all__ = ["LossPredictor", "RankingLoss", "build", "loss_of_each"]

MARGIN = 1.0


class LossPredictor(nn.Module):
    """Images (B, C, S, S) to one foretold loss each (B,); the network in it is never trained."""

    def __init__(self, network: nn.Module, sizes: list[int], width: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.levels = nn.ModuleList(nn.Sequential(nn.Linear(n, width), nn.ReLU()) for n in sizes)
        self.guess = nn.Linear(width * len(sizes), 1)

    def train(self, mode: bool = True) -> Self:
        """The network stays in eval mode: its predictions are what losses are foretold of."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, images: torch.Tensor, masks: torch.Tensor | None = None) -> Any:
        """The guesses; with masks, the guesses and the true losses."""
        with torch.no_grad():
            features, logits = read(self.network, images)
        parts = [level(one) for level, one in zip(self.levels, features, strict=True)]
        guesses = self.guess(torch.cat(parts, dim=1))[:, 0]
        return guesses if masks is None else (guesses, loss_of_each(logits, masks))


def read(network: nn.Module, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The mean over each image of the maps of every level, (B, n) each, and the logits."""
    maps: list[torch.Tensor] = []
    encoder: Any = getattr(getattr(network, "network", None), "encoder", None)
    handle = None
    if isinstance(encoder, nn.Module):
        handle = encoder.register_forward_hook(lambda _, __, out: maps.extend(_maps(out)))
    try:
        with LastConvolution(network) as last:
            logits = network(images).float()
    finally:
        if handle is not None:
            handle.remove()
    return [one.flatten(2).mean(dim=2).float() for one in (*maps, last.inputs)], logits


def _maps(result: Any) -> list[torch.Tensor]:
    """The levels of an encoder, without the image itself and empty ones."""
    levels = result if isinstance(result, list | tuple) else [result]
    found = [one for one in levels if isinstance(one, torch.Tensor) and one.ndim == 4]
    return [one for one in found[1 if len(found) > 1 else 0 :] if one.shape[1]]


def loss_of_each(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus Dice loss of each image, over the pixels that have a label."""
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    known = (masks != NO_LABEL).float()
    codes = masks.masked_fill(masks == NO_LABEL, 0)
    entropy = (F.cross_entropy(logits, codes, reduction="none") * known).sum(dim=(1, 2))
    entropy = entropy / known.sum(dim=(1, 2)).clamp_min(1)
    shares = logits.softmax(dim=1)[:, 1:] * known[:, None]
    truth = F.one_hot(codes, logits.shape[1]).movedim(3, 1)[:, 1:] * known[:, None]
    both, total = (shares * truth).sum(dim=(2, 3)), (shares + truth).sum(dim=(2, 3))
    dice = 1 - (2 * both + 1) / (total + 1)
    return entropy + dice.mean(dim=1)


class RankingLoss:
    """Of each pair, first and second half of the batch: is the larger loss foretold larger?"""

    def __init__(self, n_classes: int, augmented: bool | str) -> None:
        self.n_classes = n_classes
        self.augmented, self.strong = bool(augmented), augmented == "strong"

    def __call__(
        self, module: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator
    ) -> torch.Tensor:
        images, masks = batch
        if self.augmented:
            images, masks = augment(images, masks, generator, strong=self.strong)
        guesses, losses = module(images, masks)
        first, second = guesses.float().chunk(2)
        sign = torch.sign(torch.sub(*losses.chunk(2)))
        return F.margin_ranking_loss(first, second, sign, margin=MARGIN)


def build(network: nn.Module, data: SquareDataset, width: int, seed: int) -> LossPredictor:
    """A new module beside a copy of `network`; the same weights for the same seed."""
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        features, _ = read(network, data.take([0])[0])
    with seeded(seed, torch.device("cpu")):
        return LossPredictor(network, [one.shape[1] for one in features], width)
