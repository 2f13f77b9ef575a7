"""
Pick 22 images to annotate
==========================

The embeddings of 1197 images go in, 22 row numbers come out, in the order to annotate. No label is
needed, and no network.

Two sites are made from the digits that come with scikit-learn: site A as they are, site B blurred
and darker. Any transformer of scikit-learn is an embedder; here it is a PCA, fitted on site A.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skxssr import RandomSelector, XSSRSelector
from skxssr.metrics import coverage_loss

images, digits = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8) / 16
site_a, site_b = images[:600], 0.8 * gaussian_filter(images[600:], sigma=(0, 0.5, 0.5))
digits = digits[600:]  # of site B; shown below, never given to a selector

embedder = PCA(16).fit(site_a.reshape(-1, 64))
source, X = (embedder.transform(site.reshape(-1, 64)) for site in (site_a, site_b))

# %%
# One line
# --------
#
# Without a source there is no novelty: the picks are typical rows that cover the target.

alone = XSSRSelector(alpha="auto").select(X, 22)
print(alone)

# %%
# With a source
# -------------
#
# ``fit`` takes the embeddings of the site that is known already. The same call then may weigh how
# far each row lies from it, by an alpha that is calibrated by coverage. Here that alpha is 0, so
# that the source has a say in the scales of the features alone.

selector = XSSRSelector(alpha="auto").fit(source)
picked = selector.select(X, 22)
print(picked)
print(selector.selection_.summary())

# %%
# Why
# ---
#
# The record has one row a pick: its score, the three terms it won with (density is a rank, novelty
# a distance after preprocessing, diversity by how much the pick lowered the mean distance to the
# nearest pick), and how well the target is covered after it.

print(selector.selection_.to_frame().head().to_string(index=False, float_format="%.3f"))

# %%
# What was picked
# ---------------
#
# Each row of the picture is a choice of 22, in pick order; a number is the digit, which no selector
# was shown.

choices = {
    "with a source": picked,
    "without a source": alone,
    "at random": RandomSelector(random_state=0).select(X, 22),
}
figure, axes = plt.subplots(len(choices), 1, figsize=(7.6, 6.4), layout="constrained")
for axis, (name, rows) in zip(axes, choices.items(), strict=True):
    tiles = np.pad(site_b[rows], [(0, 0), (3, 1), (1, 1)])
    axis.imshow(np.vstack([np.hstack(tiles[:11]), np.hstack(tiles[11:])]), cmap="gray_r", vmax=0.8)
    for place, digit in enumerate(digits[rows]):
        axis.text(10 * (place % 11) + 1, 12 * (place // 11) + 1.6, digit, color="C3", fontsize=9)
    loss = coverage_loss(X, rows)
    axis.set_title(f"{name}: mean distance to the nearest pick {loss:.3f}", fontsize=11)
    axis.set_axis_off()
plt.show()

for name, rows in choices.items():
    counts = np.bincount(digits[rows], minlength=10)
    print(f"{name:>16}: " + "  ".join(f"{d}: {n}" for d, n in enumerate(counts)))

# %%
# All three choices hold every digit: on a pool this even, 22 rows drawn at random are no bad choice
# either. The picks leave rows less far from the nearest label; whether a model gains by that is not
# something a selector can promise. See :ref:`sphx_glr_auto_examples_plot_when_not.py`.
