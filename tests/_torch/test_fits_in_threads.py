"""Fits in threads, all at once, against the same fit alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skxssr import MAEEmbedder  # noqa: E402
from skxssr._torch import loop  # noqa: E402
from skxssr._torch.global_state import deterministic_cudnn, seeded  # noqa: E402
from tests._torch.test_checkpoint import FILMS, MAE, MASKS, UNET  # noqa: E402
from tests._torch.test_loop import Loss, Net, dataset, one_thread, recipe, same, weights  # noqa: E402, F401

CPU = torch.device("cpu")
THREADS = 4


def at_once(function):
    """What `function` gives in each of four threads that start together."""
    start = threading.Barrier(THREADS)

    def run(_):
        start.wait()
        return function()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.fixture
def untouched():
    """torch's global generator and cudnn's flags must be afterwards as they were."""
    cudnn = torch.backends.cudnn
    torch.manual_seed(5)
    before = torch.get_rng_state(), (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == before[1]


@pytest.mark.parametrize("random_state", [0, 1, 2])
def test_embedders(untouched, random_state):
    def fit():
        settings = MAE | {"steps": 8, "random_state": random_state}
        return MAEEmbedder(**settings).fit(FILMS).weights_sha256_

    assert set(at_once(fit)) == {fit()}


def test_segmenters(untouched):
    pytest.importorskip("segmentation_models_pytorch")
    from skxssr import SMPSegmenter

    def fit():
        segmenter = SMPSegmenter(**UNET | {"steps": 5}, augment="strong")
        return segmenter.fit(FILMS, MASKS).weights_sha256_

    assert set(at_once(fit)) == {fit()}


def test_a_network_with_dropout(untouched):
    def fit():
        net = Net()
        loop.train(net, dataset(), Loss(), recipe())
        return weights(net)

    alone = fit()
    assert all(same(alone, other) for other in at_once(fit))


def test_seeded_blocks_do_not_mix(untouched):
    def draws():
        found = []
        for seed in range(40):
            with seeded(seed, CPU):
                found += [torch.rand(3), torch.rand(3)]
        return torch.cat(found)

    expected = draws()
    assert all(torch.equal(expected, other) for other in at_once(draws))


def test_seeded_blocks_may_be_nested_and_fail(untouched):
    with seeded(1, CPU):
        first = torch.rand(3)
        with pytest.raises(ZeroDivisionError), seeded(2, CPU):
            torch.rand(3)
            1 / 0  # noqa: B018
        rest = torch.rand(3)
    with seeded(1, CPU):
        np.testing.assert_array_equal(torch.rand(6), torch.cat([first, rest]))


def test_the_flags_of_cudnn_last_until_the_last_thread_is_done(untouched):
    one, two = deterministic_cudnn(), deterministic_cudnn()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert torch.backends.cudnn.deterministic
    two.__exit__(None, None, None)
