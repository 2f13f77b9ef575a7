"""Images and masks from disk or memory, one at a time, as plain arrays.

May import numpy, and Pillow (extra "torch"), pydicom or nibabel (extra "medical") at the call that
reads a file; never torch, a kernel or a selector.
"""

from skxssr.io.decode import read_image, read_mask
from skxssr.io.files import (
    IMAGE_SUFFIXES,
    find_unreadable,
    list_images,
    pair_images_and_masks,
)
from skxssr.io.intensity import IntensityRule, find_intensity_rule
from skxssr.io.inventory import Inventory, take_inventory
from skxssr.io.mask_values import MaskRule, find_mask_rule
from skxssr.io.medical import groups_from_headers, list_slices, pixel_spacing
from skxssr.io.shapes import check_mask_shapes
from skxssr.io.stacks import Images, Masks

__all__ = [
    "IMAGE_SUFFIXES",
    "Images",
    "IntensityRule",
    "Inventory",
    "MaskRule",
    "Masks",
    "check_mask_shapes",
    "find_intensity_rule",
    "find_mask_rule",
    "find_unreadable",
    "groups_from_headers",
    "list_images",
    "list_slices",
    "pair_images_and_masks",
    "pixel_spacing",
    "read_image",
    "read_mask",
    "take_inventory",
]
