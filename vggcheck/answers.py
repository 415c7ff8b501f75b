"""What the checks of all chapters are made of: the verdict, and comparisons that explain."""

from __future__ import annotations

import dis
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch

Check = Callable[..., "str | None"]


class Unanswered(Exception):
    """The reader has not filled in the answer yet."""


class WrongKind(TypeError):
    """The answer is of a kind that the check cannot look into; the message is the hint."""


def exercise(number: int) -> Callable[[Check], Callable[..., None]]:
    """Make the check of an exercise of a function that returns ``None`` or what is off.

    The check prints its verdict: right, not yet and why, or that it waits for an answer. It waits
    as long as an argument is ``...`` or contains it, and if it meets :class:`Unanswered`. What
    :class:`WrongKind` says is a hint. An error in a function that the reader wrote is the
    reader's, and is raised.
    """

    def decorate(check: Check) -> Callable[..., None]:
        @functools.wraps(check)
        def verdict(*answers: Any, **more: Any) -> None:
            try:
                _filled_in((answers, more))
                hint = check(*map(_plain, answers), **_plain(more))
            except Unanswered:
                print(f"Exercise {number}: waiting for your answer in place of the dots.")
                return
            except WrongKind as error:
                hint = str(error)
            print(f"Exercise {number}: " + ("right." if hint is None else f"not yet. {hint}"))

        return verdict

    return decorate


def _plain(answer: Any) -> Any:
    """Numbers of Python and tensors in place of NumPy's, also within what an answer contains.

    A truth or a whole number in a tensor, such as ``argmax()`` gives, is one of Python's as well.
    """
    whole = isinstance(answer, torch.Tensor) and not answer.is_floating_point()
    if isinstance(answer, np.generic) or (whole and answer.dim() == 0):
        return answer.item()
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "biuf":
        return torch.from_numpy(answer.copy())
    if type(answer) is dict:
        return {key: _plain(part) for key, part in answer.items()}
    if type(answer) in (list, tuple):
        return type(answer)(map(_plain, answer))
    return answer


def _filled_in(answer: Any) -> None:
    """Raise ``Unanswered`` if there are dots in an answer or in what it contains."""
    if answer is ...:
        raise Unanswered
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple, set, frozenset)):
        for part in answer:
            _filled_in(part)


# What a function does whose body is dots, or None.
_IN_DOTS = {"RESUME", "NOP", "LOAD_CONST", "POP_TOP", "RETURN_CONST", "RETURN_VALUE"}


def call(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """What the reader's function returns.

    Raises:
        Unanswered: nothing, since its body is still dots.
        WrongKind: it is no function, or one that does something and returns nothing.
    """
    if not callable(function):
        raise WrongKind(f"The check needs your function, got {describe(function)}.")
    result = function(*arguments, **more)
    if result is None:
        code = getattr(function, "__code__", None)
        if code is not None and not _IN_DOTS.issuperset(
            i.opname for i in dis.get_instructions(code)
        ):
            raise WrongKind("Your function returns nothing: is there a return?")
        raise Unanswered
    _filled_in(result)
    return result


def describe(answer: Any) -> str:
    """A short name of what was given, for a hint."""
    if isinstance(answer, torch.Tensor):
        return f"a tensor of shape {tuple(answer.shape)}"
    if isinstance(answer, (bool, Real, str)):
        return repr(answer)
    return f"an object of type {type(answer).__name__}"


def number(
    answer: Any,
    expected: float,
    *,
    what: str = "The number",
    tolerance: float = 0.0,
    mistakes: Mapping[float, str] | Iterable[tuple[float, str]] = (),
) -> str | None:
    """Compare with a known number.

    Args:
        answer: of the reader; also a tensor with a single number.
        expected: the right one.
        what: the subject of the hint.
        tolerance: largest difference that passes.
        mistakes: numbers that typical mistakes lead to, each with its hint.

    Returns:
        ``None`` if the answer is right; otherwise the hint for the mistake that it shows, or in
        which direction it is off.
    """
    try:
        value = _as_number(answer, what)
    except WrongKind as error:
        return str(error)
    if abs(value - expected) <= tolerance:
        return None
    pairs = mistakes.items() if isinstance(mistakes, Mapping) else mistakes
    for wrong, hint in pairs:
        if abs(value - wrong) <= tolerance:
            return hint
    return _direction(value, expected, what)


def ratio(
    answer: Any,
    expected: float,
    *,
    what: str = "The number",
    tolerance: float,
    mistakes: Iterable[tuple[float, str]] = (),
) -> str | None:
    """Compare with a known number above 0 of any size, by the ratio of the two.

    Args:
        answer: of the reader; also a tensor with a single number.
        expected: the right one.
        what: the subject of the hint.
        tolerance: by which part of the right one the answer may be off.
        mistakes: numbers that typical mistakes lead to, each with its hint: the nearest counts.

    Returns:
        As for :func:`number`.
    """
    try:
        value = _as_number(answer, what)
    except WrongKind as error:
        return str(error)
    if abs(value - expected) <= tolerance * expected:
        return None
    if not value > 0:
        return f"{what} should be above 0."

    def off(other: float) -> float:
        return abs(math.log(value / other))

    hint = _direction(value, expected, what)
    wrong, text = min(mistakes, key=lambda pair: off(pair[0]), default=(expected, hint))
    return text if off(wrong) <= math.log1p(tolerance) else hint


def _as_number(answer: Any, what: str) -> float:
    """The answer, if it is a number.

    Raises:
        WrongKind: it is none.
    """
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real):
        raise WrongKind(f"{what} should be a number, but it is {describe(answer)}.")
    if math.isnan(answer):
        raise WrongKind(f"{what} is not a number (nan).")
    return float(answer)


