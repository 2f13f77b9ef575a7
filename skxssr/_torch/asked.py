"""What a trained segmentation network is asked besides its prediction."""

import copy
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from skxssr._torch.global_state import seeded
from skxssr._torch.infer import apply
from skxssr._torch.loop import seed_of
from skxssr._torch.unet import probabilities
from skxssr.io import Images

__all__ = ["LastConvolution", "dropout_draws", "last_layer"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
DROPOUTS = (nn.modules.dropout._DropoutNd,)


class LastConvolution:
    """Within ``with``: what goes into the last convolution that a network runs, and comes out."""

    def __init__(self, network: nn.Module) -> None:
        self.layers = [part for part in network.modules() if isinstance(part, CONVOLUTIONS)]
        if not self.layers:
            raise ValueError(
                "the network has no convolution, so there is no last layer to ask: take a network "
                "with one (every arch of SMPSegmenter has), or EntropySelector"
            )
        self.inputs = self.outputs = torch.empty(0)

    def _note(self, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self.inputs, self.outputs = inputs[0], output

    def __enter__(self) -> Self:
        self._handles = [layer.register_forward_hook(self._note) for layer in self.layers]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


def last_layer(segmenter: Any, images: Images) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (B, F, H, W) and probabilities (B, K, H, W) of the last layer, batch by batch."""
    network, n_classes = segmenter.module_, len(segmenter.classes_)
    last = LastConvolution(network)

    def ask(squares: torch.Tensor) -> torch.Tensor:
        with last:
            network(squares)
        return torch.cat([probabilities(last.outputs.float()), last.inputs.float()], dim=1)

    for maps, _ in apply(network, ask, images, **_how(segmenter, "asking the last layer")):
        yield maps[:, n_classes:].numpy(), maps[:, :n_classes].numpy()


class _KeepsDropping(nn.Module):
    """A network in eval mode whose dropout goes on."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network)
        parts = [part for part in self.network.modules() if isinstance(part, DROPOUTS)]
        self.dropouts = [part for part in parts if part.p > 0]
        if not self.dropouts:
            raise ValueError(
                "the network has no dropout, so that all draws would be the same: fit "
                "SMPSegmenter(dropout=0.2), or a network that has dropout layers"
            )

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.dropouts:
            part.train(True)
        return self


def dropout_draws(segmenter: Any, images: Images, n_draws: int, seed: int) -> Iterator[np.ndarray]:
    """Of each image the probabilities (n_draws, K, H, W), in the square, without its black rest."""
    noisy, number = _KeepsDropping(segmenter.module_), 0

    def draw(squares: torch.Tensor) -> torch.Tensor:
        nonlocal number
        number += 1
        with seeded(seed_of(seed, number), squares.device):
            maps = [noisy.network.probabilities(squares) for _ in range(n_draws)]
        return torch.cat(maps, dim=1)

    for maps, placements in apply(noisy, draw, images, **_how(segmenter, "drawing by dropout")):
        for one, at in zip(maps.numpy(), placements, strict=True):
            cut = one[:, at.top : at.top + at.height, at.left : at.left + at.width]
            yield cut.reshape(n_draws, -1, *cut.shape[1:])


def _how(segmenter: Any, label: str) -> dict[str, Any]:
    """How to run the network of a segmenter: as its own predictions do."""
    return {
        "size": segmenter.image_size,
        "channels": segmenter.n_channels_,
        "batch_size": segmenter.batch_size,
        "device": segmenter.device,
        "cache_dir": segmenter.cache_dir,
        "verbose": segmenter.verbose,
        "label": label,
    }
