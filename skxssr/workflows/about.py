"""What the record of a selection says of where it came from, in plain values."""

from pathlib import Path
from typing import Any

from skxssr._utils.provenance import versions
from skxssr.workflows.embedders import training_parameters
from skxssr.workflows.inputs import Inputs
from skxssr.workflows.values import rule_to_record

__all__ = ["about_embedder", "about_images", "below"]


def below(root: Path, files: list[Path]) -> list[str]:
    """Paths relative to the folder, with ``/``."""
    return [path.relative_to(root).as_posix() for path in files]


def about_images(
    inputs: Inputs, seeds: dict[str, Any] | None, junk: dict[Path, str]
) -> dict[str, Any]:
    """What the record says of the folders, in plain values."""
    names, hashes, reserved = inputs.names, inputs.hashes, inputs.reserved
    source, target = inputs.source, inputs.target
    sides = {"target": target} if source is None else {"source": source, "target": target}
    return {
        "versions": versions(),
        "source": None if source is None else str(source.root.resolve()),
        "target": str(target.root.resolve()),
        "values": {side: inventory.rule.text for side, inventory in sides.items()},
        "rule": rule_to_record(target.rule),
        "seeds": seeds,
        "test_set": None
        if reserved is None
        else {
            "folder": str(reserved.folder.resolve()),
            "sha256": reserved.sha256,
            "n_images": len(reserved.images),
            "n_patients": reserved.n_patients,
            "left_out": [str(path) for path in inputs.left_out],
        },
        "excluded": {str(path): reason for path, reason in inputs.excluded.items()},
        "junk": {names[path]: reason for path, reason in junk.items()},
        "near_copies": [[names[path] for path in cluster] for cluster in inputs.near_copies],
        "on_both_sides": [names[path] for path in inputs.shared],
        "inventory": {side: inventory.to_dict() for side, inventory in sides.items()},
        "source_sha256": {}
        if source is None
        else {
            path.relative_to(source.root).as_posix(): hashes[path] for path in inputs.source_files
        },
        "target_sha256": {names[path]: hashes[path] for path in inputs.target_files},
    }


def about_embedder(
    embedder: Any,
    *,
    fitted_here: bool = False,
    reused: bool = False,
    saved_in: str | None = None,
) -> dict[str, Any]:
    """What the record says of a fitted network."""
    if fitted_here and hasattr(embedder, "save"):
        saved_in = "embedder"
    return {
        "class": type(embedder).__name__,
        "parameters": training_parameters(embedder),
        "weights_sha256": getattr(embedder, "weights_sha256_", None),
        "fitted_here": fitted_here,
        "reused": reused,
        "saved_in": saved_in,
    }
