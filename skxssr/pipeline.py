"""Embed, select, train, score, in terms of the three contracts.

Any scikit-learn transformer of images is an embedder here, any `BaseSelector` a selector, anything
with `fit(images, masks)` and `predict(images)` a segmenter.
"""

import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from skxssr.base import Selection
from skxssr.io import Images, Masks
from skxssr.metrics import dice

__all__ = [
    "Picked",
    "Scored",
    "dice_summary",
    "embed_and_select",
    "picks_by_seed",
    "train_and_score",
]


class Picked(NamedTuple):
    """What `embed_and_select` returns.

    Attributes
    ----------
    indices : ndarray of shape (budget,), int64
        Target images in pick order.
    selection : Selection
        Why.
    source_embeddings, target_embeddings : ndarray of shape (n, d), float32
    """

    indices: np.ndarray
    selection: Selection
    source_embeddings: np.ndarray
    target_embeddings: np.ndarray


def embed_and_select(
    embedder: Any, selector: Any, source: Any, target: Any, budget: int | float, **select: Any
) -> Picked:
    """Embed two sets of images with a fitted embedder and pick from the second.

    Parameters
    ----------
    embedder : transformer
        Fitted; ``transform(images)`` gives one vector an image.
    selector : BaseSelector
        Fitted here on the source embeddings.
    source, target : images
        Arrays or sequences of paths, see `skxssr.io.Images`.
    budget : int or float
        See `skxssr.base.BaseSelector.select`.
    **select
        Further arguments of `select`, such as `groups`.

    Returns
    -------
    Picked
        A named tuple of indices, selection and both embeddings.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skxssr import XSSRSelector
    >>> from skxssr.pipeline import embed_and_select
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.random((20, 8, 8)), rng.random((30, 8, 8))
    >>> flatten = FunctionTransformer(lambda images: np.reshape(images, (len(images), -1)))
    >>> embedder = make_pipeline(flatten, PCA(4)).fit(source)
    >>> embed_and_select(embedder, XSSRSelector(), source, target, 3).indices.shape
    (3,)
    """
    source_z = embedder.transform(source)
    target_z = embedder.transform(target)
    selection = selector.fit(source_z).select(target_z, budget, return_selection=True, **select)
    return Picked(selection.indices.copy(), selection, source_z, target_z)


def picks_by_seed(
    embedder: Any, selector: Any, picked: Picked, **select: Any
) -> dict[int, np.ndarray]:
    """Pick from the embeddings of each seed of a `JoinedEmbedder` by itself.

    Where these picks have little in common, the embedding of a single seed decided them.

    Parameters
    ----------
    embedder : JoinedEmbedder
        Fitted.
    selector : BaseSelector
        Cloned for each seed, and fitted on its source embeddings.
    picked : Picked
        What `embed_and_select` returned for this embedder; as many are picked.
    **select
        Further arguments of `select`, such as `groups`.

    Returns
    -------
    dict of int to ndarray of shape (budget,), int64
        By seed, target images in pick order.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr import JoinedEmbedder, RandomFeaturesEmbedder, XSSRSelector
    >>> from skxssr.pipeline import embed_and_select, picks_by_seed
    >>> images = np.random.default_rng(0).random((12, 16, 16))
    >>> embedder = JoinedEmbedder(RandomFeaturesEmbedder(image_size=16), seeds=[0, 1]).fit(images)
    >>> selector = XSSRSelector()
    >>> picked = embed_and_select(embedder, selector, images, images, 3)
    >>> {seed: len(rows) for seed, rows in picks_by_seed(embedder, selector, picked).items()}
    {0: 3, 1: 3}
    """
    sides = (embedder.split(side) for side in (picked.source_embeddings, picked.target_embeddings))
    budget = len(picked.indices)
    return {
        int(seed): clone(selector).fit(source).select(target, budget, **select)
        for seed, source, target in zip(embedder.seeds, *sides, strict=True)
    }


class Scored(NamedTuple):
    """What `train_and_score` returns.

    Attributes
    ----------
    dice : ndarray of shape (n_test,)
        Dice of each test image; the mean over classes where there are several.
    seconds : float
        Wall-clock time of the training.
    """

    dice: np.ndarray
    seconds: float


def train_and_score(
    segmenter: Any, images: Any, masks: Any, rows: Any, test_images: Any, test_masks: Any
) -> Scored:
    """Train on the `rows` of a pool alone and score every test image.

    Parameters
    ----------
    segmenter : estimator
        Has ``fit(images, masks)`` and ``predict(images)``; fitted in place.
    images, masks : images and masks
        The pool, see `skxssr.io.Images` and `skxssr.io.Masks`.
    rows : array-like of int
        Images to train on; only their masks are read.
    test_images, test_masks : images and masks
        What to score on.

    Returns
    -------
    Scored
        Dice per test image and seconds of training.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.pipeline import train_and_score
    >>> class Threshold:
    ...     def fit(self, images, masks):
    ...         self.level_ = np.mean([image.mean() for image in images])
    ...
    ...     def predict(self, images):
    ...         return np.stack([image[..., 0] > self.level_ for image in images])
    >>> images = np.zeros((4, 6, 6))
    >>> images[:, 2:4, 2:4] = 1
    >>> train_and_score(Threshold(), images, images > 0, [0, 1], images, images > 0).dice
    array([1., 1., 1., 1.])
    """
    images, masks = Images(images), Masks(masks)
    test_images, test_masks = Images(test_images), Masks(test_masks)
    rows = np.asarray(rows)
    start = time.perf_counter()
    segmenter.fit(images.subset(rows), masks.subset(rows))
    seconds = time.perf_counter() - start
    predicted = segmenter.predict(test_images)
    classes = getattr(segmenter, "classes_", None)
    foreground = None if classes is None or len(classes) == 2 else [int(c) for c in classes[1:]]
    scores = dice(test_masks, predicted, classes=foreground)
    return Scored(scores if scores.ndim == 1 else np.nanmean(scores, axis=1), seconds)


def dice_summary(scores: np.ndarray, full: float | None = None) -> dict[str, float]:
    """Mean, 5th percentile and worst of per-image Dice, and percent of the full-data mean.

    Parameters
    ----------
    scores : ndarray of shape (n_test,)
        Dice per image; NaN (not counted) is left out.
    full : float, optional
        Mean Dice of the model trained on all labels.

    Returns
    -------
    dict
        "mean", "p5", "worst" and, if `full` is given, "percent_of_full".

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.pipeline import dice_summary
    >>> dice_summary(np.array([0.5, 1.0]), full=0.75)["percent_of_full"]
    100.0
    """
    summary = {
        "mean": float(np.nanmean(scores)),
        "p5": float(np.nanpercentile(scores, 5)),
        "worst": float(np.nanmin(scores)),
    }
    if full is not None:
        summary["percent_of_full"] = 100 * summary["mean"] / full
    return summary
