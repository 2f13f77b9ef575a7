"""Import an optional dependency at the call that needs it."""

import importlib
from types import ModuleType

from skxssr.exceptions import MissingExtraError


def import_optional(module: str, *, extra: str, caller: str) -> ModuleType:
    """Import `module`, or say which extra of skxssr brings it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra of skxssr that installs it.
    caller : str
        What needs it, as the user knows it, for the message.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        The top-level package of `module` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there and broken: its own message says more than ours
        raise MissingExtraError(
            f"{caller} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'skxssr[{extra}]'"
        ) from error
