"""What a segmenter refuses, and why."""

import os
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skxssr.io import Images, Masks


def check_pairs(images: Images, masks: Masks) -> None:
    """As many masks as images."""
    if len(images) != len(masks):
        raise ValueError(
            f"there are {len(images)} images and {len(masks)} masks: give one mask for each image"
        )


def check_folds(folds: Any, trusted: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The fold of each image, and whether its mask may be learned from."""
    number = np.asarray(folds)
    if number.shape != (n,) or number.dtype.kind not in "iu":
        raise ValueError(
            f"folds must hold an integer for each of the {n} images. Got {number.dtype} of shape "
            f"{number.shape} instead."
        )
    if len(number) == 0 or number.min() != 0 or len(np.unique(number)) != number.max() + 1:
        raise ValueError("folds must be numbered from 0 without a gap.")
    if number.max() == 0:
        raise ValueError("folds names one fold only: an image needs others to be predicted from.")
    taught = np.ones(n, dtype=bool) if trusted is None else np.asarray(trusted)
    if taught.shape != (n,) or taught.dtype.kind != "b":
        raise ValueError(
            f"trusted must hold a bool for each of the {n} images. Got {taught.dtype} of shape "
            f"{taught.shape} instead."
        )
    for fold in range(int(number.max()) + 1):
        if not (taught & (number != fold)).any():
            raise ValueError(f"no trusted mask lies outside of fold {fold}: trust some of others.")
    return number.astype(np.intp), taught


def check_same_size(true: np.ndarray, pred: np.ndarray, names: tuple[str, str]) -> None:
    """A mask is as large as the prediction for its image."""
    if true.shape != pred.shape:
        raise ValueError(
            f"{names[1]} has shape {true.shape} but {names[0]} has {pred.shape}: a mask must "
            "have the height and width of its image"
        )


def check_init_from(segmenter: Any, channels: int, classes: np.ndarray) -> None:
    """The weights of `segmenter.init_from` fit `segmenter`, for such images and masks."""
    start = segmenter.init_from
    check_is_fitted(start)
    names = ("arch", "encoder_name", "arch_kwargs", "dropout")
    theirs: dict[str, Any] = {name: getattr(start, name) for name in names}
    ours: dict[str, Any] = {name: getattr(segmenter, name) for name in names}
    theirs |= {"channels": start.n_channels_, "classes": start.classes_.tolist()}
    ours |= {"channels": channels, "classes": classes.tolist()}
    if len(theirs["classes"]) == len(ours["classes"]) == 2:
        theirs["classes"] = ours["classes"]  # foreground is foreground, 1 or 255
    differing = [
        f"{name} ({theirs[name]!r} there, {ours[name]!r} here)"
        for name in ours
        if _plain(theirs[name]) != _plain(ours[name])
    ]
    if differing:
        raise ValueError(
            f"init_from has other {' and '.join(differing)}: its weights do not fit. Give both the "
            "same parameters and the same kind of images and masks"
        )


def check_adapt(method: Any, source: Any, steps: Any, strength: Any) -> None:
    """The arguments of `adapt` go together."""
    if method not in ("statistics", "fda", "dann"):
        raise ValueError(f"method must be 'statistics', 'fda' or 'dann'. Got {method!r} instead.")
    given = {"source": source, "steps": steps, "strength": strength}
    if method == "statistics":
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{name} is for method='fda' and 'dann', which train; method='statistics' does "
                    f"not: leave {name} away"
                )
        return
    if not isinstance(source, tuple) or len(source) != 2:
        raise ValueError(
            f"method={method!r} trains on labelled images of the source: give "
            "source=(images, masks), those that the segmenter was fitted on"
        )
    if steps is not None and (not isinstance(steps, Integral) or steps < 1):
        raise ValueError(f"steps must be an int of at least 1, or None. Got {steps!r} instead.")
    most = 0.5 if method == "fda" else float("inf")
    if strength is not None and not 0 < strength <= most:
        raise ValueError(
            f"strength of method={method!r} must be above 0 and at most {most}. Got {strength!r} "
            "instead."
        )


def check_harmless(segmenter: Any, path: str | os.PathLike) -> None:
    """Refuse a configuration that would make timm read further files or download."""
    kwargs = segmenter.arch_kwargs or {}
    strange = [key for key in kwargs if key.startswith(("checkpoint", "pretrained", "cache"))]
    strange += [name for name in (segmenter.encoder_name, segmenter.arch) if set(name) & set(":/")]
    if strange:
        raise ValueError(
            f"{os.fspath(path)} was not loaded: its configuration names {', '.join(strange)}, "
            "which could make the network read other files"
        )


def stack(arrays: list[np.ndarray]) -> "np.ndarray | list[np.ndarray]":
    """One array if all shapes are equal, else the list."""
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays


def _plain(value: Any) -> Any:
    """Lists for tuples, so that a model compares equal to itself read from JSON."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def check_classes(classes: Any) -> np.ndarray:
    """The class values a user gave, ascending."""
    values = np.asarray(classes)
    if values.ndim != 1 or values.dtype.kind not in "iub" or len(np.unique(values)) < 2:
        raise ValueError(
            "classes must be None or at least two distinct integers, the first (lowest) the "
            f"background. Got {classes!r} instead."
        )
    return np.unique(values)
