"""Weights in and out: torchvision's names and timm's, and what training code puts around them.

The chapter Architecture loads torchvision's weights to prove that the networks are the same.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from vgglib.architecture import VGG, unwrap

# What data parallelism, `torch.compile` and Lightning put before each name.
_PREFIXES = ("module.", "_orig_mod.", "model.")

# Under which key checkpoints and training scripts keep the weights beside other things. Where a
# training averaged its weights, the average is the network.
_INNER = ("average", "state_dict", "model_state_dict", "model")

# timm's VGG has the fully connected layers as convolutions, under other names.
_TIMM = {
    "pre_logits.fc1": "classifier.0",
    "pre_logits.fc2": "classifier.3",
    "head.fc": "classifier.6",
}


def to_torchvision(model: VGG) -> dict[str, Tensor]:
    """The weights of ``model`` under torchvision's names, for ``torchvision.models.vgg16`` etc.

    A, B, D and E are torchvision's ``vgg11``, ``vgg13``, ``vgg16`` and ``vgg19`` (with batch norm,
    their ``_bn``). The tensors are the model's own, not copies.
    """
    model = unwrap(model)
    keys = _torchvision_keys(model)
    return {keys[name]: tensor for name, tensor in model.state_dict().items()}


def load_torchvision(
    model: VGG, state_dict: Mapping[str, Any], *, but_last: bool = False
) -> tuple[str, ...]:
    """Copy weights of torchvision's VGG, or timm's, into ``model``, in place.

    The logits are then equal for images preprocessed as torchvision does: RGB in [0, 1], minus
    (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225). That is so for all of torchvision's
    entries but ``VGG16_Weights.IMAGENET1K_FEATURES``, which has no classifier and is refused.

    Args:
        model: A, B, D or E (with or without batch norm) for the same classes.
        state_dict: ``torchvision.models.vgg16(weights=...).state_dict()`` or the like, also as a
            training script saved it: within another dict, or with the names that data parallelism
            or ``torch.compile`` give.
        but_last: the layer of the logits keeps the weights that it has, for other classes.

    Returns:
        Names of the layers that were left as they were.

    Raises:
        TypeError: a weight is no tensor.
        ValueError: a weight is missing, superfluous, of another shape, on the meta device or not a
            number; nothing is copied then.
    """
    model = unwrap(model)
    theirs, ours = plain_state_dict(state_dict), model.state_dict()
    if any(name.startswith("pre_logits.") for name in theirs):
        theirs = _from_timm(theirs)
    keys = _torchvision_keys(model)
    # Older files do not have the counts of batches, which nothing that is computed depends on.
    theirs = {
        key: ours[name]
        for name, key in keys.items()
        if name.endswith(".num_batches_tracked") and key not in theirs
    } | theirs
    last = f"classifier.{list(model.classifier.named_children())[-1][0]}"
    if but_last:
        left = {key for name, key in keys.items() if name.startswith(f"{last}.")}
        theirs = {key: tensor for key, tensor in theirs.items() if key not in left}
        keys = {name: key for name, key in keys.items() if key not in left}
    missing = [key for key in keys.values() if key not in theirs]
    superfluous = sorted(set(theirs) - set(keys.values()))
    if missing or superfluous:
        problem = f"has no {missing[0]!r}" if missing else f"has {superfluous[0]!r} besides"
        raise ValueError(
            f"these weights are of another network: the state dict {problem} ({len(missing)}"
            f" missing, {len(superfluous)} superfluous); use the configuration and batch_norm of"
            " the source"
        )
    for name, key in keys.items():
        if ours[name].shape != theirs[key].shape:
            raise ValueError(
                f"{key!r} has shape {tuple(theirs[key].shape)}, but {name!r} needs"
                f" {tuple(ours[name].shape)}: use the same configuration, classes and image size"
                " (for other classes alone: but_last=True)"
            )
    check_holds_numbers(model)
    check_numbers({key: theirs[key] for key in keys.values()})
    model.load_state_dict(ours | {name: theirs[key] for name, key in keys.items()})
    return (last,) if but_last else ()


def read_weights(file: str | Path) -> dict[str, Any]:
    """What a file of weights holds: a checkpoint, a state dict, or what a script put around one.

    Args:
        file: written by ``torch.save``, or a ``.safetensors``.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it may not be read.
        ValueError: it is damaged, holds no dict, or Python objects besides tensors, numbers and
            strings, which could run any code when they are loaded.
    """
    file = Path(file).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {str(file)!r}: expected weights")
    with file.open("rb"):
        pass  # what may not be read is not damaged
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "WeightsUnpickler error: Unsupported" in str(error):
            raise ValueError(
                f"{str(file)!r} holds Python objects besides weights, which could run any code when"
                " they are loaded: save the state_dict alone (torch.save(model.state_dict(), ...))"
            ) from error
        raise ValueError(
            f"{str(file)!r} is damaged, or was written by something else than torch.save"
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{str(file)!r} is damaged or holds no weights ({type(error).__name__})"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"{str(file)!r} holds {type(state).__name__}: expected a dict of weights")
    return state


def plain_state_dict(source: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names and tensors alone, out of what training scripts save around them.

    Args:
        source: a state dict, or a dict that holds one under ``"average"``, ``"state_dict"``,
            ``"model_state_dict"`` or ``"model"``; names may begin with what data parallelism
            (``module.``) or ``torch.compile`` (``_orig_mod.``) put before them.

    Raises:
        TypeError: it is no dict, or something in it is no tensor; it is named.
        ValueError: it is empty.
    """
    if not isinstance(source, Mapping):
        raise TypeError(f"expected a state dict, names with tensors, got {type(source).__name__}")
    for key in _INNER:
        if isinstance(source.get(key), Mapping):
            source = source[key]
    if not source:
        raise ValueError("the state dict is empty: expected the weights of a network")
    state = {}
    for name, tensor in source.items():
        if not isinstance(tensor, Tensor):
            kind = f"{type(tensor).__module__}.{type(tensor).__qualname__}".removeprefix(
                "builtins."
            )
            raise TypeError(
                f"{name!r} in the state dict is no tensor but {kind}: expected names with tensors;"
                " convert arrays with torch.as_tensor, and take out what is no weight"
            )
        state[_without_prefix(str(name))] = tensor
    return state


