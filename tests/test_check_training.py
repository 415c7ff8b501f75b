"""The checks of the exercises of Training: right answers and typical wrong ones."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import vgglib
from vggcheck import training as check

EXPECTED = [10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (EXPECTED, ": right.\n"),
        (torch.tensor([10.1, 19.8, 30.2, 39.9, 50.3]), ": right.\n"),
        ([10, 20, ..., 40, 50], "waiting"),
        ([0.1, 0.2, 0.3, 0.4, 0.5], "in percent"),
        ([90, 80, 70, 60, 50], "the errors"),
        ([10] * 5, "more places"),
        ([100 * (1 - 0.9**k) for k in range(1, 6)], "different classes"),
        ([10, 20, 30, 40, 60], "top-5 accuracy is too large"),
        ([10, 20, 30, 40, "50"], "top-5 accuracy should be a number"),
        ([10, 20], "there are 2"),
        (10, "there is 10"),
        ("10 to 50", "there is '10 to 50'"),
    ],
)
def test_exercise_1(verdict, given, said):
    assert said in verdict(check.exercise_1, given)


def test_exercise_2(verdict):
    def floor(classes):
        return math.log(math.e + classes - 1) - 1

    first = math.log(1000)
    right = lowest, below, share = floor(1000), first - floor(1000), 1 - floor(1000) / first
    assert ": right.\n" in verdict(check.exercise_2, *right)
    assert ": right.\n" in verdict(check.exercise_2, 5.9095, 0.998, 0.14)
    assert "waiting" in verdict(check.exercise_2, lowest, below, ...)
    for wrong, said in {
        floor(10): "ten classes",
        first: "knows nothing",
        lowest + 1: "that of e",
        math.log(math.e + 1000) - 1: "wrong ones",
        0.0: "Only logits",
        6.5: "too large",
    }.items():
        assert said in verdict(check.exercise_2, wrong, below, share)
    for wrong, said in {
        -below: "Which of the two",
        math.log(10) - floor(10): "ten classes",
        lowest: "above a loss of 0",
        0.5: "too small",
    }.items():
        assert said in verdict(check.exercise_2, lowest, wrong, share)
    for wrong, said in {
        1 - share: "out of reach",
        below / lowest: "not to the floor",
        1 - floor(10) / math.log(10): "ten classes",
        14.5: "part of 1",
        14: "part of 1",
        "14 %": "should be a number",
    }.items():
        assert said in verdict(check.exercise_2, lowest, below, wrong)


def right(p, training):
    return 1 / (1 - p) if training else 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (right, ": right.\n"),
        (lambda p, training: ..., "waiting"),
        (lambda p, training: None, "waiting"),
        (lambda p, training: 1, "what does the mean do"),
        (lambda p, training: 1 - p, "smaller still"),
        (lambda p, training: p, "smaller still"),
        (lambda p, training: 1 / p if training else 1, "Which share remains"),
        (lambda p, training: 2 if training else 1, "another share"),
        (lambda p, training: 1 + p if training else 1, "too small"),
        (lambda p, training: 1 + 2 * p if training else 1, "too large"),
        (lambda p, training: 1 / (1 - p), "do to the mean"),
        (lambda p, training: 1 / (1 - p) if training else 1 - p, "torch has done it"),
        (lambda p, training: 1 / (1 - p) if training else 0.0, "after .eval()"),
        (lambda p, training: "2", "should be a number"),
        (2.0, "not yet. The check needs your function, got 2.0."),
    ],
)
def test_exercise_3(verdict, function, said):
    assert said in verdict(check.exercise_3, function)


def test_exercise_3_is_what_torch_does():
    for p in (0.2, 0.5):
        dropout = nn.Dropout(p)
        assert dropout(torch.ones(100)).max().item() == pytest.approx(right(p, True))
        assert dropout.eval()(torch.ones(100)).max() == right(p, False)


def test_exercise_4(verdict, one_thread):
    """With the errors that a training raises, of the right rate and of another one."""
    data = vgglib.load_data("shapes", train_images=200)
    recipe = replace(vgglib.RECIPES["quick"].shortened(1), width=1 / 16)
    transforms = vgglib.make_transforms(data, recipe)

    def run(rate):
        return vgglib.train(
            vgglib.make_network("I", data, recipe),
            data,
            replace(recipe, learning_rate=rate),
            train_transform=transforms[0],
            test_transform=transforms[1],
            device="cpu",
            precision="float32",
        )

    with pytest.raises(FloatingPointError) as raised:
        run(1e20)
    other = raised.value
    error = FloatingPointError(str(other).replace("1e+20", "20"))
    why = "no later step repairs the weights"
    assert ": right.\n" in verdict(check.exercise_4, error, why)
    assert ": right.\n" in verdict(check.exercise_4, FloatingPointError, why)
    assert "waiting" in verdict(check.exercise_4, FloatingPointError, ...)
    assert "another learning rate" in verdict(check.exercise_4, other, why)
    assert "went to its end" in verdict(check.exercise_4, run(0.01), why)
    assert "ValueError it is not" in verdict(check.exercise_4, ValueError, why)
    assert "ValueError it is not" in verdict(check.exercise_4, ValueError("nan"), why)
    assert "there is 'nan'" in verdict(check.exercise_4, "nan", why)
    for wrong, said in {
        "it saves time": "could recover",
        "the schedule would lower the rate too late": "one more step",
        "because": "Choose one of",
    }.items():
        assert said in verdict(check.exercise_4, error, wrong)


def test_exercise_5(verdict):
    assert ": right.\n" in verdict(check.exercise_5, 13, 1e-4)
    assert ": right.\n" in verdict(check.exercise_5, first_lower=13, rate=0.01 * 0.1 * 0.1)
    assert "waiting" in verdict(check.exercise_5, 13, ...)
    for wrong, said in {
        11: "two early",
        12: "one early",
        14: "one late",
        24: "before that",
        1: "too small",
        30: "too large",
    }.items():
        assert said in verdict(check.exercise_5, wrong, 1e-4)
    for wrong, said in {
        0.01: "it has fallen",
        0.001: "counting starts anew",
        1e-5: "one fall too many",
        0.1: "too large",
        "0.0001": "should be a number",
    }.items():
        assert said in verdict(check.exercise_5, 13, wrong)


def test_the_random_state_stays_as_it_is(verdict):
    before = torch.get_rng_state()
    verdict(check.exercise_2, 5.9095, 0.998, 0.14)
    verdict(check.exercise_5, 13, 1e-4)
    assert torch.equal(torch.get_rng_state(), before)
