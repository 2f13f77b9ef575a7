"""
When not to use it
==================

Picking takes away the simplest thing there is, a random sample, and does not always give something
back. Here selectors are compared with random draws in four situations, by the models that their
picks train.

The images are phantoms of 32 pixels and the model is linear, a ridge regression from pixels to
masks, so that a thousand trainings take seconds. With networks and real films the figures are
others: see the end.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge

from skxssr import CoreSetSelector, MaxHerdingSelector, RandomSelector, XSSRSelector
from skxssr.datasets import make_phantoms
from skxssr.metrics import dice
from skxssr.selection import ScoreSpec

SIZE, BUDGETS, N_POOLS, N_RANDOM = 32, (8, 20, 60), 6, 6


def flatten(images, largest):
    return np.float32(images.reshape(len(images), -1) / largest)


# %%
# The comparison
# --------------
#
# Some patients are kept as a test set. From the others six pools are drawn at random. In each
# pool every selector picks, and so do six random draws; the difference in Dice on the test set is
# between the selector and the mean of the draws.

selectors = {
    "XSSR": XSSRSelector(),
    "MaxHerding": MaxHerdingSelector(),
    "CoreSet": CoreSetSelector(),
    "density alone": XSSRSelector(scoring=ScoreSpec(terms=("density",))),
}


def gains(scenario, embed):
    """Dice x 100 above random draws: selectors x budgets x pools."""
    source = make_phantoms("chest", "A", 120, random_state=0, image_size=SIZE, scenario=scenario)
    target = make_phantoms("chest", "B", 480, random_state=1, image_size=SIZE, scenario=scenario)
    test = target.groups > target.groups[360]
    pixels, truth = flatten(target.images, 255), flatten(target.masks, 1)
    Z_source, Z = embed(flatten(source.images, 255), pixels)

    def score(rows):
        model = KernelRidge(alpha=10).fit(pixels[rows], truth[rows])
        predicted = model.predict(pixels[test]).reshape(-1, SIZE, SIZE) > 0.5
        return 100 * dice(target.masks[test], predicted.astype(np.uint8)).mean()

    rng = np.random.default_rng(0)
    found = np.empty((len(selectors), len(BUDGETS), N_POOLS))
    for pool in range(N_POOLS):
        rows = rng.permutation(np.flatnonzero(~test))[:250]
        for at, budget in enumerate(BUDGETS):
            draws = [
                score(rows[RandomSelector(random_state=draw).select(Z[rows], budget)])
                for draw in range(N_RANDOM)
            ]
            for place, selector in enumerate(selectors.values()):
                picked = selector.fit(Z_source).select(Z[rows], budget)
                found[place, at, pool] = score(rows[picked]) - np.mean(draws)
    return found


# %%
# Four situations
# ---------------
#
# The embedding is a PCA of the pixels, which the linear model learns from too: selectors see what
# matters to the model, as they seldom do. In the last situation it is noise.


def components(source, target):
    embedder = PCA(16, random_state=0).fit(source)
    return embedder.transform(source), embedder.transform(target)


def noise(source, target):
    rng = np.random.default_rng(0)
    return rng.normal(size=(len(source), 16)), rng.normal(size=(len(target), 16))


situations = {
    "most patients alike": ("dense", components),
    "many kinds of patients": (None, components),
    "a rare kind": ("rare", components),
    "embedding of noise": (None, noise),
}
results = {name: gains(*situation) for name, situation in situations.items()}
for situation, found in results.items():
    print(f"{situation}: Dice x 100 above random, with {' / '.join(map(str, BUDGETS))} labels")
    for name, mean in zip(selectors, found.mean(axis=2), strict=True):
        print(f"  {name:>13}: " + " / ".join(f"{value:+.2f}" for value in mean))

# %%
# Bars are 95% intervals over the pools, which share test patients and training data, so that the
# true uncertainty is larger.

figure, axes = plt.subplots(2, 2, figsize=(7.8, 7), layout="constrained", sharex=True, sharey=True)
width = t.ppf(0.975, N_POOLS - 1) / N_POOLS**0.5
for axis, (situation, found) in zip(axes.flat, results.items(), strict=True):
    for place, name in enumerate(selectors):
        axis.errorbar(
            np.arange(len(BUDGETS)) + 0.12 * (place - 1.5),
            found[place].mean(axis=1),
            width * found[place].std(axis=1, ddof=1),
            fmt="o-",
            ms=5,
            lw=1,
            capsize=2,
            label=name,
        )
    axis.axhline(0, c="0.4", lw=1)
    axis.set_xticks(range(len(BUDGETS)), BUDGETS)
    axis.grid(axis="y", alpha=0.3)
    axis.set_title(situation, fontsize=11)
figure.supxlabel("labels", fontsize=10)
figure.supylabel("Dice x 100 above random draws", fontsize=10)
axes[0, 1].legend(fontsize=9)
plt.show()

# %%
# Choosing pays here where most of the pool repeats itself. Where patients are of many kinds there
# is a lead with 8 labels and none with 60: the more labels, the better chance does by itself. With
# a rare kind of patient in the pool the lead is gone with 20 labels, and with 60 picks are worse
# than chance. An embedding of noise makes every selector a random draw in disguise. Two selectors
# mostly lose: CoreSet spends labels on spoilt films, density alone on films that are all alike.
# Density alone is typicality without anything that keeps picks apart.
#
# So draw at random
#
# * **for a test set**, and for any estimate of how common something is: always;
# * where labels are many, or the score is flat already;
# * where nobody has looked at what the embedding takes for alike
#   (:ref:`sphx_glr_auto_examples_plot_mae.py`);
# * where a simpler thing was not tried: with masks of the source, a network that re-estimates its
#   batch norm on the unlabelled target (`SMPSegmenter.adapt`) was as good on real films as ten
#   labels (:doc:`/decisions/study`).
#
# On real films the answer was sober: with 10 labels XSSR was above random draws by
# :result:`cxr/cxr_test/XSSR/minus random` points of Dice, MaxHerding by
# :result:`cxr/cxr_test/MaxHerding/minus random`. :doc:`/choosing` has the evidence,
# :doc:`/guide/when_not` the whole list. In which situation one is cannot be read from embeddings:
# no number computed from them foretold the gain. ``skxssr compare`` measures it on images of yours.
