"""Embedding in blocks: the numbers of one process, names, and going on after an error."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skxssr.distributed import _embed, embed, read_ids

da = pytest.importorskip("dask.array")
zarr = pytest.importorskip("zarr")

pytestmark = pytest.mark.usefixtures("in_this_thread")


class Lengths(TransformerMixin, BaseEstimator):
    """Two numbers of a path; breaks at paths that hold a word."""

    calls: list = []

    def __init__(self, factor=1.0, breaks_at="never"):
        self.factor, self.breaks_at = factor, breaks_at

    def fit(self, X, y=None):
        return self

    def transform(self, paths):
        if any(self.breaks_at in path for path in paths):
            raise OSError("it broke")
        self.calls.append(list(paths))
        return np.array([[self.factor * len(path), self.factor] for path in paths])


PATHS = ["x" * k + "é.png" for k in range(1, 12)]


@pytest.fixture(autouse=True)
def no_calls():
    Lengths.calls.clear()


def test_the_numbers_and_names_of_one_process(tmp_path):
    Z = embed(PATHS, Lengths(), out=tmp_path / "z.zarr", block_size=4)
    assert Z.chunks == ((4, 4, 3), (2,))
    assert Z.dtype == np.float32
    np.testing.assert_array_equal(Z.compute(), Lengths().transform(PATHS).astype(np.float32))
    assert read_ids(tmp_path / "z.zarr") == PATHS


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(_embed, "_WAVE", 2)  # blocks at a time, in an order of Dask's own
    monkeypatch.setattr(_embed.Cluster, "n_threads", 1)
    out = tmp_path / "z.zarr"
    with pytest.raises(OSError, match="it broke"):
        embed(PATHS, Lengths(breaks_at=PATHS[9]), out=out, block_size=2)
    Lengths.calls.clear()
    Z = embed(PATHS, Lengths(), out=out, block_size=2)
    np.testing.assert_array_equal(Z.compute()[:, 0], [len(path) for path in PATHS])
    again = [path for call in Lengths.calls[1:] for path in call]  # the first is to compare with
    assert PATHS[9] in again
    assert set(again) <= set(PATHS[8:])
    Lengths.calls.clear()
    embed(PATHS, Lengths(), out=out, block_size=2)
    assert Lengths.calls == [PATHS[:1]]


def test_another_store_is_not_gone_on_with(tmp_path):
    out = tmp_path / "z.zarr"
    embed(PATHS, Lengths(), out=out)
    with pytest.raises(ValueError, match="embeddings of other images"):
        embed(PATHS[::-1], Lengths(), out=out)
    with pytest.raises(ValueError, match="another embedder, which gives other numbers for 'xé.png"):
        embed(PATHS, Lengths(factor=2.0), out=out)
    with pytest.raises(ValueError, match=r"begun with block_size=256. Got 8"):
        embed(PATHS, Lengths(), out=out, block_size=8)
    zarr.open_group(str(tmp_path / "other"), mode="w").create_array(
        "a", shape=(1,), dtype="uint8", chunks=(1,)
    )
    with pytest.raises(ValueError, match="holds other data"):
        embed(PATHS, Lengths(), out=tmp_path / "other")


def test_bad_input_is_said_before_anything_is_written(tmp_path):
    out = tmp_path / "z.zarr"
    with pytest.raises(ValueError, match="no images"):
        embed([], Lengths(), out=out)
    with pytest.raises(ValueError, match="ids has 1 entries, but there are 11 images"):
        embed(PATHS, Lengths(), out=out, ids=["a"])
    with pytest.raises(ValueError, match="'a' is there twice"):
        embed(PATHS[:2], Lengths(), out=out, ids=["a", "a"])
    with pytest.raises(ValueError, match="block_size must be at least 1"):
        embed(PATHS, Lengths(), out=out, block_size=0)
    assert not out.exists()
    with pytest.raises(ValueError, match=r"embedding of 'xé.png' is not finite"):
        embed(PATHS, Lengths(factor=np.nan), out=out)
    assert not out.exists()
