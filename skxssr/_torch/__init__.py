"""Everything that runs on torch. This file imports torch nowhere: it checks that torch can be.

`_torch` may import torch, timm, segmentation_models_pytorch, torchvision, lightning_fabric and
safetensors at the top of its modules, and from skxssr `io`, `exceptions`, `_optional` and
`_progress` alone. Estimators call `backend` inside their methods.
"""

import importlib
import os
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skxssr._utils.optional import import_optional

_NEEDS = {
    "torch": ("torch", "timm", "lightning_fabric", "safetensors"),
    "contrastive": ("torch", "timm", "lightning_fabric", "safetensors", "lightly"),
    "seg": ("torch", "timm", "lightning_fabric", "safetensors", "segmentation_models_pytorch"),
}
_TORCH_ALONE = {"bounds"}  # modules that need no more

# of the parameters that every trained estimator has; `loop.TrainingConfig.of` reads most of them
TRAINING_CONSTRAINTS: dict = {
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "warmup": [Interval(Real, 0, 1, closed="left")],
    "device": [str],
    "devices": [Interval(Integral, 1, None, closed="left")],
    "precision": [StrOptions({"auto", "32-true", "16-mixed", "bf16-mixed"})],
    "checkpoint_dir": [str, os.PathLike, None],
    "cache_dir": [str, os.PathLike, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def backend(module: str, *, caller: str, extra: str = "torch") -> Any:
    """The module `skxssr._torch.<module>`, or an error that says which extra is missing."""
    for package in ("torch",) if module in _TORCH_ALONE else _NEEDS[extra]:
        import_optional(package, extra=extra, caller=caller)
    return importlib.import_module(f"skxssr._torch.{module}")
