"""Selectors, one algorithm a file."""

from skxssr.selection.coreset import CoreSetSelector
from skxssr.selection.facility_location import FacilityLocationSelector
from skxssr.selection.k_means import KMeansSelector
from skxssr.selection.k_medoids import KMedoidsSelector
from skxssr.selection.max_herding import MaxHerdingSelector
from skxssr.selection.prob_cover import ProbCoverSelector
from skxssr.selection.random_draw import RandomSelector
from skxssr.selection.score import ScoreSpec
from skxssr.selection.structured import FixedIntervalSelector, StratifiedRandomSelector
from skxssr.selection.typiclust import TypiClustSelector
from skxssr.selection.usl import USLSelector
from skxssr.selection.variants import XSSR_VARIANTS, make_variant
from skxssr.selection.xssr import XSSRSelector

__all__ = [
    "CoreSetSelector",
    "FacilityLocationSelector",
    "FixedIntervalSelector",
    "KMeansSelector",
    "KMedoidsSelector",
    "MaxHerdingSelector",
    "ProbCoverSelector",
    "RandomSelector",
    "ScoreSpec",
    "StratifiedRandomSelector",
    "TypiClustSelector",
    "USLSelector",
    "XSSRSelector",
    "XSSR_VARIANTS",
    "make_variant",
]
