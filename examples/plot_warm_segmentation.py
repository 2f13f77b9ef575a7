"""
From a cold start to warm rounds, with masks
============================================

`XSSRSelector` chooses the first images to be annotated, without a label. Once a network has been
trained on them, it can be asked itself: the selectors of `skxssr.warm` take a fitted segmenter and
pick what it is unsure of, what would change it, or what it will probably get wrong. Their
``select`` is that of every selector, on images.

Drawn chest films stand for the hospital's. No ranking follows from one pool and one seed; how to
compare strategies is in :doc:`/guide/evaluation`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skxssr import RandomFeaturesEmbedder, RandomSelector, XSSRSelector
from skxssr.datasets import make_phantoms
from skxssr.segmentation import compact_segmenter
from skxssr.warm import BADGESelector, BALDSelector, EntropySelector, LearningLossSelector

BATCH, ROUNDS, SIDE = 3, 3, 32

pool = make_phantoms("chest", "B", 80, random_state=0, image_size=SIDE)
test = make_phantoms("chest", "B", 40, random_state=1, image_size=SIDE)
Z = RandomFeaturesEmbedder(image_size=SIDE).fit_transform(pool.images)

# %%
# The network
# -----------
#
# Trained anew in each round on the masks there are. ``dropout`` is for BALD, which compares what
# the network predicts with other maps dropped each time.


def train(labeled):
    network = compact_segmenter(image_size=SIDE, steps=100, dropout=0.2, random_state=0)
    return network.fit(pool.images[labeled], pool.masks[labeled])


def score(network):
    return 100 * network.score(test.images, test.masks)


# %%
# The cold start
# --------------
#
# No label, no network: the first batch is chosen by the images alone. All strategies start from it,
# so that it is trained once.

first = XSSRSelector().select(Z, BATCH)
start = train(first)
print(f"cold start: {BATCH} films, Dice x 100 = {score(start):.1f}")

# %%
# The warm rounds
# ---------------
#
# A strategy gets the network of the round before and the rows labelled so far. The loss-prediction
# module is trained on those too. The last two ask no network and show what one is worth.


def learning_loss(network, labeled):
    selector = LearningLossSelector(network, steps=60)
    return selector.fit(pool.images[labeled], pool.masks[labeled])


def warm(selector, labeled):
    return selector.select(pool.images, BATCH, labeled=labeled)


STRATEGIES = {
    "entropy": lambda network, labeled: warm(EntropySelector(network), labeled),
    "BALD": lambda network, labeled: warm(BALDSelector(network), labeled),
    "BADGE": lambda network, labeled: warm(BADGESelector(network), labeled),
    "learning loss": lambda network, labeled: warm(learning_loss(network, labeled), labeled),
    "XSSR alone": lambda _, labeled: XSSRSelector().select(Z, BATCH, labeled=labeled),
    "random": lambda _, labeled: RandomSelector(random_state=len(labeled)).select(
        Z, BATCH, labeled=labeled
    ),
}

curves, second = {}, {}
for name, choose in STRATEGIES.items():
    labeled, network, curve = first, start, [score(start)]
    for _ in range(ROUNDS - 1):
        labeled = np.concatenate([labeled, choose(network, labeled)])
        network = train(labeled)
        curve.append(score(network))
    curves[name], second[name] = curve, labeled[BATCH : 2 * BATCH]
    print(f"{name:14s}", *(f"{value:5.1f}" for value in curve))

# %%
# What each asked for
# -------------------
#
# The second batch of each strategy, beside its Dice after every round.

figure = plt.figure(figsize=(11, 5.5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
axis = left.subplots()
labels = BATCH * np.arange(1, ROUNDS + 1)
for name, curve in curves.items():
    axis.plot(labels, curve, "o-", ms=4, label=name, color="0.5" if name == "random" else None)
axis.set_xlabel("labels")
axis.set_xticks(labels)
axis.set_ylabel("mean Dice x 100 on 40 test films")
axis.grid(alpha=0.3)
axis.legend(fontsize=8)
for row, name in zip(right.subplots(len(second), BATCH), second, strict=True):
    for place, picked in zip(row, second[name], strict=True):
        place.imshow(pool.images[picked], cmap="gray")
        place.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
plt.show()

# %%
# BADGE and the loss-prediction module both ask for a film that shows nothing: the network knows
# least of what no film of its training looks like. Such images are better left out beforehand, by
# ``candidates=``; ``skxssr select`` does so by itself.
