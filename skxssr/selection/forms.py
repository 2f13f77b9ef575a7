"""Forms of `XSSRSelector` by name, for ablations and comparisons. Imports `xssr`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from skxssr.selection.xssr import XSSRSelector

_AS_DESCRIBED = {"density": "typicality", "composite": "additive"}

XSSR_FORMS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        # the literal reading of the paper, each term a share of a fixed scale, and its ablation
        "XSSR as described": _AS_DESCRIBED,
        "XSSR as described, without density": {**_AS_DESCRIBED, "terms": ("novelty", "diversity")},
        "XSSR as described, without novelty": {**_AS_DESCRIBED, "terms": ("density", "diversity")},
        "XSSR as described, without diversity": {**_AS_DESCRIBED, "terms": ("density", "novelty")},
        # the default of this package, and its ablation
        "XSSR": {},
        "XSSR, without density": {"terms": ("novelty", "diversity")},
        "XSSR, without novelty": {"terms": ("density", "diversity")},
        "XSSR, without diversity": {"terms": ("density", "novelty")},
        "density alone": {"terms": ("density",)},
        "novelty alone": {"terms": ("novelty",)},
        "diversity alone": {"terms": ("diversity",)},
        # one choice of the default changed
        "residual, alpha 0": {"alpha": 0.0},
        "residual, additive": {"composite": "additive"},
        "typicality, geometric": {"density": "typicality"},
        "novelty as demand weight": {"novelty": "demand"},
        "source as covered": {"source_weight": 1.0},
        "alpha within 3 percent": {"alpha_tolerance": 0.03},
        "calibrated by novel distance": {"calibration": "novel_distance"},
    }
)


def make_form(name: str, **overrides: Any) -> XSSRSelector:
    """Make an `XSSRSelector` of a form in `XSSR_FORMS`.

    "XSSR as described" is the literal reading of the paper's abstract: typicality, novelty and
    diversity on fixed scales, novelty and diversity added. "XSSR" is the default of this package:
    a residual density and a product. Its formulas are not the paper's: report both, and never
    credit the figures of one to the other.

    Parameters
    ----------
    name : str
        A key of `XSSR_FORMS`.
    **overrides : Any
        Further parameters of `XSSRSelector`; they win over those of the form.

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
    Without novelty alpha is 0, so that "XSSR, without novelty" picks what "residual, alpha 0" does.
    "density alone" is greedy kernel coverage, "diversity alone" greedy k-center from the first row.

    References
    ----------
    .. [1] XSSR: cross-site sample selection. :arxiv:`2606.04301`.

    Examples
    --------
    >>> from skxssr.selection import make_form
    >>> make_form("XSSR as described", n_jobs=2)
    XSSRSelector(composite='additive', density='typicality', n_jobs=2)
    """
    if name not in XSSR_FORMS:
        raise ValueError(f"name must be one of {list(XSSR_FORMS)}. Got {name!r} instead.")
    return XSSRSelector(**{**XSSR_FORMS[name], **overrides})
