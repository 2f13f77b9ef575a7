"""`MAEEmbedder`, the masked autoencoder."""

import os
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import TRAINING_CONSTRAINTS
from skxssr.embedding._checks import check_sizes
from skxssr.embedding._network import TrainedEmbedder

__all__ = ["MAEEmbedder", "Reconstruction"]


class Reconstruction(NamedTuple):
    """What `MAEEmbedder.reconstruct` returns: float32 arrays in [0, 1], one shape.

    Attributes
    ----------
    original : ndarray of shape (n, image_size, image_size) or (n, image_size, image_size, 3)
        The images as the network sees them: resized and padded.
    masked : ndarray
        The same, hidden patches gray.
    reconstruction : ndarray
        The same, hidden patches as the network guesses them.
    """

    original: np.ndarray
    masked: np.ndarray
    reconstruction: np.ndarray


class MAEEmbedder(TrainedEmbedder):
    """Embeddings from a masked autoencoder (ViT-MAE) trained on the images it is fitted on.

    An image is cut into patches, three quarters of them are hidden, and a small vision transformer
    learns to guess the hidden ones from the rest, without any label. An embedding is the mean of
    the encoder's patch tokens when nothing is hidden.

    The defaults are for some hundred gray films on a CPU: 138 films of 256 x 256 take a minute or
    so on two cores, half of that with ``patch_size=32`` (``benchmarks/first_edition/training.py``).
    For many images and a GPU, raise `image_size`, `embed_dim` and `depth` (a ViT-B is
    ``image_size=224, embed_dim=768, depth=12, num_heads=12, decoder_dim=512, decoder_depth=8``).

    Parameters
    ----------
    image_size : int, default=128
        Side of the square in pixels that images are resized to, aspect kept, the rest black.
        A multiple of `patch_size`.
    patch_size : int, default=16
        Side of a patch in pixels.
    embed_dim : int, default=128
        Width of the encoder and of the embedding. Divisible by 4 and by `num_heads`, as is
        `decoder_dim`.
    depth : int, default=4
        Transformer blocks of the encoder.
    num_heads : int, default=4
        Attention heads per block, in encoder and decoder.
    decoder_dim : int, default=64
        Width of the decoder, which is not used after training.
    decoder_depth : int, default=2
        Transformer blocks of the decoder.
    mask_ratio : float, default=0.75
        Share of the patches hidden in training, in (0, 1); the paper's best.
    pooling : {"mean", "mean+std", "mean+max", "cls"}, default="mean"
        "mean" of the patch tokens: what the image shows on the whole. "mean+std", side by side and
        twice as many features: also how unevenly it is spread, so that something small leaves a
        trace that a mean washes out. "mean+max": the same with the maximum, which a single patch
        decides. "cls": the class token, which no loss trains directly.
    augment : bool, default=True
        Train on random crops of 50 to 100% of the image's area, the paper's only augmentation
        (there 20 to 100%). No mirroring: which side the heart is on is worth knowing.
    steps : int or None, default=None
        Training steps (batches). None: 1000, or ten times through the images if that is more.
        Epochs would give a small data set few steps and a large one needlessly many.
    batch_size : int, default=32
        Images per step, and per batch in `transform`. Smaller sets fill it with repeats.
    learning_rate : float, default=1e-3
        Peak learning rate of AdamW (betas 0.9 and 0.95), reached after the warm-up and followed by
        half a cosine to zero.
    weight_decay : float, default=0.05
        On weight matrices; none on biases and norms.
    warmup : float, default=0.1
        Share of the steps with linearly rising learning rate.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
    devices : int, default=1
        How many GPUs train together, in processes that end with the training; `batch_size` is
        shared among them. A script then needs ``if __name__ == "__main__":``.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}, default="auto"
        Of training; "auto" is mixed on a CUDA device and 32 bit elsewhere. `transform` always
        works in 32 bit.
    checkpoint_dir : path or None, default=None
        Folder for the state of the training, written once a minute, at the end, and on Ctrl-C.
        Fitting again with the same parameters, images and folder goes on where it stopped, and
        gives the weights of an undisturbed run bit for bit (not with "16-mixed").
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, 4 bytes for each pixel and channel. A file that changed is read anew. Nothing is
        ever deleted.
    random_state : int, RandomState instance or None, default=None
        Decides weights, order, crops and masks. torch's global generator is left as it was.
    verbose : int, default=0
        Above 0 a progress bar with the loss is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The network, on the CPU, in eval mode.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones). Gray images given to a colour
        model are repeated, colour images given to a gray model become luma.
    n_features_out_ : int
        `embed_dim`, or twice that.
    loss_curve_ : ndarray of shape (n_steps,)
        The loss of each step; 1 is what guessing each patch's mean gives.
    seed_ : int
        What `random_state` gave.
    weights_sha256_ : str
        Of the weights; also the checksum of the file that `save` writes.

    Raises
    ------
    ValueError
        In `fit`: sizes that do not divide, a device that is not there, a checkpoint of another
        run; in every method: no images, or images that `skxssr.io.Images` refuses.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written.
    FloatingPointError
        The loss is no longer finite: the learning rate is too high.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

    See Also
    --------
    TorchEmbedder : A network that is trained already.
    SMPSegmenter : Its companion for masks, on the same training loop.
    skxssr.io.Images : The forms images may have.

    Notes
    -----
    The loss is the squared error over hidden patches, whose pixels are first brought to mean 0 and
    deviation 1 within each patch. Positional embeddings are fixed sines and cosines. Crops and
    sizes differ from the paper's because the data are thousands of times fewer.

    The same images, parameters and seed give the same bytes on the same machine with the same
    number of threads. Files are decoded once: squares stay in memory if all of them fit in 1 GiB,
    else in a temporary folder while `fit` runs (``tempfile.gettempdir()``; if it has not twice the
    room, files are decoded again in each epoch). `cache_dir` changes where they stay, no result.

    References
    ----------
    .. [1] K. He, X. Chen, S. Xie, Y. Li, P. Dollar, R. Girshick, "Masked autoencoders are scalable
       vision learners", CVPR 2022. :arxiv:`2111.06377`

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import MAEEmbedder
    >>> images = np.random.default_rng(0).random((6, 32, 40))
    >>> embedder = MAEEmbedder(
    ...     image_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=2, decoder_dim=16,
    ...     steps=3, batch_size=4, random_state=0,
    ... )
    >>> embedder.fit_transform(images).shape
    (6, 24)
    """

    def __init__(
        self,
        *,
        image_size: int = 128,
        patch_size: int = 16,
        embed_dim: int = 128,
        depth: int = 4,
        num_heads: int = 4,
        decoder_dim: int = 64,
        decoder_depth: int = 2,
        mask_ratio: float = 0.75,
        pooling: str = "mean",
        augment: bool = True,
        steps: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
        device: str = "auto",
        devices: int = 1,
        precision: str = "auto",
        checkpoint_dir: str | os.PathLike | None = None,
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.image_size = image_size
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.mask_ratio = mask_ratio
        self.pooling = pooling
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
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "patch_size": [Interval(Integral, 2, None, closed="left")],
        "embed_dim": [Interval(Integral, 4, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "num_heads": [Interval(Integral, 1, None, closed="left")],
        "decoder_dim": [Interval(Integral, 4, None, closed="left")],
        "decoder_depth": [Interval(Integral, 1, None, closed="left")],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "pooling": [StrOptions({"mean", "mean+std", "mean+max", "cls"})],
        "augment": ["boolean"],
        "steps": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, y: Any = None) -> Self:
        """Train on images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`; the source site's, usually. One is enough.
        y : None
            Ignored.

        Returns
        -------
        MAEEmbedder
            Itself.
        """
        self._check_sizes()
        mae, loop = self._backend("mae"), self._backend("loop")
        data, channels, steps, seed = self._start(images)
        recipe = loop.TrainingConfig.of(
            self, steps=steps, seed=seed, betas=(0.9, 0.95), label="masked autoencoder"
        )
        module = self._build(channels, seed)
        loss = mae.MaskedLoss(self.image_size, module.n_patches, self.augment)
        losses = loop.train(module, data, loss, recipe)
        self._set_fitted(module, channels, seed, losses)
        return self

    def transform_patches(self, images: Any) -> np.ndarray:
        """Embed every patch by itself, for what is chosen or compared by parts of images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, n_patches, embed_dim), float32
            C-contiguous: the patch tokens of each square, row by row, those of its black rest
            among them; ``(image_size / patch_size) ** 2`` patches. `pooling` has no say.
        """
        return self._apply(images, lambda squares: self.module_.patch_tokens(squares))

    def reconstruct(self, images: Any, *, random_state: Any = 0) -> Reconstruction:
        """Hide patches and guess them, to look at what was learned.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            A few: all results are in memory at once.
        random_state : int, RandomState instance or None, default=0
            Decides which patches are hidden.

        Returns
        -------
        Reconstruction
            `original`, `masked` and `reconstruction`. A guessed patch is given the mean and
            deviation of the true one, since the network guesses normalised patches.
        """
        check_is_fitted(self)
        hide = self._backend("mae").MaskNoise(
            self.module_, check_random_state(random_state).randint(2**31)
        )
        shown = self._apply(
            images, lambda squares: self.module_.reconstruct(squares, hide(squares))
        )
        shown = shown.transpose(1, 0, 3, 4, 2)
        return Reconstruction(*(shown[..., 0] if self.n_channels_ == 1 else shown))

    def _check_sizes(self) -> None:
        check_sizes(self)

    def _build(self, channels: int, seed: int) -> Any:
        return self._backend("mae").build(
            seed,
            image_size=self.image_size,
            patch_size=self.patch_size,
            in_channels=channels,
            embed_dim=self.embed_dim,
            depth=self.depth,
            num_heads=self.num_heads,
            decoder_dim=self.decoder_dim,
            decoder_depth=self.decoder_depth,
            mask_ratio=self.mask_ratio,
        )
