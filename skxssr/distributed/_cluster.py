"""Where tasks run: the user's client, or the default scheduler of Dask; and whether it can."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from skxssr._utils.optional import import_optional
from skxssr._utils.threads import limit_threads

# What decides the last bits of a result, or reads what the client sends.
PACKAGES = ("skxssr", "numpy", "scipy", "scikit-learn", "numba", "dask", "distributed")
CALLER = "Selection from a Dask array"


class Cluster:
    """Runs tasks on a client, or where there is none on the scheduler that Dask is set to.

    Parameters
    ----------
    client : distributed.Client, optional
        By default the client in force, if there is one.

    Raises
    ------
    ValueError
        The client is closed, or has no workers.
    RuntimeError
        A worker lacks the package, or has another version than the client.
    """

    def __init__(self, client: Any = None) -> None:
        self._dask = import_optional("dask", extra="dask", caller=CALLER)
        self.client = client if client is not None else _client_in_force()
        if self.client is not None:
            check_client(self.client)

    @property
    def n_threads(self) -> int:
        """Tasks that run at once."""
        if self.client is not None:
            return max(1, sum(self.client.nthreads().values()))
        from joblib import cpu_count

        return int(cpu_count())

    @property
    def least_memory(self) -> int:
        """Bytes that the smallest worker may use; 0: nobody says."""
        if self.client is None:
            return 0
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return min((int(worker["memory_limit"] or 0) for worker in workers), default=0)

    @contextmanager
    def _running(self) -> Iterator[None]:
        # the default scheduler computes in this process, where a matrix product on several threads
        # rounds otherwise than on one; workers are started with one each
        with (
            self.client.as_current() if self.client is not None else nullcontext(),
            limit_threads(1),
        ):
            yield

    def delayed(self, function: Any, *args: Any) -> Any:
        """A task, not run yet; equal calls are different tasks."""
        return self._dask.delayed(function, pure=False, traverse=False)(*args)

    def persist(self, tasks: list[Any]) -> list[Any]:
        """Run `tasks` and leave their results where they were computed."""
        with self._running():
            return list(self._dask.persist(*tasks, optimize_graph=False))

    def compute(self, tasks: list[Any]) -> list[Any]:
        """Run `tasks` and bring their results here."""
        with self._running():
            return list(self._dask.compute(*tasks, optimize_graph=False))


def _client_in_force() -> Any:
    import sys

    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def check_client(client: Any) -> None:
    """Refuse a client that cannot run what we send, before anything is sent."""
    if client.status != "running":
        raise ValueError(
            f"The client is {client.status}, not running: make a new one with "
            "distributed.Client(address)."
        )
    if not client.nthreads():
        raise ValueError(
            "The cluster has no workers: scale it up, or wait for some with "
            "client.wait_for_workers(1)."
        )

    def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
        # sent whole, since it is not at the top of this file: a worker may lack the package
        import importlib
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = {}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = None
        try:
            found["skxssr"] = importlib.import_module("skxssr").__version__
        except ImportError:
            found["skxssr"] = None
        return found

    check_versions(versions(PACKAGES), client.run(versions, PACKAGES))


def check_versions(here: dict[str, str | None], workers: dict[str, dict[str, str | None]]) -> None:
    """Refuse workers whose versions differ from those `here`: picks might differ then too."""
    for address, there in workers.items():
        if there["skxssr"] is None:
            raise RuntimeError(
                f"The worker {address} lacks the package skxssr {here['skxssr']}. Install it in "
                "the environment of the workers: pip install 'skxssr[dask]'."
            )
        other = {name: there[name] for name in here if there[name] != here[name]}
        if other:
            said = ", ".join(
                f"{name} {there} instead of {here[name]}" for name, there in other.items()
            )
            raise RuntimeError(
                f"The worker {address} has {said}. Client and workers must have the same versions, "
                "or picks could differ: install them from one list of requirements."
            )
