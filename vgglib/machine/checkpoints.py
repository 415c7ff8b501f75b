"""Checkpoints: everything that the rest of a training depends on, in one file.

A file names the run that it belongs to, and is refused by any other. It holds tensors, numbers and
strings only, and no code that loading could run.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vgglib.machine import distributed
from vgglib.machine.files import atomic_write
from vgglib.machine.identity import difference


def save_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    parts: dict[str, Any],
    device: torch.device,
    noted: dict[str, Any],
) -> None:
    """Replace the checkpoint by one of now, when that is whole. All processes call it; one writes.

    Args:
        path: of the file.
        identity: see :func:`~vgglib.machine.identity.identify`.
        parts: what has a ``state_dict``, by its name.
        device: that computes.
        noted: what else is kept, such as the history: numbers, strings, lists and dicts.

    Raises:
        OSError: it cannot be written; the one before is whole.
    """
    random_states = distributed.from_all(_random_state(device))
    distributed.from_first(lambda: _write(path, identity, parts, noted, random_states))


def _write(
    path: str | Path,
    identity: dict[str, Any],
    parts: dict[str, Any],
    noted: dict[str, Any],
    random_states: list[dict[str, torch.Tensor]],
) -> None:
    state = {
        "identity": identity,
        "random_state": random_states[0],
        "random_states_of_others": random_states[1:],
        **{name: part.state_dict() for name, part in parts.items()},
        **noted,
    }
    _check_is_file(path)
    try:
        with atomic_write(path) as file:
            torch.save(_plain(state), file)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as RuntimeError
        raise OSError(
            f"cannot write the checkpoint {str(path)!r} ({error}): the one before, if any, is"
            " whole; make room on the disk, or choose another folder, and run again"
        ) from error


def _plain(value: Any) -> Any:
    """The same with numbers and strings of Python in place of NumPy's, which would be pickled."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items()}
    return value


def load_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    parts: dict[str, Any],
    device: torch.device,
    is_own: Callable[[dict[str, torch.Tensor]], bool] = lambda weights: False,
) -> dict[str, Any]:
    """Bring all parts and the random state to where the checkpoint left them.

    Args:
        path: of the file; process 0 alone reads it.
        identity: of this run.
        parts: as for :func:`save_checkpoint`.
        device: that computes.
        is_own: whether weights are those that the model has now: then it goes on, whatever its
            first weights were.

    Returns:
        The whole state, with what was noted.

    Raises:
        ValueError: the file is damaged or belongs to another run; the message says what differs.
        OSError: it cannot be read.
    """
    state = distributed.from_first(lambda: _read(path, identity, is_own))
    for name, part in parts.items():
        if name == "scaler" and not state[name]:
            continue  # a run that moves to float16 finds no state of a scaler
        if name == "optimizer":
            # How a step is computed is the device's affair, not the checkpoint's.
            for saved, own in zip(state[name]["param_groups"], part.param_groups, strict=True):
                saved.update({key: own[key] for key in ("fused", "foreach") if key in own})
        part.load_state_dict(state[name])
    rank = distributed.rank()
    others = state.get("random_states_of_others", [])
    if rank <= len(others):  # with more processes than before, the new ones keep what they drew
        _set_random_state([state["random_state"], *others][rank], device)
    return state


def _read(path: str | Path, identity: dict[str, Any], is_own: Callable) -> dict[str, Any]:
    _check_is_file(path)
    content = Path(path).read_bytes()  # apart: where the disk fails, the file may be whole
    try:
        # weights_only: a pickle could run any code when it is loaded.
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        found, kept = dict(state["identity"]), [state["model"], state.get("average")]
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is damaged or no checkpoint of this package"
            f" ({type(error).__name__}): remove it to train from the start"
        ) from error
    if any(is_own(weights) for weights in kept if weights is not None):
        identity = {**identity, "first weights": found.get("first weights")}
    differs = difference(found, identity)
    if differs:
        raise ValueError(
            f"the checkpoint {str(path)!r} belongs to another run: its {differs}. Choose another"
            " file, or remove this one to train from the start"
        )
    return state


def _check_is_file(path: str | Path) -> None:
    if Path(path).is_dir():
        raise OSError(f"{str(path)!r} is a folder: expected the name of a file in it")


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def _set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type in state and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state[device.type], device)
