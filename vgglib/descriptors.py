"""Descriptors: what the layers of a VGG are, as data (the chapter Architecture).

A descriptor is a dict of settings for one or more layers, or the dataclass that it becomes. The
input channels of a layer are those that the layer before gives, so nobody has to write them. A
setting that is not known is refused, and the nearest known one is named.

Sections in the docstrings are those of Simonyan & Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015 (arXiv 1409.1556), called "the paper".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from vgglib.checks import check_bool, check_choice, check_int, check_probability, nearest

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
        pool: side of a max pool between each convolution and what follows it, so that the
            normalization and the activation have less to do. A stack that ends so has no other
            pool, but a global one (not in the paper).

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
    pool: int | None = None

    def __post_init__(self) -> None:
        for name in ("out_channels", "layers", "kernel_size", "stride"):
            check_int(name, getattr(self, name), minimum=1)
        check_int("in_channels", self.in_channels, minimum=1, optional=True)
        check_int("padding", self.padding, minimum=0, optional=True)
        for name in ("bias", "batch_norm", "local_response_norm"):
            check_bool(name, getattr(self, name))
        check_choice("padding_mode", self.padding_mode, PADDING_MODES)
        _check_activation(self.activation)
        check_int("pool", self.pool, minimum=2, optional=True)

    @property
    def padded(self) -> int:
        """Pixels that are added on each side."""
        return (self.kernel_size - 1) // 2 if self.padding is None else self.padding

    def output_size(self, size: int) -> int:
        """Side of the output for an input of side ``size`` after all ``layers``; < 1: too small."""
        # What is mirrored or repeated at the border must be there.
        least = {"reflect": self.padded + 1, "circular": max(1, self.padded)}.get(
            self.padding_mode, 1
        )
        for _ in range(self.layers):
            if size < least:
                return 0
            size = (size + 2 * self.padded - self.kernel_size) // self.stride + 1
            size //= self.pool or 1
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
        check_int("out_features", self.out_features, minimum=1)
        check_int("layers", self.layers, minimum=1)
        check_int("in_features", self.in_features, minimum=1, optional=True)
        check_bool("bias", self.bias)
        if self.activation is not None:
            _check_activation(self.activation)
        if self.dropout is not None:
            check_probability("dropout", self.dropout)


def _check_activation(value: Any) -> None:
    if isinstance(value, str):
        check_choice("activation", value, tuple(ACTIVATIONS))
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
            raise ValueError(f"{where}: unknown setting {name!r}{nearest(name, known)}")
    if known[0] not in descriptor:
        raise ValueError(
            f"{where}: the setting {known[0]!r} is missing: expected an int of 1 or more"
        )
    try:
        return kind(**descriptor)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def parse_list(descriptors: Any, kind: type, where: str) -> list:
    """A list of dicts or descriptors as descriptors; ``where`` is its name in errors."""
    if isinstance(descriptors, (str, bytes, Mapping)) or not isinstance(descriptors, Sequence):
        raise TypeError(
            f"{where}: expected a list of descriptors, got {type(descriptors).__name__}"
        )
    if not descriptors:
        raise ValueError(f"{where}: the list of descriptors is empty: expected one or more")
    return [_parse(d, kind, f"{where}, descriptor {i}") for i, d in enumerate(descriptors, 1)]


def make_activation(activation: str | Callable[[], nn.Module] | None) -> nn.Module:
    """The module of an activation that a descriptor gives; ``None`` is ReLU."""
    activation = "relu" if activation is None else activation
    return ACTIVATIONS[activation]() if isinstance(activation, str) else activation()


def inherit(name: str, written: int | None, before: int | None, where: str) -> int:
    """The input width of a layer: what the layer before gives, unless nothing stands before it."""
    if written is None and before is None:
        raise ValueError(f"{where}: nothing stands before this layer, so {name} must be given")
    if written is not None and before is not None and written != before:
        raise ValueError(
            f"{where}: {name} is {written}, but the layer before gives {before};"
            f" leave {name} out or write {before}"
        )
    return before if written is None else written
