"""Exercises of the chapter What the sources get wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from vggcheck.answers import describe, exercise, first, names, number
from vgglib import channel_statistics

# What a network may end in, by the name that the exercise gives it.
ENDS = {
    "log_softmax": lambda logits: logits.log_softmax(dim=1),
    "sigmoid": lambda logits: logits.sigmoid(),
    "softmax": lambda logits: logits.softmax(dim=1),
    "shift": lambda logits: logits - logits.amax(dim=1, keepdim=True),
}


@exercise(1)
def exercise_1(harmless: Iterable[str]) -> str | None:
    """Which ends leave the loss as it is."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(50, 10, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (50,), generator=generator)

    def loss(scores: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels, reduction="none")

    right = {name for name, end in ENDS.items() if torch.allclose(loss(end(logits)), loss(logits))}
    if not isinstance(harmless, str) and isinstance(harmless, Iterable):
        harmless = list(harmless)
        if "softmax" in harmless:
            return "A softmax before the loss is mistake 2 itself. Compare the losses."
        if "sigmoid" in harmless:
            return "All that a sigmoid gives lies between 0 and 1. Can the loss still come near 0?"
        if not harmless:
            return "Not all of them change the loss. Try each with some random logits."
        known = [name for name in harmless if not isinstance(name, str) or name in ENDS]
        if len(known) < len(harmless):
            return f"Choose among {', '.join(ENDS)}."
    return names(harmless, right, what="The harmless ends")


@exercise(2)
def exercise_2(
    ratio_of_means: float, ratio_of_deviations: float, any_size: bool, images: Tensor
) -> str | None:
    """The averages over images as parts of the right mean and deviation; whether sizes matter."""
    pixels = images.cpu().double().flatten(2) / 255
    right = channel_statistics(images.cpu())
    means, deviations = pixels.mean(dim=2), pixels.std(dim=2, correction=0)

    def red(values: Tensor, whole: Tensor) -> float:
        return (values[0] / whole[0]).item()

    of_means = red(means.mean(dim=0), right.mean)
    of_deviations = red(deviations.mean(dim=0), right.std)
    unit = "One of the two is on the scale 0..255, the other on [0, 1]."
    hint = first(
        number(
            ratio_of_means,
            of_means,
            what="The ratio of the means",
            tolerance=0.005,
            mistakes=[(255 * of_means, unit), (of_means / 255, unit)],
        ),
        number(
            ratio_of_deviations,
            of_deviations,
            what="The ratio of the deviations",
            tolerance=0.005,
            mistakes=[
                (1 / of_deviations, "Which of the two is divided by the other?"),
                (255 * of_deviations, unit),
                (of_deviations / 255, unit),
                (
                    red(deviations.square().mean(dim=0).sqrt(), right.std),
                    "The variances were averaged. What is asked for is the average deviation.",
                ),
                (
                    red(means.std(dim=0), right.std),
                    "That is how far the means of the images differ, and not their pixels.",
                ),
                (
                    red(deviations.mean(dim=0), right.covariance.diagonal()),
                    "An average deviation was divided by a variance.",
                ),
                (1.0, "Are the deviations of the single images really those of all pixels?"),
            ],
        ),
    )
    if hint:
        return hint
    if not isinstance(any_size, bool):
        return f"The last answer should be True or False, but it is {describe(any_size)}."
    return (
        "Take a white picture of 1 pixel and a black one of 99: what is the mean of all pixels?"
        if any_size
        else None
    )


@exercise(3)
def exercise_3(points: float, reason: bool) -> str | None:
    """How much too good the best of three is, and whether 0.2 points are a reason."""

    def optimism(trainings: int, images: int = 10_000, common: float = 0.0) -> float:
        deviation = 100 * math.sqrt(0.85 * 0.15 / images)
        return deviation * math.sqrt(1 - common) * _largest(trainings)

    right = optimism(3)
    hint = number(
        points,
        right,
        what="The number of points",
        tolerance=0.03,
        mistakes=[
            # The two are nearly equal.
            (optimism(200), "That is for the best of 200, or for 1,000 images."),
            (optimism(3, images=1000), "That is for the best of 200, or for 1,000 images."),
            (optimism(3, common=0.5), "Their errors should have nothing in common."),
            (100 * math.sqrt(0.85 * 0.15 / 10_000), "That is the deviation of one measurement."),
            # Or a share, which is as near to 0.
            (0.0, "Give percentage points, and those of the best, not of one that nobody chose."),
        ],
    )
    if hint:
        return hint
    if not isinstance(reason, bool):
        return f"The second answer should be True or False, but it is {describe(reason)}."
    return "How far above does the best of three stand by luck alone?" if reason else None


def _largest(draws: int) -> float:
    """The mean of the largest of some standard normal numbers."""
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    below = torch.special.ndtr(x) ** draws  # that all are below x
    middle = (x[1:] + x[:-1]) / 2
    return (middle * below.diff()).sum().item()
