"""Embedded once: the same picks as from the folders; and rounds after the first, from folders."""

import json

import numpy as np
import pytest
from PIL import Image

from skxssr import RandomFeaturesEmbedder, RidgeSegmenter, XSSRSelector
from skxssr.datasets import make_phantoms
from skxssr.holdout import split_folder
from skxssr.integrations.warm import entropy
from skxssr.workflows.choice import Budget
from skxssr.workflows.embed import embed_folder
from skxssr.workflows.embedders import in_words, timed_transform
from skxssr.workflows.embeddings_file import read_embeddings
from skxssr.workflows.select import select_from_folders
from skxssr.workflows.select_vectors import select_from_embeddings

PATTERN = r"B-(p[0-9]+)-"


def embedder():
    return RandomFeaturesEmbedder(image_size=32, device="cpu")


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    root = tmp_path_factory.mktemp("sites")
    for site, n in (("A", 6), ("B", 16)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=40)
        for kind, pictures in (("", films.images), ("_masks", 255 * films.masks)):
            folder = root / f"{site}{kind}"
            folder.mkdir()
            for name, pixels in zip(films.ids, pictures, strict=True):
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(root / "B" / "B-p99-black.png")  # junk
    one = next((root / "B").glob("B-p0*.png"))
    (root / "B" / "B-p98-copy.png").write_bytes(one.read_bytes())  # a copy
    return root


@pytest.fixture(scope="module")
def embedded(sites):
    for site in "AB":
        embed_folder(
            sites / site,
            sites / f"{site}.npz",
            embedder=embedder(),
            verbose=0,
        )
    return sites


def from_folders(sites, out, budget, *, source="A", **options):
    return select_from_folders(
        None if source is None else sites / source,
        sites / "B",
        budget,
        out,
        embedder=embedder(),
        selector=XSSRSelector(),
        verbose=0,
        **options,
    )


@pytest.mark.parametrize("source", ["A", None])
@pytest.mark.parametrize("how", ["plain", "patients", "tested"])
def test_embedded_once_gives_the_picks_of_the_folders(embedded, tmp_path, source, how):
    if how == "tested":
        split_folder(embedded / "B", 4, tmp_path / "split", group_pattern=PATTERN)
    options = {
        "plain": {},
        "patients": {"group_pattern": PATTERN, "max_per_group": 2},
        "tested": {"test_set": tmp_path / "split"},
    }[how]
    folders = from_folders(embedded, tmp_path / "one", 6, source=source, **options)
    vectors = select_from_embeddings(
        embedded / "B.npz",
        6,
        tmp_path / "two",
        selector=XSSRSelector(),
        source_embeddings=None if source is None else embedded / "A.npz",
        **options,
    )
    assert [embedded / "B" / name for name in vectors.names] == folders.files
    first, second = (tmp_path / name / "selection.csv" for name in ("one", "two"))
    assert first.read_text() == second.read_text()
    junk = {path.relative_to(embedded / "B").as_posix(): why for path, why in folders.junk.items()}
    assert vectors.junk == junk and "B-p99-black.png" in {*junk, *vectors.left_out}
    if how == "tested":
        assert len(vectors.left_out) == len(folders.left_out) > 0


def test_a_file_of_embeddings_says_what_it_is(embedded):
    made = read_embeddings(embedded / "B.npz")
    assert len(made.ids) == len(made.sha256) == 18 and len(set(made.sha256)) == 17
    assert made.about["embedder"]["class"] == "RandomFeaturesEmbedder"
    files = [embedded / "B" / name for name in made.ids]
    np.testing.assert_array_equal(made.vectors, embedder().fit(files).transform(files))
    with pytest.raises(FileExistsError, match="--force"):
        embed_folder(embedded / "A", embedded / "A.npz", embedder=embedder(), verbose=0)
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        embed_folder(embedded / "A", embedded / "A.txt", embedder=embedder(), verbose=0)


def test_without_a_source_the_target_is_enough(sites, tmp_path):
    found = from_folders(sites, tmp_path, 4, source=None)
    assert len(found.files) == 4 and found.source_embeddings is None
    assert found.source_inventory is None
    record = json.loads((tmp_path / "selection.json").read_text())
    assert record["source"] is None and record["source_sha256"] == {}
    assert list(record["inventory"]) == ["target"]


def test_masks_of_the_first_batch_and_a_model_have_their_say_in_the_second(sites, tmp_path):
    first = from_folders(sites, tmp_path / "first", 4)
    done = tmp_path / "masks"
    done.mkdir()
    masks = [sites / "B_masks" / path.name for path in first.files]
    for mask in masks:
        (done / mask.name).write_bytes(mask.read_bytes())
    plain = from_folders(sites, tmp_path / "second", 4, labeled=done)
    assert not {path.name for path in plain.files} & {path.name for path in first.files}
    assert set(plain.labeled) == set(first.files)

    model = RidgeSegmenter(image_size=32, device="cpu").fit(first.files, masks)
    model.save(tmp_path / "model")
    said = []
    weighed = from_folders(
        sites,
        tmp_path / "third",
        4,
        labeled=done,
        model=tmp_path / "model",
        on_message=said.append,
    )
    record = json.loads((tmp_path / "third" / "selection.json").read_text())
    expected = [entropy(model.predict_proba([path]))[0] for path in weighed.target]
    np.testing.assert_allclose(record["sample_weight"], expected, rtol=1e-4)
    assert record["model"]["weights_sha256"] == model.weights_sha256_
    rows = [weighed.target.index(path) for path in weighed.labeled]
    candidates = [row for row, path in enumerate(weighed.target) if path not in weighed.junk]
    again = (
        XSSRSelector()
        .fit(weighed.source_embeddings)
        .select(
            weighed.target_embeddings,
            4,
            labeled=rows,
            candidates=candidates,
            sample_weight=record["sample_weight"],
        )
    )
    assert [weighed.target[row] for row in again] == weighed.files
    assert any("entropy of the model" in text for text in said)
    with pytest.raises(ValueError, match="holds no saved segmenter"):
        from_folders(sites, tmp_path / "fourth", 4, model=tmp_path / "masks")


def test_what_cannot_be_met_is_said_before_anything_is_embedded(sites, tmp_path, monkeypatch):
    monkeypatch.setattr(
        RandomFeaturesEmbedder, "fit", lambda *_: pytest.fail("embedded before checking")
    )
    for options, message in (
        ({"budget": Budget(99, "patients"), "group_pattern": PATTERN}, "at most"),
        ({"budget": Budget(9, "minutes")}, "--minutes-per-label"),
        ({"budget": 3, "min_per_site": 2}, "--site-from"),
        ({"budget": 3, "labeled": ["nobody.png"]}, "no target images"),
    ):
        with pytest.raises(ValueError, match=message):
            from_folders(sites, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_time_is_told_before_it_is_spent(monkeypatch):
    class Slow:
        calls = []

        def transform(self, images):
            self.calls.append(len(images))
            return np.zeros((len(images), 1))

    clock = iter([0.0, 2.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    said = []
    timed_transform(Slow(), np.zeros((640, 2, 2)), said.append)
    assert Slow.calls == [32, 640]
    assert said == ["Embedding 640 images takes about 40 s (measured on 32 of them)."]
    timed_transform(Slow(), np.zeros((20, 2, 2)), said.append)  # few: not worth a trial
    assert len(said) == 1
    assert [in_words(s) for s in (40, 600, 7200)] == ["40 s", "10 min", "2.0 h"]
