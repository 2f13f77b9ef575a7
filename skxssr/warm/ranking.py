"""`EntropySelector` and `BALDSelector`: the images a model is unsure of."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skxssr._torch import backend
from skxssr.io import Images
from skxssr.metrics.uncertainty import entropy, mutual_information
from skxssr.warm._base import RankingSelector

__all__ = ["BALDSelector", "EntropySelector"]


class EntropySelector(RankingSelector):
    """Pick the images whose predictions have the highest mean entropy.

    Parameters
    ----------
    model : estimator
        Fitted, with `predict_proba`: `SMPSegmenter`, `RidgeSegmenter`, or any other that takes
        images and returns probabilities with classes on the second axis.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`; scores are entropies in nats, times `sample_weight`.

    See Also
    --------
    skxssr.metrics.entropy : The score.
    BALDSelector : Of that entropy, what more labels could take away.

    Notes
    -----
    Nothing keeps the picks apart, so that near copies are picked together. Images with long borders
    come first (see `skxssr.metrics.entropy`).

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import RidgeSegmenter
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.warm import EntropySelector
    >>> films = make_phantoms("chest", "A", 6, random_state=0, image_size=32)
    >>> model = RidgeSegmenter(image_size=32).fit(films.images[:2], films.masks[:2])
    >>> EntropySelector(model).select(films.images, 2, labeled=[0, 1]).shape
    (2,)
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def _scores(self, images: Images) -> np.ndarray:
        step = getattr(self.model, "batch_size", 32)
        rows = range(len(images))
        parts = (rows[start : start + step] for start in rows[::step])
        return np.concatenate(
            [entropy(self.model.predict_proba(images.subset(part))) for part in parts]
        )


class BALDSelector(RankingSelector):
    """Pick the images about which networks drawn by dropout disagree most (BALD).

    The network predicts each image several times, with other units dropped each time. The score
    [1]_ is the entropy of the mean prediction less the mean entropy of the predictions, of each
    pixel, averaged over the image: what is left are doubts that labels could settle, without noise
    that every network agrees upon. Dropout as a draw from the networks that fit the labels is
    [2]_'s.

    Parameters
    ----------
    model : SMPSegmenter
        Fitted, with dropout in its network: ``SMPSegmenter(dropout=0.2)``.
    n_draws : int, default=10
        Predictions of each image.
    random_state : int, RandomState instance or None, default=0
        Draws what is dropped.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`; scores are in nats, times `sample_weight`.

    Raises
    ------
    ValueError
        In `select`: the network has no dropout.

    See Also
    --------
    skxssr.metrics.mutual_information : The score.

    References
    ----------
    .. [1] N. Houlsby, F. Huszar, Z. Ghahramani, M. Lengyel, "Bayesian active learning for
       classification and preference learning", 2011. :arxiv:`1112.5745`
    .. [2] Y. Gal, R. Islam, Z. Ghahramani, "Deep Bayesian active learning with image data", ICML
       2017. :arxiv:`1703.02910`

    Examples
    --------
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.segmentation import compact_segmenter
    >>> from skxssr.warm import BALDSelector
    >>> films = make_phantoms("chest", "A", 6, random_state=0, image_size=32)
    >>> model = compact_segmenter(image_size=32, steps=2, random_state=0).set_params(dropout=0.2)
    >>> model = model.fit(films.images[:2], films.masks[:2])
    >>> BALDSelector(model, n_draws=3).select(films.images, 2, labeled=[0, 1]).shape
    (2,)
    """

    def __init__(self, model: Any, *, n_draws: int = 10, random_state: Any = 0) -> None:
        self.model = model
        self.n_draws = n_draws
        self.random_state = random_state

    _parameter_constraints: dict = {
        **RankingSelector._parameter_constraints,
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _scores(self, images: Images) -> np.ndarray:
        asked = backend("asked", caller=type(self).__name__)
        seed = int(check_random_state(self.random_state).randint(2**31))
        draws = asked.dropout_draws(self.model, images, self.n_draws, seed)
        return np.array([mutual_information(maps[:, None])[0] for maps in draws])
