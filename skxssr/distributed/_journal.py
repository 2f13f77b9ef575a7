"""The picks made so far, in a file, so that another client can go on after the scheduler died."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import read_json, write_json
from skxssr._utils.parameters import RUN_ONLY, plain_parameters
from skxssr._version import __version__
from skxssr.base.request import Request

_FORMAT = 1


def digest(*arrays: Any) -> str:
    """A hash of arrays, their dtypes and shapes; None counts as nothing."""
    found = hashlib.sha256()
    for array in arrays:
        if array is not None:
            array = np.ascontiguousarray(array)
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(array.tobytes())
        found.update(b"|")
    return found.hexdigest()


def identity(
    selector: Any, sample: np.ndarray, source_sample: np.ndarray | None, request: Request
) -> dict[str, Any]:
    """What a run must have in common with the one whose picks it goes on from."""
    parameters = {
        name: value
        for name, value in plain_parameters(selector.get_params(deep=False)).items()
        if name not in RUN_ONLY
    }
    return {
        "selector": type(selector).__name__,
        "parameters": parameters,
        "version": __version__,
        "budget": request.budget,
        "n_samples": len(request.weight),
        "rows of the target and of the source": digest(sample, source_sample),
        "labeled, candidates, groups and sample_weight": digest(
            request.labeled,
            request.candidates,
            request.groups,
            request.weight,
            np.array(request.max_per_group or 0),
        ),
    }


class Journal:
    """Picks by the name of their greedy run; each has a row, a score, a tie and extra values.

    Parameters
    ----------
    path : Path or None
        Where to keep them; None: nowhere.
    of : dict
        See `identity`.

    Raises
    ------
    ValueError
        The file is not one of ours, or of another selection.
    """

    def __init__(self, path: Path | None, of: dict[str, Any]) -> None:
        self._path, self._of = path, of
        self._runs: dict[str, list[list[Any]]] = {}
        if path is None or not path.exists():
            return
        stored = read_json(path)
        if not isinstance(stored, dict) or stored.get("format") != _FORMAT:
            raise ValueError(
                f"resume={str(path)!r} is a file that holds no picks of ours: choose another name, "
                "or remove it."
            )
        other = [name for name in of if stored["of"].get(name) != of[name]]
        if other:
            raise ValueError(
                f"resume={str(path)!r} holds the picks of another selection: {', '.join(other)} "
                "differ. Choose another name, or remove the file to start anew."
            )
        self._runs = stored["runs"]

    def picks(self, run: str) -> list[list[Any]]:
        """What is recorded of a run."""
        return list(self._runs.get(run, []))

    def of(self, run: str, make: Callable[[], list[Any]]) -> list[Any]:
        """What is recorded under a name; made, and recorded, where there is nothing yet."""
        if run not in self._runs:
            self._runs[run] = make()
            self._write()
        return self._runs[run]

    def add(self, run: str, picks: Sequence[list[Any]]) -> None:
        """Record further picks; on disk when this returns."""
        self._runs.setdefault(run, []).extend(list(pick) for pick in picks)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            write_json(self._path, {"format": _FORMAT, "of": self._of, "runs": self._runs})
