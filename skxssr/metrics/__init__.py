"""Measures as pure functions: coverage without labels, Dice and IoU with. Imports `_kernels`."""

from skxssr.metrics.coverage import coverage_loss
from skxssr.metrics.segmentation import dice, iou

__all__ = ["coverage_loss", "dice", "iou"]
