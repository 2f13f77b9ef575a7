"""File names in text: on a screen, in a list of one name a line, in a table."""

import re
import unicodedata
from collections.abc import Sequence

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(name: object) -> str:
    r"""A name without what breaks a line or cannot be written: ``\n``, ``\x1b``, ``\xe9``.

    Bytes of a name that is not UTF-8, which Python keeps as lone surrogates, come back as bytes.
    """

    def escape(found: re.Match[str]) -> str:
        code = ord(found[0])
        if 0xDC80 <= code <= 0xDCFF:
            return f"\\x{code - 0xDC00:02x}"
        return found[0].encode("unicode_escape", "backslashreplace").decode("ascii")

    return _UNSAFE.sub(escape, str(name))


def table_cell(name: str) -> str:
    """A relative path that no spreadsheet runs as a formula: ``=1.png`` becomes ``./=1.png``."""
    text = "".join(one_line(c) if "\ud800" <= c <= "\udfff" else c for c in name)
    return f"./{text}" if text[:1] in tuple("=+-@\t\r") else text


def same_text(name: str) -> str:
    """The form in which names are compared: a letter and its accent are one character."""
    return unicodedata.normalize("NFC", name)


def few(names: Sequence[object], most: int = 5) -> str:
    """The first of many, for a message."""
    shown = ", ".join(one_line(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
