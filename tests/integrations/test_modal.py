"""`SelectorStrategy` in modAL's own loop, and against one selection of the whole pool.

modAL cannot teach under the scikit-learn of the test run. tests/project/test_environments.py runs
this file where it can, so that what is skipped here is run there.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn

from skxssr import CoreSetSelector, MaxHerdingSelector, RandomSelector, XSSRSelector
from skxssr.integrations.modal import SelectorStrategy
from skxssr.selection import make_variant
from tests.conftest import normal

TEACHES = tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8)
# modAL 0.4.2.1 still says force_all_finite, which scikit-learn 1.6 renamed.
old_name = pytest.mark.filterwarnings("ignore:'force_all_finite' was renamed:FutureWarning")

COLD = SimpleNamespace(X_training=None)
# modAL puts labelled rows first; picks from clusters depend on the order of the rows, these do not
residual = partial(make_variant, "residual")


def taught(rows):
    return SimpleNamespace(X_training=rows)


def labels(X):
    return (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("make", [residual, CoreSetSelector, MaxHerdingSelector])
@pytest.mark.parametrize("fitted", [True, False], ids=["source", "alone"])
def test_rounds_pick_what_one_selection_of_the_whole_pool_would(pool, source, make, fitted):
    strategy = SelectorStrategy(make(), source=source if fitted else None)
    whole = make().fit(source) if fitted else make()
    left, done = np.arange(len(pool)), np.empty(0, dtype=int)
    learner = COLD
    for _ in range(4):
        expected = whole.select(pool, 5, labeled=done)
        picked, scores = strategy(learner, pool[left], n_instances=5)
        assert left[picked].tolist() == expected.tolist()
        np.testing.assert_allclose(scores, whole.selection_.scores, rtol=1e-5)
        done, left = np.append(done, left[picked]), np.delete(left, picked)
        learner = taught(pool[done])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_answer_is_a_tuple_of_two_arrays_of_the_same_length(pool, n):
    answer = SelectorStrategy()(COLD, pool, n_instances=n)
    assert isinstance(answer, tuple)
    picked, scores = answer
    assert picked.shape == scores.shape == (n,)
    assert picked.dtype == np.int64
    picked[0], scores[0] = 0, 0  # copies, not the record


def test_one_is_the_default_and_fractions_are_of_the_pool_alone(pool):
    strategy = SelectorStrategy()
    assert len(strategy(COLD, pool)[0]) == 1
    assert len(strategy(taught(pool[:40]), pool[40:], n_instances=0.25)[0]) == 10


def test_the_source_is_fitted_on_a_clone(pool, source):
    selector = XSSRSelector(alpha=0.5)
    strategy = SelectorStrategy(selector, source=source)
    assert not hasattr(selector, "source_")
    picked, _ = strategy(COLD, pool, n_instances=7)
    assert picked.tolist() == XSSRSelector(alpha=0.5).fit(source).select(pool, 7).tolist()
    fitted = XSSRSelector(alpha=0.5).fit(source)
    assert SelectorStrategy(fitted)(COLD, pool, n_instances=7)[0].tolist() == picked.tolist()
    assert fitted.selection_.indices.tolist() == picked.tolist()


def test_a_pool_kept_whole_takes_labeled_and_looks_at_no_memory(pool):
    rows = [3, 4, 50]
    expected = XSSRSelector().select(pool, 6, labeled=rows).tolist()
    for learner in (COLD, taught(pool[:20]), SimpleNamespace()):
        assert SelectorStrategy()(learner, pool, 6, labeled=rows)[0].tolist() == expected


def test_the_rest_of_the_arguments_reach_the_selector(pool):
    groups = np.arange(len(pool)) % 4
    weight = np.linspace(0, 1, len(pool))
    strategy = SelectorStrategy()
    assert (
        strategy(COLD, pool, 4, groups=groups, max_per_group=1, sample_weight=weight)[0].tolist()
        == XSSRSelector()
        .select(pool, 4, groups=groups, max_per_group=1, sample_weight=weight)
        .tolist()
    )
    mask = np.zeros(len(pool), dtype=bool)
    mask[10:30] = True
    for candidates in (mask, np.flatnonzero(mask)):
        picked, _ = strategy(taught(normal(5, 3, 12)), pool, 20, candidates=candidates)
        assert sorted(picked) == list(range(10, 30))


def test_a_constant_weight_is_none_even_with_rows_remembered(pool):
    learner = taught(pool[60:])
    for selector in (XSSRSelector(), MaxHerdingSelector(), CoreSetSelector()):
        strategy = SelectorStrategy(selector)
        plain, _ = strategy(learner, pool[:60], 6)
        assert strategy(learner, pool[:60], 6, sample_weight=np.full(60, 7.0))[0].tolist() == list(
            plain
        )


def test_members_of_a_committee_count_once_each_row(pool):
    committee = SimpleNamespace(
        X_training=None,
        learner_list=[taught(pool[:12]), taught(pool[[*range(6), *range(12, 20)]]), COLD],
    )
    strategy = SelectorStrategy(residual())
    picked, _ = strategy(committee, pool[20:], 5)
    assert strategy.selector.selection_.n_samples == len(pool)
    assert picked.tolist() == strategy(taught(pool[:20]), pool[20:], 5)[0].tolist()


def test_frames_lists_and_float32(pool):
    pandas = pytest.importorskip("pandas", reason="for the DataFrame")
    expected = SelectorStrategy(source=pool[:30])(taught(pool[:10]), pool[10:], 5)[0].tolist()
    frame = pandas.DataFrame(pool, columns=list("abc"))
    strategy = SelectorStrategy(source=frame[:30])
    assert strategy(taught(frame[:10]), frame[10:], 5)[0].tolist() == expected
    strategy = SelectorStrategy(source=pool[:30].tolist())
    assert strategy(taught(pool[:10].tolist()), pool[10:].tolist(), 5)[0].tolist() == expected
    strategy = SelectorStrategy(source=pool[:30].astype(np.float32))
    single = pool.astype(np.float32)
    strategy(taught(single[:10]), single[10:], 5)


@pytest.mark.parametrize(
    ("learner", "arguments", "message"),
    [
        (taught(np.ones((4, 2))), {}, "X_training has 2 columns and X_pool 3"),
        (taught(np.full((4, 3), np.nan)), {}, "learner.X_training contains NaN"),
        (taught(normal(4, 3, 0)), {"groups": np.arange(80)}, "pass labeled="),
        (COLD, {"n_instances": 81}, "Lower the budget to 80"),
        (COLD, {"candidates": [80]}, "candidates holds the index 80"),
        (taught(normal(4, 3, 0)), {"candidates": [80]}, "candidates holds the index 80"),
        (taught(normal(4, 3, 0)), {"sample_weight": np.ones(84)}, "has 84 entries"),
    ],
)
def test_bad_input_is_named(pool, learner, arguments, message):
    with pytest.raises(ValueError, match=message):
        SelectorStrategy()(learner, pool, **arguments)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("selector", [XSSRSelector(), RandomSelector(random_state=0)])
def test_query_of_a_cold_learner_unpacks_without_ambiguity(pool, n, selector):
    modal = pytest.importorskip("modAL.models", reason="modAL is not installed")
    from sklearn.linear_model import LogisticRegression

    strategy = SelectorStrategy(selector)
    learner = modal.ActiveLearner(LogisticRegression(), query_strategy=strategy)
    expected = selector.select(pool, n)
    picked, rows = learner.query(pool, n_instances=n)
    assert picked.tolist() == expected.tolist()
    assert rows.tolist() == pool[expected].tolist()
    *_, scores = learner.query(pool, n_instances=n, return_metrics=True)
    np.testing.assert_array_equal(scores, strategy.selector.selection_.scores)
    assert learner.query(pool, labeled=[0], n_instances=n)[0].shape == (n,)


def needs_teach():
    modal = pytest.importorskip("modAL.models", reason="modAL is not installed")
    if not TEACHES:
        pytest.skip("teach of modAL 0.4.2.1 fails on scikit-learn 1.8 and later")
    return modal


@old_name
def test_a_loop_from_no_label_to_a_learner_that_knows(source):
    modal = needs_teach()
    from sklearn.linear_model import LogisticRegression

    X = normal(300, 3, 20)
    learner = modal.ActiveLearner(
        LogisticRegression(), query_strategy=SelectorStrategy(residual(), source=source)
    )
    left, done = np.arange(len(X)), np.empty(0, dtype=int)
    for _ in range(4):
        picked, rows = learner.query(X[left], n_instances=6)
        learner.teach(rows, labels(rows))
        done, left = np.append(done, left[picked]), np.delete(left, picked)
        assert learner.X_training.tolist() == X[done].tolist()
    assert len(set(done.tolist())) == 24
    assert learner.score(X[left], labels(X[left])) > 0.85
    selector, expected = residual().fit(source), np.empty(0, dtype=int)
    for _ in range(4):
        expected = np.append(expected, selector.select(X, 6, labeled=expected))
    assert done.tolist() == expected.tolist()


@old_name
def test_a_committee_is_taught_together(pool):
    modal = needs_teach()
    from sklearn.linear_model import LogisticRegression

    strategy = SelectorStrategy()
    committee = modal.Committee(
        [
            modal.ActiveLearner(LogisticRegression(), X_training=pool[rows], y_training=[0, 1] * 2)
            for rows in ([0, 1, 2, 3], [4, 5, 6, 7])
        ],
        query_strategy=strategy,
    )
    left = np.arange(8, len(pool))
    for expected_labeled in (8, 11):
        picked, rows = committee.query(pool[left], n_instances=3)
        record = strategy.selector.selection_
        assert record.n_samples == len(left) + expected_labeled == len(pool)
        committee.teach(rows, labels(rows))
        left = np.delete(left, picked)
