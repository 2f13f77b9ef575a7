"""Data shared by the tests of selection."""

import signal

import numpy as np
import pytest


def lattice(n, p, side, seed):
    """Integer points, so that ties abound and squared distances are exact."""
    return np.random.default_rng(seed).integers(0, side, size=(n, p)).astype(np.float64)


def normal(n, p, seed):
    return np.random.default_rng(seed).normal(size=(n, p))


DATA = {
    "normal": normal(60, 3, 0),
    "lattice": lattice(60, 2, 5, 1),
    "line": np.arange(40.0)[:, None],
    "duplicates": np.repeat(normal(12, 4, 2), 5, axis=0),
    "mostly one value": np.vstack([np.zeros((30, 2)), lattice(10, 2, 3, 3)]),
    "all equal": np.full((20, 3), 0.1),
    "constant columns": np.column_stack([np.full(40, 7.0), normal(40, 2, 4), np.zeros(40)]),
    "one column": normal(50, 1, 5),
    "one row": normal(1, 3, 6),
    "two rows": normal(2, 3, 7),
    "far from the origin": normal(50, 3, 8) + 1e6,
}


@pytest.fixture(params=list(DATA), ids=lambda name: name.replace(" ", "_"))
def data(request):
    """Every kind of legal data."""
    return DATA[request.param].copy()


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture
def pool():
    """Untied target rows."""
    return normal(80, 3, 10)


@pytest.fixture
def source():
    return normal(30, 3, 11) + 0.5


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_arrives():
    """Some runners, and `make test &`, start the tests with SIGINT ignored."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