def _direction(value: float, expected: float, what: str) -> str:
    return f"{what} is too {'large' if value > expected else 'small'}."


def shape(answer: Any, expected: tuple[int, ...], *, what: str = "The shape") -> str | None:
    """Compare a shape, given as a tuple, a list or ``torch.Size``."""
    if isinstance(answer, torch.Tensor) and answer.dim() == 1 and not answer.is_floating_point():
        answer = answer.tolist()
    if isinstance(answer, torch.Tensor):
        return f"{what} is asked for: give the tensor's .shape."
    if not isinstance(answer, (list, tuple)):
        return f"{what} should be a tuple of integers, but it is {describe(answer)}."
    answer = tuple(answer)
    if len(answer) != len(expected):
        return f"{what} has {len(answer)} numbers, and {len(expected)} are needed."
    off = [i for i, (a, e) in enumerate(zip(answer, expected, strict=True)) if a != e]
    if off:
        return f"{what} is off at index {', '.join(map(str, off))}."
    return None


def names(answer: Any, expected: Iterable[str], *, what: str = "The names") -> str | None:
    """Compare a collection of names with the right ones, in any order."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        return f"{what} should be a list or a set of strings, but there is {describe(answer)}."
    answer = list(answer)
    strange = [name for name in answer if not isinstance(name, str)]
    if strange:
        return f"{what} should be strings, but one is {describe(strange[0])}."
    answer, expected = set(answer), set(expected)
    if wrong := sorted(answer - expected):
        return f"{what} should not have {', '.join(wrong)}."
    if missing := len(expected - answer):
        return f"{what} are right so far, but {missing} {'is' if missing == 1 else 'are'} missing."
    return None


def tensor(
    answer: Any,
    expected: torch.Tensor,
    *,
    what: str = "The tensor",
    tolerance: float = 1e-4,
    mistakes: Iterable[tuple[torch.Tensor, str]] = (),
) -> str | None:
    """Compare a tensor: first its type, then its shape, then its numbers."""
    if not isinstance(answer, torch.Tensor):
        return f"{what} should be a tensor, but it is {describe(answer)}."
    if answer.shape != expected.shape:
        return (
            f"{what} should have the shape {tuple(expected.shape)}, but has {tuple(answer.shape)}."
        )

    def close(other: torch.Tensor) -> bool:
        return other.shape == answer.shape and torch.allclose(
            answer.detach().cpu().double(), other.cpu().double(), rtol=0, atol=tolerance
        )

    if close(expected):
        return None
    for wrong, hint in mistakes:
        if close(wrong):
            return hint
    worst = (answer.detach().cpu().double() - expected.cpu().double()).abs().max().item()
    return f"{what} has the right shape, but numbers that are off by up to {worst:.2g}."


def choice(answer: Any, expected: Any, options: Mapping[Any, str]) -> str | None:
    """Compare a choice. Each wrong option has its own hint; other words are refused."""
    if _is(answer, expected):
        return None
    for option, hint in options.items():
        if _is(answer, option):
            return hint
    known = sorted(map(repr, {expected, *options}))
    return f"Choose one of {', '.join(known)}; your answer is {describe(answer)}."


def _is(answer: Any, option: Any) -> bool:
    try:
        return bool(answer == option)
    except (TypeError, ValueError, RuntimeError):  # an array of several numbers
        return False


def first(*hints: str | None) -> str | None:
    """The first hint of several comparisons, or ``None`` if all are right."""
    return next((hint for hint in hints if hint is not None), None)
