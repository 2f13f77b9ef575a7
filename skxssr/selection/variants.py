"""Forms of `XSSRSelector` by name, for ablations and comparisons."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from skxssr.selection.score import AS_DESCRIBED, RESIDUAL, SCORES, ScoreSpec
from skxssr.selection.xssr import XSSRSelector

_DESCRIBED: dict[str, Any] = {**AS_DESCRIBED, "alpha": "auto"}
_RESIDUAL: dict[str, Any] = {**RESIDUAL, "alpha": "auto"}

XSSR_VARIANTS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        # the literal reading of the paper, each term a share of a fixed scale, and its ablation
        "XSSR as described": _DESCRIBED,
        "XSSR as described, without density": {**_DESCRIBED, "terms": ("novelty", "diversity")},
        "XSSR as described, without novelty": {**_DESCRIBED, "terms": ("density", "diversity")},
        "XSSR as described, without diversity": {**_DESCRIBED, "terms": ("density", "novelty")},
        # the default of this package; with the calibrated novelty; and its ablation
        "XSSR": {},
        "XSSR, alpha auto": {"alpha": "auto"},
        "XSSR, without density": {"alpha": "auto", "terms": ("novelty", "diversity")},
        "XSSR, without diversity": {"alpha": "auto", "terms": ("density", "novelty")},
        "density alone": {**_RESIDUAL, "terms": ("density",)},
        "novelty alone": {**_RESIDUAL, "terms": ("novelty",)},
        "diversity alone": {**_RESIDUAL, "terms": ("diversity",)},
        # the default of the first edition of the study, and one choice of it changed
        "residual": _RESIDUAL,
        "residual, without density": {**_RESIDUAL, "terms": ("novelty", "diversity")},
        "residual, without novelty": {**_RESIDUAL, "terms": ("density", "diversity")},
        "residual, without diversity": {**_RESIDUAL, "terms": ("density", "novelty")},
        "residual, alpha 0": {**_RESIDUAL, "alpha": 0.0},
        "residual, additive": {**_RESIDUAL, "composite": "additive"},
        "typicality, distance": {"alpha": "auto", "diversity": "distance"},
        "novelty as demand weight": {**_RESIDUAL, "novelty": "demand"},
        "source as covered": {**_RESIDUAL, "source_weight": 1.0},
        "alpha within 3 percent": {**_RESIDUAL, "alpha_tolerance": 0.03},
        "calibrated by novel distance": {**_RESIDUAL, "calibration": "novel_distance"},
    }
)


def make_variant(name: str, **overrides: Any) -> XSSRSelector:
    """Make an `XSSRSelector` of a form in `XSSR_VARIANTS`.

    "XSSR as described" is the literal reading of the paper's abstract: typicality, novelty and
    diversity on fixed scales, novelty and diversity added, alpha calibrated. "XSSR" is the default
    of this package: the most typical row of each cluster of the pool, novelty off. "residual" is
    the default of the first edition of the study: a product of residual density, novelty and
    distance. Their formulas are not the paper's: say which form figures are of, and never credit
    those of one to another.

    Parameters
    ----------
    name : str
        A key of `XSSR_VARIANTS`.
    **overrides : Any
        Further parameters of `XSSRSelector` or of its `ScoreSpec`; they win over those of the name.

    Returns
    -------
    XSSRSelector
        Not fitted.

    Raises
    ------
    ValueError
        No form has that name.

    See Also
    --------
    skxssr.XSSRSelector : What each parameter means.

    Notes
    -----
    Without novelty alpha is 0, so that "residual, without novelty" picks what "residual, alpha 0"
    does. Novelty is off in "XSSR" itself, so that its ablation is of "XSSR, alpha auto".
    "density alone" is greedy kernel coverage, "diversity alone" greedy k-center from the first row.

    References
    ----------
    .. [1] A. Anisimov et al., "XSSR: Cross-Domain Self-Supervised Representative Selection for
       Efficient Annotation in Medical Image Segmentation", 2026. :arxiv:`2606.04301`.

    Examples
    --------
    >>> from skxssr.selection import make_variant
    >>> make_variant("XSSR as described", n_jobs=2)
    XSSRSelector(alpha='auto', n_jobs=2, scoring='as described')
    """
    if name not in XSSR_VARIANTS:
        raise ValueError(f"name must be one of {list(XSSR_VARIANTS)}. Got {name!r} instead.")
    given = {**XSSR_VARIANTS[name], **overrides}
    names = {field.name for field in fields(ScoreSpec)} & {*given}
    score = ScoreSpec(**{name: given.pop(name) for name in names})
    known = [name for name, spec in SCORES.items() if spec == score]
    return XSSRSelector(**{"scoring": known[0] if known else score, **given})
