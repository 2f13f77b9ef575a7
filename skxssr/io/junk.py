"""Pictures that nobody should annotate: blank, dark, saturated, inverted, odd, or copies."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skxssr.io.facts import Facts

COPY = "a copy of "
_FEW = 8  # pictures from which something can be called usual
_FLAT = 0.04  # of the usual contrast: there is nothing to see
_DARK = 0.25  # of the usual brightness of the brightest parts
_WHITE = 0.6  # share of pixels at the highest value; the usual share must be far below
_ALIKE = (0.75, 0.85)  # median correlation with the usual picture, where layouts are shared
_AGAINST = (-0.5, -0.3)  # correlation of a negative with it, at each of these
_PLAIN = 0.13  # of the usual structure in the middle: there is no subject
_TINY = 16  # pixels
_TWIN = 0.995  # correlation of two small copies, from which pictures are nearly the same
_MOST_COMPARED, _BLOCK = 10_000, 1024  # pictures, each with every other
_TIMES = 4  # so much smaller than usual, or of so different a form


def find_junk(facts: Mapping[Path, Facts]) -> dict[Path, str]:
    """Pictures of one folder that stand out as useless, with the reason for each.

    Everything but "one value" and "tiny" is judged by what is usual in the folder: an X-ray film
    that is nearly white is useless among gray ones, a slide of tissue on white glass is not.
    """
    paths = list(facts)
    found: dict[Path, str] = {}
    tiny = {path for path, what in facts.items() if min(what.height, what.width) < _TINY}
    for path, what in facts.items():
        if what.n_values == 1:
            found[path] = "blank: all its pixels have one value"
        elif path in tiny and 2 * len(tiny) < len(facts):  # else that is what pictures are here
            found[path] = f"tiny: {what.width} x {what.height} pixels"
    rest = [path for path in paths if path not in found]
    if len(rest) >= _FEW:
        for reason, rows in _unusual([facts[path] for path in rest]).items():
            for row in rows:
                found.setdefault(rest[row], reason)
    for copies in same_content(facts):
        for path in copies[1:]:
            found.setdefault(path, f"{COPY}{copies[0].name}")
    return {path: found[path] for path in paths if path in found}


def same_content(facts: Mapping[Path, Facts]) -> list[list[Path]]:
    """Pictures that occur more than once, pixel for pixel, in the order given."""
    by_content: dict[str, list[Path]] = defaultdict(list)
    for path, what in facts.items():
        by_content[what.content].append(path)
    return [paths for paths in by_content.values() if len(paths) > 1]


def near_copies(facts: Mapping[Path, Facts]) -> list[list[Path]]:
    """Pictures that are nearly the same: resized, compressed, a moment or a slice apart.

    Empty where most pictures have such a twin: a camera that never moves makes all pictures alike,
    and this says nothing about them; and for more than 10,000 pictures, which would take long.
    """
    paths = [path for path, what in facts.items() if what.n_values > 1]
    if not 1 < len(paths) <= _MOST_COMPARED:
        return []
    rows = _scaled(np.array([facts[path].small.ravel() for path in paths]))
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)]
    twins = np.flatnonzero(
        np.concatenate([((rows[block] @ rows.T) > _TWIN).sum(axis=1) > 1 for block in blocks])
    )
    if 2 * len(twins) > len(paths):
        return []
    first = np.arange(len(paths))  # the first picture of the cluster of each
    close = rows[twins]
    for row in twins:
        heads = first[twins][close @ rows[row] > _TWIN]
        if (heads != heads[0]).any():
            first[np.isin(first, heads)] = heads.min()
    sizes = np.bincount(first, minlength=len(paths))
    return [
        [paths[row] for row in np.flatnonzero(first == head)] for head in np.flatnonzero(sizes > 1)
    ]


def _unusual(facts: Sequence[Facts]) -> dict[str, np.ndarray]:
    contrast = np.array([what.high - what.low for what in facts])
    high = np.array([what.high for what in facts])
    middle = np.array([what.middle for what in facts])
    white = np.array([what.at_top for what in facts])
    sides = np.array([sorted((what.height, what.width)) for what in facts], dtype=np.float64)
    shorter, form = sides[:, 0], sides[:, 1] / sides[:, 0]
    values = np.array([what.n_values for what in facts])
    usual = float(np.median(contrast))
    small = np.array([what.small.ravel() for what in facts])
    likeness, structure = _likeness(small), _structure(small)
    alike = float(np.median(likeness))
    against = -np.inf if alike < _ALIKE[0] else _AGAINST[int(alike >= _ALIKE[1])]
    return {
        "two values only, as in a mask": np.flatnonzero((values == 2) & (np.median(values) > 16)),
        "blank: hardly any contrast": np.flatnonzero(contrast < _FLAT * usual),
        "dark: far darker than the others": np.flatnonzero(
            (high < _DARK * np.median(high)) & (middle < _DARK * max(np.median(middle), 1e-9))
        ),
        "saturated: most of it has the highest value": np.flatnonzero(
            (white > _WHITE) & (np.percentile(white, 90) < _WHITE / 2)
        ),
        "inverted: a negative of the others": np.flatnonzero(likeness < against),
        "blank: nothing of what all others show": np.flatnonzero(
            (structure < _PLAIN * np.median(structure)) & (alike >= _ALIKE[0])
        ),
        "odd size: far smaller than the others": np.flatnonzero(
            shorter * _TIMES < np.median(shorter)
        ),
        "odd form: far longer than the others": np.flatnonzero(form > _TIMES * np.median(form)),
    }


def _likeness(small: np.ndarray) -> np.ndarray:
    """Correlation of each picture with the median of all, each scaled to mean 0 and length 1."""
    small = _scaled(small)
    usual = np.median(small, axis=0)
    usual -= usual.mean()
    return small @ (usual / max(float(np.linalg.norm(usual)), 1e-9))


def _scaled(small: np.ndarray) -> np.ndarray:
    small = small - small.mean(axis=1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)


def _structure(small: np.ndarray) -> np.ndarray:
    """What the middle of each picture holds beyond an even slope of brightness."""
    row, column = np.mgrid[0:8, 0:8].reshape(2, -1)
    plane = np.linalg.qr(np.stack([np.ones(64), row, column], axis=1))[0]
    middle = small.reshape(-1, 16, 16)[:, 4:12, 4:12].reshape(-1, 64)
    return (middle - (middle @ plane) @ plane.T).std(axis=1)
