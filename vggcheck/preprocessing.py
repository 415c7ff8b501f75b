"""Exercises of the chapter Preprocessing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from vggcheck.answers import call, choice, exercise, first, number, tensor
from vgglib import channel_statistics


@exercise(1)
def exercise_1(over_pixels: float, over_images: float, wanted: str) -> str | None:
    """Mean over all pixels, mean of the images' means, and which to use: pixels or images."""
    white, black = torch.ones(3, 10, 10), torch.zeros(3, 30, 30)
    all_pixels = channel_statistics([white, black]).mean[0].item()
    each = sum(channel_statistics([image]).mean[0].item() for image in (white, black)) / 2
    return first(
        number(
            _one_value(over_pixels),
            all_pixels,
            what="The mean over all pixels",
            tolerance=1e-4,
            mistakes={
                each: "`channel_statistics` counts pixels, not images. How many are white?",
                255 * all_pixels: "The unit is the [0, 1] scale.",
                1 - all_pixels: "That is the part of the black pixels. Which value is white?",
                100 / 900: "Divide by the number of all pixels, the white ones included.",
                10 / 40: "A picture with a side three times as long has how many times the pixels?",
            },
        ),
        number(
            _one_value(over_images),
            each,
            what="The mean of the two means",
            tolerance=1e-4,
            mistakes={
                all_pixels: "Each image counts once here, whatever its size.",
                255 * each: "The unit is the [0, 1] scale.",
            },
        ),
        choice(
            wanted,
            "images",
            {
                "pixels": "From each picture one square is cut at a time. Does a large picture "
                "give more squares than a small one?"
            },
        ),
    )


def _one_value(mean: Any) -> Any:
    """A mean color whose channels are equal, as a number; anything else as it is."""
    if isinstance(mean, (list, tuple)) and all(isinstance(value, float) for value in mean):
        mean = torch.tensor(mean)
    if isinstance(mean, Tensor) and mean.numel() == 3 and (mean == mean.flatten()[0]).all():
        return mean.flatten()[0]
    return mean


