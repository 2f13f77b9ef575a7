"""
Patients and volumes
====================

Neighbouring slices of a scan are nearly the same image, and an annotator who has opened a patient
may as well draw another slice. ``groups`` says which rows belong together: no group is picked
twice before every group was picked once. ``max_per_group`` caps a group.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skxssr import FixedIntervalSelector, XSSRSelector
from skxssr.datasets import make_phantoms

BUDGET = 20
site_a = make_phantoms("lesion", "A", 150, random_state=0, image_size=48)
site_b = make_phantoms("lesion", "B", 160, random_state=1, image_size=48)
patients = site_b.groups
print(f"{len(site_b.images)} slices of {patients.max() + 1} patients")

# %%
# Any embedder will do. Here the principal components of the pixels, fitted on site A.

embedder = PCA(16, random_state=0).fit(site_a.images.reshape(len(site_a.images), -1) / 255)
source, target = (
    embedder.transform(site.images.reshape(len(site.images), -1) / 255) for site in (site_a, site_b)
)

# %%
# Four ways to spend twenty masks
# -------------------------------
#
# Without groups the selector goes where the embeddings lead it. With groups every patient comes
# once before any comes twice. ``candidates`` says which rows can be had at all, here the slices of
# six patients. Fixed intervals take evenly spaced slices and look at no image.

selector = XSSRSelector().fit(source)
few = np.flatnonzero(patients < 6)
choices = {
    "no groups": selector.select(target, BUDGET),
    "groups": selector.select(target, BUDGET, groups=patients),
    "six patients, at most 4 each": selector.select(
        target, BUDGET, groups=patients, candidates=few, max_per_group=4
    ),
    "fixed intervals": FixedIntervalSelector(random_state=0).select(
        target, BUDGET, groups=patients
    ),
}
for name, rows in choices.items():
    visits = np.bincount(patients[rows], minlength=patients.max() + 1)
    lesions = int(site_b.masks[rows].any(axis=(1, 2)).sum())
    print(f"{name}: {np.count_nonzero(visits)} patients, at most {visits.max()} slices of one;")
    print(f"    {lesions} of {len(rows)} slices show a lesion")

# %%
# A budget that quotas cannot meet is an error that says what can be met.

try:
    selector.select(target, 30, groups=patients, candidates=few, max_per_group=4)
except ValueError as error:
    print(error)

# %%
# Each column is a patient, each square a slice from below upwards; dark ones show a lesion, which
# no selector is told. Picks are numbered.

first = np.searchsorted(patients, patients)
level = np.arange(len(patients)) - first
lesion = site_b.masks.any(axis=(1, 2))
figure, axes = plt.subplots(4, 1, figsize=(7, 10.6), layout="constrained", sharex=True)
for axis, (name, rows) in zip(axes, choices.items(), strict=True):
    colours = np.where(lesion, "#8fa7bf", "#e3e8ee")
    axis.scatter(patients, level, s=150, marker="s", c=colours, lw=0)
    axis.scatter(patients[rows], level[rows], s=130, c="#c0392b", ec="white", lw=0.6)
    for rank, row in enumerate(rows, 1):
        axis.text(
            patients[row], level[row], rank, size=7.5, c="white", ha="center", va="center_baseline"
        )
    axis.set(xticks=range(patients.max() + 1), yticks=[], ylim=(-0.8, level.max() + 0.8))
    axis.set_ylabel("slice, upwards")
    axis.set_title(name, fontsize=11)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
axes[-1].set_xlabel("patient")
plt.show()

# %%
# Spread over patients is not spread over lesions: where most slices are empty, so are most picks.
# The fixed interval, which knows only the order of the slices, met about as many of them. If that
# matters, let ``candidates`` hold the slices that somebody has found to show something.
