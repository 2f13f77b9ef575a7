"""Which images should I have annotated? Cross-domain representative selection.

The public surface, loaded on first use: importing `skxssr` imports no torch, no numba kernel and no
plotting library. This file imports only `_version`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from skxssr._version import __version__

if TYPE_CHECKING:
    from skxssr.base import Selection
    from skxssr.embedding import (
        ContrastiveEmbedder,
        JoinedEmbedder,
        MAEEmbedder,
        RandomFeaturesEmbedder,
        TorchEmbedder,
    )
    from skxssr.segmentation import RidgeSegmenter, SMPSegmenter, TorchSegmenter
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
    "ContrastiveEmbedder": "skxssr.embedding",
    "CoreSetSelector": "skxssr.selection",
    "FacilityLocationSelector": "skxssr.selection",
    "FixedIntervalSelector": "skxssr.selection",
    "JoinedEmbedder": "skxssr.embedding",
    "KMeansSelector": "skxssr.selection",
    "KMedoidsSelector": "skxssr.selection",
    "MAEEmbedder": "skxssr.embedding",
    "MaxHerdingSelector": "skxssr.selection",
    "ProbCoverSelector": "skxssr.selection",
    "RandomFeaturesEmbedder": "skxssr.embedding",
    "RandomSelector": "skxssr.selection",
    "RidgeSegmenter": "skxssr.segmentation",
    "SMPSegmenter": "skxssr.segmentation",
    "Selection": "skxssr.base",
    "StratifiedRandomSelector": "skxssr.selection",
    "TorchEmbedder": "skxssr.embedding",
    "TorchSegmenter": "skxssr.segmentation",
    "TypiClustSelector": "skxssr.selection",
    "USLSelector": "skxssr.selection",
    "XSSRSelector": "skxssr.selection",
}

_SUBMODULES = (
    "datasets",
    "distributed",
    "embedding",
    "evaluation",
    "exceptions",
    "holdout",
    "io",
    "metrics",
    "neighbors",
    "pipeline",
    "report",
    "review",
    "segmentation",
    "selection",
    "testing",
    "warm",
)

__all__ = [
    "ContrastiveEmbedder",
    "CoreSetSelector",
    "FacilityLocationSelector",
    "FixedIntervalSelector",
    "JoinedEmbedder",
    "KMeansSelector",
    "KMedoidsSelector",
    "MAEEmbedder",
    "MaxHerdingSelector",
    "ProbCoverSelector",
    "RandomFeaturesEmbedder",
    "RandomSelector",
    "RidgeSegmenter",
    "SMPSegmenter",
    "Selection",
    "StratifiedRandomSelector",
    "TorchEmbedder",
    "TorchSegmenter",
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
