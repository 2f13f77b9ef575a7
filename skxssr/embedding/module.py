"""`TorchEmbedder`, any network."""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from skxssr._torch import backend
from skxssr.embedding._base import ImageEmbedder
from skxssr.io import Images

__all__ = ["TorchEmbedder"]


class TorchEmbedder(ImageEmbedder):
    """Embeddings from any network that is trained already.

    Parameters
    ----------
    module : torch.nn.Module or str
        A network from images (n, C, image_size, image_size) to vectors (n, d), or to maps
        (n, d, h, w), which `pooling` makes vectors. It is put in eval mode. A string is the name of
        a timm model, made without its classifier, such as "resnet50.a1_in1k"; `from_timm` also
        takes the size and the rest as the model was trained.
    image_size : int, default=224
        Side in pixels of the square that images are resized to, aspect kept, the rest black. A
        timm model of fixed size (a vision transformer) is made for this one, its positions
        interpolated: a multiple of its patch size.
    in_channels : int, default=3
        1 or 3, what the network takes. Gray images are repeated for 3, colour becomes luma for 1.
    mean, std : float, sequence of `in_channels` floats, or None, default=None
        Images in [0, 1] have `mean` subtracted and are divided by `std`. None: what the timm model
        was trained with; 0 and 1 for a module.
    interpolation : {"bilinear", "bicubic"}, default="bilinear"
        How images are resized, with antialiasing either way. Bicubic is sharper; it is for
        networks that were trained so.
    pooling : {"mean", "mean+std"}, default="mean"
        Of maps. "mean" says what is in the image; "mean+std", twice as many features, also how
        unevenly it is spread, so that something small leaves a trace. Networks that return vectors
        take "mean" only.
    pretrained : bool, default=True
        For a timm model: download its weights. Without, they are random, the same each time.
    weights : path or None, default=None
        For a timm model: a file with its weights, instead of a download: ``.safetensors``, or
        ``.pth``, ``.pt`` or ``.bin`` of ``torch.save``, of which nothing but tensors and plain
        values is unpickled.
    batch_size : int, default=32
        Images per batch.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one. Afterwards the
        network is where it was.
    cache_dir : path or None, default=None
        Folder where squares made of image files are kept, so that the next call or run reads those
        instead, 4 bytes for each pixel and channel. A file that changed is read anew. Nothing is
        ever deleted.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Attributes
    ----------
    module_ : torch.nn.Module
        The network with normalisation and pooling.
    n_features_out_ : int
        d, or twice that for "mean+std", from running the network on the first image.
    weights_sha256_ : str
        Of the weights, to say which network gave the embeddings.

    Raises
    ------
    ValueError
        A name that timm does not know, `weights` that are damaged or of another network, `mean` or
        `std` that does not match `in_channels`, an `image_size` that the network cannot take,
        output of another shape, a device that is not there, images that `skxssr.io.Images` refuses.
    FileNotFoundError
        `weights` is not there.
    ImageReadError
        A file cannot be decoded; it is named.
    OSError
        `cache_dir` cannot be written, or the weights of a timm model cannot be downloaded.
    MissingExtraError
        torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

    See Also
    --------
    MAEEmbedder : Trained on the images themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from skxssr import TorchEmbedder
    >>> network = nn.Conv2d(1, 5, kernel_size=3)
    >>> images = np.random.default_rng(0).random((4, 20, 30))
    >>> TorchEmbedder(network, image_size=16, in_channels=1).fit_transform(images).shape
    (4, 5)
    """

    def __init__(
        self,
        module: Any,
        *,
        image_size: int = 224,
        in_channels: int = 3,
        mean: Any = None,
        std: Any = None,
        interpolation: str = "bilinear",
        pooling: str = "mean",
        pretrained: bool = True,
        weights: str | os.PathLike | None = None,
        batch_size: int = 32,
        device: str = "auto",
        cache_dir: str | os.PathLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.image_size = image_size
        self.in_channels = in_channels
        self.mean = mean
        self.std = std
        self.interpolation = interpolation
        self.pooling = pooling
        self.pretrained = pretrained
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.cache_dir = cache_dir
        self.verbose = verbose

    _parameter_constraints: dict = {
        "module": [str, HasMethods(["forward", "state_dict"])],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "in_channels": [Options(Integral, {1, 3})],
        "mean": ["array-like", Real, None],
        "std": ["array-like", Real, None],
        "interpolation": [StrOptions({"bilinear", "bicubic"})],
        "pooling": [StrOptions({"mean", "mean+std"})],
        "pretrained": ["boolean"],
        "weights": [str, os.PathLike, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "cache_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    @classmethod
    def from_timm(
        cls,
        name: str,
        *,
        weights: str | os.PathLike | None = None,
        image_size: int | None = None,
        **parameters: Any,
    ) -> Self:
        """An embedder from a timm model, with images prepared as the model was trained.

        Size, mean, standard deviation and interpolation are those of timm's configuration. What
        stays ours is that an image is fitted into the square as a whole, aspect kept and the rest
        black, where timm would fill the square and cut off the borders.

        Parameters
        ----------
        name : str
            Such as "vit_small_patch14_dinov2.lvd142m"; ``timm.list_pretrained()`` names them.
        weights : path or None, default=None
            A file with the weights (``.safetensors``, or ``.pth`` of tensors alone). None: they are
            downloaded from the hub in `fit`, and kept by it.
        image_size : int or None, default=None
            Another size than the model's own. DINOv2 was trained at 518 pixels; at 224 it takes a
            fifth of the time.
        **parameters
            Any other parameter of `TorchEmbedder`; one given here comes before timm's.

        Returns
        -------
        TorchEmbedder
            Not fitted, and nothing loaded: all of this stands in its parameters.

        Raises
        ------
        ValueError
            timm knows no such model, or no such weights of it.
        MissingExtraError
            torch, timm, lightning-fabric or safetensors is not installed (extra "torch").

        Examples
        --------
        >>> from skxssr import TorchEmbedder
        >>> embedder = TorchEmbedder.from_timm("vit_small_patch14_dinov2.lvd142m", image_size=224)
        >>> embedder.image_size, embedder.interpolation, embedder.mean
        (224, 'bicubic', (0.485, 0.456, 0.406))
        """
        settings = backend("timm_models", caller="TorchEmbedder.from_timm").timm_settings(name)
        if image_size is not None:
            settings["image_size"] = image_size
        return cls(name, weights=weights, **(settings | parameters))

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, y: Any = None) -> Self:
        """Make the network ready and run it on the first image; nothing is learned.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`.
        y : None
            Ignored.

        Returns
        -------
        TorchEmbedder
            Itself.
        """
        wrap = backend("wrap", caller="TorchEmbedder")
        module = wrap.as_embedder(
            self.module,
            image_size=self.image_size,
            in_channels=self.in_channels,
            pretrained=self.pretrained,
            weights=self.weights,
            mean=self.mean,
            std=self.std,
            pooling=self.pooling,
        )
        first = self._embed(module, Images(images)[:1])
        self.module_ = module
        self.n_features_out_ = first.shape[1]
        self.weights_sha256_ = backend("weights", caller="TorchEmbedder").digest(module)
        return self

    def transform(self, images: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Of any size, gray or colour; read in batches.

        Returns
        -------
        ndarray of shape (n, d), float32
            C-contiguous. Does not depend on `batch_size` beyond rounding.
        """
        check_is_fitted(self)
        return self._embed(self.module_, Images(images))

    def _embed(self, module: Any, images: Images) -> np.ndarray:
        return backend("infer", caller="TorchEmbedder").collect(
            module,
            module,
            images,
            size=self.image_size,
            channels=self.in_channels,
            batch_size=self.batch_size,
            device=self.device,
            cache_dir=self.cache_dir,
            interpolation=self.interpolation,
            verbose=self.verbose,
            label="embedding",
        )
