"""Evaluation: top-k accuracy, and class probabilities averaged over an image and its mirror image.

Accuracies and errors are in percent, everywhere in this package and in the records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vgglib.checks import check_int, check_tensors
from vgglib.data import Split, whole_labels
from vgglib.machine.devices import autocast


def top_k_accuracy(scores: Tensor, labels: Tensor, max_k: int = 5) -> Tensor:
    """Percent of the samples whose label is among the k highest scores, for all k at once.

    Equal scores are ranked by the number of their class, so that the result is the same on every
    device. From k = number of classes on, the accuracy is 100.

    Args:
        scores: logits or probabilities, shape (N, classes).
        labels: classes, integers, shape (N,).
        max_k: the largest k.

    Returns:
        float64, shape (max_k,): top-1 to top-``max_k`` accuracy in percent, never descending.

    Raises:
        TypeError: no tensors, or labels that are no integers.
        ValueError: other shapes, no samples, labels outside the classes, ``max_k`` under
            1, or scores that are not a number (which no ranking can place).
    """
    check_tensors(scores=scores, labels=labels)
    if scores.dim() != 2 or labels.shape != scores.shape[:1] or len(labels) == 0:
        raise ValueError(
            "expected scores of shape (N, classes) and labels of shape (N,) with N of 1 or more,"
            f" got {tuple(scores.shape)} and {tuple(labels.shape)}"
        )
    labels = whole_labels(labels)
    check_int("max_k", max_k, minimum=1)
    if not 0 <= int(labels.min()) <= int(labels.max()) < scores.shape[1]:
        raise ValueError(
            f"labels must be in 0..{scores.shape[1] - 1}, got {int(labels.min())}"
            f" to {int(labels.max())}"
        )
    if scores.isnan().any():
        raise ValueError("scores contain NaN: the network diverged, or its weights are damaged")
    own = scores.gather(1, labels[:, None])
    classes = torch.arange(scores.shape[1], device=scores.device)
    before = (scores > own) | ((scores == own) & (classes < labels[:, None]))
    rank = before.sum(dim=1)
    correct = torch.stack([(rank < k).sum() for k in range(1, max_k + 1)])
    return 100 * correct.cpu().double() / len(labels)


def top_k_error(scores: Tensor, labels: Tensor, max_k: int = 5) -> Tensor:
    """100 minus :func:`top_k_accuracy`: the measure of the paper's tables."""
    return 100 - top_k_accuracy(scores, labels, max_k)


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Count the samples of each class (row) that were predicted as each class (column).

    Args:
        predictions: int64 classes, shape (N,).
        labels: int64 classes, shape (N,).
        num_classes: number of classes.

    Returns:
        int64, shape (num_classes, num_classes).

    Raises:
        TypeError: no tensors of integers.
        ValueError: the shapes differ, or a class is outside 0..num_classes - 1.
    """
    check_tensors(predictions=predictions, labels=labels)
    predictions, labels = whole_labels(predictions), whole_labels(labels)
    if predictions.shape != labels.shape or labels.dim() != 1:
        raise ValueError(
            f"expected predictions and labels of one shape (N,), got {tuple(predictions.shape)}"
            f" and {tuple(labels.shape)}"
        )
    for name, values in (("predictions", predictions), ("labels", labels)):
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < num_classes:
            raise ValueError(f"{name} must be in 0..{num_classes - 1}")
    cells = (labels * num_classes + predictions).bincount(minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 10) -> Tensor:
    """How sure a network was, beside how often it was right, for images that it was as sure of.

    Guo et al. (2017), "On Calibration of Modern Neural Networks". The images are sorted into bins
    of equal width by the probability of the class that was named.

    Args:
        probabilities: (N, classes).
        labels: true classes, integers, shape (N,).
        bins: how many there are between 0 and 1.

    Returns:
        float64, shape (bins, 3): mean probability and accuracy, both in percent and 0 where there
        are no images, and the number of images.

    Raises:
        TypeError: no tensors.
        ValueError: other shapes, or ``bins`` under 1.
    """
    check_tensors(probabilities=probabilities, labels=labels)
    if probabilities.dim() != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            "expected probabilities of shape (N, classes) and labels of shape (N,), got"
            f" {tuple(probabilities.shape)} and {tuple(labels.shape)}"
        )
    check_int("bins", bins, minimum=1)
    confidence, named = probabilities.double().max(dim=1)
    # The border belongs to the bin below it, so that 1 is in the last.
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    counts = place.bincount(minlength=bins).double()
    right = (named == whole_labels(labels)).double()
    sums = [place.bincount(weights=values, minlength=bins) for values in (confidence, right)]
    return torch.stack([*(100 * total / counts.clamp(min=1) for total in sums), counts], dim=1)


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error: by how much sureness and accuracy differ on average, in percent.

    Guo et al. (2017); arguments as for :func:`reliability`, whose bins are weighted by their
    images.
    """
    confidence, accuracy, counts = reliability(probabilities, labels, bins).T
    return float(((confidence - accuracy).abs() * counts).sum() / counts.sum())


def mcnemar(first: Tensor, second: Tensor) -> tuple[int, int, float]:
    """Whether one network is better than another on the same images, by those that tell them apart.

    McNemar (1947): an image that both got right, or both wrong, says nothing. If the two were
    equally good, each of the others would be as likely to be for the one as for the other.

    Args:
        first: bool, shape (N,): which images the first network got right.
        second: the same for the second.

    Returns:
        How many images only the first got right, how many only the second, and how probable a
        difference of that size or more would be between equally good networks (exact, two-sided).

    Raises:
        TypeError: no tensors of bools.
        ValueError: the shapes differ.
    """
    _check_comparable(first, second)
    for_first, for_second = int((first & ~second).sum()), int((second & ~first).sum())
    apart = for_first + for_second
    tail = sum(math.comb(apart, k) for k in range(min(for_first, for_second) + 1))
    return for_first, for_second, min(1.0, 2 * tail / 2**apart)


