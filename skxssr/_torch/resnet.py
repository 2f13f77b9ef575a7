"""A small residual network as an encoder: timm's ResNet without its classifier."""

from functools import partial
from typing import Any

import torch
from timm.layers import GroupNorm
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from skxssr._torch.global_state import seeded
from skxssr._torch.pooling import pooled

__all__ = ["ResNetEncoder", "build"]

STAGES = 4
GROUPS = 4  # of channels that are normalised together


class ResNetEncoder(nn.Module):
    """Images in [0, 1] (B, C, S, S) to maps (B, D, S / 32, S / 32).

    Groups of channels are normalised and not batches: an image's maps do not depend on the others
    of its batch, from which contrastive training could read the answer, nor on averages that a
    short training has hardly made. For the same reason residual branches do not start at 0.
    """

    def __init__(self, *, in_channels: int, embed_dim: int, depth: int) -> None:
        super().__init__()
        widths = tuple(embed_dim >> stage for stage in reversed(range(STAGES)))
        layers = (depth,) * STAGES
        block: Any = BasicBlock  # timm's annotation asks for an instance
        network: Any = ResNet(
            block,
            layers,
            in_chans=in_channels,
            channels=widths,
            num_classes=0,
            global_pool="",
            norm_layer=partial(GroupNorm, num_groups=GROUPS),
            zero_init_last=False,
        )
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scaled = images * 4 - 2  # films: mean ~ 0, deviation ~ 1
        return self.network(scaled.contiguous(memory_format=torch.channels_last))

    def embed(self, images: torch.Tensor, pooling: str = "mean") -> torch.Tensor:
        """Embeddings (B, D), (B, 2 D) for "mean+std" and "mean+max"."""
        return pooled(self(images), (2, 3), pooling)

    def patch_tokens(self, images: torch.Tensor) -> torch.Tensor:
        """The maps place by place (B, N, D), row by row."""
        return self(images).flatten(2).transpose(1, 2)


def build(seed: int, *, in_channels: int, embed_dim: int, depth: int) -> ResNetEncoder:
    """A new encoder; the same weights for the same seed."""
    with seeded(seed, torch.device("cpu")):
        return ResNetEncoder(in_channels=in_channels, embed_dim=embed_dim, depth=depth)
