"""Exercises of the chapter Architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from vggcheck.answers import call, describe, exercise, first, names, number, shape
from vgglib import CONFIGURATIONS, VGG, trace

# Kernel and stride of D's convolutions and pools.
LAYERS_OF_D = [layer for n in (2, 2, 3, 3, 3) for layer in [(3, 1)] * n + [(2, 2)]]


def _view_of_d(kernel_size: int, after: str = "features.pool5") -> int:
    """The receptive field after a layer of D with kernels of that size."""
    stacks = [
        [{**descriptor, "kernel_size": kernel_size} for descriptor in stack]
        for stack in CONFIGURATIONS["D"].conv_stacks
    ]
    with torch.device("meta"):
        network = VGG(stacks, CONFIGURATIONS["D"].linear, image_size=224)
    return next(row.receptive_field for row in trace(network) if row.layer == after)


@exercise(1)
def exercise_1(
    receptive_field: Callable[[list[tuple[int, int]]], int], with_5x5: int
) -> str | None:
    """``receptive_field(layers)``, layers as ``(kernel size, stride)``: one side, in pixels.

    And the receptive field of D up to its last pool, if its kernels were 5x5.
    """
    as_it_is, larger = _view_of_d(3), _view_of_d(5)
    convolutions = sum(kernel == 3 for kernel, _ in LAYERS_OF_D)
    pools = len(LAYERS_OF_D) - convolutions

    def ask(layers: list[tuple[int, int]], expected: int, hint: str) -> str | None:
        found = call(receptive_field, list(layers))
        if isinstance(found, (tuple, list)):
            return "One side of the square is enough: return a single number."
        if found == expected:
            return None
        return f"For {layers} it gives {describe(found)}. {hint}"

    return first(
        ask([(3, 1)], 3, "A single layer sees its own kernel."),
        ask([], 1, "Without a layer, an output is a pixel: where does the field start?"),
        ask([(3, 1)] * 3, 7, "Each layer of stride 1 adds its kernel size less 1."),
        ask([(1, 1), (3, 1)], 3, "A kernel of 1x1 sees no neighbor."),
        ask(
            [(3, 2), (3, 1)],
            7,
            "Outputs of a layer with stride 2 are two pixels apart, so a later kernel reaches "
            "further. The stride counts only for the layers after it.",
        ),
        ask(
            [(2, 2), (2, 2), (3, 1)],
            12,
            "After two layers of stride 2, neighbors are how many pixels apart?",
        ),
        None
        if call(receptive_field, list(LAYERS_OF_D)) == as_it_is
        else "For D it is not what the trace says.",
        number(
            with_5x5,
            larger,
            what="The receptive field with 5x5 kernels",
            mistakes={
                as_it_is: "That is with 3x3 kernels.",
                224: "The field may be larger than the image. What does the formula give?",
                _view_of_d(5, "features.stack5.conv3"): "That is before the last pool.",
                1 + 4 * convolutions: "The pools have strides: what do they do to the layers "
                "after them?",
                1 + 2 * (as_it_is - 1): "Twice as much is added by the convolutions, but not by "
                "the pools.",
                larger + 3 * (2**pools - 1): "The pools stay 2x2.",
            },
        ),
    )


@exercise(2)
def exercise_2(difference: int) -> str | None:
    """By how many parameters D exceeds C."""
    wider = {name: trace(name).parameters for name in ("C", "D", "E")}
    return number(
        difference,
        wider["D"] - wider["C"],
        what="The difference",
        mistakes={
            wider["C"] - wider["D"]: "The size is right. Which of the two is larger?",
            9 * (256**2 + 2 * 512**2): "Those are the weights of the three layers in D. What does "
            "C have in their place?",
            8 * 3 * 512**2: "Not all of the three layers have 512 channels.",
            8 * (256**2 + 512**2): "There are three layers that differ; two of them look alike.",
            wider["E"] - wider["C"]: "That is E less C.",
        },
    )


@exercise(3)
def exercise_3(parameters: int, changed: Iterable[str], smallest: int) -> str | None:
    """Parameters of D at 32x32 pixels and 10 classes, layers that changed, smallest side."""
    tiny, large = trace("D", image_size=32, num_classes=10), trace("D")
    fewer_classes = trace("D", num_classes=10).parameters
    smaller_image = trace("D", image_size=32).parameters
    different = {
        small.layer
        for small, row in zip(tiny, large, strict=True)
        if small.parameters != row.parameters
    }
    if not isinstance(changed, str) and isinstance(changed, Iterable):
        # With or without the name of the part: "classifier.fc1" or "fc1".
        short = {name.rpartition(".")[2]: name for name in different}
        changed = [short.get(n, n) if isinstance(n, str) else n for n in changed]
    return first(
        number(
            parameters,
            tiny.parameters,
            what="The number of parameters",
            mistakes={
                large.parameters: "That is D for ImageNet: 224x224 pixels and 1,000 classes.",
                fewer_classes: "The classes are ten, but the images are still large.",
                smaller_image: "The images are small, but there are still 1,000 classes.",
            },
        ),
        names(changed, different, what="The layers that changed"),
        number(
            smallest,
            32,
            what="The smallest side",
            mistakes={
                16: "D has five pools, and each of them halves the side.",
                64: "D has five pools: what is left of 64 pixels after them?",
                1: "An image of one pixel does not survive the first pool.",
            },
        ),
    )


@exercise(4)
def exercise_4(convolution: nn.Conv2d, fc1: nn.Linear, output: Any) -> str | None:
    """The convolution, the layer ``fc1`` that it stands for, the shape for 288x320 pixels."""
    if not isinstance(convolution, nn.Conv2d):
        return f"The first answer should be an nn.Conv2d, but it is {describe(convolution)}."
    if not isinstance(fc1, nn.Linear):
        return f"The second should be the nn.Linear, but it is {describe(fc1)}."
    side = 7
    channels = fc1.in_features // side**2
    if convolution.kernel_size != (side, side):
        return "The kernel should cover the whole of what the last pool leaves of 224 pixels."
    if (convolution.in_channels, convolution.out_channels) != (channels, fc1.out_features):
        return "The kernel fits. Look at the numbers of channels that go in and come out."
    if convolution.padding not in ((0, 0), "valid"):
        return "With padding there is more than one place for the kernel on a 7x7 map."
    if convolution.stride != (1, 1):
        return "fc1 is to look at every place of the map: the kernel moves by one."
    if convolution.bias is None and fc1.bias is not None:
        return "fc1 has biases too, even if those of a new network are 0."
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, channels, side, side, generator=generator).double()
    # On the CPU, where a convolution is as exact as a product of matrices.
    convolution, fc1 = (copy.deepcopy(layer).cpu().double() for layer in (convolution, fc1))
    weight = convolution.weight
    with torch.no_grad():
        ours, theirs = convolution(features).flatten(1), fc1(features.flatten(1))
        if not torch.allclose(ours, theirs, atol=1e-4):
            if torch.equal(weight.flatten(1), fc1.weight):
                return "The weights are right, but fc1 has biases too."
            if torch.equal(weight.flatten().sort()[0], fc1.weight.flatten().sort()[0]):
                return "The right weights, in the wrong order: flatten runs through rows last."
            return "It does not hold the weights of fc1."
    rows, columns = 288 // 32 - side + 1, 320 // 32 - side + 1
    return shape(output, (1, fc1.out_features, rows, columns), what="The shape for 288x320")


@exercise(5)
def exercise_5(different: int) -> str | None:
    """How many of the numbers that ``fc1`` meets can be different ones, at most."""
    return number(
        different,
        512,
        what="The number of different ones",
        mistakes={
            **dict.fromkeys(
                range(2, 512),
                "Some of yours are equal by chance (0 after ReLU): how many can differ?",
            ),
            512 * 49: "That is how many there are. The pool makes 7x7 of 1x1: out of what?",
            49: "That is how often each number appears.",
            1: "Each channel keeps a number of its own.",
        },
    )
