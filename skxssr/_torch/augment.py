"""Random variants of images and their masks, by torchvision. Imports torch and torchvision."""

import math

import torch
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


def augment(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A variant of each image (B, C, S, S) and mask (B, S, S), by torch's global generator."""
    pairs = [_one(image, mask) for image, mask in zip(images, masks, strict=True)]
    return torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])


def _one(image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = _GEOMETRY(tv_tensors.Image(image), tv_tensors.Mask(mask))
    gamma = math.exp(_GAMMA * (2 * float(torch.rand(())) - 1))
    image = v2.functional.adjust_gamma(image, gamma)
    return _INTENSITY(image).as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)