@exercise(2)
def exercise_2(
    uncentered_bias: Callable[[Tensor, Tensor, Tensor], Tensor], where: str, why: str
) -> str | None:
    """``uncentered_bias(weight, bias, mean)``, and where and why the outputs still differ."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    bias = torch.randn(4, generator=generator)
    mean = torch.tensor([0.2, 0.5, 0.6])
    sums = weight.sum(dim=(2, 3))
    hint = tensor(
        call(uncentered_bias, weight.clone(), bias.clone(), mean.clone()),
        bias - sums @ mean,
        what="The bias",
        mistakes=[
            (bias + sums @ mean, "Put x - mean into the convolution: which sign has the mean?"),
            (bias, "That is the bias for centered images."),
            (-sums @ mean, "Where is the bias b that was there before?"),
            (sums @ mean, "That is what the filters make of the mean color. Where is b?"),
            (
                bias - weight.mean(dim=(2, 3)) @ mean,
                "The kernel meets the mean color at each of its places: they add up.",
            ),
            (
                bias - weight[:, :, 1, 1] @ mean,
                "The kernel has more places than the one in the middle.",
            ),
            (
                bias - sums.sum(dim=1) * mean.mean(),
                "Each channel has a mean of its own, and weights of its own.",
            ),
            (
                bias - mean.sum(),
                "What does the filter make of the mean color? Its weights matter.",
            ),
        ],
    )
    if hint is not None:
        return hint
    return first(
        choice(
            where,
            "border",
            {
                "nowhere": "Look at the largest difference in each row of the output.",
                "everywhere": "Compare a place in the middle: is that more than rounding?",
                "middle": "In the middle the kernel meets pixels only, and the bias is made "
                "for these.",
            },
        ),
        choice(
            why,
            "padding",
            {
                "rounding": "Rounding is a millionth of a value. How large is the difference?",
                "bias": "The bias is the same at each place of the output. Is the difference?",
                "stride": "The stride is 1: no pixel is left out.",
            },
        ),
    )


@exercise(3)
def exercise_3(
    images: Tensor, mean_image: Tensor, color_removes: float, image_removes: float
) -> str | None:
    """Mean image of images (bytes), and the parts of the mean square that the two means remove."""
    total, squares = 0.0, 0.0
    for part in images.split(1000):
        part = part.cpu().double() / 255
        total, squares = total + part.sum(dim=0), squares + part.square().sum(dim=0)
    expected = total / len(images)
    before = squares.mean().item() / len(images)
    color = expected.mean(dim=(1, 2)).square().mean().item() / before
    image = expected.square().mean().item() / before
    if isinstance(mean_image, Tensor):
        if mean_image.shape == (len(images), 3):
            return "That is one mean for each picture. A mean image has one for each place."
        if mean_image.numel() == 3:
            return "That is the mean color. A mean image has one mean for each place."
        if mean_image.shape == expected.shape[1:]:
            return "One mean for each place, yes, but the three channels were mixed."
    return first(
        tensor(
            mean_image,
            expected,
            what="The mean image",
            mistakes=[(255 * expected, "The unit of the mean image is the [0, 1] scale.")],
        ),
        _part(
            color_removes,
            color,
            "What the mean color removes",
            [
                (image, "That is what the mean image removes."),
                (0.0, "Compare with the pixels as they were, before any subtraction."),
            ],
        ),
        _part(
            image_removes,
            image,
            "What the mean image removes",
            [
                (color, "That is what the mean color removes."),
                (
                    (image - color) / (1 - color),
                    "Compare with the pixels as they were, not with the centered ones.",
                ),
            ],
        ),
    )


def _part(
    answer: Any, expected: float, what: str, mistakes: Iterable[tuple[float, str]]
) -> str | None:
    """Compare a part that is removed, between 0 and 1, not rounded."""
    general = [
        (100 * expected, f"{what} is asked for as a part between 0 and 1, not in percent."),
        (1 - expected, f"{what} is asked for. That is what it leaves."),
        (1 - math.sqrt(1 - expected), f"{what} is asked for of the mean square, not of its root."),
    ]
    hint = number(answer, expected, what=what, tolerance=1e-4, mistakes=[*mistakes, *general])
    if hint is not None and number(answer, expected, tolerance=0.006) is None:
        # The two parts may be as near as this to each other.
        known = [text for _, text in mistakes]
        return hint if hint in known else f"{what} is nearly right: give it without rounding."
    return hint


@exercise(4)
def exercise_4(reported: float, fresh: float) -> str | None:
    """Accuracy of the best of 50 on the 500 images it was chosen on, and on others: percent."""
    networks, count, chance = 50, 500, 0.1

    def best_of(n: int) -> float:
        """Expected accuracy of the best of ``n`` networks that guess, in percent."""
        right = torch.arange(count + 1, dtype=torch.float64)
        total = torch.tensor(count + 1.0, dtype=torch.float64)
        logs = total.lgamma() - (right + 1).lgamma() - (total - right).lgamma()
        logs += right * math.log(chance) + (count - right) * math.log(1 - chance)
        at_most = logs.exp().cumsum(dim=0)
        # The mean of a count is the sum of the probabilities that it is larger than 0, 1, 2, ...
        return 100 * (1 - at_most**n).clamp(min=0).sum().item() / count

    def near(
        answer: Any, expected: float, what: str, others: Iterable[tuple[float, float, str]]
    ) -> str | None:
        """Averages of 200 differ by chance: 0.04 is a deviation of the first, 0.1 of the second.

        The others are wrong answers, each with its tolerance and its hint.
        """
        hint = number(answer, expected, what=what, tolerance=0.6)
        if hint is None or not hint.endswith((" large.", " small.")):
            return hint
        answer = float(answer)
        for other, tolerance, text in others:
            if abs(answer - other) <= tolerance:
                return text
        if abs(100 * answer - expected) <= 0.6:
            return f"{what} is asked for in percent."
        if abs(answer * 100 / count - expected) <= 0.6:
            return f"{what} is asked for in percent. That looks like a number of images."
        if abs(answer - expected) <= 3:
            return f"{hint[:-1]}, but not by much: did you average 200 times?"
        return hint

    best = best_of(networks)
    return first(
        near(
            reported,
            best,
            "The reported accuracy",
            [
                (
                    100 * chance,
                    0.6,
                    "That is what a network reaches on average. The best of fifty is reported.",
                ),
                (
                    best_of(200 * networks),
                    1.2,
                    "That may be the best of all 200 times. Average over them.",
                ),
                (
                    best - 100 * chance,
                    0.6,
                    "That is by how much it flatters. Give the accuracy itself.",
                ),
            ],
        ),
        near(
            fresh,
            100 * chance,
            "The accuracy on other images",
            [
                (
                    best,
                    0.6,
                    "The network was chosen already: on the other images do not look for the best "
                    "again.",
                ),
            ],
        ),
    )
