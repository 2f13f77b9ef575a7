"""Skips where Dask is missing; one cluster of two worker processes for a file that asks for it."""

import pytest

pytest.importorskip("dask.array", reason="the extra dask is not installed")


@pytest.fixture
def in_this_thread():
    """The scheduler of Dask that runs one task after the other, here."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each, and what starts and kills them."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=120)
        yield client
