"""A fitted estimator on disk: weights as safetensors, everything else as JSON; no pickle.

Imports torch and safetensors.
"""

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from skxssr._version import __version__

__all__ = ["digest", "load_folder", "save_folder", "versions"]

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def _bytes(module: torch.nn.Module) -> bytes:
    state = module.state_dict()
    return safetensors.torch.save(
        {name: value.detach().cpu().contiguous() for name, value in state.items()}
    )


def digest(module: torch.nn.Module) -> str:
    """SHA-256 of the weights, as `save_folder` writes them to a file."""
    return hashlib.sha256(_bytes(module)).hexdigest()


def versions() -> dict[str, str]:
    """What the weights were made with."""
    packages = ("torch", "timm", "lightning-fabric", "numpy")
    made = {"skxssr": __version__, "python": platform.python_version()}
    return made | {name: version(name) for name in packages}


def save_folder(path: str | os.PathLike, module: torch.nn.Module, config: dict[str, Any]) -> None:
    """Write `weights.safetensors` and `config.json` into the folder `path`, made if need be."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    weights = _bytes(module)
    config = config | {
        "versions": versions(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=1, default=_plain) + "\n"
    (folder / WEIGHTS).write_bytes(weights)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load_folder(path: str | os.PathLike, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the tensors that `save_folder` wrote for an estimator named `kind`."""
    folder = Path(path)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {name}: path must be a folder that {kind}.save wrote"
            )
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("class") != kind:
        raise ValueError(
            f"{folder} holds a {config.get('class')}, not a {kind}: load it with "
            f"{config.get('class')}.load"
        )
    weights = (folder / WEIGHTS).read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != config["weights_sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} has SHA-256 {found}, but {CONFIG} says "
            f"{config['weights_sha256']}: the file is damaged or from another model; save it anew"
        )
    return config, safetensors.torch.load(weights)


def _plain(value: Any) -> Any:
    """What json does not know, as what it knows."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
