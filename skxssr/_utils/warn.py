"""Warnings that point at the line of the user's code, however deep they come from."""

import sys
import warnings
from pathlib import Path

from skxssr.exceptions import SkxssrWarning

_PACKAGE = str(Path(__file__).parents[1])


def warn_caller(message: str) -> None:
    """Warn, at the first line outside this package that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, SkxssrWarning, stacklevel=level)
