"""What the values of masks stand for: background, classes, pixels without a label.

Masks come as 0 and 1, as 0 and 255, both in one folder, as palettes, as JPEG with noise around two
values, with a border of 255 that nobody labelled. One rule is found from all masks of a site, is
shown before anything is trained, and is applied whenever one of them is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skxssr._utils.labels import IGNORED
from skxssr._utils.threads import in_threads
from skxssr.io.mask_census import (
    MAX_CLASSES,
    Seen,
    by_colour,
    count,
    relabelled,
    shared_colours,
    two_with_noise,
)

if TYPE_CHECKING:
    from skxssr.io.stacks import Masks

__all__ = ["MaskRule", "find_mask_rule"]


@dataclass(frozen=True)
class MaskRule:
    """How the stored values of masks become classes.

    Attributes
    ----------
    classes : tuple of int
        Ascending; the first is the background.
    text : str
        The rule in a line, with how many pixels and masks each class has.
    mapping : dict of int to int
        Stored values that become another one; all others stay.
    ignore : tuple of int
        Stored values of pixels without a label, read as `IGNORED`.
    nearest : bool
        Whether a value that is no class goes to the nearest class (noise of JPEG, smoothed edges).
    above : int or None
        If given, what exceeds it is class 1 and the rest 0.
    rest : bool
        Whether a value that is no class is background.
    colours : dict of int to int
        Label of each colour (red * 65536 + green * 256 + blue), where masks are in colour or
        palettes of the files differ.
    changed : bool
        Whether a class is anything but the stored value.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.io import Masks, MaskRule
    >>> rule = MaskRule(classes=(0, 1), text="foreground = 3", mapping={3: 1}, rest=True)
    >>> Masks([np.array([[0, 2, 3]])], rule)[0]
    array([[0, 0, 1]])
    """

    classes: tuple[int, ...]
    text: str
    mapping: Mapping[int, int] = field(default_factory=dict)
    ignore: tuple[int, ...] = ()
    nearest: bool = False
    above: int | None = None
    rest: bool = False
    colours: Mapping[int, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether a class is anything but the stored value."""
        return bool(
            self.mapping
            or self.ignore
            or self.nearest
            or self.rest
            or self.above is not None
            or self.colours
        )

    def __call__(self, labels: np.ndarray, palette: np.ndarray | None = None) -> np.ndarray:
        """Classes of one mask, and `IGNORED` where it has no label."""
        if not self.changed:
            return labels
        if self.colours:
            labels = by_colour(labels, palette, self.colours)
        out = labels.astype(np.int64)
        if self.above is not None:
            out = (labels > self.above).astype(np.int64)
        elif self.nearest:
            values = np.array(self.classes)
            middle = (values[1:] + values[:-1] + 1) // 2
            out = values[np.searchsorted(middle, labels, side="right")]
        elif self.rest:
            out = np.full(labels.shape, self.classes[0], dtype=np.int64)
        for value, label in self.mapping.items():
            out[labels == value] = label
        for value in self.ignore:
            out[labels == value] = IGNORED
        return out

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "MaskRule":
        """Make the rule again from what `to_dict` gave.

        Parameters
        ----------
        plain : mapping
            The plain values, JSON in between or not.

        Returns
        -------
        MaskRule
            Equal to the one that gave them.
        """
        values = dict(plain)
        for name in ("mapping", "colours"):
            values[name] = {int(value): label for value, label in values[name].items()}
        for name in ("classes", "ignore"):
            values[name] = tuple(values[name])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Give the plain values, for a record.

        Returns
        -------
        dict
            Field by name.
        """
        return {
            "text": self.text,
            "classes": list(self.classes),
            "mapping": {str(value): label for value, label in self.mapping.items()},
            "ignore": list(self.ignore),
            "nearest": self.nearest,
            "above": self.above,
            "rest": self.rest,
            "colours": {str(colour): label for colour, label in self.colours.items()},
        }


def find_mask_rule(
    masks: "Masks",
    *,
    foreground: str | Sequence[int] | None = None,
    ignore: Sequence[int] | None = None,
    classes: Sequence[int] | None = None,
    n_jobs: int | None = None,
) -> MaskRule:
    """Find what the values of masks stand for; every mask is read once.

    - Values are classes as they are, and 0 is the background.
    - Masks of 0 and 1 beside others of 0 and 255 have one foreground.
    - 255 beside 1 (or 1, 2, ...) in the same masks, and -1 beside 0 and classes, are pixels without
      a label: not learned from and not scored.
    - Many values close around two far apart are the two, with noise of JPEG.
    - Palettes are compared by colour where an index does not mean the same in all files. Colours
      are numbered from black, the background, as 0.

    Parameters
    ----------
    masks : Masks
        All masks of a site.
    foreground : str or sequence of int, optional
        Stored values that are foreground, or ``">127"``; all others become background. Class 1.
    ignore : sequence of int, optional
        Stored values of pixels without a label. An empty one: there are none.
    classes : sequence of int, optional
        The classes, if they are known; no value is then taken for a missing label unless `ignore`
        names it.
    n_jobs : int, optional
        Threads; None for one per processor.

    Returns
    -------
    MaskRule

    Raises
    ------
    ValueError
        The values can be understood in two ways; the message says which, and what settles it.

    See Also
    --------
    Masks : Takes the rule and applies it.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.io import Masks, find_mask_rule
    >>> masks = Masks([np.array([[0, 1, 1, 0]]), np.array([[0, 255, 0, 0]])])
    >>> rule = find_mask_rule(masks)
    >>> rule.text
    'foreground = 1 or 255: 38% of pixels, in 2 of 2 masks'
    >>> Masks(masks, rule)[1]
    array([[0, 1, 0, 0]])
    """
    chosen = _parse(foreground)
    rows = range(len(masks))
    workers = -1 if n_jobs is None else n_jobs
    stored = list(in_threads(lambda row: count(masks._stored(row)), rows, n_jobs=workers))
    colours = shared_colours(stored)
    seen = Seen(masks.names, [relabelled(*mask, colours) for mask in stored])
    rule = _find(seen, chosen, ignore, None if classes is None else list(classes))
    return _told(rule, seen, colours)


def _find(
    seen: Seen,
    foreground: int | list[int] | None,
    ignore: Sequence[int] | None,
    classes: list[int] | None,
) -> MaskRule:
    """The rule, without its text."""
    values = list(seen.total())
    absent = [value for value in ignore or () if value not in values]
    if absent and len(absent) == len(ignore or ()):
        raise ValueError(f"no mask holds {absent[0]}, which ignore names: they hold {_few(values)}")
    if isinstance(foreground, int):
        return MaskRule((0, 1), "", above=foreground, ignore=tuple(ignore or ()))
    if foreground is not None:
        if not set(foreground) & set(values):
            raise ValueError(
                f"no mask holds {_few(foreground)}, which foreground (--foreground) names: they "
                f"hold {_few(values)}"
            )
        mapping = dict.fromkeys(foreground, 1)
        return MaskRule((0, 1), "", mapping, tuple(ignore or ()), rest=True)
    unlabelled = _unlabelled(seen, values) if ignore is None and classes is None else ()
    unlabelled = tuple(ignore) if ignore is not None else unlabelled
    left = [value for value in values if value not in unlabelled]
    if ignore is None and classes is None and left and _mixed(seen, left):
        high = max(left)
        return MaskRule((0, 1), "", {high: 1} if high != 1 else {}, unlabelled)
    anchors = two_with_noise(seen, left)
    if classes is not None:
        noisy = anchors is not None and set(anchors) == set(classes)
        return MaskRule(tuple(sorted(classes)), "", {}, unlabelled, nearest=noisy)
    if anchors is not None:
        return MaskRule(anchors, "", {}, unlabelled, nearest=True)
    if len({0, *left}) > MAX_CLASSES:
        raise ValueError(
            f"masks hold more than {MAX_CLASSES} distinct values ({_few(left)}): "
            "probably their edges were smoothed or they were saved as JPEG. Threshold them "
            "(--foreground '>127'; masks > 127 in Python), or pass the values as classes"
        )
    if not any(left):
        raise ValueError(
            "masks hold no value but 0, so there is nothing to learn: check the files, or pass "
            "classes, such as [0, 1], if images without foreground are meant"
        )
    return MaskRule(tuple(sorted({0, *left})), "", {}, unlabelled)


def _unlabelled(seen: Seen, values: list[int]) -> tuple[int, ...]:
    """-1 or 255 where they stand beside classes, or an error where that is not plain."""
    found: tuple[int, ...] = ()
    if values[0] < -1 or (values[0] == -1 and not ({0} < set(values) - {-1})):
        lowest = values[0]
        raise ValueError(
            f"masks hold {_few(values)}: whether {lowest} is the background or the lack of a label "
            f"cannot be told. Say --ignore={lowest} (ignore=[{lowest}]), --foreground "
            f"{values[-1]}, or classes={values} in Python"
        )
    if values[0] == -1:
        found, values = (-1,), values[1:]
    small = values[:-1]
    if values[-1] != 255 or small != list(range(len(small))) or not 2 <= len(small) < MAX_CLASSES:
        return found
    total = seen.total()
    holding = set(seen.holding([255]))
    beside = holding & set(seen.holding(small[1:]))
    if not beside and len(small) == 2:
        return found  # masks of 0 and 1, and others of 0 and 255
    plain = beside == holding and total[255] <= sum(total[value] for value in small[1:])
    if not plain:
        raise ValueError(
            f"masks hold {_few(values)}: whether 255 is a class or the lack of a label cannot be "
            f"told ({len(holding)} masks hold it, {len(beside)} of them beside another class, such "
            f"as {seen.names[min(holding)]}). Say --ignore 255 (ignore=[255]), --foreground 1,255, "
            f"or --ignore none (ignore=[]) if it is a class"
        )
    return (*found, 255)


def _mixed(seen: Seen, values: list[int]) -> bool:
    """Whether some masks are 0 and 1 and the others 0 and 255."""
    if set(values) != {0, 1, 255}:
        return False
    return not set(seen.holding([1])) & set(seen.holding([255]))


def _told(rule: MaskRule, seen: Seen, colours: dict[int, int]) -> MaskRule:
    """The rule with its text."""
    total = seen.total()
    pixels = sum(total.values())
    raw = {value: _class_of(rule, value) for value in total}

    def share(label: int) -> str:
        members = [value for value, into in raw.items() if into == label]
        part = sum(total[value] for value in members) / pixels
        percent = f"{part:.0%}" if part == 0 or part >= 0.01 else "under 1%"
        return f"{percent} of pixels, in {len(seen.holding(members))} of {len(seen.names)} masks"

    def name(label: int) -> str:
        if rule.above is not None:
            return f"above {rule.above}"
        if rule.nearest or label not in rule.mapping.values():
            return str(label)
        kept = [] if rule.rest else [label]
        stored = sorted({*kept, *(v for v, into in rule.mapping.items() if into == label)})
        return " or ".join(map(str, stored))

    shown = rule.classes[1:]
    if len(shown) == 1:
        parts = [f"foreground = {name(shown[0])}: {share(shown[0])}"]
    else:
        told = "; ".join(f"{name(label)}: {share(label)}" for label in shown[:6])
        parts = [f"classes = {_few(rule.classes)} ({told})"]
    if rule.nearest:
        low, high = rule.classes[0], rule.classes[-1]
        parts.append(f"values near {low} and {high} count as these classes: noise, as of JPEG")
    if rule.ignore:
        left = " or ".join(map(str, rule.ignore))
        parts.append(f"{left} is no class, neither learned nor scored: {share(IGNORED)}")
    if colours:
        named = [f"#{colour:06x} = {label}" for colour, label in colours.items() if label or colour]
        parts.append(f"by colour: {', '.join(named[:8])}")
    values = {name: getattr(rule, name) for name in ("mapping", "ignore", "nearest", "above")}
    return MaskRule(rule.classes, "; ".join(parts), rest=rule.rest, colours=colours, **values)


def _class_of(rule: MaskRule, value: int) -> int:
    return int(rule(np.array([value]))[0])


def _parse(foreground: str | Sequence[int] | None) -> int | list[int] | None:
    """A threshold, or values."""
    if foreground is None or not isinstance(foreground, str):
        return None if foreground is None else [int(value) for value in foreground]
    text = foreground.strip()
    try:
        return int(text[1:]) if text.startswith(">") else [int(p) for p in text.split(",")]
    except ValueError:
        raise ValueError(
            f"foreground (--foreground) must be values such as 255 or 1,255, or a threshold such "
            f"as '>127'. Got {foreground!r} instead."
        ) from None


def _few(values: Iterable[Any]) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts[:6] + ["..."] * (len(texts) > 6))
