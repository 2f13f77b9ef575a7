"""A timm model by name: how it wants its images, and its weights from the hub or from a file."""

import os
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
from timm.data import resolve_data_config
from torch import nn

from skxssr._torch.global_state import seeded

__all__ = ["timm_network", "timm_settings"]

CPU = torch.device("cpu")
PICKLED = (".pth", ".pt", ".bin")  # read with weights_only=True: tensors and plain values


def timm_settings(name: str) -> dict[str, Any]:
    """Parameters of `TorchEmbedder` as the model was trained: size, interpolation, mean and std."""
    settings = resolve_data_config(pretrained_cfg=_pretrained_config(name))
    return {
        "image_size": settings["input_size"][-1],
        "mean": tuple(settings["mean"]),
        "std": tuple(settings["std"]),
        "interpolation": "bicubic" if settings["interpolation"] == "bicubic" else "bilinear",
    }


def timm_network(
    name: str, *, image_size: int, in_channels: int, pretrained: bool, weights: Any
) -> Any:
    """The model without its classifier: weights from a file, from the hub, or always the same."""
    sizes: dict[str, Any] = {"num_classes": 0, "in_chans": in_channels}
    config = _pretrained_config(name)
    if config.get("fixed_input_size") and image_size != config["input_size"][-1]:
        sizes["img_size"] = image_size  # positions are interpolated
    if weights is not None:
        return _from_file(name, sizes, Path(weights), image_size)
    if not pretrained:
        return _built(name, sizes, image_size)
    try:
        with seeded(0, CPU):
            return timm.create_model(name, pretrained=True, **sizes)
    except Exception as error:  # whatever the hub's client, its network and its cache may raise
        _built(name, sizes, image_size)  # raises if the model itself is the trouble
        if not timm.is_model_pretrained(name):
            raise ValueError(
                f"timm has no weights of module={name!r}: choose one of "
                f"timm.list_pretrained(), give a file (weights=...), or pretrained=False"
            ) from error
        source = config.get("hf_hub_id") or config.get("url") or "the hub"
        raise OSError(
            f"the weights of module={name!r} could not be had from {source} "
            f"({type(error).__name__}: {str(error).strip().partition(chr(10))[0]}). Where there is "
            "a network, download the model's file (model.safetensors) and give it here: "
            f"TorchEmbedder.from_timm({name!r}, weights='.../model.safetensors')"
        ) from error


def _pretrained_config(name: str) -> dict[str, Any]:
    base, _, tag = name.partition(".")
    if not timm.is_model(name):
        near = timm.list_models(f"{base.partition('_')[0]}*")[:5]
        raise ValueError(
            f"module={name!r} is no timm model. "
            + (f"Near it: {', '.join(near)}" if near else "timm.list_models() names them all")
        )
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        known = ", ".join(timm.list_pretrained(f"{base}.*")) or "none"
        raise ValueError(
            f"module={name!r}: timm has no weights {tag!r} of {base}. There are: {known}"
        ) from error
    return {} if config is None else config.to_dict()


def _built(name: str, sizes: dict[str, Any], image_size: int, **rest: Any) -> Any:
    """The model without the hub; random weights are always the same."""
    try:
        with seeded(0, CPU):
            network = timm.create_model(name, pretrained=bool(rest), **sizes, **rest)
    except TypeError as error:
        if "img_size" not in sizes or "img_size" not in str(error):
            raise
        native = _pretrained_config(name)["input_size"][-1]
        raise ValueError(
            f"module={name!r} takes images of {native} pixels only: use image_size={native}"
        ) from error
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if _pretrained_config(name).get("fixed_input_size") and patch and image_size % patch[0]:
        raise ValueError(
            f"image_size ({image_size}) must be a multiple of {patch[0]}, the patch size of "
            f"module={name!r}: use image_size={max(1, image_size // patch[0]) * patch[0]}"
        )
    return network


def _from_file(name: str, sizes: dict[str, Any], path: Path, image_size: int) -> nn.Module:
    """timm itself fits the file's tensors to the model, as it does with those of the hub."""
    given = _read(path)
    fresh = _built(name, sizes, image_size).state_dict()
    try:
        network = _built(
            name, sizes, image_size, pretrained_cfg_overlay={"state_dict": dict(given)}
        )
    except (RuntimeError, KeyError, AttributeError) as error:
        text = str(error).strip()
        raise ValueError(
            f"weights={os.fspath(path)!r} does not fit module={name!r}: {text[:400]}. Give the "
            "file of this model"
        ) from error
    network.pretrained_cfg.pop("state_dict", None)  # or they would be kept twice
    # timm takes what it finds and says nothing of the rest: what is still as it was made, and not
    # in the file, was not loaded
    missing = [
        key
        for key, value in network.state_dict().items()
        if key not in given and value.is_floating_point() and torch.equal(value, fresh[key])
    ]
    if missing:
        raise ValueError(
            f"weights={os.fspath(path)!r} lacks {len(missing)} of the {len(fresh)} tensors of "
            f"module={name!r} ({', '.join(missing[:3])}{', ...' * (len(missing) > 3)}). Give the "
            "file of this model"
        )
    return network


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name; nothing is unpickled but tensors and plain values."""
    if not path.is_file():
        raise FileNotFoundError(f"weights={os.fspath(path)!r} is no file")
    if path.suffix not in (".safetensors", *PICKLED):
        raise ValueError(
            f"weights={os.fspath(path)!r} must end in .safetensors, or in {', '.join(PICKLED)} for "
            "a file of torch.save"
        )
    try:
        if path.suffix == ".safetensors":
            found: Any = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader answers garbage with an IndexError, among others
        raise ValueError(
            f"weights={os.fspath(path)!r} is damaged, or holds more than tensors and plain values "
            f"({type(error).__name__}). Download it again, or save network.state_dict() alone"
        ) from error
    for wrapper in ("state_dict", "model"):  # as training scripts save it
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    tensors = {
        key.removeprefix("module."): value
        for key, value in (found.items() if isinstance(found, dict) else ())
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise ValueError(
            f"weights={os.fspath(path)!r} holds no tensors by name: save network.state_dict()"
        )
    return tensors
