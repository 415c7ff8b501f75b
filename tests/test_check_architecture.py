"""The checks of the exercises of Architecture: right answers and typical wrong ones."""

import pytest
import torch
from torch import nn

from vggcheck import architecture as check
from vgglib import trace, vgg


def right(layers):
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field


def without_strides(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def stride_too_early(layers):
    field, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        field += (kernel - 1) * jump
    return field


def strides_added(layers):
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump += stride - 1
    return field


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (right, ": right.\n"),
        (lambda layers: ..., "waiting"),
        (without_strides, "further"),
        (stride_too_early, "only for the layers after it"),
        (strides_added, "how many pixels apart"),
        (lambda layers: sum(kernel for kernel, _ in layers), "an output is a pixel"),
        (lambda layers: sum(kernel for kernel, _ in layers) or 1, "less 1"),
        (lambda layers: (right(layers),) * 2, "a single number"),
        (212, "not yet. The check needs your function, got 212."),
    ],
)
def test_exercise_1(verdict, function, said):
    assert said in verdict(check.exercise_1, function, 392)


@pytest.mark.parametrize(
    ("with_5x5", "said"),
    [
        (392, ": right.\n"),
        (..., "waiting"),
        (212, "with 3x3 kernels"),
        (224, "larger than the image"),
        (376, "before the last pool"),
        (53, "The pools have strides"),
        (423, "but not by the pools"),
        (485, "stay 2x2"),
        (300, "with 5x5 kernels is too small"),
        ((392, 392), "with 5x5 kernels should be a number"),
    ],
)
def test_exercise_1_with_larger_kernels(verdict, with_5x5, said):
    assert said in verdict(check.exercise_1, right, with_5x5)


def test_the_wrong_numbers_are_what_the_mistakes_give():
    def of_d(kernel, pool=2):
        return [(kernel, 1) if layer == (3, 1) else (pool, 2) for layer in check.LAYERS_OF_D]

    assert right(of_d(5)) == 392
    assert right(of_d(5)[:-1]) == 376
    assert right(of_d(5, pool=5)) == 485
    assert right([(5, 1)] * 13) == 53


def test_exercise_2(verdict):
    d, c = trace("D").parameters, trace("C").parameters
    assert ": right.\n" in verdict(check.exercise_2, d - c)
    assert "waiting" in verdict(check.exercise_2, ...)
    assert "Which of the two is larger" in verdict(check.exercise_2, c - d)
    assert "What does C have" in verdict(check.exercise_2, 9 * (256**2 + 2 * 512**2))
    assert "512 channels" in verdict(check.exercise_2, 8 * 3 * 512**2)
    assert "three layers" in verdict(check.exercise_2, 8 * (256**2 + 512**2))
    assert "too small" in verdict(check.exercise_2, 1)
    assert "E less C" in verdict(check.exercise_2, trace("E").parameters - c)


def test_exercise_3(verdict):
    parameters, changed = 33_638_218, ["classifier.fc1", "classifier.fc3"]
    assert ": right.\n" in verdict(check.exercise_3, parameters, changed, 32)
    assert ": right.\n" in verdict(check.exercise_3, parameters, {"fc3", "fc1"}, smallest=32)
    assert "waiting" in verdict(check.exercise_3, parameters, [...], 32)
    assert "should be strings" in verdict(check.exercise_3, parameters, [changed], 32)
    assert "does not survive" in verdict(check.exercise_3, parameters, changed, 1)
    for wrong, said in {
        trace("D").parameters: "for ImageNet",
        trace("D", num_classes=10).parameters: "the images are still large",
        trace("D", image_size=32).parameters: "1,000 classes",
    }.items():
        assert said in verdict(check.exercise_3, wrong, changed, 32)
    assert "1 is missing" in verdict(check.exercise_3, parameters, changed[:1], 32)
    assert "not have classifier.fc2" in verdict(
        check.exercise_3, parameters, [*changed, "classifier.fc2"], 32
    )
    assert "five pools" in verdict(check.exercise_3, parameters, changed, 16)
    assert "too small" in verdict(check.exercise_3, parameters, changed, 31)


def test_exercise_4(verdict):
    torch.manual_seed(0)
    fc1 = vgg("A", width=1 / 64, num_classes=10).classifier.fc1
    nn.init.normal_(fc1.bias)

    def filled(weight=None, bias=None, **more):
        convolution = nn.Conv2d(8, 64, **{"kernel_size": 7, **more})
        convolution.weight.data = (
            (fc1.weight if weight is None else weight).detach().reshape(64, 8, 7, 7)
        )
        if convolution.bias is not None:
            convolution.bias.data = (fc1.bias if bias is None else bias).detach()
        return convolution

    shape = (1, 64, 3, 4)
    said = {
        ": right.\n": (filled(), fc1, shape),
        "waiting": (..., fc1, shape),
        "should be an nn.Conv2d": (fc1, fc1, shape),
        "should be the nn.Linear": (filled(), filled(), shape),
        "cover the whole": (nn.Conv2d(8, 64, kernel_size=3), fc1, shape),
        "numbers of channels": (nn.Conv2d(64, 64, kernel_size=7), fc1, shape),
        "With padding": (filled(padding=3), fc1, shape),
        "the kernel moves by one": (filled(stride=7), fc1, shape),
        "but fc1 has biases too": (filled(bias=torch.zeros(64)), fc1, shape),
        "not hold the weights": (filled(weight=torch.zeros_like(fc1.weight)), fc1, shape),
        "the wrong order": (
            filled(weight=fc1.weight.reshape(64, 8, 7, 7).transpose(2, 3)),
            fc1,
            shape,
        ),
        "off at index 2, 3": (filled(), fc1, (1, 64, 1, 1)),
        "the tensor's .shape": (filled(), fc1, torch.zeros(shape)),
    }
    for words, answer in said.items():
        assert words in verdict(check.exercise_4, *answer), words
    nn.init.zeros_(fc1.bias)  # as in a new network
    without = nn.Conv2d(8, 64, kernel_size=7, bias=False)
    without.weight.data = fc1.weight.detach().reshape(64, 8, 7, 7)
    assert ": right.\n" in verdict(check.exercise_4, filled(), fc1, shape)
    assert "has biases too, even if" in verdict(check.exercise_4, without, fc1, shape)


def test_exercise_5(verdict):
    assert ": right.\n" in verdict(check.exercise_5, 512)
    assert "waiting" in verdict(check.exercise_5, ...)
    assert "out of what" in verdict(check.exercise_5, 25_088)
    assert "how often each" in verdict(check.exercise_5, 49)
    assert "number of its own" in verdict(check.exercise_5, 1)
    assert "equal by chance" in verdict(check.exercise_5, 448)  # counted, with zeros
    assert "equal by chance" in verdict(check.exercise_5, 511)
    assert "too small" in verdict(check.exercise_5, 0)
    assert "too large" in verdict(check.exercise_5, 513)
