"""What decides a result, as fingerprints.

Estimators are told apart by class, parameters and weights; pixels, masks and embeddings by content.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skxssr._utils.parameters import RUN_ONLY, plain_defaults, plain_parameters
from skxssr._utils.provenance import sha256_of_files
from skxssr.io import Images, Masks

__all__ = [
    "EmbeddingPair",
    "described",
    "differing",
    "digest",
    "embedder_differs",
    "embedder_identity",
    "parameters_of",
    "stack_hashes",
]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST_LIST = 100  # an array of more is told by its hash
_RECENT = 2_000_000_000  # nanoseconds in which a file may change again within one tick of its clock
_known_files: dict[tuple[str, int, int], str] = {}


class EmbeddingPair(tuple):
    """Embeddings of source and target that are told apart by what made them.

    The last bits of embeddings depend on device and threads, which decide nothing. A plain pair of
    arrays is told by its bytes.

    Parameters
    ----------
    pair : tuple of two ndarrays
        Of the source and of the target.
    made_by : fitted embedder
        What made them.
    """

    made_by: Any

    def __new__(cls, pair: tuple[np.ndarray, np.ndarray], made_by: Any) -> "EmbeddingPair":
        made = super().__new__(cls, pair)
        made.made_by = made_by
        return made


def digest(values: Any) -> str:
    """A short name for a list of plain values."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def array_hash(array: np.ndarray) -> str:
    """Of shape, type and values, wherever they lie in memory."""
    head = f"{array.shape} {array.dtype.str} ".encode()
    if array.dtype.hasobject:
        return hashlib.sha256(head + _text(described(array.tolist())).encode()).hexdigest()
    found = hashlib.sha256(head)
    found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def stack_hashes(stack: Images | Masks) -> list[str]:
    """One for each item: of the bytes of its files, or of the array."""
    files = [stack.files(i) for i in range(len(stack))]
    known = _file_hashes({Path(path) for paths in files for path in paths})
    return [
        digest([known[Path(path)] for path in paths]) if paths else array_hash(stack[i])
        for i, paths in enumerate(files)
    ]


