"""A trained network as the reader's browser runs it: one ONNX file that gives logits, the maps of
the first layer, and where the evidence for a class lies.

ONNX describes a way forward and no way back. So what Grad-CAM needs of the way back is written here
as products and sums like the others, layer by layer; a test compares it with
:func:`vgglib.class_activation`, which differentiates.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from vgglib import VGG
from vgglib.inspection import split_at_pool

# Smaller tensors stay as they are: there is nothing to gain.
_LARGE = 1000


class ForBrowser(nn.Module):
    """A network in evaluation mode that gives what the page shows.

    Args:
        network: of convolutions that keep the size or lose a little of it, and 2x2 pools.
        pool: number of the pool before which the evidence is looked for, from 1, see
            :func:`~vgglib.inspection.class_activation`: the maps there are small enough to know
            classes and large enough to show a place.
    """

    def __init__(self, network: VGG, pool: int) -> None:
        super().__init__()
        before, after = split_at_pool(network, pool)
        self.before = nn.Sequential(*before)
        self.after = nn.ModuleList([*after, network.flatten, *network.classifier])
        # The first convolution and its activation: what a reader is shown of the first layer.
        activations = (nn.ReLU, nn.GELU)
        self.first = 1 + next(i for i, m in enumerate(self.before) if isinstance(m, activations))

    def forward(self, images: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, first maps, and evidence.

        Args:
            images: preprocessed, (N, C, H, W).
            chosen: 1 for the class whose evidence is wanted and 0 for the others, (1, classes); all
                0 for the one that is most probable in the mean over the images.

        Returns:
            Logits (N, classes); maps of the first layer (N, channels, H, W); and Grad-CAM before
            its ReLU, enlargement and scaling, (N, h, w).
        """
        first = self.before[: self.first](images)
        maps = self.before[self.first :](first)
        inputs = []
        values = maps
        for layer in self.after:
            inputs.append(values)
            values = layer(values)
        mean = values.softmax(dim=1).mean(dim=0, keepdim=True)
        best = (mean == mean.max()).to(mean.dtype)
        gradient = torch.where(chosen.sum() > 0, chosen, best).expand_as(values)
        for layer, entered in zip(reversed(self.after), reversed(inputs), strict=True):
            gradient = back(layer, entered, gradient)
        evidence = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)
        return values, first, evidence


def back(layer: nn.Module, entered: Tensor, gradient: Tensor) -> Tensor:
    """The gradient at the input of a layer, from that at its output.

    Args:
        layer: in evaluation mode.
        entered: its input.
        gradient: of the same shape as its output.

    Raises:
        TypeError: a layer whose way back is not written here.
    """
    if isinstance(layer, nn.Linear):
        return gradient @ layer.weight
    if isinstance(layer, nn.Conv2d):
        return F.conv_transpose2d(gradient, layer.weight, padding=layer.padding)
    if isinstance(layer, nn.BatchNorm2d):
        factor = layer.weight / (layer.running_var + layer.eps).sqrt()
        return gradient * factor[:, None, None]
    if isinstance(layer, nn.ReLU):
        return gradient * (entered > 0)
    if isinstance(layer, nn.GELU):
        # x * Phi(x) has the derivative Phi(x) + x * phi(x).
        area = 0.5 * (1 + torch.erf(entered / math.sqrt(2)))
        density = torch.exp(-entered.square() / 2) / math.sqrt(2 * math.pi)
        return gradient * (area + entered * density)
    if isinstance(layer, nn.MaxPool2d):
        # To the largest of each four. Where several are, in equal parts: torch takes the first, and
        # the mean over a map, which is all that is made of it here, is the same.
        largest = (entered == _enlarged(layer(entered), entered)).float()
        return largest * _enlarged(gradient / (4 * F.avg_pool2d(largest, 2)), entered)
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        largest = (entered == layer(entered)).float()
        return largest * (gradient / largest.sum(dim=(2, 3), keepdim=True))
    if isinstance(layer, nn.Flatten):
        return gradient.reshape(entered.shape)
    if isinstance(layer, nn.Dropout):
        return gradient
    raise TypeError(f"the way back through {type(layer).__name__} is not written")


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    """Each value four times; a row or column that the pool left out, for an odd side, is 0."""
    maps = F.interpolate(maps, scale_factor=2.0, mode="nearest")
    rows, columns = (a - b for a, b in zip(like.shape[2:], maps.shape[2:], strict=True))
    return F.pad(maps, (0, columns, 0, rows))


def export(network: VGG, path: Path, pool: int) -> None:
    """Write a network as ONNX, for batches of two: a picture and its mirror image.

    Large weights are stored in float16 and computed with in float32, which every browser can.

    Args:
        network: in evaluation mode.
        path: of the file.
        pool: see :class:`ForBrowser`.
    """
    images = torch.zeros(2, network.in_channels, *network.image_size)
    chosen = torch.zeros(1, network.num_classes)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the exporter's own parts
        program = torch.onnx.export(
            ForBrowser(network, pool).eval(),
            (images, chosen),
            dynamo=True,
            optimize=False,  # it would multiply weights together before they are rounded
            input_names=["images", "chosen"],
            output_names=["logits", "maps", "evidence"],
            verbose=False,
        )
    model = program.model_proto
    store_as_float16(model.graph)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def store_as_float16(graph: onnx.GraphProto) -> None:
    """Halve the large weights of a graph, in place: each is cast to float32 where it is used."""
    casts = []
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT and math.prod(weight.dims) >= _LARGE:
            half = numpy_helper.to_array(weight).astype("float16")
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
