"""Run a module over images, batch by batch. Imports torch."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from skxssr._progress import progress_bar
from skxssr._torch.images import Placement, batches
from skxssr._torch.loop import resolve_device
from skxssr.io import Images

__all__ = ["apply", "collect"]

Function = Callable[[torch.Tensor], torch.Tensor]


def apply(
    module: torch.nn.Module,
    function: Function,
    images: Images,
    *,
    size: int,
    channels: int,
    batch_size: int,
    device: str,
    verbose: int = 0,
    label: str,
) -> Iterator[tuple[torch.Tensor, list[Placement]]]:
    """`function` of each batch of squares, as float32 on the CPU, with where the images lie.

    `function` calls `module`, which works in eval mode on `device` and is put back where it was.
    """
    chosen = resolve_device(device)
    tensors = itertools.chain(module.parameters(), module.buffers())
    home = next((tensor.device for tensor in tensors), chosen)
    module.eval().to(chosen)
    try:
        with progress_bar(len(images), label, verbose=verbose, unit="image") as bar:
            for squares, placements in batches(images, size, channels, batch_size):
                with torch.inference_mode():
                    result = function(squares.to(chosen)).float().cpu()
                yield result, placements
                bar.update(len(placements))
    finally:
        module.to(home)


def collect(module: torch.nn.Module, function: Function, images: Images, **how: Any) -> np.ndarray:
    """The results for all images in one float32 array, C-contiguous; keywords as for `apply`."""
    parts = [result.numpy() for result, _ in apply(module, function, images, **how)]
    return np.ascontiguousarray(np.concatenate(parts))
