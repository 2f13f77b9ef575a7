"""
The rounds after the first: adding what the model knows
=======================================================

`XSSRSelector` needs no label and no model, so it makes the first batch. Once a network has been
trained on that, its uncertainty can have a say. Two ways, with handwritten digits:

* the same selector, its demand weighted by the network's entropy: what the network is unsure of
  needs covering most;
* gradient embeddings, what each image would change in the network's last layer: rows far apart in
  them are picked by `CoreSetSelector`, or drawn by k-means++ as BADGE does.

They are compared with the selector alone and with random draws, from 10 labels to 80.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t
from sklearn.cluster import kmeans_plusplus
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skxssr import CoreSetSelector, RandomSelector, XSSRSelector
from skxssr.metrics import entropy
from skxssr.warm import gradient_embeddings

BATCH, ROUNDS, SEEDS = 10, 8, 10

# %%
# The network and what selectors ask it
# -------------------------------------
#
# A network of one hidden layer, trained anew in each round on the labels there are. What goes into
# its last layer is `hidden`; with PyTorch it would be the output of the layer before.


def train(images, digits, seed):
    network = MLPClassifier(
        64, alpha=0.1, learning_rate_init=0.01, max_iter=500, tol=1e-3, random_state=seed
    )
    return network.fit(images, digits)


def hidden(network, images):
    return np.maximum(images @ network.coefs_[0] + network.intercepts_[0], 0)


# %%
# Five ways to choose
# -------------------
#
# Each gets the pool, the rows labelled so far and the network trained on them, which is None in
# the first round. Rows already labelled count as covered. The selector sees 16 principal components
# of the pixels, made without a label.


def at_random(images, Z, labeled, network, seed):
    return RandomSelector(random_state=seed + 1000 * len(labeled)).select(Z, BATCH, labeled=labeled)


def xssr(images, Z, labeled, network, seed):
    return XSSRSelector().select(Z, BATCH, labeled=labeled)


def xssr_weighted(images, Z, labeled, network, seed):
    if network is None:
        return xssr(images, Z, labeled, network, seed)
    unsure = entropy(network.predict_proba(images))
    return XSSRSelector().select(Z, BATCH, labeled=labeled, sample_weight=unsure)


def gradients_coreset(images, Z, labeled, network, seed):
    if network is None:
        return xssr(images, Z, labeled, network, seed)
    G = gradient_embeddings(hidden(network, images), network.predict_proba(images))
    return CoreSetSelector(preprocess=None).select(G, BATCH, labeled=labeled)


def badge(images, Z, labeled, network, seed):
    if network is None:
        return xssr(images, Z, labeled, network, seed)
    G = gradient_embeddings(hidden(network, images), network.predict_proba(images))
    free = np.setdiff1d(np.arange(len(G)), labeled)
    return free[kmeans_plusplus(G[free], BATCH, random_state=seed)[1]]


WAYS = {
    "random": at_random,
    "XSSR": xssr,
    "XSSR, demand weighted by entropy": xssr_weighted,
    "XSSR first, then gradients + CoreSet": gradients_coreset,
    "XSSR first, then BADGE": badge,
}

# %%
# The loop
# --------
#
# Each seed draws its own pool of 1197 images and test set of 600, the same for all five.


def accuracies(choose, seed):
    images, digits = load_digits(return_X_y=True)
    images, test, digits, truth = train_test_split(
        images / 16, digits, test_size=600, random_state=seed
    )
    Z = PCA(16, random_state=0).fit_transform(images)
    labeled, network, curve = np.empty(0, dtype=int), None, []
    for _ in range(ROUNDS):
        labeled = np.append(labeled, choose(images, Z, labeled, network, seed))
        network = train(images[labeled], digits[labeled], seed)
        curve.append(100 * network.score(test, truth))
    return curve


curves = {
    name: np.array([accuracies(choose, seed) for seed in range(SEEDS)])
    for name, choose in WAYS.items()
}
labels = BATCH * np.arange(1, ROUNDS + 1)
print(f"accuracy in percent, mean of {SEEDS} pools; labels:", *labels)
for name, values in curves.items():
    print(f"{name:36s}", *(f"{value:5.1f}" for value in values.mean(axis=0)))

# %%
# What it brought
# ---------------
#
# Left, the mean accuracy. Right, the difference to the selector alone in the same pool. The bands
# are 95% intervals of the mean over the pools, by Student's t.

COLOURS = dict(zip(WAYS, ("0.5", "C0", "C1", "C2", "C4"), strict=True))


def draw(axis, name, values):
    mean = values.mean(axis=0)
    half = t.ppf(0.975, SEEDS - 1) * values.std(axis=0, ddof=1) / np.sqrt(SEEDS)
    axis.plot(labels, mean, "o-", ms=4, color=COLOURS[name], label=name)
    axis.fill_between(labels, mean - half, mean + half, color=COLOURS[name], alpha=0.15, lw=0)
    axis.set_xlabel("labels")
    axis.grid(alpha=0.3)


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for name, values in curves.items():
    draw(left, name, values)
    if name not in ("random", "XSSR"):
        draw(right, name, values - curves["XSSR"])
left.set_ylabel("accuracy on the test set (%)")
left.legend(loc="lower right", fontsize=9)
right.axhline(0, color=COLOURS["XSSR"])
right.set_ylabel("accuracy above that of XSSR alone (points)")
plt.show()

# %%
# The first batch decides most of it: a chosen one is far ahead of a random one, and the lead lasts.
# What the network adds is small beside it. Weighing the demand gained about two points from the
# second batch on. Picking by gradients alone loses at first, drawn as well as picked, and comes
# back with the labels. A likely reason: it looks at the network alone, and one that has seen ten
# images is a poor guide.
#
# This is one small data set with ten well separated classes, where choosing by coverage is at its
# best. Sites, scanners and masks are another matter.
