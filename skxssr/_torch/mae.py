"""The masked autoencoder of He et al. (2022), on timm's patch embedding and blocks.

Read top-down: hide, encode, decode, compare.
"""

from functools import partial
from typing import Any

import torch
from timm.layers import PatchEmbed, build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import nn
from torchvision.transforms import v2

from skxssr._torch.global_state import seeded
from skxssr._torch.pooling import pooled

__all__ = ["MaskNoise", "MaskedAutoencoder", "MaskedLoss", "build"]

EPS = 1e-6  # added to a patch's variance, as in the reference code


class MaskedAutoencoder(nn.Module):
    """Encode the visible quarter of an image's patches, guess the rest.

    Shapes in comments: B images, C channels, N patches, V visible ones, p patch size, D width.
    """

    positions: torch.Tensor
    decoder_positions: torch.Tensor

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        in_channels: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        decoder_dim: int,
        decoder_depth: int,
        mask_ratio: float,
    ) -> None:
        super().__init__()
        self.patch_size, self.mask_ratio = patch_size, mask_ratio
        self.patch_embed = PatchEmbed(image_size, patch_size, in_channels, embed_dim)
        grid = list(self.patch_embed.grid_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.blocks = _blocks(embed_dim, depth, num_heads)
        self.norm = nn.LayerNorm(embed_dim, eps=EPS)

        self.decoder_embed = nn.Linear(embed_dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        self.decoder_blocks = _blocks(decoder_dim, decoder_depth, num_heads)
        self.decoder_norm = nn.LayerNorm(decoder_dim, eps=EPS)
        self.decoder_pred = nn.Linear(decoder_dim, patch_size**2 * in_channels)
        # fixed, so not saved with the weights
        for name, dim in (("positions", embed_dim), ("decoder_positions", decoder_dim)):
            self.register_buffer(name, build_sincos2d_pos_embed(grid, dim)[None], persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; `noise` (B, N) decides what is masked."""
        guess, mask = self.guess(images, noise)
        target = normalise(patchify(images, self.patch_size))[0]
        return ((guess.float() - target) ** 2).mean(-1)[mask].mean()

    def guess(self, images: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised pixels of all patches (B, N, p*p*C), and which were masked (B, N)."""
        order = noise.argsort(dim=1)
        visible = order[:, : self.n_visible]  # B, V
        latent = self.encode(images, visible)

        tokens = self.decoder_embed(latent)
        width = tokens.shape[-1]
        canvas = self.mask_token.to(tokens.dtype).expand(*noise.shape, width)
        canvas = canvas.scatter(1, _over(visible, width), tokens[:, 1:]) + self.decoder_positions
        tokens = self.decoder_blocks(torch.cat([tokens[:, :1], canvas], dim=1))
        guess = self.decoder_pred(self.decoder_norm(tokens[:, 1:]))
        mask = torch.ones_like(noise, dtype=torch.bool).scatter(1, visible, False)
        return guess, mask

    def encode(self, images: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
        """Latent tokens (B, 1 + V, D), the class token first; all patches without `visible`."""
        tokens = self.patch_embed(images * 4 - 2) + self.positions  # films: mean ~ 0, deviation ~ 1
        if visible is not None:
            tokens = tokens.gather(1, _over(visible, tokens.shape[-1]))
        cls = self.cls_token.expand(len(tokens), -1, -1)
        return self.norm(self.blocks(torch.cat([cls, tokens], dim=1)))

    def patch_tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Latent tokens of all patches (B, N, D), row by row, without the class token."""
        return self.encode(images)[:, 1:]

    def embed(self, images: torch.Tensor, pooling: str) -> torch.Tensor:
        """Embeddings (B, D) from all patches, (B, 2 D) for "mean+max" and "mean+std"."""
        if pooling == "cls":
            return self.encode(images)[:, 0]
        return pooled(self.patch_tokens(images), 1, pooling)

    def reconstruct(self, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """(B, 3, C, S, S): the images, with hidden patches gray, with hidden patches guessed.

        The network guesses normalised patches; they get the mean and deviation of the true patch.
        """
        guess, mask = self.guess(images, noise)
        patches = patchify(images, self.patch_size)
        _, mean, std = normalise(patches)
        gray = torch.full_like(patches, 0.5)
        guessed = (guess.float() * std + mean).clamp(0, 1)
        channels, grid = images.shape[1], self.patch_embed.grid_size
        shown = [
            unpatchify(
                torch.where(mask[..., None], filling, patches), self.patch_size, channels, grid
            )
            for filling in (gray, guessed)
        ]
        return torch.stack([images, *shown], dim=1)

    @property
    def n_patches(self) -> int:
        return self.patch_embed.num_patches

    @property
    def n_visible(self) -> int:
        return max(1, min(self.n_patches - 1, round(self.n_patches * (1 - self.mask_ratio))))


def build(seed: int, **sizes: Any) -> MaskedAutoencoder:
    """A new model; the same weights for the same seed, whatever torch's global generator says."""
    with seeded(seed, torch.device("cpu")):
        return MaskedAutoencoder(**sizes)


def _blocks(dim: int, depth: int, heads: int) -> nn.Sequential:
    norm: Any = partial(nn.LayerNorm, eps=EPS)
    return nn.Sequential(*(Block(dim, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)))


def _over(indices: torch.Tensor, width: int) -> torch.Tensor:
    return indices[..., None].expand(-1, -1, width)


def patchify(images: torch.Tensor, size: int) -> torch.Tensor:
    """(B, C, S, S) to (B, N, p*p*C), patches row by row."""
    b, c, h, w = images.shape
    cut = images.reshape(b, c, h // size, size, w // size, size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, size * size * c)


def unpatchify(
    patches: torch.Tensor, size: int, channels: int, grid: tuple[int, int]
) -> torch.Tensor:
    """The inverse of `patchify`."""
    rows, columns = grid
    cut = patches.reshape(len(patches), rows, columns, size, size, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), channels, rows * size, -1)


def normalise(patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each patch to mean 0 and deviation 1; with what was taken away, to undo it."""
    mean = patches.mean(-1, keepdim=True)
    std = (patches.var(-1, keepdim=True) + EPS).sqrt()
    return (patches - mean) / std, mean, std


class MaskNoise:
    """Noise that decides which patches of a batch to hide, from a seed."""

    def __init__(self, module: MaskedAutoencoder, seed: int) -> None:
        self.n_patches, self.generator = module.n_patches, torch.Generator().manual_seed(int(seed))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        noise = torch.rand(len(images), self.n_patches, generator=self.generator)
        return noise.to(images.device)


class MaskedLoss:
    """The loss of one training step: crops a little if told to, then masks."""

    def __init__(self, image_size: int, n_patches: int, augment: bool) -> None:
        self.n_patches = n_patches
        self.augment: Any = None
        if augment:
            self.augment = v2.RandomResizedCrop(
                image_size, scale=(0.5, 1.0), ratio=(0.8, 1.25), antialias=True
            )

    def __call__(
        self,
        module: nn.Module,
        batch: tuple[torch.Tensor, ...],
        generator: torch.Generator,
    ) -> torch.Tensor:
        (images,) = batch
        if self.augment is not None:
            images = torch.stack([self.augment(image) for image in images])
        noise = torch.rand(len(images), self.n_patches, generator=generator)
        return module(images, noise.to(images.device))
