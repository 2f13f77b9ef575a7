"""Progress bars: tqdm where it is installed, silence where it is not. Imports only tqdm, lazily."""

import sys
from collections.abc import Iterable, Sized
from typing import Any


class _NoBar:
    def update(self, n: int = 1) -> None: ...

    def set_postfix(self, **values: Any) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *exc: object) -> None: ...


def progress_bar(total: int | None, desc: str, *, verbose: int, unit: str = "it") -> Any:
    """A bar on stderr with `update`, `set_postfix` and `close`; a silent one if `verbose` is 0."""
    if not verbose:
        return _NoBar()
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:  # tqdm comes with the torch extra; selection alone runs without
        return _NoBar()
    return tqdm(total=total, desc=desc, unit=unit, file=sys.stderr, leave=verbose > 1)


def progress(items: Iterable, desc: str, *, verbose: int, total: int | None = None) -> Iterable:
    """Iterate over `items` under a `progress_bar`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(total, desc, verbose=verbose) as bar:
        for item in items:
            yield item
            bar.update()
