"""VGG from descriptors: stacked convolutions, stacked fully connected layers, the papers' networks.

A network is described by data: a list of stacks, each a list of convolution descriptors, and a list
of linear descriptors. A descriptor is a dict of settings (or the dataclass that it becomes), and
the input channels of a layer are those that the layer before gives, so nobody has to write them.

Sections in the docstrings are those of Simonyan & Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015 (arXiv 1409.1556), called "the paper".
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
INITIALIZATIONS = ("he", "glorot", "paper")


# --------------------------------------------------------------------------------------------------
# Descriptors: what a layer is, as data
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConvDescriptor:
    """One or more equal convolutions, each followed by its activation (the paper, section 2.1).

    Args:
        out_channels: channels that each of the convolutions gives.
        layers: how many such convolutions follow each other.
        in_channels: channels of the first one's input; ``None`` takes those of the layer before.
        kernel_size: side of the square kernel, pixels.
        stride: step of the kernel, pixels.
        padding: pixels added on each side; ``None`` is ``(kernel_size - 1) // 2``, which keeps the
            size for odd kernels at stride 1.
        bias: whether a bias is added.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        activation: a name in ``ACTIVATIONS``, or a callable without arguments giving a module.
        batch_norm: batch normalization between convolution and activation.
        local_response_norm: AlexNet's normalization across channels after each activation, with
            AlexNet's constants (its section 3.3).

    Raises:
        TypeError: a setting has the wrong type.
        ValueError: a setting has a value that no layer can have.
    """

    out_channels: int
    layers: int = 1
    in_channels: int | None = None
    kernel_size: int = 3
    stride: int = 1
    padding: int | None = None
    bias: bool = True
    padding_mode: str = "zeros"
    activation: str | Callable[[], nn.Module] = "relu"
    batch_norm: bool = False
    local_response_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("out_channels", "layers", "kernel_size", "stride"):
            _check_int(name, getattr(self, name), minimum=1)
        _check_int("in_channels", self.in_channels, minimum=1, optional=True)
        _check_int("padding", self.padding, minimum=0, optional=True)
        for name in ("bias", "batch_norm", "local_response_norm"):
            _check_bool(name, getattr(self, name))
        _check_choice("padding_mode", self.padding_mode, PADDING_MODES)
        _check_activation(self.activation)

    def output_size(self, size: int) -> int:
        """Side of the output for an input of side ``size`` after all ``layers``; < 1: too small."""
        padding = _padding(self)
        for _ in range(self.layers):
            size = (size + 2 * padding - self.kernel_size) // self.stride + 1
            if size < 1:
                return 0
        return size


@dataclass(frozen=True)
class LinearDescriptor:
    """One or more equal fully connected layers (the paper, section 2.1; dropout: section 3.1).

    The very last layer of a network gives logits: it has neither activation nor dropout, whatever
    the defaults below say, and setting them there is refused.

    Args:
        out_features: features that each of the layers gives.
        layers: how many such layers follow each other.
        in_features: features of the first one's input; ``None`` takes those of the layer before.
        bias: whether a bias is added.
        activation: as in :class:`ConvDescriptor`; ``None`` is ``"relu"`` in a hidden layer.
        dropout: probability in [0, 1) of zeroing a feature after the activation; ``None`` is 0.5
            in a hidden layer.

    Raises:
        TypeError: a setting has the wrong type.
        ValueError: a setting has a value that no layer can have.
    """

    out_features: int
    layers: int = 1
    in_features: int | None = None
    bias: bool = True
    activation: str | Callable[[], nn.Module] | None = None
    dropout: float | None = None

    def __post_init__(self) -> None:
        _check_int("out_features", self.out_features, minimum=1)
        _check_int("layers", self.layers, minimum=1)
        _check_int("in_features", self.in_features, minimum=1, optional=True)
        _check_bool("bias", self.bias)
        if self.activation is not None:
            _check_activation(self.activation)
        if self.dropout is not None:
            _check_probability("dropout", self.dropout)


def _nearest(name: Any, known: Sequence[str]) -> str:
    """``"; did you mean 'x'?"`` where a known name is close, then all the known names."""
    lower = {choice.lower(): choice for choice in known}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {lower[close[0]]!r}?" if close else "."
    return f"{hint} Known: {', '.join(known)}"


def _check_int(name: str, value: Any, *, minimum: int, optional: bool = False) -> None:
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")


def _check_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def _check_probability(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")


def _check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r} ({type(value).__name__})")
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}{_nearest(value, known)}")


def _check_activation(value: Any) -> None:
    if isinstance(value, str):
        _check_choice("activation", value, tuple(ACTIVATIONS))
    elif isinstance(value, nn.Module) or not callable(value):
        # One module would be shared between layers, and a network prints and copies it as one.
        raise TypeError(
            f"activation must be a name or a callable that makes a module (nn.ReLU, not nn.ReLU()),"
            f" got {value!r} ({type(value).__name__})"
        )


def _parse(descriptor: Any, kind: type, where: str) -> Any:
    """A descriptor dict (or dataclass) as ``kind``, every error told with ``where`` it stands."""
    if isinstance(descriptor, kind):
        return descriptor
    if not isinstance(descriptor, Mapping):
        raise TypeError(
            f"{where}: a descriptor must be a dict of settings or a {kind.__name__},"
            f" got {descriptor!r} ({type(descriptor).__name__})"
        )
    known = [field.name for field in fields(kind)]
    for name in descriptor:
        if name not in known:
            raise ValueError(f"{where}: unknown setting {name!r}{_nearest(name, known)}")
    if known[0] not in descriptor:
        raise ValueError(
            f"{where}: the setting {known[0]!r} is missing: expected an int of 1 or more"
        )
    try:
        return kind(**descriptor)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def _parse_list(descriptors: Any, kind: type, where: str) -> list:
    if isinstance(descriptors, (str, bytes, Mapping)) or not isinstance(descriptors, Sequence):
        raise TypeError(
            f"{where}: expected a list of descriptors, got {type(descriptors).__name__}"
        )
    if not descriptors:
        raise ValueError(f"{where}: the list of descriptors is empty: expected one or more")
    return [_parse(d, kind, f"{where}, descriptor {i}") for i, d in enumerate(descriptors, 1)]


def _padding(conv: ConvDescriptor) -> int:
    return (conv.kernel_size - 1) // 2 if conv.padding is None else conv.padding


def _make_activation(activation: str | Callable[[], nn.Module] | None) -> nn.Module:
    activation = "relu" if activation is None else activation
    return ACTIVATIONS[activation]() if isinstance(activation, str) else activation()


# --------------------------------------------------------------------------------------------------
# Layers
# --------------------------------------------------------------------------------------------------


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
        _check_int("in_channels", in_channels, minimum=1, optional=True)
        descriptors = _parse_list(descriptors, ConvDescriptor, where)
        channels = in_channels
        number = 0
        for i, conv in enumerate(descriptors, 1):
            channels = _inherit(
                "in_channels", conv.in_channels, channels, f"{where}, descriptor {i}"
            )
            for _ in range(conv.layers):
                number += 1
                layers[f"conv{number}"] = nn.Conv2d(
                    channels,
                    conv.out_channels,
                    conv.kernel_size,
                    stride=conv.stride,
                    padding=_padding(conv),
                    bias=conv.bias,
                    padding_mode=conv.padding_mode,
                )
                if conv.batch_norm:
                    layers[f"norm{number}"] = nn.BatchNorm2d(conv.out_channels)
                layers[f"activation{number}"] = _make_activation(conv.activation)
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
        _check_int("in_features", in_features, minimum=1, optional=True)
        descriptors = _parse_list(descriptors, LinearDescriptor, where)
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
            features = _inherit(
                "in_features", linear.in_features, features, f"{where}, descriptor {i}"
            )
            for _ in range(linear.layers):
                number += 1
                layers[f"fc{number}"] = nn.Linear(features, linear.out_features, bias=linear.bias)
                features = linear.out_features
                if number < total:
                    layers[f"activation{number}"] = _make_activation(linear.activation)
                    dropout = 0.5 if linear.dropout is None else linear.dropout
                    layers[f"dropout{number}"] = nn.Dropout(dropout)
        super().__init__(layers)
        self.out_features = features


def _inherit(name: str, written: int | None, before: int | None, where: str) -> int:
    """The input width of a layer: what the layer before gives, unless nothing stands before it."""
    if written is None and before is None:
        raise ValueError(f"{where}: nothing stands before this layer, so {name} must be given")
    if written is not None and before is not None and written != before:
        raise ValueError(
            f"{where}: {name} is {written}, but the layer before gives {before};"
            f" leave {name} out or write {before}"
        )
    return before if written is None else written


class VGG(nn.Module):
    """Stacks of convolutions with a 2x2 max pool after each, then fully connected layers.

    The paper, section 2.1. Returns logits, as ``torch.nn.functional.cross_entropy`` expects;
    :meth:`probabilities` is the softmax of them.

    Args:
        conv_stacks: list of stacks, each a list of convolution descriptors.
        linear: list of linear descriptors; the last layer's features are the classes.
        in_channels: channels of the images.
        image_size: side of the square images in pixels, or ``(height, width)``.
        initialization: how the weights are drawn, see :func:`initialize`.

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
    ) -> None:
        super().__init__()
        _check_int("in_channels", in_channels, minimum=1)
        _check_choice("initialization", initialization, INITIALIZATIONS)
        height, width = _check_image_size(image_size)
        if isinstance(conv_stacks, (str, Mapping)) or not isinstance(conv_stacks, Sequence):
            raise TypeError(
                f"conv_stacks must be a list of stacks, got {type(conv_stacks).__name__}"
            )
        if not conv_stacks:
            raise ValueError("conv_stacks is empty: expected one stack or more")
        stacks = [
            _parse_list(stack, ConvDescriptor, f"stack {i}")
            for i, stack in enumerate(conv_stacks, 1)
        ]
        linear = _parse_list(linear, LinearDescriptor, "linear")

        sizes = pooled_size(stacks, height), pooled_size(stacks, width)
        if not all(sizes):
            raise ValueError(
                f"images of {height}x{width} pixels are too small for {len(stacks)} stacks, each"
                f" with a 2x2 max pool: the smallest side that fits is {_smallest_size(stacks)}"
            )

        features: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for i, stack in enumerate(stacks, 1):
            features[f"stack{i}"] = StackedConv2d(stack, channels, where=f"stack {i}")
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
        self.num_classes = self.classifier.out_features
        initialize(self, initialization)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of preprocessed float images ``(N, channels, height, width)``."""
        check_images(images, (self.in_channels, *self.image_size))
        return self.classifier(self.flatten(self.features(images)))

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities ``(N, classes)``, the softmax of the logits: each row sums to 1."""
        return self(images).softmax(dim=-1)

    def settings(self) -> dict[str, Any]:
        """What describes this network, so that ``VGG(**model.settings())`` is built like it."""
        return {
            "conv_stacks": [[asdict(conv) for conv in stack] for stack in self.conv_stacks],
            "linear": [asdict(linear) for linear in self.linear],
            "in_channels": self.in_channels,
            "image_size": self.image_size,
        }


