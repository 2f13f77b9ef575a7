"""Measures as pure functions: coverage without labels, overlap and distance with.

Imports `_kernels`.
"""

from skxssr.metrics.coverage import coverage_loss
from skxssr.metrics.segmentation import dice, iou
from skxssr.metrics.surface import (
    average_surface_distance,
    hausdorff95,
    normalized_surface_distance,
)

__all__ = [
    "average_surface_distance",
    "coverage_loss",
    "dice",
    "hausdorff95",
    "iou",
    "normalized_surface_distance",
]
