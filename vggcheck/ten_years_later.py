"""Exercises of the chapter Ten years later."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from vggcheck.answers import choice, describe, exercise, first, number, ratio
from vgglib import RECIPES, trace, training_pflop, vgg
from vgglib.experiments import Experiment, cost_of_training
from vgglib.optimization import one_cycle

_close = functools.partial(ratio, tolerance=0.02)  # of numbers that may be rounded
_TRAINED = 50_000  # images: `fast` holds none out


@functools.cache
def _pflop(name: str, epochs: int, images: int) -> float:
    return training_pflop(trace(name).multiply_adds, epochs * images)


@functools.cache
def _pflop_of_fast(images: int = _TRAINED) -> float:
    return cost_of_training(vgg("slim"), RECIPES["fast"], images)


@exercise(1)
def exercise_1(pflop_of_one: float, pflop_of_all: float, trainings: float) -> str | None:
    """What I costs, what the whole way to III costs, and how many trainings of ``fast`` it is."""
    one = _pflop("I", 200, 50_000)
    second, third = (_pflop(name, 100, 50_000) for name in ("II", "III"))
    way = one + second + third
    epochs = RECIPES["fast"].epochs
    by_fast = _pflop_of_fast()
    unit = "A PFLOP is 10^15 operations."
    return first(
        _close(
            pflop_of_one,
            one,
            what="The cost of I",
            mistakes=[
                (one / 2, "A multiply-add is two operations."),
                (one / 3, "That is the way forward. The way back is missing."),
                (one / 6, "Those are multiply-adds, and of the way forward only."),
                (one / 200, "That is a single epoch."),
                (one * 0.9, "The post trained on all 50,000 images."),
                (one * 1e15, unit),
                (one * 1e6, unit),
                (one * 1e3, unit),
            ],
        ),
        _close(
            pflop_of_all,
            way,
            what="The cost of the whole way",
            mistakes=[
                (third, "That is III alone. What did it start from?"),
                (second + third, "The way begins with I."),
                (one + third, "III starts from II, and II from I."),
                (one + 2 * second + 2 * third, "II and III have 100 epochs each."),
                (way * 1e15, unit),
            ],
        ),
        _close(
            trainings,
            way / by_fast,
            what="The number of trainings",
            mistakes=[
                (
                    way / _pflop("slim", epochs, _TRAINED),
                    "The first epochs of `fast` see smaller images, which cost less.",
                ),
                (way / _pflop_of_fast(45_000), "`fast` is trained on all 50,000 images."),
                (way * epochs / by_fast, f"A training by `fast` has {epochs} epochs."),
                (one / by_fast, "That is for I alone."),
                (by_fast / way, "The other way round: which of the two is more?"),
            ],
        ),
    )


@exercise(2)
def exercise_2(minutes: float, rate: float, records: Iterable[Mapping[str, Any]]) -> str | None:
    """Minutes of ``fast`` at 1 TFLOP/s; TFLOP/s of a record of I and ``classic``."""
    flop = 1e15 * _pflop_of_fast()
    takes = flop / 1e12 / 60
    hint = _close(
        minutes,
        takes,
        what="The time",
        mistakes=[
            (60 * takes, "Those are seconds. Give minutes."),
            (takes / 60, "Those are hours. Give minutes."),
            (takes / 2, "A multiply-add is two operations."),
            (takes / 3, "The way back costs too."),
            (takes / RECIPES["fast"].epochs, "That is a single epoch."),
            (
                takes * _pflop("slim", RECIPES["fast"].epochs, _TRAINED) / _pflop_of_fast(),
                "The first epochs of `fast` see smaller images, which cost less.",
            ),
            (takes * 45 / 50, "`fast` is trained on all 50,000 images."),
        ],
    )
    if hint:
        return hint
    wanted = [r for r in records if (r["dataset"], r["recipe"]) == ("cifar10", "classic")]
    rates = {
        name: [1e3 * r["training_pflop"] / r["train_seconds"] for r in wanted if r["model"] == name]
        for name in ("I", "II", "III")
    }
    if not rates["I"]:
        return "Among these records is none of I by the recipe classic on cifar10."
    right = rates["I"] + [sum(rates["I"]) / len(rates["I"])]  # of one record, or of all
    if any(_close(rate, r) is None for r in right):
        return None
    mistakes = []
    for r in right:
        mistakes += [
            (r / 1e3, "Those are PFLOP a second. A PFLOP is a thousand TFLOP."),
            (1e12 * r, "Those are operations a second. Give 10^12 of them."),
            (1e3 * r, "Those are 10^9 operations a second. Give 10^12 of them."),
            (60 * r, "That is operations in a minute."),
            (r / 60, "The record has seconds, not minutes."),
            (1 / r, "The other way round: operations for each second."),
        ]
    mistakes += [(r, "That is a deeper network.") for n in ("II", "III") for r in rates[n]]
    return _close(rate, right[0], what="The rate", mistakes=mistakes)


@exercise(3)
def exercise_3(output: float, gradient: float, decay: str) -> str | None:
    """By what output and gradient are multiplied, and what weight decay does to the steps."""
    expected_output, expected_gradient = _doubled()
    return first(
        number(
            output,
            expected_output,
            what="The factor on the output",
            tolerance=0.02,
            mistakes=[
                (2.0, "That is the convolution by itself. What does the normalization divide by?"),
                (0.5, "By which factor does the deviation grow that the output is divided by?"),
                (0.0, "Zero would be no output at all. A factor of 1 means no change."),
            ],
        ),
        number(
            gradient,
            expected_gradient,
            what="The factor on the gradient of the weights",
            tolerance=0.02,
            mistakes=[
                (1.0, "The output is the same, but a small change of larger weights counts less."),
                (2.0, "Does the same change of a weight count more or less if all are larger?"),
                (0.25, "That is in relation to the weights. Compare the gradients themselves."),
                (0.0, "The gradient does not vanish. Is the loss a sum that cannot change?"),
            ],
        ),
        choice(
            decay,
            "larger",
            {
                "smaller": "The weights shrink. What does the gradient do, by your own number?",
                "same": "Read your two factors the other way: what does halving the weights do?",
            },
        ),
    )


def _doubled() -> tuple[float, float]:
    """What doubling a convolution does to its normalized output, and to its gradient."""
    generator = torch.Generator().manual_seed(0)
    images, direction = (
        torch.randn(8, channels, side, side, generator=generator, dtype=torch.float64)
        for channels, side in ((3, 8), (4, 6))
    )
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
    outputs, gradients = [], []
    for factor in (1, 2):
        scaled = (factor * weight).requires_grad_()
        normalized = nn.functional.batch_norm(
            nn.functional.conv2d(images, scaled), None, None, training=True
        )
        outputs.append(normalized.detach().norm())
        gradients.append(torch.autograd.grad((normalized * direction).sum(), scaled)[0].norm())
    return (outputs[1] / outputs[0]).item(), (gradients[1] / gradients[0]).item()


@exercise(4)
def exercise_4(
    factor: float, plans: Mapping[int, Experiment], top_1: Mapping[int, float], fair: bool
) -> str | None:
    """The rate's factor after 3 of 6 epochs, both trainings, what they had then, the conclusion."""
    for name, answer in (("trainings", plans), ("accuracies", top_1)):
        if not isinstance(answer, Mapping) or set(answer) != {3, 6}:
            return f"The {name} are asked for as a dict with the keys 3 and 6."
    settings = {}
    for epochs, run in plans.items():
        if not isinstance(run, Experiment):
            return f"A training is what run_experiment gives, but there is {describe(run)}."
        record, what = run.record, f"The training under {epochs}"
        settings[epochs] = dict(record["settings"])
        if record["model"] != "I":
            return f"{what} is of another network than I."
        if record["epochs"] != epochs:
            return f"{what} has {record['epochs']} epochs."
        if settings[epochs]["schedule"] != "one_cycle":
            return f"{what} has no one-cycle schedule. Are the changes in its recipe?"
        if settings[epochs]["averaging"]:
            return f"{what} averages its weights, which hides the difference."
    ignored = ("name", "epochs")
    others = [
        name
        for name, value in settings[3].items()
        if name not in ignored and value != settings[6][name]
    ]
    if others or plans[3].record["seed"] != plans[6].record["seed"]:
        return f"The two trainings differ in more than the epochs: {', '.join(others) or 'seed'}."
    warmup = settings[6]["warmup"]
    hint = number(
        factor,
        one_cycle(3 / 6, warmup),
        what="The factor on the learning rate",
        tolerance=0.006,
        mistakes=[
            (1 - 3 / 6, "It is not on its way down from the start: there is a warm-up."),
            (one_cycle(2 / 6, warmup), "That is at the start of the third epoch."),
            (one_cycle(4 / 6, warmup), "That is after four of the six epochs."),
            (one_cycle(1, warmup), "That is where the plan of three epochs is by then."),
            (
                one_cycle(3 / 6, warmup) * settings[6]["learning_rate"],
                "That is the rate. The factor on its peak is asked for.",
            ),
        ],
    )
    if hint:
        return hint
    for epochs, run in plans.items():
        measured = run.training.history["validation_top_1"]
        hint = number(
            top_1[epochs],
            measured[2],
            what=f"The accuracy by the plan of {epochs} epochs",
            tolerance=0.06,
            mistakes=[
                (measured[-1], f"That is after all {epochs} epochs. It is stopped after three."),
                (run.test.top_1, "That is the test set, after the last epoch."),
                (measured[1], "That is after two epochs."),
                (measured[2] / 100, "Give percent."),
            ],
        )
        if hint:
            return hint
    if not isinstance(fair, bool):
        return f"Whether it is fair is asked for as True or False, but there is {describe(fair)}."
    return "Compare your factor with that of a plan that has come to its end." if fair else None


