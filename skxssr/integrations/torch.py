"""Picks as a data set of PyTorch, which is imported when called."""

from collections.abc import Sized
from typing import TYPE_CHECKING, Any

from skxssr._utils.optional import import_optional
from skxssr.base.request import check_rows
from skxssr.base.selection import Selection

if TYPE_CHECKING:
    from torch.utils.data import Dataset, Subset

__all__ = ["subset"]


def subset(dataset: "Dataset", selection: Any) -> "Subset":
    """Picked rows of a data set, in pick order.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        The pool, row by row as it was embedded: ``dataset[i]`` is what row i of ``select``'s X
        stands for.
    selection : Selection, or array-like of int, or boolean mask of shape (len(dataset),)
        The record of a selection, its indices, or any rows. A mask has no order: its rows come as
        in the data set.

    Returns
    -------
    torch.utils.data.Subset
        ``len(selection)`` items, nothing copied. Its first k are a selection of budget k too,
        for every greedy selector.

    Raises
    ------
    TypeError
        The data set has no length, as an iterable one.
    ValueError
        The record is of a pool of another size, or an index is not a row of the data set or comes
        twice.
    MissingExtraError
        torch is not installed (extra "torch").

    Examples
    --------
    >>> import numpy as np, torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.integrations.torch import subset
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> pool = TensorDataset(torch.arange(4))
    >>> record = CoreSetSelector(initialize=0, preprocess=None).select(
    ...     X, 3, return_selection=True
    ... )
    >>> [int(item) for (item,) in subset(pool, record)]
    [0, 3, 2]
    >>> next(iter(DataLoader(subset(pool, record), batch_size=3)))
    [tensor([0, 3, 2])]
    """
    data = import_optional("torch.utils.data", extra="torch", caller="subset")
    if not isinstance(dataset, Sized):
        raise TypeError(
            f"dataset of type {type(dataset).__name__} has no length, so its rows cannot be chosen "
            "by number. Pass a map-style data set with __len__ and __getitem__."
        )
    n = len(dataset)
    rows = selection
    if isinstance(selection, Selection):
        if selection.n_samples != n:
            raise ValueError(
                f"selection was made from {selection.n_samples} rows, but dataset has {n} items: "
                "they are not the same pool. Pass the data set that was embedded."
            )
        rows = selection.indices
    return data.Subset(dataset, check_rows(rows, n, "selection").tolist())
