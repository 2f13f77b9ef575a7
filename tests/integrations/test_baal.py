"""The heuristic of baal in its real loop, against naive k-center and SciPy's entropy.

Runs where baal is: `python -m tests.environments baal -m pytest tests/integrations/test_baal.py`.
"""

import numpy as np
import pytest
from scipy.stats import entropy

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.selection import make_variant
from tests import naive
from tests.conftest import normal

pytest.importorskip("baal", reason="baal has an environment of its own: tests/environments.py")
import torch
from baal.active import ActiveLearningDataset, ActiveLearningLoop
from baal.active.heuristics import BALD, Entropy, Margin

from skxssr.integrations.baal import XSSRHeuristic

N = 60


def k_center(first=7):
    return CoreSetSelector(preprocess=None, initialize=first)


def active_set(X, labelled=()):
    mask = np.zeros(len(X), dtype=bool)
    mask[list(labelled)] = True
    return ActiveLearningDataset(torch.utils.data.TensorDataset(torch.from_numpy(X)), labelled=mask)


def no_model(pool):
    return np.zeros((len(pool), 1))


def order(active):
    """Rows of the data set by the step that labelled them, as sets."""
    steps = active.labelled_map
    return [set(np.flatnonzero(steps == step).tolist()) for step in range(1, steps.max() + 1)]


def predictions(undecided):
    """(n, 3 classes, 5 iterations): sharp, but for the rows that are undecided."""
    undecided = np.asarray(undecided)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(len(undecided), 3, 1)) + 0.1 * rng.normal(size=(len(undecided), 3, 5))
    logits *= np.where(undecided, 0.1, 9.0)[:, None, None]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("labelled", [(), (3, 20, 41, 59)], ids=["cold", "scattered labels"])
def test_steps_of_the_loop_are_those_of_naive_k_center(labelled):
    X = normal(N, 3, 0)
    active = active_set(X, labelled)
    loop = ActiveLearningLoop(
        active, no_model, XSSRHeuristic(X, active, 6, selector=k_center()), query_size=6
    )
    for _ in range(3):
        assert loop.step()
    expected = naive.k_center(X, 18, 7, labeled=labelled)
    steps = [set(expected[i : i + 6]) for i in (0, 6, 12)]
    assert order(active) == ([set(labelled), *steps] if labelled else steps)


def test_ranking_and_scores_are_of_the_whole_pool():
    X = normal(N, 3, 1)
    labelled = [0, 5, 58]
    active = active_set(X, labelled)
    heuristic = XSSRHeuristic(X, active, 4, selector=k_center())
    ranks, scores = heuristic.get_ranks(no_model(active.pool))
    assert sorted(ranks.tolist()) == list(range(N - 3))
    assert active._pool_to_oracle_index(ranks[:4]) == naive.k_center(X, 4, 0, labeled=labelled)
    np.testing.assert_array_equal(scores[ranks], [1, 0.75, 0.5, 0.25] + [0] * (N - 7))
    np.testing.assert_array_equal(heuristic(no_model(active.pool)), ranks)


def test_the_last_step_takes_what_is_left():
    X = normal(10, 2, 2)
    active = active_set(X)
    loop = ActiveLearningLoop(active, no_model, XSSRHeuristic(X, active, 4), query_size=4)
    assert [loop.step() for _ in range(4)] == [True, True, True, False]
    assert active.labelled.all()


def test_a_source_is_that_of_a_fitted_selector():
    X, source = normal(N, 3, 3), normal(30, 3, 4) + 2
    ranks = [
        XSSRHeuristic(X, active_set(X), 5, **how).get_ranks(np.zeros((N, 1)))[0][:5].tolist()
        for how in ({"source": source}, {"selector": XSSRSelector().fit(source)})
    ]
    assert ranks[0] == ranks[1] == XSSRSelector().fit(source).select(X, 5).tolist()


