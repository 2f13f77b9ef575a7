"""
Going on from labelled data
===========================

Rarely nothing is labelled. ``labeled`` names the rows that are: they count as covered, they are not
picked again, and picks keep away from them. So a choice can also be made in several sittings.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skxssr import RandomSelector, XSSRSelector
from skxssr.datasets import make_phantoms
from skxssr.metrics import coverage_loss

site_a = make_phantoms("chest", "A", 150, random_state=0, image_size=48)
site_b = make_phantoms("chest", "B", 300, random_state=1, image_size=48)
pixels = [site.images.reshape(len(site.images), -1) / 255 for site in (site_a, site_b)]
embedder = PCA(8, random_state=0).fit(pixels[0])
source, target = map(embedder.transform, pixels)

# %%
# What is there
# -------------
#
# Somebody has annotated 25 films that were at hand: the brightest ones.

labeled = np.argsort(pixels[1].mean(axis=1))[-25:]

# %%
# Fifteen more
# ------------
#
# With the labelled films, as if there were none, and at random.

choices = {
    "labeled=...": XSSRSelector().fit(source).select(target, 15, labeled=labeled),
    "as if nothing were labelled": XSSRSelector().fit(source).select(target, 15),
    "random": RandomSelector(random_state=0).select(target, 15, labeled=labeled),
}
for name, rows in choices.items():
    again = len(np.intersect1d(rows, labeled))
    loss = coverage_loss(target, np.union1d(labeled, rows))
    print(f"{name}: {again} picks are labelled already; coverage loss of all labels {loss:.3f}")

# %%
# In several sittings
# -------------------
#
# Five, then five more, then five more, each time after the earlier ones came back. With groups,
# patients who have a labelled film are passed over until every other patient has one.

selector, done = XSSRSelector().fit(source), labeled
for sitting in range(3):
    more = selector.select(target, 5, labeled=done, groups=site_b.groups)
    print(f"sitting {sitting + 1}: {more}")
    done = np.append(done, more)
choices["three sittings of five"] = done[len(labeled) :]

# %%
# The picture shows the first two components of the target, with the labelled films in black. The
# curves are the mean distance of a film to the nearest labelled one, after each further label.

plane = PCA(2, random_state=0).fit_transform(target)
figure, axes = plt.subplots(2, 2, figsize=(7.8, 7), layout="constrained")
for axis, name in zip(axes.flat[:3], list(choices)[:3], strict=True):
    rows = choices[name]
    axis.scatter(*plane.T, s=12, c="#7fb3d5", lw=0, label="target")
    axis.scatter(*plane[labeled].T, s=26, c="black", lw=0, label="labelled")
    axis.scatter(*plane[rows].T, s=90, c="#c0392b", ec="white", lw=0.8, label="picked")
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=11)
axes[0, 0].legend(fontsize=9)
for name, rows in choices.items():
    curve = [coverage_loss(target, np.union1d(labeled, rows[:n])) for n in range(len(rows) + 1)]
    axes[1, 1].plot(len(labeled) + np.arange(len(curve)), curve, label=name)
axes[1, 1].set(xticks=range(25, 41, 5), xlabel="labels", ylabel="mean distance to a label")
axes[1, 1].grid(alpha=0.3)
axes[1, 1].legend(fontsize=9)
plt.show()

# %%
# Both choices cover more than a random draw, and the one that is told of the labelled films spends
# no pick on them. Three sittings do about as well as one. Random draws fall where films are many.
