"""VGG from descriptors: stacked convolutions, stacked fully connected layers (Architecture).

A network is described by data: a list of stacks, each a list of convolution descriptors, and a list
of linear descriptors, see :mod:`~vgglib.descriptors`. Sections are those of "the paper", Simonyan &
Zisserman 2015.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn

from vgglib.checks import check_bool, check_choice, check_int, check_tensors
from vgglib.descriptors import (
    ConvDescriptor,
    LinearDescriptor,
    inherit,
    make_activation,
    parse_list,
)

INITIALIZATIONS = ("he", "glorot", "paper", "identity")

#: Batch normalization, of one process, and of several that train together on GPUs.
BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)

# To a tracer the check of the images is one call, into which it does not look.
torch.fx.wrap("check_images")


class StackedConv2d(nn.Sequential):
    """Convolutions on top of each other, each with its activation (the paper, section 2.1).

    Args:
        descriptors: list of convolution descriptors (dicts or :class:`ConvDescriptor`).
        in_channels: channels of the input; ``None`` takes them from the first descriptor.
        where: how errors name this stack.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``.

    Raises:
        TypeError: a descriptor or a setting has the wrong type.
        ValueError: an unknown or missing setting, an impossible value, or ``in_channels`` that
            contradict the layer before.
    """

    def __init__(
        self,
        descriptors: Sequence[Mapping[str, Any] | ConvDescriptor],
        in_channels: int | None = None,
        where: str = "stack",
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        check_int("in_channels", in_channels, minimum=1, optional=True)
        descriptors = parse_list(descriptors, ConvDescriptor, where)
        channels = in_channels
        number = 0
        for i, conv in enumerate(descriptors, 1):
            channels = inherit(
                "in_channels", conv.in_channels, channels, f"{where}, descriptor {i}"
            )
            for _ in range(conv.layers):
                number += 1
                layers[f"conv{number}"] = nn.Conv2d(
                    channels,
                    conv.out_channels,
                    conv.kernel_size,
                    stride=conv.stride,
                    padding=conv.padded,
                    bias=conv.bias,
                    padding_mode=conv.padding_mode,
                )
                if conv.pool is not None:
                    layers[f"pool{number}"] = nn.MaxPool2d(conv.pool)
                if conv.batch_norm:
                    layers[f"norm{number}"] = nn.BatchNorm2d(conv.out_channels)
                layers[f"activation{number}"] = make_activation(conv.activation)
                if conv.local_response_norm:
                    # AlexNet adds alpha * (sum over 5 channels); torch divides alpha by the 5.
                    layers[f"lrn{number}"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
                channels = conv.out_channels
        super().__init__(layers)
        self.out_channels = channels


class StackedLinear(nn.Sequential):
    """Fully connected layers; all but the last with activation and dropout (paper, section 2.1).

    Args:
        descriptors: list of linear descriptors (dicts or :class:`LinearDescriptor`).
        in_features: features of the input; ``None`` takes them from the first descriptor.
        where: how errors name these layers.

    Shape:
        ``(N, in_features)`` to ``(N, out_features)``: logits, any real numbers.

    Raises:
        TypeError: a descriptor or a setting has the wrong type.
        ValueError: an unknown or missing setting, an impossible value, ``in_features`` that
            contradict the layer before, or an activation or dropout on the layer of the logits.
    """

    def __init__(
        self,
        descriptors: Sequence[Mapping[str, Any] | LinearDescriptor],
        in_features: int | None = None,
        where: str = "linear",
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        check_int("in_features", in_features, minimum=1, optional=True)
        descriptors = parse_list(descriptors, LinearDescriptor, where)
        last = descriptors[-1]
        if last.layers == 1 and not (last.activation is None and last.dropout is None):
            name = "activation" if last.activation is not None else "dropout"
            raise ValueError(
                f"{where}, descriptor {len(descriptors)}: the last layer gives the logits and takes"
                f" no {name}; leave it out"
            )
        features = in_features
        total = sum(descriptor.layers for descriptor in descriptors)
        number = 0
        for i, linear in enumerate(descriptors, 1):
            features = inherit(
                "in_features", linear.in_features, features, f"{where}, descriptor {i}"
            )
            for _ in range(linear.layers):
                number += 1
                layers[f"fc{number}"] = nn.Linear(features, linear.out_features, bias=linear.bias)
                features = linear.out_features
                if number < total:
                    layers[f"activation{number}"] = make_activation(linear.activation)
                    dropout = 0.5 if linear.dropout is None else linear.dropout
                    layers[f"dropout{number}"] = nn.Dropout(dropout)
        super().__init__(layers)
        self.out_features = features


class VGG(nn.Module):
    """Stacks of convolutions with a 2x2 max pool after each, then fully connected layers.

    The paper, section 2.1. A stack whose last descriptor has a ``pool`` gets none after it. Returns
    logits, as ``torch.nn.functional.cross_entropy`` expects; :meth:`probabilities` is the softmax
    of them.

    Args:
        conv_stacks: list of stacks, each a list of convolution descriptors.
        linear: list of linear descriptors; the last layer's features are the classes.
        in_channels: channels of the images.
        image_size: side of the square images in pixels, or ``(height, width)``.
        initialization: how the weights are drawn, see :func:`initialize`.
        global_pool: whether the last pool takes the largest value of the whole map. Such a network
            takes images of other sizes than its own as well (not in the paper).

    Shape:
        Images ``(N, in_channels, height, width)``, float, to logits ``(N, classes)``.

    Raises:
        TypeError: an argument, a descriptor or a setting has the wrong type.
        ValueError: an unknown or impossible setting, channels or features that contradict the layer
            before, or images too small for the pools.
    """

    def __init__(
        self,
        conv_stacks: Sequence[Sequence[Mapping[str, Any] | ConvDescriptor]],
        linear: Sequence[Mapping[str, Any] | LinearDescriptor],
        *,
        in_channels: int = 3,
        image_size: int | tuple[int, int] = 32,
        initialization: str = "he",
        global_pool: bool = False,
    ) -> None:
        super().__init__()
        check_int("in_channels", in_channels, minimum=1)
        check_bool("global_pool", global_pool)
        check_choice("initialization", initialization, INITIALIZATIONS)
        height, width = _check_image_size(image_size)
        if isinstance(conv_stacks, (str, Mapping)) or not isinstance(conv_stacks, Sequence):
            raise TypeError(
                f"conv_stacks must be a list of stacks, got {type(conv_stacks).__name__}"
            )
        if not conv_stacks:
            raise ValueError("conv_stacks is empty: expected one stack or more")
        stacks = [
            parse_list(stack, ConvDescriptor, f"stack {i}")
            for i, stack in enumerate(conv_stacks, 1)
        ]
        linear = parse_list(linear, LinearDescriptor, "linear")

        sizes = tuple(pooled_size(stacks, side, global_pool) for side in (height, width))
        if not all(sizes):
            plain = all(conv.pool is None for stack in stacks for conv in stack)
            raise ValueError(
                f"images of {height}x{width} pixels are too small for {len(stacks)} stacks, each"
                f" with a {'2x2 ' * plain}max pool: the smallest side that fits is"
                f" {_smallest_size(stacks, global_pool)}"
            )

        features: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for i, stack in enumerate(stacks, 1):
            features[f"stack{i}"] = StackedConv2d(stack, channels, where=f"stack {i}")
            if global_pool and i == len(stacks):
                features[f"pool{i}"] = nn.AdaptiveMaxPool2d(1)
            elif stack[-1].pool is None:
                features[f"pool{i}"] = nn.MaxPool2d(kernel_size=2, stride=2)
            channels = features[f"stack{i}"].out_channels
        self.features = nn.Sequential(features)
        self.flatten = nn.Flatten()
        self.classifier = StackedLinear(linear, channels * sizes[0] * sizes[1])

        self.conv_stacks = stacks
        self.linear = linear
        self.in_channels = in_channels
        self.image_size = (height, width)
        self.feature_size = sizes  # of the last pool's output, height and width
        self.global_pool = global_pool
        self.smallest_size = _smallest_size(stacks, global_pool)
        initialize(self, initialization)

    # TorchScript compiles what a network computes, and not what it tells about itself.
    __jit_unused_properties__ = ("num_classes",)

    @property
    def num_classes(self) -> int:
        """Of the layer that gives the logits, also where it was exchanged by hand."""
        return [m for m in self.classifier.modules() if isinstance(m, nn.Linear)][-1].out_features

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of preprocessed float images ``(N, channels, height, width)``."""
        if not torch.jit.is_scripting():
            sides = ("height", "width") if self.global_pool else self.image_size
            check_images(images, (self.in_channels, *sides), self.smallest_size)
        return self.classifier(self.flatten(self.features(images)))

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities ``(N, classes)``, the softmax of the logits: each row sums to 1."""
        return self(images).softmax(dim=-1)

    def settings(self) -> dict[str, Any]:
        """What describes this network, so that ``VGG(**model.settings())`` is built like it.

        The layer of the logits is described as it is now, also where it was exchanged by hand.

        Raises:
            ValueError: it was exchanged for something that no descriptor describes.
        """
        *hidden, last = self.linear
        if not isinstance(self.classifier, nn.Sequential):
            raise ValueError(
                f"the classifier was exchanged for {type(self.classifier).__name__}, and"
                " descriptors describe an nn.Sequential"
            )
        now = list(self.classifier)[-1]
        if not isinstance(now, nn.Linear):
            raise ValueError(
                f"the last layer was exchanged for {type(now).__name__}, and descriptors describe"
                " none but fully connected ones (nn.Linear)"
            )
        if last.layers > 1:
            hidden.append(replace(last, layers=last.layers - 1))
            # What the layer of the logits does not take, or has from those before it.
            last = replace(last, in_features=None, activation=None, dropout=None)
        last = replace(last, layers=1, out_features=now.out_features, bias=now.bias is not None)
        return {
            "conv_stacks": [[asdict(conv) for conv in stack] for stack in self.conv_stacks],
            "linear": [asdict(linear) for linear in (*hidden, last)],
            "in_channels": self.in_channels,
            "image_size": self.image_size,
            "global_pool": self.global_pool,
        }


def unwrap(model: nn.Module) -> nn.Module:
    """The network itself, without what ``torch.compile`` or data parallelism put around it."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
        if inner is None:
            return model
        model = inner


