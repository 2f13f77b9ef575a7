"""The contract of every selector.

`select` validates once, hands contiguous, finite, preprocessed arrays to the subclass, and keeps
the record.
"""

import time
import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import validate_data

from skxssr._utils.lazy import is_lazy
from skxssr._utils.optional import import_optional
from skxssr._utils.parameters import plain_parameters
from skxssr.base.preprocess import fit_scale_and_pca, normalize_rows
from skxssr.base.request import (
    Request,
    check_budget,
    check_request,
    naming_rows,
    refuse_unknown,
)
from skxssr.base.selection import Selection
from skxssr.exceptions import SkxssrWarning

_LARGEST = 1e150  # its square is still finite
_FLOATS = [np.float64, np.float32]
# Verbs of scikit-learn that a selector does not have; `__getattr__` says what to write instead.
_OTHER_VERBS = {
    "fit_predict", "predict", "fit_transform", "transform", "fit_select", "fit_resample", "score",
    "query", "sample",
}  # fmt: skip


def _floats(X: Any) -> list[Any]:
    """What rows may be of; the first is what others become: float32 holds all of float16."""
    return _FLOATS[::-1] if getattr(X, "dtype", None) == np.float16 else _FLOATS


def _from_torch(X: Any) -> Any:
    """A tensor without its gradient and its device; numpy has no bfloat16, and float32 holds it."""
    if not (hasattr(X, "detach") and hasattr(X, "cpu")):
        return X
    tensor = X.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def _distributed() -> Any:
    """The room of Dask, which stands above this one and is asked for by name."""
    return import_optional("skxssr.distributed", extra="dask", caller="A Dask array")


