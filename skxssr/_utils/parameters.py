"""The parameters of an estimator as plain values."""

import inspect
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

# Parameters that say where, how fast and how loudly to run, and nothing of what comes out.
RUN_ONLY = frozenset(
    {"device", "devices", "engine", "n_jobs", "checkpoint_dir", "cache_dir", "verbose"}
)


def plain_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them: data classes as mappings, estimators as their text."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, tuple | list | np.ndarray):
            return [plain(item) for item in value]
        if is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return repr(value)

    return {name: plain(value) for name, value in parameters.items()}


def plain_defaults(estimator: Any) -> dict[str, Any]:
    """The defaults of an estimator's parameters, as JSON can hold them."""
    parameters = inspect.signature(type(estimator)).parameters
    given = {
        name: parameters[name].default
        for name in estimator.get_params(deep=False)
        if name in parameters and parameters[name].default is not inspect.Parameter.empty
    }
    return plain_parameters(given)
