"""Everything that runs on torch. This file imports torch nowhere: it checks that torch can be.

`_torch` may import torch, timm, segmentation_models_pytorch, torchvision, lightning_fabric and
safetensors at the top of its modules, and from skxssr `io`, `exceptions`, `_optional` and
`_progress` alone. Estimators call `backend` inside their methods.
"""

import importlib
from typing import Any

from skxssr._optional import import_optional

_NEEDS = {
    "torch": ("torch", "timm", "lightning_fabric", "safetensors"),
    "seg": ("torch", "timm", "lightning_fabric", "safetensors", "segmentation_models_pytorch"),
}


def backend(module: str, *, caller: str, extra: str = "torch") -> Any:
    """The module `skxssr._torch.<module>`, or an error that says which extra is missing."""
    for package in _NEEDS[extra]:
        import_optional(package, extra=extra, caller=caller)
    return importlib.import_module(f"skxssr._torch.{module}")
