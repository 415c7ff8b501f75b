"""Exercises of the chapter Training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from vggcheck.answers import call, choice, describe, exercise, first, number
from vgglib.training import Training

# Of exercise 4.
LEARNING_RATE = 20


@exercise(1)
def exercise_1(accuracies: Sequence[float]) -> str | None:
    """Top-1 to top-5 accuracy, in percent, of guesses among ten classes."""
    classes = 10
    ranks = range(1, 6)
    if isinstance(accuracies, torch.Tensor):
        accuracies = accuracies.tolist()
    if not isinstance(accuracies, Sequence) or isinstance(accuracies, str):
        return f"Five numbers are asked for, and there is {describe(accuracies)}."
    if len(accuracies) != len(ranks):
        return f"Five numbers are asked for, and there are {len(accuracies)}."

    def is_near(others: list[float], tolerance: float) -> bool:
        return all(
            isinstance(a, (int, float)) and abs(a - b) <= tolerance
            for a, b in zip(accuracies, others, strict=True)
        )

    # Measured with 100,000 guesses, the last of them has a standard error of 0.16.
    tolerance = 0.7
    expected = [100 * k / classes for k in ranks]
    if is_near([a / 100 for a in expected], tolerance / 100):
        return "The sizes are right, but accuracies are in percent here."
    if is_near([100 - a for a in expected], tolerance):
        return "Those are the errors."
    if is_near(expected[:1] * len(ranks), tolerance):
        return "That is right for k = 1. With a larger k the true class has more places to be in."
    if is_near([100 * (1 - (1 - 1 / classes) ** k) for k in ranks], tolerance):
        return "That is for k guesses that may repeat. The k best are different classes."
    return first(
        *(
            number(a, b, what=f"The top-{k} accuracy", tolerance=tolerance)
            for k, a, b in zip(ranks, accuracies, expected, strict=True)
        )
    )


@exercise(2)
def exercise_2(lowest: float, below: float, share: float) -> str | None:
    """The floor with 1,000 classes, its distance from the first loss, that as a share of it."""
    classes = 1000
    floor, ignorant = _floor(classes), math.log(classes)
    way = ignorant - floor
    return first(
        number(
            lowest,
            floor,
            what="The floor",
            tolerance=6e-4,
            mistakes={
                _floor(10): "That is the floor for ten classes.",
                ignorant: "That is the loss of a network that knows nothing.",
                floor + 1: "The numerator has a logarithm too: that of e.",
                math.log(math.e + classes) - 1: "How many classes are wrong ones?",
                0.0: "Only logits can get there.",
            },
        ),
        number(
            below,
            way,
            what="The difference to the first loss",
            tolerance=2e-3,
            mistakes={
                -way: "The size is right. Which of the two is higher?",
                math.log(10) - _floor(10): "That is the difference for ten classes.",
                floor: "That is how far the floor is above a loss of 0.",
            },
        ),
        "Give the share as a part of 1."
        if isinstance(share, (int, float)) and share > 1
        else number(
            share,
            way / ignorant,
            what="The share",
            tolerance=5e-3,
            mistakes={
                1 - way / ignorant: "That is the share of the way that is out of reach.",
                way / floor: "The whole way goes from the first loss to 0, not to the floor.",
                1 - _floor(10) / math.log(10): "That is the share for ten classes.",
            },
        ),
    )


def _floor(classes: int) -> float:
    """The loss of a perfect network whose probabilities are taken for logits."""
    target = torch.arange(classes)
    return F.cross_entropy(F.one_hot(target, classes).double(), target).item()


@exercise(3)
def exercise_3(factor: Callable[[float, bool], float]) -> str | None:
    """``factor(p, training)``: by what dropout multiplies the features that it keeps."""

    def ask(p: float, training: bool, mistakes: dict[float, str]) -> str | None:
        found = call(factor, p, training)
        what = f"factor(p={p}, training={training})"
        expected = 1 / (1 - p) if training else 1.0
        return number(found, expected, what=what, tolerance=1e-6, mistakes=mistakes)

    return first(
        ask(
            0.5,
            True,
            {
                1.0: "Half of the features become 0, and the others stay as they are: what does "
                "the mean do?",
                0.5: "That makes the mean smaller still.",
            },
        ),
        ask(
            0.2,
            True,
            {
                5.0: "The share p becomes 0. Which share remains?",
                2.0: "With another p, another share of the features remains.",
            },
        ),
        ask(
            0.2,
            False,
            {
                1.25: "In evaluation nothing is zeroed: what does this factor do to the mean?",
                0.8: "So it is if nothing was done while training. torch has done it there.",
                0.0: "Look at what nn.Dropout gives after .eval().",
            },
        ),
    )


@exercise(4)
def exercise_4(raised: Any, why: str) -> str | None:
    """The error that a training with a far too high rate ends in, and why that is better."""
    if isinstance(raised, Training):
        return f"That training went to its end. Was its learning rate {LEARNING_RATE}?"
    kind = type(raised) if isinstance(raised, BaseException) else raised
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        return f"The class of an error is asked for, and there is {describe(raised)}."
    if not issubclass(kind, FloatingPointError):
        return f"{kind.__name__} it is not. What does the last line of the traceback begin with?"
    if isinstance(raised, BaseException) and f"(it is {LEARNING_RATE})" not in str(raised):
        return f"The right error, but of another learning rate than {LEARNING_RATE}."
    return choice(
        why,
        "no later step repairs the weights",
        {
            "it saves time": "It does. But if the run could recover, the time would be well spent: "
            "can it?",
            "the schedule would lower the rate too late": "What is a weight that is not a number "
            "after one more step, with any rate?",
        },
    )


@exercise(5)
def exercise_5(first_lower: int, rate: float) -> str | None:
    """The first epoch with a lower rate, and the rate of epoch 30."""
    start, last, patience, factor = 0.01, 30, 10, 0.1
    rates = _rates(start, last, patience, factor)
    falls = [epoch for epoch in rates if epoch > 1 and rates[epoch] < rates[epoch - 1]]
    early = "Is epoch 1 a bad one? And are as many bad epochs as the patience enough?"
    return first(
        number(
            first_lower,
            falls[0],
            what="The first epoch with a lower rate",
            mistakes={
                falls[0] - 2: f"That is two early. {early}",
                falls[0] - 1: f"That is one early. {early}",
                falls[0] + 1: "That is one late: the rate is lowered at the end of an epoch.",
                falls[1]: "The rate has fallen before that.",
            },
        ),
        number(
            rate,
            rates[last],
            what="The rate of epoch 30",
            tolerance=1e-3 * rates[last],
            mistakes=[
                (start, "By then it has fallen."),
                (rates[falls[0]], "After the first fall the counting starts anew."),
                (rates[last] * factor, "That is one fall too many: count the bad epochs again."),
            ],
        ),
    )


def _rates(start: float, epochs: int, patience: int, factor: float) -> dict[int, float]:
    """The rate of each epoch if the accuracy is the same in all of them."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=start)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=factor, patience=patience
    )
    rates = {}
    for epoch in range(1, epochs + 1):
        rates[epoch] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step(50.0)
    return rates