def check_images(images: Tensor, expected: tuple[int | str, ...], smallest: int = 1) -> None:
    """Refuse what is no batch of preprocessed images.

    Args:
        images: to check.
        expected: channels, height and width; a side that may be anything is a word.
        smallest: what such a side must have.

    Raises:
        ValueError: another shape.
        TypeError: no floats.
    """
    check_tensors(images=images)
    fits = images.dim() == 4 and all(
        own >= smallest if isinstance(side, str) else own == side
        for side, own in zip(expected, images.shape[1:], strict=True)
    )
    if not fits:
        least = f" of at least {smallest} pixels" if smallest > 1 and "height" in expected else ""
        raise ValueError(
            f"expected images{least} of shape (N, {', '.join(map(str, expected))}),"
            f" got {tuple(images.shape)}"
        )
    if not images.is_floating_point():
        raise TypeError(
            f"expected float images, got {images.dtype}: subtract the mean first (SubtractMean)"
        )


def _check_image_size(image_size: Any) -> tuple[int, int]:
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise TypeError(f"image_size must be an int or (height, width), got {image_size!r}")
    for side in size:
        check_int("image_size", side, minimum=1)
    return tuple(size)


def pooled_size(stacks: list[list[ConvDescriptor]], size: int, global_pool: bool = False) -> int:
    """Side of the last pool's output for images of side ``size``; 0: a layer gets too little."""
    for i, stack in enumerate(stacks, 1):
        for conv in stack:
            size = conv.output_size(size)
            if size < 1:  # padding of the next must not make something of it
                return 0
        if global_pool and i == len(stacks):
            size = min(size, 1)
        elif stack[-1].pool is None:
            size //= 2
        if size < 1:
            return 0
    return size


