"""How the examples are run and ordered, for sphinx-gallery."""

import warnings

from skxssr.exceptions import SkxssrWarning

# First the selector, then what surrounds it, then other libraries.
ORDER = [
    "plot_pick_22.py",
    "plot_xssr_vs_coreset.py",
    "plot_alpha.py",
    "plot_when_not.py",
    "plot_mae.py",
    "plot_embedder.py",
    "plot_patients.py",
    "plot_continue.py",
    "plot_million.py",
    "plot_pipeline.py",
    "plot_skactiveml_loop.py",
    "plot_warm_rounds.py",
    "plot_warm_segmentation.py",
    "modal_loop.py",
    "baal_loop.py",
    "small_text_loop.py",
    "monailabel_strategy.py",
]


def place(filename: str) -> int:
    """Where a file stands; one that is not in the list stops the build."""
    return ORDER.index(filename)


def strict(gallery_conf: dict, filename: str) -> None:
    """Before each example: a warning of ours is an error."""
    warnings.filterwarnings("error", category=SkxssrWarning)
