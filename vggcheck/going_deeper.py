"""Exercises of the chapter Going deeper."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vggcheck.answers import choice, describe, exercise, first, names, number, ratio
from vgglib import CONFIGURATIONS, initialize, match_layers, vgg


@exercise(1)
def exercise_1(
    layers: Sequence[tuple[str, int, float, float, float]],
    images: Tensor,
    factor: float,
    predicted: float,
) -> str | None:
    """Factor of a pool, and RMS of the last convolution's output as predicted with pools.

    ``layers`` are those of III as the chapter measures them, ``images`` what it shows to them.
    """
    pool, normal, means = _pool_factors(4)
    convolutions = [row for row in layers if row[0].startswith("stack")]
    pools = len({row[0].split(".")[0] for row in convolutions}) - 1
    start = images.double().square().mean().sqrt().item()

    def level(rows: Sequence[tuple[str, int, float, float, float]], pools: int) -> float:
        """RMS of the output of the last of these layers."""
        return start * math.prod(row[2] for row in rows) / 2 ** ((len(rows) - 1) / 2) * pool**pools

    expected = level(convolutions, pools)
    return first(
        ratio(
            factor,
            pool,
            what="The factor of a pool",
            tolerance=0.03,
            mistakes=[
                (normal, "Compare with the RMS of the ReLUs, not with that of normal numbers."),
                (means, "That is the ratio of the means. The RMS is asked for."),
                (pool**2, "That is the factor of the mean square. The RMS is asked for."),
                (_pool_factors(2)[0], "A pool of 2x2 has four numbers to choose from."),
                (1 / pool, "The size is right. Does the signal grow or shrink?"),
                (
                    math.sqrt((1 + 3 / math.pi) / 4),
                    "A max pool keeps the largest number, not the mean.",
                ),
                (_pool_factors(9)[0], "A pool of 2x2 has four numbers to choose from."),
            ],
        ),
        ratio(
            predicted,
            expected,
            what="The prediction",
            tolerance=0.08,
            mistakes=[
                (convolutions[-1][-1], "That is what was measured."),
                (level(convolutions, 0), "That is the prediction without pools."),
                *(
                    (level(convolutions, n), "How many pools stand before the last convolution?")
                    for n in range(1, pools + 2)
                    if n != pools
                ),
                (
                    expected / math.sqrt(2),
                    "That is after the ReLU of the last convolution. Its output is asked for.",
                ),
                (
                    expected * 2 ** ((len(convolutions) - 1) / 2),
                    "The ReLUs between the convolutions are missing.",
                ),
                (
                    level(layers, pools + 1),
                    "That is the last layer of all, not the last of the convolutions.",
                ),
            ],
        ),
    )


def _pool_factors(count: int) -> tuple[float, float, float]:
    """Of the largest of so many ReLUs of normal numbers, by integrals.

    Its RMS over that of the ReLUs, and over that of the normal numbers; its mean over that of the
    ReLUs.
    """
    x = torch.linspace(0, 12, 10_001, dtype=torch.float64)
    density = (-(x**2) / 2).exp() / math.sqrt(2 * math.pi)

    def moment(power: int, n: int) -> float:
        """Mean of a power of the largest of ``n``."""
        return torch.trapezoid(n * density * torch.special.ndtr(x) ** (n - 1) * x**power, x).item()

    rms = math.sqrt(moment(2, count))
    return rms / math.sqrt(moment(2, 1)), rms, moment(1, count) / moment(1, 1)


@exercise(2)
def exercise_2(factors: Mapping[str, float], wide: float) -> str | None:
    """Factors of A, B, D and E, and that of III at full width over that at a quarter."""
    if not isinstance(factors, Mapping):
        return f"The factors should be a dict by network, but there is {describe(factors)}."
    known = ("A", "B", "D", "E")
    hint = names(factors, known, what="The networks")
    if hint is not None:
        return hint
    layers = {name: _layers(name) for name in known}

    def all_by(fan: Callable[[nn.Module], float], **more: Any) -> dict[str, float]:
        return {name: _signal([fan(m) for m in layers[name]], **more) for name in known}

    right = all_by(_fan_in)
    formulas = [
        (all_by(_fan_in, relu=False), "Each ReLU halves the mean square of the signal."),
        (
            all_by(lambda m: m.weight.shape[1]),
            "An output of a 3x3 convolution has how many inputs for each channel?",
        ),
        (all_by(_fan_out), "The fan-in counts the inputs of an output."),
        (
            {
                name: _signal([_fan_in(m) for m in layers[name] if isinstance(m, nn.Conv2d)])
                for name in known
            },
            "The fully connected layers multiply the signal, too.",
        ),
        (
            {name: _signal([_fan_in(m) for m in _layers(name, image_size=32)]) for name in known},
            "The images of the paper have 224x224 pixels: how many numbers does fc1 get?",
        ),
        (
            {name: value**2 for name, value in right.items()},
            "That is the factor of the mean square. The RMS is asked for.",
        ),
    ]
    for values, text in formulas:
        # The logits have no ReLU: with or without a factor for it, which is squared with the rest.
        for factor in (1, math.sqrt(2), 2):
            near = {name: factor * value for name, value in values.items()}
            if all(
                ratio(factors[name], near[name], what="", tolerance=0.15) is None for name in known
            ):
                return text
    hints = [
        # The logits have no ReLU: with or without a factor for it.
        None
        if ratio(factors[name], value * math.sqrt(2), what="", tolerance=0.15) is None
        else ratio(factors[name], value, what=f"The factor of {name}", tolerance=0.15)
        for name, value in right.items()
    ]
    full, quarter = _layers("III"), _layers("III", width=0.25)
    times = _signal(map(_fan_in, full)) / _signal(map(_fan_in, quarter))
    return first(
        *hints,
        ratio(
            wide,
            times,
            what="The factor of III at full width over that at a quarter",
            tolerance=0.05,
            mistakes=[
                (1 / times, "The size is right. Which of the two is larger?"),
                (times**2, "The fan-in is four times as large. And its root?"),
                (2 * times, "One layer has the same fan-in at any width."),
                (
                    4 * times**2,
                    "The fan-in is four times as large. And its root? And is it so in every layer?",
                ),
                (2, "Each layer has that factor once more."),
                (4, "That is the width. Each layer has a factor for it."),
                (1, "A wide layer has more inputs."),
            ],
        ),
    )


@functools.cache
def _layers(name: str, **settings: Any) -> list[nn.Module]:
    """The layers with weights of a network that has no numbers in them."""
    with torch.device("meta"):
        model = vgg(name, **settings)
    return [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def _fan_in(layer: nn.Module) -> int:
    return layer.weight[0].numel()


def _fan_out(layer: nn.Module) -> int:
    return layer.weight.numel() // layer.weight.shape[1]


def _signal(fans: Iterable[float], relu: bool = True) -> float:
    """By which factor layers of these fan-ins multiply the signal, from the paper's weights."""
    return math.prod(0.01 * math.sqrt(n / 2 if relu else n) for n in fans)


