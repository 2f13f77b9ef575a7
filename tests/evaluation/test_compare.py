"""`compare_selectors`: paired, every network once; blocks, references, patients, processes."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skxssr import CoreSetSelector, RandomSelector, StratifiedRandomSelector
from skxssr.evaluation import (
    Task,
    fold_pools,
    random_pools,
    summarize,
)
from skxssr.evaluation._runs.jobs import REFERENCES
from tests.evaluation.toy import Threshold, flat, make_task, run


def test_every_arm_in_every_pool(images):
    task = make_task(images)
    result = run(task, images, n_seeds=2, budgets=[3, 5])
    for number, pool in enumerate(task.pools):
        inside = [r for r in result.runs if r["pool"] == number and not r.get("reference")]
        assert {r["selector"] for r in inside} == {"random", "XSSR", "CoreSet"}
        for r in inside:
            assert set(r["rows"]) <= set(pool.rows.tolist())
            assert r["units"] == [str(row) for row in pool.test]
            assert len(r["dice"]) == len(pool.test)
            assert r["labels"] == r["budget"] == len(r["rows"])
        for selector, draws in (("random", 3), ("XSSR", 1)):
            arms = [r for r in inside if r["selector"] == selector]
            assert len(arms) == draws * 2 * 2  # budgets, seeds
            assert {r["seed"] for r in arms} == {2 * number, 2 * number + 1}
    assert summarize(result.runs).rows


def test_dice_is_that_of_a_network_trained_on_the_picks(images):
    task = make_task(images)
    result = run(task, images)
    r = next(r for r in result.runs if r["selector"] == "XSSR" and r["pool"] == 1)
    model = Threshold().fit(task.images.subset(r["rows"]), task.masks.subset(r["rows"]))
    for row, found in zip(task.pools[1].test, r["dice"], strict=True):
        truth, pred = images[row] > 0.5, model.predict(task.images.subset([row]))[0]
        expected = 2 * (truth & pred).sum() / (truth.sum() + pred.sum())
        assert found == pytest.approx(expected, abs=1e-5)


def test_selection_is_that_of_the_selector(images):
    task = make_task(images)
    result = run(task, images)
    r = next(r for r in result.runs if r["selector"] == "CoreSet" and r["pool"] == 2)
    rows = task.pools[2].rows
    flat = images.reshape(60, -1)
    picked = CoreSetSelector().fit(flat[:20]).select(flat[rows], 4)
    assert r["rows"] == rows[picked].tolist()


def test_equal_picks_are_trained_on_once(images):
    task = make_task(images)
    run(task, images, selectors={"a": CoreSetSelector(), "b": CoreSetSelector()}, references=())
    assert len(Threshold.trained) == 3 * (3 + 1)


def test_blocks_and_references(images):
    task = make_task(images)
    result = run(
        task,
        images,
        blocks=("picks", "finetune", "joint"),
        references=REFERENCES,
        finetune={"rate": 0.5},
        n_source_models=2,
    )
    sizes = [n for n, _, start, _ in Threshold.trained if start is None]
    assert sizes.count(20) == 2 * 2  # source models: plain and with strong augmentation
    pool = task.pools[0]
    assert sum(start is not None for *_, start, _ in Threshold.trained) == 3 * (3 + 2 + 1)
    joint = [n for n in sizes if n > len(pool.rows)]
    assert 20 + 4 * 5 in joint  # 4 picks five times, to weigh as much as 20 source images
    for name in REFERENCES:
        rows = [r for r in result.runs if r["selector"] == name]
        assert len(rows) == (9 if name == "all labels" else 3)
        assert all(r["reference"] for r in rows)
        assert {r["labels"] for r in rows} == ({len(pool.rows)} if name == "all labels" else {0})
    assert {row["block"] for row in summarize(result.runs).rows} >= {"picks", "finetune", "joint"}


def test_patients_are_units_and_quotas(images):
    groups = np.repeat(np.arange(20), 3)
    task = make_task(images, groups=groups)
    result = run(task, images, budgets=[6], max_per_group=1)
    for r in result.runs:
        pool = task.pools[r["pool"]]
        assert len(r["dice"]) == len(np.unique(groups[pool.test])) == len(r["units"])
        if not r.get("reference"):
            assert len(set(groups[r["rows"]])) == 6
    r = next(r for r in result.runs if r["selector"] == "XSSR")
    model = Threshold().fit(task.images.subset(r["rows"]), task.masks.subset(r["rows"]))
    test = task.pools[r["pool"]].test
    of_first = test[groups[test] == int(r["units"][0])]
    pred, truth = model.predict(task.images.subset(of_first)), images[of_first] > 0.5
    expected = 2 * (truth & pred).sum() / (truth.sum() + pred.sum())
    assert r["dice"][0] == pytest.approx(expected, abs=1e-5)


def test_strata_are_sites(images):
    sites = np.repeat(["a", "b"], [45, 15])
    task = make_task(images, groups=np.arange(60) // 3, sites=sites)
    result = run(task, images, selectors={"by site": StratifiedRandomSelector()}, budgets=[8])
    arms = [r for r in result.runs if r["selector"] == "by site"]
    assert len(arms) == 3 * 3
    for r in arms:
        share = 8 * (sites[task.pools[r["pool"]].rows] == "a").mean()
        assert abs((sites[r["rows"]] == "a").sum() - share) < 1
    with pytest.raises(ValueError, match="60 target images but 3 sites"):
        make_task(images, sites=["a", "b", "c"])


def test_embedders_are_fitted_and_taken_in_turn(images):
    embedder = make_pipeline(FunctionTransformer(flat), PCA(4))
    z = embedder.fit(images[:20, ..., None]).transform(images[..., None])
    other = (np.zeros((20, 2)) + np.arange(20)[:, None], np.arange(120.0).reshape(60, 2))
    task = make_task(images)
    result = run(
        task, images, embedders={"pca": [embedder, other]}, selectors={"c": CoreSetSelector()}
    )
    for number, (source, target) in enumerate([(z[:20], z), other, (z[:20], z)]):
        rows = task.pools[number].rows
        expected = rows[CoreSetSelector().fit(source).select(target[rows], 4)]
        r = next(r for r in result.runs if r["selector"] == "c" and r["pool"] == number)
        assert r["rows"] == expected.tolist()


def test_processes_give_the_same(images):
    alone = run(make_task(images), images)
    together = run(make_task(images), images, n_jobs=2)

    def plain(runs):
        return sorted((r["key"], r["selector"], str(r["dice"])) for r in runs)

    assert plain(alone.runs) == plain(together.runs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": ("pick",)}, "blocks must be"),
        ({"references": ("none",)}, "references must be"),
        ({"budgets": [4000]}, "budget"),
        ({"embedders": {"x": (np.zeros((3, 2)), np.zeros((60, 2)))}}, "3 and 60 rows"),
    ],
)
def test_bad_input(images, options, message):
    with pytest.raises(ValueError, match=message):
        run(make_task(images), images, **options)


def test_bad_tasks(images):
    masks = (images > 0.5).astype(np.uint8)
    pool = random_pools(60, n_pools=1, random_state=0)
    with pytest.raises(ValueError, match="60 target images but 59 masks"):
        Task("toy", images, masks, images, masks[:59], pool)
    with pytest.raises(ValueError, match="ids must differ"):
        Task("toy", images, masks, images, masks, pool, ids=["a"] * 60)
    with pytest.raises(ValueError, match="share 10 patients"):
        Task("toy", images, masks, images, masks, pool, groups=np.arange(60) % 20)
    with pytest.raises(ValueError, match="share must be"):
        random_pools(10, n_pools=1, share=0)
    with pytest.raises(ValueError, match="n_folds must be from 2 to 3"):
        fold_pools([0, 1, 2], n_folds=4)


def test_random_selectors_with_seeds_draw_once(images):
    result = run(make_task(images), images, selectors={"fixed": RandomSelector(random_state=3)})
    assert sum(r["selector"] == "fixed" for r in result.runs) == 3


def test_more_pools_keep_the_first(images):
    some = random_pools(60, n_pools=2, random_state=5)
    more = random_pools(60, n_pools=4, random_state=5)
    for a, b in zip(some, more, strict=False):
        assert np.array_equal(a.rows, b.rows)
        assert np.array_equal(a.test, b.test)