def _smallest_size(stacks: list[list[ConvDescriptor]], global_pool: bool) -> int:
    size = 1
    while not pooled_size(stacks, size, global_pool):
        size += 1
    return size


@torch.no_grad()
def initialize(
    model: nn.Module, scheme: str = "he", generator: torch.Generator | None = None
) -> None:
    r"""Draw the weights of all convolutions and fully connected layers anew, in place.

    Biases become 0, batch normalization starts as the identity. torch draws other numbers for
    weights in channels_last: the same seed gives the same network in the same memory format.

    Args:
        model: the network.
        scheme: ``"he"``: :math:`N(0, 2/\text{fan-in})` (He et al. 2015), but for the last fully
            connected layer, which starts at :math:`N(0, 0.01^2)` so that the first predictions are
            nearly uniform and the first loss nearly ln(classes). ``"glorot"``:
            :math:`U(\pm\sqrt{6/(\text{fan-in} + \text{fan-out})})` (Glorot & Bengio 2010).
            ``"paper"``: :math:`N(0, 0.01^2)` everywhere (the paper, section 3.1, read with AlexNet,
            section 5: the paper calls :math:`10^{-2}` the variance, AlexNet the deviation).
            ``"identity"``: the first filters of each convolution pass on one input channel each, as
            it is, and the others are short, :math:`U(\pm\sqrt{1/\text{fan-in}})`: for networks
            with batch normalization, whose image then reaches every layer (Jordan 2024, section
            3.3); the last fully connected layer as under ``"he"``.
        generator: source of the draws; ``None`` is torch's global one.

    Raises:
        TypeError: ``scheme`` is no string.
        ValueError: ``scheme`` is none of these.
    """
    check_choice("initialization", scheme, INITIALIZATIONS)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        if scheme == "glorot":
            nn.init.xavier_uniform_(layer.weight, generator=generator)
        elif scheme == "paper" or (layer is layers[-1] and isinstance(layer, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, 0.01, generator=generator)
        elif scheme == "identity" and isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
            nn.init.dirac_(layer.weight[: layer.in_channels])
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for module in model.modules():
        if isinstance(module, BATCH_NORMS):
            module.reset_parameters()
