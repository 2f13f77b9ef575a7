"""`RidgeJudge` against the segmenter it stands for, and its runs in the tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from skxssr import CoreSetSelector, RidgeSegmenter  # noqa: E402
from skxssr.evaluation import (  # noqa: E402
    Pool,
    RidgeJudge,
    Task,
    compare_selectors,
    judge_selectors,
    load_comparison,
    random_pools,
    summarize,
)
from skxssr.metrics import dice  # noqa: E402
from tests.segmentation.test_ridge import SIZE, boxes  # noqa: E402

PARAMS = {"image_size": SIZE, "device": "cpu"}
IMAGES, MASKS = boxes(14)
MASKS[[2, 12]] = 0


@pytest.fixture(scope="module")
def judge():
    return RidgeJudge(IMAGES, MASKS, **PARAMS)


@pytest.mark.parametrize(("values", "channels"), [((255,), 0), ((255,), 3), ((1, 2), 0)])
def test_it_is_the_segmenter(values, channels):
    images, masks = boxes(10, values=values, channels=channels)
    judge = RidgeJudge(images, masks, **PARAMS, batch_size=3)
    rows, test = [7, 1, 4, 0], np.arange(8, 10)
    ours = judge.segmenter(rows)
    theirs = RidgeSegmenter(**PARAMS).fit(images[rows], masks[rows])
    np.testing.assert_allclose(ours.module_.weights, theirs.module_.weights, atol=1e-4)
    np.testing.assert_array_equal(ours.thresholds_, theirs.thresholds_)
    np.testing.assert_allclose(ours.predict_proba(images), theirs.predict_proba(images), atol=1e-3)
    assert judge.classes_.tolist() == theirs.classes_.tolist()
    predicted = ours.predict(images[test])[:, ::2, ::2]
    scores = dice(masks[test][:, ::2, ::2], predicted, classes=values).mean(1)
    np.testing.assert_allclose(judge.dice(rows, test), scores, atol=0.02)
    assert judge.score(rows, test) == pytest.approx(judge.dice(rows, test).mean())


def test_an_image_without_foreground_is_not_counted(judge):
    found = judge.dice([0, 1, 3], [12, 13, 2])
    assert np.isnan(found).tolist() == [True, False, True]
    assert judge.score([0, 1, 3], [12, 13, 2]) == found[1]
    assert np.isnan(judge.score([0, 1], [2, 12]))
    assert judge.dice([2, 12], [0, 1]).tolist() == [0, 0]  # it has learned that there is nothing


def test_of_several_classes_those_count_that_an_image_shows():
    images, masks = boxes(6, values=(1, 2))
    masks[5][masks[5] == 2] = 0
    judge = RidgeJudge(images, masks, **PARAMS)
    predicted = judge.segmenter([0, 1, 2]).predict(images[5:])[:, ::2, ::2]
    expected = dice(masks[5:, ::2, ::2], predicted, classes=[1])[0, 0]
    assert judge.dice([0, 1, 2], [5])[0] == pytest.approx(expected, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 13), min_size=1, max_size=14, unique=True), st.randoms())
def test_neither_order_nor_company_matters(judge, rows, random):
    test = [13, 5, 12, 0]
    shuffled = random.sample(rows, len(rows))
    expected = judge.score(rows, test)
    assert judge.score(shuffled, test) == expected
    np.testing.assert_allclose(judge.scores([[3], rows, [1, 2]], test)[1], expected, atol=1e-12)
    reordered = judge.dice(rows, test[::-1])[::-1]
    np.testing.assert_allclose(reordered, judge.dice(rows, test), atol=1e-12)


def test_many_selections_and_many_images_go_in_parts(judge, monkeypatch):
    selections = [[i % 14, (i + 5) % 14] for i in range(9)]
    at_once = judge.scores(selections, range(14))
    monkeypatch.setattr("skxssr.evaluation.ridge_judge.TOGETHER", 2)
    monkeypatch.setattr("skxssr._torch.ridge.CHUNK", 3)
    np.testing.assert_allclose(judge.scores(selections, range(14)), at_once, atol=1e-12)


def test_memory_is_what_it_says(judge):
    pool = judge._pool
    assert judge.nbytes == sum(t.nbytes for t in (pool.X, pool.codes, pool.gram, pool.right))
    p = pool.X.shape[2]
    assert judge.nbytes / len(judge) == 64 * (2 * p + 1) + 8 * (p * (p + 1) / 2 + p)


@pytest.mark.parametrize("rows", [[], [14], [-1], [[0, 1]], [0.5], [True, False]])
def test_rows_that_are_refused(judge, rows):
    with pytest.raises(ValueError, match="rows"):
        judge.score(rows, [0])
    with pytest.raises(ValueError, match="test"):
        judge.score([0], rows)


def task():
    pools = [Pool(np.arange(8), np.arange(8, 14)), Pool(np.arange(6, 14), np.arange(6))]
    return Task("toy", IMAGES, MASKS, IMAGES, MASKS, pools)


def test_runs_go_into_the_tables(judge):
    picks = [
        {"pool": 0, "selector": "random", "embedder": "e", "rows": [1, 0, 3], "draw": 0},
        {"pool": 0, "selector": "mine", "embedder": "e", "rows": np.array([0, 1, 3]), "alpha": 1},
        {"pool": 1, "selector": "random", "embedder": "e", "rows": [7, 8, 9]},
        {"pool": 1, "selector": "mine", "embedder": "e", "rows": [10, 11, 13]},
    ]
    runs = judge.runs(task(), picks)
    assert [run["selector"] for run in runs] == ["random", "mine"] * 2
    first, second = runs[:2]
    assert first["dice"] == second["dice"]
    assert second["alpha"] == 1
    assert first["dice"][4] is None  # image 12
    expected = np.delete(judge.dice([0, 1, 3], np.arange(8, 14)), 4)
    np.testing.assert_allclose([d for d in first["dice"] if d is not None], expected, atol=1e-5)
    shared = {"task": "toy", "block": "picks", "segmenter": "ridge", "seed": 0, "budget": 3}
    assert all(shared.items() <= run.items() for run in runs)
    assert first["units"] == [str(i) for i in range(8, 14)]
    summary = summarize(runs)
    means = {row["selector"]: row["dice"] for row in summary.rows}
    by_hand = [judge.score(picks[i]["rows"], task().pools[i // 2].test) for i in (0, 2)]
    assert means["random"] == pytest.approx(100 * np.mean(by_hand), abs=1e-3)


def test_equal_selections_are_judged_once(judge, monkeypatch):
    asked = []
    plain = type(judge._pool).network
    monkeypatch.setattr(
        type(judge._pool), "network", lambda pool, rows: asked.append(1) or plain(pool, rows)
    )
    picks = [{"pool": 0, "selector": str(i), "rows": [i % 2, 5]} for i in range(6)]
    judge.runs(task(), picks)
    assert len(asked) == 2


def test_patients_are_scored_as_one(judge):
    groups = np.repeat(np.arange(7), 2)
    own = Task(
        "toy", IMAGES, MASKS, IMAGES, MASKS, [Pool(np.arange(8), np.arange(8, 14))], groups=groups
    )
    run = judge.runs(own, [{"pool": 0, "selector": "x", "rows": [0, 1, 4]}])[0]
    assert run["units"] == ["4", "5", "6"]
    predicted = judge.segmenter([0, 1, 4]).predict(IMAGES)[:, ::2, ::2]
    volumes = [np.stack(v) for v in (MASKS[8:10, ::2, ::2], predicted[8:10])]
    assert run["dice"][0] == pytest.approx(dice([volumes[0]], [volumes[1]])[0], abs=0.02)


def test_runs_that_are_refused(judge):
    short = Task("short", IMAGES[:5], MASKS[:5], IMAGES[:5], MASKS[:5], [])
    with pytest.raises(ValueError, match="5 target images, the judge knows 14"):
        judge.runs(short, [])
    with pytest.raises(ValueError, match=r"picks\[0\] lacks rows"):
        judge.runs(task(), [{"pool": 0, "selector": "x"}])
    with pytest.raises(ValueError, match="unknown pool"):
        judge.runs(task(), [{"pool": 2, "selector": "x", "rows": [0]}])


def test_the_segmenter_goes_through_a_comparison_like_any_other():
    images, masks = boxes(20)
    one = Task("toy", images, masks, images, masks, random_pools(20, n_pools=1, random_state=0))
    flat = images.reshape(20, -1)
    result = compare_selectors(
        one,
        {},
        embedders={"pixels": (flat, flat)},
        budgets=[3],
        segmenters={"ridge": RidgeSegmenter(**PARAMS)},
        n_random=2,
        references=(),
        verbose=0,
    )
    judge = RidgeJudge(images, masks, **PARAMS)
    for run in result.runs:
        fitted = clone(RidgeSegmenter(**PARAMS, random_state=run["seed"]))
        fitted.fit(images[np.sort(run["rows"])], masks[np.sort(run["rows"])])
        test = one.pools[0].test
        expected = dice(masks[test], fitted.predict(images[test]))
        np.testing.assert_allclose(run["dice"], expected, atol=1e-4)
    again = judge.runs(one, result.runs)
    assert [run["rows"] for run in again] == [run["rows"] for run in result.runs]


def judged(judge, out=None, **options):
    flat = IMAGES.reshape(len(IMAGES), -1)
    options = {"embedders": {"pixels": (flat, flat)}, "budgets": [3], "n_random": 2} | options
    return judge_selectors(
        task(), {"CoreSet": CoreSetSelector()}, judge=judge, out=out, verbose=0, **options
    )


def test_selectors_are_judged_on_the_picks_that_networks_would_be_trained_on(judge):
    result = judged(judge)
    flat = IMAGES.reshape(len(IMAGES), -1)
    trained = compare_selectors(
        *(task(), {"CoreSet": CoreSetSelector()}),
        embedders={"pixels": (flat, flat)},
        budgets=[3],
        segmenters={"ridge": RidgeSegmenter(**PARAMS)},
        n_random=2,
        verbose=0,
    )

    def picks(runs):
        names = ("pool", "selector", "draw", "budget", "rows", "units", "reference")
        return sorted(str([run.get(name) for name in names]) for run in runs)

    assert picks(result.runs) == picks(trained.runs)
    for run in result.runs:
        pool = task().pools[run["pool"]]
        expected = judge.dice(pool.rows if run.get("reference") else run["rows"], pool.test)
        np.testing.assert_allclose(
            [np.nan if d is None else d for d in run["dice"]], expected, atol=1e-5
        )
    rows = summarize(result.runs).rows
    assert {row["selector"] for row in rows} == {"CoreSet", "random", "all labels"}


def test_a_judged_comparison_goes_on_and_refuses_another(judge, tmp_path, monkeypatch):
    out = tmp_path / "runs.jsonl"
    first = judged(judge, out)
    assert load_comparison(out).runs == first.runs
    with monkeypatch.context() as patch:
        patch.setattr(RidgeJudge, "dice", lambda *_: pytest.fail("judged again"))
        patch.setattr(RidgeJudge, "_judge", lambda *_: pytest.fail("judged again"))
        assert judged(judge, out).runs == first.runs
    more = judged(judge, out, n_random=3)
    assert len(more.runs) == len(first.runs) + 2
    with pytest.raises(ValueError, match="penalty of segmenter 'ridge'"):
        judged(RidgeJudge(IMAGES, MASKS, **PARAMS, penalty=1.0), out)
    with pytest.raises(ValueError, match="the judge knows 5"):
        judged(RidgeJudge(IMAGES[:5], MASKS[:5], **PARAMS))
