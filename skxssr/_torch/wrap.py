"""Any network as an embedder: normalise its input, pool its output. Imports torch and timm."""

from typing import Any

import timm
import torch
from torch import nn

from skxssr._torch.loop import seeded

__all__ = ["Embedder", "as_embedder"]


class Embedder(nn.Module):
    """Images in [0, 1] (B, C, S, S) to vectors (B, d)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, mean: Any, std: Any, in_channels: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", _per_channel("mean", mean, in_channels))
        self.register_buffer("std", _per_channel("std", std, in_channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result = self.network((images - self.mean) / self.std)
        if isinstance(result, torch.Tensor) and result.ndim == 4:
            result = result.mean(dim=(2, 3))
        if not isinstance(result, torch.Tensor) or result.ndim != 2 or len(result) != len(images):
            what = (
                f"a tensor of shape {tuple(result.shape)}"
                if isinstance(result, torch.Tensor)
                else f"a {type(result).__name__}"
            )
            raise ValueError(
                f"module must return (n, d), or maps (n, d, H, W) that are averaged over H and W. "
                f"For {len(images)} images it returned {what}: wrap it in a module that pools"
            )
        return result


def as_embedder(
    module: nn.Module | str, *, in_channels: int, pretrained: bool, mean: Any, std: Any
) -> Embedder:
    """Wrap a module, or the timm model of that name without its classifier."""
    if isinstance(module, str):
        network = _timm_model(module, in_channels, pretrained)
        mean = network.pretrained_cfg.get("mean") if mean is None else mean
        std = network.pretrained_cfg.get("std") if std is None else std
    else:
        network = module
    mean = 0.0 if mean is None else mean
    return Embedder(network, mean, 1.0 if std is None else std, in_channels)


def _timm_model(name: str, in_channels: int, pretrained: bool) -> Any:
    if not timm.is_model(name):
        near = timm.list_models(f"{name.partition('.')[0].partition('_')[0]}*")[:5]
        raise ValueError(
            f"module={name!r} is no timm model. "
            + (f"Near it: {', '.join(near)}" if near else "timm.list_models() names them all")
        )
    with seeded(0, torch.device("cpu")):  # without pretrained weights: always the same ones
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=in_channels)


def _per_channel(name: str, values: Any, in_channels: int) -> torch.Tensor:
    given = torch.as_tensor(values, dtype=torch.float32).reshape(-1)
    if in_channels == 1 and len(given) == 3:
        given = given.mean()[None]  # timm adapts the first layer of an RGB model to gray
    if len(given) not in (1, in_channels):
        raise ValueError(
            f"{name} has {len(given)} values, in_channels is {in_channels}: give one value, or one "
            "for each channel"
        )
    if name == "std" and not bool((given > 0).all()):
        raise ValueError(f"std must be positive. Got {given.tolist()} instead.")
    return given.expand(in_channels).reshape(1, in_channels, 1, 1).clone()
