"""Weights in and out: torchvision's names and ours (the chapter Architecture)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vgglib.architecture import VGG


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


def to_torchvision(model: VGG) -> dict[str, Tensor]:
    """The weights of ``model`` under torchvision's names, for ``torchvision.models.vgg16`` etc.

    A, B, D and E are torchvision's ``vgg11``, ``vgg13``, ``vgg16`` and ``vgg19`` (with batch norm,
    their ``_bn``). The tensors are the model's own, not copies.
    """
    keys = _torchvision_keys(model)
    return {keys[name]: tensor for name, tensor in model.state_dict().items()}


def load_torchvision(model: VGG, state_dict: Mapping[str, Tensor]) -> None:
    """Copy weights of torchvision's VGG into ``model``, in place.

    The logits are then equal for images preprocessed as torchvision does: RGB in [0, 1], minus
    (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).

    Args:
        model: A, B, D or E (with or without batch norm) for the same classes.
        state_dict: ``torchvision.models.vgg16(weights=...).state_dict()`` or the like.

    Raises:
        ValueError: a weight is missing, superfluous or of another shape; nothing is copied then.
    """
    ours = model.state_dict()
    keys = _torchvision_keys(model)
    missing = [theirs for theirs in keys.values() if theirs not in state_dict]
    superfluous = sorted(set(state_dict) - set(keys.values()))
    if missing or superfluous:
        problem = f"has no {missing[0]!r}" if missing else f"has {superfluous[0]!r} besides"
        raise ValueError(
            f"these weights are of another network: the state dict {problem} ({len(missing)}"
            f" missing, {len(superfluous)} superfluous); use the configuration and batch_norm of"
            " the source"
        )
    for name, theirs in keys.items():
        if ours[name].shape != state_dict[theirs].shape:
            raise ValueError(
                f"{theirs!r} has shape {tuple(state_dict[theirs].shape)}, but {name!r} needs"
                f" {tuple(ours[name].shape)}: use the same configuration, classes and image size"
            )
    model.load_state_dict({name: state_dict[theirs] for name, theirs in keys.items()})
