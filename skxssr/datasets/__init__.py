"""Data to try the package on: procedural phantoms, and readers of published benchmarks.

May import numpy, scipy, scikit-learn's `Bunch` and `check_random_state`, and `skxssr.io`; never
torch, a kernel or a selector; nibabel in the readers of prostate MRI alone, at the call. Nothing is
downloaded.
"""

from skxssr.datasets.chest_xray import load_chest_xray
from skxssr.datasets.lgg_mri import load_lgg_mri
from skxssr.datasets.phantoms import make_phantoms
from skxssr.datasets.prostate import load_prostate
from skxssr.datasets.prostate_origins import load_nci_isbi, load_promise12
from skxssr.datasets.riga import load_riga_plus

__all__ = [
    "load_chest_xray",
    "load_lgg_mri",
    "load_nci_isbi",
    "load_promise12",
    "load_prostate",
    "load_riga_plus",
    "make_phantoms",
]
