"""Random variants of a batch of images and their masks.

Geometry and the standard changes of intensity are computed for the whole batch at once, each image
with its own parameters: one call of torchvision's transforms for each image takes as long as the
training step of a small network.
"""

import math

import torch
import torch.nn.functional as F
from torchvision.transforms import v2

__all__ = ["augment", "views"]

# One film differs from the next in how the patient stood and how the tube was set. No mirroring:
# it would move the heart to the other side.
_DEGREES = 10.0
_SHEAR_DEGREES = 5.0
_SHIFT = 0.08
_SCALE = (0.85, 1.2)
_GAMMA = 1.8
_BRIGHTNESS = 0.3
_CONTRAST = 0.4
_BLUR_SHARE, _BLUR_SIGMA = 0.2, (0.1, 1.5)
_NOISE_SHARE, _NOISE_SIGMA = 0.3, 0.04
# Of views alone: stain, skin and white balance differ, and some views are gray, as in SimCLR.
_TINT = 0.2
_GRAY_SHARE = 0.2


def augment(
    images: torch.Tensor,
    masks: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    strong: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A variant of each image and mask.

    Parameters
    ----------
    images : Tensor of shape (B, C, S, S), float, in [0, 1]
    masks : Tensor of shape (B, S, S), int64
    generator : torch.Generator, optional
        On the CPU; torch's global one without it.
    strong : bool, default=False
        Change intensities as much as another scanner might; geometry is the same. These changes
        are torchvision's, and draw from torch's global generator.

    Returns
    -------
    tuple of Tensor
        Of the same shapes and dtypes.
    """
    draw = _Draw(len(images), images.device, generator)
    images, masks = _move(images, masks, draw)
    if strong:
        return torch.stack([_strong(image) for image in images]), masks
    return _change_intensities(images, draw), masks


def views(
    images: torch.Tensor, min_area: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """One view of each image for contrastive training: a crop, turned, with other intensities.

    Parameters
    ----------
    images : Tensor of shape (B, C, S, S), float, in [0, 1]
    min_area : float
        Least share of the square's area that a crop shows.
    generator : torch.Generator, optional
        On the CPU; torch's global one without it.

    Returns
    -------
    Tensor
        Of the same shape and dtype. Nothing is mirrored.
    """
    draw = _Draw(len(images), images.device, generator)
    side = draw.uniform(min_area, 1).sqrt()
    turn = torch.deg2rad(draw.uniform(-_DEGREES, _DEGREES))
    centre = torch.stack([draw.uniform(-1, 1) for _ in range(2)], dim=1) * (1 - side)[:, None]
    rotation = _matrix(turn.cos(), -turn.sin(), turn.sin(), turn.cos())
    theta = torch.cat([side[:, None, None] * rotation, centre[:, :, None]], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    cropped = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    if images.shape[1] == 3:
        cropped = _change_colours(cropped, draw)
    return _change_intensities(cropped, draw)


def _change_colours(images: torch.Tensor, draw: "_Draw") -> torch.Tensor:
    """Each channel brighter or darker by itself; some images gray."""
    factors = torch.stack([draw.uniform(1 - _TINT, 1 + _TINT) for _ in range(3)], dim=1)
    tinted = (images * factors[:, :, None, None]).clamp(0, 1)
    gray = draw.uniform(0, 1) < _GRAY_SHARE
    return torch.where(gray[:, None, None, None], tinted.mean(dim=1, keepdim=True), tinted)


class _Draw:
    """Random numbers for the images of one batch, drawn on the CPU and put on their device."""

    def __init__(self, n: int, device: torch.device, generator: torch.Generator | None) -> None:
        self.n, self.device, self.generator = n, device, generator

    def uniform(self, low: float, high: float) -> torch.Tensor:
        """One number an image: (n,)."""
        return (low + (high - low) * torch.rand(self.n, generator=self.generator)).to(self.device)

    def normal(self, shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)


def _move(
    images: torch.Tensor, masks: torch.Tensor, draw: _Draw
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate, shear, scale and shift; what comes into the square from outside is 0."""
    turn = torch.deg2rad(draw.uniform(-_DEGREES, _DEGREES))
    shear_x, shear_y = (
        torch.tan(torch.deg2rad(draw.uniform(-_SHEAR_DEGREES, _SHEAR_DEGREES))) for _ in range(2)
    )
    scale = draw.uniform(*_SCALE)
    # the square is 2 units wide for affine_grid
    shift = torch.stack([draw.uniform(-2 * _SHIFT, 2 * _SHIFT) for _ in range(2)], dim=1)
    ones = torch.ones_like(turn)
    rotation = _matrix(turn.cos(), -turn.sin(), turn.sin(), turn.cos())
    shearing = _matrix(ones, shear_x, shear_y, ones)
    back = torch.linalg.inv(scale[:, None, None] * rotation @ shearing)  # from output to input
    theta = torch.cat([back, -(back @ shift[:, :, None])], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    codes = F.grid_sample(masks[:, None].float(), grid, mode="nearest", align_corners=False)
    return moved, codes[:, 0].to(masks.dtype)


def _matrix(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.stack([a, b], dim=1), torch.stack([c, d], dim=1)], dim=1)


def _change_intensities(images: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Gamma, brightness and contrast of every image; blur and noise of some."""

    def of_image(values: torch.Tensor) -> torch.Tensor:
        return values[:, None, None, None]

    log_gamma = math.log(_GAMMA)
    images = images.clamp(0, 1) ** of_image(draw.uniform(-log_gamma, log_gamma).exp())
    images = (images * of_image(draw.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS))).clamp(0, 1)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    factor = of_image(draw.uniform(1 - _CONTRAST, 1 + _CONTRAST))
    images = (mean + factor * (images - mean)).clamp(0, 1)
    blurred = draw.uniform(0, 1) < _BLUR_SHARE
    sigma = draw.uniform(*_BLUR_SIGMA)
    if bool(blurred.any()):
        images = torch.where(of_image(blurred), _blur(images, of_image(sigma)), images)
    noisy = draw.uniform(0, 1) < _NOISE_SHARE
    noise = _NOISE_SIGMA * draw.normal(images.shape)
    return (images + of_image(noisy) * noise).clamp(0, 1)


def _blur(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A Gaussian of 3 x 3 pixels, each image with its own deviation."""
    side = torch.exp(-0.5 / sigma**2)
    middle, side = 1 / (1 + 2 * side), side / (1 + 2 * side)
    wide = F.pad(images, (1, 1, 1, 1), mode="reflect")
    across = middle * wide[..., 1:-1] + side * (wide[..., :-2] + wide[..., 2:])
    return middle * across[..., 1:-1, :] + side * (across[..., :-2, :] + across[..., 2:, :])


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
