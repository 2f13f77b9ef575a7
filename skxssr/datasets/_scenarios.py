"""The populations that phantoms are drawn from.

A scenario is a pair of sites, each the task's own site with some of its numbers replaced.
"""

from dataclasses import replace
from typing import Any

from skxssr.datasets import _brain_anatomy as brain
from skxssr.datasets import _chest_anatomy as chest

__all__ = ["LOOKS", "SCENARIOS"]

_CHEST_A, _CHEST_B = chest.SITES["A"], chest.SITES["B"]
_BRAIN_A, _BRAIN_B = brain.SITES["A"], brain.SITES["B"]

# one kind of patient, one film each, placed with care, on site A's scanner
_CHEST_ALIKE = replace(
    _CHEST_A,
    modes={"normal": 1.0},
    lung_height=(0.50, 0.54),
    width=(0.54, 0.58),
    margins=((0.06, 0.08), (0.05, 0.07), (0.02, 0.04), (0.14, 0.18)),
    films=(1.0, 0.0, 0.0),
)
_BRAIN_ALIKE = replace(
    _BRAIN_A,
    modes={"lesion": 1.0},
    height=(0.42, 0.44),
    aspect=(0.80, 0.82),
    tilt=0.02,
    ventricles=(0.85, 0.95),
    radius=(0.20, 0.24),
    reach=(1.6, 2.0),
    n_slices=(10, 10),
)

SCENARIOS: dict[str, dict[str | None, dict[str, Any]]] = {
    "chest": {
        None: chest.SITES,
        "rare": {
            "A": _CHEST_A,
            "B": replace(
                _CHEST_B,
                modes={
                    "normal": 0.53,
                    "opacity": 0.29,
                    "effusion": 0.11,
                    "collapsed": 0.04,
                    "dark": 0.01,
                    "inverted": 0.01,
                    "blank": 0.01,
                },
            ),
        },
        "null": {"A": _CHEST_ALIKE, "B": _CHEST_ALIKE},
        "dense": {
            "A": _CHEST_A,
            "B": replace(
                _CHEST_B,
                modes={
                    "easy": 0.62,
                    "normal": 0.05,
                    "opacity": 0.13,
                    "effusion": 0.06,
                    "child": 0.05,
                    "rotated": 0.04,
                    "collapsed": 0.03,
                    "device": 0.02,
                },
                lung_height=(0.52, 0.86),
                width=(0.42, 0.64),
            ),
        },
    },
    "lesion": {
        None: brain.SITES,
        "small": {
            "A": replace(_BRAIN_A, radius=(0.045, 0.08), reach=(0.7, 1.3)),
            "B": replace(_BRAIN_B, radius=(0.045, 0.08), reach=(0.7, 1.3)),
        },
        "two_classes": {
            "A": replace(_BRAIN_A, n_classes=2),
            "B": replace(_BRAIN_B, n_classes=2),
        },
        "null": {"A": _BRAIN_ALIKE, "B": _BRAIN_ALIKE},
    },
}

LOOKS: dict[str, dict[str, Any]] = {
    "chest": {name: site.look for name, site in chest.SITES.items()},
    "lesion": {name: site.look for name, site in brain.SITES.items()},
}
