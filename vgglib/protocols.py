"""Test protocols: dense, multi-crop, several scales, ensembles (the paper, section 3.2).

A network is trained on crops of one size. An image to be tested is larger. The paper knows two ways
to use all of it, and their union.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as TF

from vgglib.architecture import VGG, check_images, pooled_size, unwrap
from vgglib.checks import check_bool, check_choice, check_int, check_tensors
from vgglib.evaluation import predict
from vgglib.tracing import trace

METHODS = ("dense", "crops", "both")


class ConvolutionalVGG(nn.Module):
    """A VGG whose fully connected layers are convolutions, for images of any size (section 3.2).

    The first becomes a convolution with kernels as large as the last pool's output (7x7 in the
    paper), the others become 1x1 convolutions. On an image of the size that the network was trained
    on, it gives the same logits at one place. On a larger one it gives a map of them, one for each
    window of that size, a step of all the pools apart. The only difference from testing a window by
    itself: around it stands the image, where the network would pad with zeros.

    The weights are the network's own, not copies: training one trains the other. To move them to
    another device or type, move the network before.

    Args:
        network: with any number of stacks and fully connected layers.

    Shape:
        Images ``(N, channels, height, width)``, float, to logits ``(N, classes, rows, columns)``.

    Raises:
        TypeError: ``network`` is no VGG, or its whole classifier was exchanged.
    """

    def __init__(self, network: VGG) -> None:
        super().__init__()
        network = unwrap(network)
        if not isinstance(network, VGG):
            raise TypeError(f"expected a VGG, got {type(network).__name__}")
        if not isinstance(network.classifier, nn.Sequential):
            raise TypeError(
                f"the classifier was exchanged for {type(network.classifier).__name__}: expected an"
                " nn.Sequential, whose fully connected layers become convolutions"
            )
        self.features = network.features
        self.classifier = nn.Sequential()
        kernel = network.feature_size
        for name, layer in network.classifier.named_children():
            if isinstance(layer, nn.Linear):
                layer, kernel = _as_convolution(layer, kernel), (1, 1)
            self.classifier.add_module(name, layer)
        self.conv_stacks, self.global_pool = network.conv_stacks, network.global_pool
        self.feature_size = network.feature_size
        self.in_channels = network.in_channels
        # Not self.train(): that would change the mode of the layers that are shared.
        self.training = self.classifier.training = network.training

    def forward(self, images: Tensor) -> Tensor:
        """Maps of logits.

        Raises:
            ValueError: other shapes, or images smaller than what one place of the map sees.
            TypeError: images that are no floats.
        """
        check_images(images, (self.in_channels, "height", "width"))
        map_size(self, *images.shape[-2:])
        return self.classifier(self.features(images))


def map_size(network: VGG | ConvolutionalVGG, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the map of logits for an image of some height and width in pixels.

    Raises:
        ValueError: the image is smaller than what one place of the map sees.
    """
    network = unwrap(network)
    needed = network.feature_size

    def places_for(side: int) -> int:
        return pooled_size(network.conv_stacks, side, network.global_pool)

    rows, columns = (
        places_for(side) - places + 1 for side, places in zip((height, width), needed, strict=True)
    )
    if min(rows, columns) < 1:
        smallest = [
            next(side for side in count(1) if places_for(side) >= places) for places in needed
        ]
        raise ValueError(
            f"an image of {height}x{width} px is smaller than the network's reach: its fully"
            f" connected layers need {needed[0]}x{needed[1]} features, which images of at least"
            f" {smallest[0]}x{smallest[1]} px give"
        )
    return rows, columns


def _as_convolution(layer: nn.Linear, kernel: tuple[int, int]) -> nn.Conv2d:
    """The convolution that does what a fully connected layer does to flattened features."""
    channels = layer.in_features // (kernel[0] * kernel[1])
    bias = layer.bias is not None
    conv = nn.Conv2d(channels, layer.out_features, kernel, bias=bias, device="meta")
    # Flattening puts channels first, then rows, then columns: the order of a kernel's weights.
    weight = layer.weight.detach().view(layer.out_features, channels, *kernel)
    conv.weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
    conv.bias = layer.bias
    return conv


class _SpatialAverage(nn.Module):
    """Logits of an image from its map of logits: their mean over all places (section 3.2)."""

    def __init__(self, network: ConvolutionalVGG) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        # In float32: a mean in bfloat16 would have two or three digits.
        return self.network(images).float().mean(dim=(-2, -1))


