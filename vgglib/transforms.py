"""Preprocessing and augmentation as torchvision v2 transforms, for one image and for a batch.

An image is a tensor (C, H, W), a batch (N, C, H, W), on any device, uint8 in 0..255 or float on the
[0, 1] scale; C is 3 for RGB, which the color shift alone needs. In a batch each image gets its own
draw; torchvision's own random transforms draw once for the whole batch. What else is in a sample
(labels, say) passes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from vgglib.checks import check_choice, check_int, check_number

SHIFTS_BY = ("eigenvalue", "root")


# A float image has values near 0 to 1, also after a strong shift of its color. What is above this
# is an image of 0..255 that was made float without being divided.
_FAR_ABOVE_WHITE = 10.0


class _ImageTransform(v2.Transform):
    """A transform of tensors of images that refuses what it would have to leave untouched."""

    #: Channels that the images must have; ``None``: those of gray or of RGB images.
    channels: int | None = None
    #: Whether it matters that floats are on the [0, 1] scale.
    unit_scale = False

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        name = type(self).__name__
        images = [x for x in flat_inputs if isinstance(x, tv_tensors.Image)]
        tensors = [x for x in flat_inputs if isinstance(x, Tensor)]
        if not images:
            images = tensors[:1]
            first_is_image = bool(images) and images[0].dim() >= 3
            # torchvision transforms the first of several plain tensors, and takes the others for
            # labels and the like.
            if first_is_image and any(x.dim() >= 3 for x in tensors[1:]):
                raise TypeError(
                    f"{name} got several plain tensors of images, of which only the first would be"
                    " transformed: stack them into a batch, or wrap each in tv_tensors.Image"
                )
        elif any(x.dim() >= 3 for x in tensors if not isinstance(x, tv_tensors.TVTensor)):
            raise TypeError(
                f"{name} got images as tv_tensors.Image and others as plain tensors, which would be"
                " passed over: wrap all of them, or none"
            )
        if any(isinstance(x, np.ndarray) and x.ndim >= 2 for x in flat_inputs):
            raise TypeError(
                f"{name} expects a tensor of images, got ndarray:"
                " convert with torchvision.transforms.v2.ToImage() first"
            )
        if any(isinstance(x, Image.Image) for x in flat_inputs):
            raise TypeError(
                f"{name} expects a tensor of images, got a PIL image:"
                " convert with torchvision.transforms.v2.PILToTensor() first"
            )
        for x in flat_inputs:
            if isinstance(x, tv_tensors.TVTensor) and not isinstance(x, tv_tensors.Image):
                raise TypeError(
                    f"{name} transforms images only, got {type(x).__name__}:"
                    " take it out of the sample, or use torchvision's own transform"
                )
        if not images:
            kinds = ", ".join(type(x).__name__ for x in flat_inputs) or "nothing"
            raise TypeError(
                f"{name} expects a tensor of images, got {kinds}:"
                " convert with torchvision.transforms.v2.ToImage() first"
            )
        for image in images:
            self._check_image(image)
            if image.shape[:-3] != images[0].shape[:-3]:
                raise ValueError("the images of one sample must come in batches of one size")

    def _check_image(self, image: Tensor) -> None:
        name, known = type(self).__name__, (self.channels,) if self.channels else (3, 1)
        if image.dim() < 3 or image.shape[-3] not in known:
            kinds = " or ".join({3: "RGB", 1: "gray"}.get(c, f"{c}-channel") for c in known)
            raise ValueError(
                f"{name} expects {kinds} images of shape ({known[0]}, H, W) or"
                f" (N, {known[0]}, H, W), got {tuple(image.shape)}"
            )
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise TypeError(f"{name} expects uint8 or float images, got {image.dtype}")
        # A GPU would have to be waited for.
        on_cpu = image.device.type == "cpu"
        if self.unit_scale and image.is_floating_point() and on_cpu and image.numel():
            largest = image.max().item()
            if largest > _FAR_ABOVE_WHITE:
                raise ValueError(
                    f"{name} expects float images on the [0, 1] scale, got values up to"
                    f" {largest:g}: give bytes (uint8), or divide by 255"
                )


class SubtractMean(_ImageTransform):
    """Subtract the mean color of the training set (the paper, section 2.1).

    The only preprocessing of the paper. uint8 images become float32 on the [0, 1] scale before;
    float images must be on that scale already. The result is centered near 0, in [-1, 1].

    Args:
        mean: three numbers in [0, 1], for gray images one: ``channel_statistics(images).mean``.

    Raises:
        ValueError: no numbers in [0, 1] (a mean on the 0..255 scale, say); when it is used, images
            of other channels or float images of 0..255.
    """

    unit_scale = True

    def __init__(self, mean: Sequence[float] | Tensor) -> None:
        super().__init__()
        self.mean = _floats("mean", mean, (3,), (1,))
        if not all(0 <= value <= 1 for value in self.mean):
            raise ValueError(
                f"mean must be on the [0, 1] scale, got {self.mean}: divide values of 0..255 by 255"
            )
        self.channels = len(self.mean)

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Subtract."""
        dtype = torch.float32 if inpt.dtype == torch.uint8 else inpt.dtype
        mean = torch.tensor(self.mean, dtype=dtype, device=inpt.device)[:, None, None]
        if inpt.dtype == torch.uint8:  # a new tensor, so that the rest can be done in place
            return _like(inpt, inpt.float().div_(255).sub_(mean))
        return _like(inpt, inpt - mean)

    def extra_repr(self) -> str:
        return "mean=(" + ", ".join(f"{value:.4f}" for value in self.mean) + ")"