@exercise(3)
def exercise_3(
    only_paper: Iterable[str], only_post: Iterable[str], left_by: str, place: int
) -> str | None:
    """Layers that only one rule copies from II to III; why ``stack2.conv2`` is among them.

    ``left_by`` is the rule that leaves it random, ``place`` that of the layer among the
    convolutions of II.
    """
    with torch.device("meta"):
        two, three = vgg("II"), vgg("III")
    paper, post = (set(match_layers(two, three, rule)) for rule in ("paper", "post"))
    convolutions = [n for n, m in two.named_modules() if isinstance(m, nn.Conv2d)]
    # With or without the name of the part: "classifier.fc2" or "fc2".
    full = {
        name.split(".", 1)[1]: name
        for name, module in three.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    given = [
        answer
        if isinstance(answer, str) or not isinstance(answer, Iterable)
        else [full.get(name, name) if isinstance(name, str) else name for name in answer]
        for answer in (only_paper, only_post)
    ]
    if all(
        isinstance(answer, list) and all(isinstance(n, str) for n in answer) for answer in given
    ):
        sets = [set(answer) for answer in given]
        if sets == [post - paper, paper - post]:
            return "The names are right, but they belong to the other rule."
        if sets == [paper, post]:
            return "Those are all layers that each rule copies. Leave out what both copy."
        if sets == [set(full.values()) - paper, set(full.values()) - post]:
            return "Those are the layers that stay random. Which are copied by one rule only?"
    position = convolutions.index("features.stack2.conv2") + 1
    return first(
        names(given[0], paper - post, what="The names for the paper's rule"),
        names(given[1], post - paper, what="The names for the post's rule"),
        choice(
            left_by,
            "post",
            {"paper": "Which convolutions of the second stack does that rule copy?"},
        ),
        number(
            place,
            position,
            what="The place of the layer",
            mistakes={
                2: "Count from 1, and through all stacks: the first stack comes before.",
                4: "II has a single convolution in its first stack.",
                0: "Count from 1, and through all stacks.",
            },
        ),
    )


@exercise(4)
def exercise_4(
    gradients: Mapping[str, float],
    trained: nn.Module,
    batch: Tensor,
    labels: Tensor,
    losses: Sequence[float],
) -> str | None:
    """III from the paper's weights: RMS of the first layer's gradient before the training, without
    and with batch normalization, for a batch; and the trained network and its losses by epoch."""
    if not isinstance(gradients, Mapping) or set(gradients) != {"without", "with"}:
        return 'The gradients should be a dict of two numbers, "without" and "with".'
    if not isinstance(trained, nn.Module):
        return f"The check needs the trained network, but it got {describe(trained)}."
    layers = [m for m in trained.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    if len(layers) != CONFIGURATIONS["III"].weight_layers:
        return f"III has more or fewer layers: that network has {len(layers)} with weights."
    if not any(isinstance(m, nn.BatchNorm2d) for m in trained.modules()):
        return "The network that you trained has no batch normalization."
    few = batch[:8].cpu(), labels[:8].cpu()  # enough for the order of magnitude
    width = layers[0].out_channels / CONFIGURATIONS["III"].conv_stacks[0][0]["out_channels"]
    sizes = {
        key: _first_gradient(*few, batch_norm, width, layers[-1].out_features)
        for key, batch_norm in (("without", False), ("with", True))
    }
    hint = first(
        *(
            number(gradients[key], sizes[key], what=f"The gradient {key}", tolerance=math.inf)
            for key in sizes
        )
    )
    if hint is not None:
        return hint

    def near(key: str, other: str) -> bool:
        """Within a factor of 20: it depends on the weights that were drawn and on the images."""
        return sizes[other] / 20 < float(gradients[key]) < sizes[other] * 20

    if near("without", "with") and near("with", "without"):
        return "The two gradients are the wrong way round."
    if near("without", "without") and near("with", "without"):
        return (
            "Batch normalization made no difference. Was the network in training mode? In "
            "evaluation it takes the averages that it keeps, and these are still 0 and 1."
        )
    for key in sizes:
        if not near(key, key):
            large = float(gradients[key]) > sizes[key]
            return (
                f"The gradient {key} batch normalization is far too "
                f"{'large' if large else 'small'}. Is it the RMS over the weights of the first "
                "layer, from the paper's weights, before any step?"
            )
    return _left_the_start(trained, batch, labels, losses)


def _first_gradient(
    batch: Tensor, labels: Tensor, batch_norm: bool, width: float, classes: int
) -> float:
    """RMS of the gradient of the first layer of III, from the paper's weights."""
    with torch.device("meta"):
        model = vgg(
            "III",
            batch_norm=batch_norm,
            width=width,
            num_classes=classes,
            image_size=tuple(batch.shape[-2:]),
            dropout=0.0,
        )
    model = model.to_empty(device="cpu").train()
    initialize(model, "paper", generator=torch.Generator().manual_seed(0))
    with torch.enable_grad():
        loss = F.cross_entropy(model(batch), labels)
    weight = next(model.parameters())
    (gradient,) = torch.autograd.grad(loss, weight)
    return gradient.double().square().mean().sqrt().item()  # the squares may be below 1e-38


def _left_the_start(
    trained: nn.Module, batch: Tensor, labels: Tensor, losses: Sequence[float]
) -> str | None:
    """Whether the network is better than one that knows the frequencies of the classes only."""
    if isinstance(losses, Tensor):
        losses = losses.tolist()
    if isinstance(losses, (str, Mapping)) or not isinstance(losses, Sequence) or len(losses) != 5:
        return "The losses should be a list of five numbers, one for each epoch."
    device = next(trained.parameters()).device
    model = copy.deepcopy(trained).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # its averages are young after five epochs
            module.train()
    with torch.no_grad():
        logits = model(batch.to(device)).float()
        loss = F.cross_entropy(logits, labels.to(device)).item()
    ignorant = math.log(logits.shape[1])
    hint = first(*(number(x, loss, what="A loss", tolerance=math.inf) for x in losses))
    if hint is not None:
        return hint
    # A network that is stuck stays within 0.01 of it.
    if loss > ignorant - 0.02:
        return (
            "The network that you gave is no better than guessing on the batch. Is it the one with "
            "batch normalization, after the training?"
        )
    if min(losses) > ignorant - 0.02:
        return (
            "None of your losses is clearly under ln(classes). Was the network in training "
            "mode in each epoch?"
        )
    if abs(losses[-1] - loss) > 0.5:
        return "The last loss does not belong to the network that you gave."
    return None
