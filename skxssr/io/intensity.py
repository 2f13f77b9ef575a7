"""What the values of pictures mean: black and white, decided once for all pictures of a site.

12 bits in a 16-bit file, Hounsfield units, a film where 0 is white and one where it is black: each
gets the brightness that it has, whatever file it comes in.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.progress import progress
from skxssr._utils.threads import in_threads
from skxssr.io.decode import Picture, read_picture
from skxssr.io.levels import (
    CT_WINDOW,
    PERCENTILES,
    ROUNDING,
    Levels,
    kind_of,
    levels_of,
    own_range,
    scaled,
)

__all__ = ["IntensityRule", "find_intensity_rule"]

_BITS = (8, 10, 12, 14, 16)
_AIR = (-3100, -500)  # lowest value of CT
_SLIVER = 0.1  # of the range: so little says that the range is wrong


@dataclass(frozen=True)
class IntensityRule:
    """Black and white of the pictures of a site.

    Attributes
    ----------
    text : str
        The rule in a line.
    ranges : dict of str to tuple of float
        Black and white of each kind of picture ("8-bit", "16-bit", "float", or a modality such as
        "CT"); None for what each picture or volume says itself.
    window : tuple of float, optional
        Black and white of all pictures, if the user gave them.
    percentiles : tuple of float, optional
        Of each picture, if the user wants these as black and white.
    notes : tuple of str
        What should be looked at before anything is trained.
    problems : dict of Path to str
        Pictures that the rule does not fit.
    holes : int
        How many pictures hold values that are not finite.

    Examples
    --------
    >>> from skxssr.io import IntensityRule
    >>> IntensityRule(window=(-160.0, 240.0)).changed
    True
    """

    text: str = ""
    ranges: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    problems: Mapping[Path, str] = field(default_factory=dict)
    holes: int = 0

    @property
    def changed(self) -> bool:
        """Whether any picture is read otherwise than without a rule."""
        usual = {"8-bit": (0, 255), "16-bit": (0, 65535), "float": (0, 1)}
        known = any(self.ranges.get(kind) != usual[kind] for kind in usual if kind in self.ranges)
        return bool(self.window or self.percentiles or known or self.holes)

    def __repr__(self) -> str:  # tells squares of this rule from those of others in a cache
        return f"IntensityRule({self.ranges}, {self.window}, {self.percentiles})"

    def __call__(self, picture: Picture) -> np.ndarray:
        """Float32 in [0, 1], 0 is black."""
        values, kind = picture.values, kind_of(picture)
        if self.window is not None and values.ndim == 2:
            low, high = self.window
        elif self.percentiles is not None and values.ndim == 2:
            low, high = np.nanpercentile(values, self.percentiles)
        else:
            low, high = self.ranges.get(kind) or own_range(picture)
        return scaled(values, low, high, picture.inverted)


def find_intensity_rule(
    paths: Iterable[str | os.PathLike],
    *,
    window: str | Sequence[float] | None = None,
    name: str = "these pictures",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> IntensityRule:
    """Find black and white of the pictures of one site; each is decoded once.

    - 8 bits are 0 to 255; a site whose 16-bit pictures stay below 1024, 4096 or 16384 has 10, 12 or
      14 bits; floats are 0 to 1, if all lie there but for rounding.
    - CT, and floats that look like it, are shown from -1000 to 1000 Hounsfield units.
    - MR and other scans are shown from the 0.5th to the 99.5th percentile of the picture or, for
      NIfTI, the volume; X-ray films by the window in the file, else by the bits that it names.
    - Where 0 is white, the picture is turned round. NaN is black.

    Parameters
    ----------
    paths : iterable of str or path-like
        All pictures of the site. Those that cannot be read are passed over.
    window : str or two floats, optional
        Black and white of all gray pictures, such as ``"-160,240"``, or percentiles of each, such
        as ``"1%,99%"``.
    name : str, default="these pictures"
        What the site is called in the text.
    n_jobs : int, optional
        Threads; None for one per processor.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Returns
    -------
    IntensityRule

    Raises
    ------
    ValueError
        `window` is neither, or all pictures hold one value each, so that nothing is to be seen.

    See Also
    --------
    Images : Takes the rule and applies it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skxssr.io import Images, find_intensity_rule
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "film.png")
    ...     Image.fromarray(np.array([[0, 4095]], dtype=np.uint16)).save(path)
    ...     rule = find_intensity_rule([path])
    ...     image = Images([path], rule)[0]
    >>> rule.text
    'these pictures: 12 bits in 16-bit files, white is 4095'
    >>> image[0, :, 0].tolist()
    [0.0, 1.0]
    """
    asked = asked_for(window)
    files = [Path(path) for path in paths]
    looked = in_threads(_look, files, n_jobs=-1 if n_jobs is None else n_jobs)
    shown = progress(looked, "looking at gray values", verbose=verbose, total=len(files))
    levels = {file: seen for file, seen in zip(files, shown, strict=True) if seen is not None}
    return rule_of(levels, asked, name)


def asked_for(window: str | Sequence[float] | None) -> IntensityRule:
    """What the user says of black and white, before any picture is looked at."""
    fixed, percentiles = _parse(window)
    return IntensityRule(window=fixed, percentiles=percentiles)


def rule_of(levels: Mapping[Path, Levels], asked: IntensityRule, name: str) -> IntensityRule:
    """The rule of the pictures of a site, from what each holds."""
    fixed, percentiles = asked.window, asked.percentiles
    if not levels:
        return asked
    _refuse_flat(levels, name)
    ranges: dict[str, tuple[float, float] | None] = {}
    parts: list[str] = []
    problems: dict[Path, str] = {}
    kinds = dict.fromkeys(seen.kind for seen in levels.values())
    for kind in kinds:
        members = {file: seen for file, seen in levels.items() if seen.kind == kind}
        rule = _RULES.get(kind, _scan)
        ranges[kind], text, odd = rule(members, len(members) == len(levels))
        problems |= {} if fixed or percentiles else odd
        parts += [text] if text and len(odd) < len(members) else []
    if fixed or percentiles:
        low, high = fixed or (percentiles or PERCENTILES)
        unit = "" if fixed else " percentile of each picture"
        parts = [f"black is {low:g} and white {high:g}{unit}, as asked for"]
    n_inverted = sum(seen.inverted for seen in levels.values())
    if n_inverted:
        parts.append(f"0 is white in {n_inverted} of {len(levels)}, which are turned round")
    holes = sum(not seen.finite for seen in levels.values())
    if holes:
        parts.append(f"{holes} hold values that are not finite (NaN), which are black")
    notes = _suspicions(levels, ranges if not (fixed or percentiles) else {}, fixed, name)
    text = f"{name}: {'; '.join(parts)}" if parts else ""
    return IntensityRule(text, ranges, fixed, percentiles, tuple(notes), problems, holes)


def _bits(
    members: Mapping[Path, Levels], alone: bool
) -> tuple[tuple[float, float], str, dict[Path, str]]:
    largest = max(seen.high for seen in members.values())
    bits = next(bits for bits in _BITS if largest < 2**bits)
    text = "16 bits" if bits == 16 else f"{bits} bits in 16-bit files, white is {2**bits - 1}"
    return (0, 2**bits - 1), text, {}


def _eight(
    members: Mapping[Path, Levels], alone: bool
) -> tuple[tuple[float, float], str, dict[Path, str]]:
    return (0, 255), "8 bits", {}


def _floats(
    members: Mapping[Path, Levels], alone: bool
) -> tuple[tuple[float, float], str, dict[Path, str]]:
    odd = {
        file: seen
        for file, seen in members.items()
        if seen.low < -ROUNDING or seen.high > 1 + ROUNDING
    }
    if not odd:
        return (0, 1), "floats from 0 to 1", {}
    low = min(seen.low for seen in odd.values())
    high = max(seen.high for seen in odd.values())
    if not alone or len(odd) < len(members):
        remedy = (
            "beside pictures of another range: put these into a folder of their own, or give "
            "--window LOW,HIGH if one range is true of all"
        )
        reasons = {
            file: f"it has floats from {seen.low:g} to {seen.high:g}, {remedy}"
            for file, seen in odd.items()
        }
        return (0, 1), "", reasons
    if _AIR[0] <= low <= _AIR[1]:
        return CT_WINDOW, f"floats in Hounsfield units, {_from_to(*CT_WINDOW)}", {}
    if low >= 0 and 1 + ROUNDING < high <= 255 + ROUNDING:
        return (0, 255), "floats from 0 to 255", {}
    lowest, highest = (
        float(np.median([seen.usual[side] for seen in odd.values()])) for side in (0, 1)
    )
    text = f"floats from {low:g} to {high:g}, {_from_to(lowest, highest)} (percentiles)"
    return (lowest, highest), text, {}


def _scan(
    members: Mapping[Path, Levels], alone: bool
) -> tuple[tuple[float, float] | None, str, dict[Path, str]]:
    kind = next(iter(members.values())).kind
    own = {seen.own for seen in members.values()}
    if kind == "CT":
        return CT_WINDOW, f"CT in Hounsfield units, {_from_to(*CT_WINDOW)}", {}
    if len(own) == 1:
        return None, f"{kind}, {_from_to(*own.pop())}", {}
    return None, f"{kind}, black and white from each file (window, percentiles or bits)", {}


_RULES: dict[str, Callable[..., Any]] = {"8-bit": _eight, "16-bit": _bits, "float": _floats}


def _from_to(low: float, high: float) -> str:
    return f"black is {low:g} and white {high:g}"


def _look(path: Path) -> Levels | None:
    try:
        return levels_of(read_picture(path))
    except (ValueError, OSError, MemoryError):
        return None  # find_unreadable says why


def _refuse_flat(levels: Mapping[Path, Levels], name: str) -> None:
    if all(seen.low == seen.high for seen in levels.values()):
        values = sorted({seen.low for seen in levels.values()})
        few = ", ".join(f"{value:g}" for value in values[:5])
        raise ValueError(
            f"every picture of {name} has the same value in all its pixels ({few}): there is "
            "nothing to see, so nothing to learn from. Check how they were exported"
        )


def _suspicions(
    levels: Mapping[Path, Levels],
    ranges: Mapping[str, tuple[float, float] | None],
    fixed: tuple[float, float] | None,
    name: str,
) -> list[str]:
    """Warnings about a site, in full sentences."""
    notes = []
    n = len(levels)
    if n > 1 and len({seen.content for seen in levels.values()}) == 1:
        notes.append(f"Warning: all {n} pictures of {name} are equal.")
    flat = sum(seen.low == seen.high for seen in levels.values())
    if flat:
        notes.append(f"Warning: {flat} of {n} pictures of {name} have one value in all pixels.")
    used = []
    for seen in levels.values():
        low, high = fixed or ranges.get(seen.kind) or seen.own
        used.append((min(seen.usual[1], high) - max(seen.usual[0], low)) / max(high - low, 1e-9))
    most = max(used)
    if flat < n and most < _SLIVER:
        notes.append(
            f"Warning: no picture of {name} uses more than {max(most, 0):.1%} of the range from "
            "black to white, so all look nearly alike. Give --window LOW,HIGH if the range is "
            "another one."
        )
    return notes


def _parse(
    window: str | Sequence[float] | None,
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """A fixed range, or percentiles."""
    if window is None:
        return None, None
    parts = window.split(",") if isinstance(window, str) else list(window)
    percent = [isinstance(part, str) and part.strip().endswith("%") for part in parts]
    try:
        low, high = (float(str(part).strip().removesuffix("%")) for part in parts)
        if low < high and (not any(percent) or (all(percent) and low >= 0 and high <= 100)):
            return (None, (low, high)) if all(percent) else ((low, high), None)
    except ValueError:
        pass
    raise ValueError(
        "window (--window) must be two numbers, black below white, such as -160,240, or two "
        f"percentiles such as 1%,99%. Got {window!r} instead."
    )
