"""Whether masks lie where their images do."""

from typing import Any

from skxssr.io.medical import check_geometry
from skxssr.io.stacks import Images, Masks

__all__ = ["check_mask_shapes"]


def check_mask_shapes(images: Any, masks: Any) -> None:
    """Raise unless there are as many masks as images, and each has its image's height and width.

    Every file is decoded once; one pair is in memory at a time.

    Parameters
    ----------
    images : array, sequence or Images
        As for `Images`, n of them.
    masks : array, sequence or Masks
        As for `Masks`, n of them.

    Raises
    ------
    ValueError
        The numbers differ, or a mask has another size than its image, or lies elsewhere (affine of
        NIfTI volumes, pixel spacing of DICOM files); both are named.

    See Also
    --------
    pair_images_and_masks : Pair the files of two folders.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.io import check_mask_shapes
    >>> check_mask_shapes(np.zeros((2, 8, 9)), np.zeros((2, 8, 9), dtype=int))
    """
    images, masks = Images(images), Masks(masks)
    if len(images) != len(masks):
        raise ValueError(
            f"there are {len(images)} images and {len(masks)} masks: give one mask for each image"
        )
    for i, (image_name, mask_name) in enumerate(zip(images.names, masks.names, strict=True)):
        image_shape, mask_shape = images[i].shape[:2], masks[i].shape
        if image_shape != mask_shape:
            raise ValueError(
                f"{mask_name} has shape {mask_shape} but {image_name} has {image_shape}: a mask "
                "must have the height and width of its image"
            )
        if len(images.files(i)) == 1:
            for part in masks.files(i):
                check_geometry(images.files(i)[0], part)
