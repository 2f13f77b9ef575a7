"""What one picture is like: size, depth, gray values and a hash, from a single decoding."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.progress import progress
from skxssr._utils.slice_names import split_name
from skxssr._utils.threads import in_threads
from skxssr.io.decode import Picture, read_picture, upright
from skxssr.io.intensity import IntensityRule
from skxssr.io.levels import Levels, count_values, levels_of, quantiles

_SIDE = 16  # of the small copy
_SAMPLE = 200_000  # pixels looked at to count values that are no small integers


@dataclass(frozen=True, eq=False)
class Facts:
    """What `look_at` finds out about one picture.

    Attributes
    ----------
    height, width : int
    kind : str
        Bit depth and channels, such as "8-bit gray".
    content : str
        Hash of the pixels: the same for one picture saved in two formats without loss. That of a
        slice holds its place too.
    n_values : int
        How many different values the pixels hold.
    low, middle, high : float
        1st, 50th and 99th percentile of the gray values, from black as 0 to white as 1.
    at_top : float
        Share of pixels at the highest value that the format allows.
    small : ndarray of shape (16, 16), float32
        Means of blocks.
    """

    height: int
    width: int
    kind: str
    content: str
    n_values: int
    low: float
    middle: float
    high: float
    at_top: float
    small: np.ndarray


@dataclass(frozen=True, eq=False)
class Look:
    """What one decoding of a picture shows: levels and facts, or why it cannot be read."""

    levels: Levels | None = None
    facts: Facts | None = None
    reason: str = ""


def look_at(
    paths: Iterable[str | os.PathLike], asked: IntensityRule, *, verbose: int = 0
) -> dict[Path, Look]:
    """Decode every picture once, on all processors.

    Facts that depend on black and white have those of `asked`, else of each picture by itself;
    `settle` turns them into those of the site.
    """
    files = [Path(path) for path in paths]
    found = in_threads(partial(_look, rule=asked), files, n_jobs=-1)
    shown = progress(found, "reading images", verbose=verbose, total=len(files))
    return dict(zip(files, shown, strict=True))


def settle(looks: Mapping[Path, Look], rule: IntensityRule) -> tuple[dict, dict[Path, str]]:
    """Facts by the rule of the site, and reasons for the pictures that cannot be used.

    Only floats that are not from 0 to 1 are decoded a second time, those that the rule fits.
    """
    facts: dict[Path, Facts] = {}
    reasons: dict[Path, str] = {}
    for path, look in looks.items():
        if look.levels is None or look.facts is None:
            reasons[path] = look.reason
        elif path in rule.problems:
            reasons[path] = rule.problems[path]
        else:
            facts[path] = look.facts
    again = []
    for path in facts if rule.window is None and rule.percentiles is None else ():
        levels = looks[path].levels
        assert levels is not None
        wanted = rule.ranges.get(levels.kind) or levels.own
        if tuple(wanted) == tuple(levels.own):
            continue
        if levels.kind == "16-bit":
            facts[path] = _brighter(facts[path], levels, wanted[1])
        else:
            again.append(path)
    for path, look in zip(
        again, in_threads(partial(_look, rule=rule), again, n_jobs=-1), strict=True
    ):
        if look.facts is None:  # it has gone in between
            del facts[path]
            reasons[path] = look.reason
        else:
            facts[path] = look.facts
    return facts, reasons


def _look(path: Path, rule: IntensityRule) -> Look:
    try:
        picture = read_picture(path)
        raw = upright(picture)
        content = hashlib.sha256(f"{raw.shape} {raw.dtype}".encode())
        content.update(np.ascontiguousarray(raw).view(np.uint8).data)
        same = int.from_bytes(content.digest()[:8])
        _, axis, number = split_name(path)
        if axis is not None:  # slices of one volume are no copies of one another
            content.update(f"{axis} {number}".encode())
        counts = count_values(picture.values) if raw.dtype.kind == "u" else None
        levels = levels_of(picture, same, counts)
        if counts is not None and rule.window is None and rule.percentiles is None:
            shown = _of_counts(picture, levels, counts)
        else:
            shown = _of_floats(rule(picture))
    except ValueError as error:  # an ImageReadError among them
        return Look(reason=str(error).removeprefix(f"cannot read image {path}: "))
    except (OSError, MemoryError) as error:
        return Look(reason=str(error) or type(error).__name__)
    facts = Facts(
        height=raw.shape[0],
        width=raw.shape[1],
        kind=f"{8 * raw.dtype.itemsize}-bit {'float ' if raw.dtype.kind == 'f' else ''}"
        + ("gray" if raw.ndim == 2 or raw.shape[2] == 1 else "colour"),
        content=content.hexdigest(),
        n_values=_n_values(raw) if counts is None else int(np.count_nonzero(counts)),
        **shown,
    )
    return Look(levels, facts)


def _of_floats(gray: np.ndarray) -> dict[str, Any]:
    """What of `Facts` depends on black and white, of a picture from 0 to 1."""
    gray = gray if gray.ndim == 2 else gray.mean(axis=2)
    low, middle, high = np.percentile(gray, [1, 50, 99]).tolist()
    return {
        "low": low,
        "middle": middle,
        "high": high,
        "at_top": float((gray > 1 - 1e-6).mean()),
        "small": _blocks(gray).astype(np.float32),
    }


def _of_counts(picture: Picture, levels: Levels, counts: np.ndarray) -> dict[str, Any]:
    """The same of whole numbers, without making floats of them."""
    values, white = picture.values, levels.own[1]
    if values.ndim == 3:
        white *= values.shape[2]
        values = values.sum(axis=2, dtype=np.uint16)
        counts = count_values(values)
    low, middle, high = (value / white for value in quantiles(counts, [1, 50, 99]))
    small = _blocks(values) / white
    top = int(white)
    at_top = counts[top] / values.size if top < len(counts) else 0.0
    if picture.inverted:
        low, middle, high, small = 1 - high, 1 - middle, 1 - low, 1 - small
        at_top = counts[0] / values.size
    return {
        "low": low,
        "middle": middle,
        "high": high,
        "at_top": float(at_top),
        "small": small.astype(np.float32),
    }


def _brighter(facts: Facts, levels: Levels, white: float) -> Facts:
    """Facts of a picture of whole numbers for a lower white than its own, which none exceeds."""
    times = levels.own[1] / white

    def brighter(value: Any) -> Any:
        return 1 - times * (1 - value) if levels.inverted else times * value

    at_top = levels.at_high if levels.high == white else 0.0
    return replace(
        facts,
        low=brighter(facts.low),
        middle=brighter(facts.middle),
        high=brighter(facts.high),
        at_top=facts.at_top if levels.inverted else at_top,
        small=brighter(facts.small).astype(np.float32),
    )


def _n_values(raw: np.ndarray) -> int:
    flat = raw.reshape(-1)
    return len(np.unique(flat[:: max(1, flat.size // _SAMPLE)]))


def _blocks(gray: np.ndarray) -> np.ndarray:
    """Means of 16 by 16 blocks."""
    edges = [np.linspace(0, size, _SIDE + 1).astype(np.intp) for size in gray.shape]
    starts = [np.minimum(edge[:-1], size - 1) for edge, size in zip(edges, gray.shape, strict=True)]
    kind = np.float64 if gray.dtype.kind == "f" else np.uint32
    rows = np.add.reduceat(gray, starts[0], axis=0, dtype=kind)
    sums = np.add.reduceat(rows, starts[1], axis=1, dtype=np.float64)
    heights, widths = (np.maximum(np.diff(edge), 1) for edge in edges)
    return sums / (heights[:, None] * widths)
