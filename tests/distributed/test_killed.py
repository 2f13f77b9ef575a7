"""Processes that are killed in the middle of a selection: the picks are the same."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from skxssr import CoreSetSelector, TypiClustSelector
from skxssr.distributed import _clusters, _rounds, select

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


def rows(n=9_000):
    return np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)


def kill_a_worker(client):
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


@pytest.fixture
def after_round(monkeypatch):
    """Calls a function once, at the beginning of a round."""

    def set_up(n, call):
        ask, asked = _rounds.Rounds._ask, []

        def asks(self, q):
            asked.append(q)
            if len(asked) == n:
                call()
            return ask(self, q)

        monkeypatch.setattr(_rounds.Rounds, "_ask", asks)

    return set_up


def test_a_worker_killed_between_rounds(client, after_round):
    selector = CoreSetSelector()
    one = selector.select(rows(), 20, return_selection=True)
    after_round(3, lambda: kill_a_worker(client))
    lazy = da.from_array(rows(), chunks=(4_000, 4))
    many = select(selector, lazy, 20, client=client, return_selection=True)
    np.testing.assert_array_equal(many.indices, one.indices)
    np.testing.assert_array_equal(many.scores, one.scores)
    assert many.scales["n_blocks_rebuilt"] > 0


def test_a_worker_killed_once_centers_are_known(client, monkeypatch):
    selector, number = TypiClustSelector(n_init=1), _clusters.number_clusters
    one = selector.select(rows(), 8)

    def kills(raw):
        kill_a_worker(client)
        return number(raw)

    monkeypatch.setattr(_clusters, "number_clusters", kills)
    lazy = da.from_array(rows(), chunks=(4_000, 4))
    np.testing.assert_array_equal(select(selector, lazy, 8, client=client), one)


def test_a_scheduler_killed_and_the_selection_resumed(tmp_path, after_round, monkeypatch):
    import dask

    path, address = tmp_path / "picks.json", tmp_path / "scheduler.json"
    selector, lazy = CoreSetSelector(), da.from_array(rows(), chunks=(4_000, 4))
    whole = selector.select(rows(), 20)
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--port", "0", "--no-dashboard", "--scheduler-file", str(address)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny"]
    worker += ["--nthreads", "1", "--scheduler-file", str(address)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen([*command, *options], cwd=tmp_path, **quiet)]
    try:
        processes.append(subprocess.Popen(worker, cwd=tmp_path, **quiet))
        with dask.config.set({"distributed.comm.timeouts.connect": "3s"}):
            client = distributed.Client(scheduler_file=str(address), timeout=120)
            client.wait_for_workers(1, timeout=120)
            after_round(3, processes[0].kill)
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever Dask says of it
                select(selector, lazy, 20, client=client, resume=path)
            client.close(timeout=5)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    monkeypatch.undo()
    with dask.config.set(scheduler="synchronous"):
        again = select(selector, lazy, 20, resume=path, return_selection=True)
    assert again.scales["n_picks_resumed"] > 0
    np.testing.assert_array_equal(again.indices, whole)
