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
