"""Random variants of images and their masks, by torchvision. Imports torch and torchvision."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

__all__ = ["augment"]

# One film differs from the next in how the patient stood and how the tube was set. No mirroring:
# it would move the heart to the other side.
_GEOMETRY = v2.RandomAffine(
    degrees=10,
    translate=(0.08, 0.08),
    scale=(0.85, 1.2),
    shear=(-5, 5, -5, 5),
    interpolation=InterpolationMode.BILINEAR,
)
_INTENSITY = v2.Compose(
    [
        v2.ColorJitter(brightness=0.3, contrast=0.4),
        v2.RandomApply([v2.GaussianBlur(kernel_size=3, sigma=(0.1, 1.5))], p=0.2),
        v2.RandomApply([v2.GaussianNoise(sigma=0.04)], p=0.3),
    ]
)
_GAMMA = math.log(1.8)


def augment(
    images: torch.Tensor, masks: torch.Tensor, *, strong: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """A variant of each image (B, C, S, S) and mask (B, S, S), by torch's global generator.

    `strong` changes intensities as much as another scanner might; geometry is the same.
    """
    intensity = _strong if strong else _standard
    pairs = [_one(image, mask, intensity) for image, mask in zip(images, masks, strict=True)]
    return torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])


def _one(
    image: torch.Tensor, mask: torch.Tensor, intensity: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = _GEOMETRY(tv_tensors.Image(image), tv_tensors.Mask(mask))
    return intensity(image).as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)


def _standard(image: torch.Tensor) -> torch.Tensor:
    gamma = math.exp(_GAMMA * (2 * float(torch.rand(())) - 1))
    return _INTENSITY(v2.functional.adjust_gamma(image, gamma))


def _strong(image: torch.Tensor) -> torch.Tensor:
    """Each change with probability 1/2, one on top of the other, as in BigAug."""
    for change in _CHANGES:
        if float(torch.rand(())) < 0.5:
            image = change(image)
    return image


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _random_convolution(image: torch.Tensor) -> torch.Tensor:
    """RandConv, mixed with the image, stretched to the range that the image had.

    Negative weights turn dark into bright, so inverted contrasts are among the variants.
    """
    radius, channels = int(torch.randint(0, 4, ())), len(image)
    side = 2 * radius + 1
    weight = torch.randn(channels, channels, side, side) / math.sqrt(channels * side**2)
    padded = F.pad(image[None], (radius,) * 4, mode="reflect")
    share = _uniform(0, 1)
    mixed = share * image + (1 - share) * F.conv2d(padded, weight.to(image))[0]
    low, high = mixed.min(), mixed.max()
    unit = (mixed - low) / (high - low).clamp_min(1e-6)  # an image of one value keeps it
    return (image.min() + unit * (image.max() - image.min())).clamp(0, 1)


_CHANGES = (
    _random_convolution,
    lambda image: v2.functional.adjust_sharpness(image, _uniform(1, 10)),
    lambda image: v2.functional.gaussian_blur(image, [9, 9], [_uniform(0.25, 2.0)] * 2),
    lambda image: v2.functional.adjust_gamma(image, 3 ** _uniform(-1, 1)),
    lambda image: v2.functional.adjust_brightness(image, _uniform(0.5, 1.5)),
    lambda image: v2.functional.adjust_contrast(image, _uniform(0.4, 1.8)),
    lambda image: v2.functional.gaussian_noise(image, sigma=_uniform(0, 0.1)),
)
