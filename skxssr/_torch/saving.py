"""`save` and `load`, shared by every estimator around a network."""

import os
from abc import ABC, abstractmethod
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from skxssr._torch import backend

__all__ = ["SavedEstimator"]


class SavedEstimator(ABC):
    """Mixin: a subclass says what it adds to the weights and how to build its network again."""

    _extra = "torch"

    def _backend(self, module: str) -> Any:
        return backend(module, caller=type(self).__name__, extra=self._extra)

    @abstractmethod
    def _fitted_values(self) -> dict[str, Any]:
        """What `_restore` needs besides parameters and weights, as plain values."""

    @abstractmethod
    def _restore(self, fitted: dict[str, Any], state: dict[str, Any], path: Any) -> None:
        """Become fitted from what `save` wrote."""

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted estimator into a folder, without pickle.

        Parameters
        ----------
        path : path
            A folder, made if need be. It gets `weights.safetensors` and `config.json`
            (parameters, versions, loss curve, SHA-256 of the weights).

        See Also
        --------
        load : The way back.
        """
        check_is_fitted(self)
        self._backend("weights").save_estimator(path, self, self._fitted_values())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what `save` wrote; safe on files from strangers, since nothing is unpickled.

        Parameters
        ----------
        path : path
            The folder.

        Returns
        -------
        estimator
            Fitted. `device`, `devices`, `checkpoint_dir`, `cache_dir`, `init_from` and `verbose`
            have their defaults.

        Raises
        ------
        FileNotFoundError
            The folder or one of its two files is missing.
        DamagedFileError
            A ValueError: the files do not match their SHA-256, or cannot be made sense of.
        ValueError
            It holds another estimator, or arguments that would make a network read further files.
        """
        weights = backend("weights", caller=cls.__name__, extra=cls._extra)
        estimator, fitted, state = weights.load_estimator(path, cls)
        with weights.only_damaged(path):
            estimator._restore(fitted, state, path)
        return estimator
