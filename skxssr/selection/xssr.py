"""XSSR: density, novelty and diversity, greedily, with a calibrated trade-off."""

import time
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._utils.warn import warn_caller
from skxssr.base import BaseSelector, Selection
from skxssr.base.request import Request
from skxssr.selection._engine.calibrate import calibrate
from skxssr.selection._engine.in_memory import InMemory
from skxssr.selection.score import SCORES, ScoreSpec


class XSSRSelector(BaseSelector):
    """Cross-domain representative selection by density, novelty and diversity, greedily.

    A target row is worth picking if it has close neighbours (density), lies far from the source
    (novelty) and is unlike what is picked or labelled already (diversity) [1]_. By default the pool
    is cut into as many k-means clusters as there are picks, and each pick is the most typical row
    of another cluster. Novelty is off unless `alpha` says otherwise: in no comparison so far did it
    make picks better.

    Parameters
    ----------
    scoring : {"xssr", "as described", "residual"} or ScoreSpec, default="xssr"
        What the three terms are. "xssr" is the form that the study chose, "as described" the
        literal reading of the abstract of [1]_, "residual" one for millions of rows. A
        `skxssr.selection.ScoreSpec` makes others, for ablations.
    alpha : "auto" or float in [0, 1], default=0.0
        Weight of novelty; 0 is without. With "xssr" the typicality of a row is multiplied by its
        novelty to this power; with the other scores 1 is novelty alone, each gated by density.
        "auto" selects for every value of `alphas` and keeps the one whose picks have the lowest
        coverage loss, as in the paper. Without a source there is no novelty: "auto" is 0, and a
        number above 0 warns.
    alphas : tuple of float, default=(0.0, 0.1, ..., 1.0)
        The grid for "auto".
    alpha_tolerance : float, default=0.0
        "auto" takes the smallest alpha whose loss is within this share of the lowest, as in 0.03
        for 3 percent. Where the whole curve is that flat its minimum follows noise, as on the
        films of the study's first edition (docs/decisions). Losses within 1e-6 of
        the lowest are ties in any case.
    n_neighbors : int, optional
        Neighbours that set the novelty and the typicality, and the bandwidth of "residual". By
        default 20 for the typicality of "xssr", which looks within the cluster, and else half of
        the rows that each pick stands for, within 5 and 20. Lowered, with a warning, where the
        pool is smaller.
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
        Seed of k-means and of pynndescent, and offset of the samples that stand for pools and
        sources above 5,000 rows. Fixed by default, so that a selection can be repeated.
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
    skxssr.selection.make_variant : Forms of this selector by name, for ablations.

    Notes
    -----
    The formulas of [1]_ are not public; these are a reading of its abstract, set out with every
    default and its reason in the documentation, page "The method". With novelty off the default
    picks what `TypiClustSelector` picks, whose rule won the comparison of the study; it differs in
    that weights, labelled rows and large budgets count, and in that novelty can be switched on. The
    literal reading of the paper is ``XSSRSelector(scoring="as described", alpha="auto")``. Report
    both, and never credit the figures of one to the other.

    References
    ----------
    .. [1] A. Anisimov et al., "XSSR: Cross-Domain Self-Supervised Representative Selection for
       Efficient Annotation in Medical Image Segmentation", 2026. :arxiv:`2606.04301`.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import XSSRSelector
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.normal(size=(100, 8)), rng.normal(1.0, size=(440, 8))
    >>> selector = XSSRSelector().fit(source)
    >>> picked = selector.select(target, 22)
    >>> picked.shape, len(set(picked.tolist()))
    ((22,), 22)

    With novelty, its weight calibrated as in the paper:

    >>> selector = XSSRSelector(alpha="auto").fit(source)
    >>> selector.select(target, 22).shape, selector.selection_.alpha in selector.alphas
    ((22,), True)

    Without a source:

    >>> XSSRSelector(alpha="auto").select(target, 0.05).shape
    (22,)
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "scoring": [StrOptions(set(SCORES)), ScoreSpec],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "alphas": ["array-like"],
        "alpha_tolerance": [Interval(Real, 0, None, closed="left")],
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
        scoring: str | ScoreSpec = "xssr",
        alpha: str | float = 0.0,
        alphas: Any = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        alpha_tolerance: float = 0.0,
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
        self.scoring = scoring
        self.alpha = alpha
        self.alphas = alphas
        self.alpha_tolerance = alpha_tolerance
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
        return select_xssr(self, InMemory(source, X), request)


def select_xssr(
    selector: XSSRSelector, rows: Any, request: Request, *, verbose: int | None = None
) -> Selection:
    """The picks of `XSSRSelector` among `rows`, which are in memory or elsewhere.

    `rows` has the interface of `skxssr.selection._engine.in_memory.InMemory`.
    """
    clock = _Clock()
    score = selector.scoring
    form = score if isinstance(score, ScoreSpec) else SCORES[score]
    if form.diversity != "distance" and selector.engine == "torch":
        raise ValueError(
            "engine='torch' computes the bounds of a residual density, which "
            f"scoring={selector.scoring!r} does not have: pass engine='lazy' or scoring='residual'."
        )
    has_source = rows.n_source > 0
    grid = alpha_grid(selector, form, has_source)
    seed = int(check_random_state(selector.random_state).randint(np.iinfo(np.int32).max))
    search: dict[str, Any] = {
        "algorithm": selector.algorithm,
        "seed": seed,
        "n_jobs": selector.n_jobs,
    }
    scales = rows.scales(
        request, n_neighbors=selector.n_neighbors, bandwidth_scale=form.bandwidth_scale, **search
    )
    notes = dict(scales.notes)
    clock.on_stage("scales")
    far = np.ones(rows.n)
    if has_source:
        k = max(scales.n_neighbors, 1)
        far, novelty_notes = rows.novelty(
            k,
            scales.diameter,
            search,
            everywhere=grid != [0.0] or form.calibration == "novel_distance",
        )
        notes |= novelty_notes
        if selector.n_neighbors is not None and novelty_notes["novelty_neighbors"] < k:
            warn_caller(
                f"n_neighbors={selector.n_neighbors} was lowered to {rows.n_source} for the "
                f"novelty: the source has {rows.n_source} rows."
            )
    clock.on_stage("novelty")
    objective = rows.objective(selector, form, far, request, scales, search)
    clock.on_stage("start")

    calibrated = selector.alpha == "auto" and has_source and form.trades
    calibration = calibrate(
        objective,
        grid,
        [0.0] if calibrated else [],
        far=far,
        request=request,
        kind=form.calibration,
        tolerance=selector.alpha_tolerance,
        n_jobs=selector.n_jobs,
        verbose=selector.verbose if verbose is None else verbose,
        on_stage=clock.on_stage,
    )
    alpha, runs = calibration.alpha, calibration.runs
    run = runs[alpha]
    if selector.engine == "full":
        run = objective.full_scan(alpha, run)
        clock.on_stage("full scan")
    notes |= objective.notes
    notes["n_density_evaluations"] = objective.n_starts * len(request.candidates) + sum(
        r.n_evaluations for r in runs.values()
    )
    notes["exact"] = bool(notes["exact"] and objective.exact and notes.get("novelty_exact", True))
    has_novelty = has_source and "novelty" in form.terms
    return Selection(
        indices=run.indices,
        scores=run.scores,
        terms={
            "density": run.density,
            "novelty": rows.novelty_of(run.indices) if has_source else far[run.indices],
            "diversity": run.diversity,
        },
        coverage=calibration.curves[alpha][1:],
        calibration=form.calibration,
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


def alpha_grid(selector: XSSRSelector, form: ScoreSpec, has_source: bool) -> list[float]:
    """The alphas to run, ascending; one if it is given or there is nothing to trade off."""
    if not has_source:
        if form.terms == ("novelty",):
            raise ValueError(
                "terms=('novelty',) scores by distance to a source, but the selector was never "
                "fitted on one. Call fit(source_embeddings) first."
            )
        if form.source_weight > 0:
            warn_caller(
                f"source_weight={form.source_weight} counts a source as covered, but the "
                "selector was never fitted on one: 0 is used. Call fit(source_embeddings) first."
            )
    only = 0.0 if "diversity" in form.terms else 1.0  # where alpha has nothing to trade
    grid = np.unique(np.asarray(selector.alphas, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0 or not ((grid >= 0) & (grid <= 1)).all():
        raise ValueError(
            f"alphas must hold at least one value, all in [0, 1]. Got {selector.alphas!r} instead."
        )
    if selector.alpha != "auto":
        if form.trades and (has_source or selector.alpha == 0):
            return [float(selector.alpha)]
        if selector.alpha != only and selector.alpha != 0:  # 0 is the default, and says nothing
            why = (
                "weighs novelty against a source, but the selector was never fitted on one: "
                "alpha=0 is used. Call fit(source_embeddings) first."
                if form.trades
                else f"trades novelty against diversity, but terms={form.terms} leaves out one "
                f"or both: alpha={only:g} is used."
            )
            warn_caller(f"alpha={selector.alpha} {why}")
        return [only]
    return grid.tolist() if has_source and form.trades else [only]


class _Clock:
    """Wall-clock seconds of the stages of one selection."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def on_stage(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
