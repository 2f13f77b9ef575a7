"""`ContrastiveEmbedder`, SimCLR and MoCo v2."""

import os
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._torch import TRAINING_CONSTRAINTS, backend
from skxssr.embedding._network import TrainedEmbedder

__all__ = ["ContrastiveEmbedder"]

MOCO = "moco"
LARGEST_BANK = 4096


class _Sizes(NamedTuple):
    batch: int
    bank: int


class ContrastiveEmbedder(TrainedEmbedder):
    """Embeddings from contrastive learning, SimCLR or MoCo v2, on the images it is fitted on.

    Two random views are made of each image, and a small ResNet learns to give the two near vectors
    and different images distant ones, without any label. An embedding is the mean of the network's
    last maps; the layers behind it, which only the training needs, are dropped.

    What the views differ in is what the embedding will not tell: here place, size and angle a
    little, brightness, contrast, gamma, sharpness and noise, and for colour images the tint. If
    such things are to count, as when scanners are to be told apart, take `MAEEmbedder`.

    Parameters
    ----------
    method : {"simclr", "moco"}, default="simclr"
        "simclr": an image is told from the others of its batch [1]_. "moco": from those of earlier
        batches, which a memory bank keeps, as a slowly following second encoder saw them [2]_
        [3]_; of use where memory allows small batches only.
    image_size : int, default=64
        Side of the square in pixels that images are resized to, aspect kept, the rest black.
    embed_dim : int, default=256
        Width of the embedding. A multiple of 32: the four stages of the ResNet have an eighth, a
        quarter, half and all of it, normalised in 4 groups each.
    depth : int, default=1
        Residual blocks in each stage. ``embed_dim=512, depth=2`` is as large as a ResNet-18.
    temperature : float, default=0.2
        What similarities are divided by. The lower, the more the nearest wrong images count.
        SimCLR's paper has 0.1 to 0.5, MoCo v2's 0.2.
    momentum : float, default=0.99
        Of the second encoder of "moco": the share of its weights that a step keeps, in [0, 1). The
        paper's 0.999 is for trainings that are a hundred times longer.
    bank_size : int or None, default=None
        Keys in the memory bank of "moco". None: as many as there are images beyond a batch, at most
        4096, so that an image is seldom told from an earlier view of itself.
    min_area : float, default=0.4
        Least share of the square that a view shows, in (0, 1]. The papers' 0.08 and 0.2 are for
        photographs with one thing in the middle; so small a piece of a film may show none of it.
    pooling : {"mean", "mean+std", "mean+max"}, default="mean"
        From the last maps to a vector, in `transform` alone. "mean+std" and "mean+max" put the
        deviation or the maximum over places beside the mean, twice as many features.
    steps : int or None, default=None
        Training steps (batches). None: 1000, or ten times through the images if that is more.
    batch_size : int, default=64
        Images per step, each in two views, and per batch in `transform`. Smaller sets have batches
        of all their images ("simclr") or half of them ("moco"). At least 2 for each device.
    learning_rate : float, default=1e-3
        Peak learning rate of AdamW, reached after the warm-up and followed by half a cosine to
        zero.
    weight_decay : float, default=1e-4
        On weight matrices; none on biases and norms.
    warmup : float, default=0.1
        Share of the steps with linearly rising learning rate.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
    devices : int, default=1
        How many GPUs train together, in processes that end with the training; `batch_size` is
        shared among them. A script then needs ``if __name__ == "__main__":``.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}, default="auto"
        Of training; "auto" is mixed on a CUDA device and 32 bit elsewhere. The loss and `transform`
        always work in 32 bit.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training, written once a minute, at the end, and on Ctrl-C.
        Fitting again with the same parameters, images and folder goes on where it stopped, and
        gives the weights of an undisturbed run bit for bit (not with "16-mixed").
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, 4 bytes for each pixel and channel. A file that changed is read anew. Nothing is
        ever deleted.
    random_state : int, RandomState instance or None, default=None
        Decides weights, order and views. torch's global generator is left as it was.
    verbose : int, default=0
        Above 0 a progress bar with the loss is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The encoder, on the CPU, in eval mode.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones). Gray images given to a colour
        model are repeated, colour images given to a gray model become luma.
    n_features_out_ : int
        `embed_dim`, or twice that.
    loss_curve_ : ndarray of shape (n_steps,)
        The loss of each step, in nats; with m images in a batch log(2 m - 1) is what guessing
        gives "simclr", and log(1 + bank size) is that of "moco".
    batch_size_ : int
        Images in a batch of the training, `batch_size` or fewer.
    bank_size_ : int
        Keys in the memory bank; 0 for "simclr".
    seed_ : int
        What `random_state` gave.
    weights_sha256_ : str
        Of the weights; also the checksum of the file that `save` writes.

    Raises
    ------
    ValueError
        In `fit`: too few images to tell one from another (2 for "simclr", 4 for "moco"), a batch
        of less than 2 images for each device, a `bank_size` beyond the images, an `embed_dim` that
        is no multiple of 32, a device that is not there, a checkpoint of another run; in every
        method: no images, or images that `skxssr.io.Images` refuses.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written.
    FloatingPointError
        The loss is no longer finite: the learning rate is too high.
    MissingExtraError
        lightly is not installed (extra "contrastive"), or torch, timm, lightning-fabric or
        safetensors (extra "torch"). A fitted embedder works without lightly.

    See Also
    --------
    MAEEmbedder : Learns by guessing what is hidden, on the same training loop.
    RandomFeaturesEmbedder : Nothing trained.

    Notes
    -----
    Losses (NT-Xent), heads, memory bank and momentum update are those of lightly [4]_. Views are
    crops of `min_area` to all of the square, turned by up to 10 degrees, with the changes of
    intensity of `SMPSegmenter`; colour images also have each channel made up to 20% brighter or
    darker, and a fifth of them turned gray. Nothing is mirrored.

    An image that comes twice in a batch, or a copy of it, is taken once, since it would be told
    from itself. The ResNet normalises groups of channels of one image (group normalisation), not
    batches as in the papers, so that small batches do no harm and "moco" needs no shuffling of its
    keys.

    References
    ----------
    .. [1] T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A simple framework for contrastive
       learning of visual representations", ICML 2020. :arxiv:`2002.05709`
    .. [2] K. He, H. Fan, Y. Wu, S. Xie, R. Girshick, "Momentum contrast for unsupervised visual
       representation learning", CVPR 2020. :arxiv:`1911.05722`
    .. [3] X. Chen, H. Fan, R. Girshick, K. He, "Improved baselines with momentum contrastive
       learning", 2020. :arxiv:`2003.04297`
    .. [4] I. Susmelj, M. Heller, P. Wirth, J. Prescott, M. Ebner et al., "Lightly", 2020.
       https://github.com/lightly-ai/lightly

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import ContrastiveEmbedder
    >>> images = np.random.default_rng(0).random((6, 32, 40))
    >>> embedder = ContrastiveEmbedder(image_size=32, embed_dim=32, steps=3, random_state=0)
    >>> embedder.fit_transform(images).shape
    (6, 32)
    """

    def __init__(
        self,
        *,
        method: str = "simclr",
        image_size: int = 64,
        embed_dim: int = 256,
        depth: int = 1,
        temperature: float = 0.2,
        momentum: float = 0.99,
        bank_size: int | None = None,
        min_area: float = 0.4,
        pooling: str = "mean",
        steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        warmup: float = 0.1,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.image_size = image_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.temperature = temperature
        self.momentum = momentum
        self.bank_size = bank_size
        self.min_area = min_area
        self.pooling = pooling
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
        "method": [StrOptions({"simclr", MOCO})],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "embed_dim": [Interval(Integral, 32, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "bank_size": [Interval(Integral, 1, None, closed="left"), None],
        "min_area": [Interval(Real, 0, 1, closed="right")],
        "pooling": [StrOptions({"mean", "mean+std", "mean+max"})],
        "steps": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, y: Any = None) -> Self:
        """Train on images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`; the source site's, usually. At least 2, at least 4 for
            "moco".
        y : None
            Ignored.

        Returns
        -------
        ContrastiveEmbedder
            Itself.
        """
        self._check_sizes()
        contrastive = backend("contrastive", caller=type(self).__name__, extra="contrastive")
        loop = self._backend("loop")
        data, channels, steps, seed = self._start(images)
        sizes = self._training_sizes(len(data))
        recipe = loop.TrainingConfig.of(self, steps=steps, seed=seed, label=self.method)
        network = contrastive.build(
            self._build(channels, seed),
            seed,
            embed_dim=self.embed_dim,
            temperature=self.temperature,
            momentum=self.momentum if self.method == MOCO else None,
            bank_size=sizes.bank,
            gather=self.devices > 1,
        )
        loss = contrastive.TwoViews(self.min_area, takes_out_copies=self.devices == 1)
        losses = loop.train(network, data, loss, replace(recipe, batch_size=sizes.batch))
        self.batch_size_, self.bank_size_ = sizes
        self._set_fitted(network.encoder, channels, seed, losses)
        return self

    def transform_patches(self, images: Any) -> np.ndarray:
        """Embed every place of the last maps by itself, one for each 32 x 32 pixels of the square.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, n_places, embed_dim), float32
            C-contiguous, row by row. `pooling` has no say.
        """
        return self._apply(images, lambda squares: self.module_.patch_tokens(squares))

    def _check_sizes(self) -> None:
        if self.embed_dim % 32:
            raise ValueError(
                f"embed_dim ({self.embed_dim}) must be a multiple of 32, since the first of four "
                "stages has an eighth of it, in 4 groups: use "
                f"embed_dim={-(-self.embed_dim // 32) * 32}"
            )

    def _training_sizes(self, n: int) -> _Sizes:
        """How many images a batch takes, and the memory bank, of `n`; or why there are too few."""
        moco = self.method == MOCO
        least = (4 if moco else 2) * self.devices
        if n < least:
            raise ValueError(
                f"method={self.method!r} tells images from one another and needs at least {least} "
                f"of them, got {n}: add images, or take MAEEmbedder, which learns from a single one"
            )
        batch = min(self.batch_size, n // 2 if moco else n)
        batch -= batch % self.devices if batch < self.batch_size else 0
        if batch < 2 * self.devices:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be at least 2 for each of {self.devices} "
                f"devices, to tell one image from another: use batch_size={2 * self.devices}"
            )
        if not moco:
            return _Sizes(batch, 0)
        room = n - batch
        if self.bank_size is not None and self.bank_size > room:
            raise ValueError(
                f"bank_size ({self.bank_size}) must be at most {room}, the {n} images less a batch "
                f"of {batch}, or images would be told from earlier views of themselves: use "
                f"bank_size={room} or None"
            )
        return _Sizes(batch, self.bank_size or min(room, LARGEST_BANK))

    def _fitted_values(self) -> dict[str, Any]:
        sizes = {"batch_size_": self.batch_size_, "bank_size_": self.bank_size_}
        return super()._fitted_values() | sizes

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        super()._restore(fitted, state, path)
        self.batch_size_, self.bank_size_ = fitted["batch_size_"], fitted["bank_size_"]

    def _build(self, channels: int, seed: int) -> Any:
        return self._backend("resnet").build(
            seed, in_channels=channels, embed_dim=self.embed_dim, depth=self.depth
        )
