"""The state of a training run in one file: whole, checked, and of this run.

The file is a line that names the format, the SHA-256 of the rest, and the rest, which `torch.load`
reads without unpickling anything but tensors and plain values. It is one file, replaced as a whole,
so that there is no moment at which a kill could part a state from its checksum.
"""

import hashlib
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from skxssr.exceptions import DamagedFileError

__all__ = ["Checkpoint"]

NAME = "last.ckpt"
FORMAT = b"skxssr checkpoint 2\n"
SECONDS = 60.0  # between two writings
HEADER = len(FORMAT) + hashlib.sha256().digest_size


class Checkpoint:
    """All that a run needs to go on. `identity` is what tells it from other runs, by name."""

    def __init__(
        self,
        folder: str | os.PathLike,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        identity: dict[str, Any],
        *,
        writes: bool,
    ) -> None:
        self.path = Path(folder, NAME)
        self.module, self.optimizer, self.writes = module, optimizer, writes
        self.identity = json.dumps(identity)
        self.written = time.monotonic()
        if writes:
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def resume(self) -> list[float]:
        """Load the checkpoint if there is one; the losses of the steps already done."""
        if not self.path.exists():
            return []
        state = self._read()
        differing = _differences(json.loads(state["identity"]), json.loads(self.identity))
        if differing:
            raise ValueError(
                f"checkpoint_dir={str(self.path.parent)!r} holds a run that differs in "
                f"{', '.join(differing)}. Pass another folder, or delete {self.path} to start "
                "anew; to resume a run, random_state must be the same integer"
            )
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        return list(state["losses"])

    def after_step(self, losses: list[float], steps: int, *, interrupted: bool) -> None:
        """Write once a minute, after the last step, and before stopping for Ctrl-C."""
        due = time.monotonic() - self.written > SECONDS
        if self.writes and (due or interrupted or len(losses) == steps):
            self._write(losses)
            self.written = time.monotonic()
        if interrupted:
            raise KeyboardInterrupt(
                f"training stopped after step {len(losses)} of {steps}; the state is in "
                f"{self.path}. Fitting again with the same parameters, images and checkpoint_dir "
                "goes on from there"
            )

    def _read(self) -> dict[str, Any]:
        found = self.path.read_bytes()
        trouble = None
        if not found.startswith(FORMAT):
            trouble = "is no checkpoint of this version of skxssr, or was damaged at its beginning"
        elif hashlib.sha256(found[HEADER:]).digest() != found[len(FORMAT) : HEADER]:
            trouble = "is damaged: it does not match the SHA-256 that was written with it"
        if trouble is not None:
            raise DamagedFileError(
                f"{self.path} {trouble}. Delete it to start the training anew, or put back a copy "
                "that is whole"
            )
        return torch.load(io.BytesIO(found[HEADER:]), map_location="cpu", weights_only=True)

    def _write(self, losses: list[float]) -> None:
        state = {
            "identity": self.identity,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": losses,
        }
        payload = io.BytesIO()
        torch.save(state, payload)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as stream:
            stream.write(FORMAT + hashlib.sha256(payload.getbuffer()).digest())
            stream.write(payload.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())  # or a power cut could leave the new name without its bytes
        os.replace(partial, self.path)


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, with both values where they are not hashes of something larger."""
    found = []
    for name in dict.fromkeys([*now, *then]):
        there, here = (json.dumps(side[name]) if name in side else "unset" for side in (then, now))
        if there != here:
            hashes = max(len(there), len(here)) > 60
            found.append(name if hashes else f"{name} ({there} there, {here} here)")
    return found
