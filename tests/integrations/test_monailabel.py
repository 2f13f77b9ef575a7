"""The strategy of MONAI Label on its own datastore and, where that is, under its server.

Runs where MONAI Label is:
`python -m tests.environments monailabel -m pytest tests/integrations/test_monailabel.py`,
with `monailabel-server` for the last test too.
"""

import logging
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.preprocessing import FunctionTransformer

from skxssr import CoreSetSelector, MAEEmbedder, XSSRSelector
from skxssr.io import Images
from skxssr.workflows.export import export_selection
from skxssr.workflows.select import select_from_folders
from tests import naive
from tests.conftest import normal
from tests.workflows.test_export import make

pytest.importorskip(
    "monailabel", reason="MONAI Label has an environment of its own: tests/environments.py"
)
from monailabel.config import settings
from monailabel.datastore.local import LocalDatastore
from monailabel.tasks.activelearning.first import First

from skxssr.integrations.monailabel import XSSRStrategy

N = 20
REQUEST = {"strategy": "xssr"}
DAY = 24 * 60 * 60


@pytest.fixture
def X():
    """A row an image, of values that PNG can hold."""
    return np.random.default_rng(0).integers(0, 200, size=(N, 2)) / 255


@pytest.fixture
def studies(X, tmp_path):
    """Images of two pixels, their values the rows of X."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for i, row in enumerate(X):
        pixels = np.round(row[None] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"film{i:02}.png")
    return folder


@pytest.fixture
def datastore(studies):
    return LocalDatastore(str(studies), extensions=("*.png",))


def test_an_export_is_a_datastore_in_pick_order(tmp_path):
    export = export_selection(make(tmp_path), "monai-label")
    extensions = settings.MONAI_LABEL_DATASTORE_FILE_EXT  # the default of the server
    store = LocalDatastore(str(export.folder), extensions=extensions)
    assert sorted(store.list_images()) == [item.file.rsplit(".", 1)[0] for item in export.items]
    assert sorted(store.get_unlabeled_images()) == sorted(store.list_images())
    first = export.items[0].file
    Image.new("L", (12, 8), 1).save(export.folder / "labels" / "final" / f"{first[:-4]}.png")
    store = LocalDatastore(str(export.folder), extensions=extensions)
    assert first[:-4] not in store.get_unlabeled_images()


def image_of(i):
    return f"film{i:02}"


def number(image):
    return int(image[-2:])


def k_center(first=7):
    return CoreSetSelector(preprocess=None, initialize=first)


def by_id(X):
    return {image_of(i): row for i, row in enumerate(X)}


def annotate(datastore, image, folder):
    label = Path(folder, "label.png")
    Image.fromarray(np.zeros((1, 2), dtype=np.uint8)).save(label)
    datastore.save_label(image, str(label), "final", {})


def serve(strategy, datastore, when=None):
    """What the endpoint does: ask the strategy, and note when its image was handed out."""
    image = strategy(REQUEST, datastore)["id"]
    info = datastore.get_image_info(image).get("strategy", {})
    info["xssr"] = {"ts": int(time.time() if when is None else when), "client_id": "someone"}
    datastore.update_image_info(image, {"strategy": info})
    return number(image)


@pytest.fixture
def strategy(X):
    return XSSRStrategy(by_id(X), 4, selector=k_center())


def test_batches_of_annotated_images_are_those_of_naive_k_center(strategy, datastore, X, tmp_path):
    handed_out = []
    for _ in range(12):
        handed_out.append(serve(strategy, datastore))
        annotate(datastore, image_of(handed_out[-1]), tmp_path)
    assert handed_out == naive.k_center(X, 12, 7)
    assert len(datastore.get_labeled_images()) == 12


def test_an_image_is_named_again_until_it_is_labelled_or_handed_out(strategy, datastore, tmp_path):
    first = strategy(REQUEST, datastore)
    assert set(first) == {"id"}
    assert strategy(REQUEST, datastore) == first
    annotate(datastore, first["id"], tmp_path)
    assert strategy(REQUEST, datastore) != first


def test_two_annotators_never_work_on_the_same_image(strategy, datastore, X):
    handed_out = [serve(strategy, datastore) for _ in range(N)]
    assert handed_out == naive.k_center(X, N, 7)  # what is out counts as covered
    assert sorted(handed_out) == list(range(N))


def test_when_all_are_out_the_one_longest_out_comes_next(strategy, datastore):
    now = time.time()
    order = [serve(strategy, datastore, now - 1000 + i) for i in range(N)]
    assert [serve(strategy, datastore) for _ in range(3)] == order[:3]


def test_an_image_without_label_is_open_again_after_a_day(strategy, datastore, X):
    yesterday = time.time() - DAY - 60
    first = serve(strategy, datastore, yesterday)
    assert serve(strategy, datastore) == first
    # and a new batch, as after a restart, may hold it again
    again = XSSRStrategy(by_id(X), 4, selector=k_center())
    datastore.update_image_info(image_of(first), {"strategy": {"xssr": {"ts": int(yesterday)}}})
    assert serve(again, datastore) == first


def test_nothing_is_left_when_all_is_labelled(strategy, datastore, tmp_path):
    for i in range(N):
        annotate(datastore, image_of(i), tmp_path)
    assert strategy(REQUEST, datastore) is None
    assert First()(REQUEST, datastore) is None  # as their own


def test_a_transformer_sees_each_image_once_by_its_path(datastore, studies, X, tmp_path):
    seen = []

    def embed(paths):
        seen.extend(paths)
        return np.array([image.ravel() for image in Images(paths)])

    strategy = XSSRStrategy(FunctionTransformer(embed), 2, selector=k_center())
    for pick in naive.k_center(X, 6, 7):
        image = strategy(REQUEST, datastore)["id"]
        assert number(image) == pick
        annotate(datastore, image, tmp_path)
    assert seen == [str(studies / f"film{i:02}.png") for i in range(N)]
    new = tmp_path / "new.png"
    Image.fromarray(np.full((1, 2), 255, dtype=np.uint8)).save(new)
    datastore.add_image("new", str(new), {})
    assert strategy(REQUEST, datastore)["id"] == "new"  # far from all
    assert len(seen) == N + 1


def test_images_without_an_embedding_come_last(datastore, X, tmp_path, caplog):
    known = {image: row for image, row in by_id(X).items() if number(image) < 5}
    strategy = XSSRStrategy(known, 22)
    with caplog.at_level(logging.WARNING, logger="skxssr"):
        handed_out = [serve(strategy, datastore) for _ in range(8)]
    assert sorted(handed_out[:5]) == list(range(5))
    assert len(set(handed_out)) == 8
    assert "15 of 20 images have no embedding" in caplog.text


def test_a_source_is_that_of_a_fitted_selector(datastore, X):
    source = normal(30, 2, 1)
    expected = [image_of(i) for i in XSSRSelector().fit(source).select(X, 3)]
    for how in ({"source": source}, {"selector": XSSRSelector().fit(source)}):
        strategy = XSSRStrategy(by_id(X), 3, **how)
        assert strategy(REQUEST, datastore)["id"] == expected[0]
        assert strategy._batch == expected
        assert strategy.selector.selection_.n_source_samples == 30


def test_what_the_command_line_selected_is_handed_out_in_its_order(studies, datastore, tmp_path):
    pytest.importorskip("timm", reason="the embedder needs timm")
    source = tmp_path / "source"
    source.mkdir()
    for i, pixels in enumerate(np.random.default_rng(1).integers(0, 255, (8, 1, 2))):
        Image.fromarray(pixels.astype(np.uint8)).save(source / f"{i}.png")
    embedder = MAEEmbedder(
        image_size=32, patch_size=16, embed_dim=16, depth=1, decoder_dim=16, steps=2, random_state=0
    )
    chosen = select_from_folders(
        source,
        studies,
        5,
        tmp_path / "out",
        embedder=embedder,
        selector=XSSRSelector(),
        keep_junk=True,  # two pixels look like junk
        verbose=0,
    )
    # as in the docstring
    stored = np.load(tmp_path / "out" / "embeddings.npz")
    ids = [Path(name).stem for name in stored["target_files"]]
    embeddings = dict(zip(ids, stored["target"], strict=True))
    strategy = XSSRStrategy(embeddings, 5, source=stored["source"])
    handed_out = [image_of(serve(strategy, datastore)) for _ in range(5)]
    assert handed_out == [path.stem for path in chosen.files]


def test_what_cannot_be_meant_is_refused(X):
    with pytest.raises(TypeError, match=r"embeddings must map .* Got ndarray"):
        XSSRStrategy(X, 5)


MAIN = """
import numpy as np
from monailabel.interfaces.app import MONAILabelApp
from skxssr.integrations.monailabel import XSSRStrategy


