"""What a comparison came from, so that only the same one goes on in its folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skxssr._utils.files import read_json, write_text

__all__ = ["check_same", "digest", "digest_of_groups"]

INPUTS, RUNS = "inputs.json", "runs.jsonl"


def digest(folder: Path, files: list[Path], hashes: Mapping[Path, str]) -> str:
    lines = [f"{path.relative_to(folder).as_posix()} {hashes[path]}\n" for path in files]
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def check_same(out: Path, identity: dict[str, Any]) -> None:
    """Refuse to go on with networks that came from something else."""
    identity = json.loads(json.dumps(identity))
    there = read_json(out / INPUTS)
    if isinstance(there, dict) and there != identity and (out / RUNS).exists():
        if ("judge" in there) != ("judge" in identity):
            then, now = ("with", "without") if "judge" in there else ("without", "with")
            raise ValueError(
                f"{out} holds a comparison made {then} --fast, and this one is {now} it: give "
                "another folder with --out, or remove that one."
            )
        differing = [
            name for name in {**there, **identity} if there.get(name) != identity.get(name)
        ]
        raise ValueError(
            f"{out} holds a comparison that differs in {', '.join(differing)}: its networks say "
            "nothing about this one. Give another folder with --out, or remove that one."
        )
    write_text(out / INPUTS, json.dumps(identity, indent=1))


def digest_of_groups(groups: Sequence[str] | None) -> str:
    """Hash of which images belong together, whatever the groups are called."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(groups or ()))}
    return hashlib.sha256(json.dumps([numbers[name] for name in groups or ()]).encode()).hexdigest()
