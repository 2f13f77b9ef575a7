"""Measures as pure functions: coverage and domain gap without labels, overlap and distance with."""

from skxssr.metrics.coverage import coverage_loss
from skxssr.metrics.domain_gap import DomainGap, domain_gap
from skxssr.metrics.segmentation import dice, iou
from skxssr.metrics.surface import (
    average_surface_distance,
    hausdorff95,
    normalized_surface_distance,
)
from skxssr.metrics.uncertainty import entropy, mutual_information

__all__ = [
    "DomainGap",
    "average_surface_distance",
    "coverage_loss",
    "dice",
    "domain_gap",
    "entropy",
    "hausdorff95",
    "iou",
    "mutual_information",
    "normalized_surface_distance",
]
