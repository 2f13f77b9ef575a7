"""The label-free verdict against direct computation, and its errors against counting by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skxssr import CoreSetSelector, RandomSelector, XSSRSelector
from skxssr._preprocess import fit_scale_and_pca
from skxssr.evaluation import label_free_quantities, label_free_verdict, verdict_errors
from skxssr.evaluation.verdict import judge_picks

RNG = np.random.default_rng(0)
MODES = RNG.normal(scale=5, size=(6, 8))
TARGET = MODES[np.arange(90) % 6] + 0.3 * RNG.normal(size=(90, 8))
SOURCE = TARGET[:40] + 3


def test_measures_are_those_that_comparisons_file():
    picks = XSSRSelector().fit(SOURCE).select(TARGET, 6)
    verdict = label_free_verdict(XSSRSelector(), SOURCE, TARGET, 6, n_draws=20)
    filed = label_free_quantities(TARGET, picks, source=SOURCE)
    for name, gain in verdict.gains.items():
        assert gain.picked == pytest.approx(filed[name], rel=1e-5)


def test_draws_have_the_mean_and_best_of_random_subsets():
    verdict = judge_picks([0, 1, 2], SOURCE, TARGET, n_draws=300)
    prepare = fit_scale_and_pca(SOURCE, TARGET)
    distances = cdist(prepare(TARGET), prepare(TARGET))
    rng = np.random.default_rng(1)
    drawn = [distances[:, rng.choice(90, 3, replace=False)].min(axis=1).mean() for _ in range(2000)]
    gain = verdict.gains["mean distance"]
    assert gain.picked == pytest.approx(distances[:, :3].min(axis=1).mean(), rel=1e-5)
    assert gain.random == pytest.approx(np.mean(drawn), rel=0.03)
    assert gain.best_random == pytest.approx(np.quantile(drawn, 0.05), rel=0.05)
    assert gain.gain == pytest.approx(1 - gain.picked / gain.random)
    assert gain.gain_over_best == pytest.approx(1 - gain.picked / gain.best_random)


def test_structure_may_pay_and_a_random_draw_will_do():
    verdict = label_free_verdict(XSSRSelector(), SOURCE, TARGET, 6, n_draws=50)
    assert verdict.may_pay
    assert verdict.text.startswith("Choosing may pay")
    assert verdict.gains["mean distance"].gain_over_best > 0
    verdict = label_free_verdict(RandomSelector(random_state=3), SOURCE, TARGET, 30, n_draws=50)
    assert not verdict.may_pay
    assert verdict.text.startswith("Random will do here")
    assert abs(verdict.gains["kernel coverage"].gain) < 0.1
    assert json.loads(json.dumps(verdict.to_dict()))["gains"]["mean distance"]["random"] > 0


def test_sites_are_told_apart_or_not():
    same = RNG.normal(size=(300, 4))
    near = judge_picks(range(5), same[:150], same[150:], n_draws=20)
    far = judge_picks(range(5), same[:150], same[150:] + 4, n_draws=20)
    assert near.site_auc == pytest.approx(0.5, abs=0.12)
    assert far.site_auc > 0.99
    alone = label_free_verdict(RandomSelector(random_state=0), None, same, 5, n_draws=20)
    assert alone.site_auc is None
    assert "AUC" not in alone.text


def test_patients_bind_draws_and_folds_alike():
    groups = np.repeat(np.arange(15), 6)
    verdict = label_free_verdict(XSSRSelector(), SOURCE, TARGET, 15, n_draws=20, groups=groups)
    assert verdict.budget == 15
    assert 0.5 < verdict.site_auc <= 1
    one = label_free_verdict(XSSRSelector(), SOURCE, TARGET, 5, n_draws=20, groups=np.zeros(90))
    assert one.site_auc is None  # no fold without the only patient


@settings(max_examples=8, deadline=None)
@given(n=st.integers(2, 12), budget=st.integers(1, 12), equal=st.booleans())
@pytest.mark.filterwarnings("ignore:All .* rows are equal")
def test_tiny_and_constant_targets_are_judged(n, budget, equal):
    target = np.zeros((n, 2)) if equal else np.random.default_rng(n).normal(size=(n, 2))
    verdict = label_free_verdict(CoreSetSelector(), target, target, min(budget, n), n_draws=20)
    for gain in verdict.gains.values():
        assert np.isfinite(gain).all()


def test_same_seed_same_verdict():
    first, again, other = (
        label_free_verdict(XSSRSelector(), SOURCE, TARGET, 4, n_draws=20, random_state=seed)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.gains["mean distance"].random != other.gains["mean distance"].random


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match="n_draws=5 must be at least 20"):
        label_free_verdict(XSSRSelector(), SOURCE, TARGET, 4, n_draws=5)


def runs(outcomes, *, budget=5, random_draws=(0.9, 0.8), distances=(1.0, 3.0)):
    """Two random draws a pool (mean 0.85, mean distance 2) and a selector: (Dice, distance)."""
    place = {"task": "t", "block": "picks", "embedder": "mae", "segmenter": "unet"}
    place |= {"seed": 0, "units": ["a"], "budget": budget}
    made = []
    for pool, (dice, distance) in enumerate(outcomes):
        for draw, (score, far) in enumerate(zip(random_draws, distances, strict=True)):
            made.append(
                {**place, "selector": "random", "pool": pool, "draw": draw, "dice": [score]}
                | {"quantities": {"mean distance": far}}
            )
        made.append(
            {**place, "selector": "ours", "pool": pool, "draw": 0, "dice": [dice]}
            | {"quantities": {"mean distance": distance}}
        )
    return made


def test_errors_are_counted():
    made = runs([(0.9, 1.0), (0.8, 1.0), (0.9, 1.95), (0.8, 3.0), (0.85, 1.0)])
    reference = {**made[0], "selector": "all labels", "reference": True}
    del reference["quantities"]
    (row,) = verdict_errors([*made, reference])
    assert row["selector"] == "ours"
    assert (row["n"], row["beaten"]) == (5, 2)
    assert (row["false_alarms"], row["misses"]) == (2, 1)
    assert row["error_rate"] == pytest.approx(3 / 5)
    assert (row["always"], row["never"]) == (pytest.approx(3 / 5), pytest.approx(2 / 5))


def test_thresholds_give_a_row_each_and_budgets_can_be_pooled():
    made = runs([(0.9, 1.0), (0.8, 1.9)]) + runs([(0.8, 1.0)], budget=10)
    rows = verdict_errors(made, threshold=[-1.0, 0.3, 2.0], by=["selector"])
    assert [(row["threshold"], row["n"]) for row in rows] == [(-1.0, 3), (0.3, 3), (2.0, 3)]
    assert rows[0]["error_rate"] == rows[0]["always"] == pytest.approx(2 / 3)
    assert (rows[1]["false_alarms"], rows[1]["misses"]) == (1, 0)
    assert rows[2]["error_rate"] == rows[2]["never"] == pytest.approx(1 / 3)
    assert [row["budget"] for row in verdict_errors(made)] == [5, 10]
    assert verdict_errors([]) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"quantity": "luck"}, "quantity='luck' must be one of"), ({"by": ["seed"]}, "must be out")],
)
def test_unknown_names_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        verdict_errors(runs([(0.9, 1.0)]), **wrong)
