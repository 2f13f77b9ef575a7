"""The training loop: resuming, seeds, interrupts, failures, batches."""

import math
import os
import signal
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skxssr._torch import images as squares  # noqa: E402
from skxssr._torch import loop  # noqa: E402
from skxssr._torch.device import resolve_device  # noqa: E402
from skxssr.io import Images, Masks  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Net(torch.nn.Module):
    """Dropout and batch normalisation: what a resumed run can get wrong."""

    def __init__(self):
        super().__init__()
        with loop.seeded(0, torch.device("cpu")):
            self.layers = torch.nn.Sequential(
                torch.nn.Conv2d(1, 4, 3),
                torch.nn.BatchNorm2d(4),
                torch.nn.Dropout(0.3),
                torch.nn.Flatten(),
                torch.nn.Linear(4 * 6 * 6, 1),
            )

    def forward(self, x):
        return self.layers(x)


class Loss:
    """Squared error to a random target; can stop the run after a step or spoil it."""

    def __init__(self, interrupt_at=None, infinite_at=None):
        self.calls, self.interrupt_at, self.infinite_at = 0, interrupt_at, infinite_at

    def __call__(self, module, batch, generator):
        self.calls += 1
        if self.calls == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        loss = ((module(batch[0]) - torch.rand(1, generator=generator)) ** 2).mean()
        return loss * math.nan if self.calls == self.infinite_at else loss


def dataset(n=5):
    return squares.SquareDataset(Images(np.random.default_rng(0).random((n, 8, 8))), 8, 1)


def recipe(**changes):
    fixed = {
        "steps": 12,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
        "warmup": 0.2,
        "seed": 3,
        "device": "cpu",
    }
    return loop.TrainingConfig(**(fixed | changes))


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def undisturbed():
    net = Net()
    losses = loop.train(net, dataset(), Loss(), recipe())
    return weights(net), losses


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(undisturbed):
    again, other = Net(), Net()
    torch.manual_seed(99)  # of no consequence
    losses = loop.train(again, dataset(), Loss(), recipe())
    loop.train(other, dataset(), Loss(), recipe(seed=4))
    assert same(weights(again), undisturbed[0])
    np.testing.assert_array_equal(losses, undisturbed[1])
    assert not same(weights(other), undisturbed[0])


@pytest.mark.parametrize("step", [1, 7, 12])
def test_a_run_resumed_after_ctrl_c_equals_an_undisturbed_one(tmp_path, undisturbed, step):
    setting = recipe(checkpoint_dir=tmp_path / "new" / "folder")
    with pytest.raises(KeyboardInterrupt, match=rf"after step {step} of 12.*last\.ckpt"):
        loop.train(Net(), dataset(), Loss(interrupt_at=step), setting)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    net, rest = Net(), Loss()
    losses = loop.train(net, dataset(), rest, setting)
    assert rest.calls == 12 - step
    assert same(weights(net), undisturbed[0])
    np.testing.assert_array_equal(losses, undisturbed[1])


def test_a_finished_run_is_not_repeated(tmp_path, undisturbed):
    setting = recipe(checkpoint_dir=tmp_path)
    loop.train(Net(), dataset(), Loss(), setting)
    net, rest = Net(), Loss()
    loop.train(net, dataset(), rest, setting)
    assert rest.calls == 0
    assert same(weights(net), undisturbed[0])


def test_without_checkpoint_dir_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        loop.train(Net(), dataset(), Loss(interrupt_at=2), recipe())


def test_a_loss_that_is_not_finite_names_step_rate_and_remedy():
    with pytest.raises(FloatingPointError, match=r"nan at step 3 of 12.*learning_rate.*try 0\.001"):
        loop.train(Net(), dataset(), Loss(infinite_at=3), recipe())


def test_the_global_generator_and_the_threads_are_left_as_they_were():
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), threading.active_count()
    loop.train(Net(), dataset(), Loss(), recipe(steps=2))
    with pytest.raises(FloatingPointError):
        loop.train(Net(), dataset(), Loss(infinite_at=1), recipe())
    assert torch.equal(torch.get_rng_state(), state)
    assert threading.active_count() == threads


def test_a_step_draws_from_two_generators_that_have_nothing_in_common():
    """With one seed for both, what is hidden would follow from where the image was cut."""
    draws = []

    def loss(module, batch, generator):
        draws.append((torch.rand(500), torch.rand(500, generator=generator)))
        return plain_loss(module, batch, generator)

    loop.train(Net(), dataset(), loss, recipe(steps=3))
    values = torch.cat([torch.stack(pair) for pair in draws])
    correlations = np.corrcoef(values) - np.eye(6)
    assert np.abs(correlations).max() < 0.2  # more than four deviations of independent draws


def test_precision_has_its_say_in_every_step_of_the_optimiser(monkeypatch):
    """With 16-bit floats gradients are scaled; a step past Fabric would leave them so."""
    from lightning_fabric.plugins.precision import Precision

    steps, step = [], Precision.optimizer_step

    def noted(self, *args, **kwargs):
        steps.append(self.precision)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Precision, "optimizer_step", noted)
    loop.train(Net(), dataset(), Loss(), recipe(steps=3))
    assert steps == ["32-true"] * 3


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="device='tpu9' cannot be used here"):
        loop.train(Net(), dataset(), Loss(), recipe(device="tpu9"))
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
            resolve_device("cuda")


