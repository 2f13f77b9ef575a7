"""The network of `SMPSegmenter`: built, and restored from a file. `_torch` only in methods."""

from typing import Any

import numpy as np

from skxssr.segmentation import _checks as checks
from skxssr.segmentation._base import Segmenter

_FITTED = ("n_channels_", "classes_", "seed_", "n_adapted_")


class FittedNetwork(Segmenter):
    """What `SMPSegmenter` does with its parameters and its network, apart from what users call."""

    _extra = "seg"
    arch: str
    encoder_name: str
    arch_kwargs: dict[str, Any] | None
    dropout: float
    init_from: Any

    def _fitted_values(self) -> dict[str, Any]:
        fitted = self._rule_value() | {name: getattr(self, name) for name in _FITTED}
        if self.init_from is not None:
            fitted["init_from_weights_sha256"] = self.init_from.weights_sha256_
        return fitted

    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        checks.check_harmless(self, path)
        channels, classes = fitted["n_channels_"], np.array(fitted["classes_"])
        module = self._build(0, channels, classes, weights=None)
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
