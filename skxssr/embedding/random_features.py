"""`RandomFeaturesEmbedder`, nothing trained."""

import os
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skxssr.embedding._network import NetworkEmbedder
from skxssr.io import Images

__all__ = ["RandomFeaturesEmbedder"]

N_DRAWS = 4  # networks side by side: picks from a single one depended on its seed (see Notes)
GRID = 8  # patches of an image in each direction, as in the transformers that read images


class RandomFeaturesEmbedder(NetworkEmbedder):
    """Embeddings from random convolutions: mean and deviation of what nobody trained.

    Two layers of random 3 x 3 convolutions at each of four scales describe texture, edges and
    brightness around each pixel; an embedding is their mean and standard deviation over the image.
    There is no training, so it takes milliseconds an image and is the same in every run, which a
    trained network never is. What a trained embedder adds to this is what its training is worth.

    Parameters
    ----------
    image_size : int, default=64
        Side in pixels of the square that images are resized to, aspect kept, the rest black. Larger
        squares show finer texture, and less of the whole at the coarsest scale.
    batch_size : int, default=32
        Images per batch.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, 4 bytes for each pixel and channel. A file that changed is read anew. Nothing is
        ever deleted.
    random_state : int, RandomState instance or None, default=0
        Draws the convolutions. Fixed, since an embedding that stays is the point.
        `skxssr.RidgeSegmenter` and `skxssr.evaluation.RidgeJudge` draw others from the same seed,
        so that a selector and the segmenter that judges its picks never see the same features.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The convolutions, on the CPU.
    n_channels_ : int
        1, or 3 if an image had colour (of 16 evenly spaced ones). Gray images given to a colour
        model are repeated, colour images given to a gray model become luma.
    n_features_out_ : int
        1540 for gray images, 1544 for colour.
    seed_ : int
        What `random_state` gave.
    weights_sha256_ : str
        Of the weights; also the checksum of the file that `save` writes.

    Raises
    ------
    ValueError
        No images, or images that `skxssr.io.Images` refuses; a device that is not there.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

    See Also
    --------
    MAEEmbedder : Trained on the images themselves.
    TorchEmbedder : A network that is trained already.

    Notes
    -----
    Each channel of each image is first standardised by its own mean and deviation, and its local
    contrast (less the mean of 9 x 9 pixels, over their deviation) is added as a further channel.
    Every layer is convolution and ReLU, its weights normal with a variance that keeps the size of
    signals [1]_. Four such networks are drawn and joined, since with a single one the quality of
    the picks depends on its seed.

    References
    ----------
    .. [1] A. Saxe, P. W. Koh, Z. Chen, M. Bhand, B. Suresh, A. Ng, "On random weights and
       unsupervised feature learning", ICML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import RandomFeaturesEmbedder
    >>> images = np.random.default_rng(0).random((6, 32, 40))
    >>> embedder = RandomFeaturesEmbedder(image_size=32)
    >>> embedder.fit_transform(images).shape
    (6, 1540)
    >>> embedder.transform_patches(images).shape
    (6, 64, 770)
    """

    def __init__(
        self,
        *,
        image_size: int = 64,
        batch_size: int = 32,
        device: str = "auto",
        cache_dir: str | os.PathLike | None = None,
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.image_size = image_size
        self.batch_size = batch_size
        self.device = device
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints: dict = {
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "cache_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, y: Any = None) -> Self:
        """Draw the convolutions, for gray or colour images; nothing else is taken from them.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`. If source and target differ in this, fit on those in colour.
        y : None
            Ignored.

        Returns
        -------
        RandomFeaturesEmbedder
            Itself.
        """
        channels = self._backend("images").count_channels(Images(images))
        seed = int(check_random_state(self.random_state).randint(2**31))
        self._set_fitted(self._build(channels, seed), channels, seed)
        return self

    def transform(self, images: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            C-contiguous, ``n_features_out_`` features: means, then standard deviations. Does not
            depend on `batch_size` beyond rounding.
        """
        return self._apply(images, lambda squares: self.module_.moments(squares))

    def transform_patches(self, images: Any) -> np.ndarray:
        """Embed the patches of images, 8 x 8 of each.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, 64, n_patch_features), float32
            C-contiguous: the mean of each feature over each patch of the square, row by row from
            the top left, ``n_features_out_ // 2`` features. What was added to make the image square
            has patches too.
        """
        return self._apply(images, lambda squares: self.module_.patches(squares, GRID))

    def _build(self, channels: int, seed: int) -> Any:
        features = self._backend("random_features")
        return features.RandomFeatures(channels, seed, features.EMBEDDER, N_DRAWS).eval()

    def _set_fitted(self, module: Any, channels: int, seed: int) -> None:
        self.module_ = module
        self.n_channels_ = channels
        self.n_features_out_ = 2 * module.n_appearance
        self.seed_ = seed
        self.weights_sha256_ = self._backend("weights").digest(module)

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        module = self._build(fitted["n_channels_"], fitted["seed_"])
        module.load_state_dict(state)
        self._set_fitted(module, fitted["n_channels_"], fitted["seed_"])
