"""`compare_selectors`: paired, resumable, every network once; its pools and its store."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skxssr import CoreSetSelector, RandomSelector, StratifiedRandomSelector, XSSRSelector
from skxssr.evaluation import (
    Task,
    compare_selectors,
    fold_pools,
    label_free_quantities,
    load_comparison,
    proxy_agreement,
    random_pools,
    rank_correlations,
    summarize,
)
from skxssr.evaluation._runs.jobs import REFERENCES
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.exceptions import SkxssrWarning


class Threshold(BaseEstimator):
    """A segmenter that learns one gray level, and says what it was trained on."""

    trained: list = []

    def __init__(self, random_state=None, init_from=None, augment=True, rate=1.0):
        self.random_state, self.init_from = random_state, init_from
        self.augment, self.rate = augment, rate

    def fit(self, images, masks):
        assert len(images) == len(masks)
        level = np.mean(
            [image[..., 0][mask > 0].mean() for image, mask in zip(images, masks, strict=True)]
        )
        start = level if self.init_from is None else self.init_from.level_
        self.level_ = start + self.rate * (level - start)
        Threshold.trained.append((len(images), self.random_state, self.init_from, self.augment))
        return self

    def predict(self, images):
        return np.stack([image[..., 0] > self.level_ - 0.25 for image in images])

    def adapt(self, images):
        copy = Threshold()
        copy.level_ = self.level_ + 1e-3 * len(images)
        return copy


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((60, 6, 6))


@pytest.fixture(autouse=True)
def forget():
    Threshold.trained.clear()


def make_task(images, **options):
    masks = (images > 0.5).astype(np.uint8)
    groups = options.get("groups")
    drawn = random_pools(60, n_pools=3, groups=groups, random_state=0)
    pools = options.pop("pools", drawn)
    return Task("toy", images[:20], masks[:20], images, masks, pools, **options)


def run(task, images, **options):
    pair = (images[:20].reshape(20, -1), images.reshape(60, -1))
    given = {
        "embedders": {"pixels": pair},
        "budgets": [4],
        "segmenters": {"level": Threshold()},
        "n_random": 3,
        "verbose": 0,
    }
    selectors = options.pop("selectors", {"XSSR": XSSRSelector(), "CoreSet": CoreSetSelector()})
    return compare_selectors(task, selectors, **(given | options))


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


def test_resumes_and_reads_back(images, tmp_path):
    task, out = make_task(images), tmp_path / "runs.jsonl"
    first = run(task, images, out=out)
    whole = out.read_text()
    n = len(Threshold.trained)
    assert run(task, images, out=out).runs == first.runs
    assert len(Threshold.trained) == n
    assert load_comparison(out).runs == first.runs

    lines = whole.splitlines(keepends=True)
    out.write_text("".join(lines[:-2]) + lines[-2][:20])  # stopped in the middle of a line
    with pytest.warns(SkxssrWarning, match=f"runs.jsonl: line {len(lines) - 1} cannot be read"):
        again = run(task, images, out=out)
    assert len(Threshold.trained) == n + 2

    def key(r):
        return (r["key"], r.get("embedder"), r.get("selector"), r.get("draw"))

    def plain(runs):
        return sorted(({**r, "seconds": 0} for r in runs), key=key)

    assert plain(again.runs) == plain(first.runs)


def test_more_pools_keep_the_first(images):
    some = random_pools(60, n_pools=2, random_state=5)
    more = random_pools(60, n_pools=4, random_state=5)
    for a, b in zip(some, more, strict=False):
        assert np.array_equal(a.rows, b.rows)
        assert np.array_equal(a.test, b.test)


def test_another_comparison_is_refused(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    run(make_task(images), images, out=out)
    with pytest.raises(ValueError, match="differs in n_seeds"):
        run(make_task(images), images, out=out, n_seeds=2)
    changed = {"XSSR": XSSRSelector(alpha=0.5)}
    with pytest.raises(ValueError, match="'XSSR' that differs in alpha"):
        run(make_task(images), images, out=out, selectors=changed)


def as_earlier_version(out):
    """The lines of a file, which is made one of the versions without checksums and fingerprints."""
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    lines = [line for line in lines if not line.get("key", "").startswith(("made of/", "design"))]
    for line in lines:
        line.pop("crc32")
    write_lines(out, lines)
    return lines


def write_lines(out, lines):
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_comparison_of_an_earlier_version_goes_on(images, tmp_path):
    # that version did not know a parameter: it counts as its default
    out = tmp_path / "runs.jsonl"
    run(make_task(images), images, out=out)
    lines = as_earlier_version(out)
    for line in lines:
        line.get("parameters", {}).pop("scoring", None)
    write_lines(out, lines)
    n = len(Threshold.trained)
    run(make_task(images), images, out=out)
    assert len(Threshold.trained) == n
    changed = {"XSSR": XSSRSelector(scoring="as described")}
    with pytest.raises(ValueError, match="'XSSR' that differs in scoring"):
        run(make_task(images), images, out=out, selectors=changed)
    # and one that is gone since is no default of today
    for line in lines:
        if line.get("selector") == "XSSR" and "parameters" in line:
            line["parameters"]["then_known"] = 1
    write_lines(out, lines)
    with pytest.raises(ValueError, match="'XSSR' that differs in then_known"):
        run(make_task(images), images, out=out)


def test_what_an_earlier_version_did_not_record_is_recorded_from_now_on(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    first = run(make_task(images), images, out=out)
    as_earlier_version(out)
    assert run(make_task(images), images, out=out).runs == first.runs
    with pytest.raises(ValueError, match="pixels of 60 target images, the first 0"):
        run(make_task(images[::-1].copy()), images, out=out)
    pair = (np.zeros((20, 2)), np.zeros((60, 2)))
    with pytest.raises(ValueError, match="embedder 'pixels'"):
        run(make_task(images), images, out=out, embedders={"pixels": pair})


def flat(stack):
    return np.stack([np.ravel(image) for image in stack])


class Weighted(BaseEstimator):
    """An embedder that says what its weights are, as `MAEEmbedder` does."""

    def __init__(self, scale=1.0, device="cpu"):
        self.scale, self.device = scale, device

    def fit(self, images, y=None):
        self.weights_sha256_, self.seconds_ = "0" * 64, 1.5
        return self

    def transform(self, images):
        return self.scale * flat(images)


class Other(Threshold):
    pass


def with_pixels(images, rows):
    changed = images.copy()
    changed[rows] = 1 - changed[rows]
    return changed


PCA_OF_PIXELS = make_pipeline(FunctionTransformer(flat), PCA(4))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"pixels": [17, 30]}, "pixels of 2 target images, the first 17"),
        ({}, {"masks": [40]}, "masks of 1 target image, 40"),
        ({}, {"source": [3]}, "pixels of 1 source image, image 3"),
        ({}, {"n_source": 19}, "pixels of 19 instead of 20 source images"),
        ({"blocks": ("joint",)}, {"source_masks": [3, 4]}, "masks of 2 source images, the first"),
        ({}, {"segmenters": {"level": Other()}}, "class of segmenter 'level'"),
        ({}, {"segmenters": {"level": Threshold(rate=2.0)}}, "rate of segmenter 'level'"),
        ({}, {"segmenters": {}}, r"the segmenters \('level' then, none now\)"),
        ({}, {"selectors": {"XSSR": CoreSetSelector()}}, "class of selector 'XSSR'"),
        ({}, {"spacing": (1.0, 2.0)}, "differs in spacing"),
        ({"groups": 20}, {"groups": 20, "shift": 1}, "patients"),
        ({}, {"embedders": {"pixels": Weighted()}}, "embedder 'pixels'"),
        (
            {"embedders": {"e": Weighted()}},
            {"embedders": {"e": Weighted(scale=2.0)}},
            r"embedder 'e' \(scale\)",
        ),
        (
            {"embedders": {"e": Weighted().fit([])}},
            {"embedders": {"e": Weighted()}},
            r"embedder 'e' \(weights\)",
        ),
        (
            {"embedders": {"e": clone(PCA_OF_PIXELS)}},
            {"embedders": {"e": clone(PCA_OF_PIXELS).set_params(pca__n_components=3)}},
            r"embedder 'e' \(steps\)",
        ),
        (
            {
                "embedders": {
                    "e": clone(PCA_OF_PIXELS).fit(np.random.default_rng(1).random((9, 36)))
                }
            },
            {
                "embedders": {
                    "e": clone(PCA_OF_PIXELS).fit(np.random.default_rng(2).random((9, 36)))
                }
            },
            r"embedder 'e' \(steps\)",
        ),
    ],
)
def test_what_differs_is_named(images, tmp_path, first, second, message):
    out = tmp_path / "runs.jsonl"

    def go(pixels=(), masks=(), source=(), source_masks=(), n_source=20, shift=0, **options):
        target = with_pixels(images, list(pixels))
        truth = np.uint8(with_pixels(images, list(masks)) > 0.5)
        sources = with_pixels(images, list(source))[:n_source]
        source_truth = np.uint8(with_pixels(images, list(source_masks)) > 0.5)[:n_source]
        groups = options.pop("groups", None)
        if groups is not None:  # the same patients in pool and test set, other images of theirs
            pools = random_pools(60, n_pools=3, groups=np.arange(60) % groups, random_state=0)
            groups = np.arange(60) % groups
            inside = pools[0].rows
            groups[inside] = np.roll(groups[inside], shift)
            pools = pools[:1]
        else:
            pools = random_pools(60, n_pools=3, random_state=0)
        task = Task(
            *("toy", sources, source_truth, target, truth, pools),
            groups=groups,
            spacing=options.pop("spacing", None),
        )
        pair = (images[:n_source].reshape(n_source, -1), images.reshape(60, -1))
        return run(task, images, out=out, **({"embedders": {"pixels": pair}} | options))

    go(**first)
    before = out.read_bytes()
    n = len(Threshold.trained)
    with pytest.raises(ValueError, match=message) as error:
        go(**first | second)
    for word in (str(out), "Give another file, or delete this one"):
        assert word in str(error.value)
    assert len(Threshold.trained) == n
    assert out.read_bytes() == before
    go(**first)  # the lock of the one that was refused is gone
    assert len(Threshold.trained) == n
    assert out.read_bytes() == before


def test_everything_that_differs_is_named_at_once(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    run(make_task(images), images, out=out)
    pair = (images[:20].reshape(20, -1), images[::-1].reshape(60, -1))
    with pytest.raises(ValueError, match="n_seeds") as error:
        run(
            make_task(with_pixels(images, [20])),
            images,
            out=out,
            n_seeds=2,
            embedders={"pixels": pair},
        )
    for words in ("1 target image, 20", "embedder 'pixels' (embeddings of the target)"):
        assert words in str(error.value)


def test_files_are_told_apart_by_their_bytes(images, tmp_path):
    """Not by their time of change; the new file has the size of the old one."""
    paths, masks = [], []
    for i, image in enumerate(images):
        for folder, pixels, found in (
            ("images", image * 255, paths),
            ("masks", image > 0.5, masks),
        ):
            path = tmp_path / folder / f"film_{i:03d}.bmp"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.uint8(pixels)).save(path)
            found.append(path)
    ids = [path.stem for path in paths]
    pools = random_pools(60, n_pools=2, random_state=0)
    options = {"out": tmp_path / "runs.jsonl"}

    def go():
        task = Task("toy", paths[:20], masks[:20], paths, masks, pools, ids=ids)
        return run(task, images, **options)

    first = go()
    for path in [*paths, *masks]:
        os.utime(path)  # a later time of change alone is no other file
    assert go().runs == first.runs
    Image.fromarray(np.uint8(255 - images[44] * 255)).save(paths[44])
    with pytest.raises(ValueError, match="pixels of 1 target image, film_044"):
        go()


@pytest.mark.parametrize(
    "change",
    [
        {"n_jobs": 2},
        {"engine": "full"},
        {"device": "cuda:1"},
        {"verbose": 1},
    ],
)
def test_parameters_that_decide_nothing_may_change(images, tmp_path, change):
    out = tmp_path / "runs.jsonl"

    class Selecting(CoreSetSelector):
        def __init__(self, *, engine="lazy", device="auto", n_jobs=None, verbose=0, spread=1):
            super().__init__(engine=engine, device=device, n_jobs=n_jobs)
            self.verbose, self.spread = verbose, spread

    class Segmenting(Threshold):
        def __init__(self, random_state=None, engine="a", device="a", n_jobs=1, verbose=0, rate=1):
            super().__init__(random_state, rate=rate)
            self.engine, self.device, self.n_jobs, self.verbose = engine, device, n_jobs, verbose

    class Embedding(Weighted):
        def __init__(self, scale=1.0, engine="a", device="a", n_jobs=1, verbose=0):
            self.scale, self.device = scale, device
            self.engine, self.n_jobs, self.verbose = engine, n_jobs, verbose

    def go(spread=1, **changed):
        return run(
            make_task(images),
            images,
            out=out,
            selectors={"c": Selecting(spread=spread, **changed)},
            segmenters={"level": Segmenting(**changed)},
            embedders={"e": make_pipeline(Embedding(**changed))},
        )

    first = go()
    n = len(Threshold.trained)
    before = out.read_bytes()
    assert go(**change).runs == first.runs
    assert len(Threshold.trained) == n
    assert out.read_bytes() == before
    with pytest.raises(ValueError, match="'c' that differs in spread"):
        go(spread=2, **change)


def test_embedders_may_be_added_and_lists_grow_with_the_pools(images, tmp_path):
    out, task = tmp_path / "runs.jsonl", make_task(images)
    rng = np.random.default_rng(0)
    pairs = [(rng.random((20, 3)), rng.random((60, 3))) for _ in range(3)]
    run(make_task(images, pools=task.pools[:2]), images, out=out, embedders={"e": pairs[:2]})
    run(make_task(images, pools=task.pools[:2]), images, out=out)
    run(task, images, out=out, embedders={"e": pairs})  # pool 2 takes the third
    with pytest.raises(ValueError, match=r"embedder 'e'\[0\] \(embeddings of the source"):
        run(task, images, out=out, embedders={"e": pairs[:2]})  # pool 2 would take the first


def test_what_nothing_depends_on_may_change(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    with pytest.raises(ValueError, match="3 and 60 rows"):
        run(
            make_task(images),
            images,
            out=out,
            embedders={"pixels": (np.zeros((3, 2)), np.zeros((60, 2)))},
        )
    assert run(make_task(with_pixels(images, [4])), images, out=out).runs


def test_masks_of_the_source_count_from_where_they_are_used(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    task = make_task(images)

    def with_masks(value):
        source = np.full((20, 6, 6), value, dtype=np.uint8)
        return Task("toy", images[:20], source, images, task.masks, task.pools)

    run(with_masks(0), images, out=out)
    run(with_masks(1), images, out=out)
    run(with_masks(2), images, out=out, blocks=("joint",))
    with pytest.raises(ValueError, match="masks of 20 source images"):
        run(with_masks(1), images, out=out, blocks=("joint",))


def test_rows_of_the_picks_are_in_every_run(images, tmp_path):
    out, task = tmp_path / "runs.jsonl", make_task(images)
    made = run(task, images, out=out, blocks=("picks", "joint"), n_seeds=2)
    for runs in (made.runs, load_comparison(out).runs):
        for r in runs:
            if r.get("reference"):
                continue
            assert type(r["rows"]) is list
            assert {type(row) for row in r["rows"]} == {int}
            assert len(set(r["rows"])) == r["labels"]
            assert set(r["rows"]) <= set(task.pools[r["pool"]].rows.tolist())


def test_two_comparisons_do_not_share_a_file(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    run(make_task(images), images, out=out, budgets=[3])
    with RunLog(out), pytest.raises(BlockingIOError, match="runs.jsonl is in use by another"):
        run(make_task(images), images, out=out)
    run(make_task(images), images, out=out)

    class Failing(Threshold):
        def fit(self, images, masks):
            raise RuntimeError("no memory")

    other = tmp_path / "other.jsonl"
    with pytest.raises(RuntimeError, match="no memory"):
        run(make_task(images), images, out=other, segmenters={"level": Failing()})
    with RunLog(other) as log:
        assert log.design["task"] == "toy"


def test_pools_may_be_added_but_not_changed(images, tmp_path):
    out, task = tmp_path / "runs.jsonl", make_task(images)
    fewer = make_task(images, pools=task.pools[:2])
    run(fewer, images, out=out)
    n = len(Threshold.trained)
    run(task, images, out=out)
    assert len(Threshold.trained) == n + n // 2
    swapped = make_task(images, pools=task.pools[::-1])
    with pytest.raises(ValueError, match="its pool 0 has other rows"):
        run(swapped, images, out=out)


def test_where_lines_come_from_is_noted(images, tmp_path):
    out = tmp_path / "runs.jsonl"
    run(make_task(images), images, out=out, provenance={"commit": "abc"})
    run(make_task(images), images, out=out, provenance={"commit": "abc"}, budgets=[4, 5])
    run(make_task(images), images, out=out, provenance={"commit": "def"}, budgets=[4, 5, 6])
    notes = [json.loads(line) for line in out.read_text().splitlines()]
    assert [n["commit"] for n in notes if n.get("key", "").startswith("session/")] == ["abc", "def"]


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


def test_random_selectors_with_seeds_draw_once(images):
    result = run(make_task(images), images, selectors={"fixed": RandomSelector(random_state=3)})
    assert sum(r["selector"] == "fixed" for r in result.runs) == 3
