"""A segmenter in closed form: ridge regression of masks on random features of their pixels.

The normal equations add over images, so a `RidgePool` that knows those of each image
has the network of any of its subsets by one sum and one solve.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from skxssr._torch.classes import NO_LABEL
from skxssr._torch.device import resolve_device
from skxssr._torch.images import SquareDataset
from skxssr._torch.random_features import RandomFeatures
from skxssr._utils.progress import progress

__all__ = ["RidgeNet", "RidgePool", "fit"]

STRIDE = 2  # of the pixels that are learned from; those between are much like their neighbours
THRESHOLDS = torch.arange(2, 13) / 20  # 0.1 to 0.6: scores shrink towards the mean of the mask
SLOPE = 4.0  # of the logits: with it a probability grows, at the threshold, as fast as the score
CHUNK = 64  # images of a pool that are scored together


class RidgeNet(nn.Module):
    """Images in [0, 1] (B, C, S, S) to probabilities (B, K, S, S) of the background and the rest.

    `weights` are (K - 1, n_features), `thresholds` (K - 1,).
    """

    weights: torch.Tensor
    thresholds: torch.Tensor

    def __init__(
        self, features: RandomFeatures, weights: torch.Tensor, thresholds: torch.Tensor
    ) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("weights", weights)
        self.register_buffer("thresholds", thresholds)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """How far each score lies above its threshold (B, K - 1, S, S)."""
        scores = torch.einsum("kp,bphw->bkhw", self.weights, self.features(images))
        return scores - self.thresholds[:, None, None]

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """(B, K, S, S), sums 1; the background is what has no score above its threshold."""
        margins = self(images)
        return torch.cat([torch.zeros_like(margins[:, :1]), SLOPE * margins], dim=1).softmax(dim=1)


def empty(features: RandomFeatures, n_classes: int) -> RidgeNet:
    """A network of the right shapes, to load weights into."""
    weights = torch.zeros(n_classes - 1, features.n_features)
    return RidgeNet(features, weights, torch.zeros(n_classes - 1))


def fit(
    features: RandomFeatures,
    data: SquareDataset,
    *,
    penalty: float,
    batch_size: int,
    device: str,
    verbose: int,
) -> RidgeNet:
    """Solve for the weights, then look once more at the images to find the thresholds."""

    def pixels(label: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return _pixels(features, data, batch_size, device, verbose, label)

    with data.spilling(2 * len(data)):
        sums: list[torch.Tensor] = []
        for X, codes in pixels("normal equations"):
            parts = [part.sum(dim=0) for part in _equations(X, codes, data.n_classes)]
            sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        gram, right = (total / len(data) for total in sums)
        weights = _solve(gram, right, penalty)
        tallies = [
            _tally(X @ weights.T, codes, data.n_classes) for X, codes in pixels("thresholds")
        ]
    return RidgeNet(features, weights, _best(torch.cat(tallies)))


class RidgePool:
    """Images whose features and normal equations are kept, for the networks of many subsets.

    `X` holds the features of the pixels (n, q, p) in 16 bits, `codes` their classes (n, q), `gram`
    the upper triangles of the Gram matrices and `right` the right-hand sides, both float64.
    """

    def __init__(
        self,
        features: RandomFeatures,
        data: SquareDataset,
        *,
        penalty: float,
        batch_size: int,
        device: str,
        verbose: int,
    ) -> None:
        n, p, k = len(data), features.n_features, data.n_classes
        q = (-(-data.size // STRIDE)) ** 2
        self.features, self.penalty, self.n_classes = features, penalty, k
        self.X = torch.empty(n, q, p, dtype=torch.float16)
        self.codes = torch.empty(n, q, dtype=torch.uint8)
        self.gram = torch.empty(n, p * (p + 1) // 2, dtype=torch.float64)
        self.right = torch.empty(n, p, k - 1, dtype=torch.float64)
        self._upper = torch.triu_indices(p, p)
        start = 0
        for X, codes in _pixels(features, data, batch_size, device, verbose, "features"):
            rows = slice(start, start := start + len(X))
            gram, self.right[rows] = _equations(X, codes, k)
            self.gram[rows] = gram[:, *self._upper]
            self.X[rows], self.codes[rows] = X, codes

    def __len__(self) -> int:
        return len(self.X)

    @property
    def nbytes(self) -> int:
        """Memory of what is kept."""
        return sum(part.nbytes for part in (self.X, self.codes, self.gram, self.right))

    def network(self, rows: Sequence[int]) -> RidgeNet:
        """The network that `fit` gives for these images."""
        index = torch.as_tensor(rows)
        packed = self.gram[index].mean(dim=0)
        gram = packed.new_empty(self.X.shape[2], self.X.shape[2])
        gram[*self._upper] = packed
        gram.T[*self._upper] = packed
        weights = _solve(gram, self.right[index].mean(dim=0), self.penalty)
        scores = self.X[index].float() @ weights.T
        return RidgeNet(
            self.features, weights, _best(_tally(scores, self.codes[index], self.n_classes))
        )

    def counts(self, networks: Sequence[RidgeNet], rows: Sequence[int]) -> torch.Tensor:
        """Pixels of each class in both, in truth and in prediction.

        float64 (n_networks, n_rows, K - 1, 3). Features are read once for all networks.
        """
        weights = torch.cat([network.weights for network in networks])
        thresholds = torch.cat([network.thresholds for network in networks])
        found = []
        for part in torch.as_tensor(rows).split(CHUNK):
            margins = self.X[part].float() @ weights.T - thresholds
            margins = margins.unflatten(2, (len(networks), -1)).permute(2, 0, 1, 3)
            height, best = margins.max(dim=3)
            predicted = (best + 1) * (height > 0)
            found.append(_overlap(predicted, self.codes[part].long(), self.n_classes))
        return torch.cat(found, dim=1)


def _pixels(
    features: RandomFeatures,
    data: SquareDataset,
    batch_size: int,
    device: str,
    verbose: int,
    label: str,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Features (B, q, p) and class codes (B, q) of the pixels to learn from, on the CPU."""
    chosen = resolve_device(device)
    home = features.first.device
    features.to(chosen)
    try:
        starts = range(0, len(data), batch_size)
        for start in progress(starts, label, verbose=verbose):
            squares, codes = data.take(range(start, min(start + batch_size, len(data))))
            with torch.inference_mode():
                maps = features(squares.to(chosen))[:, :, ::STRIDE, ::STRIDE]
            X = maps.flatten(2).transpose(1, 2).cpu().contiguous()
            codes = codes[:, ::STRIDE, ::STRIDE].flatten(1)
            unlabelled = codes == NO_LABEL
            if bool(unlabelled.any()):  # as background of no features they count nowhere
                X = X.masked_fill(unlabelled[:, :, None], 0)
                codes = codes.masked_fill(unlabelled, 0)
            yield X, codes
    finally:
        features.to(home)


