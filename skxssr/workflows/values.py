"""What the values of images and masks mean, found and said before anything is trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skxssr.exceptions import ImageReadError
from skxssr.io import (
    Images,
    IntensityRule,
    Inventory,
    MaskRule,
    Masks,
    check_mask_shapes,
    find_intensity_rule,
    find_mask_rule,
    take_inventory,
)

__all__ = [
    "check_masks",
    "flat",
    "how_read",
    "rule_from_record",
    "rule_to_record",
    "ruled",
    "shared_classes",
    "take_inventories",
    "take_named_inventories",
]


def take_inventories(
    source: Path,
    target: Path,
    which: Mapping[str, Any],
    on_message: Callable[[str], object],
    verbose: int,
) -> tuple[Inventory, Inventory]:
    """What both folders hold and what its values mean, which is said."""
    folders = {"Source": source, "Target": target}
    first, second = take_named_inventories(folders, which, on_message, verbose)
    return first, second


def take_named_inventories(
    folders: Mapping[str, Path],
    which: Mapping[str, Any],
    on_message: Callable[[str], object],
    verbose: int,
) -> list[Inventory]:
    """What folders hold and what its values mean, said under their names."""
    find_intensity_rule([], window=which["window"])  # what was asked for, before images are opened
    found = [take_inventory(folder, verbose=verbose, **which) for folder in folders.values()]
    on_message("\n".join(side.text(name) for side, name in zip(found, folders, strict=True)))
    texts = [text for side in found for text in (side.rule.text, *side.rule.notes) if text]
    if texts:
        on_message("\n".join(dict.fromkeys(texts)))
    return found


def ruled(files: list[Path], rule: IntensityRule) -> Any:
    """The files, with the rule where it says anything new."""
    return Images(files, rule) if rule.changed else files


def rule_to_record(rule: IntensityRule) -> dict[str, Any]:
    """What decides how images are read, as JSON holds it."""
    return {
        "text": rule.text,
        "ranges": {kind: values and list(values) for kind, values in rule.ranges.items()},
        "window": rule.window and list(rule.window),
        "percentiles": rule.percentiles and list(rule.percentiles),
        "holes": rule.holes,
    }


def rule_from_record(plain: Mapping[str, Any]) -> IntensityRule:
    """The way back."""

    def pair(values: Any) -> tuple[float, float] | None:
        return None if values is None else (values[0], values[1])

    return IntensityRule(
        plain["text"],
        {kind: pair(values) for kind, values in plain["ranges"].items()},
        pair(plain["window"]),
        pair(plain["percentiles"]),
        holes=plain["holes"],
    )


def flat(masks: Sequence[Any]) -> list[Path]:
    """Files, those of masks in several parts too."""
    return [path for mask in masks for path in (mask if isinstance(mask, tuple) else (mask,))]


def check_masks(
    images: Any,
    masks: list[Any],
    folder: Path,
    on_message: Callable[[str], object],
    how: Mapping[str, Any],
) -> MaskRule:
    """What the values of masks stand for; masks are checked on the way."""
    check_mask_shapes(images, masks)
    try:
        rule = find_mask_rule(Masks(masks), **how)
    except ImageReadError:
        raise
    except ValueError as error:
        raise ValueError(f"{folder}: {error}. Is it the folder of the masks?") from error
    on_message(f"{folder.resolve().name}: {rule.text}")
    return rule


def shared_classes(target: MaskRule, source: MaskRule | None) -> list[int] | None:
    """Classes of all networks; None where foreground is 1 on one side and 255 on the other."""
    ours, theirs = target.classes, (source or target).classes
    both = sorted({*ours, *theirs})
    return None if len(both) > 2 == len(ours) == len(theirs) else both


def how_read(
    masks: Sequence[MaskRule | None], images: Sequence[IntensityRule]
) -> dict[str, dict[str, Any] | str]:
    """For a comparison: values that were not taken as they are, of target and source."""
    found: dict[str, dict[str, Any] | str] = {}
    for site, mask_rule, rule in zip(("target", "source"), masks, images, strict=True):
        if mask_rule is not None and mask_rule.changed:
            found[f"values of {site} masks"] = mask_rule.to_dict()
        if rule.changed:
            found[f"values of {site} images"] = repr(rule)
    return found
