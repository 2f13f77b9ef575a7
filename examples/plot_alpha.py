"""
What alpha does
===============

``alpha`` is the weight of novelty, the distance to the source. 0, the default, leaves the source
out. What a larger one does is clearest where all rows compete at every pick, as in the residual
score of the first edition of the study: at 1 only density and novelty speak. ``"auto"`` runs the
selection for every value of a grid and keeps the one whose picks cover the target best.
"""

import matplotlib.pyplot as plt
import numpy as np

from skxssr import XSSRSelector

BUDGET = 15
rng = np.random.default_rng(0)
source = rng.normal((0, 0), (1.0, 0.7), size=(200, 2))
target = np.vstack(
    [
        rng.normal((1.0, 0.0), (0.9, 0.7), size=(260, 2)),  # much like the source
        rng.normal((4.5, 1.5), (0.7, 0.5), size=(120, 2)),  # new
        rng.normal((6.5, -1.0), (0.5, 0.5), size=(40, 2)),  # newer still, and rare
    ]
)

# %%
# Three settings
# --------------
#
# The larger alpha, the more picks go to the right, away from the source. At 1 nothing keeps picks
# apart any more, and they crowd where typical rows lie far from the source.

figure, axes = plt.subplots(3, 1, figsize=(7, 10.4), layout="constrained", sharex=True, sharey=True)
for axis, alpha in zip(axes, (0.0, 0.5, 1.0), strict=True):
    selector = XSSRSelector(scoring="residual", alpha=alpha, preprocess=None).fit(source)
    picked = selector.select(target, BUDGET)
    axis.scatter(*source.T, s=12, marker="s", c="#d4d4d4", lw=0, label="source")
    axis.scatter(*target.T, s=10, c="#7fb3d5", lw=0, label="target")
    axis.scatter(*target[picked].T, s=130, c="#c0392b", ec="white", lw=0.8, label="picked")
    for rank, point in enumerate(target[picked], 1):
        axis.text(*point, rank, color="white", size=8, ha="center", va="center_baseline")
    axis.set(aspect="equal", xticks=[], yticks=[], xlim=(-3, 8.2), ylim=(-2.3, 3.2))
    right = int((target[picked, 0] > 3).sum())
    axis.set_title(f"alpha = {alpha:g}: {right} of {BUDGET} picks in the new groups", fontsize=11)
    print(f"alpha = {alpha:g}: {right} of {BUDGET} picks in the new groups")
axes[0].legend(loc="upper left", fontsize=9)
plt.show()

# %%
# Calibration
# -----------
#
# The curve is kept in the record. The loss is the mean distance of a target row to the nearest
# pick, and does not see the source: it says which alpha covers the target best, not which one
# trains the better model.

selector = XSSRSelector(scoring="residual", alpha="auto", preprocess=None).fit(source)
picked = selector.select(target, BUDGET)
record = selector.selection_
print(record.summary())

tolerant = XSSRSelector(
    scoring="residual", alpha="auto", alpha_tolerance=0.03, preprocess=None
).fit(source)
within = tolerant.select(target, BUDGET, return_selection=True)
print(f"Within 3%: alpha = {within.alpha:g}.")

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
lowest = record.alpha_losses.min()
axis.axhspan(lowest, 1.03 * lowest, color="C2", alpha=0.15, lw=0, label="within 3% of the lowest")
axis.plot(record.alphas, record.alpha_losses, "o-", c="0.3", ms=5)
axis.plot(record.alpha, lowest, "o", c="C3", ms=11, label=f'"auto": alpha = {record.alpha:g}')
axis.set(xlabel="alpha", ylabel="mean distance to\nthe nearest pick")
axis.grid(alpha=0.3)
axis.legend()
plt.show()

# %%
# On the chest films of the study the whole curve lay within a few percent, so that its minimum
# followed noise (:doc:`/decisions/study`). ``alpha_tolerance=0.03`` takes the smallest alpha within
# 3% of the lowest loss instead, which is to say: no novelty unless it helps to cover.
