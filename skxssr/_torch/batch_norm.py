"""Batch norm statistics of a trained network, estimated anew."""

import os

import numpy as np
import torch
from torch import nn

from skxssr._torch.device import resolve_device
from skxssr._torch.images import SquareDataset
from skxssr._torch.threads import prefetch
from skxssr._utils.progress import progress_bar
from skxssr.io import Images

__all__ = ["reestimate"]


def reestimate(
    module: nn.Module,
    images: Images,
    *,
    size: int,
    channels: int,
    batch_size: int,
    device: str,
    cache_dir: str | os.PathLike | None = None,
    verbose: int = 0,
) -> None:
    """Replace the running mean and variance of each batch norm by averages over `images`.

    `module` is changed in place and left in eval mode on the CPU; its weights stay as they are.
    """
    norms = [
        part
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
    ]
    if not norms:
        raise ValueError(
            "the network has no batch normalisation, so there is nothing to adapt: choose an arch "
            "and encoder_name that have (Unet with a ResNet does), or predict without adapt"
        )
    if len(images) < 2:
        raise ValueError("adapt needs at least 2 images to estimate a variance, got 1")
    # Shuffled, or slices of one patient would make a batch and too small a variance; full, since
    # batches weigh the same: the remainder is spread over them.
    order = np.random.default_rng(0).permutation(len(images))
    parts = np.array_split(order, max(1, len(images) // batch_size))
    data = SquareDataset(images, size, channels, keep=False, cache_dir=cache_dir)
    chosen = resolve_device(device)
    momenta = [norm.momentum for norm in norms]
    module.eval().to(chosen)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
        norm.train()
    try:
        with torch.no_grad(), progress_bar(len(parts), "adapting", verbose=verbose) as bar:
            for (squares,) in prefetch(data.take, parts):
                module(squares.to(chosen))
                bar.update()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval().to("cpu")