def test_uncertainty_weighs_the_demand():
    X = normal(N, 3, 5)
    labelled = [2, 30, 31]
    active = active_set(X, labelled)
    pool = np.setdiff1d(np.arange(N), labelled)
    undecided = X[:, 0] > 0.5
    p = predictions(undecided[pool])
    # clusters are weighed by labelled rows too, this score is not
    how = {"selector": make_variant("residual")}
    ranks, _ = XSSRHeuristic(X, active, 12, uncertainty=Entropy(), **how).get_ranks(p)
    weight = np.zeros(N)  # any number would do for labelled rows: they are covered
    weight[pool] = entropy(p.mean(axis=-1), axis=1)
    expected = make_variant("residual").select(X, 12, labeled=labelled, sample_weight=weight)
    assert pool[ranks[:12]].tolist() == expected.tolist()
    without, _ = XSSRHeuristic(X, active, 12, **how).get_ranks(p)
    assert undecided[pool[ranks[:12]]].sum() > undecided[pool[without[:12]]].sum()


def test_uncertainty_of_an_untrained_model_is_not_looked_at():
    X = normal(N, 3, 6)
    active = active_set(X)
    ranks, _ = XSSRHeuristic(X, active, 5, uncertainty=BALD()).get_ranks(
        predictions(np.arange(N) % 2)
    )
    assert ranks[:5].tolist() == XSSRSelector().select(X, 5).tolist()


def test_a_model_that_is_sure_of_everything_leaves_the_demand_as_it_is():
    X = normal(N, 3, 7)
    active = active_set(X, [4])
    sure = np.zeros((N - 1, 3, 5))
    sure[:, 0] = 1
    ranks, _ = XSSRHeuristic(X, active, 5, uncertainty=BALD()).get_ranks(sure)
    picks = active._pool_to_oracle_index(ranks[:5])
    assert picks == XSSRSelector().select(X, 5, labeled=[4]).tolist()


@pytest.mark.parametrize("uncertainty", [None, Entropy(), BALD()], ids=["none", "entropy", "BALD"])
def test_batches_of_predictions_are_as_good_as_all_at_once(uncertainty):
    X = normal(N, 3, 8)
    heuristic = XSSRHeuristic(X, active_set(X, [9, 10]), 6, uncertainty=uncertainty)
    p = predictions(np.arange(N - 2) % 2)
    at_once, _ = heuristic.get_ranks(p)
    in_batches, _ = heuristic.get_ranks(part for part in np.array_split(p, 7))
    as_tensor, _ = heuristic.get_ranks(torch.from_numpy(p))
    assert at_once.tolist() == in_batches.tolist() == as_tensor.tolist()


def test_segmentation_and_several_outputs():
    X = normal(12, 2, 9)
    active = active_set(X, [0])
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=(11, 4, 4, 5)).transpose(0, 4, 1, 2, 3)
    heuristic = XSSRHeuristic(X, active, 3, uncertainty=Entropy(reduction="mean"))
    assert len(heuristic(p)) == 11
    assert len(XSSRHeuristic(X, active, 3)([p, p])) == 11


def test_max_sample_is_refused_and_says_why():
    X = normal(N, 3, 10)
    active = active_set(X)
    loop = ActiveLearningLoop(
        active, no_model, XSSRHeuristic(X, active, 5), query_size=5, max_sample=20
    )
    with pytest.raises(ValueError, match=r"predictions for 20 rows, but 60 .* max_sample"):
        loop.step()
    with pytest.raises(ValueError, match="predictions for 0 rows"):
        XSSRHeuristic(X, active, 5).get_ranks(part for part in [])


def test_what_cannot_be_meant_is_refused():
    X = normal(N, 3, 11)
    with pytest.raises(ValueError, match=r"embeddings has 59 rows, but the data set has 60"):
        XSSRHeuristic(X[1:], active_set(X), 5)
    with pytest.raises(ValueError, match=r"Margin\(\) is smallest"):
        XSSRHeuristic(X, active_set(X), 5, uncertainty=Margin())
