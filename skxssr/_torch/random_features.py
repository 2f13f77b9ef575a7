"""Features of every pixel that nobody trained: random convolutions and where the pixel lies.

The weights are drawn once from a seed and never change; a linear model on top of
them is a segmenter, their mean and deviation over an image are an embedding.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from skxssr._torch.loop import seed_of

__all__ = ["RandomFeatures"]

# Who draws. Both put it beside their seed, so that a selector's embedding and the segmenter that
# judges its picks have no feature in common, whatever seeds they are given.
SEGMENTER, EMBEDDER = 0, 1

SCALES = 4  # each half as fine as the one before
WIDTH = 24  # channels of each of the two layers of a scale
N_POSITION = 48
SPREAD = 3.0  # deviation of the frequencies of position: half a period to a few over an image
N_PRODUCTS = (8, 12)  # position features times channels of the coarsest layer
WINDOW = 9  # pixels that local contrast looks at


class RandomFeatures(nn.Module):
    """Images in [0, 1] (B, C, S, S) to features (B, `n_features`, S, S) of each pixel.

    They are a constant, random Fourier features of position, products of some of these with some
    of the coarsest appearance, and appearance: the layers of `n_draws` random networks of the same
    shape, side by side.
    """

    first: torch.Tensor
    second: torch.Tensor
    frequencies: torch.Tensor
    phases: torch.Tensor

    def __init__(self, channels: int, seed: int, drawn_by: int, n_draws: int = 1) -> None:
        super().__init__()
        self.n_draws = n_draws
        source = torch.Generator().manual_seed(seed_of(seed, drawn_by))

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=source)

        seen = channels + 1  # and local contrast
        wide = n_draws * WIDTH
        self.register_buffer("first", normal(SCALES, wide, seen, 3, 3) / math.sqrt(9 * seen))
        second = normal(SCALES, wide, WIDTH, 3, 3) * math.sqrt(2 / (9 * WIDTH))
        self.register_buffer("second", second)
        self.register_buffer("frequencies", SPREAD * normal(N_POSITION, 2))
        self.register_buffer("phases", 2 * math.pi * torch.rand(N_POSITION, generator=source))
        self.n_appearance = seen + 2 * SCALES * wide
        self.n_features = 1 + N_POSITION + math.prod(N_PRODUCTS) + self.n_appearance

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """All features of each pixel, float32 with the precision of 16 bits.

        What is kept in half the memory is then exactly what was computed.
        """
        appearance, where = self.appearance(images), self.position(images.shape[-1])
        few, coarse = N_PRODUCTS
        where = where.expand(len(images), -1, -1, -1)
        products = where[:, :few, None] * appearance[:, None, -WIDTH : coarse - WIDTH]
        constant = torch.ones_like(where[:, :1])
        features = torch.cat([constant, where, products.flatten(1, 2), appearance], dim=1)
        return features.half().float()

    def layers(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """The standardised image with local contrast, then two random layers at each scale.

        Each scale has half the pixels of the one before in both directions.
        """
        scene = _standardised(images)
        scene = torch.cat([scene, _local_contrast(scene.mean(dim=1, keepdim=True))], dim=1)
        yield scene
        for scale, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            layer = scene if scale == 0 else F.avg_pool2d(scene, 2**scale)
            for kernel, groups in ((first, 1), (second, self.n_draws)):
                padded = F.pad(layer, (1, 1, 1, 1), mode="replicate")
                layer = F.conv2d(padded, kernel, groups=groups).relu()
                yield layer

    def appearance(self, images: torch.Tensor) -> torch.Tensor:
        """All layers at the size of the images (B, `n_appearance`, S, S), the coarsest last."""
        size = images.shape[-2:]
        maps = [
            layer
            if layer.shape[-2:] == size
            else F.interpolate(layer, size=size, mode="bilinear", align_corners=False)
            for layer in self.layers(images)
        ]
        return torch.cat(maps, dim=1)

    def position(self, size: int) -> torch.Tensor:
        """Random Fourier features of where a pixel lies (N_POSITION, S, S), for any image."""
        line = torch.linspace(-1, 1, size, device=self.phases.device)
        places = torch.stack(torch.meshgrid(line, line, indexing="ij"))
        angles = torch.tensordot(self.frequencies, places, dims=1)
        return (angles + self.phases[:, None, None]).cos()

    def moments(self, images: torch.Tensor) -> torch.Tensor:
        """Mean and standard deviation of each layer over an image (B, 2 * `n_appearance`)."""
        pairs = [torch.std_mean(layer, dim=(2, 3), correction=0) for layer in self.layers(images)]
        return torch.cat([mean for _, mean in pairs] + [deviation for deviation, _ in pairs], dim=1)

    def patches(self, images: torch.Tensor, grid: int) -> torch.Tensor:
        """Mean appearance of each of `grid` x `grid` patches (B, grid^2, `n_appearance`)."""
        pooled = [F.adaptive_avg_pool2d(layer, grid) for layer in self.layers(images)]
        return torch.cat(pooled, dim=1).flatten(2).transpose(1, 2)


def _standardised(images: torch.Tensor) -> torch.Tensor:
    """Each channel of each image to mean 0 and deviation 1; a constant one to 0."""
    deviation, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
    return (images - mean) / (deviation + 1e-3)


def _local_contrast(gray: torch.Tensor) -> torch.Tensor:
    """A gray image less its mean in a window, over its deviation there."""

    def blurred(maps: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(maps, WINDOW, 1, WINDOW // 2, count_include_pad=False)

    detail = gray - blurred(gray)
    return detail / (blurred(detail.square()) + 1e-2).sqrt()
