"""How unsure a trained network is of each image, as the demand of the next batch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import read_json
from skxssr.io import Images
from skxssr.metrics import entropy
from skxssr.segmentation import RidgeSegmenter, SMPSegmenter

__all__ = ["load_segmenter", "uncertainty"]

_SAVED: dict[str, Any] = {"SMPSegmenter": SMPSegmenter, "RidgeSegmenter": RidgeSegmenter}
_PART = 64  # images whose probability maps are in memory at once


def load_segmenter(folder: str | os.PathLike) -> Any:
    """Read a saved segmenter of either class; its ``config.json`` says which.

    Parameters
    ----------
    folder : path
        What the `save` of a segmenter wrote.

    Returns
    -------
    SMPSegmenter or RidgeSegmenter
        Fitted.

    Raises
    ------
    ValueError
        It is no such folder.
    """
    config = read_json(Path(folder) / "config.json")
    name = config.get("class") if isinstance(config, dict) else None
    if name not in _SAVED:
        raise ValueError(
            f"--model {folder} holds no saved segmenter ({', '.join(_SAVED)}): give the folder "
            "that its method save, or skxssr train, wrote"
        )
    return _SAVED[name].load(folder)


def uncertainty(
    model: Any, images: Any, on_message: Callable[[str], object] = lambda text: None
) -> np.ndarray:
    """Mean entropy of the pixels of each image, in nats; see `skxssr.metrics.entropy`.

    Parameters
    ----------
    model : fitted segmenter
        Has `predict_proba`.
    images : sequence of paths, or Images
        Predicted in parts, so that few probability maps are in memory at once.
    on_message : callable, optional
        Called with what was found.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        The network is certain of every pixel, so that there is nothing to weigh by.
    """
    images = Images(images)
    parts = [
        entropy(model.predict_proba(images.subset(np.arange(lo, min(lo + _PART, len(images))))))
        for lo in range(0, len(images), _PART)
    ]
    found = np.concatenate(parts)
    if not found.any():
        raise ValueError(
            "--model is certain of every pixel of every image, so that there is nothing to weigh "
            "by: leave --model away"
        )
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    on_message(
        "Demand is weighed by the mean entropy of the model in each image: "
        f"{low:.3g} to {high:.3g} nats, median {middle:.3g}."
    )
    return found
