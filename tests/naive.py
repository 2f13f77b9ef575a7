"""Slow, plainly written float64 twins of everything the selectors compute, as the method states it.

Written from the description of the method, not from the kernels: whole distance matrices, one list
of rows, one `max`. Nothing here is fast and nothing here imports skxssr.
"""

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits


def squared_distances(A, B):
    """All squared distances between rows of A and rows of B, added feature by feature."""
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    out = np.zeros((len(A), len(B)))
    for j in range(A.shape[1]):
        out += (A[:, j][:, None] - B[:, j][None, :]) ** 2
    return out


def distances(A, B):
    return np.sqrt(squared_distances(A, B))


def gaussian(squared, h):
    """exp(-d^2 / (2 h^2)); with h = 0 only exact matches count."""
    if h == 0:
        return (squared == 0).astype(np.float64)
    return np.exp(-squared / (2 * h * h))


def neighbor_distances(X, k):
    """Distances of each row to its k nearest others, ascending."""
    D = distances(X, X)
    np.fill_diagonal(D, np.inf)
    return np.sort(D, axis=1)[:, :k]


def bandwidth(X, k, scale=2.0):
    """Twice the median distance to the k-th neighbour, of those that are positive; 0 if none is."""
    reach = [row[-1] for row in neighbor_distances(X, k) if k and row[-1] > 0]
    return scale * float(np.median(reach)) if reach else 0.0


def default_k(m, total):
    return int(min(20, max(5, math.floor(m / total / 2 + 0.5))))


def typicality(X, k):
    """Rank r of 1 / mean distance to the k nearest rows as (r + 1) / n; ties share the highest."""
    D = distances(X, X)
    nearest = [sorted(D[i, j] for j in range(len(X)) if j != i)[:k] for i in range(len(X))]
    spread = np.array([np.mean(row) if row else 0.0 for row in nearest])
    return np.array([(spread >= s).sum() for s in spread]) / len(X)


def novelty(X, source, k):
    return np.sort(distances(X, source), axis=1)[:, : min(k, len(source))].mean(axis=1)


def distance_range(X):
    """95th percentile of the distances between the rows, each pair once."""
    pairs = distances(X, X)[np.triu_indices(len(X), 1)]
    return np.percentile(pairs, 95) if len(pairs) else 0.0


def diameter(X):
    """Diversity before anything is picked: twice the largest distance to the mean."""
    X = np.asarray(X, dtype=np.float64)
    return 2 * distances(X, X.mean(axis=0)[None]).max()


def coverage_loss(X, chosen, *, kind="mean_distance", h=0.0, weight=None):
    """How badly the rows `chosen` cover X."""
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, dtype=np.float64)
    squared = squared_distances(X, X[list(chosen)])
    if kind == "kernel":
        return 1 - (weight * gaussian(squared, h).max(axis=1)).sum() / weight.sum()
    nearest = np.sqrt(squared.min(axis=1))
    if kind == "radius":
        return nearest[weight > 0].max()
    return (weight * nearest).sum() / weight.sum()


def may_pick(open_rows, picked, labeled, groups, max_per_group):
    """The rows that group quotas allow now: those of the least visited groups with rows left."""
    rows = [i for i in open_rows if i not in picked]
    if groups is None:
        return rows
    visits = Counter(groups[i] for i in [*labeled, *picked])
    if max_per_group is not None:
        rows = [i for i in rows if visits[groups[i]] < max_per_group]
    fewest = min((visits[groups[i]] for i in rows), default=0)
    return [i for i in rows if visits[groups[i]] == fewest]


def open_candidates(n, labeled, candidates):
    return [i for i in (range(n) if candidates is None else sorted(candidates)) if i not in labeled]


