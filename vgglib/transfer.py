"""Weights from a shallower VGG to a deeper one (the paper, section 3.1).

Deep networks started from small random weights hardly learn, so the paper trains a shallow one
first and starts the deeper ones from its layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vgglib.architecture import VGG, unwrap
from vgglib.checks import check_choice
from vgglib.weights import check_holds_numbers, check_numbers

RULES = ("paper", "post")


@dataclass(frozen=True)
class Transfer:
    """Which layers of a deeper network came from a shallower one.

    Attributes:
        copied: layers of the deeper network mapped to those of the shallower one whose weights
            they have, by their names in the ``state_dict``.
        random: layers with weights that keep the random ones that they had.
    """

    copied: dict[str, str]
    random: tuple[str, ...]

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.copied, *self.random))
        lines = [f"{name:{width}}  from {source}" for name, source in self.copied.items()]
        lines += [f"{name:{width}}  stays random" for name in self.random]
        return "\n".join(lines)

    __repr__ = __str__


def match_layers(
    shallow: VGG, deep: VGG, rule: str = "post", *, but_last: bool = False
) -> dict[str, str]:
    """Which layer of ``deep`` starts from which layer of ``shallow``, by names and shapes alone.

    ``"paper"``: the first four convolutions and the fully connected layers. The four are those of
    the *shallow* network, and each goes to the same place in the same stack: counted through the
    deep network, the second convolution of B (64 to 64 channels) could not take that of A (64 to
    128).

    ``"post"`` (Zhong 2024): the first convolution of each stack, the first and the last fully
    connected layer.

    Under both rules the last fully connected layer goes to the last, hidden ones to those at the
    same place counted from the first.

    Args:
        shallow: where layers come from.
        deep: where they go.
        rule: ``"paper"`` or ``"post"``.
        but_last: leaves out the layer of the logits, for networks of different classes.

    Returns:
        Names of layers of ``deep`` mapped to names of layers of ``shallow``.

    Raises:
        TypeError: ``shallow`` or ``deep`` is no VGG.
        ValueError: an unknown rule, ``deep`` has fewer stacks or layers than are to be copied, or
            a layer of another shape.
    """
    shallow, deep = unwrap(shallow), unwrap(deep)
    if not (isinstance(shallow, VGG) and isinstance(deep, VGG)):
        kinds = f"{type(shallow).__name__} and {type(deep).__name__}"
        raise TypeError(f"expected two networks (VGG), got {kinds}")
    check_choice("rule", rule, RULES)
    source, target = _layers(shallow), _layers(deep)
    convolutions = [name for name, layer in source.items() if isinstance(layer, nn.Conv2d)]
    if rule == "paper":
        chosen = convolutions[:4]
    else:
        chosen = [name for name in convolutions if name.endswith(".conv1")]
    pairs = {name: name for name in chosen}
    source_fc = [name for name, layer in source.items() if isinstance(layer, nn.Linear)]
    target_fc = [name for name, layer in target.items() if isinstance(layer, nn.Linear)]
    hidden = source_fc[:-1] if rule == "paper" else source_fc[:-1][:1]
    pairs.update({name: name for name in hidden})
    if len(source_fc) > len(target_fc):
        raise ValueError(
            f"the deeper network has {len(target_fc)} fully connected layers, the shallower one"
            f" {len(source_fc)}: it cannot take them all"
        )
    if not but_last:
        pairs[target_fc[-1]] = source_fc[-1]
    for name, origin in pairs.items():
        if name not in target:
            raise ValueError(
                f"the deeper network has no layer {name!r} to take the weights of {origin!r}:"
                " its stacks must be at least as many and as deep as the shallower one's"
            )
        if target[name].weight.shape != source[origin].weight.shape:
            raise ValueError(
                f"{name!r} has weights of shape {tuple(target[name].weight.shape)}, but {origin!r}"
                f" has {tuple(source[origin].weight.shape)}: the networks must agree in width,"
                " classes and image size (other classes alone: but_last=True)"
            )
    return pairs


@torch.no_grad()
def transfer_weights(
    shallow: VGG, deep: VGG, rule: str = "post", *, but_last: bool = False
) -> Transfer:
    """Copy weights of a trained shallower network into a deeper one, in place.

    Weights and biases are copied, with batch normalization its own weights and averages too.

    Args:
        shallow: the trained network; not changed.
        deep: the network to start, which keeps its random weights where nothing is copied.
        rule: ``"paper"`` or ``"post"``, see :func:`match_layers`.
        but_last: the layer of the logits stays random, for networks of different classes.

    Returns:
        What was copied and what stays random; print it.

    Raises:
        ValueError: as :func:`match_layers`, where only one network has batch normalization or
            biases, and where weights are no finite numbers. Nothing is copied then.
    """
    shallow, deep = unwrap(shallow), unwrap(deep)
    pairs = match_layers(shallow, deep, rule, but_last=but_last)
    check_holds_numbers(deep)
    weights = {}
    source, target = shallow.state_dict(), deep.state_dict()
    for name, origin in pairs.items():
        ours, theirs = _keys(name, target), _keys(origin, source)
        if ours.keys() != theirs.keys():
            raise ValueError(
                f"{name!r} and {origin!r} do not hold the same weights ({', '.join(ours)} against"
                f" {', '.join(theirs)}): give both networks the same batch_norm and bias"
            )
        check_numbers({key: source[key] for key in theirs.values()})
        weights.update({ours[key]: source[theirs[key]] for key in ours})
    deep.load_state_dict(target | weights)
    return Transfer(pairs, tuple(name for name in _layers(deep) if name not in pairs))


def _layers(model: VGG) -> dict[str, nn.Module]:
    """The layers with weights by name, in order, without the normalizations between them."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }


def _keys(layer: str, state: dict[str, torch.Tensor]) -> dict[str, str]:
    """Keys of a layer and of the batch normalization after it, by a name without the number."""
    norm = layer.replace(".conv", ".norm")
    return {
        key.replace(layer, "layer").replace(norm, "norm"): key
        for key in state
        if key.startswith((f"{layer}.", f"{norm}."))
    }
