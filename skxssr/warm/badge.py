"""`BADGESelector`: gradient embeddings, drawn by k-means++."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skxssr._torch import backend
from skxssr.base import Selection
from skxssr.base.group_constraint import GroupConstraint
from skxssr.base.request import Request
from skxssr.io import Images
from skxssr.warm._base import WarmSelector
from skxssr.warm.gradients import gradient_embeddings

__all__ = ["BADGESelector", "k_means_plus_plus"]


class BADGESelector(WarmSelector):
    """Pick images whose gradients are long and far apart: BADGE [1]_.

    An image stands for the change that it would make in the network's last layer if its most
    probable mask were the true one. Images are drawn by k-means++: the first is the one with the
    longest gradient, each further one is drawn with a probability that grows with the squared
    distance to the nearest of those drawn.

    Parameters
    ----------
    model : SMPSegmenter
        Fitted, with a convolution as the last layer of its network.
    random_state : int, RandomState instance or None, default=0
        Draws the images.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`; a score is the squared distance at which an image was drawn,
        times `sample_weight`.

    Raises
    ------
    ValueError
        In `select`: the network has no convolution.

    See Also
    --------
    skxssr.warm.gradient_embeddings : The gradients, from plain arrays.

    Notes
    -----
    Gradients are of the mean over the pixels of the square that the network sees. Labelled images
    have no part in the distances, as in the paper: the network has learned them.

    References
    ----------
    .. [1] J. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal, "Deep batch active learning
       by diverse, uncertain gradient lower bounds", ICLR 2020. :arxiv:`1906.03671`

    Examples
    --------
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.segmentation import compact_segmenter
    >>> from skxssr.warm import BADGESelector
    >>> films = make_phantoms("chest", "A", 6, random_state=0, image_size=32)
    >>> model = compact_segmenter(image_size=32, steps=2, random_state=0)
    >>> model = model.fit(films.images[:2], films.masks[:2])
    >>> BADGESelector(model).select(films.images, 2, labeled=[0, 1]).shape
    (2,)
    """

    def __init__(self, model: Any, *, random_state: Any = 0) -> None:
        self.model = model
        self.random_state = random_state

    _parameter_constraints: dict = {
        **WarmSelector._parameter_constraints,
        "random_state": ["random_state"],
    }

    def _select(self, images: Images, request: Request) -> Selection:
        asked = backend("asked", caller=type(self).__name__)
        parts = asked.last_layer(self.model, images)
        G = np.concatenate([gradient_embeddings(h, p) for h, p in parts])
        return k_means_plus_plus(G, request, check_random_state(self.random_state))


def k_means_plus_plus(
    rows: np.ndarray, request: Request, generator: np.random.RandomState
) -> Selection:
    """Draw rows by k-means++, the longest first, under the groups of the request.

    `rows` are those of ``request.candidates`` in that order. Where every row that is allowed lies
    on one that was drawn, each is as likely as any other.
    """
    rows = rows.astype(np.float64)
    weight = request.weight[request.candidates]
    constraint = GroupConstraint(len(request.weight), request)
    nearest = np.full(len(rows), np.inf)  # squared distance to the nearest of those drawn
    picked, scores = [], []
    for number in range(request.budget):
        allowed = constraint.allowed[request.candidates]
        worth = (nearest if number else np.square(rows).sum(axis=1)) * weight
        share = np.where(allowed, worth, 0.0)
        if not share.any():
            share = allowed.astype(np.float64)
        at = _draw(share, generator) if number else int(share.argmax())
        picked.append(request.candidates[at])
        scores.append(worth[at])
        constraint.take(int(picked[-1]))
        nearest = np.minimum(nearest, np.square(rows - rows[at]).sum(axis=1))
    return Selection(np.array(picked, dtype=np.int64), np.array(scores, dtype=np.float32))


def _draw(share: np.ndarray, generator: np.random.RandomState) -> int:
    return int(generator.choice(len(share), p=share / share.sum()))