def check_images(images: Tensor, expected: tuple[int | str, ...]) -> None:
    """Refuse what is no batch of preprocessed images.

    Args:
        images: to check.
        expected: channels, height and width; a side that may be anything is a word.

    Raises:
        ValueError: another shape.
        TypeError: no floats.
    """
    fits = images.dim() == 4 and all(
        isinstance(side, str) or side == own
        for side, own in zip(expected, images.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"expected images of shape (N, {', '.join(map(str, expected))}),"
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
        _check_int("image_size", side, minimum=1)
    return tuple(size)


def pooled_size(stacks: list[list[ConvDescriptor]], size: int) -> int:
    """Side of the last pool's output for images of side ``size``; 0: a layer gets too little."""
    for stack in stacks:
        for conv in stack:
            size = conv.output_size(size)
        size //= 2
        if size < 1:
            return 0
    return size


def _smallest_size(stacks: list[list[ConvDescriptor]]) -> int:
    size = 1
    while not pooled_size(stacks, size):
        size += 1
    return size


@torch.no_grad()
def initialize(
    model: nn.Module, scheme: str = "he", generator: torch.Generator | None = None
) -> None:
    r"""Draw the weights of all convolutions and fully connected layers anew, in place.

    Biases become 0, batch normalization starts as the identity.

    Args:
        model: the network.
        scheme: ``"he"``: :math:`N(0, 2/\text{fan-in})` (He et al. 2015), but for the last fully
            connected layer, which starts at :math:`N(0, 0.01^2)` so that the first predictions are
            nearly uniform and the first loss nearly ln(classes). ``"glorot"``:
            :math:`U(\pm\sqrt{6/(\text{fan-in} + \text{fan-out})})` (Glorot & Bengio 2010).
            ``"paper"``: :math:`N(0, 0.01^2)` everywhere (the paper, section 3.1, read with AlexNet,
            section 5: the paper calls :math:`10^{-2}` the variance, AlexNet the deviation).
        generator: source of the draws; ``None`` is torch's global one.

    Raises:
        TypeError: ``scheme`` is no string.
        ValueError: ``scheme`` is none of the three.
    """
    _check_choice("initialization", scheme, INITIALIZATIONS)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        if scheme == "glorot":
            nn.init.xavier_uniform_(layer.weight, generator=generator)
        elif scheme == "paper" or (layer is layers[-1] and isinstance(layer, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, 0.01, generator=generator)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


# --------------------------------------------------------------------------------------------------
# The papers' networks
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Configuration:
    """A named network: its descriptors, and the images and classes that it was made for."""

    conv_stacks: tuple[tuple[Mapping[str, Any], ...], ...]
    linear: tuple[Mapping[str, Any], ...]
    image_size: int
    num_classes: int
    source: str

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


def _paper(*stacks: Sequence[Mapping[str, Any]]) -> Configuration:
    conv_stacks = tuple(tuple(stack) for stack in stacks)
    return Configuration(conv_stacks, _IMAGENET, 224, 1000, "Simonyan & Zisserman 2015, Table 1")


def _post(linear: tuple[Mapping[str, Any], ...], *stacks: Mapping[str, Any]) -> Configuration:
    return Configuration(tuple((s,) for s in stacks), linear, 32, 10, "Zhong 2024, Results")


# Two convolutions of 3x3, then one of 1x1: the end of the last three stacks of configuration C.
def _conv_1x1(out_channels: int) -> list[dict[str, Any]]:
    return [_conv(out_channels, 2), _conv(out_channels, kernel_size=1)]


CONFIGURATIONS: dict[str, Configuration] = {
    "A": _paper([_conv(64)], [_conv(128)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]),
    "A-LRN": _paper(
        [_conv(64, **_LRN)], [_conv(128)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]
    ),
    "B": _paper([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 2)], [_conv(512, 2)], [_conv(512, 2)]),
    "C": _paper([_conv(64, 2)], [_conv(128, 2)], _conv_1x1(256), _conv_1x1(512), _conv_1x1(512)),
    "D": _paper([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 3)], [_conv(512, 3)], [_conv(512, 3)]),
    "E": _paper([_conv(64, 2)], [_conv(128, 2)], [_conv(256, 4)], [_conv(512, 4)], [_conv(512, 4)]),
    "I": _post(_CIFAR_1, _conv(128), _conv(256), _conv(512)),
    "II": _post(_CIFAR_2, _conv(128), _conv(256, 2), _conv(512, 2)),
    "III": _post(_CIFAR_2, _conv(128), _conv(256, 2), _conv(512, 6)),
    # Narrow where the images are large, and no hidden fully connected layer.
    "slim": Configuration(
        (
            (_conv(32, bias=False, activation="gelu"), _conv(64, **_MODERN)),
            (_conv(64, **_MODERN), _conv(128, **_MODERN)),
            (_conv(256, 2, **_MODERN),),
            (_conv(512, **_MODERN),),
            (_conv(512, **_MODERN),),
        ),
        ({"out_features": 10},),
        32,
        10,
        "this book, Ten years later",
    ),
}


def vgg(
    name: str,
    *,
    num_classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    batch_norm: bool = False,
    dropout: float = 0.5,
    width: float = 1.0,
    initialization: str = "he",
) -> VGG:
    """Build one of the papers' networks by its name.

    Args:
        name: ``"A"``, ``"A-LRN"``, ``"B"``, ``"C"``, ``"D"``, ``"E"`` (the paper, Table 1: 224 px,
            1000 classes), ``"I"``, ``"II"``, ``"III"`` (Zhong 2024: 32 px, 10 classes), or
            ``"slim"`` (this book's, for the least computation: 32 px, 10 classes).
        num_classes: classes; ``None`` is the configuration's own number.
        image_size: side in pixels or ``(height, width)``; ``None`` is the configuration's own.
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
    _check_choice("configuration", name, tuple(CONFIGURATIONS))
    configuration = CONFIGURATIONS[name]
    _check_bool("batch_norm", batch_norm)
    _check_probability("dropout", dropout)
    if num_classes is None:
        num_classes = configuration.num_classes
    stacks = [
        [
            replace(
                conv,
                out_channels=_scale(conv.out_channels, width),
                batch_norm=conv.batch_norm or batch_norm,
            )
            for conv in _parse_list(stack, ConvDescriptor, f"stack {i}")
        ]
        for i, stack in enumerate(configuration.conv_stacks, 1)
    ]
    *hidden, last = _parse_list(configuration.linear, LinearDescriptor, "linear")
    hidden = [
        replace(h, out_features=_scale(h.out_features, width), dropout=dropout) for h in hidden
    ]
    _check_int("num_classes", num_classes, minimum=1)
    return VGG(
        stacks,
        [*hidden, replace(last, out_features=num_classes)],
        image_size=configuration.image_size if image_size is None else image_size,
        initialization=initialization,
    )


def _scale(channels: int, width: float) -> int:
    if isinstance(width, bool) or not isinstance(width, (int, float)):
        raise TypeError(f"width must be a number, got {width!r} ({type(width).__name__})")
    scaled = channels * width
    if not 1 <= scaled < float("inf") or scaled != int(scaled):
        raise ValueError(f"width must leave whole numbers of channels, got {channels} * {width}")
    return int(scaled)


# --------------------------------------------------------------------------------------------------
# torchvision's weights
# --------------------------------------------------------------------------------------------------


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
