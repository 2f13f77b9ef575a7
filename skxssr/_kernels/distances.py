"""Distances from rows to a few points, in float64 and in a fixed order.

Every squared distance is a sum over features from the first to the last, in float64, whatever the
dtype of the rows: the same two rows give the same bits in every kernel, block and thread.
"""

import numpy as np

from skxssr._kernels._jit import bound_kernel, kernel

_BLOCK = 256  # columns whose sums stay in the first-level cache


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
def lower_columns(columns, point, nearest):
    """Lower `nearest` to the squared distances from the columns of (p, n) to `point`; same bits.

    Columns go side by side, each with its own sum from the first feature to the last.
    """
    p, n = columns.shape
    sums = np.empty(_BLOCK)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        sums[:] = 0.0
        j = 0
        while j + 4 <= p:
            a, b = np.float64(point[j]), np.float64(point[j + 1])
            c, d = np.float64(point[j + 2]), np.float64(point[j + 3])
            # slices, since an index that might be negative keeps a loop from being vectorised
            A, B = columns[j, start:stop], columns[j + 1, start:stop]
            C, D = columns[j + 2, start:stop], columns[j + 3, start:stop]
            for y in range(stop - start):
                s, t = np.float64(A[y]) - a, np.float64(B[y]) - b
                u, v = np.float64(C[y]) - c, np.float64(D[y]) - d
                total = sums[y] + s * s
                total += t * t
                total += u * u
                sums[y] = total + v * v
            j += 4
        while j < p:
            a = np.float64(point[j])
            A = columns[j, start:stop]
            for y in range(stop - start):
                s = np.float64(A[y]) - a
                sums[y] += s * s
            j += 1
        part = nearest[start:stop]
        for y in range(stop - start):
            part[y] = min(part[y], sums[y])


@bound_kernel
def move_rows(X, rows, center, scale, out, norms):
    """Fill `out` with ``(X[rows] - center) * scale``, and `norms` with its squared norms.

    As float32; with a scale of 2 to some power each value is rounded once.
    """
    for r in range(rows.shape[0]):
        i = rows[r]
        norm = np.float32(0.0)
        for j in range(X.shape[1]):
            value = np.float32((X[i, j] - center[j]) * scale)
            out[r, j] = value
            norm += value * value
        norms[r] = norm


@kernel
def _lower_four(X, left, right, nearest):
    """Lower `nearest` of four rows to their squared distances from four others.

    Side by side, since one pair alone would wait on its own additions.
    """
    A, B, C, D = X[left[0]], X[left[1]], X[left[2]], X[left[3]]
    E, F, G, H = X[right[0]], X[right[1]], X[right[2]], X[right[3]]
    a = b = c = d = 0.0
    for j in range(X.shape[1]):
        s, t = np.float64(A[j]) - np.float64(E[j]), np.float64(B[j]) - np.float64(F[j])
        u, v = np.float64(C[j]) - np.float64(G[j]), np.float64(D[j]) - np.float64(H[j])
        a += s * s
        b += t * t
        c += u * u
        d += v * v
    nearest[left[0]] = min(nearest[left[0]], a)
    nearest[left[1]] = min(nearest[left[1]], b)
    nearest[left[2]] = min(nearest[left[2]], c)
    nearest[left[3]] = min(nearest[left[3]], d)


@kernel
def lower_where_near(X, rows, picks, products, row_norms, pick_norms, slack, unit, nearest):
    """Lower `nearest[rows]` to the squared distances from `rows` of X to `picks`, rows of X too.

    ``row_norms + pick_norms - 2 products``, of moved and scaled float32 rows, is within
    ``slack * (row_norms + pick_norms)`` of the squared distance divided by `unit`: only pairs that
    it cannot rule out are computed.
    """
    n_picks = picks.shape[0]
    low = np.empty(n_picks)
    left, right = np.empty(4, dtype=np.int64), np.empty(4, dtype=np.int64)
    n_pairs = 0
    for r in range(rows.shape[0]):
        i = rows[r]
        product = products[r]
        limit = nearest[i] / unit
        for t in range(n_picks):
            both = row_norms[r] + pick_norms[t]
            middle = both - 2.0 * np.float64(product[t])
            low[t] = middle - slack * both
            limit = min(limit, middle + slack * both)
        for t in range(n_picks):
            if low[t] <= limit:
                left[n_pairs], right[n_pairs] = i, picks[t]
                n_pairs += 1
                if n_pairs == 4:
                    _lower_four(X, left, right, nearest)
                    n_pairs = 0
    if n_pairs:
        for pair in range(n_pairs, 4):  # the rest, and the first of them once more
            left[pair], right[pair] = left[0], right[0]
        _lower_four(X, left, right, nearest)


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
    """Fill `out[i]` with the distances from `Q[i]` to the rows `neighbors[i]` of `X`."""
    n_features = X.shape[1]
    for i in range(neighbors.shape[0]):
        for r in range(neighbors.shape[1]):
            row = neighbors[i, r]
            a = 0.0
            for j in range(n_features):
                u = np.float64(Q[i, j]) - np.float64(X[row, j])
                a += u * u
            out[i, r] = np.sqrt(a)