def select(
    X,
    budget,
    *,
    source=None,
    alpha=0.0,
    density="residual",
    n_neighbors=None,
    weight=None,
    labeled=(),
    candidates=None,
    groups=None,
    max_per_group=None,
    demand=None,
    calibration="mean_distance",
    terms=("density", "novelty", "diversity"),
    composite="geometric",
    novelty_in="score",
    source_weight=0.0,
    bandwidth_scale=2.0,
):
    """The whole greedy selection, every score of every row afresh at every pick.

    `demand`: positions of the demand set, all rows by default; given, every row's own kernel value
    is left out of its density. Scores are scaled as documented: density by its first maximum,
    novelty and diversity by the diameter. `novelty_in` is the selector's `novelty`.
    """
    n = len(X)
    labeled = list(labeled)
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    sampled = demand is not None
    demand = np.arange(n) if demand is None else np.asarray(demand)
    k = default_k(len(demand), len(labeled) + budget) if n_neighbors is None else n_neighbors
    k = min(k, len(demand) - 1)
    h = bandwidth(X[demand], k, bandwidth_scale)
    K = gaussian(squared_distances(X, X[demand]), h)
    counted = np.tile(weight[demand], (n, 1))
    if sampled:
        counted[demand, np.arange(len(demand))] = 0.0
    ranks = typicality(X, min(max(k, 1), n - 1)) * weight / weight.max()
    D2 = squared_distances(X, X)
    far = np.ones(n) if source is None else np.maximum(novelty(X, source, max(k, 1)), 1e-300)
    width = diameter(X)
    unit = width or 1.0
    rows = open_candidates(n, labeled, candidates)
    if not {"novelty", "diversity"} <= {*terms}:
        alpha = 0.0 if "diversity" in terms else 1.0
    N, width_of_V = np.ones(n), unit
    if source is not None and "novelty" in terms:
        if novelty_in == "demand":
            counted = counted * (far[demand] / unit) ** alpha
        elif composite == "additive":
            N = np.array([(far <= f).sum() for f in far]) / n
        else:
            N = far / unit
    if composite == "additive":
        width_of_V = distance_range(X) or unit
    credit = np.zeros(len(demand))
    if source_weight:
        credit = source_weight * gaussian(squared_distances(source, X[demand]), h).max(axis=0)

    picked, steps, utilities, first = [], [], [], None
    for _ in range(budget):
        chosen = labeled + picked
        covered = np.vstack([K[chosen], credit]).max(axis=0)
        if "density" not in terms:
            D = weight / weight.max()
        elif density == "residual":
            raw = (counted * np.maximum(0.0, K - covered)).sum(axis=1)
            first = (max(raw[rows]) or 1.0) if first is None else first
            D = raw / first
        else:
            D = ranks
        squared = D2[:, chosen].min(axis=1) if chosen else np.full(n, width**2)
        V = np.sqrt(squared)
        if composite == "additive":
            score = np.float32(D * (alpha * N + (1 - alpha) * np.minimum(1, V / width_of_V)))
        else:
            score = np.float32(D * N**alpha * (V / unit) ** (1 - alpha))
        allowed = may_pick(rows, picked, labeled, groups, max_per_group)
        best = max(allowed, key=lambda i: (score[i], squared[i], -i))
        utilities.append([score[i] if i in allowed else np.nan for i in range(n)])
        steps.append((score[best], D[best], far[best], V[best]))
        picked.append(best)
    chosen = [labeled + picked[: t + 1] for t in range(budget)]
    score, D, N, V = map(np.array, zip(*steps, strict=True))  # N in units of distance
    return SimpleNamespace(
        indices=picked,
        scores=score,
        density=D,
        novelty=N,
        diversity=V,
        utilities=np.array(utilities, dtype=np.float32),
        coverage=np.array([_loss(X, demand, c, weight, calibration, h, far) for c in chosen]),
        k=k,
        bandwidth=h,
    )


def cluster_picks(
    X,
    budget,
    *,
    source=None,
    alpha=0.0,
    n_neighbors=None,
    weight=None,
    labeled=(),
    candidates=None,
    groups=None,
    max_per_group=None,
    calibration="mean_distance",
    terms=("density", "novelty", "diversity"),
    bandwidth_scale=2.0,
):
    """The row of highest typicality x novelty^alpha of the largest cluster with the fewest picks.

    Clusters are those of scikit-learn's k-means on the rows with weight; 1 / typicality is the mean
    distance to the 20 nearest rows of the cluster.
    """
    n = len(X)
    labeled = list(labeled)
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    W = weight / weight.max()
    k = default_k(n, len(labeled) + budget) if n_neighbors is None else n_neighbors
    k = min(k, n - 1)
    h = bandwidth(X, k, bandwidth_scale)
    unit = diameter(X) or 1.0
    far = np.ones(n) if source is None else np.maximum(novelty(X, source, max(k, 1)), 1e-12 * unit)
    if not {"novelty", "diversity"} <= {*terms}:
        alpha = 0.0 if "diversity" in terms else 1.0
    N = far / unit if source is not None and "novelty" in terms else np.ones(n)

    wanted = len(labeled) + budget if "diversity" in terms else 1
    label = k_means(X, W, wanted)
    least_size = 5 if n >= 5 * wanted else 1
    clusters = [np.flatnonzero(label == c) for c in dict.fromkeys(label.tolist())]
    squared = squared_distances(X, np.asarray(X, dtype=np.float64).mean(axis=0)[None])
    least = 1e-12 * (math.sqrt(squared.mean()) or 1.0)
    D = distances(X, X)
    typical = np.ones(n)
    if "density" in terms:
        for rows in clusters:
            for i in rows:
                nearest = sorted(D[i, j] for j in rows if j != i)[: n_neighbors or 20]
                typical[i] = 1 / max(np.mean(nearest), least) if nearest else 0.0
        typical = typical / (typical.max() or 1.0)
    score = typical * W * N**alpha

    rows = open_candidates(n, labeled, candidates)
    picked, steps, utilities = [], [], []
    for _ in range(budget):
        allowed = may_pick(rows, picked, labeled, groups, max_per_group)
        visits = [sum(i in of for i in [*labeled, *picked]) for of in clusters]
        order = sorted(
            (c for c, of in enumerate(clusters) if set(allowed) & set(of)),
            key=lambda c: (len(clusters[c]) < least_size, visits[c], -W[clusters[c]].sum(), c),
        )
        utility = np.full(n, np.nan, dtype=np.float32)
        for place, c in enumerate(order):
            for i in set(allowed) & set(clusters[c]):
                utility[i] = score[i] / (score.max() or 1.0) - place
        best = max(set(allowed) & set(clusters[order[0]]), key=lambda i: (score[i], -i))
        share = W[clusters[order[0]]].sum() / W.sum()
        utilities.append(utility)
        steps.append((score[best], typical[best], far[best], share))
        picked.append(int(best))
    chosen = [labeled + picked[: t + 1] for t in range(budget)]
    score, density, far_of_picks, diversity = map(np.array, zip(*steps, strict=True))
    return SimpleNamespace(
        indices=picked,
        scores=score,
        density=density,
        novelty=far_of_picks,
        diversity=diversity,
        utilities=np.array(utilities),
        coverage=np.array([_loss(X, range(n), c, weight, calibration, h, far) for c in chosen]),
        k=k,
        bandwidth=h,
    )


