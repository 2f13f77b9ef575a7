"""How unsure a model is of each image."""

from typing import Any

import numpy as np
from scipy.special import entr

__all__ = ["entropy", "mutual_information"]

_SUM_TOLERANCE = 1e-3  # half precision keeps three digits


def entropy(probabilities: Any) -> np.ndarray:
    """Mean entropy of the predictions for each image: how unsure a model is of it.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes) or (n, n_classes, ...), or list of n arrays
        Probability of each class, of each image or of each pixel or voxel of it; classes on the
        second axis, as ``predict_proba`` of classifiers and of `SMPSegmenter` returns them. Images
        of different sizes come as a list of arrays of shape (n_classes, ...).

    Returns
    -------
    ndarray of shape (n,), float64
        In nats, from 0 (certain) to log(n_classes); the mean over the pixels of an image.

    Raises
    ------
    ValueError
        Fewer than two axes; values below 0 or not finite; or values that do not sum to 1 over the
        classes, as logits or a foreground probability alone do not.

    See Also
    --------
    mutual_information : Of that, what several models disagree about.
    skxssr.warm.gradient_embeddings : What the model would learn from each image.

    Notes
    -----
    Use it as demand, not as ranking: ``select(X, b, labeled=rows, sample_weight=entropy(p))``
    weighs what needs covering by how unsure the model is of it. The picks still stand for their
    neighbourhood and keep their distance. Only ratios of weights matter, so the unit does not.

    The mean over pixels favours images with long borders, that is with large objects. Where that
    matters, divide by the predicted area or pass a weight of your own.

    Probabilities of many large images need much memory. Predict in parts then, and join the
    entropies with `numpy.concatenate`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.metrics import entropy
    >>> entropy([[0.5, 0.5], [1.0, 0.0]]).round(3)
    array([0.693, 0.   ])

    One image of 2 classes and 1 x 2 pixels, one of them uncertain:

    >>> entropy(np.array([[[[0.5, 1.0]], [[0.5, 0.0]]]])).round(3)
    array([0.347])

    In a warm round:

    >>> from skxssr import XSSRSelector
    >>> X = np.array([[0.0], [4.0], [5.0], [6.0], [-4.0], [-5.0], [-6.0]])
    >>> selector = XSSRSelector(preprocess=None)
    >>> selector.select(X, 2, labeled=[0])
    array([2, 5])
    >>> p = np.array([1.0, 0.99, 0.99, 0.99, 0.6, 0.5, 0.6])
    >>> unsure = entropy(np.column_stack([p, 1 - p]))
    >>> selector.select(X, 2, labeled=[0], sample_weight=unsure)  # where it is unsure comes first
    array([5, 2])
    """
    ragged = isinstance(probabilities, list | tuple) and np.ndim(next(iter(probabilities), 0)) > 1
    images = probabilities if ragged else np.asarray(probabilities)
    if ragged or (images.ndim > 2 and len(images)):
        # One image at a time: the temporary arrays of all would be several times the size of p.
        return np.array([_entropy(np.asarray(image)[None])[0] for image in images])
    return _entropy(images)


def mutual_information(draws: Any) -> np.ndarray:
    """Mean disagreement of several predictions of each image: the score of BALD.

    The entropy of the mean prediction less the mean entropy of the predictions. Where all are
    equally unsure in the same way it is 0: another label would not settle that.

    Parameters
    ----------
    draws : array-like of shape (n_draws, n, n_classes) or (n_draws, n, n_classes, ...)
        Probabilities of each draw, as for `entropy`: of networks with dropout, of several seeds.

    Returns
    -------
    ndarray of shape (n,), float64
        In nats, from 0 (all draws agree) to log(min(n_draws, n_classes)); the mean over the pixels
        of an image.

    Raises
    ------
    ValueError
        Fewer than three axes, or values that are no probabilities (see `entropy`).

    See Also
    --------
    entropy : All doubts, whatever their kind.
    skxssr.warm.BALDSelector : Picks by it.

    References
    ----------
    .. [1] N. Houlsby, F. Huszar, Z. Ghahramani, M. Lengyel, "Bayesian active learning for
       classification and preference learning", 2011. :arxiv:`1112.5745`

    Examples
    --------
    Two models that contradict each other about the first image, and are both unsure of the second:

    >>> from skxssr.metrics import mutual_information
    >>> mutual_information([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]).round(3)
    array([0.693, 0.   ])
    """
    p = np.asarray(draws)
    if p.ndim < 3 or 0 in p.shape:
        raise ValueError(
            "draws must be of shape (n_draws, n, n_classes) or (n_draws, n, n_classes, ...), none "
            f"of them 0. Got shape {p.shape} instead."
        )
    alone = np.mean([_entropy(one) for one in p], axis=0)
    return np.maximum(_entropy(p.mean(axis=0, dtype=np.float64)) - alone, 0.0)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    p = check_probabilities(probabilities)
    return entr(p).sum(axis=1).reshape(len(p), -1).mean(axis=1)


def check_probabilities(p: np.ndarray) -> np.ndarray:
    """Probabilities over axis 1 as float64, or an error that says why they are none."""
    if p.ndim < 2 or 0 in p.shape:
        raise ValueError(
            "probabilities must be of shape (n, n_classes) or (n, n_classes, ...), none of them 0. "
            f"Got shape {p.shape} instead."
        )
    p = p.astype(np.float64, copy=False)
    if not (np.isfinite(p).all() and p.min() >= 0):
        bad = p[~(np.isfinite(p) & (p >= 0))][0]
        raise ValueError(f"probabilities must be finite and at least 0. They hold {bad}.")
    sums = p.sum(axis=1)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"probabilities must sum to 1 over the classes, on axis 1. A sum of {worst:.6g} was "
            "found. Apply softmax to logits; for one foreground probability p stack 1 - p and p."
        )
    return p