def check_numbers(state: Mapping[str, Tensor]) -> None:
    """Refuse weights without numbers, and with numbers that float32 cannot hold.

    Raises:
        ValueError: a tensor is on the meta device, holds no real numbers, or has some that are not
            finite; it is named.
    """
    for name, tensor in state.items():
        if tensor.is_meta:
            raise ValueError(f"{name!r} is on the meta device, which has shapes and no numbers")
        if name.endswith("num_batches_tracked"):
            continue
        if not tensor.is_floating_point():
            raise ValueError(
                f"{name!r} is {tensor.dtype}: expected floats; quantized weights must be given"
                " their scale first"
            )
        if not torch.isfinite(tensor.float()).all():
            raise ValueError(
                f"{name!r} has numbers that are not finite: the training diverged, or these weights"
                " have no classifier"
            )


def check_holds_numbers(model: nn.Module) -> None:
    """Refuse to copy into a network that has no room for numbers.

    Raises:
        ValueError: it is on the meta device.
    """
    if any(weight.is_meta for weight in model.parameters()):
        raise ValueError(
            "the network is on the meta device, which has shapes and no numbers: make it outside of"
            " torch.device('meta')"
        )


def _without_prefix(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name.replace(".module.", ".")  # ImageNet's example wraps the features alone


def _from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm's names and shapes as torchvision's."""
    found = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if layer in _TIMM:
            name, tensor = (
                f"{_TIMM[layer]}.{kind}",
                tensor.flatten(1) if kind == "weight" else tensor,
            )
        found[name] = tensor
    return found


def _torchvision_keys(model: VGG) -> dict[str, str]:
    """Our parameter and buffer names mapped to those that torchvision's VGG has for them.

    torchvision numbers the layers of a flat list; ours have the same order and the same layers.
    """
    keys = {}
    for part in ("features", "classifier"):
        leaves = [
            (name, module)
            for name, module in getattr(model, part).named_modules()
            if not isinstance(module, nn.Sequential)
        ]
        for number, (name, module) in enumerate(leaves):
            for key in module.state_dict():
                keys[f"{part}.{name}.{key}"] = f"{part}.{number}.{key}"
    return keys
