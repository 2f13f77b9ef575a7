"""The rows of `XSSRSelector` in memory: scales, novelty and score of them."""

from typing import Any

import numpy as np

from skxssr.base.request import Request
from skxssr.selection._engine.cluster_score import ClusterScore, make_cluster_score
from skxssr.selection._engine.objective import Objective
from skxssr.selection._engine.scales import Scales, fix_scales, novelty
from skxssr.selection.score import ScoreSpec


class InMemory:
    """Source and target after preprocessing.

    Parameters
    ----------
    source : ndarray of shape (n_source, p) or None
    X : ndarray of shape (n, p)

    Attributes
    ----------
    n, n_source : int
        Rows of the target and of the source; 0: there is none.
    """

    def __init__(self, source: np.ndarray | None, X: np.ndarray) -> None:
        self._source, self._X = source, X
        self.n, self.n_source = len(X), 0 if source is None else len(source)

    def scales(self, request: Request, **parameters: Any) -> Scales:
        """See `fix_scales`."""
        return fix_scales(self._X, request, **parameters)

    def novelty(
        self, k: int, diameter: float, search: dict[str, Any], *, everywhere: bool
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Novelty of each row, and what was sampled.

        `everywhere` is whether more than the novelty of picks will be asked for.
        """
        assert self._source is not None
        self._far, notes = novelty(self._X, self._source, k, diameter=diameter, **search)
        return self._far, notes

    def novelty_of(self, picks: np.ndarray) -> np.ndarray:
        """Novelty of rows, once `novelty` has been called."""
        return self._far[picks]

    def objective(
        self,
        selector: Any,
        form: ScoreSpec,
        far: np.ndarray,
        request: Request,
        scales: Scales,
        search: dict[str, Any],
    ) -> Objective | ClusterScore:
        """The score of every row, for any alpha."""
        if form.diversity == "clusters":
            return make_cluster_score(
                self._X,
                far if self._source is not None and "novelty" in form.terms else None,
                request,
                scales,
                n_neighbors=selector.n_neighbors,
                random_state=selector.random_state,
                density="density" in form.terms,
                diversity="diversity" in form.terms,
                n_jobs=selector.n_jobs,
            )
        device = selector.device if selector.engine == "torch" else None
        return Objective(self._X, self._source, far, request, form, scales, search, device)
