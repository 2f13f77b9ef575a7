"""What the study compares: the embedding, random draws, rivals, and candidates for the default."""

from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state

import skxssr
from skxssr.base import BaseSelector, Selection
from skxssr.base.group_constraint import GroupConstraint
from skxssr.evaluation import Task
from skxssr.evaluation._runs.identity import EmbeddingPair
from skxssr.selection._engine.clusters import find_clusters, pick_from_clusters, typicality_within
from skxssr.selection.variants import make_variant

EMBEDDING = "random features"


def embed(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of source and target by the embedder of `skxssr select`.

    Known by their embedder: their last bits differ from one processor to the next.
    """
    embedder = skxssr.RandomFeaturesEmbedder(device="cpu").fit(task.source_images)
    pair = (embedder.transform(task.source_images), embedder.transform(task.images))
    return EmbeddingPair(pair, made_by=embedder)


class ClusterRandomSelector(BaseSelector):
    """A random row of each of as many clusters as there are picks: random draws, stratified.

    Whatever beats this does more than spread its picks over the clusters of k-means.
    """

    def __init__(
        self, *, metric: str = "euclidean", preprocess: Any = "auto", random_state: Any = None
    ) -> None:
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Any) -> Selection:
        generator = check_random_state(self.random_state)
        clusters = find_clusters(
            X,
            len(request.labeled) + request.budget,
            request.weight,
            n_init=3,
            random_state=generator,
        )
        picks = pick_from_clusters(clusters, generator.uniform(size=len(X)), request)
        return Selection(picks, np.full(len(picks), np.nan, np.float32))


class ClusterTypicalSelector(BaseSelector):
    """The most typical row of each of the largest of `per_pick` times as many clusters as picks.

    With more clusters than picks, the tail of the pool is left to the clusters that are left out.
    """

    def __init__(
        self,
        *,
        per_pick: int = 2,
        metric: str = "euclidean",
        preprocess: Any = "auto",
        random_state: Any = 0,
    ) -> None:
        self.per_pick = per_pick
        self.metric = metric
        self.preprocess = preprocess
        self.random_state = random_state

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Any) -> Selection:
        clusters = find_clusters(
            X,
            self.per_pick * (len(request.labeled) + request.budget),
            request.weight,
            n_init=10,
            random_state=self.random_state,
        )
        typicality, _ = typicality_within(X, clusters, 20, n_jobs=None)
        picks = pick_from_clusters(clusters, typicality, request, min_size=5)
        return Selection(picks, typicality[picks].astype(np.float32))


class TypicalKernelSelector(BaseSelector):
    """Kernel coverage newly gained, times the root of the typicality, greedily.

    The scale of both is the distance to the k-th neighbour, k a quarter of the rows that each pick
    stands for. A full scan: for pools of a few thousand rows.
    """

    def __init__(self, *, metric: str = "euclidean", preprocess: Any = "auto") -> None:
        self.metric = metric
        self.preprocess = preprocess

    def _select(self, source: np.ndarray | None, X: np.ndarray, request: Any) -> Selection:
        distances = euclidean_distances(X.astype(np.float64))
        k = min(max(5, len(X) // (4 * request.budget)), len(X) - 1)
        nearest = np.sort(distances, axis=1)[:, 1 : k + 1]
        typicality = nearest.mean(axis=1).min() / nearest.mean(axis=1)
        kernel = np.exp(-(distances**2) / (2 * np.median(nearest[:, -1]) ** 2))
        covered, quota = np.zeros(len(X)), GroupConstraint(len(X), request)
        picks, scores = [], []
        for _ in range(request.budget):
            gain = np.maximum(kernel - covered[:, None], 0).sum(axis=0)
            score = np.where(quota.allowed, np.sqrt(typicality) * gain, -1)
            picks.append(int(score.argmax()))
            scores.append(score[picks[-1]])
            quota.take(picks[-1])
            covered = np.maximum(covered, kernel[:, picks[-1]])
        return Selection(np.array(picks), np.array(scores, dtype=np.float32))


def rivals() -> dict[str, Any]:
    """What the default is compared with, beside random draws."""
    return {
        "random by cluster": ClusterRandomSelector(random_state=0),
        "CoreSet": skxssr.CoreSetSelector(),
        "MaxHerding": skxssr.MaxHerdingSelector(),
        "facility location": skxssr.FacilityLocationSelector(),
        "TypiClust": skxssr.TypiClustSelector(),
        "XSSR as described": make_variant("XSSR as described"),
    }


def candidates() -> dict[str, Any]:
    """Forms among which the development tasks chose the default, beside two rivals.

    Two more are in the result files, typicality x coverage of the pool with alpha 0 and with the
    calibrated alpha: the default of an earlier commit, which the files name.
    """
    return {
        "typical rows of the largest clusters": ClusterTypicalSelector(random_state=0),
        "root of typicality x kernel coverage": TypicalKernelSelector(),
    }


def arms(development: bool) -> dict[str, Any]:
    """The arms of a task: candidates on the development tasks, the default on the others."""
    return {**rivals(), **(candidates() if development else {"XSSR": skxssr.XSSRSelector()})}
