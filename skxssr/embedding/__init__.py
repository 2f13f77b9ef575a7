"""Embedders: images to one vector each, as scikit-learn transformers.

May import scikit-learn, numpy and `skxssr.io`; reaches `skxssr._torch` only inside methods, so
importing this package imports no torch.
"""

from skxssr.embedding.by_name import load_embedder
from skxssr.embedding.contrastive import ContrastiveEmbedder
from skxssr.embedding.joined import JoinedEmbedder
from skxssr.embedding.mae import MAEEmbedder, Reconstruction
from skxssr.embedding.module import TorchEmbedder
from skxssr.embedding.random_features import RandomFeaturesEmbedder

__all__ = [
    "ContrastiveEmbedder",
    "JoinedEmbedder",
    "MAEEmbedder",
    "RandomFeaturesEmbedder",
    "Reconstruction",
    "TorchEmbedder",
    "load_embedder",
]
