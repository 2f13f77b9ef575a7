"""What segmenters around a trained network share: `fit`, `adapt`, saving. `_torch` in methods."""

import copy
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skxssr.io import Images
from skxssr.segmentation import _checks as checks
from skxssr.segmentation._base import Segmenter

_FITTED = ("n_channels_", "classes_", "seed_", "n_adapted_")


class NetworkSegmenter(Segmenter):
    """A segmenter that trains; a subclass makes the network in `_new_network`."""

    _extra = "seg"
    steps: int
    augment: bool | str
    random_state: Any
    loss_curve_: np.ndarray
    n_adapted_: int

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, masks: Any) -> Self:
        """Train on images and their masks.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            As for `skxssr.io.Images`. One is enough.
        masks : ndarray of shape (n, H, W), or sequence of paths or arrays
            As for `skxssr.io.Masks`: raw class values, each mask of its image's size.

        Returns
        -------
        estimator
            Itself.
        """
        unet, loop = self._backend("unet"), self._backend("loop")
        data, classes = self._training_set(images, masks)
        seed = int(check_random_state(self.random_state).randint(2**31))
        module = self._new_network(seed, data.channels, classes)
        recipe = loop.TrainingConfig.of(self, steps=self.steps, seed=seed, label=self._label_of())
        losses = loop.train(module, data, unet.MaskLoss(len(classes), self.augment), recipe)
        self._set_fitted(module, data.channels, classes, seed, losses)
        return self

    def adapt(
        self,
        images: Any,
        *,
        method: str = "statistics",
        source: tuple[Any, Any] | None = None,
        steps: int | None = None,
        strength: float | None = None,
    ) -> Self:
        """A copy adapted to the images of another site; no mask of that site is needed.

        A cheap answer to a change of scanner, and the one to beat before anything is annotated.

        Parameters
        ----------
        images : ndarray of shape (n, H, W) or (n, H, W, C), or sequence of paths or arrays
            Unlabelled images of the new site, at least 2 and better some hundred, with and without
            the target as they come.
        method : {"statistics", "fda", "dann"}, default="statistics"
            "statistics" (AdaBN [1]_): weights stay as they are, and means and variances that batch
            normalisation learned from the training images are replaced by averages over batches
            of these, read once in an order that is the same each time; seconds. "fda" [2]_: the
            training goes on with source images whose lowest frequencies have the amplitudes of
            these, so that they look like these and keep their masks. "dann" [3]_: the training
            goes on while a second network learns to tell the two sites by the encoder's features,
            and the encoder to prevent it.
        source : tuple of images and masks, optional
            What this was fitted on, or other labelled images of the source; needed by "fda" and
            "dann", which train.
        steps : int or None, default=None
            Training steps of "fda" and "dann"; None: as many as `fit` took. Other training
            parameters are this segmenter's, `checkpoint_dir` is not used.
        strength : float or None, default=None
            Of "fda" half the side of the exchanged square of frequencies, as a share of the
            image's side, in (0, 0.5]; None: 0.01, the least of its paper. Of "dann" the weight of
            the second network's loss, above 0; None: 0.1.

        Returns
        -------
        estimator
            Fitted, with the same parameters; this one stays as it was.

        Raises
        ------
        ValueError
            The network has no batch normalisation ("statistics"), there is but one image, `source`
            is missing or its masks hold values that this segmenter does not know, or an argument is
            given that `method` does not take.

        Notes
        -----
        Images can also be translated from one look to the other by a network of its own, as in
        CyCADA [4]_. There is none here: pass translated source images and their masks to `fit`.

        References
        ----------
        .. [1] Y. Li, N. Wang, J. Shi, J. Liu, X. Hou, "Revisiting batch normalization for practical
           domain adaptation", 2016. :arxiv:`1603.04779`
        .. [2] Y. Yang, S. Soatto, "FDA: Fourier domain adaptation for semantic segmentation", CVPR
           2020. :arxiv:`2004.05498`
        .. [3] Y. Ganin et al., "Domain-adversarial training of neural networks", JMLR 17, 2016.
           :arxiv:`1505.07818`
        .. [4] J. Hoffman et al., "CyCADA: cycle-consistent adversarial domain adaptation", ICML
           2018. :arxiv:`1711.03213`
        """
        check_is_fitted(self)
        checks.check_adapt(method, source, steps, strength)
        adapted = copy.copy(self)
        adapted.module_ = copy.deepcopy(self.module_)
        images = Images(images)
        if len(images) < 2:
            raise ValueError(f"adapt needs at least 2 images to learn from, got {len(images)}")
        if method == "statistics":
            self._backend("batch_norm").reestimate(
                adapted.module_,
                images,
                size=self.image_size,
                channels=self.n_channels_,
                batch_size=self.batch_size,
                device=self.device,
                cache_dir=self.cache_dir,
                verbose=self.verbose,
            )
        else:
            assert source is not None
            adapted.loss_curve_ = self._backend("adaptation").adapt(
                adapted,
                self._labelled_squares(*source, cache_dir=self.cache_dir),
                self._backend("images").SquareDataset(
                    images, self.image_size, self.n_channels_, cache_dir=self.cache_dir
                ),
                method=method,
                steps=steps or self.steps,
                strength=strength,
            )
        adapted.n_adapted_ = len(images)
        adapted.weights_sha256_ = self._backend("weights").digest(adapted.module_)
        return adapted

    def _fitted_values(self) -> dict[str, Any]:
        return self._rule_value() | {name: getattr(self, name) for name in _FITTED}

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        channels, classes = fitted["n_channels_"], np.array(fitted["classes_"])
        module = self._empty_network(channels, classes, path)
        module.load_state_dict(state)
        losses = np.array(fitted["loss_curve_"])
        self._set_fitted(module.eval(), channels, classes, fitted["seed_"], losses)
        self.n_adapted_ = fitted.get("n_adapted_", 0)
        self._restore_rule(fitted)

    def _set_fitted(
        self, module: Any, channels: int, classes: np.ndarray, seed: int, losses: np.ndarray
    ) -> None:
        self._set_network(module, channels, classes, seed)
        self.n_adapted_ = 0
        self.loss_curve_ = losses

    def _label_of(self) -> str:
        """What the progress bar calls the training."""
        raise NotImplementedError

    def _new_network(self, seed: int, channels: int, classes: np.ndarray) -> Any:
        """The network that `fit` trains."""
        raise NotImplementedError

    def _empty_network(self, channels: int, classes: np.ndarray, path: Any) -> Any:
        """The same, for weights that were saved in `path`."""
        raise NotImplementedError