class BaseSelector(BaseEstimator, metaclass=ABCMeta):
    """Base of every selector: a subclass writes `_select` and its parameters, nothing else.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is Euclidean on rows scaled to length 1, after preprocessing.
    preprocess : "auto", None or transformer, default="auto"
        "auto" scales each feature by its deviation over both sites and keeps at most 32 principal
        components of source and target together: features of a masked autoencoder are nearly
        collapsed, and raw distances between them say little. None takes the values as they are.
        A transformer or Pipeline of scikit-learn is cloned, fitted on the source (without one, on
        the target) and applied to both.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of the source. Set by `fit`.
    feature_names_in_ : ndarray of str
        Names of its columns, if it was a DataFrame.
    preprocess_ : transformer
        The fitted clone, if `preprocess` is a transformer.
    selection_ : Selection
        Record of the last `select`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import Selection
    >>> from skxssr.base import BaseSelector
    >>> class LongestRows(BaseSelector):
    ...     def __init__(self, *, metric="euclidean", preprocess=None):
    ...         self.metric = metric
    ...         self.preprocess = preprocess
    ...
    ...     def _select(self, source, X, request):
    ...         length = np.linalg.norm(X, axis=1)[request.candidates]
    ...         order = np.argsort(-length, kind="stable")[: request.budget]
    ...         return Selection(request.candidates[order], length[order].astype(np.float32))
    >>> LongestRows().select([[1.0], [-7.0], [3.0]], 2)
    array([1, 2])
    """

    _parameter_constraints: dict = {
        "metric": [StrOptions({"euclidean", "cosine"})],
        "preprocess": [StrOptions({"auto"}), HasMethods(["fit", "transform"]), None],
    }

    metric: str
    preprocess: Any

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> "BaseSelector":
        """Take the source embeddings.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features)
            Embeddings of the source images. Kept by reference, not copied. May be a Dask array,
            see `skxssr.distributed.select`.
        y : None
            Ignored; there for the API of scikit-learn.

        Returns
        -------
        self
        """
        if is_lazy(X):
            _distributed().check_fit(self, X)
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
        else:
            X = _from_torch(X)
            with naming_rows(X, "source"):
                X = validate_data(self, X, dtype=_floats(X), order="C")
            _check_magnitude(X, "source")
        fitted = {"source_": X}
        if self.preprocess not in ("auto", None):  # never so for a Dask array
            fitted["preprocess_"] = clone(self.preprocess).fit(X)
        for name in ("selection_", "preprocess_"):
            self.__dict__.pop(name, None)
        self.__dict__.update(fitted)
        return self

    if not TYPE_CHECKING:  # a type checker should know what is not there

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there: say what to write instead of another verb."""
            kind = type(self).__name__
            said = f"{kind!r} object has no attribute {name!r}"
            if name in _OTHER_VERBS:
                said += (
                    f": a selector takes the source in fit and picks rows of the target in select. "
                    f"Write {kind}().fit(source).select(X, 22), or {kind}().select(X, 22) without "
                    "a source. Of a Pipeline that ends in a selector: "
                    "pipe.fit(source)[-1].select(pipe[:-1].transform(X), 22)"
                )
            raise AttributeError(said)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "source_")

    def select(
        self,
        X: Any,
        budget: int | float | None = None,
        *,
        labeled: Any = None,
        candidates: Any = None,
        groups: Any = None,
        max_per_group: int | None = None,
        sample_weight: Any = None,
        return_selection: bool = False,
        **unknown: Any,
    ) -> Any:
        """Pick rows of the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of the target images: the whole pool, labelled rows included. May be a
            Dask array, see `skxssr.distributed.select`.
        budget : int or float
            How many rows: an int is a count, a float in (0, 1] is that fraction of all
            `n_samples`, rounded down, at least one row. So 1 is one row, 1.0 all of them. It has
            no default: the error of a call without it says what to write.
        labeled : array-like of int, or boolean mask of shape (n_samples,), optional
            Rows already labelled: they count as covered and are never returned.
        candidates : array-like of int, or boolean mask of shape (n_samples,), optional
            Only these rows may be picked. Every row still counts as demand.
        groups : array-like of shape (n_samples,), optional
            Patient or volume of each row. Every group is visited once before any is visited
            twice; a labelled row is a visit. A group with nothing left never blocks a round.
        max_per_group : int, optional
            At most so many rows of a group, labelled ones included.
        sample_weight : array-like of shape (n_samples,), optional
            Demand of each row, at least 0; by default 1.
        return_selection : bool, default=False
            Return the whole record instead of the indices.
        **unknown
            Refused; the error names the argument that is meant, for ``k=`` and ``n=`` the budget.

        Returns
        -------
        ndarray of shape (budget,), int64, or Selection
            Row indices in pick order, or the record, which is also kept as `selection_`.

        Raises
        ------
        ValueError
            X has NaN or infinite values, no row, or another number of features than the source;
            or an argument is out of its range. The message names the largest feasible budget.
        TypeError
            `budget` is missing or not a number, or there is no such argument.
        """
        refuse_unknown(unknown)
        if budget is None:
            check_budget(budget, 0)
        if is_lazy(X) or is_lazy(self.__dict__.get("source_")):
            return _distributed().select(
                self,
                X,
                budget,
                labeled=labeled,
                candidates=candidates,
                groups=groups,
                max_per_group=max_per_group,
                sample_weight=sample_weight,
                return_selection=return_selection,
            )
        self._validate_params()
        X = _from_torch(X)
        with naming_rows(X, "target"):
            source = getattr(self, "source_", None)
            if source is not None and hasattr(self, "feature_names_in_"):
                X = validate_data(self, X, reset=False, dtype=_floats(X), order="C")
            else:  # names of columns say nothing where the source had none
                X = check_array(X, dtype=_floats(X), order="C", estimator=self, input_name="X")
                if source is not None:
                    validate_data(self, X, reset=False, skip_check_array=True)
        _check_magnitude(X, "target")
        request = check_request(
            len(X),
            budget,
            labeled=labeled,
            candidates=candidates,
            groups=groups,
            max_per_group=max_per_group,
            sample_weight=sample_weight,
        )
        start = time.perf_counter()
        source_z, target_z = self._preprocess(source, X)
        seconds = time.perf_counter() - start
        source_z = None if source_z is None else _read_only(source_z)
        record = self._select(source_z, _read_only(target_z), request)
        self.selection_ = replace(
            record,
            selector=type(self).__name__,
            parameters=plain_parameters(self.get_params(deep=False)),
            n_samples=len(X),
            n_source_samples=0 if source is None else len(source),
            elapsed={"preprocess": seconds, **record.elapsed},
        )
        return self.selection_ if return_selection else self.selection_.indices.copy()

    @abstractmethod
    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        """Pick from preprocessed rows; both arrays are finite, C-contiguous and read-only."""

    def _preprocess(
        self, source: np.ndarray | None, X: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        if self.preprocess is None:
            transform = None
        elif self.preprocess == "auto":
            transform = fit_scale_and_pca(source, X, n_jobs=getattr(self, "n_jobs", None))
        else:
            fitted = self.__dict__.get("preprocess_")
            if source is None or fitted is None:  # never fitted, or `preprocess` was set later
                fitted = clone(self.preprocess).fit(X if source is None else source)

            def transform(rows: np.ndarray) -> np.ndarray:
                return check_array(
                    fitted.transform(rows), dtype=_FLOATS, order="C", input_name="preprocess output"
                )

        def prepare(rows: np.ndarray) -> np.ndarray:
            if transform is not None:
                rows = transform(rows)
            return normalize_rows(rows) if self.metric == "cosine" else rows

        target = prepare(X)
        if len(target) > 1 and (target[0] == target[1]).all() and (target == target[0]).all():
            warnings.warn(
                f"All {len(target)} rows are equal after preprocessing, so any pick is as good as "
                "any other: the lowest indices are returned. Check the embeddings.",
                SkxssrWarning,
                stacklevel=3,
            )
        if source is None:
            return None, target
        source = prepare(source)
        if source.dtype != target.dtype:
            source, target = (rows.astype(np.float64, copy=False) for rows in (source, target))
        return source, target


def _read_only(X: np.ndarray) -> np.ndarray:
    """A plain view that cannot be written to: kernels are compiled for one kind of array only."""
    view = np.asarray(X).view()
    view.flags.writeable = False
    return view


def _check_magnitude(X: np.ndarray, name: str) -> None:
    if X.dtype == np.float32:
        return
    largest = max(X.max(), -X.min())
    if largest > _LARGEST:
        raise ValueError(
            f"The {name} holds a value of magnitude {largest:.3g}; its square overflows. Rescale "
            f"the embeddings to magnitudes below {_LARGEST:g}."
        )
