"""
A million rows
==============

Embeddings of a large archive need not fit in memory as a whole: a memory-mapped file goes in like
any array. Novelty is measured to a sample of the source, density and coverage to a sample of the
pool; the record says so. The form is "residual", whose engine is made for many rows.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skxssr import RandomSelector
from skxssr.selection import make_variant

N_ROWS, N_FEATURES, BUDGET = 1_000_000, 16, 22
BLOCK = 50_000

# %%
# A file of embeddings
# --------------------
#
# A hundred groups, the largest a thousand times the smallest, written block by block.

rng = np.random.default_rng(0)
centres = 2.5 * rng.normal(size=(100, N_FEATURES))
spreads = rng.uniform(0.3, 1.2, size=100)
shares = np.geomspace(1, 0.001, 100)
shares /= shares.sum()


def draw(n):
    group = rng.choice(100, size=n, p=shares)
    return centres[group] + spreads[group, None] * rng.normal(size=(n, N_FEATURES)), group


folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "embeddings.npy"
file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(N_ROWS, N_FEATURES))
groups = np.empty(N_ROWS, dtype=np.int8)
for start in range(0, N_ROWS, BLOCK):
    file[start : start + BLOCK], groups[start : start + BLOCK] = draw(
        len(file[start : start + BLOCK])
    )
file.flush()
source = draw(2000)[0]
source = source[source[:, 0] < 0]  # the other site has about half of the groups

# %%
# Selection
# ---------
#
# ``"auto"`` runs the selection once for each alpha of its grid. A hundredth of the rows is enough
# to find the alpha that covers best; the whole file is then gone through once with that. The
# default form measures the distance of every candidate to the demand before its first pick, which
# takes minutes here; it is quick where ``candidates`` names some of the rows (:doc:`/guide/large`).

X = np.load(path, mmap_mode="r")
calibrated = make_variant("residual", n_jobs=-1).fit(source)
calibrated.select(X[::100], BUDGET)
alpha = calibrated.selection_.alpha
selector = make_variant("residual", alpha=alpha, n_jobs=-1).fit(source)
picked = selector.select(X, BUDGET)
print(f"{BUDGET} of {len(X):,} rows, {path.stat().st_size / 2**20:.0f} MiB on disk")
print(f"alpha = {alpha:g}, found on {len(X[::100]):,} rows")
for name, value in selector.selection_.scales.items():
    print(f"  {name}: {value}")

# %%
# What was found
# --------------
#
# Left, the rows in two of their directions, the darker the more, and the picks. Right, how many of
# the hundred groups have been visited after each pick, beside the average of twenty random
# draws.

draws = [RandomSelector(random_state=seed).select(X, BUDGET) for seed in range(20)]


def found(rows):
    return np.array([len(set(groups[rows[: t + 1]])) for t in range(BUDGET)])


by_chance = np.mean([found(rows) for rows in draws], axis=0)
print(f"groups visited: {found(picked)[-1]} by XSSR, {by_chance[-1]:.1f} at random")

axes_2d = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)[2][:2]
plane = X[:: max(1, N_ROWS // 200_000)] @ axes_2d.T
figure, (left, right) = plt.subplots(1, 2, figsize=(7.8, 4), layout="constrained")
left.hexbin(*plane.T, gridsize=70, bins="log", cmap="Blues", mincnt=1, linewidths=0.1)
left.scatter(*(X[picked] @ axes_2d.T).T, s=34, c="#c0392b", ec="white", lw=0.7)
left.set(xticks=[], yticks=[])
left.set_title(f"{N_ROWS:,} rows and {BUDGET} picks", fontsize=11)
turns = np.arange(1, BUDGET + 1)
right.plot(turns, found(picked), c="#c0392b", label="XSSR")
right.plot(turns, by_chance, c="0.4", label="random, mean")
right.set(xlabel="picks", ylabel="groups visited")
right.grid(alpha=0.3)
right.legend(loc="lower right")
plt.show()

del X, file  # a file in use cannot be removed everywhere
folder.cleanup()
