"""Run a module over images, batch by batch."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch

from skxssr._torch.device import resolve_device
from skxssr._torch.images import Letterbox, batches
from skxssr._utils.progress import progress_bar
from skxssr.io import Images

__all__ = ["apply", "collect"]

Function = Callable[[torch.Tensor], torch.Tensor]
Item = TypeVar("Item")


def apply(
    module: torch.nn.Module,
    function: Function,
    images: Images,
    *,
    size: int,
    channels: int,
    batch_size: int,
    device: str,
    cache_dir: str | os.PathLike | None = None,
    interpolation: str = "bilinear",
    verbose: int = 0,
    label: str,
) -> Iterator[tuple[torch.Tensor, list[Letterbox]]]:
    """`function` of each batch of squares, as float32 on the CPU, with where the images lie.

    `function` calls `module`, which works in eval mode on `device` and is put back where it was.
    """
    chosen = resolve_device(device)
    tensors = itertools.chain(module.parameters(), module.buffers())
    home = next((tensor.device for tensor in tensors), chosen)
    module.eval().to(chosen)
    stream = batches(
        images,
        size,
        channels,
        batch_size,
        device=chosen,
        cache_dir=cache_dir,
        interpolation=interpolation,
    )

    waits = chosen.type != "cuda"  # torch's copies to other devices are not safe without waiting

    def results() -> Iterator[tuple[torch.Tensor, list[Letterbox]]]:
        for squares, placements in stream:
            with torch.inference_mode():
                result = function(squares.to(chosen, non_blocking=not waits)).float()
            yield result, placements

    try:
        with (
            contextlib.closing(stream),
            progress_bar(len(images), label, verbose=verbose, unit="image") as bar,
        ):
            for result, placements in _one_behind(results()):
                yield result.cpu(), placements
                bar.update(len(placements))
    finally:
        module.to(home)


def _one_behind(items: Iterator[Item]) -> Iterator[Item]:
    """Each item when the next has been made: a GPU computes the one while the other is fetched."""
    last = next(items)
    for item in items:
        yield last
        last = item
    yield last


def collect(module: torch.nn.Module, function: Function, images: Images, **how: Any) -> np.ndarray:
    """The results for all images in one float32 array, C-contiguous; keywords as for `apply`."""
    parts = [result.numpy() for result, _ in apply(module, function, images, **how)]
    return np.ascontiguousarray(np.concatenate(parts))
