"""Data to try the package on: procedural phantoms, and readers of published benchmarks.

May import numpy, scipy, scikit-learn's `Bunch` and `check_random_state`, and `skxssr.io`; never
torch, a kernel or a selector. Nothing is downloaded.
"""

from skxssr.datasets.chest_xray import load_chest_xray
from skxssr.datasets.phantoms import make_phantoms

__all__ = ["load_chest_xray", "make_phantoms"]
