"""The engine over time, one commit against another: smaller pools of data.py, no peers.

    pip install asv
    cd benchmarks/engine
    asv run --python=same --quick          # this tree, in this environment
    asv continuous main HEAD               # two commits, each in an environment of its own

The figures against other libraries are those of main.py; these only say whether a commit made
something slower.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from benchmarks.engine.data import FIRST, groups_of, labeled_rows, rows_of

N, D, BUDGET, N_SOURCE, N_GROUPS = 10_000, 64, 200, 2_000, 5_000


def _coreset():
    from skxssr import CoreSetSelector

    return CoreSetSelector(preprocess=None, initialize=FIRST)


class CoreSet:
    """Greedy k-center, and its peak memory."""

    params = ["medium", "tight", "isotropic"]
    param_names = ["pool"]

    def setup(self, pool: str) -> None:
        self.X = rows_of(pool, N, D)
        _coreset().select(self.X[:500], 5)  # compiles

    def time_select(self, pool: str) -> None:
        _coreset().select(self.X, BUDGET)

    def peakmem_select(self, pool: str) -> None:
        _coreset().select(self.X, BUDGET)


class Demands:
    """Labelled rows and groups."""

    def setup(self) -> None:
        self.X = rows_of("medium", N, D)
        self.labeled, self.groups = labeled_rows(N), groups_of(N, N_GROUPS)
        _coreset().select(self.X[:500], 5, labeled=[0], groups=self.groups[:500])

    def time_labeled(self) -> None:
        _coreset().select(self.X, BUDGET, labeled=self.labeled)

    def time_groups(self) -> None:
        _coreset().select(self.X, BUDGET, groups=self.groups)


class _XSSR:
    """All alphas and one."""

    form: str
    params = ["auto", 0.5]
    param_names = ["alpha"]
    timeout = 600

    def setup(self, alpha: str | float) -> None:
        from skxssr.selection import make_variant

        self.X = rows_of("medium", N, D)
        source = rows_of("source", N_SOURCE, D)
        self.selector = make_variant(self.form, alpha=alpha).fit(source)
        self.selector.select(self.X[:500], 5)

    def time_select(self, alpha: str | float) -> None:
        self.selector.select(self.X, BUDGET)


class XSSR(_XSSR):
    """The form that engine.py times."""

    form = "residual"

    def track_density_evaluations(self, alpha: str | float) -> float:
        """Share of row-by-pick-by-alpha pairs for which a density was computed."""
        record = self.selector.select(self.X, BUDGET, return_selection=True)
        pairs = np.prod([N, BUDGET, max(1, len(record.alphas))])
        return record.scales["n_density_evaluations"] / pairs


class XSSRDefault(_XSSR):
    """The default, which computes no densities of that kind."""

    form = "XSSR"


class Import:
    """The bare import, in interpreters of its own."""

    def timeraw_import(self) -> str:
        return "import skxssr"
