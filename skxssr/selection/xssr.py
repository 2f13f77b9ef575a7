"""XSSR: density, novelty and diversity, greedily, with a calibrated trade-off. Imports `base`."""

import time
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._quota import Request
from skxssr.base import BaseSelector, Selection
from skxssr.exceptions import SkxssrWarning
from skxssr.selection._calibrate import CALIBRATIONS, calibrate
from skxssr.selection._composite import TERMS, Composite, Form
from skxssr.selection._scales import fix_scales, novelty


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
        The grid for "auto".
    alpha_tolerance : float, default=0.0
        "auto" takes the smallest alpha whose loss is within this share of the lowest, as in 0.03
        for 3 percent. Where the whole curve is that flat its minimum follows noise, as on the
        films of the study (documentation, page "What the study decided"). Losses within 1e-6 of
        the lowest are ties in any case.
    calibration : {"mean_distance", "radius", "kernel", "novel_distance"}, \
            default="mean_distance"
        Coverage loss to minimise, see `skxssr.metrics.coverage_loss`. The mean distance is not
        driven by a few outliers, as the radius is. "novel_distance" is the mean distance with
        each row weighted by its novelty too: of these losses the one that sees the source.
    terms : tuple of {"density", "novelty", "diversity"}, \
            default=("density", "novelty", "diversity")
        The terms of the score, for ablations. A term left out is 1 in every row. Without novelty
        alpha is 0, without diversity 1; without both there is none, and none is calibrated.
    composite : {"geometric", "additive"}, default="geometric"
        "additive" is density x (alpha novelty + (1 - alpha) diversity), with novelty as a rank and
        diversity as a share of the 95th percentile of the distances in the pool, cut off at 1. Its
        alpha depends on those scales, that of "geometric" on none.
    density : {"residual", "typicality"}, default="residual"
        "residual" is the demand a row would newly cover, by a Gaussian kernel. "typicality" is
        the rank of 1 / mean distance to the nearest rows, the same at every pick.
    novelty : {"score", "demand"}, default="score"
        "demand" multiplies the demand of each row, not its score, by novelty^alpha: novelty then
        says what needs covering, and an outlier can only cover itself. Needs a residual density.
    source_weight : float in [0, 1], default=0.0
        How far the source counts as covering the target, for a model that also learns from the
        source's labels; 0 for one trained on the picks alone. Needs a residual density.
    bandwidth_scale : float, default=2.0
        Bandwidth of the Gaussian kernel in units of the median distance to the k-th neighbour.
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
    engine : {"lazy", "full", "torch"}, default="lazy"
        All return the same picks. "full" scores every row at every pick and keeps the scores in
        ``selection_.utilities``. "torch" is for millions of rows and a GPU: it computes the bounds
        of densities on `device`.
    device : str, default="auto"
        For ``engine="torch"``: a torch device, or "auto" for a CUDA GPU where there is one. A
        MemoryError says when the rows do not fit.
    random_state : int, RandomState instance or None, default=0
        Offset of the demand set (pools above 5,000 rows), of the source sample (sources above
        5,000 rows) and of the sample of distances (additive, pools above 1,000 rows), and seed of
        pynndescent. Fixed by default, so that a selection can be repeated.
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
    skxssr.selection.make_form : Forms of this selector by name, for ablations.

    Notes
    -----
    The formulas of [1]_ are not public; these are a reading of its abstract, set out with every
    default and its reason in the documentation, page "The method". The default is our form; the
    literal reading of the paper is ``make_form("XSSR as described")``. Report both, and never
    credit the figures of one to the other.

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
        "alpha_tolerance": [Interval(Real, 0, None, closed="left")],
        "calibration": [StrOptions(set(CALIBRATIONS))],
        "terms": ["array-like"],
        "composite": [StrOptions({"geometric", "additive"})],
        "density": [StrOptions({"residual", "typicality"})],
        "novelty": [StrOptions({"score", "demand"})],
        "source_weight": [Interval(Real, 0, 1, closed="both")],
        "bandwidth_scale": [Interval(Real, 0, None, closed="neither")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "algorithm": [StrOptions({"auto", "exact", "pynndescent"})],
        "engine": [StrOptions({"lazy", "full", "torch"})],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        alpha: str | float = "auto",
        alphas: Any = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        alpha_tolerance: float = 0.0,
        calibration: str = "mean_distance",
        terms: Any = TERMS,
        composite: str = "geometric",
        density: str = "residual",
        novelty: str = "score",
        source_weight: float = 0.0,
        bandwidth_scale: float = 2.0,
        n_neighbors: int | None = None,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        algorithm: str = "auto",
        engine: str = "lazy",
        device: str = "auto",
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.alphas = alphas
        self.alpha_tolerance = alpha_tolerance
        self.calibration = calibration
        self.terms = terms
        self.composite = composite
        self.density = density
        self.novelty = novelty
        self.source_weight = source_weight
        self.bandwidth_scale = bandwidth_scale
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.preprocess = preprocess
        self.algorithm = algorithm
        self.engine = engine
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Request) -> Selection:
        clock = _Clock()
        terms = tuple(map(str, self.terms))
        form = Form(terms, self.composite, self.density, self.novelty, self.source_weight)
        grid = self._grid(form, source is not None)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        search: dict[str, Any] = {"algorithm": self.algorithm, "seed": seed, "n_jobs": self.n_jobs}
        scales = fix_scales(
            X,
            request,
            n_neighbors=self.n_neighbors,
            bandwidth_scale=self.bandwidth_scale,
            **search,
        )
        notes = dict(scales.notes)
        clock.lap("scales")
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
        clock.lap("novelty")

        device = self.device if self.engine == "torch" else None
        composite = Composite(X, source, far, request, form, scales, search, device)
        clock.lap("start")

        calibrated = self.alpha == "auto" and source is not None and form.trades
        calibration = calibrate(
            composite,
            grid,
            [0.0] if calibrated else [],
            far=far,
            request=request,
            kind=self.calibration,
            tolerance=self.alpha_tolerance,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            lap=clock.lap,
        )
        alpha, runs = calibration.alpha, calibration.runs

        run = runs[alpha]
        if self.engine == "full":
            run = composite.full_scan(alpha, run)
            clock.lap("full scan")
        notes |= composite.notes
        notes["n_density_evaluations"] = composite.n_starts * len(request.candidates) + sum(
            r.n_evaluations for r in runs.values()
        )
        notes["exact"] = bool(
            notes["exact"] and composite.exact and notes.get("novelty_exact", True)
        )
        has_novelty = source is not None and "novelty" in form.terms
        return Selection(
            indices=run.indices,
            scores=run.scores,
            terms={
                "density": run.density,
                "novelty": far[run.indices],
                "diversity": run.diversity,
            },
            coverage=calibration.curves[alpha][1:],
            calibration=self.calibration,
            alpha=alpha if has_novelty or "diversity" in form.terms else None,
            alphas=np.array(grid if calibrated else []),
            alpha_losses=calibration.losses if calibrated else np.empty(0),
            alpha_zero_overlap=(
                float(np.isin(run.indices, runs[0.0].indices).mean()) if calibrated else None
            ),
            novelty_used=(has_novelty and alpha > 0) or "source_weight" in notes,
            scales=notes,
            elapsed=clock.laps,
            utilities=run.utilities,
        )

    def _grid(self, form: Form, has_source: bool) -> list[float]:
        """The alphas to run, ascending; one if it is given or there is nothing to trade off."""
        if not has_source:
            if form.terms == ("novelty",):
                raise ValueError(
                    "terms=('novelty',) scores by distance to a source, but the selector was never "
                    "fitted on one. Call fit(source_embeddings) first."
                )
            if self.source_weight > 0:
                warnings.warn(
                    f"source_weight={self.source_weight} counts a source as covered, but the "
                    "selector was never fitted on one: 0 is used. Call fit(source_embeddings) "
                    "first.",
                    SkxssrWarning,
                    stacklevel=4,
                )
        only = 0.0 if "diversity" in form.terms else 1.0  # where alpha has nothing to trade
        if self.alpha != "auto":
            if form.trades and (has_source or self.alpha == 0):
                return [float(self.alpha)]
            if self.alpha != only:
                why = (
                    "weighs novelty against a source, but the selector was never fitted on one: "
                    "alpha=0 is used. Call fit(source_embeddings) first."
                    if form.trades
                    else f"trades novelty against diversity, but terms={form.terms} leaves out one "
                    f"or both: alpha={only:g} is used."
                )
                warnings.warn(f"alpha={self.alpha} {why}", SkxssrWarning, stacklevel=4)
            return [only]
        grid = np.unique(np.asarray(self.alphas, dtype=np.float64))
        if grid.ndim != 1 or grid.size == 0 or not ((grid >= 0) & (grid <= 1)).all():
            raise ValueError(
                f"alphas must hold at least one value, all in [0, 1]. Got {self.alphas!r} instead."
            )
        return grid.tolist() if has_source and form.trades else [only]


class _Clock:
    """Wall-clock seconds of the stages of one selection."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
