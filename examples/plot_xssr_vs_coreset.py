"""
XSSR, CoreSet, k-medoids and random draws in the plane
======================================================

Four ways to pick twelve of some 450 points, drawn so that one can see what each is after. The
target has three tight modes, a diffuse one, one that overlaps the source, and six outliers.
All selectors see the plane as it is drawn (``preprocess=None``).
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from sklearn.metrics import pairwise_distances_argmin

from skxssr import CoreSetSelector, KMedoidsSelector, RandomSelector, XSSRSelector
from skxssr.metrics import coverage_loss

BUDGET = 12
# name: centre, deviation, number of rows
MODES = {
    "tight 1": ((6.0, 5.5), 0.30, 110),
    "tight 2": ((7.8, 2.2), 0.30, 90),
    "tight 3": ((3.2, 6.8), 0.25, 60),
    "diffuse": ((4.5, 1.8), 0.95, 120),
    "like the source": ((0.4, 3.2), 0.55, 70),
}
OUTLIERS = ((-1.8, 7.8), (10.6, 7.6), (9.9, -1.4), (-2.2, -1.0), (0.8, 8.9), (11.2, 4.0))

rng = np.random.default_rng(0)
source = rng.normal((0.0, 3.4), 0.8, size=(150, 2))
target = np.vstack(
    [*(rng.normal(centre, spread, size=(n, 2)) for centre, spread, n in MODES.values()), OUTLIERS]
)
outlier = np.arange(len(target)) >= len(target) - len(OUTLIERS)

# %%
# Twelve picks each
# -----------------
#
# The mean distance of a row to the nearest pick and the largest such distance, the radius, say how
# well the picks cover the target.

selectors = {
    "XSSR": XSSRSelector(preprocess=None),
    "CoreSet": CoreSetSelector(preprocess=None),
    "k-medoids": KMedoidsSelector(preprocess=None, cover_source=False),
    "random": RandomSelector(random_state=0),
}
picks, captions = {}, {}
for name, selector in selectors.items():
    picks[name] = rows = selector.fit(source).select(target, BUDGET)
    mean, radius = (coverage_loss(target, rows, kind=kind) for kind in ("mean_distance", "radius"))
    far = int(outlier[rows].sum())
    captions[name] = f"mean {mean:.2f}, radius {radius:.1f}, {far} outliers"
    print(f"{name}: {len(set(rows.tolist()))} picks, {far} of them outliers;", end=" ")
    print(f"distance to the nearest pick: mean {mean:.3f}, largest {radius:.3f}")

# %%
# Every row has the colour of the pick nearest to it and a line to that pick. Outliers are circled;
# gray squares are the source.

PALETTE = np.array([f"C{i}" for i in range(10)] + ["#1b7f6e", "#8a6d3b"])


def draw(axis, rows, size=110):
    """Source, target and numbered picks."""
    nearest = pairwise_distances_argmin(target, target[rows])
    colours = PALETTE[nearest]
    lines = np.stack([target, target[rows][nearest]], axis=1)
    axis.scatter(*source.T, s=10, marker="s", c="#d4d4d4", lw=0)
    axis.add_collection(LineCollection(lines, colors=colours, lw=0.6, alpha=0.45))
    axis.scatter(*target.T, s=7, c=colours, lw=0)
    axis.scatter(*target[outlier].T, s=2 * size, fc="none", ec="#999999", lw=0.9)
    axis.scatter(*target[rows].T, s=size, c="black", ec="white", lw=1, zorder=3)
    for rank, point in enumerate(target[rows], 1):
        axis.text(*point, rank, color="white", size=7, ha="center", va="center_baseline", zorder=4)
    axis.set(aspect="equal", xticks=[], yticks=[], xlim=(-3.2, 12.2), ylim=(-2.6, 10))


figure, axes = plt.subplots(2, 2, figsize=(7.8, 7.4), layout="constrained")
for axis, (name, rows) in zip(axes.flat, picks.items(), strict=True):
    draw(axis, rows)
    axis.set_title(f"{name}\n{captions[name]}", fontsize=10)
plt.show()

# %%
# Each is good at what it is made for. CoreSet takes the row that is farthest from all picks, again
# and again, and so has the smallest radius; nearly half of its picks are outliers. k-medoids
# minimises the mean distance and has the smallest. XSSR takes the most typical row of each of
# twelve clusters. A random draw follows density, and now and then leaves a mode out.
#
# The points were made up to show this. Which picks train the better model is another question: see
# :doc:`/results/index`.
#
# Step by step
# ------------
#
# XSSR takes the best row of one cluster after another, the largest first. ``engine="full"`` keeps
# the utility of every row at every pick, here as shade: dark is the cluster whose turn it is, and
# within it the rows in the midst of others (density). A cluster that has been picked from goes pale
# and waits until all have (diversity). Novelty has no say here, since alpha is 0.

selector = XSSRSelector(preprocess=None, engine="full").fit(source)
rows = selector.select(target, BUDGET)
scores = selector.selection_.utilities
figure, axes = plt.subplots(2, 3, figsize=(7.8, 4.9), layout="constrained")
for axis, t in zip(axes.flat, (0, 1, 2, 3, 5, 8), strict=True):
    shade = np.clip(np.nan_to_num(scores[t], nan=-2.0), -2, 1) / 3 + 2 / 3
    axis.scatter(*source.T, s=7, marker="s", c="#d4d4d4", lw=0)
    axis.scatter(*target.T, s=7, c=shade, cmap="viridis_r", vmin=0, vmax=1, lw=0)
    axis.scatter(*target[rows[:t]].T, s=45, c="black", ec="white", lw=0.8)
    axis.scatter(*target[rows[t]].T, s=170, marker="*", c="C3", ec="white", lw=0.8, zorder=3)
    axis.set(aspect="equal", xticks=[], yticks=[], xlim=(-3.2, 12.2), ylim=(-2.6, 10))
    axis.set_title(f"pick {t + 1}", fontsize=10)
plt.show()
