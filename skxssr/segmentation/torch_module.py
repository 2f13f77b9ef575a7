"""`TorchSegmenter`, any network with the training of `SMPSegmenter`."""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skxssr._torch import TRAINING_CONSTRAINTS, backend
from skxssr.segmentation._network import NetworkSegmenter

__all__ = ["TorchSegmenter"]


class TorchSegmenter(NetworkSegmenter):
    """Any `torch.nn.Module` from pictures to logits, as a scikit-learn estimator.

    Training, augmentation, loss, classes and predictions are those of `SMPSegmenter`; see there.

    Parameters
    ----------
    module : torch.nn.Module
        Maps pictures (n, C, S, S) to logits of the same height and width: (n, 2, S, S) or
        (n, 1, S, S) for two classes, (n, K, S, S) for K. It is copied, and the training starts from
        its weights: random ones are made before, under a seed of your own.
    image_size : int, default=128
        Side in pixels of the square that images are resized to, aspect kept, the rest black.
    mean : float, default=0.5
        Subtracted from images in [0, 1].
    std : float, default=0.25
        What the difference is divided by, above 0.
    classes : sequence of int or None, default=None
        The raw values a mask may hold; the lowest is the background. None takes those the masks
        hold, and 0.
    ignore : sequence of int or None, default=None
        Raw values of pixels without a label, neither learned nor scored.
    augment : bool or "strong", default=True
        Train on random variants of images and masks.
    steps : int, default=600
        Training steps (batches), however many images there are.
    batch_size : int, default=8
        Images per step, and per batch when predicting; at least 2.
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
        How many GPUs train together.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}, default="auto"
        Of training; "auto" is mixed on a CUDA device and 32 bit elsewhere.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training; fitting again goes on where it stopped.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept.
    random_state : int, RandomState instance or None, default=None
        Decides order, augmentation and dropout.
    verbose : int, default=0
        Above 0 a progress bar with the loss is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained copy with the normalisation before it, on the CPU, in eval mode.
    classes_ : ndarray of shape (n_classes,)
        The raw values, ascending; the first is the background.
    mask_rule_ : MaskRule or None
        How raw values became classes; None where they were taken as they are.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones); the network must take so many.
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
        The network fails on such squares or returns another shape, which is found before the
        training; and what `SMPSegmenter` refuses.
    MissingExtraError
        segmentation-models-pytorch, whose Dice loss is used, or what it needs is not installed
        (extra "seg").

    See Also
    --------
    SMPSegmenter : Networks by name.

    Notes
    -----
    `save` writes the weights and not the code of the network, which `load` must be given again.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skxssr import TorchSegmenter
    >>> images = np.random.default_rng(0).random((4, 32, 40))
    >>> masks = (images > 0.5).astype(np.uint8)
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Conv2d(1, 1, kernel_size=3, padding=1)
    >>> segmenter = TorchSegmenter(network, image_size=32, steps=5, random_state=0)
    >>> segmenter.fit(images, masks).predict(images).shape
    (4, 32, 40)

    MONAI's Attention U-Net, with ``pip install 'skxssr[monai]'``:

    >>> from monai.networks.nets import AttentionUnet  # doctest: +SKIP
    >>> network = AttentionUnet(
    ...     spatial_dims=2, in_channels=1, out_channels=2,
    ...     channels=(16, 32, 64, 128), strides=(2, 2, 2),
    ... )  # doctest: +SKIP
    >>> TorchSegmenter(network).fit(images, masks)  # doctest: +SKIP
    """

    def __init__(
        self,
        module: Any,
        *,
        image_size: int = 128,
        mean: float = 0.5,
        std: float = 0.25,
        classes: Any = None,
        ignore: Any = None,
        augment: bool | str = True,
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
        self.module = module
        self.image_size = image_size
        self.mean = mean
        self.std = std
        self.classes = classes
        self.ignore = ignore
        self.augment = augment
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
        "module": [HasMethods(["forward", "state_dict"])],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "mean": [Interval(Real, None, None, closed="neither")],
        "std": [Interval(Real, 0, None, closed="neither")],
        "classes": ["array-like", None],
        "ignore": ["array-like", None],
        "augment": ["boolean", StrOptions({"strong"})],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    @classmethod
    def load(cls, path: str | os.PathLike, *, module: Any = None) -> Self:
        """Read what `save` wrote into a network of the same layers.

        Parameters
        ----------
        path : path
            The folder.
        module : torch.nn.Module
            A network like the one that was trained; its weights do not matter. There is no default
            that would do, since a file cannot be trusted to say what code to run.

        Returns
        -------
        TorchSegmenter
            Fitted. `device`, `devices`, `checkpoint_dir`, `cache_dir` and `verbose` have their
            defaults.

        Raises
        ------
        FileNotFoundError
            The folder or one of its two files is missing.
        TypeError
            `module` is missing.
        ValueError
            The folder holds another estimator, or weights of other layers, or weights that do not
            match their SHA-256.
        """
        if module is None:
            raise TypeError(
                "load needs the network whose weights were saved, since its code is not saved: "
                f"write {cls.__name__}.load(path, module=AttentionUnet(...))"
            )
        weights = backend("weights", caller=cls.__name__, extra=cls._extra)
        estimator, fitted, state = weights.load_estimator(path, cls, module=module)
        try:
            estimator._restore(fitted, state, path)
        except RuntimeError as error:  # torch's, for names and shapes of weights
            raise ValueError(
                f"the weights in {os.fspath(path)} are of another network than module "
                f"({type(module).__name__}): {error}"
            ) from error
        return estimator

    def _label_of(self) -> str:
        return type(self.module).__name__

    def _new_network(self, seed: int, channels: int, classes: np.ndarray) -> Any:
        return self._empty_network(channels, classes, None)

    def _empty_network(self, channels: int, classes: np.ndarray, path: Any) -> Any:
        return self._backend("unet").wrap(
            self.module,
            channels=channels,
            n_classes=len(classes),
            image_size=self.image_size,
            mean=self.mean,
            std=self.std,
        )
