"""What `XSSRSelector` scores by: its terms, and how each is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from skxssr.metrics.coverage import COVERAGE_LOSSES

TERMS = ("density", "novelty", "diversity")
CALIBRATIONS = (*COVERAGE_LOSSES, "novel_distance")


@dataclass(frozen=True)
class ScoreSpec:
    """The score of an `XSSRSelector`, for ablations and comparisons.

    The paper says that density, novelty and diversity are scored and not how, so that each has more
    than one reading. The defaults are those of the form that the study chose.

    Parameters
    ----------
    density : {"typicality", "residual"}, default="typicality"
        "typicality" is by 1 / mean distance to the nearest rows, the same at every pick.
        "residual" is the demand that a row would newly cover, by a Gaussian kernel.
    diversity : {"clusters", "distance"}, default="clusters"
        "clusters" takes each pick from another k-means cluster of the pool, the largest first.
        "distance" is the distance to the nearest pick or labelled row, as in k-center, which an
        outlier has most of.
    composite : {"geometric", "additive"}, default="geometric"
        "geometric" is density x novelty^alpha x diversity^(1 - alpha); clusters have no power.
        "additive" is density x (alpha novelty + (1 - alpha) diversity), with novelty as a rank and
        diversity as a share of the 95th percentile of the distances in the pool, cut off at 1. It
        needs ``diversity="distance"``.
    terms : tuple of {"density", "novelty", "diversity"}, \
            default=("density", "novelty", "diversity")
        A term left out is 1 in every row. Without novelty alpha is 0, without diversity 1.
    novelty : {"score", "demand"}, default="score"
        "demand" multiplies the demand of each row, not its score, by novelty^alpha: novelty then
        says what needs covering. Needs a residual density.
    source_weight : float in [0, 1], default=0.0
        How far the source counts as covering the target, for a model that also learns from the
        source's labels; 0 for one trained on the picks alone. Needs a residual density.
    bandwidth_scale : float, default=2.0
        Bandwidth of the Gaussian kernel in units of the median distance to the k-th neighbour.
    calibration : {"mean_distance", "radius", "kernel", "novel_distance"}, \
            default="mean_distance"
        Coverage loss that alpha minimises, see `skxssr.metrics.coverage_loss`. "novel_distance" is
        the mean distance with each row weighted by its novelty.

    Raises
    ------
    ValueError
        A value is none of those listed, or two of them do not go together.

    See Also
    --------
    skxssr.XSSRSelector : Takes it as `scoring`.
    skxssr.selection.make_variant : Selectors of the scores that were compared, by name.

    Examples
    --------
    >>> from skxssr import XSSRSelector
    >>> from skxssr.selection import ScoreSpec
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> k_center = ScoreSpec(terms=("diversity",), diversity="distance")
    >>> XSSRSelector(scoring=k_center).select(X, 3).shape
    (3,)
    """

    density: str = "typicality"
    diversity: str = "clusters"
    composite: str = "geometric"
    terms: tuple[str, ...] = TERMS
    novelty: str = "score"
    source_weight: float = 0.0
    bandwidth_scale: float = 2.0
    calibration: str = "mean_distance"

    def __post_init__(self) -> None:
        self._check_values()
        terms: Any = self.terms
        if not isinstance(terms, str) and np.iterable(terms):
            object.__setattr__(self, "terms", tuple(map(str, terms)))
        known = isinstance(self.terms, tuple) and bool(self.terms) and {*self.terms} <= {*TERMS}
        if not known or len(set(self.terms)) < len(self.terms):
            raise ValueError(
                f"terms must name at least one of {TERMS}, each once. Got {self.terms!r} instead."
            )
        if self.diversity != "distance" and (
            self.composite == "additive" or self.density == "residual"
        ):
            raise ValueError(
                f"diversity={self.diversity!r} goes with composite='geometric' and "
                f"density='typicality'. Got composite={self.composite!r} and "
                f"density={self.density!r}: pass diversity='distance' with these."
            )
        asked = ""
        if self.source_weight > 0:
            asked = f"source_weight={self.source_weight}"
        elif self.novelty == "demand" and "novelty" in self.terms:
            asked = "novelty='demand'"
        if asked and not self.residual:
            raise ValueError(
                f"{asked} acts on the demand, which only the residual density has. Got "
                f"density={self.density!r} and terms={self.terms!r}: pass density='residual' with "
                "diversity='distance', and keep 'density' among the terms."
            )

    def _check_values(self) -> None:
        allowed = {
            "density": ("typicality", "residual"),
            "diversity": ("clusters", "distance"),
            "composite": ("geometric", "additive"),
            "novelty": ("score", "demand"),
            "calibration": CALIBRATIONS,
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be one of {values}. Got {getattr(self, name)!r} instead."
                )
        if not 0 <= self.source_weight <= 1:
            raise ValueError(
                f"source_weight must be within 0 and 1. Got {self.source_weight!r} instead."
            )
        if not self.bandwidth_scale > 0:
            raise ValueError(
                f"bandwidth_scale must be above 0. Got {self.bandwidth_scale!r} instead."
            )

    @property
    def residual(self) -> bool:
        """Whether picks cover demand."""
        return self.density == "residual" and "density" in self.terms

    @property
    def trades(self) -> bool:
        """Whether there are novelty and diversity for alpha to trade off."""
        return {"novelty", "diversity"} <= {*self.terms}


AS_DESCRIBED: dict[str, Any] = {"composite": "additive", "diversity": "distance"}
RESIDUAL: dict[str, Any] = {"density": "residual", "diversity": "distance"}

SCORES: Mapping[str, ScoreSpec] = MappingProxyType(
    {
        "xssr": ScoreSpec(),
        "as described": ScoreSpec(**AS_DESCRIBED),
        "residual": ScoreSpec(**RESIDUAL),
    }
)
