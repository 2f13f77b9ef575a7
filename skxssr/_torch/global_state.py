"""What torch keeps once for the whole process, borrowed and given back.

Layers, transforms and initialisation draw from one global generator, and cudnn has one set of
flags. Both are shared by all threads, so two fits at once would draw each other's numbers.
"""

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["deterministic_cudnn", "seeded"]

_DRAWING = threading.RLock()  # whoever draws from the global generator holds it


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run with torch's global generators seeded, and leave them as they were.

    One thread at a time: others that use `seeded` wait. So keep it around what draws, no more.
    """
    with _DRAWING, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


_COUNTING = threading.Lock()
_inside = 0
_flags = contextlib.ExitStack()


@contextlib.contextmanager
def deterministic_cudnn() -> Iterator[None]:
    """Only deterministic convolutions, until the last thread that asked for them is done.

    `torch.backends.cudnn.flags` puts back what it found, which with threads that overlap may be
    what another of them had set. So only the first sets them, and the last puts them back.
    """
    global _inside
    with _COUNTING:
        if _inside == 0:
            _flags.enter_context(
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
            )
        _inside += 1
    try:
        yield
    finally:
        with _COUNTING:
            _inside -= 1
            if _inside == 0:
                _flags.close()
