"""The networks by name: the paper's six, the post's three, and the book's own (Architecture)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vgglib.architecture import VGG
from vgglib.checks import check_bool, check_choice, check_int, check_number, check_probability
from vgglib.descriptors import ConvDescriptor, LinearDescriptor, parse_list


@dataclass(frozen=True)
class Configuration:
    """A named network: its descriptors, and the images and classes that it was made for."""

    conv_stacks: tuple[tuple[Mapping[str, Any], ...], ...]
    linear: tuple[Mapping[str, Any], ...]
    image_size: int
    num_classes: int
    source: str
    global_pool: bool = False

    @property
    def weight_layers(self) -> int:
        """Number of convolutions and fully connected layers (the paper, Table 1)."""
        descriptors = [d for stack in self.conv_stacks for d in stack] + list(self.linear)
        return sum(descriptor.get("layers", 1) for descriptor in descriptors)


def _conv(out_channels: int, layers: int = 1, **settings: Any) -> dict[str, Any]:
    return {"out_channels": out_channels, "layers": layers, **settings}


_IMAGENET = ({"out_features": 4096, "layers": 2}, {"out_features": 1000})
_CIFAR_1 = ({"out_features": 1024}, {"out_features": 10})
_CIFAR_2 = ({"out_features": 1024, "layers": 2}, {"out_features": 10})
_LRN = {"local_response_norm": True}
_MODERN = {"bias": False, "batch_norm": True, "activation": "gelu"}


def _vgg(*stacks: Sequence[Mapping[str, Any]]) -> Configuration:
    conv_stacks = tuple(tuple(stack) for stack in stacks)
    return Configuration(conv_stacks, _IMAGENET, 224, 1000, "Simonyan & Zisserman 2015, Table 1")


def _zhong(linear: tuple[Mapping[str, Any], ...], *stacks: Mapping[str, Any]) -> Configuration:
    return Configuration(tuple((s,) for s in stacks), linear, 32, 10, "Zhong 2024, Results")


# Narrow where the images are large, and no hidden fully connected layer. The first filters are
# 2x2 and do not pad: an odd side halves to less, from 31 to 15, 7 and 3.
def _jordan(narrow: int, broad: int, script: str) -> Configuration:
    conv_stacks = (
        (_conv(24, kernel_size=2, activation="gelu"), _conv(narrow, pool=2, **_MODERN)),
        (_conv(narrow, **_MODERN), _conv(broad, pool=2, **_MODERN)),
        (_conv(broad, **_MODERN), _conv(broad, pool=2, **_MODERN)),
        (_conv(broad, **_MODERN),),
    )
    linear = ({"out_features": 10, "bias": False},)
    return Configuration(conv_stacks, linear, 32, 10, f"Jordan 2024, {script}", global_pool=True)


# Two convolutions of 3x3, then one of 1x1: the end of the last three stacks of configuration C.
def _conv_1x1(out_channels: int) -> list[dict[str, Any]]:
    return [_conv(out_channels, 2), _conv(out_channels, kernel_size=1)]


CONFIGURATIONS: dict[str, Configuration] = {
    "A": _vgg([_conv(64)], [_conv(128)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]),
    "A-LRN": _vgg(
        [_conv(64, **_LRN)], [_conv(128)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]
    ),
    "B": _vgg([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]),
    "C": _vgg([_conv(64, 2)], [_conv(128, 2)], _conv_1x1(256), _conv_1x1(512), _conv_1x1(512)),
    "D": _vgg([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 3)], [_conv(512, 3)], [_conv(512, 3)]),
    "E": _vgg([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 4)], [_conv(512, 4)], [_conv(512, 4)]),
    "I": _zhong(_CIFAR_1, _conv(128), _conv(256), _conv(512)),
    "II": _zhong(_CIFAR_2, _conv(128), _conv(256, 2), _conv(512, 2)),
    "III": _zhong(_CIFAR_2, _conv(128), _conv(256, 2), _conv(512, 6)),
    "slim": _jordan(64, 256, "airbench94_muon"),
    "wide": _jordan(128, 384, "airbench95"),
}


#: The paper's networks as torchvision and timm call them; with batch normalization, plus ``_bn``.
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}


def vgg(
    name: str,
    *,
    num_classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    width: float = 1.0,
    initialization: str = "he",
) -> VGG:
    """Build one of the papers' networks by its name.

    Args:
        name: ``"A"``, ``"A-LRN"``, ``"B"``, ``"C"``, ``"D"``, ``"E"`` (the paper, Table 1: 224 px,
            1000 classes), ``"I"``, ``"II"``, ``"III"`` (Zhong 2024: 32 px, 10 classes), or
            ``"slim"`` or ``"wide"`` (Jordan 2024, for little computation: 32 px, 10 classes).
        num_classes: classes; ``None`` is the configuration's own number.
        image_size: side in pixels or ``(height, width)``; ``None`` is the configuration's own.
        in_channels: channels of the images: 3 for RGB, 1 for gray images.
        batch_norm: batch normalization after each convolution (not in the paper, which is older).
        dropout: probability in [0, 1) after each hidden fully connected layer.
        width: factor on the channels and hidden features (not in the paper; a quarter of the width
            trains in seconds where the whole takes minutes).
        initialization: see :func:`initialize`.

    Returns:
        The network, on the default device (under ``torch.device("meta")`` without its weights).

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an unknown name (the message has the nearest), or a value that cannot be.
    """
    _check_name(name)
    configuration = CONFIGURATIONS[name]
    check_bool("batch_norm", batch_norm)
    check_probability("dropout", dropout)
    check_number("width", width, low=0, without_low=True)
    if num_classes is None:
        num_classes = configuration.num_classes
    stacks = [
        [
            replace(
                conv,
                out_channels=_widened(conv.out_channels, width),
                batch_norm=conv.batch_norm or batch_norm,
            )
            for conv in parse_list(stack, ConvDescriptor, f"stack {i}")
        ]
        for i, stack in enumerate(configuration.conv_stacks, 1)
    ]
    *hidden, last = parse_list(configuration.linear, LinearDescriptor, "linear")
    hidden = [
        replace(h, out_features=_widened(h.out_features, width), dropout=dropout) for h in hidden
    ]
    check_int("num_classes", num_classes, minimum=1)
    return VGG(
        stacks,
        [*hidden, replace(last, out_features=num_classes)],
        in_channels=in_channels,
        image_size=configuration.image_size if image_size is None else image_size,
        initialization=initialization,
        global_pool=configuration.global_pool,
    )


def check_names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of configurations, if that is what they are.

    Raises:
        TypeError: a single name, whose letters would be taken for names, or no sequence.
        ValueError: an unknown name, or none at all.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"{what} must be a list of names, such as ['I', 'II'], got {names!r}")
    if not names:
        raise ValueError(f"{what} is empty: expected one name or more")
    for name in names:
        _check_name(name)
    return tuple(names)


def _check_name(name: Any) -> None:
    _refuse_names_from_elsewhere(name)
    check_choice("configuration", name, tuple(CONFIGURATIONS))


def _refuse_names_from_elsewhere(name: Any) -> None:
    plain = re.sub("[^a-z0-9]", "", str(name).lower())
    for ours, theirs in TORCHVISION.items():
        if plain in (theirs, f"{theirs}bn"):
            option = ", batch_norm=True" if plain.endswith("bn") else ""
            raise ValueError(
                f"unknown configuration {name!r}; did you mean {ours!r}{option}? The paper has that"
                f" name for it. Known: {', '.join(CONFIGURATIONS)}"
            )


def _widened(channels: int, width: float) -> int:
    scaled = channels * width
    if not 1 <= scaled < float("inf") or scaled != int(scaled):
        raise ValueError(f"width must leave whole numbers of channels, got {channels} * {width}")
    return int(scaled)
