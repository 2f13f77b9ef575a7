"""Selectors by the names that they have in Python, for the command line."""

import inspect
from typing import Any

from skxssr import selection
from skxssr.base import BaseSelector
from skxssr.selection.variants import XSSR_VARIANTS, make_variant

__all__ = ["selector_by_name"]


def _possible() -> str:
    classes = [name for name in selection.__all__ if name.endswith("Selector")]
    return ", ".join([*classes, *(f"{name!r}" for name in ("XSSR as described", "residual"))])


def selector_by_name(
    name: str = "XSSRSelector",
    *,
    alpha: float | str | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> BaseSelector:
    """Make a selector of a class of `skxssr.selection`, or a form of `XSSR_VARIANTS`.

    Parameters
    ----------
    name : str, default="XSSRSelector"
        The name of a class, such as "MaxHerdingSelector", with or without "Selector" at its end; or
        a key of `skxssr.selection.XSSR_VARIANTS`.
    alpha : float, "auto" or None
        Weight of novelty; for forms of `XSSRSelector` alone. None: the form's own.
    random_state, n_jobs, verbose
        Given to those that have such a parameter.

    Returns
    -------
    BaseSelector
        Not fitted.

    Raises
    ------
    ValueError
        There is no such selector, or it has no alpha.

    Examples
    --------
    >>> from skxssr.selection.by_name import selector_by_name
    >>> selector_by_name("MaxHerding")
    MaxHerdingSelector()
    """
    common = {"random_state": random_state, "n_jobs": n_jobs, "verbose": verbose}
    own = {} if alpha is None else {"alpha": alpha}
    if name in XSSR_VARIANTS and name != "XSSR":
        return make_variant(name, **common, **own)
    full = name if name.endswith("Selector") else f"{name}Selector"
    if full not in selection.__all__:
        raise ValueError(f"--selector {name!r} is none of: {_possible()}")
    made: Any = getattr(selection, full)
    parameters = inspect.signature(made).parameters
    if own and "alpha" not in parameters:
        raise ValueError(
            f"--alpha {alpha} is the weight of novelty of XSSRSelector, which {full} does not "
            "have: leave --alpha away"
        )
    return made(**own, **{key: value for key, value in common.items() if key in parameters})
