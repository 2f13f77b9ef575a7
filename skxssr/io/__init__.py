"""Images and masks from disk or memory, one at a time, as plain arrays.

May import numpy, and Pillow at the call that reads a file (extra "torch"); never torch, a kernel or
a selector.
"""

from skxssr.io.decode import read_image, read_mask
from skxssr.io.files import (
    IMAGE_SUFFIXES,
    find_unreadable,
    list_images,
    pair_images_and_masks,
)
from skxssr.io.stacks import Images, Masks, check_mask_shapes

__all__ = [
    "IMAGE_SUFFIXES",
    "Images",
    "Masks",
    "check_mask_shapes",
    "find_unreadable",
    "list_images",
    "pair_images_and_masks",
    "read_image",
    "read_mask",
]
