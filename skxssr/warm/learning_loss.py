"""`LearningLossSelector`: the images for which a small network foretells the largest loss."""

import os
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import TRAINING_CONSTRAINTS, backend
from skxssr.io import Images
from skxssr.warm._base import RankingSelector

__all__ = ["LearningLossSelector"]


class LearningLossSelector(RankingSelector):
    """Pick the images for which a loss-prediction module foretells the largest loss [1]_.

    The module sees the maps of each level of the network's encoder and what goes into its last
    layer, averaged over the image, and learns from the labelled images which of two has the larger
    loss. The network itself stays as it is.

    Parameters
    ----------
    model : SMPSegmenter
        Fitted, on the labelled images usually.
    width : int, default=64
        Features that each level is brought to.
    steps : int, default=300
        Training steps of the module.
    batch_size : int, default=16
        Images per step, compared in pairs; even. Fewer images are repeated, each time augmented
        anew, as the model's own `augment` has it.
    learning_rate : float, default=1e-3
        Peak learning rate of AdamW, reached after the warm-up and followed by half a cosine to
        zero.
    weight_decay : float, default=1e-4
        On weight matrices; none on biases and norms.
    warmup : float, default=0.05
        Share of the steps with linearly rising learning rate.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
    devices : int, default=1
        How many GPUs train together.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}, default="auto"
        Of training.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training, as for `SMPSegmenter`.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, as for `SMPSegmenter`.
    random_state : int, RandomState instance or None, default=0
        Decides weights, order and augmentation.
    verbose : int, default=0
        Above 0 a progress bar with the loss is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The loss-prediction module, with the network that it reads.
    loss_curve_ : ndarray of shape (steps,)
        The ranking loss of each step; 1 is what a constant guess gives.
    selection_ : Selection
        Record of the last `select`; scores are foretold losses, times `sample_weight`, of which
        only the order means something.

    Raises
    ------
    ValueError
        In `fit`: masks with values that the model does not know, images and masks that do not
        pair, an odd `batch_size`.

    Notes
    -----
    The paper trains network and module together and stops the module's gradient after 120 of 200
    epochs. Here the network is fitted first and the module learns beside it, so that any fitted
    segmenter will do, and its predictions do not change. What a network has learned by heart has no
    loss left that could be ranked: the images are augmented, and a segmenter that was trained
    briefly gives the module more to learn from.

    The loss of a pair is ``max(0, 1 - sign(l_i - l_j) * (m_i - m_j))`` for losses l, cross-entropy
    plus Dice of each image, and guesses m.

    References
    ----------
    .. [1] D. Yoo, I. S. Kweon, "Learning loss for active learning", CVPR 2019. :arxiv:`1905.03677`

    Examples
    --------
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.segmentation import compact_segmenter
    >>> from skxssr.warm import LearningLossSelector
    >>> films = make_phantoms("chest", "A", 6, random_state=0, image_size=32)
    >>> model = compact_segmenter(image_size=32, steps=2, random_state=0)
    >>> model = model.fit(films.images[:2], films.masks[:2])
    >>> selector = LearningLossSelector(model, steps=2).fit(films.images[:2], films.masks[:2])
    >>> selector.select(films.images, 2, labeled=[0, 1]).shape
    (2,)
    """

    def __init__(
        self,
        model: Any,
        *,
        width: int = 64,
        steps: int = 300,
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        warmup: float = 0.05,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.width = width
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.device = device
        self.devices = devices
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints: dict = {
        **RankingSelector._parameter_constraints,
        "width": [Interval(Integral, 1, None, closed="left")],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, masks: Any) -> Self:
        """Train the loss-prediction module.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            The labelled images, at least 2.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            Their masks, with the values that the model was fitted on.

        Returns
        -------
        LearningLossSelector
            Itself.
        """
        if self.batch_size % 2:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be even, since images are compared in "
                f"pairs: use batch_size={self.batch_size + 1}"
            )
        check_is_fitted(self.model)
        learning = backend("learning_loss", caller=type(self).__name__)
        loop = backend("loop", caller=type(self).__name__)
        data = self.model._labelled_squares(images, masks, cache_dir=self.cache_dir)
        if len(data) < 2:
            raise ValueError("fit needs at least 2 labelled images to compare, got 1: label more")
        seed = int(check_random_state(self.random_state).randint(2**31))
        module = learning.build(self.model.module_, data, self.width, seed)
        loss = learning.RankingLoss(len(self.model.classes_), self.model.augment)
        recipe = loop.TrainingConfig.of(self, steps=self.steps, seed=seed, label="learning loss")
        self.loss_curve_ = loop.train(module, data, loss, recipe)
        self.module_ = module
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def _scores(self, images: Images) -> np.ndarray:
        infer = backend("infer", caller=type(self).__name__)
        return infer.collect(
            self.module_,
            self.module_,
            images,
            size=self.model.image_size,
            channels=self.model.n_channels_,
            batch_size=self.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            verbose=self.verbose,
            label="foretelling losses",
        ).astype(np.float64)
