"""Rounds after the first: selectors that ask a model which has seen labels.

Their `select` is that of every selector, on images instead of embeddings.
"""

from skxssr.warm.badge import BADGESelector
from skxssr.warm.gradients import gradient_embeddings
from skxssr.warm.learning_loss import LearningLossSelector
from skxssr.warm.ranking import BALDSelector, EntropySelector

__all__ = [
    "BADGESelector",
    "BALDSelector",
    "EntropySelector",
    "LearningLossSelector",
    "gradient_embeddings",
]