def _file_hashes(paths: set[Path]) -> dict[Path, str]:
    """SHA-256 of each file; not computed again while its size and time of change stay."""
    found, states = {}, {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found[path] = digest("no such file")  # whoever reads it says so
            continue
        states[path] = (str(path.absolute()), status.st_size, status.st_mtime_ns)
    made = sha256_of_files(path for path, state in states.items() if state not in _known_files)
    for path, value in made.items():
        if time.time_ns() - states[path][2] > _RECENT:
            _known_files[states[path]] = value
    return found | {path: made.get(path) or _known_files[states[path]] for path in states}


def described(value: Any, *, fitted: bool = False) -> Any:
    """A value as JSON can hold it, so that equal ones are equal and others are not.

    Parameters
    ----------
    value : object
        A parameter, an estimator, an array, a module of torch.
    fitted : bool, default=False
        Whether the fitted state of an estimator counts too; not where it is cloned before use.

    Returns
    -------
    object
        Of an estimator "class", "parameters" (those that decide something) and, where there are
        any, "weights_sha256" or "fitted"; of a long array its hash.
    """
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        short = value.size <= _LONGEST_LIST
        return described(value.tolist()) if short else {"sha256": array_hash(value)}
    if isinstance(value, tuple | list):
        return [described(item, fitted=fitted) for item in value]
    if isinstance(value, dict):
        if _is_plain(value):
            return repr(value)  # as earlier versions wrote it
        return {str(key): described(item, fitted=fitted) for key, item in value.items()}
    if _is_estimator(value):
        return _estimator(value, fitted)
    if hasattr(value, "state_dict") and not isinstance(value, type):
        return {"class": type(value).__name__, "weights_sha256": _module_hash(value)}
    if isinstance(value, set | frozenset):
        return sorted((described(item, fitted=fitted) for item in value), key=_text)
    if fitted and not callable(value):  # a tree, a sparse matrix: their text hides what they hold
        try:
            return {"class": type(value).__name__, "hash": joblib.hash(value, "sha1")}
        except Exception:  # whatever its pickling raises
            pass
    return _ADDRESS.sub("", repr(value))


def parameters_of(estimator: Any, *, fitted: bool = False) -> dict[str, Any]:
    """The parameters that decide what comes out; see `described`."""
    return {
        name: described(value, fitted=fitted)
        for name, value in estimator.get_params(deep=False).items()
        if name not in RUN_ONLY
    }


def differing(estimator: Any, then: Mapping[str, Any], *, fitted: bool = False) -> list[str]:
    """In what an estimator differs from what was described then.

    A parameter that came with a later version counted, until then, as its default; one that is
    gone since has none. What `then` does not say is not compared.

    Parameters
    ----------
    estimator : estimator
        As it is now.
    then : mapping
        What `described` returned, or a part of it.
    fitted : bool, default=False
        As for `described`.

    Returns
    -------
    list of str
        Names of parameters, "class", "weights", "fitted state"; empty if they agree.
    """
    if then.get("class", type(estimator).__name__) != type(estimator).__name__:
        return ["class"]  # parameters of another class say nothing
    now = estimator.get_params(deep=False)
    past = plain_defaults(estimator) | then["parameters"] if "parameters" in then else {}
    found = [
        name
        for name, value in past.items()
        if name not in RUN_ONLY and (name not in now or not _same(now[name], value, fitted))
    ]
    if "class" in then and "parameters" in then:
        state = described(estimator, fitted=fitted)
        for key, word in (("weights_sha256", "weights"), ("fitted", "fitted state")):
            if state.get(key) != then.get(key):
                found.append(word)
    return found


def _same(now: Any, then: Any, fitted: bool) -> bool:
    if _is_estimator(now) and isinstance(then, dict):
        return not differing(now, then, fitted=fitted)
    if isinstance(now, tuple | list) and isinstance(then, list) and len(now) == len(then):
        return all(_same(a, b, fitted) for a, b in zip(now, then, strict=True))
    legacy = plain_parameters({"": now})[""]  # what versions without fingerprints wrote
    return _text(then) in (_text(described(now, fitted=fitted)), _text(legacy))


def _text(value: Any) -> str:
    return _ADDRESS.sub("", json.dumps(value, sort_keys=True))


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, [*value.keys(), *value.values()]))
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _estimator(value: Any, fitted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "class": type(value).__name__,
        "parameters": parameters_of(value, fitted=fitted),
    }
    weights = getattr(value, "weights_sha256_", None)
    if weights is not None:
        return found | {"weights_sha256": weights}
    learned = {
        name: described(item, fitted=True)
        for name, item in sorted(getattr(value, "__dict__", {}).items())
        if name.endswith("_") and not name.startswith("_")
    }
    if fitted and learned:
        found["fitted"] = digest(_text(learned))
    return found


def _module_hash(module: Any) -> str:
    """Of the weights of a module of torch, which this file does not import."""
    found = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        found.update(name.encode())
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            if "bfloat16" in str(tensor.dtype):  # numpy has none; every value is a float32
                tensor = tensor.float()
            found.update(array_hash(tensor.numpy()).encode())
    return found.hexdigest()


def embedder_identity(embedder: Any) -> dict[str, Any]:
    """Of a transformer, or of a pair of arrays; in a form that `embedder_differs` reads."""
    if hasattr(embedder, "transform"):
        return described(embedder, fitted=True)
    if isinstance(embedder, EmbeddingPair):
        return described(embedder.made_by, fitted=True)
    source, target = (array_hash(np.asarray(part)) for part in embedder)
    return {"source": source, "target": target}


def embedder_differs(embedder: Any, then: Mapping[str, Any]) -> list[str]:
    """In what; empty if it agrees."""
    estimator = embedder.made_by if isinstance(embedder, EmbeddingPair) else embedder
    now_arrays, then_arrays = not hasattr(estimator, "transform"), "source" in then
    if now_arrays != then_arrays:
        return ["arrays then, a transformer now" if then_arrays else "a transformer then"]
    if not now_arrays:
        return differing(estimator, then, fitted=True)
    now = embedder_identity(embedder)
    return [f"embeddings of the {side}" for side in ("source", "target") if now[side] != then[side]]