class App(MONAILabelApp):
    def init_strategies(self):
        stored = np.load(self.conf["embeddings"])
        return {"xssr": XSSRStrategy(dict(stored), 4)}
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a dozen packages of the server
def test_a_viewer_asks_the_server(studies, X, tmp_path, monkeypatch):
    pytest.importorskip("itk", reason="the server has an environment of its own: monailabel-server")
    from fastapi.testclient import TestClient
    from monailabel.app import app
    from monailabel.config import settings

    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(MAIN, encoding="utf-8")
    np.savez(tmp_path / "embeddings.npz", **by_id(X))
    for name, value in {
        "APP_DIR": str(tmp_path / "app"),
        "STUDIES": str(studies),
        "APP_CONF": {"embeddings": str(tmp_path / "embeddings.npz")},
        "DATASTORE_AUTO_RELOAD": False,
        "SESSION_PATH": str(tmp_path / "sessions"),
    }.items():
        monkeypatch.setattr(settings, f"MONAI_LABEL_{name}", value)

    viewer = TestClient(app)
    strategies = viewer.get("/info/").json()["strategies"]
    assert strategies == {"xssr": {"description": "4 images at a time by XSSRSelector"}}
    batch = [image_of(i) for i in XSSRSelector().select(X, 4)]
    answers = [viewer.post("/activelearning/xssr").json() for _ in range(4)]
    assert [answer["id"] for answer in answers] == batch
    assert all(Path(answer["path"]).is_file() for answer in answers)
    label = tmp_path / "label.png"
    Image.fromarray(np.zeros((1, 2), dtype=np.uint8)).save(label)
    for image in batch[:2]:
        with label.open("rb") as stream:
            done = viewer.put("/datastore/label", params={"image": image}, files={"label": stream})
        assert done.status_code == 200, done.text
    fifth = viewer.post("/activelearning/xssr").json()["id"]
    covered = [number(image) for image in batch]  # two labelled, two with their annotators
    assert fifth == image_of(XSSRSelector().select(X, 4, labeled=covered)[0])
