"""A fitted estimator on disk: weights as safetensors, everything else as JSON; no pickle."""

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.torch
import torch
from sklearn.base import BaseEstimator

from skxssr._utils.parameters import RUN_ONLY
from skxssr._version import __version__

__all__ = ["digest", "load_estimator", "save_estimator"]

# how and where a model was trained says nothing about the machine that loads it
_NOT_SAVED = RUN_ONLY | {"init_from", "module"}

Estimator = TypeVar("Estimator", bound=BaseEstimator)

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def _bytes(module: torch.nn.Module) -> bytes:
    state = module.state_dict()
    return safetensors.torch.save(
        {name: value.detach().cpu().contiguous() for name, value in state.items()}
    )


def digest(module: torch.nn.Module) -> str:
    """SHA-256 of the weights, as `save_estimator` writes them to a file."""
    return hashlib.sha256(_bytes(module)).hexdigest()


def versions() -> dict[str, str]:
    """What the weights were made with."""
    packages = ("torch", "timm", "lightning-fabric", "numpy")
    made = {"skxssr": __version__, "python": platform.python_version()}
    return made | {name: version(name) for name in packages}


def save_estimator(path: str | os.PathLike, estimator: Any, fitted: dict[str, Any]) -> None:
    """Write `weights.safetensors` and `config.json` into the folder `path`, made if need be."""
    params = estimator.get_params(deep=False)
    if not isinstance(params["random_state"], int):
        params["random_state"] = None  # a generator has no place in JSON; `seed_` is what it gave
    weights = _bytes(estimator.module_)
    if hasattr(estimator, "loss_curve_"):  # what is solved in closed form has none
        fitted = fitted | {"loss_curve_": estimator.loss_curve_}
    config = {
        "class": type(estimator).__name__,
        "params": {name: value for name, value in params.items() if name not in _NOT_SAVED},
        "fitted": fitted,
        "versions": versions(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=1, default=_plain) + "\n"
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load_estimator(
    path: str | os.PathLike, kind: type[Estimator], **given: Any
) -> tuple[Estimator, dict[str, Any], dict[str, torch.Tensor]]:
    """The estimator, not yet fitted, with its fitted values and weights, all checked.

    `given` are parameters that are not saved.
    """
    folder, name = Path(path), kind.__name__
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {file}: path must be a folder that {name}.save wrote"
            )
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("class") != name:
        raise ValueError(
            f"{folder} holds a {config.get('class')}, not a {name}: load it with "
            f"{config.get('class')}.load"
        )
    weights = (folder / WEIGHTS).read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != config["weights_sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} has SHA-256 {found}, but {CONFIG} says "
            f"{config['weights_sha256']}: the file is damaged or from another model; save it anew"
        )
    estimator = kind(**config["params"], **given)
    estimator._validate_params()
    return estimator, config["fitted"], safetensors.torch.load(weights)


def _plain(value: Any) -> Any:
    """What json does not know, as what it knows."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