def _check_comparable(first: Tensor, second: Tensor) -> None:
    check_tensors(first=first, second=second)
    if first.dtype != torch.bool or second.dtype != torch.bool:
        raise TypeError(f"expected tensors of bools, got {first.dtype} and {second.dtype}")
    if first.shape != second.shape or first.dim() != 1:
        raise ValueError(
            f"expected two tensors of shape (N,), got {tuple(first.shape)} and"
            f" {tuple(second.shape)}"
        )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode (no dropout), and afterwards each of its modules as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@torch.no_grad()
def predict(
    model: nn.Module,
    images: Tensor,
    transform: Callable[[Tensor], Tensor],
    *,
    mirror: bool = True,
    batch_size: int = 250,
    precision: str = "float32",
) -> Tensor:
    """Class probabilities of images, averaged with those of their mirror images.

    The paper, section 3.2. The model is in evaluation mode meanwhile (no dropout), and afterwards
    in the mode that it was in.

    Args:
        model: gives logits.
        images: (N, C, H, W), as ``transform`` takes them; each batch goes to the model's device.
        transform: preprocessing of a batch, without augmentation.
        mirror: whether the mirror image counts as well.
        batch_size: images at once.
        precision: see :func:`vgglib.machine.devices.choose_precision`.

    Returns:
        float32 on the CPU, shape (N, classes); each row sums to 1.
    """
    check_tensors(images=images)
    device = next(model.parameters()).device
    probabilities = []
    with evaluating(model):
        for batch in images.split(batch_size):
            batch = transform(batch.to(device)).contiguous(memory_format=torch.channels_last)
            views = [batch, batch.flip(-1)] if mirror else [batch]
            with autocast(device, precision):
                # Softmax in float32: bfloat16 has two or three digits.
                outputs = [model(view).float().softmax(dim=-1) for view in views]
            probabilities.append(torch.stack(outputs).mean(dim=0).cpu())
    return torch.cat(probabilities)


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class Evaluation:
    """What :func:`evaluate` found.

    Attributes:
        loss: mean cross-entropy of the (averaged) probabilities, in nats.
        top_k_accuracy: top-1 to top-5 accuracy in percent.
        probabilities: (N, classes), float32, on the CPU.
        balanced_top_1: mean of the top-1 accuracies of the classes, in percent: where one class has
            most of the images, the plain one says little of the others.
    """

    loss: float
    top_k_accuracy: list[float]
    probabilities: Tensor
    balanced_top_1: float

    @property
    def top_1(self) -> float:
        """Top-1 accuracy in percent."""
        return self.top_k_accuracy[0]

    @property
    def predictions(self) -> Tensor:
        """The most probable class of each image, int64, shape (N,)."""
        return self.probabilities.argmax(dim=1)


def evaluate(
    model: nn.Module, split: Split, transform: Callable[[Tensor], Tensor], **options
) -> Evaluation:
    """Loss and top-1 to top-5 accuracy of a model on a split; ``options`` as in :func:`predict`."""
    probabilities = predict(model, split.images, transform, **options)
    labels = split.labels.cpu()
    accuracies = top_k_accuracy(probabilities, labels).tolist()
    # The floor keeps the loss finite where float32 rounds a probability to 0.
    loss = F.nll_loss(probabilities.clamp(min=1e-12).log(), labels).item()
    matrix = confusion_matrix(probabilities.argmax(dim=1), labels, probabilities.shape[1])
    counts = matrix.sum(dim=1)
    of_classes = (matrix.diagonal() / counts)[counts > 0]  # a small split may lack one
    return Evaluation(loss, accuracies, probabilities, 100 * of_classes.mean().item())


def accuracy_by_views(
    model: nn.Module,
    split: Split,
    transform: Callable[[Tensor], Tensor],
    probabilities: Tensor,
    **options,
) -> dict[str, float]:
    """Top-1 accuracy by how many views of each image are averaged: one, two, and six.

    Two are the image and its mirror image. Six are these two, and both moved by a pixel along the
    diagonal to either side, which together weigh as much (Jordan 2024, section 3.5).

    Args:
        model: see :func:`predict`.
        split: see :func:`evaluate`.
        transform: see :func:`predict`.
        probabilities: of the two views, which :func:`evaluate` has found.
        options: as in :func:`predict`.

    Returns:
        Percent, by the number of views as text: ``"1"``, ``"2"``, ``"6"``.
    """

    def moved(pixels: int) -> Callable[[Tensor], Tensor]:
        def transform_and_move(images: Tensor) -> Tensor:
            images = transform(images)
            height, width = images.shape[-2:]
            first = 1 + pixels
            padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
            return padded[..., first : first + height, first : first + width]

        return transform_and_move

    alone = predict(model, split.images, transform, mirror=False, **options)
    either = [predict(model, split.images, moved(pixels), **options) for pixels in (-1, 1)]
    six = (probabilities + sum(either) / 2) / 2
    by_views = {"1": alone, "2": probabilities, "6": six}
    labels = split.labels.cpu()
    return {views: float(top_k_accuracy(p, labels)[0]) for views, p in by_views.items()}