def _equations(
    X: torch.Tensor, codes: torch.Tensor, n_classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Per image, over its pixels: X'X / q (B, p, p) and X'Y / q (B, p, K - 1), float64."""
    X = X.double()
    Y = F.one_hot(codes, n_classes)[..., 1:].double()
    turned = X.transpose(1, 2) / X.shape[1]
    return turned @ X, turned @ Y


def _solve(gram: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
    """The weights (K - 1, p) of the ridge regression, float32; the penalty is relative."""
    gram = gram.clone()
    gram.diagonal().add_(penalty * gram.diagonal().mean())
    return torch.cholesky_solve(right, torch.linalg.cholesky(gram)).T.float().contiguous()


def _tally(scores: torch.Tensor, codes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Dice of each image at each threshold (B, K - 1, T); NaN where a class is not there."""
    truth = F.one_hot(codes.long(), n_classes)[..., 1:].bool()
    above = scores[..., None] > THRESHOLDS
    size = truth.sum(dim=1, dtype=torch.float64)[..., None]
    both = (above & truth[..., None]).sum(dim=1, dtype=torch.float64)
    dice = 2 * both / (size + above.sum(dim=1, dtype=torch.float64))
    return dice.masked_fill(size == 0, torch.nan)


def _best(tally: torch.Tensor) -> torch.Tensor:
    """The threshold of each class with the highest mean Dice; one half if no image shows it."""
    mean = tally.nanmean(dim=0)
    best = THRESHOLDS[mean.nan_to_num(0).argmax(dim=1)]
    return torch.where(mean.isnan().any(dim=1), torch.tensor(0.5), best)


def _overlap(predicted: torch.Tensor, codes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """From classes (m, n, q) and true ones (n, q): pixels in both, in truth, in prediction."""
    columns = []
    for k in range(1, n_classes):
        ours, theirs = predicted == k, codes == k
        in_truth = theirs.sum(dim=1).expand(len(ours), -1)
        columns.append(torch.stack([(ours & theirs).sum(dim=2), in_truth, ours.sum(dim=2)], dim=-1))
    return torch.stack(columns, dim=2).double()
