"""The factors that docs/method/proofs.rst proves, against the best of all subsets.

Small pools, so that every subset can be tried; numpy alone computes what it is worth.
"""

import math
from itertools import combinations, product

import numpy as np
import pytest

from skxssr import CoreSetSelector, FacilityLocationSelector, MaxHerdingSelector
from skxssr.selection import make_variant

SEEDS = range(6)
BANDWIDTH = 0.7


def pool(seed, n=14):
    """Clumps and a few rows far away: greedy picks are not the best ones."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=2.0, size=(4, 2))
    X = centers[rng.integers(0, 4, n)] + 0.3 * rng.normal(size=(n, 2))
    X[:2] *= 4
    return X, rng.uniform(0.2, 2.0, n)


def distances(X):
    return np.linalg.norm(X[:, None] - X[None], axis=2)


def gain(similarity, weight, rows, labeled=()):
    """What the rows add to the weighted sum of the largest similarities."""

    def value(rows):
        rows = [*rows]
        return float(weight @ similarity[rows].max(axis=0)) if rows else 0.0

    return value([*labeled, *rows]) - value(labeled)


def gaussian(X):
    return np.exp(-(distances(X) ** 2) / (2 * BANDWIDTH**2))


@pytest.mark.parametrize("labeled", [[], [3, 7]], ids=["cold", "labels"])
@pytest.mark.parametrize("budget", [2, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_kernel_coverage_reaches_its_share_of_the_best(seed, budget, labeled):
    X, weight = pool(seed)
    similarity = gaussian(X)
    picked = MaxHerdingSelector(bandwidth=BANDWIDTH, preprocess=None).select(
        X, budget, labeled=labeled, sample_weight=weight
    )
    free = [row for row in range(len(X)) if row not in labeled]
    best = max(gain(similarity, weight, rows, labeled) for rows in combinations(free, budget))
    assert gain(similarity, weight, picked, labeled) >= (1 - 1 / np.e) * best * (1 - 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_facility_location_reaches_its_share_of_the_best(seed):
    X, weight = pool(seed)
    far = 2 * np.linalg.norm(X - X.mean(axis=0), axis=1).max()
    similarity = far - distances(X)
    picked = FacilityLocationSelector(preprocess=None).select(X, 3, sample_weight=weight)
    best = max(gain(similarity, weight, rows) for rows in combinations(range(len(X)), 3))
    assert gain(similarity, weight, picked) >= (1 - 1 / np.e) * best * (1 - 1e-9)


def balanced(groups, labeled, cap, budget):
    """Every set of rows whose visits, labels included, are as even as the rounds make them."""
    names = range(max(groups) + 1)
    rows = {
        g: [i for i in range(len(groups)) if groups[i] == g and i not in labeled] for g in names
    }
    visits = {g: sum(groups[i] == g for i in labeled) for g in names}
    room = {g: max(visits[g], min(cap, visits[g] + len(rows[g]))) for g in names}

    def even(q):
        return {g: max(visits[g], min(room[g], q)) - visits[g] for g in names}

    q = next(q for q in range(len(groups)) if sum(even(q + 1).values()) >= budget)
    low, high = even(q), even(q + 1)
    for counts in product(*(range(low[g], high[g] + 1) for g in names)):
        if sum(counts) == budget:
            for parts in product(
                *(combinations(rows[g], n) for g, n in zip(names, counts, strict=True))
            ):
                yield [row for part in parts for row in part]


@pytest.mark.parametrize(
    ("budget", "labeled", "cap"), [(3, [], 9), (5, [], 9), (4, [0, 1], 9), (5, [2], 2)]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_kernel_coverage_in_rounds_reaches_half_of_the_best_even_set(seed, budget, labeled, cap):
    X, weight = pool(seed, n=12)
    groups = np.random.default_rng(seed + 100).permutation(np.repeat([0, 1, 2, 3], [5, 4, 2, 1]))
    similarity = gaussian(X)
    picked = MaxHerdingSelector(bandwidth=BANDWIDTH, preprocess=None).select(
        X, budget, labeled=labeled, groups=groups, max_per_group=cap, sample_weight=weight
    )
    sets = list(balanced(groups.tolist(), labeled, cap, budget))
    assert sorted(picked.tolist()) in [sorted(rows) for rows in sets]  # the lemma
    best = max(gain(similarity, weight, rows, labeled) for rows in sets)
    assert gain(similarity, weight, picked, labeled) >= 0.5 * best * (1 - 1e-9)


def radius(apart, rows, weight=None):
    nearest = apart[[*rows]].min(axis=0)
    return float((nearest if weight is None else nearest * weight).max())


@pytest.mark.parametrize("labeled", [[], [3, 7]], ids=["cold", "labels"])
@pytest.mark.parametrize("seed", SEEDS)
def test_k_center_is_within_twice_the_smallest_radius(seed, labeled):
    X, _ = pool(seed)
    apart = distances(X)
    picked = CoreSetSelector(preprocess=None).select(X, 4, labeled=labeled)
    best = min(radius(apart, [*labeled, *rows]) for rows in combinations(range(len(X)), 4))
    assert radius(apart, [*labeled, *picked]) <= 2 * best * (1 + 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_k_center_is_within_its_factor(seed):
    X, weight = pool(seed)
    apart = distances(X)
    picked = CoreSetSelector(preprocess=None).select(X, 3, sample_weight=weight)
    best = min(radius(apart, rows, weight) for rows in combinations(range(len(X)), 3))
    factor = 1 + weight.max() / weight.min()
    assert radius(apart, picked, weight) <= factor * best * (1 + 1e-9)


def test_k_center_has_no_factor_under_groups():
    X = np.array([[0.0], [100.0], [0.1]])
    groups = [0, 0, 1]
    picked = CoreSetSelector(initialize=0, preprocess=None).select(X, 2, groups=groups)
    assert radius(distances(X), picked) == pytest.approx(99.9)
    assert radius(distances(X), [1, 2]) == pytest.approx(0.1)


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e12])
@pytest.mark.parametrize("n_features", [1, 7, 384, 5000])
def test_squared_distances_in_float32_are_within_their_margin(n_features, scale):
    rng = np.random.default_rng(n_features)
    margin = 1.01 * (n_features + 8) * 2.0**-24
    for _ in range(20):
        x, y = (scale * (5 + rng.normal(size=(2, n_features)))).astype(np.float32)
        terms = (x - y) ** 2
        assert terms.dtype == np.float32
        exact = math.fsum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True))
        one_by_one = terms[rng.permutation(n_features)].cumsum()[-1]
        for fast in (float(terms.sum()), float(one_by_one)):
            assert abs(exact - fast) <= margin * fast + n_features * 1e-37


def test_scores_of_xssr_are_gains_of_no_set_function():
    """The sum of the scores of two rows depends on their order by the amount of the proof."""
    X = np.array([[0.0], [0.2], [0.4], [3.0]])
    utilities = {}
    for first, second in ((0, 3), (3, 0)):
        selector = make_variant("residual", engine="full", preprocess=None, n_neighbors=2)
        record = selector.select(X, 4, return_selection=True)
        begun = selector.select(X, 3, labeled=[first], return_selection=True)
        assert begun.scales["bandwidth"] == record.scales["bandwidth"]
        similarity = np.exp(-(distances(X) ** 2) / (2 * record.scales["bandwidth"] ** 2))
        density = similarity.sum(axis=1)
        # scores are relative to the largest first density; in units of one row they add up
        reach = 2 * np.abs(X - X.mean()).max()
        start = float(record.utilities[0, first]) * density.max()
        rest = np.maximum(0, similarity - similarity[first]).sum(axis=1)
        then = float(begun.utilities[0, second]) * rest.max()
        assert start == pytest.approx(density[first], rel=1e-6)
        assert then == pytest.approx(rest[second] * distances(X)[0, 3] / reach, rel=1e-6)
        utilities[first] = start + then
    theta = distances(X)[0, 3] / reach
    expected = (1 - theta) * (density[0] - density[3])
    assert utilities[0] - utilities[3] == pytest.approx(expected, rel=1e-5)
    assert abs(expected) > 0.1
