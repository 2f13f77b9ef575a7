"""Pools, and numbers of them that need no label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from skxssr.evaluation import (
    fold_pools,
    label_free_quantities,
    proxy_agreement,
    random_pools,
    rank_correlations,
)


@settings(max_examples=30, deadline=None)
@given(
    groups=st.lists(st.integers(0, 8), min_size=12, max_size=40).filter(lambda g: len(set(g)) > 5),
    seed=st.integers(0, 1000),
)
def test_pools_divide_no_patient(groups, seed):
    groups = np.array(groups)
    folds = fold_pools(groups, n_folds=3, random_state=seed)
    for pool in [*random_pools(len(groups), n_pools=2, groups=groups, random_state=seed), *folds]:
        assert not set(groups[pool.rows]) & set(groups[pool.test])
        assert len(pool.rows)
        assert len(pool.test)
    tested = np.sort(np.concatenate([pool.test for pool in folds]))
    assert np.array_equal(tested, np.arange(len(groups)))


def test_label_free_quantities_by_hand():
    rng = np.random.default_rng(0)
    X, source = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    selected = [3, 7, 20, 31]
    found = label_free_quantities(X, selected, source=source)
    # the default space: scaled by both sides alike, then rotated, which changes no distance
    center = (X.mean(axis=0) + source.mean(axis=0)) / 2
    spread = ((X - center) ** 2).mean(axis=0) + ((source - center) ** 2).mean(axis=0)
    Z, S = X / np.sqrt(spread / 2), source / np.sqrt(spread / 2)
    nearest = cdist(Z, Z[selected]).min(axis=1)
    assert found["mean distance"] == pytest.approx(nearest.mean(), rel=1e-4)
    assert found["covering radius"] == pytest.approx(nearest.max(), rel=1e-4)
    novelty = np.sort(cdist(Z, S), axis=1)[:, :5].mean(axis=1)
    assert found["novel distance"] == pytest.approx(np.average(nearest, weights=novelty), rel=1e-4)
    expected = novelty[selected].mean() / novelty.mean()
    assert found["novelty of the picks"] == pytest.approx(expected, rel=1e-4)
    bandwidth = 2 * np.median(np.sort(cdist(Z, Z), axis=1)[:, 10])
    kernel = np.exp(-(nearest**2) / (2 * bandwidth**2)).mean()
    assert found["kernel coverage"] == pytest.approx(kernel, rel=1e-4)


def test_rank_correlations_centre_pools():
    rng = np.random.default_rng(1)
    place = {"task": "t", "block": "picks", "segmenter": "s", "embedder": "e", "budget": 5}
    runs, x, y = [], [], []
    for pool in range(6):
        values = rng.normal(size=5)
        scores = 0.5 + 0.01 * values + rng.normal(scale=0.01, size=5)
        for value, score in zip(values, scores, strict=True):
            quantities = {"mean distance": 10 * pool - value}  # less is better
            run = {**place, "selector": "random", "pool": pool, "quantities": quantities}
            runs.append({**run, "rows": [len(runs)], "dice": [score + 0.05 * pool, None]})
        x += list(values - values.mean())
        y += list(scores - scores.mean())
    (row,) = rank_correlations(runs)
    assert row["spearman"] == pytest.approx(spearmanr(x, y).statistic)
    assert row["n"] == 30


def test_proxy_agreement():
    rng = np.random.default_rng(2)
    runs = []
    for pool in range(4):
        for digest in range(6):
            score = rng.normal()
            for name, value in (("proxy", score), ("real", np.exp(score) + 5 * pool)):
                run = {"task": "t", "block": "picks", "budget": 5, "segmenter": name, "seed": 0}
                runs.append({**run, "pool": pool, "digest": str(digest), "dice": [value]})
    (row,) = proxy_agreement(runs, proxy="proxy", segmenter="real", n_bootstrap=50)
    assert row["n"] == 24
    assert row["spearman"] > 0.8
    assert row["low"] <= row["spearman"] <= row["high"]
