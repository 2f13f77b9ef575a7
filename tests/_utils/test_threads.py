"""Limits of threads: nothing of them is left, whoever was in them at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from threadpoolctl import ThreadpoolController

from skxssr import XSSRSelector
from skxssr._utils.threads import limit_threads
from tests.conftest import normal


def numbers():
    """Threads of each library of BLAS."""
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().select(user_api="blas").info()
    return {library["filepath"]: library["num_threads"] for library in found}


@pytest.fixture(autouse=True)
def three_threads():
    """More than one, whatever the environment says."""
    numbers()
    with ThreadpoolController().limit(limits=3, user_api="blas"):
        if set(numbers().values()) != {3}:
            pytest.skip("this BLAS does not say how many threads it uses")
        yield


def test_the_last_to_leave_restores_the_number_though_the_first_came_first():
    """The first leaves while the second is inside, which lies within no order of nesting."""
    inside, left = Event(), Event()

    def second():
        with limit_threads(1):
            inside.set()
            assert left.wait(60)
            return numbers()

    with ThreadPoolExecutor(1) as pool:
        with limit_threads(1):
            result = pool.submit(second)
            assert inside.wait(60)
        still_inside = numbers()
        left.set()
        assert set(result.result().values()) == set(still_inside.values()) == {1}
    assert set(numbers().values()) == {3}


def test_the_smallest_number_asked_for_holds():
    with limit_threads(2):
        assert set(numbers().values()) == {2}
        with limit_threads(1):
            assert set(numbers().values()) == {1}
        assert set(numbers().values()) == {2}
    assert set(numbers().values()) == {3}


def test_an_error_inside_leaves_nothing_behind():
    with pytest.raises(RuntimeError), limit_threads(1):
        raise RuntimeError
    assert set(numbers().values()) == {3}


def test_selections_at_once_agree_and_leave_the_number_as_it_was():
    X, together = normal(300, 40, 0), Barrier(4)
    expected = XSSRSelector().select(X, 9).tolist()

    def select(_):
        together.wait(60)
        return [XSSRSelector().select(X, 9).tolist() for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        for picks in pool.map(select, range(4)):
            assert picks == [expected] * 3
    assert set(numbers().values()) == {3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_within_a_limit_can_take_limits_of_its_own():
    with limit_threads(1):
        child = os.fork()
        if not child:
            try:
                with limit_threads(1):
                    os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
