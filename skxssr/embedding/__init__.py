"""Embedders: images to one vector each, as scikit-learn transformers.

May import scikit-learn, numpy and `skxssr.io`; reaches `skxssr._torch` only inside methods, so
importing this package imports no torch.
"""

from skxssr.embedding.mae import MAEEmbedder, Reconstruction
from skxssr.embedding.module import TorchEmbedder

__all__ = ["MAEEmbedder", "Reconstruction", "TorchEmbedder"]
