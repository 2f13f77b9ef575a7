"""`RidgeSegmenter`, in closed form."""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skxssr.segmentation._base import Segmenter

__all__ = ["RidgeSegmenter"]


class RidgeSegmenter(Segmenter):
    """Ridge regression of the mask on random features of each pixel: a baseline without training.

    Random convolutions at four scales, never trained, describe what surrounds a pixel, random waves
    where it lies; the mask is regressed on some 340 such features, in closed form. A second or so
    for tens of images on a CPU, no steps, no learning rate. A U-Net is better where it has enough
    labels; what it gains over this is what its training is worth.

    Parameters
    ----------
    image_size : int, default=64
        Side in pixels of the square that images are resized to, aspect kept, the rest black; a
        feature of the coarsest scale sees a window of some 40 of these pixels. Predictions come
        back in the image's own size. 64 because time and memory grow with its square.
    classes : sequence of int or None, default=None
        The raw values a mask may hold; the lowest is the background. None takes those the masks
        hold, and 0; more than 32 are refused, since smoothed edges or JPEG are the likely cause.
    ignore : sequence of int or None, default=None
        Raw values of pixels without a label, neither learned nor scored; as for `SMPSegmenter`.
    penalty : float, default=1e-3
        Of the squared weights, as a share of the mean square of the features. Enough for a single
        image, whose pixels do not determine all weights, and small enough not to blur many.
    batch_size : int, default=8
        Images at a time, of which features are held in memory: some 20 MB each at 64 pixels. It
        changes results by rounding only.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one. The features are
        computed there; the equations are solved on the CPU.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, images and masks. A file that changed is read anew. Nothing is ever deleted.
    random_state : int, RandomState instance or None, default=0
        Draws the features. Fixed, so that a baseline does not change from one run to the next.
        `skxssr.RandomFeaturesEmbedder` draws others from the same seed, so that a selector and the
        segmenter that judges its picks never see the same features.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        Features, weights and thresholds, on the CPU.
    classes_ : ndarray of shape (n_classes,)
        The raw values, ascending; the first is the background.
    mask_rule_ : MaskRule or None
        How raw values became classes; None where they were taken as they are.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones).
    thresholds_ : ndarray of shape (n_classes - 1,), float64
        Of the scores of each foreground class.
    seed_ : int
        What `random_state` gave.
    weights_sha256_ : str
        Of features and weights; also the checksum of the file that `save` writes.

    Raises
    ------
    ValueError
        Images and masks that do not pair or differ in size, a mask with a value not in `classes`
        (file and values are named), masks without any foreground unless `classes` is given, a
        device that is not there.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

    See Also
    --------
    SMPSegmenter : A network that is trained.
    skxssr.evaluation.RidgeJudge : The same network for thousands of subsets of one pool.

    Notes
    -----
    Features of a pixel: a constant; 48 random Fourier features of its place [1]_; the image, each
    channel standardised by its own mean and deviation; its local contrast; two layers of 24 random
    3 x 3 convolutions with ReLU [2]_ at each of four scales, each half as fine as the one before;
    and 96 products of place and coarsest layer. They are rounded to 16 bits.

    Weights solve the normal equations, in float64, over every second pixel in both directions:
    one column for each foreground class, 1 inside and 0 outside. All images weigh alike.

    Regression shrinks scores towards the mean of the mask, so one half is no good threshold. That
    of each class is the one of 0.1, 0.15, ..., 0.6 with the highest mean Dice on the training
    images that show the class; 0.5 if none does. Probabilities are the softmax of 0 for the
    background and, for each other class, four times its score's distance to the threshold: for two
    classes the logistic function, one half at the threshold with slope one in the score. So the
    most probable class is the one whose score exceeds its threshold the most, the background where
    none does. These probabilities rank pixels; they are not calibrated.

    References
    ----------
    .. [1] A. Rahimi, B. Recht, "Random features for large-scale kernel machines", NIPS 2007.
    .. [2] A. Saxe, P. W. Koh, Z. Chen, M. Bhand, B. Suresh, A. Ng, "On random weights and
       unsupervised feature learning", ICML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import RidgeSegmenter
    >>> images = np.random.default_rng(0).random((6, 32, 40)) / 2
    >>> images[:, 8:20, 10:30] += 0.4
    >>> masks = np.zeros((6, 32, 40), dtype=np.uint8)
    >>> masks[:, 8:20, 10:30] = 1
    >>> segmenter = RidgeSegmenter(image_size=32).fit(images[:3], masks[:3])
    >>> segmenter.predict(images[3:]).shape
    (3, 32, 40)
    >>> bool(segmenter.score(images[3:], masks[3:]) > 0.9)
    True
    """

    def __init__(
        self,
        *,
        image_size: int = 64,
        classes: Any = None,
        ignore: Any = None,
        penalty: float = 1e-3,
        batch_size: int = 8,
        device: str = "auto",
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.image_size = image_size
        self.classes = classes
        self.ignore = ignore
        self.penalty = penalty
        self.batch_size = batch_size
        self.device = device
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints: dict = {
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "classes": ["array-like", None],
        "ignore": ["array-like", None],
        "penalty": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "cache_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, masks: Any) -> Self:
        """Solve for the weights.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`. One is enough. They are gone through twice; as squares they
            stay in memory if all fit in 1 GiB, else in a temporary folder.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            As for `skxssr.io.Masks`: raw class values, each mask of its image's size.

        Returns
        -------
        RidgeSegmenter
            Itself.
        """
        self._set_fitted(*self._solve("fit", images, masks))
        return self

    def _pool(self, images: Any, masks: Any) -> tuple[Any, int, np.ndarray, int]:
        """For `RidgeJudge`: a `RidgePool`, and what `_set_fitted` needs besides a network."""
        self._validate_params()
        return self._solve("RidgePool", images, masks, keep=False)

    def _solve(
        self, what: str, images: Any, masks: Any, *, keep: bool = True
    ) -> tuple[Any, int, np.ndarray, int]:
        data, classes = self._training_set(images, masks, keep=keep)
        seed = int(check_random_state(self.random_state).randint(2**31))
        made = getattr(self._backend("ridge"), what)(
            self._features(data.channels, seed),
            data,
            penalty=self.penalty,
            batch_size=self.batch_size,
            device=self.device,
            verbose=self.verbose,
        )
        return made, data.channels, classes, seed

    def _fold_networks(
        self,
        data: Any,
        classes: np.ndarray,
        images: Any,
        masks: Any,
        folds: np.ndarray,
        taught: np.ndarray,
    ) -> Any:
        """All folds from one pass: normal equations add over images."""
        seed = int(check_random_state(self.random_state).randint(2**31))
        return self._backend("out_of_fold").fold_networks(
            self._features(data.channels, seed),
            data,
            folds,
            taught,
            penalty=self.penalty,
            batch_size=self.batch_size,
            device=self.device,
            verbose=self.verbose,
        )

    def _features(self, channels: int, seed: int) -> Any:
        features = self._backend("random_features")
        return features.RandomFeatures(channels, seed, features.SEGMENTER)

    def _set_fitted(self, module: Any, channels: int, classes: np.ndarray, seed: int) -> None:
        self._set_network(module.eval(), channels, classes, seed)
        self.thresholds_ = module.thresholds.double().numpy()

    def _fitted_values(self) -> dict[str, Any]:
        return self._rule_value() | {
            name: getattr(self, name) for name in ("n_channels_", "classes_", "seed_")
        }

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        channels, classes = fitted["n_channels_"], np.array(fitted["classes_"])
        features = self._features(channels, fitted["seed_"])
        module = self._backend("ridge").empty(features, len(classes))
        module.load_state_dict(state)
        self._set_fitted(module, channels, classes, fitted["seed_"])
        self._restore_rule(fitted)
