"""The shape trace: what each layer of a VGG gets, gives, holds and costs.

Computed on torch's meta device: tensors there have shapes but no numbers, so that even the half
gigabyte of weights of configuration D takes no memory.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from vgglib.architecture import BATCH_NORMS, VGG, unwrap
from vgglib.configurations import vgg

_POOLS = (nn.MaxPool2d, nn.AvgPool2d)
_ADAPTIVE_POOLS = (nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
_NORMS = (*BATCH_NORMS, nn.GroupNorm, nn.LocalResponseNorm)
_TRACED = (nn.Conv2d, nn.Linear, nn.PReLU, *_NORMS, *_POOLS, *_ADAPTIVE_POOLS)


@dataclass(frozen=True)
class TraceRow:
    """One layer of a :class:`Trace`.

    Attributes:
        layer: where the layer stands, as in the keys of the ``state_dict``.
        kind: what it is, such as ``"conv3-64"`` (the paper's notation), ``"maxpool"``,
            ``"FC-4096"``.
        input_shape: shape of one image's input, without the batch.
        output_shape: shape of one image's output, without the batch.
        parameters: weights and biases, fixed ones too.
        multiply_adds: multiply-adds for one image, of convolutions and fully connected layers;
            activations, pools and normalizations are not counted, as is usual.
        receptive_field: side in pixels of the part of the image that one output depends on, not
            cut at the border of the image; ``None`` from the first layer on that takes the whole
            map: a fully connected one, or a global pool.
    """

    layer: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int | None


@dataclass(frozen=True)
class Trace:
    """The rows of a shape trace, printable as a table; see :func:`trace`."""

    rows: tuple[TraceRow, ...]

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one image forward; training costs about three times as much."""
        return sum(row.multiply_adds for row in self.rows)

    def __iter__(self) -> Iterator[TraceRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def _cells(self) -> list[list[str]]:
        cells = [["layer", "kind", "output", "parameters", "multiply-adds", "receptive field"]]
        for row in self.rows:
            field = "image" if row.receptive_field is None else str(row.receptive_field)
            shape = "x".join(map(str, row.output_shape))
            counts = [f"{n:,}" for n in (row.parameters, row.multiply_adds)]
            cells.append([row.layer, row.kind, shape, *counts, field])
        cells.append(["total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", ""])
        return cells

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        align = [str.ljust, str.ljust, str.rjust, str.rjust, str.rjust, str.rjust]
        lines = [
            "  ".join(
                put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)
            )
            for line in cells
        ]
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        # Words to the left, numbers to the right; "conv3-64" must not break at its hyphen.
        sides = ["left", "left", *["right"] * (len(head) - 2)]

        def row(kind: str, cells: list[str]) -> str:
            look = [f"text-align: {side}; white-space: nowrap" for side in sides]
            marked = zip(look, cells, strict=True)
            inner = (f'<{kind} style="{style}">{cell}</{kind}>' for style, cell in marked)
            return f"<tr>{''.join(inner)}</tr>"

        rows = ["<thead>", row("th", head), "</thead>", "<tbody>"]
        rows += [row("td", line) for line in body] + ["</tbody>"]
        return "<table>\n" + "\n".join(rows) + "\n</table>"


def trace(network: str | VGG, image_size: int | tuple[int, int] | None = None, **options) -> Trace:
    """Trace one image through a network, layer by layer, without allocating its weights.

    Args:
        network: the name of a configuration, or a :class:`~vgglib.architecture.VGG`, compiled or
            wrapped for several devices or not, with layers exchanged by hand or not.
        image_size: side in pixels or ``(height, width)``; ``None`` is the network's own. For
            another one the network is made anew by its settings, without layers exchanged by hand.
        options: with a name, what :func:`~vgglib.configurations.vgg` takes besides.

    Returns:
        A row for each convolution, pool, normalization, fully connected layer, and activation that
        learns.

    Raises:
        TypeError: ``network`` is neither, or options are given with a built network.
        ValueError: as :func:`~vgglib.configurations.vgg` and the class raise.
    """
    with torch.device("meta"):
        if isinstance(network, str):
            model = vgg(network, image_size=image_size, **options)
        else:
            model = unwrap(network)
            if not isinstance(model, VGG):
                kind = type(network).__name__
                raise TypeError(f"network must be a configuration's name or a VGG, got {kind}")
            if options:
                raise TypeError(f"a built network takes no {', '.join(options)}: only image_size")
            if image_size is None:
                model = _without_numbers(model)
            else:  # its fully connected layers depend on it
                settings = model.settings() | {"image_size": image_size}
                settings["linear"][0]["in_features"] = None
                model = VGG(**settings)
        shapes: dict[str, tuple] = {}
        layers = {
            name: module for name, module in model.named_modules() if isinstance(module, _TRACED)
        }
        for name, module in layers.items():
            module.register_forward_hook(
                lambda _, args, output, name=name: shapes.update(
                    {name: (tuple(args[0].shape[1:]), tuple(output.shape[1:]))}
                )
            )
        model.eval()(torch.empty(1, model.in_channels, *model.image_size))

    rows = []
    field, jump = 1, 1  # side of what one output sees; image pixels between neighboring outputs
    whole = False
    for name, module in layers.items():
        gets, gives = shapes[name]
        if isinstance(module, (nn.Conv2d, *_POOLS)):
            kernel, stride = _single(module.kernel_size), _single(module.stride)
            dilation = _single(getattr(module, "dilation", 1))  # average pools have none
            field += (kernel - 1) * dilation * jump
            jump *= stride
        elif isinstance(module, _ADAPTIVE_POOLS):
            windows = ((i * gets[1] // gives[1], (i + 1) * gets[1]) for i in range(gives[1]))
            field += (max(-(-end // gives[1]) - start for start, end in windows) - 1) * jump
            jump *= math.ceil(gets[1] / gives[1])
        # Each output of these sees the whole image.
        global_pool = isinstance(module, _ADAPTIVE_POOLS) and gives[1:] == (1, 1)
        whole = whole or global_pool or isinstance(module, nn.Linear)
        rows.append(
            TraceRow(
                layer=name,
                kind=_kind(module) + ", global" * global_pool,
                input_shape=gets,
                output_shape=gives,
                parameters=sum(p.numel() for p in module.parameters()),
                multiply_adds=_multiply_adds(module, gives),
                receptive_field=None if whole else field,
            )
        )
    return Trace(tuple(rows))


def _without_numbers(model: VGG) -> VGG:
    """A copy of a network as it is, on the meta device, without what watches its layers.

    In float32, whatever it computes in. What else hangs on its layers (a weight that a pruning
    made, an output that somebody kept) becomes a shape, too.
    """
    tensors = [*model.parameters(), *model.buffers()]
    for module in model.modules():
        tensors += [value for value in vars(module).values() if torch.is_tensor(value)]
    shapes = {
        id(t): t.detach().to("meta", torch.float32 if t.is_floating_point() else None)
        for t in tensors
    }
    copied = copy.deepcopy(model, shapes)
    for module in copied.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return copied


def _single(value: int | tuple[int, int]) -> int:
    return value if isinstance(value, int) else value[0]


def _kind(module: nn.Module) -> str:
    """The layer in the notation of the paper's Table 1."""
    if isinstance(module, nn.Conv2d):
        return f"conv{module.kernel_size[0]}-{module.out_channels}"
    if isinstance(module, nn.Linear):
        return f"FC-{module.out_features}"
    names = {
        (nn.MaxPool2d, nn.AdaptiveMaxPool2d): "maxpool",
        (nn.AvgPool2d, nn.AdaptiveAvgPool2d): "avgpool",
        BATCH_NORMS: "batch norm",
        nn.GroupNorm: "group norm",
        nn.LocalResponseNorm: "LRN",
        nn.PReLU: "PReLU",
    }
    return next(name for kind, name in names.items() if isinstance(module, kind))


def _multiply_adds(module: nn.Module, output_shape: tuple[int, ...]) -> int:
    """One multiply-add for each weight and each place where it is used."""
    if isinstance(module, nn.Conv2d):
        return module.weight.numel() * output_shape[1] * output_shape[2]
    if isinstance(module, nn.Linear):
        return module.weight.numel()
    return 0
