"""The picks as annotation tools see them: a file each, named so that it sorts in pick order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skxssr._utils.names import one_line
from skxssr._utils.slice_names import stem_and_slice

__all__ = ["Item", "ordered_name"]

_MOST_BYTES = 160  # of the part after the rank: file systems allow 255 in all
_UNSAFE = re.compile(r"[^\w.,()+ -]")


@dataclass(frozen=True)
class Item:
    """One pick in an export.

    Attributes
    ----------
    rank : int
        From 1.
    original : str
        Its name in the pool: a path relative to the folder of the target images, or an id.
    file : str
        Its name in the export.
    width, height : int
        Pixels.
    reason : str
        Why it was picked, in a few words.
    facts : dict of str to str
        Patient, site and the like, where they are known.
    """

    rank: int
    original: str
    file: str
    width: int
    height: int
    reason: str
    facts: Mapping[str, str] = field(default_factory=dict)


def ordered_name(rank: int, n_picks: int, name: str, suffix: str) -> str:
    """A file name that begins with the rank and can do no harm.

    Only the last part of `name` is used, so that no path leads out of a folder. Letters and
    digits of any script stay, and a few signs; all others become ``_``.

    Parameters
    ----------
    rank : int
        From 1.
    n_picks : int
        How many there are: the rank has as many digits as that, and at least three.
    name : str
        Of the image in the pool; a slice is told by its number.
    suffix : str
        Of the file.

    Returns
    -------
    str

    Examples
    --------
    >>> from skxssr.report.exports import ordered_name
    >>> ordered_name(1, 22, "p7/film 3.png", ".png")
    '001_film 3.png'
    >>> ordered_name(2, 22, "../p7/scan.nii.gz#axial=12", ".png")
    '002_scan_axial12.png'
    """
    stem, cut = stem_and_slice(Path(name))
    text = stem.replace("\\", "/").rsplit("/", 1)[-1] + cut.replace("#", "_").replace("=", "")
    text = _UNSAFE.sub("_", one_line(text)).strip(" .") or "image"
    while len(text.encode()) > _MOST_BYTES:
        text = text[:-1]
    digits = max(3, len(str(n_picks)))
    return f"{rank:0{digits}d}_{text.rstrip(' .')}{suffix}"
