"""The one training loop, shared by autoencoder and segmenter, on Lightning Fabric.

Every step is a function of (seed, step) and of the
state before it, so a run resumed from a checkpoint equals an undisturbed one bit for bit.
"""

import contextlib
import copy
import functools
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from timm.optim import param_groups_weight_decay

from skxssr._torch import TRAINING_CONSTRAINTS
from skxssr._torch.checkpoint import Checkpoint
from skxssr._torch.device import resolve_device
from skxssr._torch.global_state import deterministic_cudnn, seeded
from skxssr._torch.images import SquareDataset, staged
from skxssr._torch.threads import prefetch
from skxssr._torch.weights import digest
from skxssr._utils.parameters import RUN_ONLY, plain_parameters
from skxssr._utils.progress import progress_bar

__all__ = ["TrainingConfig", "seed_of", "seeded", "seeds_of_step", "train"]

# loss(module, batch, generator) -> scalar; the generator lives on the CPU and is seeded per step,
# as is torch's global one, with another seed
Loss = Callable[[torch.nn.Module, tuple[torch.Tensor, ...], torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; what a checkpoint must agree with is in `identity`.

    `parameters` are all those of the estimator that decide the result, as JSON can hold them.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float  # fraction of the steps
    seed: int
    betas: tuple[float, float] = (0.9, 0.999)
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    checkpoint_dir: str | os.PathLike | None = None
    verbose: int = 0
    label: str = "training"
    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, estimator: Any, **rest: Any) -> "TrainingConfig":
        """The parameters of an estimator that has them all, and the rest."""
        names = ("batch_size", *TRAINING_CONSTRAINTS.keys() - {"random_state", "cache_dir"})
        deciding = {
            # a fitted estimator (`init_from`) is told from others by its weights
            name: getattr(value, "weights_sha256_", value)
            for name, value in estimator.get_params(deep=False).items()
            if name not in RUN_ONLY | {"random_state"}  # `seed` is what that gave
        }
        parameters = {"estimator": type(estimator).__name__, **plain_parameters(deciding)}
        given = {name: getattr(estimator, name) for name in names}
        return cls(**given, parameters=parameters, **rest)

    def identity(self) -> dict[str, Any]:
        """What must not differ between the two halves of an interrupted run, by name."""
        names = ("steps", "batch_size", "learning_rate", "weight_decay", "warmup", "seed", "betas")
        return self.parameters | {name: getattr(self, name) for name in names}

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        warm = max(1, round(self.warmup * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        share = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def seed_of(*parts: int) -> int:
    """One 63-bit seed for a tuple of integers; near tuples give unrelated seeds.

    Their number comes first, since SeedSequence takes no notice of zeros at the end.
    """
    return int(
        np.random.SeedSequence((len(parts), *parts)).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def seeds_of_step(seed: int, step: int, rank: int = 0) -> tuple[int, int]:
    """The seeds of torch's global generator and of the loss's own in one step, unrelated.

    Crops and dropout draw from the first, masks from the second: with one seed for both, what is
    hidden would follow from where the image was cut.
    """
    return seed_of(seed, step, rank, 0), seed_of(seed, step, rank, 1)


def train(
    module: torch.nn.Module, data: SquareDataset, loss: Loss, recipe: TrainingConfig
) -> np.ndarray:
    """Train `module` in place for `recipe.steps` steps of AdamW.

    Batches are cut from one endless row of seeded permutations of the data, so that every batch is
    full however few images there are, and no image is drawn twice more than another.

    Returns
    -------
    ndarray of shape (steps,), float64
        The loss of each step, before its update.
    """
    device = resolve_device(recipe.device)
    if recipe.devices > 1 and recipe.batch_size % recipe.devices:
        raise ValueError(
            f"batch_size ({recipe.batch_size}) must be a multiple of devices ({recipe.devices}): "
            "each device takes an equal part of every batch"
        )
    fabric = Fabric(
        accelerator=device.type,
        devices=recipe.devices if device.index is None or recipe.devices > 1 else [device.index],
        # processes that end with the training, so that the caller's script runs once
        strategy="ddp_spawn" if recipe.devices > 1 else "auto",
        precision=_precision(recipe.precision, device),
    )
    run = functools.partial(_run, module=module, data=data, loss=loss, recipe=recipe)
    with data.spilling(recipe.steps * recipe.batch_size):
        losses, weights = fabric.launch(run)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    module.to("cpu").eval()
    return np.asarray(losses)


def _precision(precision: str, device: torch.device) -> Any:
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _run(
    fabric: Fabric, module: torch.nn.Module, data: SquareDataset, loss: Loss, recipe: TrainingConfig
) -> tuple[list[float], dict[str, np.ndarray]]:
    """The loop itself; with several devices one process for each runs it."""
    if fabric.world_size > 1:
        module = copy.deepcopy(module)  # torch hands processes one and the same memory
    groups = param_groups_weight_decay(module, recipe.weight_decay)  # no decay on biases and norms
    optimizer = torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        betas=recipe.betas,
        fused=fabric.device.type in ("cpu", "cuda"),  # one kernel for all weights
    )
    keeper = None
    if recipe.checkpoint_dir is not None:
        identity = {**recipe.identity(), **data.identity(), "weights at the start": digest(module)}
        keeper = Checkpoint(
            recipe.checkpoint_dir, module, optimizer, identity, writes=fabric.is_global_zero
        )
    wrapped, stepper = fabric.setup(module, optimizer)  # `optimizer` shares its state
    losses = [] if keeper is None else keeper.resume()
    wrapped.train()

    def batch(step: int) -> tuple[torch.Tensor, ...]:
        rows = rows_of_step(step, len(data), recipe.batch_size, recipe.seed)
        return staged(data.take(rows[fabric.global_rank :: fabric.world_size]), fabric.device)

    steps = range(len(losses), recipe.steps)
    shown = recipe.verbose if fabric.is_global_zero else 0
    with (
        deterministic_cudnn(),
        progress_bar(
            recipe.steps,
            recipe.label,
            verbose=shown,
            unit="step",
            done=len(losses),
            stays=True,  # with its last loss
        ) as bar,
        contextlib.closing(prefetch(batch, steps)) as stream,
        _interrupts_wait(active=keeper is not None) as interrupted,
    ):
        for step, tensors in zip(steps, stream, strict=True):
            global_seed, own_seed = seeds_of_step(recipe.seed, step, fabric.global_rank)
            generator = torch.Generator().manual_seed(own_seed)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate_at(step)
            optimizer.zero_grad()
            batch_there = fabric.to_device(tensors)
            with seeded(global_seed, fabric.device):  # nothing draws after the forward pass
                value = loss(wrapped, batch_there, generator)
            fabric.backward(value)
            stepper.step()
            losses.append(float(value.detach()))  # the one wait for a GPU, which has a step to do
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"the loss became {losses[-1]} at step {step + 1} of {recipe.steps} with "
                    f"learning_rate={recipe.learning_rate:g}. Lower learning_rate (try "
                    f"{recipe.learning_rate / 10:g}), or set precision='32-true'"
                )
            bar.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)  # `update` draws it in time
            bar.update()
            if keeper is not None:
                keeper.after_step(losses, recipe.steps, interrupted=interrupted())
    # as arrays: a tensor's memory would end with the process that trained it
    state = module.state_dict()
    return losses, {name: value.detach().cpu().numpy() for name, value in state.items()}


def rows_of_step(step: int, n: int, batch_size: int, seed: int) -> np.ndarray:
    """The indices of one batch: a cut of the endless row of permutations of range(n)."""
    first, last = step * batch_size, (step + 1) * batch_size
    epochs = range(first // n, (last - 1) // n + 1)
    row = np.concatenate([_shuffled(n, seed, epoch) for epoch in epochs])
    return row[first - epochs[0] * n : last - epochs[0] * n]


@functools.lru_cache(maxsize=2)
def _shuffled(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(n)


@contextlib.contextmanager
def _interrupts_wait(*, active: bool) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step (the second one does not), so that a step is whole."""
    pressed = False

    def note(signum: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    ours = (
        active
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
