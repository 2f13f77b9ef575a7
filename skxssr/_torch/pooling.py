"""From the tokens or maps of an image to one vector."""

import torch

__all__ = ["pooled"]


def pooled(features: torch.Tensor, places: int | tuple[int, ...], pooling: str) -> torch.Tensor:
    """`features` (B, ...) with the axes `places` averaged away: (B, D), or (B, 2 D) for two pools.

    `pooling` is "mean", "mean+std" or "mean+max". The deviation is that of all places, divided by
    their number, so that a single place has 0 and not NaN.
    """
    mean = features.mean(dim=places)
    if pooling == "mean":
        return mean
    if pooling == "mean+std":
        return torch.cat([mean, features.std(dim=places, correction=0)], dim=1)
    return torch.cat([mean, features.amax(dim=places)], dim=1)
