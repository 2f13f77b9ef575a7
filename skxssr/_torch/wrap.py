"""Any network as an embedder: normalise its input, pool its output."""

from typing import Any

import torch
from torch import nn

from skxssr._torch.pooling import pooled
from skxssr._torch.timm_models import timm_network

__all__ = ["Embedder", "as_embedder"]


class Embedder(nn.Module):
    """Images in [0, 1] (B, C, S, S) to vectors (B, d)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: nn.Module, mean: Any, std: Any, in_channels: int, pooling: str = "mean"
    ) -> None:
        super().__init__()
        self.network, self.pooling = network, pooling
        self.register_buffer("mean", _per_channel("mean", mean, in_channels))
        self.register_buffer("std", _per_channel("std", std, in_channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result = self._pooled(self.network((images - self.mean) / self.std))
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

    def _pooled(self, result: Any) -> Any:
        if not isinstance(result, torch.Tensor):
            return result
        if result.ndim == 4:
            return pooled(result, (2, 3), self.pooling)
        if self.pooling != "mean" and result.ndim == 2:
            raise ValueError(
                f"pooling={self.pooling!r} is for networks that return maps (n, d, H, W), but this "
                f"one returned vectors {tuple(result.shape)}: use pooling='mean', or a network "
                "without its own pooling, such as "
                "timm.create_model(name, global_pool='', num_classes=0)"
            )
        return result


def as_embedder(
    module: nn.Module | str,
    *,
    image_size: int,
    in_channels: int,
    pretrained: bool,
    weights: Any,
    mean: Any,
    std: Any,
    pooling: str,
) -> Embedder:
    """Wrap a module, or the timm model of that name without its classifier."""
    if isinstance(module, str):
        network: Any = timm_network(
            module,
            image_size=image_size,
            in_channels=in_channels,
            pretrained=pretrained,
            weights=weights,
        )
        mean = network.pretrained_cfg.get("mean") if mean is None else mean
        std = network.pretrained_cfg.get("std") if std is None else std
    elif weights is not None:
        raise ValueError(
            f"weights={str(weights)!r} is only for the name of a timm model, but module is a "
            f"{type(module).__name__}: load the file into the module yourself, and weights=None"
        )
    else:
        network = module
    mean = 0.0 if mean is None else mean
    return Embedder(network, mean, 1.0 if std is None else std, in_channels, pooling)


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
