"""`domain_gap`: near nothing between halves of one site, large between shifted ones."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skxssr.metrics import domain_gap
from skxssr.metrics.domain_gap import _deal, mean_distance


def normal(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("preprocess", ["auto", None])
def test_alike_sites_and_shifted_ones(preprocess):
    pairs = [(normal(60, seed=2 * i), normal(80, seed=2 * i + 1)) for i in range(6)]
    null = [domain_gap(a, b, preprocess=preprocess) for a, b in pairs]
    assert abs(np.mean([gap.auc for gap in null]) - 0.5) < 0.07
    assert abs(np.mean([gap.energy_share for gap in null])) < 0.01
    apart = [domain_gap(pairs[0][0], pairs[0][1] + s, preprocess=preprocess) for s in (0.3, 1, 5)]
    for name in ("auc", "energy", "energy_share"):
        values = [getattr(gap, name) for gap in apart]
        assert values == sorted(values)
    assert apart[-1].auc == 1 and apart[-1].energy_share > 0.6


def test_the_energy_distance_is_the_one_of_pairs_of_different_patients():
    a, b = normal(9, 2, seed=1), normal(7, 2, seed=2) + 1
    groups = np.array(["p", "q", "p", "r", "q", "s", "s"])

    def within(X, units):
        pairs = [
            np.linalg.norm(X[i] - X[j])
            for i in range(len(X))
            for j in range(len(X))
            if units[i] != units[j]
        ]
        return np.mean(pairs)

    between = np.mean([np.linalg.norm(x - y) for x in a for y in b])
    expected = 2 * between - within(a, range(9)) - within(b, groups)
    found = domain_gap(a, b, groups=groups, preprocess=None)
    assert found.energy == pytest.approx(expected)
    assert found.energy_share == pytest.approx(expected / (2 * between))


def test_near_identical_slices_do_not_make_a_gap():
    """One population; the slices of a patient nearly equal. Without groups a gap appears."""
    without, with_groups = [], []
    for seed in range(4):
        patients = normal(24, 12, seed=seed)
        slices = np.repeat(patients, 8, axis=0) + 0.01 * normal(192, 12, seed=100 + seed)
        names = np.repeat(np.arange(24), 8)
        source, target = slices[:96], slices[96:]
        without.append(domain_gap(source, target))
        groups = {"source_groups": names[:96], "groups": names[96:]}
        with_groups.append(domain_gap(source, target, **groups))
    assert np.mean([gap.auc for gap in without]) > 0.9
    assert abs(np.mean([gap.auc for gap in with_groups]) - 0.5) < 0.15
    shares = [np.mean([gap.energy_share for gap in gaps]) for gaps in (without, with_groups)]
    assert shares[1] < 0.5 * shares[0]


def test_it_depends_on_neither_units_nor_origin_nor_names():
    a, b = normal(40, 4, seed=3), normal(50, 4, seed=4) + 0.7
    groups = np.arange(50) // 5
    found = domain_gap(a, b, groups=groups)
    scale, shift = np.array([1e-3, 1, 50, 7]), np.array([1, -5, 1e3, 0])
    again = domain_gap(a * scale + shift, b * scale + shift, groups=[f"p{g}" for g in groups])
    assert again == pytest.approx(found, rel=1e-3)
    # in the space given, the energy distance is symmetric and blind to the order of rows
    there, back = (domain_gap(*pair, preprocess=None) for pair in ((a, b), (b[::-1], a[::-1])))
    assert back.energy == pytest.approx(there.energy)
    rotation = np.linalg.qr(normal(4, 4, seed=5))[0]
    turned = domain_gap(a @ rotation, b @ rotation, preprocess=None)
    assert turned.energy_share == pytest.approx(there.energy_share)


def test_rows_above_the_limit_are_a_sample(monkeypatch):
    monkeypatch.setattr(sys.modules[domain_gap.__module__], "_MAX_ROWS", 50)
    a, b = normal(400, 3, seed=6), normal(300, 3, seed=7) + 2
    groups = np.arange(300) // 3
    assert domain_gap(a, b, groups=groups).energy_share == pytest.approx(
        domain_gap(a[4::8], b[3::6], groups=groups[3::6]).energy_share
    )


@pytest.mark.parametrize("rows", [1, 5, 600])
def test_mean_distance_in_blocks(rows):
    a, b = normal(rows, seed=8), normal(30, seed=9)
    assert mean_distance(a, b) == pytest.approx(cdist(a, b).mean())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(0, 5))
def test_folds_hold_whole_patients_and_none_is_empty(names, seed):
    units = np.unique(names, return_inverse=True)[1]
    n_folds = min(5, units.max() + 1)
    fold = _deal(units, n_folds, np.random.default_rng(seed))
    assert set(fold) == set(range(n_folds))
    for unit in np.unique(units):
        assert len(set(fold[units == unit])) == 1


def test_degenerate_but_legal():
    same = np.ones((6, 3))
    gap = domain_gap(same, same)
    assert gap == (0.5, 0, 0)
    apart = domain_gap(same, same + np.array([0, 1, 0]), preprocess=None)
    assert apart.auc == 1 and apart.energy_share == pytest.approx(1)


def test_errors():
    a, b = normal(10, 3), normal(12, 3, seed=1)
    with pytest.raises(ValueError, match="source has 3 features but target has 2"):
        domain_gap(a, b[:, :2])
    with pytest.raises(ValueError, match="target has one row or one patient"):
        domain_gap(a, b, groups=["p"] * 12)
    with pytest.raises(ValueError, match="source has one row or one patient"):
        domain_gap(a[:1], b)
    with pytest.raises(ValueError, match="source_groups has 3 entries, but the pool has 10 rows"):
        domain_gap(a, b, source_groups=[1, 2, 3])
    with pytest.raises(ValueError, match="preprocess must be 'auto' or None. Got 'pca'"):
        domain_gap(a, b, preprocess="pca")
    with pytest.raises(ValueError, match="n_folds must be at least 2. Got 1"):
        domain_gap(a, b, n_folds=1)
    with pytest.raises(ValueError, match="target contains NaN"):
        domain_gap(a, np.full((5, 3), np.nan))
