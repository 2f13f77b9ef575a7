"""A comparison of seconds: pictures of noise, a segmenter that learns one gray level."""

import numpy as np
from sklearn.base import BaseEstimator

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.evaluation import (
    Task,
    compare_selectors,
    random_pools,
)


class Threshold(BaseEstimator):
    """A segmenter that learns one gray level, and says what it was trained on."""

    trained: list = []

    def __init__(self, random_state=None, init_from=None, augment=True, rate=1.0):
        self.random_state, self.init_from = random_state, init_from
        self.augment, self.rate = augment, rate

    def fit(self, images, masks):
        assert len(images) == len(masks)
        level = np.mean(
            [image[..., 0][mask > 0].mean() for image, mask in zip(images, masks, strict=True)]
        )
        start = level if self.init_from is None else self.init_from.level_
        self.level_ = start + self.rate * (level - start)
        Threshold.trained.append((len(images), self.random_state, self.init_from, self.augment))
        return self

    def predict(self, images):
        return np.stack([image[..., 0] > self.level_ - 0.25 for image in images])

    def adapt(self, images):
        copy = Threshold()
        copy.level_ = self.level_ + 1e-3 * len(images)
        return copy


def make_task(images, **options):
    masks = (images > 0.5).astype(np.uint8)
    groups = options.get("groups")
    drawn = random_pools(60, n_pools=3, groups=groups, random_state=0)
    pools = options.pop("pools", drawn)
    return Task("toy", images[:20], masks[:20], images, masks, pools, **options)


def run(task, images, **options):
    pair = (images[:20].reshape(20, -1), images.reshape(60, -1))
    given = {
        "embedders": {"pixels": pair},
        "budgets": [4],
        "segmenters": {"level": Threshold()},
        "n_random": 3,
        "verbose": 0,
    }
    selectors = options.pop("selectors", {"XSSR": XSSRSelector(), "CoreSet": CoreSetSelector()})
    return compare_selectors(task, selectors, **(given | options))


def flat(stack):
    return np.stack([np.ravel(image) for image in stack])
