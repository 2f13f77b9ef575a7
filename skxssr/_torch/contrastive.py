"""Contrastive training, SimCLR and MoCo v2, on lightly's loss, heads, memory bank and momentum."""

import copy
from typing import Any

import torch
from torch import nn

from skxssr._torch.augment import views
from skxssr._torch.global_state import seeded
from skxssr._torch.resnet import ResNetEncoder

__all__ = ["ContrastiveNetwork", "TwoViews", "build", "distinct"]

HEAD_DIM = 128  # of the vectors that are compared, as in both papers


class ContrastiveNetwork(nn.Module):
    """Two views of each image to the loss of one step.

    Without `momentum` (SimCLR) the other images of the batch are what an image must be told from.
    With it (MoCo) keys come from a second encoder, which follows the first slowly, and what an
    image must be told from are the keys of earlier steps, in the memory bank of `loss`.
    """

    def __init__(
        self, encoder: ResNetEncoder, head: nn.Module, loss: Any, momentum: float | None
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.loss, self.momentum = encoder, head, loss, momentum
        if momentum is None:
            return
        self.key_encoder, self.key_head = copy.deepcopy(encoder), copy.deepcopy(head)
        self.key_encoder.requires_grad_(False)
        self.key_head.requires_grad_(False)
        bank = loss.memory_bank
        for name in ("bank", "bank_ptr"):  # lightly leaves them out, but a checkpoint needs them
            bank.register_buffer(name, getattr(bank, name), persistent=True)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if self.momentum is None:
            projected = self.head(self.encoder.embed(torch.cat([first, second])))
            queries, keys = projected.float().chunk(2)
        else:
            queries, keys = self.head(self.encoder.embed(first)).float(), self._keys(second)
        with torch.autocast(first.device.type, enabled=False):
            return self.loss(queries, keys)

    @torch.no_grad()
    def _keys(self, images: torch.Tensor) -> torch.Tensor:
        from lightly.models.utils import update_momentum

        update_momentum(self.encoder, self.key_encoder, m=self.momentum)
        update_momentum(self.head, self.key_head, m=self.momentum)
        return self.key_head(self.key_encoder.embed(images)).float()


def build(
    encoder: ResNetEncoder,
    seed: int,
    *,
    embed_dim: int,
    temperature: float,
    momentum: float | None,
    bank_size: int,
    gather: bool,
) -> ContrastiveNetwork:
    """The network to be trained around `encoder`; heads and bank are the same for the same seed."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules.heads import MoCoProjectionHead, SimCLRProjectionHead

    kind = SimCLRProjectionHead if momentum is None else MoCoProjectionHead
    with seeded(seed, torch.device("cpu")):
        head = kind(embed_dim, embed_dim, HEAD_DIM)
        bank = 0 if momentum is None else (bank_size, HEAD_DIM)
        loss = NTXentLoss(temperature, memory_bank_size=bank, gather_distributed=gather)
    return ContrastiveNetwork(encoder, head, loss, momentum)


class TwoViews:
    """The loss of one training step: two views of each image of the batch, and their contrast.

    An image that a small set has put into the batch twice is taken once: it would be told from
    itself. Several processes must all have as many images, so there nothing is taken out.
    """

    def __init__(self, min_area: float, *, takes_out_copies: bool) -> None:
        self.min_area, self.takes_out_copies = min_area, takes_out_copies

    def __call__(
        self, module: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator
    ) -> torch.Tensor:
        (images,) = batch
        if self.takes_out_copies:
            images = images[distinct(images)]
        first, second = (views(images, self.min_area, generator) for _ in range(2))
        return module(first, second)


def distinct(images: torch.Tensor) -> list[int]:
    """The first row of each different image, in order; two rows if all are the same."""
    _, codes = torch.unique(images.flatten(1), dim=0, return_inverse=True)
    first: dict[int, int] = {}
    for row, code in enumerate(codes.tolist()):
        first.setdefault(code, row)
    return list(first.values()) if len(first) > 1 else list(range(min(2, len(images))))
