"""The tools that the checks of exercises are made of."""

import math

import numpy as np
import pytest
import torch

from vggcheck import answers
from vggcheck.answers import Unanswered, WrongKind, call, exercise


@exercise(7)
def even(answer, *others, **more):
    return None if answer % 2 == 0 else "It is odd."


def test_a_verdict_is_right_or_says_what_is_off(capsys):
    assert even(2) is None
    assert capsys.readouterr().out == "Exercise 7: right.\n"
    even(3)
    assert capsys.readouterr().out == "Exercise 7: not yet. It is odd.\n"


@pytest.mark.parametrize("given", [[...], [1, ...], [1, [2, ...]], [1, {"a": ...}], [1, (..., 2)]])
def test_dots_are_no_answer(capsys, given):
    even(*given)
    assert "waiting for your answer" in capsys.readouterr().out


@exercise(9)
def without_numpy(flag, number, array, within):
    kinds = type(flag), type(number), type(array), type(within["a"][0]), type(within["a"][1])
    return None if kinds == (bool, float, torch.Tensor, int, torch.Tensor) else f"{kinds}"


def test_answers_of_numpy_are_as_good_as_others(verdict):
    within = {"a": [np.int64(1), np.ones(2)]}
    given = np.bool_(True), np.float32(0.5), np.arange(3), within
    assert "right." in verdict(without_numpy, *given)
    by_name = dict(zip(("flag", "number", "array", "within"), given, strict=True))
    assert "right." in verdict(without_numpy, **by_name)
    assert "right." in verdict(without_numpy, torch.tensor(True), 0.5, torch.arange(3), within)


@exercise(8)
def gives_three(function):
    return None if call(function) == 3 else "It gives another number."


def nothing_but_dots():
    """What it should do."""
    ...


def without_a_return():
    total = 0
    for part in (1, 2):
        total += part


def test_a_function_without_a_return_is_told_from_one_of_dots(verdict):
    assert "waiting" in verdict(gives_three, nothing_but_dots)
    assert "waiting" in verdict(gives_three, lambda: None)
    assert "is there a return?" in verdict(gives_three, without_a_return)
    assert "right." in verdict(gives_three, lambda: 3)


def test_dots_by_name_are_no_answer(capsys):
    even(2, more=...)
    assert "waiting for your answer" in capsys.readouterr().out


def test_a_function_that_returns_nothing_is_not_written_yet():
    with pytest.raises(Unanswered):
        call(lambda x: ..., 1)
    with pytest.raises(Unanswered):
        call(lambda x: None, 1)
    assert call(lambda x: x + 1, 1) == 2
    with pytest.raises(WrongKind, match="returns nothing: is there a return"):
        call(lambda x: print(x), 1)


def test_an_error_in_the_readers_function_is_the_readers():
    with pytest.raises(ZeroDivisionError):
        call(lambda x: x / 0, 1)


@exercise(8)
def doubles(function):
    return None if call(function, 3) == 6 else "It does not double."


def test_an_answer_that_is_no_function_gets_a_hint(verdict):
    with pytest.raises(WrongKind, match="your function, got 3"):
        call(3)
    assert verdict(doubles, 212) == (
        "Exercise 8: not yet. The check needs your function, got 212.\n"
    )
    assert verdict(doubles, lambda x: 2 * x) == "Exercise 8: right.\n"
    with pytest.raises(TypeError, match="unsupported operand"):  # the reader's own
        doubles(lambda x: x + "1")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (10, None),
        (10.05, None),
        (torch.tensor(10.0), None),
        (11, "The sum is too large."),
        (9, "The sum is too small."),
        (20, "twice?"),
        ("10", "The sum should be a number, but it is '10'."),
        (True, "The sum should be a number, but it is True."),
        ([10], "The sum should be a number, but it is an object of type list."),
        (torch.zeros(2), "The sum should be a number, but it is a tensor of shape (2,)."),
        (math.nan, "The sum is not a number (nan)."),
    ],
)
def test_number(given, hint):
    found = answers.number(given, 10, what="The sum", tolerance=0.1, mistakes={20: "twice?"})
    assert found == hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ((1, 2), None),
        ([1, 2], None),
        (torch.Size([1, 2]), None),
        ((1, 3), "The shape is off at index 1."),
        ((1, 2, 3), "The shape has 3 numbers, and 2 are needed."),
        (torch.zeros(1, 2), "The shape is asked for: give the tensor's .shape."),
        (3, "The shape should be a tuple of integers, but it is 3."),
    ],
)
def test_shape(given, hint):
    assert answers.shape(given, (1, 2)) == hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (["a", "b"], None),
        ({"b", "a"}, None),
        (["a"], "The names are right so far, but 1 is missing."),
        (["a", "b", "c"], "The names should not have c."),
        ("a", "The names should be a list or a set of strings, but there is 'a'."),
        ([1], "The names should be strings, but one is 1."),
        ([["a"]], "The names should be strings, but one is an object of type list."),
    ],
)
def test_names(given, hint):
    assert answers.names(given, ["a", "b"]) == hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (torch.ones(2), None),
        (torch.ones(2, dtype=torch.float64), None),
        (torch.ones(2, requires_grad=True), None),
        (torch.zeros(2), "empty?"),
        (torch.tensor([1.0, 1.5]), "The tensor has the right shape, but numbers that are off by"),
        (torch.ones(3), "The tensor should have the shape (2,), but has (3,)."),
        ([1.0, 1.0], "The tensor should be a tensor, but it is an object of type list."),
    ],
)
def test_tensor(given, hint):
    found = answers.tensor(given, torch.ones(2), mistakes=[(torch.zeros(2), "empty?")])
    assert found is None if hint is None else found.startswith(hint)


def test_choice():
    options = {"up": "Look again.", "same": "Something changes."}
    assert answers.choice("down", "down", options) is None
    assert answers.choice("up", "down", options) == "Look again."
    assert answers.choice("left", "down", options) == (
        "Choose one of 'down', 'same', 'up'; your answer is 'left'."
    )
    for strange in (["down"], {"down"}, torch.zeros(2), float("nan")):
        assert answers.choice(strange, "down", options).startswith("Choose one of 'down'")


def test_first():
    assert answers.first(None, "a", "b") == "a"
    assert answers.first(None, None) is None
