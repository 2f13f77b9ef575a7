"""What an adapter's parameters `selector` and `source` come to."""

from typing import Any

from sklearn.base import clone

from skxssr.base import BaseSelector
from skxssr.selection import XSSRSelector


def fitted_selector(selector: BaseSelector | None, source: Any) -> BaseSelector:
    """`XSSRSelector` unless one is given; with a source, a clone of it that is fitted on that."""
    selector = XSSRSelector() if selector is None else selector
    return selector if source is None else clone(selector).fit(source)