def grid_crops(images: Tensor, size: int, grid: int = 5) -> list[Tensor]:
    """Crops at the places of a regular grid that reaches to the borders (section 3.2).

    Args:
        images: shape (..., H, W).
        size: side of the square crops in pixels.
        grid: places along each axis; 5 in the paper, 25 crops, with their mirror images 50.

    Returns:
        ``grid * grid`` crops of shape (..., size, size), row by row; they share the images' memory.

    Raises:
        ValueError: the images are smaller than a crop, or ``grid`` is less than 1.
    """
    height, width = images.shape[-2:]
    if grid < 1:
        raise ValueError(f"a grid needs 1 place or more along an axis, got {grid}")
    if min(height, width) < size:
        raise ValueError(
            f"images of {height}x{width} px are smaller than a crop of {size}x{size} px: rescale"
            f" them to a smaller side of at least {size} px"
        )
    rows, columns = (_places(side - size, grid) for side in (height, width))
    return [images[..., r : r + size, c : c + size] for r in rows for c in columns]


def _places(room: int, grid: int) -> list[int]:
    if grid == 1:
        return [room // 2]
    return [round(place * room / (grid - 1)) for place in range(grid)]


@dataclass(frozen=True)
class Protocol:
    """How an image is tested (the paper, section 3.2).

    Attributes:
        scales: the test scales ``Q``, to which the smaller side of the image is rescaled, pixels;
            the class probabilities are averaged over them.
        method: ``"dense"``: the network runs over the whole image, see :class:`ConvolutionalVGG`,
            and its map of logits is averaged. ``"crops"``: the class probabilities of crops on a
            grid are averaged. ``"both"``: the average of these two.
        grid: crops along each axis.
        mirror: whether the mirror image counts as well.

    Raises:
        ValueError: no scales, or one that is no positive whole number, an unknown method, or an
            empty grid.
    """

    scales: tuple[int, ...]
    method: str = "dense"
    grid: int = 5
    mirror: bool = True

    def __post_init__(self) -> None:
        scales = self.scales
        if not isinstance(scales, Sequence) or isinstance(scales, str) or not scales:
            raise ValueError(
                f"expected one test scale or more, such as (256,) or (224, 256, 288), got"
                f" {scales!r}"
            )
        for scale in scales:
            if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
                raise ValueError(f"test scales must be ints of 1 or more, got {scales!r}")
        object.__setattr__(self, "scales", tuple(scales))
        check_choice("method", self.method, METHODS)
        check_int("grid", self.grid, minimum=1)
        check_bool("mirror", self.mirror)

    @property
    def crops(self) -> int:
        """Crops of one image over all scales, mirror images counted; 0 if it is dense only."""
        crops = len(self.scales) * self.grid**2 * (2 if self.mirror else 1)
        return 0 if self.method == "dense" else crops

    def __str__(self) -> str:
        names = {"dense": "dense", "crops": "multi-crop", "both": "dense and multi-crop"}
        name = "center crop" if (self.method, self.grid) == ("crops", 1) else names[self.method]
        return f"{name} at Q = {', '.join(map(str, self.scales))}"


def scales_around(scale: int | tuple[int, int], step: int = 32) -> tuple[int, int, int]:
    """The three test scales that the paper takes for a training scale (section 4.2).

    Args:
        scale: ``S`` in pixels, or the range that it was drawn from.
        step: how far the scales beside a fixed ``S`` are from it, pixels.

    Returns:
        ``S - step, S, S + step``; for a range its ends and its middle.

    Raises:
        ValueError: a range that does not rise, or an ``S`` that leaves no pixel below it.
    """
    low, middle, high = (
        (scale - step, scale, scale + step)
        if isinstance(scale, int)
        else (scale[0], sum(scale) // 2, scale[1])
    )
    if not 0 < low <= middle <= high:
        raise ValueError(f"no test scales around {scale!r}: they would be {low}, {middle}, {high}")
    return low, middle, high


def predict_by(
    protocol: Protocol,
    network: VGG,
    images: Tensor,
    transform: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 250,
    precision: str = "float32",
) -> Tensor:
    """Class probabilities of images by a test protocol (the paper, section 3.2).

    Args:
        protocol: scales and method.
        network: trained on square crops.
        images: (N, C, H, W), uint8 or float, of any one size.
        transform: preprocessing of a batch, such as :class:`~vgglib.transforms.SubtractMean`.
        batch_size: crops at once. Larger images come in smaller batches.
        precision: see :func:`~vgglib.machine.devices.choose_precision`.

    Returns:
        float32 on the CPU, shape (N, classes); each row sums to 1.

    Raises:
        ValueError: images of another shape, a test scale that is smaller than the crop or than the
            network's reach, or a network for images that are not square.
    """
    check_tensors(images=images)
    if images.dim() != 4:
        raise ValueError(f"expected images of shape (N, channels, H, W), got {tuple(images.shape)}")
    check_scales(protocol, network)
    size = unwrap(network).image_size[0]
    dense = _SpatialAverage(ConvolutionalVGG(network))

    def probabilities(model: nn.Module, views: Tensor) -> Tensor:
        at_once = max(1, batch_size * size**2 // (views.shape[-2] * views.shape[-1]))
        return predict(
            model,
            views,
            transform,
            mirror=protocol.mirror,
            batch_size=at_once,
            precision=precision,
        )

    parts = []
    for part in images.split(batch_size):
        at_scales = []
        for scale in protocol.scales:
            rescaled = TF.resize(part, [scale], antialias=True)
            outputs = []
            if protocol.method in ("dense", "both"):
                outputs.append(probabilities(dense, rescaled))
            if protocol.method in ("crops", "both"):
                crops = torch.cat(grid_crops(rescaled, size, protocol.grid))
                of_crops = probabilities(network, crops)
                outputs.append(average_probabilities(of_crops.split(len(part))))
            at_scales.append(average_probabilities(outputs))
        parts.append(average_probabilities(at_scales))
    return torch.cat(parts)


def average_probabilities(probabilities: Sequence[Tensor]) -> Tensor:
    """The mean of class probabilities: over views, scales, or the networks of an ensemble.

    The paper, sections 3.2 and 4.4. Probabilities are averaged, not logits: those of one network
    may be larger than those of another, and would count for more.

    Raises:
        ValueError: there are none, or their shapes differ.
    """
    shapes = {tuple(p.shape) for p in probabilities}
    if len(shapes) != 1:
        raise ValueError(
            "expected class probabilities of one shape, of one network or more, got"
            f" {sorted(shapes) or 'none'}"
        )
    return torch.stack(list(probabilities)).mean(dim=0)


def multiply_adds(
    protocol: Protocol, network: VGG, image_size: int | Sequence[int] | None = None
) -> int:
    """What a protocol costs for one image, in multiply-adds; see :class:`~vgglib.tracing.TraceRow`.

    Args:
        protocol: scales and method.
        network: trained on square crops.
        image_size: height and width of the image, of which only the ratio counts; a single number
            or ``None`` is a square.

    Raises:
        ValueError: as :func:`predict_by`.
    """
    check_scales(protocol, network)
    height, width = image_size if isinstance(image_size, Sequence) else (1, 1)
    of_crop = trace(network)
    connected = sum(row.multiply_adds for row in of_crop if row.layer.startswith("classifier."))
    total = 0
    for scale in protocol.scales:
        if protocol.method in ("dense", "both"):
            size = tuple(scale * side // min(height, width) for side in (height, width))
            rows, columns = map_size(network, *size)
            features = trace(network, image_size=size)
            total += rows * columns * connected
            total += sum(r.multiply_adds for r in features if r.layer.startswith("features."))
        if protocol.method in ("crops", "both"):
            total += protocol.grid**2 * of_crop.multiply_adds
    return total * (2 if protocol.mirror else 1)


def check_scales(protocol: Protocol, network: VGG) -> None:
    """Refuse test scales that a network cannot be tested at.

    Raises:
        ValueError: a scale is smaller than the crop or than the network's reach, or the network is
            for images that are not square.
    """
    height, width = unwrap(network).image_size
    if height != width:
        raise ValueError(f"expected a network for square crops, got one for {height}x{width} px")
    smallest = min(protocol.scales)
    if protocol.method != "dense" and smallest < height:
        try:
            map_size(network, smallest, smallest)
            instead = ", or the method 'dense'"
        except ValueError:  # too small for that as well
            instead = ""
        raise ValueError(
            f"a test scale of {smallest} px is below the crop of {height} px: expected scales of"
            f" {height} px or more{instead}"
        )
    map_size(network, smallest, smallest)
