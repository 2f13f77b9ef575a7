"""A comparison that goes on in its file: only the same one, whatever may change, and its lines."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.evaluation import (
    Task,
    load_comparison,
    random_pools,
)
from skxssr.evaluation._runs.run_log import RunLog
from skxssr.exceptions import SkxssrWarning
from tests.evaluation.toy import Threshold, flat, make_task, run


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
