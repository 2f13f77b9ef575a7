"""Bounds of distances and densities on a device, for the selection engines.

Float32 values with the margins of their rounding: the picks are decided elsewhere, exactly, among
the rows that these bounds cannot rule out. So picks do not depend on the device.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from joblib import effective_n_jobs

from skxssr._torch.device import resolve_device
from skxssr._utils.threads import limit_threads

__all__ = ["Densities", "Distances"]

_ROUNDING = 2.0**-24  # of float32
_TINY = 1e-30  # above what squares lose below the smallest normal float32
_SUMMED = 64  # values summed in float32 before float64 takes over
_TOGETHER = 1 << 10  # rows, at least, for each of several points
_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 27}  # of a matrix at hand, in values


def _computes(method: Callable[..., Any]) -> Callable[..., Any]:
    """Run a method of `_OnDevice` in full precision, on its threads, and say what does not fit."""

    @functools.wraps(method)
    def run(self: "_OnDevice", *args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            threads = limit_threads(self.n_threads)
            for scope in (_in_full(), threads, torch.inference_mode()):
                stack.enter_context(scope)
            try:
                return method(self, *args, **kwargs)
            except torch.OutOfMemoryError as error:
                n, p = self.shape
                raise MemoryError(
                    f"device={str(self.device)!r} has no memory left for {n:,} rows of {p} values "
                    f"({4 * n * p / 2**30:.1f} GiB). "
                    "Use engine='lazy', which picks the same rows on processors."
                ) from error

    return run


class _OnDevice:
    """What is kept on a device, and how much is done at a time, on how many threads."""

    def __init__(self, device: str, n_jobs: int | None, shape: tuple[int, int]) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = resolve_device(device)
        if self.device.type == "mps":
            raise ValueError(
                "device='mps' cannot be used: sums of bounds are float64, which it does not have. "
                "Use device='cuda' or 'cpu'."
            )
        self._elements = _ELEMENTS.get(self.device.type, _ELEMENTS["cuda"])
        self.shape, self.n_threads = shape, effective_n_jobs(n_jobs)

    def put(self, values: np.ndarray) -> torch.Tensor:
        # `tensor` copies: rows may be read-only, of which `from_numpy` warns
        return torch.tensor(values, device=self.device)

    def chunks(self, n: int, width: int) -> Iterator[slice]:
        """Slices of range(n), of so many rows as a matrix of that width may have."""
        size = max(1, self._elements // max(width, 1))
        return (slice(lo, min(lo + size, n)) for lo in range(0, n, size))


class Densities(_OnDevice):
    """Upper bounds of densities, as `skxssr._kernels.density.density_bounds` gives them.

    Parameters
    ----------
    demand : skxssr._kernels.demand.Demand
    slope, offset : float
        The kernel of a float32 square s is at most ``2 ** (offset - slope s)``.
    raised, raised_sum : float
        Factors of a kernel value times a weight and of a sum of 64 that make up for rounding.
    device : str
    n_jobs : int or None
        Threads, where the device is a processor.
    """

    def __init__(
        self,
        demand: Any,
        slope: float,
        offset: float,
        *,
        raised: float,
        raised_sum: float,
        device: str,
        n_jobs: int | None,
    ) -> None:
        self._slope, self._offset = float(slope), float(offset)
        self._raised, self._raised_sum = float(raised), float(raised_sum)
        self._norm_share, self._own = float(demand.norm_share), demand.own
        super().__init__(device, n_jobs, demand.X32.shape)
        self._load(demand)

    @_computes
    def _load(self, demand: Any) -> None:
        self._rows = self.put(demand.X32)
        self._middle = self.put(demand.middle32)
        self._points = self.put(demand.moved32).T
        self._norms = self.put(demand.norms32)

    @_computes
    def bounds(self, rows: np.ndarray, weight32: np.ndarray, covered32: np.ndarray) -> np.ndarray:
        """Upper bounds of shape (n_states, n_rows) of the densities of `rows`.

        `weight32` (m,) is rounded up; `covered32` (n_states, m) is what is covered in each state,
        times the weight, rounded down.
        """
        m = len(weight32)
        weight, covered = self.put(weight32) * self._raised, self.put(covered32)
        out = torch.empty((len(covered), len(rows)), dtype=torch.float64, device=self.device)
        for part in self.chunks(len(rows), m):
            values = self._values(rows[part].astype(np.int64), weight)
            for a in range(len(covered)):
                gain = (values - covered[a]).clamp_(min=0.0)
                sums = gain.view(len(gain), -1, _SUMMED).sum(-1)
                out[a, part] = sums.sum(-1, dtype=torch.float64)
        return (out * self._raised_sum).cpu().numpy()

    def _values(self, rows: np.ndarray, weight: torch.Tensor) -> torch.Tensor:
        """Upper bounds (n_rows, m) of kernel times weight, 0 for a row over itself."""
        moved = self._rows[self.put(rows)] - self._middle
        norms = (moved * moved).sum(1) * self._norm_share
        values = torch.addmm(self._norms, moved, self._points, alpha=-2.0).add_(norms[:, None])
        values.mul_(self._slope).sub_(self._offset).clamp_(0.0, 120.0).neg_().exp2_().mul_(weight)
        own = self._own[rows]
        there = np.flatnonzero(own >= 0)
        values[self.put(there), self.put(own[there])] = 0.0
        return values


class Distances(_OnDevice):
    """Bounds of the squared distance of each row to the nearest of the picks so far.

    Parameters
    ----------
    moved : callable
        ``moved(lo, hi)`` gives the rows as float32, each value rounded once, none longer than 1.
    nearest : ndarray of shape (n,)
        Squared distances to the first pick, in the unit of the rows.
    n_features : int
    weight : ndarray of shape (n,)
        Of squared distances, where rows are compared.
    device : str
    n_jobs : int or None
        Threads, where the device is a processor.
    """

    def __init__(
        self,
        moved: Callable[[int, int], np.ndarray],
        nearest: np.ndarray,
        n_features: int,
        weight: np.ndarray,
        *,
        device: str,
        n_jobs: int | None,
    ) -> None:
        # of |a|^2 + |b|^2: how far off |a|^2 + |b|^2 - 2 a.b is, from p roundings and a few more
        self._share = 2.0 * (n_features + 16) * _ROUNDING
        super().__init__(device, n_jobs, (len(nearest), n_features))
        self._load(moved, nearest, weight)

    @_computes
    def _load(
        self, moved: Callable[[int, int], np.ndarray], nearest: np.ndarray, weight: np.ndarray
    ) -> None:
        n, p = self.shape
        self._rows = torch.empty((n, p), dtype=torch.float32, device=self.device)
        self._norms = torch.empty(n, dtype=torch.float32, device=self.device)
        for part in self.chunks(n, p):
            block = self.put(moved(part.start, part.stop))
            self._rows[part], self._norms[part] = block, (block * block).sum(1)
        self._upper, self._lower = torch.empty_like(self._norms), torch.empty_like(self._norms)
        self.know(slice(None), nearest)
        share = (weight / weight.max()).astype(np.float32)
        # with a floor, so that no product vanishes that is to be above the true one
        self._more = self.put(np.maximum(share * np.float32(1 + 1e-6), np.float32(_TINY)))
        self._less = self.put(share * np.float32(1 - 1e-6))
        self._may = torch.zeros(n, dtype=torch.bool, device=self.device)

    @_computes
    def know(self, rows: np.ndarray | slice, nearest: np.ndarray) -> None:
        """Take the squared distances of `rows` as they are."""
        at = rows if isinstance(rows, slice) else self.put(rows)
        self._upper[at] = self.put((nearest * (1.0 + 4.0 * _ROUNDING) + _TINY).astype(np.float32))
        self._lower[at] = self.put((nearest * (1.0 - 4.0 * _ROUNDING) - _TINY).astype(np.float32))

    @_computes
    def allow(self, allowed: np.ndarray) -> None:
        """Say which rows may lead."""
        self._may = self.put(allowed)

    @_computes
    def forbid(self, row: int) -> None:
        """Say that a row may not lead any more."""
        self._may[row] = False

    @_computes
    def lower_to(self, pick: int) -> None:
        """Lower the bounds to the distances from the row `pick`."""
        point = self._rows[pick]
        both = self._norms + self._norms[pick]
        least = both * (1.0 - self._share) - 2.0 * torch.mv(self._rows, point)
        near = torch.nonzero(least < self._upper).squeeze(1)
        # a product says too little of rows near each other, their differences say more
        for part in self.chunks(len(near), len(point)):
            at = near[part]
            squared = (self._rows[at] - point).square_().sum(1)
            error = squared * ((len(point) + 16) * _ROUNDING)
            error += (2.1 * squared * both[at]).sqrt_() * (3.0 * _ROUNDING)  # moved rows
            error += both[at] * (10.0 * _ROUNDING**2) + _TINY
            self._upper[at] = torch.minimum(self._upper[at], squared + error)
            self._lower[at] = torch.minimum(self._lower[at], squared - error)

    @_computes
    def lower_to_all(self, picks: np.ndarray) -> None:
        """The same for many picks at once, more loosely."""
        at = self.put(picks)
        for those in self.chunks(len(picks), _TOGETHER):
            points, norms = self._rows[at[those]].T, self._norms[at[those]]
            for part in self.chunks(len(self._rows), len(norms)):
                both = self._norms[part, None] + norms
                squared = both - 2.0 * (self._rows[part] @ points)
                error = both.mul_(self._share).add_(_TINY)
                upper, lower = (squared + error).amin(1), (squared - error).amin(1)
                self._upper[part] = torch.minimum(self._upper[part], upper)
                self._lower[part] = torch.minimum(self._lower[part], lower)

    @_computes
    def leaders(self) -> np.ndarray:
        """The rows, ascending, that may be the farthest of those that may lead."""
        level = (self._lower * self._less)[self._may].max()
        leads = self._may & (self._upper * self._more >= level)
        return torch.nonzero(leads).squeeze(1).cpu().numpy()


@contextlib.contextmanager
def _in_full() -> Iterator[None]:
    """Products of float32 matrices in float32, whatever torch was told before."""
    scopes: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
    matmuls = [scope.matmul for scope in scopes if hasattr(scope, "matmul")]
    if not hasattr(matmuls[0], "fp32_precision"):  # torch before 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    told = [matmul.fp32_precision for matmul in matmuls]
    for matmul in matmuls:
        matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        for matmul, precision in zip(matmuls, told, strict=True):
            matmul.fp32_precision = precision
