"""Selectors, one algorithm a file. Imports `base` and below."""

from skxssr.selection.coreset import CoreSetSelector
from skxssr.selection.random_draw import RandomSelector
from skxssr.selection.xssr import XSSRSelector

__all__ = ["CoreSetSelector", "RandomSelector", "XSSRSelector"]
