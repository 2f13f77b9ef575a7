"""Say something on the screen; that nobody can read it any more is no failure of the work."""

import os
import sys
from typing import Any, TextIO


def make_printable() -> None:
    """Let characters that the console lacks be written as escapes, not stop the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(*words: Any, end: str = "\n", file: TextIO | None = None) -> None:
    """Print at once; where the reader of a pipe is gone or a disk is full, say nothing more."""
    stream = sys.stdout if file is None else file
    if stream is None:  # a program without a console
        return
    try:
        print(*words, end=end, file=stream, flush=True)
    except (OSError, ValueError):  # a ValueError: the stream is closed
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Send what is still in the buffer, and all that follows, nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no file behind it
        return
