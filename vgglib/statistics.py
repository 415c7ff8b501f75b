"""Channel statistics in one streaming pass: mean, covariance and principal components of RGB.

The unit of everything here is the [0, 1] scale: an 8-bit value of 255 counts as 1. An eigenvalue is
a variance, so on the 0..255 scale it would be 255 squared times as large: :meth:`PCA.for_white`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from vgglib.checks import check_tensors
from vgglib.folders import read_folder_images

# Handled at once: the pixels of 256 images of 32x32, which take 6 MB in float64.
_PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class PCA:
    """Principal components of the RGB values (AlexNet's paper, section 4.1).

    Shapes are those of three channels; images of C channels have C components.

    Attributes:
        eigenvalues: shape (3,), descending: variances along the components, unit ``white`` squared.
        eigenvectors: shape (3, 3), float64; each *column* is a component of length 1, with its
            first entry that is not zero positive (the sign of an eigenvector is arbitrary).
        white: the value of white in the pixels: 1 or 255.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    white: float = 1.0

    def for_white(self, white: float) -> PCA:
        """The same components for pixels whose white has the value ``white``."""
        factor = (white / self.white) ** 2
        return replace(self, eigenvalues=self.eigenvalues * factor, white=white)


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class ChannelStatistics:
    """Mean and covariance of the channels over all pixels, on the [0, 1] scale.

    Shapes are those of three channels; gray images have one.

    Attributes:
        pixels: how many pixels were counted.
        mean: shape (3,), float64, in [0, 1].
        covariance: shape (3, 3), float64, dividing by the number of pixels.
    """

    pixels: int
    mean: Tensor
    covariance: Tensor

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel, shape (3,)."""
        return self.covariance.diagonal().sqrt()

    def pca(self) -> PCA:
        """Eigenvalues and eigenvectors of the covariance, with a fixed order and sign."""
        values, vectors = torch.linalg.eigh(self.covariance)
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        first = (vectors.abs() > 1e-9).int().argmax(dim=0)
        sign = vectors.gather(0, first[None]).sign()
        return PCA(values, vectors * sign)


class StreamingStatistics:
    """Accumulates channel statistics batch by batch, in memory that does not grow.

    Mean and sum of squared deviations are merged by the pairwise update of Chan, Golub & LeVeque
    (1983), in float64: no sum of squares ever meets a large mean squared, which is what ruins the
    textbook formula E[x^2] - E[x]^2.
    """

    def __init__(self) -> None:
        self.pixels = 0
        # Numbers that grow to one for each channel with the first image.
        self._mean = torch.zeros((), dtype=torch.float64)
        self._scatter = torch.zeros((), dtype=torch.float64)

    def update(self, images: Tensor) -> StreamingStatistics:
        """Count the pixels of an image (C, H, W) or a batch (N, C, H, W), RGB or gray.

        Args:
            images: uint8 in 0..255, or float on the [0, 1] scale (not clipped to it).

        Returns:
            Itself.

        Raises:
            TypeError: no tensor, or neither uint8 nor float.
            ValueError: neither three channels nor one, others than before, no pixels, or a value
                that is not finite.
        """
        if not isinstance(images, Tensor):
            raise TypeError(f"expected a tensor of images, got {type(images).__name__}")
        channels = images.shape[-3] if images.dim() in (3, 4) else 0
        if channels not in (1, 3) or images.numel() == 0:
            raise ValueError(
                "expected one or more RGB images of shape (3, H, W) or (N, 3, H, W), or gray ones"
                f" of one channel, got {tuple(images.shape)}"
            )
        if self.pixels and channels != len(self._mean):
            raise ValueError(
                f"images of {channels} channels after some of {len(self._mean)}: expected the same"
                " for all; convert them to one kind"
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise TypeError(f"expected uint8 or float images, got {images.dtype}")
        images = images.reshape(-1, *images.shape[-3:])
        parts = images.split(max(1, _PIXELS_AT_ONCE // images[0, 0].numel()))
        # Of all before any is counted: a batch that is refused leaves no part of itself behind.
        if images.is_floating_point() and not all(part.isfinite().all() for part in parts):
            raise ValueError(
                "the images have values that are not finite: expected floats in [0, 1]"
            )
        for part in parts:
            # Floats on the CPU: some accelerators have no float64.
            for pixels in part.movedim(1, 0).reshape(channels, -1).split(_PIXELS_AT_ONCE, dim=1):
                pixels = pixels.cpu().double()
                self._merge(pixels / 255 if images.dtype == torch.uint8 else pixels)
        return self

    def _merge(self, pixels: Tensor) -> None:
        count = pixels.shape[1]
        mean = pixels.mean(dim=1)
        centered = pixels - mean[:, None]
        total = self.pixels + count
        delta = mean - self._mean
        between = delta.outer(delta) * (self.pixels * count / total)
        self._scatter = self._scatter + centered @ centered.T + between
        self._mean = self._mean + delta * (count / total)
        self.pixels = total

    def result(self) -> ChannelStatistics:
        """The statistics of all the pixels counted so far.

        Raises:
            ValueError: nothing was counted.
        """
        if not self.pixels:
            raise ValueError("no image was counted: expected one or more")
        return ChannelStatistics(self.pixels, self._mean.clone(), self._scatter / self.pixels)


def channel_statistics(source: Tensor | str | Path | Iterable[Any]) -> ChannelStatistics:
    """Mean and covariance of the channels over any source of images, in one pass.

    Args:
        source: a tensor of images (N, C, H, W) of C channels, 3 for RGB; a folder, of which all
            images below it are read as RGB one after the other at their own size; or anything that
            yields images (C, H, W), batches, or tuples that start with one of these: a dataset, a
            ``DataLoader``. Values are uint8 in 0..255 or floats on the [0, 1] scale.

    Returns:
        The statistics, on the [0, 1] scale whatever the type of the images.

    Raises:
        FileNotFoundError: the folder does not exist.
        TypeError: no such source, or an image is no tensor, or neither uint8 nor float.
        ValueError: no images, images of different channels, or a file that is no image.
    """
    if isinstance(source, Tensor):
        source = [source]
    elif isinstance(source, (str, Path)):
        source = read_folder_images(source)
    elif (
        hasattr(source, "__getitem__")
        and hasattr(source, "__len__")
        and not isinstance(source, IterableDataset)  # which has both, and the first only refuses
    ):
        # A map-style dataset need not stop by itself when iterated.
        dataset = source
        source = (dataset[i] for i in range(len(dataset)))
    elif not isinstance(source, Iterable):
        raise TypeError(f"expected images, a folder or a data set, got {type(source).__name__}")
    statistics = StreamingStatistics()
    for item in source:
        statistics.update(item[0] if isinstance(item, (tuple, list)) else item)
    return statistics.result()


def whitening_filters(images: Tensor, mean: Tensor, filters: int, size: int = 3) -> Tensor:
    """Filters for a first convolution whose outputs are uncorrelated and equally strong.

    The principal components of small patches, as those of RGB above: each component divided by its
    deviation, and each also with its sign reversed, since ReLU keeps one side only. Coates & Ng
    (2012) whiten patches so; Page (2018) and Jordan (2024) start fast networks with it.

    Args:
        images: uint8 training images (N, C, H, W), of which 5,000 to 10,000 are used, or all.
        mean: of the channels on the [0, 1] scale, shape (C,), that is subtracted before.
        filters: how many, an even number of at most ``2 * C * size ** 2``: the components with the
            largest variance, then their negatives.
        size: side of the filters in pixels.

    Returns:
        float32, shape (filters, C, size, size).

    Raises:
        ValueError: such a number of filters cannot be.
    """
    check_tensors(images=images, mean=mean)
    channels = images.shape[1]
    most = 2 * channels * size**2
    if filters % 2 or not 0 < filters <= most:
        raise ValueError(f"filters must be an even number from 2 to {most}, got {filters}")
    covariance = torch.zeros(most // 2, most // 2, dtype=torch.float64)
    count = 0
    chosen = images[:: max(1, len(images) // 5000)]  # from all over: folders come class by class
    for part in chosen.split(200):
        centered = part.cpu().double() / 255 - mean.cpu().double()[:, None, None]
        patches = centered.unfold(2, size, 1).unfold(3, size, 1)  # (N, C, H', W', size, size)
        patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, most // 2)
        covariance += patches.T @ patches
        count += len(patches)
    values, vectors = torch.linalg.eigh(covariance / count)
    values, vectors = values.flip(0)[: filters // 2], vectors.flip(1)[:, : filters // 2]
    # The floor keeps the weakest components, which are mostly noise, from being blown up.
    components = (vectors / (values + 5e-4).sqrt()).T.reshape(-1, channels, size, size)
    return torch.cat([components, -components]).float()
