"""Segmenters: fitted on images and masks, they predict masks.

May import scikit-learn, numpy, `skxssr.io` and `skxssr.metrics`; reaches `skxssr._torch` only
inside methods, so importing this package imports no torch.
"""

from skxssr.segmentation.recipes import compact_segmenter
from skxssr.segmentation.ridge import RidgeSegmenter
from skxssr.segmentation.smp import SMPSegmenter
from skxssr.segmentation.torch_module import TorchSegmenter

__all__ = ["RidgeSegmenter", "SMPSegmenter", "TorchSegmenter", "compact_segmenter"]
