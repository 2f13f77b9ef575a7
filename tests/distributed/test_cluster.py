"""Two real worker processes: the same picks, and errors of clients that cannot be used."""

import numpy as np
import pytest

from skxssr import CoreSetSelector
from skxssr.distributed import select

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def pool():
    return np.random.default_rng(0).normal(size=(20_000, 6)).astype(np.float32)


def test_workers_pick_what_one_machine_picks(client, pool):
    lazy = da.from_array(pool, chunks=(7_000, 6))
    one = CoreSetSelector().select(pool, 25, return_selection=True)
    many = CoreSetSelector().select(lazy, 25, return_selection=True)
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)
    assert many.scales["n_blocks"] > 1


def test_a_closed_client_is_refused(client, cluster):
    other = distributed.Client(cluster)
    other.close()
    X = da.zeros((5, 2))
    with pytest.raises(ValueError, match="The client is closed, not running"):
        select(CoreSetSelector(), X, 2, client=other)


def test_a_folder_is_embedded_by_the_workers(client, cluster, tmp_path):
    pytest.importorskip("zarr")
    import dask
    from PIL import Image
    from sklearn.preprocessing import FunctionTransformer

    from skxssr.workflows.embed import embed_folder

    folder = tmp_path / "films"
    folder.mkdir()
    for name in "abc":
        pixels = np.random.default_rng(ord(name)).integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")

    def sizes(paths):
        return np.array([[path.stat().st_size, len(path.name)] for path in paths])

    given = {"embedder": FunctionTransformer(sizes), "refit": False, "verbose": 0}
    here = embed_folder(folder, tmp_path / "here.npz", **given)
    address = cluster.scheduler_address
    there = embed_folder(folder, tmp_path / "there.npz", **given, scheduler=address)
    np.testing.assert_array_equal(there.vectors, here.vectors)
    assert there.ids == here.ids
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ValueError, match="tcp://127.0.0.1:1 cannot be reached"),
    ):
        embed_folder(folder, tmp_path / "none.npz", **given, scheduler="tcp://127.0.0.1:1")
