"""Masks whose regions lie in the same place: what several masks share is hardly carelessness."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

__all__: list[str] = []

SAME_PLACE = 0.5  # mean cosine similarity of blurred regions within a group
_AT_MOST = 2000  # regions that are clustered; more join the group they resemble most


def same_place(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """A number from 1 for each group of regions (n, p) that lie in one place, 0 for single ones.

    Average linkage of cosine distances, cut at a mean similarity of 0.5; the largest group is
    number 1. Of more than 2000 regions the largest, by `sizes`, make the groups.
    """
    if len(places) < 2:
        return np.zeros(len(places), dtype=np.intp)
    first = np.argsort(-sizes, kind="stable")[:_AT_MOST]
    near = np.clip(1 - places[first] @ places[first].T, 0, None)
    upper = np.triu_indices(len(first), 1)
    number = np.zeros(len(places), dtype=np.intp)
    number[first] = fcluster(linkage(near[upper], "average"), 1 - SAME_PLACE, "distance")
    rest = np.setdiff1d(np.arange(len(places)), first)
    if len(rest):
        labels = np.unique(number[first])
        means = np.stack([places[number == label].mean(axis=0) for label in labels])
        alike = places[rest] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
        number[rest] = np.where(alike.max(axis=1) >= SAME_PLACE, labels[alike.argmax(axis=1)], 0)
    return _by_size(number)


def _by_size(number: np.ndarray) -> np.ndarray:
    labels, counts = np.unique(number[number > 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = np.zeros(len(number), dtype=np.intp)
    for rank, i in enumerate(order, start=1):
        if counts[i] >= 2:
            found[number == labels[i]] = rank
    return found
