"""Which images should I have annotated? Cross-site sample selection for segmentation.

The public surface, loaded on first use: importing `skxssr` imports no torch, no numba kernel and no
plotting library. This file imports only `_version`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from skxssr._version import __version__

if TYPE_CHECKING:
    from skxssr.base import Selection
    from skxssr.embedding import MAEEmbedder, TorchEmbedder
    from skxssr.segmentation import SMPSegmenter
    from skxssr.selection import (
        CoreSetSelector,
        FacilityLocationSelector,
        FixedIntervalSelector,
        KMeansSelector,
        KMedoidsSelector,
        MaxHerdingSelector,
        ProbCoverSelector,
        RandomSelector,
        StratifiedRandomSelector,
        TypiClustSelector,
        USLSelector,
        XSSRSelector,
    )

# name -> module that defines it
_HOMES = {
    "CoreSetSelector": "skxssr.selection",
    "FacilityLocationSelector": "skxssr.selection",
    "FixedIntervalSelector": "skxssr.selection",
    "KMeansSelector": "skxssr.selection",
    "KMedoidsSelector": "skxssr.selection",
    "MAEEmbedder": "skxssr.embedding",
    "MaxHerdingSelector": "skxssr.selection",
    "ProbCoverSelector": "skxssr.selection",
    "RandomSelector": "skxssr.selection",
    "SMPSegmenter": "skxssr.segmentation",
    "Selection": "skxssr.base",
    "StratifiedRandomSelector": "skxssr.selection",
    "TorchEmbedder": "skxssr.embedding",
    "TypiClustSelector": "skxssr.selection",
    "USLSelector": "skxssr.selection",
    "XSSRSelector": "skxssr.selection",
}

_SUBMODULES = (
    "datasets",
    "embedding",
    "evaluation",
    "exceptions",
    "holdout",
    "io",
    "metrics",
    "neighbors",
    "pipeline",
    "report",
    "segmentation",
    "selection",
    "testing",
)

__all__ = [
    "CoreSetSelector",
    "FacilityLocationSelector",
    "FixedIntervalSelector",
    "KMeansSelector",
    "KMedoidsSelector",
    "MAEEmbedder",
    "MaxHerdingSelector",
    "ProbCoverSelector",
    "RandomSelector",
    "SMPSegmenter",
    "Selection",
    "StratifiedRandomSelector",
    "TorchEmbedder",
    "TypiClustSelector",
    "USLSelector",
    "XSSRSelector",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"skxssr.{name}")
    raise AttributeError(f"module 'skxssr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_SUBMODULES])