@pytest.mark.parametrize(("n", "size"), [(1, 4), (3, 8), (10, 4), (7, 7)])
def test_batches_are_full_and_balanced(n, size):
    rows = np.concatenate([loop.rows_of_step(step, n, size, 0) for step in range(20)])
    assert len(rows) == 20 * size
    seen = np.bincount(rows, minlength=n)
    assert seen.max() - seen.min() <= 1
    epochs = rows[: len(rows) // n * n].reshape(-1, n)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(n), (len(epochs), 1)))


def test_the_learning_rate_follows_torchs_own_schedules():
    setting = recipe(steps=50, warmup=0.2)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1e-2)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, total_iters=9),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40),
        ],
        milestones=[10],
    )
    for step in range(50):
        assert setting.learning_rate_at(step) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()


@pytest.mark.slow
def test_two_processes_train_as_one(undisturbed):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))
    other.load_state_dict(net.state_dict())
    one = loop.train(net, dataset(), plain_loss, recipe(steps=3))
    two = loop.train(other, dataset(), plain_loss, recipe(steps=3, devices=2))
    assert len(one) == len(two) == 3
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="multiple of devices"):
        loop.train(other, dataset(), plain_loss, recipe(devices=3))


def plain_loss(module, batch, generator):
    return (module(batch[0]) ** 2).mean()


def test_results_come_in_order_and_errors_pass_through():
    assert list(squares.prefetch(lambda x: x * x, range(7))) == [x * x for x in range(7)]
    stream = squares.prefetch(lambda x: 1 // x, [1, 0, 1])
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        next(stream)


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (16, 16), (1, 50), (5, 5)])
def test_an_image_put_into_a_square_comes_back(shape):
    image = np.random.default_rng(0).random((*shape, 1), dtype=np.float32)
    at = squares.place(shape, 16)
    square = squares.to_square(image, 16, 1)
    assert square.shape == (1, 16, 16)
    assert at.height == 16 or at.width == 16
    filled = torch.zeros(16, 16)
    filled[at.top : at.top + at.height, at.left : at.left + at.width] = 1
    assert float(square[0][filled == 0].abs().sum()) == 0
    back = squares.from_square(square, at)
    assert back.shape == (1, *shape)
    if shape == (16, 16):
        np.testing.assert_array_equal(back[0], image[..., 0])
    # centred to within a pixel
    assert abs(at.top - (16 - at.top - at.height)) <= 1
    assert abs(at.left - (16 - at.left - at.width)) <= 1


def test_shrinking_averages_like_pillow():
    from PIL import Image

    image = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    ours = squares.to_square(image[..., None], 8, 1)[0]
    theirs = Image.fromarray(image).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(ours, np.array(theirs), atol=1e-5)


def test_colours_are_made_what_the_network_takes():
    from PIL import Image

    colour = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    luma = squares.to_square(Images(colour[None])[0], 8, 1)[0]
    pillow = np.array(Image.fromarray(colour).convert("L")) / 255
    np.testing.assert_allclose(luma, pillow, atol=0.51 / 255)
    gray = squares.to_square(np.full((8, 8, 1), 0.25, np.float32), 8, 3)
    assert gray.shape == (3, 8, 8)
    assert bool((gray == 0.25).all())
    mixed = [np.zeros((4, 4)), np.zeros((4, 4, 3))]
    assert squares.count_channels(Images(mixed)) == 3
    assert squares.count_channels(Images(mixed[:1])) == 1


def test_a_mask_pixel_takes_the_class_with_most_of_its_area():
    labels = np.zeros((4, 4), dtype=int)
    labels[:2, :2] = [[1, 1], [2, 1]]
    labels[2:, 2:] = 2
    square = squares.mask_to_square(labels, 2, 3)
    np.testing.assert_array_equal(square, [[1, 0], [0, 2]])


def test_a_large_set_is_read_again_not_kept(monkeypatch):
    images, masks = Images(np.zeros((3, 8, 8))), Masks(np.zeros((3, 8, 8), int))
    reads = []
    monkeypatch.setattr(
        squares, "to_square", lambda image, *rest: reads.append(1) or torch.zeros(1, 8, 8)
    )
    kept = squares.SquareDataset(images, 8, 1, masks=masks, encode=lambda m, name: m, n_classes=2)
    kept.take([0, 1, 0])
    kept.take([0, 2])
    assert len(reads) == 3
    monkeypatch.setattr(squares, "KEEP_BYTES", 100)
    read_again = squares.SquareDataset(images, 8, 1)
    read_again.take([0, 1])
    read_again.take([0, 1])
    assert len(reads) == 7


def test_seeds_of_longer_tuples_are_others():
    seeds = {loop.seed_of(*parts) for parts in [(3,), (3, 0), (3, 0, 0), (3, 1), (3, 1, 0)]}
    assert len(seeds) == 5
