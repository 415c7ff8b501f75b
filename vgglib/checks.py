"""What every setting is checked by: it is refused where it is written, by name and value."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def nearest(name: Any, known: Sequence[str]) -> str:
    """``"; did you mean 'x'?"`` where a known name is close, then all the known names."""
    lower = {choice.lower(): choice for choice in known}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.6)
    hint = f"; did you mean {lower[close[0]]!r}?" if close else "."
    return f"{hint} Known: {', '.join(known)}"


def check_int(name: str, value: Any, *, minimum: int, optional: bool = False) -> None:
    """Refuse what is no whole number of ``minimum`` or more."""
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")


def check_bool(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def check_number(
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = math.inf,
    without_low: bool = False,
    without_high: bool = False,
) -> None:
    """Refuse what is no finite number between two others, which belong to the range if not said."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    above = value > low if without_low else value >= low
    below = value < high if without_high else value <= high
    if above and below and math.isfinite(value):
        return
    if math.isinf(high):
        finite = "" if math.isfinite(value) else "a finite number, "
        expected = f"{finite}{'above' if without_low else 'at least'} {low:g}"
        raise ValueError(f"{name} must be {expected}, got {value}")
    ends = ("(" if without_low else "[", ")" if without_high else "]")
    raise ValueError(f"{name} must be in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value}")


def check_probability(name: str, value: Any) -> None:
    """A probability that is below 1."""
    check_number(name, value, low=0, high=1, without_high=True)


def check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuse a word that is not among the known ones, and name the nearest of them."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r} ({type(value).__name__})")
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}{nearest(value, known)}")


def check_tensors(**values: Any) -> None:
    """Refuse arrays and lists where tensors belong, by name."""
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} must be a tensor, got {type(value).__name__}: convert with torch.as_tensor"
            )


def check_parameters(**given: Any) -> None:
    """Refuse parameters of a chapter that no run can have, before anything is computed.

    Args:
        given: those of the chapter's cell with the parameters, by name.

    Raises:
        ValueError: names the parameter, its value, and what was expected.
    """
    for name, value in given.items():
        fits, expected = _PARAMETERS[name]
        if not fits(value):
            raise ValueError(f"{name} = {value!r}: expected {expected}")


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, Path)) and str(value).strip() != ""


def _is_device(value: Any) -> bool:
    try:
        return isinstance(value, str) and (value == "auto" or bool(torch.device(value)))
    except RuntimeError:
        return False


def _is_count(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


_FOLDER = (_is_text, "the name of a folder, in quotes")
_PARAMETERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "DATA": (
        _is_text,
        '"shapes", "cifar10", "cifar10-jpeg", or a folder with train/<class> and test/<class>',
    ),
    "PROFILE": (lambda value: value in ("quick", "full"), '"quick" or "full"'),
    "EPOCHS": (
        lambda value: value is None or _is_count(value, 1),
        "a whole number of 1 or more without quotes, or None for as many as the recipe has",
    ),
    "SEED": (lambda value: _is_count(value, 0), "a whole number of 0 or more, without quotes"),
    "DEVICE": (_is_device, '"auto", "cuda", "mps" or "cpu"'),
    "RESULTS": _FOLDER,
    "CHECKPOINTS": _FOLDER,
    "DOWNLOADS": _FOLDER,
}
