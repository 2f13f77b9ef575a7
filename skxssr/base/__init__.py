"""The contract of a selector: `BaseSelector` and the record it returns."""

from skxssr.base.selection import Selection
from skxssr.base.selector import BaseSelector

__all__ = ["BaseSelector", "Selection"]
