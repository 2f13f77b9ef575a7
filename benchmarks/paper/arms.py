"""What the benchmarks of the paper share: the recipe, rivals, and forms of XSSR by name."""

from typing import Any

import skxssr
from benchmarks.common import network
from skxssr.selection.variants import XSSR_VARIANTS, make_variant

SEED = 2606  # of every split
MAE = {"image_size": 128, "patch_size": 32, "steps": 900}
# chosen on Montgomery alone: benchmarks/first_edition/recipe.py
UNET = {**network(8), "image_size": 64, "steps": 600, "learning_rate": 1e-2}
DEFAULT_256 = {"image_size": 256, "steps": 2000}
PROXY = {**network(8), "image_size": 32, "steps": 150, "learning_rate": 1e-2}


def rivals() -> dict[str, Any]:
    """Every selector of the library but XSSR, with its defaults."""
    return {
        "CoreSet": skxssr.CoreSetSelector(),
        "MaxHerding": skxssr.MaxHerdingSelector(),
        "facility location": skxssr.FacilityLocationSelector(),
        "k-medoids, source covered": skxssr.KMedoidsSelector(),
        "k-means centres": skxssr.KMeansSelector(),
        "TypiClust": skxssr.TypiClustSelector(),
        "ProbCover": skxssr.ProbCoverSelector(),
        "USL": skxssr.USLSelector(),
    }


def some_rivals(*names: str) -> dict[str, Any]:
    return {name: rivals()[name] for name in names}


def forms(*names: str) -> dict[str, Any]:
    return {name: make_variant(name) for name in names}


def ablation_arms() -> dict[str, Any]:
    """Each term removed in turn, for both forms."""
    names = [name for name in XSSR_VARIANTS if name.startswith("XSSR")]
    return forms(*names)
