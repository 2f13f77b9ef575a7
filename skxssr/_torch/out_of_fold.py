"""Predictions of each image by a network that has not seen it; for ridge regression in closed form.

Normal equations add over images: those of all but a fold are the sum of all minus the sum of the
fold, so that any number of folds costs one pass over the images, not one a fold.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from skxssr._torch.device import resolve_device
from skxssr._torch.images import SquareDataset, from_square, place
from skxssr._torch.random_features import RandomFeatures
from skxssr._torch.ridge import RidgeNet, _best, _equations, _pixels, _solve, _tally
from skxssr._utils.progress import progress

__all__ = ["fold_networks", "predict", "to_original"]

TALLIED = 256  # images that thresholds are found on; more change them by nothing that matters


def fold_networks(
    features: RandomFeatures,
    data: SquareDataset,
    folds: np.ndarray,
    trusted: np.ndarray,
    *,
    penalty: float,
    batch_size: int,
    device: str,
    verbose: int,
) -> list[RidgeNet]:
    """For each fold the network that `skxssr._torch.ridge.fit` gives for the trusted of the others.

    `folds` are numbers from 0, one an image. Every fold leaves a trusted image outside of it.
    """
    n_folds = int(folds.max()) + 1
    p, k = features.n_features, data.n_classes
    gram = torch.zeros(n_folds, p, p, dtype=torch.float64)
    right = torch.zeros(n_folds, p, k - 1, dtype=torch.float64)
    taught = np.flatnonzero(trusted)
    start = 0
    for X, codes in _some(features, data, taught, batch_size, device, verbose, "equations"):
        rows = taught[start : start + len(X)]
        start += len(X)
        for fold, own, target in zip(folds[rows], *_equations(X, codes, k), strict=True):
            gram[fold] += own
            right[fold] += target
    counts = torch.from_numpy(np.bincount(folds[taught], minlength=n_folds))
    outside = (len(taught) - counts).double()[:, None, None]
    grams, rights = (gram.sum(0) - gram) / outside, (right.sum(0) - right) / outside
    weights = torch.stack(
        [_solve(*pair, penalty) for pair in zip(grams, rights, strict=True)]
    )  # (n_folds, k - 1, p)
    thresholds = _thresholds(features, data, folds, taught, weights, batch_size, device, verbose)
    return [RidgeNet(features, *pair) for pair in zip(weights, thresholds, strict=True)]


def _thresholds(
    features: RandomFeatures,
    data: SquareDataset,
    folds: np.ndarray,
    taught: np.ndarray,
    weights: torch.Tensor,
    batch_size: int,
    device: str,
    verbose: int,
) -> list[torch.Tensor]:
    """Those of each fold, found on (at most 256 evenly spaced) images outside of it."""
    looked = taught
    if len(taught) > TALLIED:
        looked = taught[np.linspace(0, len(taught) - 1, TALLIED).round().astype(int)]
    flat = weights.flatten(0, 1)
    tallies = []
    for X, codes in _some(features, data, looked, batch_size, device, verbose, "thresholds"):
        scores = (X @ flat.T).unflatten(2, weights.shape[:2])
        tallies.append(
            torch.stack([_tally(own, codes, data.n_classes) for own in scores.unbind(2)])
        )
    tally = torch.cat(tallies, dim=1)  # (n_folds, images, k - 1, thresholds)
    of_fold = folds[looked]
    return [_best(tally[f, torch.from_numpy(of_fold != f)]) for f in range(len(weights))]


def _some(
    features: RandomFeatures,
    data: SquareDataset,
    rows: np.ndarray,
    batch_size: int,
    device: str,
    verbose: int,
    label: str,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    part: Any = _Part(data, rows)
    return _pixels(features, part, batch_size, device, verbose, label)


class _Part:
    """Some images of a `SquareDataset`."""

    def __init__(self, data: SquareDataset, rows: np.ndarray) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        return self._data.take(self._rows[list(indices)])


def predict(
    network: torch.nn.Module,
    data: SquareDataset,
    rows: Sequence[int],
    *,
    batch_size: int,
    device: str,
    verbose: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows (B,), probabilities (B, K, S, S) float32, and class indices of the masks (B, S, S).

    Indices are int64, -1 where a pixel has no label. `network` is put back where it was.
    """
    chosen = resolve_device(device)
    network.eval().to(chosen)
    parts = [np.asarray(rows[s : s + batch_size]) for s in range(0, len(rows), batch_size)]
    try:
        for part in progress(parts, "predicting", verbose=verbose):
            squares, codes = data.take(part)
            with torch.inference_mode():
                maps = network.probabilities(squares.to(chosen))  # type: ignore[operator]
            yield part, maps.float().cpu().numpy(), codes.numpy()
    finally:
        network.to("cpu")


def to_original(square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Class indices (S, S) of a square as (H, W) of the image that was placed in it, uint8."""
    codes = torch.from_numpy(np.ascontiguousarray(square)).long()
    shares = F.one_hot(codes, int(codes.max()) + 1).permute(2, 0, 1).float()
    at = place(shape, len(square))
    return from_square(shares, at).argmax(0).byte().numpy()
