"""Progress bars: tqdm's where it is installed, silence where it is not."""

import sys
from collections.abc import Iterable, Sized
from contextlib import suppress
from typing import Any


class _Stderr:
    """The error stream; where nobody reads it any more, writing to it does nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):  # a ValueError: it is closed
            return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


class _NoBar:
    def update(self, n: int = 1) -> None: ...

    def set_postfix(self, **values: Any) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *exc: object) -> None: ...


def progress_bar(
    total: int | None,
    desc: str,
    *,
    verbose: int,
    unit: str = "it",
    done: int = 0,
    stays: bool = False,
) -> Any:
    """A bar with `update`, `set_postfix` and `close`; a silent one if `verbose` is 0.

    It is a widget in a notebook, and text on stderr elsewhere. `done` of the `total` were done by
    an earlier run, and say nothing of the speed of this one. A bar that `stays` is left on the
    screen with its last values, as every bar is from ``verbose=2``.
    """
    if not verbose or sys.stderr is None:
        return _NoBar()
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:  # tqdm comes with the torch extra; selection alone runs without
        return _NoBar()
    return tqdm(
        total=total,
        initial=done,
        desc=desc,
        unit=unit,
        file=_Stderr(),
        leave=stays or verbose > 1,
    )


def progress(items: Iterable, desc: str, *, verbose: int, total: int | None = None) -> Iterable:
    """Iterate over `items` under a `progress_bar`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(total, desc, verbose=verbose) as bar:
        for item in items:
            yield item
            bar.update()
