"""XSSR: density, novelty and diversity, greedily, with a calibrated trade-off. Imports `base`."""

import time
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._kernels.greedy import Field, powers
from skxssr._progress import progress
from skxssr._quota import Request
from skxssr._threads import in_threads
from skxssr.base import BaseSelector, Selection
from skxssr.exceptions import SkxssrWarning
from skxssr.metrics.coverage import COVERAGE_LOSSES, coverage_curve, precision_of
from skxssr.selection._greedy import Run, Start, run_full, run_lazy, start_state
from skxssr.selection._scales import Scales, fix_scales, novelty, typicality

_TIE = 1e-6  # relative difference below which two coverage losses are the same


class XSSRSelector(BaseSelector):
    """Cross-site sample selection: density x novelty^alpha x diversity^(1 - alpha), greedily.

    A target row scores high if it stands for much demand that no pick covers yet (density), lies
    far from the source (novelty) and far from what is picked or labelled (diversity). The
    trade-off alpha is given or calibrated by how well the picks cover the target [1]_.

    Parameters
    ----------
    alpha : "auto" or float in [0, 1], default="auto"
        0 is diversity alone, 1 novelty alone, each gated by density. "auto" runs the greedy
        selection for every value of `alphas` and keeps the one with the lowest coverage loss.
        Without a source there is no novelty: "auto" is 0, and a number above 0 warns.
    alphas : tuple of float, default=(0.0, 0.1, ..., 1.0)
        The grid for "auto". Losses within 1e-6 of the lowest are ties; the smallest alpha wins.
    calibration : {"mean_distance", "radius", "kernel"}, default="mean_distance"
        Coverage loss to minimise, see `skxssr.metrics.coverage_loss`. The mean distance is not
        driven by a few outliers, as the radius is.
    density : {"residual", "typicality"}, default="residual"
        "residual" is the demand a row would newly cover, by a Gaussian kernel. "typicality" is
        the rank of 1 / mean distance to the nearest rows, the same at every pick.
    n_neighbors : int, optional
        Neighbours that set the bandwidth, the novelty and the typicality. By default half of the
        rows that each pick stands for, within 5 and 20. Lowered, with a warning, where the pool
        is smaller.
    metric : {"euclidean", "cosine"}, default="euclidean"
        See `skxssr.base.BaseSelector`.
    preprocess : "auto", None or transformer, default="auto"
        See `skxssr.base.BaseSelector`.
    algorithm : {"auto", "exact", "pynndescent"}, default="auto"
        Neighbour search. "auto" is exact, except for the typicality of more than 50,000 rows.
        Whatever was approximate is in ``selection_.scales``.
    engine : {"lazy", "full"}, default="lazy"
        Both return the same picks. "full" scores every row at every pick and keeps the scores in
        ``selection_.utilities``.
    random_state : int, RandomState instance or None, default=0
        Offset of the demand set (pools above 5,000 rows) and of the source sample (sources above
        5,000 rows), and seed of pynndescent. Fixed by default, so that a selection can be
        repeated.
    n_jobs : int, optional
        Threads; None is 1 unless in a `joblib.parallel_config`, -1 all cores. The picks do not
        depend on it.
    verbose : int, default=0
        1 shows a progress bar over the alphas.

    Attributes
    ----------
    selection_ : Selection
        Record of the last `select`: scores, terms, alpha curve, coverage after each pick.
    source_ : ndarray of shape (n_source, n_features)
        Source embeddings. Set by `fit`.
    n_features_in_ : int
        Number of features of the source.

    See Also
    --------
    CoreSetSelector : Greedy k-center, diversity alone.
    RandomSelector : The baseline to beat.

    Notes
    -----
    The formulas of [1]_ are not public; these are a reading of its abstract, set out with every
    default and its reason in the documentation, page "The method".

    References
    ----------
    .. [1] XSSR: cross-site sample selection. :arxiv:`2606.04301`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.normal(size=(100, 8)), rng.normal(1.0, size=(440, 8))
    >>> selector = XSSRSelector(alpha="auto").fit(source)
    >>> picked = selector.select(target, 22)
    >>> picked.shape, len(set(picked.tolist()))
    ((22,), 22)
    >>> selector.selection_.alpha in selector.alphas
    True

    Without a source:

    >>> XSSRSelector(alpha="auto").select(target, 0.05).shape
    (22,)
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "alphas": ["array-like"],
        "calibration": [StrOptions(set(COVERAGE_LOSSES))],
        "density": [StrOptions({"residual", "typicality"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "algorithm": [StrOptions({"auto", "exact", "pynndescent"})],
        "engine": [StrOptions({"lazy", "full"})],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        alpha: str | float = "auto",
        alphas: Any = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        calibration: str = "mean_distance",
        density: str = "residual",
        n_neighbors: int | None = None,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        algorithm: str = "auto",
        engine: str = "lazy",
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.alphas = alphas
        self.calibration = calibration
        self.density = density
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.preprocess = preprocess
        self.algorithm = algorithm
        self.engine = engine
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        clock = _Clock()
        grid = self._grid(source is not None)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        search: dict[str, Any] = {"algorithm": self.algorithm, "seed": seed, "n_jobs": self.n_jobs}
        scales = fix_scales(X, request, n_neighbors=self.n_neighbors, **search)
        notes = dict(scales.notes)
        far = np.ones(len(X))
        if source is not None:
            k = max(scales.n_neighbors, 1)
            far, novelty_notes = novelty(X, source, k, diameter=scales.diameter, **search)
            notes |= novelty_notes
            if self.n_neighbors is not None and novelty_notes["novelty_neighbors"] < k:
                warnings.warn(
                    f"n_neighbors={self.n_neighbors} was lowered to {len(source)} for the novelty: "
                    f"the source has {len(source)} rows.",
                    SkxssrWarning,
                    stacklevel=3,
                )
        clock.lap("scales")

        field, start = self._field(X, request, scales, search, notes)
        clock.lap("first densities")

        def with_alpha(alpha: float) -> Field:
            powered = np.empty(len(X))
            scale = field.distance_scale if source is not None else 1.0
            powers(far, scale, alpha, powered)
            return field._replace(novelty_power=powered, alpha=alpha)

        runs: dict[float, Run] = {}
        curves: dict[float, np.ndarray] = {}
        calibrated = self.alpha == "auto" and source is not None
        tried = sorted({0.0, *grid}) if calibrated else grid
        results = in_threads(
            lambda alpha: run_lazy(with_alpha(alpha), start, request), tried, n_jobs=self.n_jobs
        )
        shown = self.verbose if len(tried) > 1 else 0
        for alpha, run in zip(
            tried, progress(results, "alpha", verbose=shown, total=len(tried)), strict=True
        ):
            runs[alpha] = run
            same = [a for a in curves if np.array_equal(runs[a].indices, runs[alpha].indices)]
            curves[alpha] = (
                curves[same[0]] if same else self._curve(X, request, scales, runs[alpha])
            )
        losses = np.array([curves[alpha][-1] for alpha in grid])
        alpha = grid[int(np.flatnonzero(losses <= losses.min() * (1 + _TIE))[0])]
        clock.lap("greedy")

        run = runs[alpha]
        if self.engine == "full":
            run = run_full(with_alpha(alpha), start, request, n_jobs=self.n_jobs)
            clock.lap("full scan")
        notes["n_density_evaluations"] = len(request.candidates) + sum(
            r.n_evaluations for r in runs.values()
        )
        notes["exact"] = bool(notes["exact"] and notes.get("novelty_exact", True))
        return Selection(
            indices=run.indices,
            scores=run.scores,
            terms={
                "density": run.density / field.density_scale,
                "novelty": far[run.indices],
                "diversity": run.diversity,
            },
            coverage=curves[alpha][1:],
            calibration=self.calibration,
            alpha=alpha,
            alphas=np.array(grid if calibrated else []),
            alpha_losses=losses if calibrated else np.empty(0),
            alpha_zero_overlap=(
                float(np.isin(run.indices, runs[0.0].indices).mean()) if calibrated else None
            ),
            novelty_used=source is not None and alpha > 0,
            scales=notes,
            elapsed=clock.laps,
            utilities=run.utilities,
        )

    def _grid(self, has_source: bool) -> list[float]:
        """The alphas to run, ascending; one if it is given or there is nothing to trade off."""
        if self.alpha != "auto":
            if has_source or self.alpha == 0:
                return [float(self.alpha)]
            warnings.warn(
                f"alpha={self.alpha} weighs novelty against a source, but the selector was never "
                "fitted on one: alpha=0 is used. Call fit(source_embeddings) first.",
                SkxssrWarning,
                stacklevel=4,
            )
            return [0.0]
        grid = np.unique(np.asarray(self.alphas, dtype=np.float64))
        if grid.ndim != 1 or grid.size == 0 or not ((grid >= 0) & (grid <= 1)).all():
            raise ValueError(
                f"alphas must hold at least one value, all in [0, 1]. Got {self.alphas!r} instead."
            )
        return grid.tolist() if has_source else [0.0]

    def _field(
        self,
        X: np.ndarray,
        request: Request,
        scales: Scales,
        search: dict[str, Any],
        notes: dict[str, Any],
    ) -> tuple[Field, Start]:
        """Everything the score needs but alpha, and the state before the first pick."""
        own = np.full(len(X), -1, dtype=np.int64)
        constant = np.zeros(0)
        if self.density == "residual":
            demand = np.ascontiguousarray(X[scales.demand].T, dtype=np.float64)
            weight = np.ascontiguousarray(request.weight[scales.demand])
            if notes["demand_sampled"]:  # or the sample would favour its members
                own[scales.demand] = np.arange(len(scales.demand))
        else:
            demand, weight = np.empty((X.shape[1], 0)), np.empty(0)
            ranks, exact = typicality(X, max(scales.n_neighbors, 1), **search)
            constant = ranks * (request.weight / request.weight.max())
            notes["exact"] = bool(notes["exact"] and exact)
        field = Field(
            X=X,
            demand=demand,
            weight=weight,
            own=own,
            precision=precision_of(scales.bandwidth),
            constant_density=constant,
            density_scale=1.0,
            distance_scale=scales.diameter or 1.0,
            novelty_power=np.ones(0),
            alpha=0.0,
        )
        start = start_state(field, request, scales.diameter, n_jobs=self.n_jobs)
        if self.density == "residual":
            field = field._replace(density_scale=float(start.density.max()) or 1.0)
        return field, start

    def _curve(self, X: np.ndarray, request: Request, scales: Scales, run: Run) -> np.ndarray:
        return coverage_curve(
            X[scales.demand],
            request.weight[scales.demand],
            X[request.labeled],
            X[run.indices],
            kind=self.calibration,
            bandwidth=scales.bandwidth,
            n_jobs=self.n_jobs,
        )


class _Clock:
    """Wall-clock seconds of the stages of one selection."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
