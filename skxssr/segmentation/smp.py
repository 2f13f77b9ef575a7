"""`SMPSegmenter`, a U-Net or a relative of it."""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skxssr._torch import TRAINING_CONSTRAINTS
from skxssr.segmentation import _checks as checks
from skxssr.segmentation._network import NetworkSegmenter

__all__ = ["SMPSegmenter"]


class SMPSegmenter(NetworkSegmenter):
    """U-Net, or another network of segmentation_models_pytorch, as a scikit-learn estimator.

    It trains for a fixed number of steps on all the masks it is given: no validation set, no early
    stopping, so that a model from 22 labels has used 22 labels.

    The defaults (ResNet-18, 128 pixels, 600 steps) take minutes on a CPU. For quick runs there is a
    network of a fiftieth of the weights (see Examples), seconds to a minute at 64 pixels
    (``benchmarks/first_edition/training.py``). For thin structures raise `image_size`.

    Parameters
    ----------
    arch : str, default="Unet"
        Any architecture of ``segmentation_models_pytorch.create_model``: "Unet", "FPN",
        "DeepLabV3Plus", "Segformer", ...
    encoder_name : str, default="resnet18"
        Any of its encoders; "tu-" and a name stands for timm's.
    encoder_weights : str or None, default=None
        "imagenet" downloads pretrained weights (and normalises images as they expect). None starts
        at random: no download, and nothing learned from other people's images.
    arch_kwargs : dict or None, default=None
        Further arguments of the network, such as ``{"encoder_depth": 4, "decoder_channels":
        (64, 32, 16, 16)}``.
    dropout : float, default=0.0
        Share of the maps before the last layer that a training step drops, in [0, 1). Predictions
        drop nothing; `skxssr.warm.BALDSelector` needs it.
    image_size : int, default=128
        Side in pixels of the square that images are resized to, aspect kept, the rest black. A
        multiple of the encoder's stride (32 for most). Predictions come back in the image's own
        size.
    classes : sequence of int or None, default=None
        The raw values a mask may hold; the lowest is the background. None takes those the masks
        hold, and 0, by the rule that `skxssr.io.find_mask_rule` finds; a warning says so where that
        is more than taking the values as they are. More than 32 are refused.
    ignore : sequence of int or None, default=None
        Raw values of pixels without a label, neither learned nor scored. None: -1, and 255 beside
        1, if `classes` is None too; with an empty sequence there are none.
    augment : bool or "strong", default=True
        Train on random variants: rotation to 10 degrees, shift to 8%, scale 0.85 to 1.2, shear to
        5 degrees, gamma 0.55 to 1.8, brightness and contrast, some blur and noise. No mirroring.
        "strong": much larger changes of intensity, up to inverted contrasts, for a network that
        shall work on another site's images unseen (see Notes).
    init_from : SMPSegmenter or None, default=None
        A fitted segmenter to start from: same network, channels and classes (two classes match
        whatever their values, so masks of 0 and 1 go with 0 and 255). `clone` keeps it fitted.
    steps : int, default=600
        Training steps (batches), however many images there are.
    batch_size : int, default=8
        Images per step, and per batch when predicting. Fewer images are repeated, each time
        augmented anew, so a batch is always full; at least 2, for batch normalisation.
    learning_rate : float, default=3e-3
        Peak learning rate of AdamW, reached after the warm-up and followed by half a cosine to
        zero.
    weight_decay : float, default=1e-4
        On weight matrices; none on biases and norms.
    warmup : float, default=0.05
        Share of the steps with linearly rising learning rate.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
    devices : int, default=1
        How many GPUs train together, in processes that end with the training; `batch_size` is
        shared among them. A script then needs ``if __name__ == "__main__":``.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}, default="auto"
        Of training; "auto" is mixed on a CUDA device and 32 bit elsewhere. Predictions are always
        made in 32 bit.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training, written once a minute, at the end, and on Ctrl-C.
        Fitting again with the same parameters, images and folder goes on where it stopped, and
        gives the weights of an undisturbed run bit for bit (not with "16-mixed").
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, images and masks. A file that changed is read anew. Nothing is ever deleted.
    random_state : int, RandomState instance or None, default=None
        Decides weights, order and augmentation. torch's global generator is left as it was.
    verbose : int, default=0
        Above 0 a progress bar with the loss is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The network, on the CPU, in eval mode.
    classes_ : ndarray of shape (n_classes,)
        The raw values, ascending; the first is the background.
    mask_rule_ : MaskRule or None
        How raw values became classes; None where they were taken as they are.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones).
    loss_curve_ : ndarray of shape (steps,)
        The loss of each step.
    seed_ : int
        What `random_state` gave.
    n_adapted_ : int
        Images that it was adapted to, if it came from `adapt`; else 0.
    weights_sha256_ : str
        Of the weights; also the checksum of the file that `save` writes.

    Raises
    ------
    ValueError
        Images and masks that do not pair or differ in size, a mask with a value not in `classes`
        (file and values are named), sizes the network cannot take, an `init_from` that does not
        fit, a device that is not there, a checkpoint of another run.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written.
    FloatingPointError
        The loss is no longer finite: the learning rate is too high.
    MissingExtraError
        segmentation-models-pytorch or what it needs is not installed (extra "seg").

    See Also
    --------
    TorchSegmenter : Any other network, with the same training.
    MAEEmbedder : Embeddings of the images, on the same training loop.
    skxssr.metrics.dice : The score, per image.
    skxssr.io.Masks : The forms masks may have.

    Notes
    -----
    The loss is cross-entropy (binary for two classes) plus the Dice loss over the batch [2]_. The
    two complement each other: the first is well behaved at the start, the second does not mind how
    small the foreground is.

    Each pixel of a shrunk mask takes the class with most of its area. Probabilities are enlarged
    before the most probable class is taken, so borders are finer than the network's pixels.

    With ``augment="strong"`` a random convolution of 1 to 7 pixels mixed with the image [3]_,
    sharpening, blur, gamma from a third to 3, brightness, contrast and noise follow each other,
    each with probability 1/2 as in BigAug [4]_; values stay in [0, 1]. Geometry is as without.

    The same images, masks, parameters and seed give the same bytes on the same machine with the
    same number of threads.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
       segmentation", MICCAI 2015. :arxiv:`1505.04597`
    .. [2] F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net: fully convolutional neural networks for
       volumetric medical image segmentation", 3DV 2016. :arxiv:`1606.04797`
    .. [3] Z. Xu, D. Liu, J. Yang, C. Raffel, M. Niethammer, "Robust and generalizable visual
       representation learning via random convolutions", ICLR 2021. :arxiv:`2007.13003`
    .. [4] L. Zhang et al., "Generalizing deep learning for medical image segmentation to unseen
       domains via deep stacked transformation", IEEE TMI 39(7), 2020.
       :doi:`10.1109/TMI.2020.2973595`
    .. [5] P. Iakubovskii, "Segmentation Models Pytorch", 2019.
       https://github.com/qubvel-org/segmentation_models.pytorch

    Examples
    --------
    A compact network for quick runs:

    >>> import numpy as np
    >>> from skxssr import SMPSegmenter
    >>> images = np.random.default_rng(0).random((4, 32, 40))
    >>> images[:, 8:24, 10:30] *= 0.3
    >>> masks = np.zeros((4, 32, 40), dtype=np.uint8)
    >>> masks[:, 8:24, 10:30] = 255
    >>> segmenter = SMPSegmenter(
    ...     encoder_name="tu-resnet10t",
    ...     arch_kwargs={
    ...         "encoder_depth": 4, "decoder_channels": (64, 32, 16, 16),
    ...         "channels": (16, 32, 64, 128), "stem_width": 16,
    ...     },
    ...     image_size=32, steps=20, batch_size=4, random_state=0,
    ... )
    >>> segmenter.fit(images, masks).predict(images).shape
    (4, 32, 40)
    >>> segmenter.score(images, masks) > 0.5
    True
    """

    def __init__(
        self,
        *,
        arch: str = "Unet",
        encoder_name: str = "resnet18",
        encoder_weights: str | None = None,
        arch_kwargs: dict[str, Any] | None = None,
        dropout: float = 0.0,
        image_size: int = 128,
        classes: Any = None,
        ignore: Any = None,
        augment: bool | str = True,
        init_from: Any = None,
        steps: int = 600,
        batch_size: int = 8,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-4,
        warmup: float = 0.05,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.arch = arch
        self.encoder_name = encoder_name
        self.encoder_weights = encoder_weights
        self.arch_kwargs = arch_kwargs
        self.dropout = dropout
        self.image_size = image_size
        self.classes = classes
        self.ignore = ignore
        self.augment = augment
        self.init_from = init_from
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
        "arch": [str],
        "encoder_name": [str],
        "encoder_weights": [str, None],
        "arch_kwargs": [dict, None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "classes": ["array-like", None],
        "ignore": ["array-like", None],
        "augment": ["boolean", StrOptions({"strong"})],
        "init_from": [HasMethods(["fit", "predict"]), None],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    def _label_of(self) -> str:
        return self.arch

    def _new_network(self, seed: int, channels: int, classes: np.ndarray) -> Any:
        if self.init_from is None:
            return self._build(seed, channels, classes, weights=self.encoder_weights)
        checks.check_init_from(self, channels, classes)
        module = self._build(seed, channels, classes, weights=None)
        module.load_state_dict(self.init_from.module_.state_dict())
        return module

    def _empty_network(self, channels: int, classes: np.ndarray, path: Any) -> Any:
        checks.check_harmless(self, path)
        return self._build(0, channels, classes, weights=None)

    def _build(self, seed: int, channels: int, classes: np.ndarray, *, weights: str | None) -> Any:
        return self._backend("unet").build(
            seed,
            arch=self.arch,
            encoder_name=self.encoder_name,
            encoder_weights=weights,
            arch_kwargs=self.arch_kwargs,
            in_channels=channels,
            n_classes=len(classes),
            image_size=self.image_size,
            dropout=self.dropout,
        )

    def _fitted_values(self) -> dict[str, Any]:
        fitted = super()._fitted_values()
        if self.init_from is not None:
            fitted["init_from_weights_sha256"] = self.init_from.weights_sha256_
        return fitted

    def __sklearn_clone__(self) -> Self:
        """A clone keeps the fitted `init_from`: cloned, it would lose the weights to start from."""
        params = self.get_params(deep=False)
        start = params.pop("init_from")
        copy = type(self)(**{name: clone(value, safe=False) for name, value in params.items()})
        copy.init_from = start
        return copy
