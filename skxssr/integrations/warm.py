"""What a trained model adds to later rounds, from plain arrays.

Works with the probabilities of any library: scikit-learn, PyTorch, `SMPSegmenter`. Selectors that
ask a fitted segmenter themselves are in `skxssr.warm`.
"""

from skxssr.metrics.uncertainty import entropy
from skxssr.warm.gradients import gradient_embeddings

__all__ = ["entropy", "gradient_embeddings"]
