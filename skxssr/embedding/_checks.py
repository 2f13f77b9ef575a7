"""What a masked autoencoder's sizes must agree with."""

from typing import Any

import numpy as np

__all__ = ["check_sizes"]


def check_sizes(embedder: Any) -> None:
    """Patches fill the square, and heads and positions divide the widths."""
    if embedder.image_size % embedder.patch_size or embedder.image_size == embedder.patch_size:
        down = max(2, embedder.image_size // embedder.patch_size) * embedder.patch_size
        raise ValueError(
            f"image_size ({embedder.image_size}) must be a multiple, at least twice, of patch_size "
            f"({embedder.patch_size}): use image_size={down}"
        )
    for name in ("embed_dim", "decoder_dim"):
        width = getattr(embedder, name)
        if width % embedder.num_heads or width % 4:
            unit = int(np.lcm(4, embedder.num_heads))
            raise ValueError(
                f"{name} ({width}) must be divisible by num_heads ({embedder.num_heads}) and by 4 "
                f"(sine and cosine for two axes): use {name}={-(-width // unit) * unit}"
            )