class RandomHorizontalFlip(_ImageTransform):
    """Mirror each image left to right with probability ``p``, independently (the paper, 3.1).

    Args:
        p: probability in [0, 1].

    Raises:
        ValueError: ``p`` is outside [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_number("p", p, low=0, high=1)
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw which images are mirrored: a mask of the batch's shape."""
        image = flat_inputs[0]  # torchvision gives only what is to be transformed
        return {"flip": torch.rand(image.shape[:-3], device=image.device) < self.p}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Mirror the images of the mask."""
        flip = params["flip"][..., None, None, None]
        mirrored = inpt.flip(-1)
        if inpt.dtype == torch.uint8 and inpt.device.type == "cpu":
            # Bytes wrap around, so the sum is exact; on a CPU it is far faster than torch.where.
            return _like(inpt, mirrored.sub_(inpt).mul_(flip.byte()).add_(inpt))
        return _like(inpt, torch.where(flip, mirrored, inpt))

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomTranslation(_ImageTransform):
    """Move each image by up to ``pixels`` along each axis, independently (AlexNet's paper, 4.1).

    What comes in at an edge is the image itself, mirrored there. It is the same as a random crop of
    the original size from the padded image.

    Args:
        pixels: the largest shift; every whole shift from -pixels to pixels is equally likely.

    Raises:
        ValueError: ``pixels`` is negative or no whole number, or (when it is used) not smaller than
            the side of the images.
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 0:
            raise ValueError(f"pixels must be an int of 0 or more, got {pixels!r}")
        self.pixels = pixels

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the corner of each crop: the batch's shape, with row and column at the end."""
        image = flat_inputs[0]
        for height, width in (other.shape[-2:] for other in flat_inputs):
            if self.pixels >= min(height, width):
                raise ValueError(
                    f"images of {height}x{width} pixels cannot be moved by {self.pixels}: choose a"
                    " shift below their side"
                )
        shape = (*image.shape[:-3], 2)
        return {"corner": torch.randint(2 * self.pixels + 1, shape, device=image.device)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Cut out the crops."""
        batch = inpt.reshape(-1, *inpt.shape[-3:])
        height, width = batch.shape[-2:]
        corner = params["corner"].reshape(-1, 2)
        # The place that each pixel comes from, mirrored where it lies outside: -1 is 1.
        places = [
            self._mirrored(torch.arange(side, device=batch.device) + first[:, None], side)
            for side, first in zip((height, width), (corner - self.pixels).unbind(1), strict=True)
        ]
        place = places[0][:, :, None] * width + places[1][:, None, :]
        place = place.reshape(len(batch), 1, -1).expand(-1, batch.shape[1], -1)
        return _like(inpt, batch.flatten(2).gather(2, place).reshape(inpt.shape))

    @staticmethod
    def _mirrored(place: Tensor, side: int) -> Tensor:
        place = place.abs()
        return torch.where(place < side, place, 2 * (side - 1) - place)

    def extra_repr(self) -> str:
        return f"pixels={self.pixels}"


class RandomCutout(_ImageTransform):
    """Set a square of each image to 0, at a random place (DeVries & Taylor 2017, section 3).

    After the mean is subtracted, 0 is the mean color, which says nothing. Unlike theirs, the whole
    square lies inside the image, so that each image loses as much.

    Args:
        side: of the square, pixels; every place is equally likely.

    Raises:
        TypeError: ``side`` is no whole number.
        ValueError: ``side`` is negative, or (when it is used) not smaller than the side of the
            images.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        check_int("side", side, minimum=0)
        self.side = side

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the place of each square, as row and column in [0, 1)."""
        image = flat_inputs[0]
        for height, width in (other.shape[-2:] for other in flat_inputs):
            if self.side >= min(height, width):
                raise ValueError(
                    f"of images of {height}x{width} pixels no square of {self.side} can be cut out:"
                    " choose one below their side"
                )
        return {"place": torch.rand(*image.shape[:-3], 2, device=image.device)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Cut out the squares."""
        inside = []
        for axis, size in enumerate(inpt.shape[-2:]):
            first = (params["place"][..., axis, None] * (size - self.side + 1)).floor()
            pixel = torch.arange(size, device=inpt.device)
            inside.append((pixel >= first) & (pixel < first + self.side))
        square = inside[0][..., None, :, None] & inside[1][..., None, None, :]
        return _like(inpt, inpt.masked_fill(square, 0))

    def extra_repr(self) -> str:
        return f"side={self.side}"


class RandomScaleCrop(_ImageTransform):
    """Rescale each image to a random size and cut out a random crop (the paper, section 3.1).

    The smaller side of the image becomes ``S`` pixels, its other side follows, and a square crop is
    taken at a random place. One ``S`` is the paper's single-scale training, a range its scale
    jittering. Interpolation is bilinear, with antialiasing where the image becomes smaller, as
    torchvision's ``resize`` does it.

    Rescaling is linear in the pixels, so that rescaling and cropping are one matrix for the rows
    and one for the columns. That makes a whole batch one product, each image with its own draw.

    Args:
        size: side of the crop in pixels.
        scale: ``S`` in pixels, or ``(smallest, largest)``; every whole ``S`` from smallest to
            largest is equally likely.

    Raises:
        ValueError: ``size`` or ``scale`` is no positive whole number, the range is empty, or a
            scale is below the crop.
    """

    def __init__(self, size: int, scale: int | tuple[int, int]) -> None:
        super().__init__()
        values = (size, *(scale if isinstance(scale, (tuple, list)) else (scale, scale)))
        if len(values) != 3 or not all(type(v) is int and v >= 1 for v in values):
            raise ValueError(
                "crop and scale must be ints of 1 or more, the scale one or a pair, got"
                f" {size!r} and {scale!r}"
            )
        _, smallest, largest = values
        if not size <= smallest <= largest:
            raise ValueError(
                f"a scale of {smallest} to {largest} px for a crop of {size} px: expected"
                " crop <= smallest <= largest"
            )
        self.size = size
        self.scale = (smallest, largest)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw each image's ``S`` and the place of its crop, both of the batch's shape."""
        image = flat_inputs[0]
        shape, device = image.shape[:-3], image.device
        smallest, largest = self.scale
        scale = torch.randint(smallest, largest + 1, shape, device=device)
        return {"scale": scale, "place": torch.rand(*shape, 2, device=device)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Rescale and crop."""
        height, width = inpt.shape[-2:]
        dtype = torch.float32 if inpt.dtype == torch.uint8 else inpt.dtype
        matrices = []
        for side, place in zip((height, width), params["place"].unbind(-1), strict=True):
            # torchvision, too, cuts off the fraction of the longer side.
            rescaled = params["scale"] * side // min(height, width)
            first = (place * (rescaled - self.size + 1)).floor()
            matrices.append(_resampling(side, rescaled, first, self.size).to(dtype))
        rows, columns = (matrix.unsqueeze(-3) for matrix in matrices)
        crop = rows @ inpt.to(dtype) @ columns.mT
        if inpt.dtype == torch.uint8:
            crop = crop.round_().clamp_(0, 255).to(torch.uint8)
        return _like(inpt, crop)

    def extra_repr(self) -> str:
        return f"size={self.size}, scale={self.scale}"


def _resampling(side: int, rescaled: Tensor, first: Tensor, size: int) -> Tensor:
    """What each pixel of a crop takes from each pixel of a row: (..., size, side), rows sum to 1.

    Args:
        side: pixels of the row.
        rescaled: pixels that the row is rescaled to.
        first: of these, the one where the crop begins.
        size: pixels of the crop.
    """
    step = (side / rescaled)[..., None, None]  # pixels of the row between neighbors in the crop
    wanted = torch.arange(size, device=first.device)[:, None] + first[..., None, None]
    given = torch.arange(side, device=first.device)
    # Pixels are squares, so that their centers lie at halves. The triangle is as wide as the step
    # where the image becomes smaller: that is the antialiasing.
    distance = (given + 0.5 - (wanted + 0.5) * step).abs()
    weight = (1 - distance / step.clamp(min=1)).clamp(min=0)
    return weight / weight.sum(dim=-1, keepdim=True)


class PCAColorShift(_ImageTransform):
    r"""Shift the color of each image at random along the principal components of RGB.

    AlexNet's paper, section 4.1; the paper, section 3.1. To every pixel of an image is added

    .. math:: [p_1, p_2, p_3]\,[a_1 s_1, a_2 s_2, a_3 s_3]^T, \qquad a_i \sim N(0, \text{std}^2)

    with :math:`p_i` the eigenvectors and, for ``by="eigenvalue"``, :math:`s_i = \lambda_i`, the
    eigenvalues, as AlexNet's paper writes. An eigenvalue is a variance, so this shift depends on
    the scale of the pixels. For ``by="root"``, :math:`s_i = \sqrt{\lambda_i}`, and it does not.

    Float images stay float and are not clipped. uint8 images are shifted by 255 times as much,
    rounded and clipped to 0..255. Adding before or after subtracting the mean is the same.

    Args:
        eigenvalues: three variances on the [0, 1] scale (``PCA.eigenvalues``), none negative.
        eigenvectors: 3x3, each column a component (``PCA.eigenvectors``).
        std: standard deviation of the draws.
        by: ``"eigenvalue"`` or ``"root"``.

    Raises:
        ValueError: shapes other than these, a negative eigenvalue or ``std``, eigenvalues above 1
            (from pixels of 0..255), columns that are not orthonormal, or an unknown ``by``.
    """

    channels = 3
    unit_scale = True

    def __init__(
        self,
        eigenvalues: Sequence[float] | Tensor,
        eigenvectors: Sequence[Sequence[float]] | Tensor,
        std: float = 0.1,
        by: str = "eigenvalue",
    ) -> None:
        super().__init__()
        self.eigenvalues = _floats("eigenvalues", eigenvalues, (3,))
        self.eigenvectors = _floats("eigenvectors", eigenvectors, (3, 3))
        if not all(0 <= value <= 1 for value in self.eigenvalues):
            raise ValueError(
                f"eigenvalues must be variances on the [0, 1] scale, got {self.eigenvalues}:"
                " divide those of pixels in 0..255 by 255 squared (PCA.for_white(1))"
            )
        vectors = torch.tensor(self.eigenvectors, dtype=torch.float64)
        if not torch.allclose(vectors.T @ vectors, torch.eye(3, dtype=torch.float64), atol=1e-2):
            raise ValueError("eigenvectors must be orthonormal columns of a 3x3 matrix")
        check_number("std", std, low=0)
        check_choice("by", by, SHIFTS_BY)
        self.std = std
        self.by = by

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw three amplitudes for each image: the batch's shape and 3 at the end."""
        image = flat_inputs[0]
        return {"a": torch.randn(*image.shape[:-3], 3, device=image.device) * self.std}

    def shift(self, a: Tensor) -> Tensor:
        """The shift of RGB on the [0, 1] scale, shape (..., 3), for amplitudes of that shape."""
        values = torch.tensor(self.eigenvalues, dtype=a.dtype, device=a.device)
        vectors = torch.tensor(self.eigenvectors, dtype=a.dtype, device=a.device)
        return (a * (values if self.by == "eigenvalue" else values.sqrt())) @ vectors.T

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Add the shift that the amplitudes ``params["a"]`` give."""
        shift = self.shift(params["a"])[..., None, None]
        if inpt.dtype == torch.uint8:
            shifted = (inpt + 255 * shift).round().clamp(0, 255).to(torch.uint8)
        else:
            shifted = inpt + shift.to(inpt.dtype)
        return _like(inpt, shifted)

    def extra_repr(self) -> str:
        values = ", ".join(f"{value:.4f}" for value in self.eigenvalues)
        return f"eigenvalues=({values}), std={self.std}, by={self.by!r}"


def _floats(name: str, values: Any, *shapes: tuple[int, ...]) -> Any:
    """``values`` of one of the shapes as nested lists of floats, which need no device."""
    expected = " or ".join(map(str, shapes))
    try:
        tensor = torch.as_tensor(values, dtype=torch.float64)
    except (RuntimeError, TypeError, ValueError):
        raise ValueError(f"{name} must be numbers of shape {expected}, got {values!r}") from None
    if tuple(tensor.shape) not in shapes or not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite and of shape {expected}, got {values!r}")
    return tensor.tolist()


def _like(inpt: Tensor, output: Tensor) -> Tensor:
    return tv_tensors.wrap(output, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else output
