"""Gradient embeddings: what each image would change in a model's last layer."""

from typing import Any

import numpy as np

from skxssr.metrics.uncertainty import check_probabilities

__all__ = ["gradient_embeddings"]


def gradient_embeddings(features: Any, probabilities: Any) -> np.ndarray:
    """Gradient of the loss in the weights of the last layer, for the label the model would guess.

    These are the embeddings of BADGE [1]_: long where the model is unsure, and pointing where it
    would move. Rows far apart in them teach different things.

    Parameters
    ----------
    features : array-like of shape (n, n_features) or (n, n_features, ...)
        What goes into the last linear layer (or 1 x 1 convolution); for segmentation with the same
        trailing axes as `probabilities`.
    probabilities : array-like of shape (n, n_classes) or (n, n_classes, ...)
        Softmax of what comes out of it. A network with one sigmoid output has two classes: pass
        both probabilities.

    Returns
    -------
    ndarray of shape (n, n_classes * n_features)
        Of the float type of `features`, float64 if it has none. Entry ``c * n_features + j`` is the
        derivative in the weight of feature j for class c, of the cross-entropy in nats, of its mean
        over the pixels if there are any.

    Raises
    ------
    ValueError
        The two do not pair, or `probabilities` are none (see `skxssr.metrics.entropy`).

    See Also
    --------
    skxssr.metrics.entropy : One number an image.
    BADGESelector : Draws images by them.

    Notes
    -----
    The gradient is :math:`(p_c - [c = g]) h`, with :math:`h` the features and :math:`g` the most
    probable class, the first of them if several are. Without pixels, its length is the least that
    any true label could give.

    BADGE draws from these by k-means++, each with a probability that grows with the squared
    distance to those drawn, as `BADGESelector` does. `CoreSetSelector` takes the farthest instead.
    Use ``preprocess=None``: scaled to unit variance the lengths would lose their meaning. Labelled
    rows belong in, as ``labeled``: where the model has learnt them they lie near 0, which then
    counts as covered.

    References
    ----------
    .. [1] Ash, Zhang, Krishnamurthy, Langford, Agarwal. Deep Batch Active Learning by Diverse,
       Uncertain Gradient Lower Bounds. ICLR 2020. :arxiv:`1906.03671`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.warm import gradient_embeddings
    >>> features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    >>> Z = gradient_embeddings(features, probabilities)
    >>> Z
    array([[ 0. ,  0. ,  0. ,  0. ],
           [-0.5,  0. ,  0.5,  0. ],
           [ 0. ,  0.5,  0. , -0.5]])
    >>> CoreSetSelector(preprocess=None).select(Z, 2, labeled=[0])
    array([1, 2])
    """
    h = np.asarray(features)
    if not np.issubdtype(h.dtype, np.floating):
        h = h.astype(np.float64)
    p = check_probabilities(np.asarray(probabilities))
    if h.ndim != p.ndim or h.shape[0] != p.shape[0] or h.shape[2:] != p.shape[2:]:
        raise ValueError(
            f"features of shape {h.shape} and probabilities of shape {p.shape} do not pair: all "
            "axes but the second must be the same."
        )
    if not np.isfinite(h).all():
        raise ValueError("features must be finite, and they hold NaN or infinity.")
    guess = np.expand_dims(p.argmax(axis=1), 1)
    error = p - (np.arange(p.shape[1]).reshape(1, -1, *[1] * (p.ndim - 2)) == guess)
    n, n_classes, n_features = *p.shape[:2], h.shape[1]
    error = error.astype(h.dtype).reshape(n, n_classes, -1)
    h = h.reshape(n, n_features, -1)
    gradient = np.matmul(error, h.transpose(0, 2, 1)) / h.shape[2]
    return gradient.reshape(n, -1)
