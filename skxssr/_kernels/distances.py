"""Distances from rows to a few points, in float64 and in a fixed order. Imports `_jit` only.

Every squared distance is a sum over features from the first to the last, in float64, whatever the
dtype of the rows: the same two rows give the same bits in every kernel, block and thread.
"""

import numpy as np

from skxssr._kernels._jit import kernel


@kernel
def lower_to_point(X, lo, hi, point, nearest):
    """Lower `nearest[lo:hi]` to the squared distance from `X[lo:hi]` to `point` where that is less.

    Four rows go side by side, since one row alone would wait on its own additions.
    """
    n_features = X.shape[1]
    i = lo
    while i + 4 <= hi:
        a = 0.0
        b = 0.0
        c = 0.0
        d = 0.0
        for j in range(n_features):
            p = np.float64(point[j])
            u = np.float64(X[i, j]) - p
            a += u * u
            u = np.float64(X[i + 1, j]) - p
            b += u * u
            u = np.float64(X[i + 2, j]) - p
            c += u * u
            u = np.float64(X[i + 3, j]) - p
            d += u * u
        nearest[i] = min(nearest[i], a)
        nearest[i + 1] = min(nearest[i + 1], b)
        nearest[i + 2] = min(nearest[i + 2], c)
        nearest[i + 3] = min(nearest[i + 3], d)
        i += 4
    while i < hi:
        a = 0.0
        for j in range(n_features):
            u = np.float64(X[i, j]) - np.float64(point[j])
            a += u * u
        nearest[i] = min(nearest[i], a)
        i += 1


@kernel
def argmax_allowed(score, tie, allowed):
    """Index of the largest `score` among `allowed`; equal goes to the larger `tie`, then the first.

    Returns -1 if nothing is allowed.
    """
    best = -1
    for i in range(score.shape[0]):
        if not allowed[i]:
            continue
        if best < 0 or score[i] > score[best] or (score[i] == score[best] and tie[i] > tie[best]):
            best = i
    return best


@kernel
def neighbor_distances(Q, X, neighbors, out):
    """Fill `out[i]` with the distances from `Q[i]` to the rows `neighbors[i]` of `X`, ascending."""
    n_features = X.shape[1]
    for i in range(neighbors.shape[0]):
        for r in range(neighbors.shape[1]):
            row = neighbors[i, r]
            a = 0.0
            for j in range(n_features):
                u = np.float64(Q[i, j]) - np.float64(X[row, j])
                a += u * u
            out[i, r] = np.sqrt(a)
        out[i].sort()