def k_means(X, weight, n_clusters):
    """Labels by scikit-learn, on rows of about unit size about their mean."""
    Z = X - np.asarray(X).mean(axis=0, dtype=np.float64)
    Z = np.ldexp(Z, -int(np.frexp(np.abs(Z).max())[1]))
    rows = np.flatnonzero(weight)
    distinct = len(np.unique(Z[rows], axis=0))
    model = KMeans(min(n_clusters, len(rows), distinct), n_init=10, random_state=0)
    with threadpool_limits(1):
        return model.fit(Z[rows], sample_weight=weight[rows]).predict(Z)


def _loss(X, demand, chosen, weight, kind, h, far):
    if kind == "novel_distance":
        weight, kind = weight * far, "mean_distance"
    both = np.vstack([X[demand], X[chosen]])
    padded = np.r_[weight[demand], np.zeros(len(chosen))]
    return coverage_loss(both, range(len(demand), len(both)), kind=kind, h=h, weight=padded)


def calibrate(X, budget, alphas, *, tolerance=1e-6, how=select, **kwargs):
    """Separate runs, one an alpha: the curve of losses and the smallest alpha among the lowest."""
    runs = {a: how(X, budget, alpha=a, **kwargs) for a in sorted({0.0, *alphas})}
    losses = [runs[a].coverage[-1] for a in alphas]
    lowest = min(losses)
    alpha = min(
        a for a, loss in zip(alphas, losses, strict=True) if loss <= lowest * (1 + tolerance)
    )
    common = set(runs[alpha].indices) & set(runs[0.0].indices)
    return SimpleNamespace(
        run=runs[alpha], alpha=alpha, losses=np.array(losses), overlap=len(common) / budget
    )


def k_center(X, budget, first, *, labeled=(), weight=None, **quota):
    """Greedy k-center from `first` (or from what is labelled): always the row farthest away."""
    n = len(X)
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    D2 = squared_distances(X, X)
    rows = open_candidates(n, labeled, quota.pop("candidates", None))
    limits = quota.get("groups"), quota.get("max_per_group")
    picked = []
    while len(picked) < budget:
        chosen = [*labeled, *picked]
        if not chosen:
            picked.append(first)
            continue
        nearest = D2[:, chosen].min(axis=1)
        allowed = may_pick(rows, picked, labeled, *limits)
        picked.append(max(allowed, key=lambda i: (nearest[i] * weight[i] ** 2, nearest[i], -i)))
    return picked


def medoid(X, rows):
    """The row nearest the mean of all rows, of those that may be picked."""
    squared = squared_distances(X, np.asarray(X, dtype=np.float64).mean(axis=0)[None])[:, 0]
    return min(rows, key=lambda i: (squared[i], i))


def leaders(bound, known, few, allowed, now, direct, worth, above):
    """The rows that could win, of the kind of the one with the largest bound."""
    kinds = {True: [], False: []}
    for row in few.tolist():
        if allowed[row] and bound[row] >= worth and bound[row] > above and known[row] <= 2 * now:
            kinds[bool(direct or known[row] == 2 * now)].append(row)
    largest = {
        kind: max((bound[row] for row in rows), default=-1.0) for kind, rows in kinds.items()
    }
    kind = bool(largest[True] >= largest[False])
    return [row for row in kinds[kind] if bound[row] >= largest[not kind]], kind
