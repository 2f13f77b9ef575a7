"""A fitted estimator on disk: weights as safetensors, everything else as JSON; no pickle."""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.torch
import torch
from sklearn.base import BaseEstimator

from skxssr._utils.files import write_text
from skxssr._utils.parameters import RUN_ONLY
from skxssr._version import __version__
from skxssr.exceptions import DamagedFileError

__all__ = ["digest", "load_estimator", "only_damaged", "save_estimator"]

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
    config = json.loads(json.dumps(config, default=_plain))
    text = json.dumps(config | {"sha256": _sha256_of(config)}, indent=1)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{WEIGHTS}.part"  # whole or not at all, as write_text does it
    beside.write_bytes(weights)
    beside.replace(folder / WEIGHTS)
    write_text(folder / CONFIG, text)


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
    config = _read_config(folder / CONFIG)
    if config.get("class") != name:
        raise ValueError(
            f"{folder} holds a {config.get('class')}, not a {name}: load it with "
            f"{config.get('class')}.load"
        )
    _check_config(config, folder / CONFIG)
    weights = (folder / WEIGHTS).read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != config.get("weights_sha256"):
        raise DamagedFileError(
            f"{folder / WEIGHTS} has SHA-256 {found}, but {CONFIG} says "
            f"{config.get('weights_sha256')}: the file is damaged or from another model; save it "
            "anew"
        )
    with only_damaged(folder):
        estimator = kind(**config["params"], **given)
        estimator._validate_params()
        return estimator, dict(config["fitted"]), safetensors.torch.load(weights)


def _read_config(path: Path) -> dict[str, Any]:
    """What `save_estimator` wrote."""
    remedy = "the file is damaged, or somebody else's; save the estimator anew"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} cannot be read ({error}): {remedy}") from None
    if not isinstance(config, dict):
        raise DamagedFileError(f"{path} describes no estimator: {remedy}")
    return config


def _check_config(config: dict[str, Any], path: Path) -> None:
    """That not a value has changed since `save_estimator` wrote it; older releases cannot tell."""
    said = config.pop("sha256", None)
    if said is not None and said != _sha256_of(config):
        raise DamagedFileError(
            f"{path} does not agree with its own SHA-256: the file is damaged or was changed; save "
            "the estimator anew"
        )


def _sha256_of(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def only_damaged(folder: str | os.PathLike) -> Iterator[None]:
    """What damaged values bring about is one kind of error, whatever it was."""
    try:
        yield
    except (DamagedFileError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:
        raise DamagedFileError(
            f"{os.fspath(folder)} holds no estimator that can be read: {type(error).__name__}: "
            f"{error}. Its files are damaged, of another release or from a stranger; save it anew"
        ) from error


def _plain(value: Any) -> Any:
    """What json does not know, as what it knows."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
