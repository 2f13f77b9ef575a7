"""The class values of masks: found, and coded as indices."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from skxssr._utils.labels import IGNORED
from skxssr.exceptions import SkxssrWarning
from skxssr.io import Masks, find_mask_rule

__all__ = ["NO_LABEL", "ClassCodes", "with_rule"]

NO_LABEL = -1  # the code of a pixel that is not learned from


class ClassCodes:
    """Mask values to class indices, `NO_LABEL` where there is none."""

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes

    def __repr__(self) -> str:  # tells squares of these classes from those of others in a cache
        return f"ClassCodes({self.classes.tolist()})"

    def __call__(self, labels: np.ndarray, name: str) -> np.ndarray:
        codes = np.searchsorted(self.classes, labels).clip(max=len(self.classes) - 1)
        unlabelled = labels == IGNORED
        if ((self.classes[codes] != labels) & ~unlabelled).any():
            strange = np.setdiff1d(labels[~unlabelled], self.classes)
            raise ValueError(
                f"{name} holds the values {_few(strange)}, but classes is "
                f"{self.classes.tolist()}: add them to classes, or to ignore if such pixels "
                "have no label, or correct the mask"
            )
        codes[unlabelled] = NO_LABEL
        return codes


def with_rule(
    masks: Masks, *, classes: Sequence[int] | None = None, ignore: Sequence[int] | None = None
) -> tuple[Masks, np.ndarray]:
    """Masks that are read by a rule, and their classes; a rule that is there stays.

    Says so where it is more than taking values as they are, and nobody asked for that.
    """
    if masks.rule is not None:
        return masks, np.array(masks.rule.classes if classes is None else classes)
    if classes is not None and ignore is None:
        rule_needed = any(path.lower().endswith((".jpg", ".jpeg")) for path in _files(masks))
        if not rule_needed:
            return masks, np.array(classes)  # not one of them is read for that
    rule = find_mask_rule(masks, classes=classes, ignore=ignore)
    if rule.changed and ignore is None:
        warnings.warn(
            f"{rule.text}. To say otherwise pass classes or ignore, or other masks.",
            SkxssrWarning,
            stacklevel=5,
        )
    return (Masks(masks, rule) if rule.changed else masks), np.array(rule.classes)


def _files(masks: Masks) -> list[str]:
    return [file for row in range(len(masks)) for file in masks.files(row)]


def _few(values: Any) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts[:6] + ["..."] * (len(texts) > 6))