@exercise(5)
def exercise_5(mirrored: float, filters: int, translation: int) -> str | None:
    """Mirroring and first filters for gray digits, and the translation for 224 pixels."""
    components = _gray_components()
    now = trace("slim").rows[0].output_shape[0]
    moved = RECIPES["fast"].translation
    return first(
        number(
            mirrored,
            0.0,
            what="The part of the images that is mirrored",
            mistakes=[
                (0.5, "That is the recipe as it is. What is a 2 in the mirror?"),
                (1.0, "Then all digits would be mirrored."),
            ],
        ),
        number(
            filters,
            2 * components,
            what="The number of filters",
            mistakes=[
                (now, "As many as now. How many different numbers are in a gray patch?"),
                (components, "Those are the components. What about their negatives?"),
                (3 * components, "Those are the components of color patches."),
                (2, "One channel is left, but a patch has more than one pixel."),
            ],
        ),
        number(
            translation,
            moved * 224 // 32,
            what="The translation",
            mistakes=[
                (moved, "Two pixels of 224 would hardly be seen. Which part of 32 are they?"),
                (224 // 32, "That is how much larger the images are."),
                (moved * (224 // 32) ** 2, "The translation is a length, and not an area."),
                (224 * moved / 28, "The images of CIFAR-10 have 32 pixels."),
            ],
        ),
    )


def _gray_components() -> int:
    """How many components of gray patches, stored as RGB, have any variance."""
    generator = torch.Generator().manual_seed(0)
    size = vgg("slim").features.stack1.conv1.kernel_size
    gray = torch.rand(200, 1, *size, generator=generator, dtype=torch.float64)
    patches = gray.expand(-1, 3, -1, -1).reshape(200, -1)
    return int(torch.linalg.matrix_rank(torch.cov(patches.T)))
