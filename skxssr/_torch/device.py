"""Where to compute."""

import torch

__all__ = ["resolve_device"]


def resolve_device(device: str) -> torch.device:
    """The device a name stands for; "auto" is a GPU where there is one."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({reason}). "
            "Use device='auto' or 'cpu', or install the torch build for your accelerator"
        ) from error
    return chosen
