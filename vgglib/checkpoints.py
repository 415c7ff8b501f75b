"""Checkpoints: everything that the rest of a training depends on, in one file.

A file names the run that it belongs to, and is refused by any other. It holds tensors, numbers and
strings only, and no code that loading could run.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vgglib import distributed
from vgglib.data import Data
from vgglib.files import atomic_write
from vgglib.recipe import Recipe

if TYPE_CHECKING:  # that module imports this one
    from vgglib.training import Training


def identify(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    train_transform: Callable,
    test_transform: Callable,
    seed: int,
) -> dict[str, Any]:
    """What must be equal for a checkpoint to belong to a run, in words or as a digest.

    Weights that are not learned are left out: they follow from the data, but not to the last bit on
    every machine. So is what the recipe gives deeper networks, whose own recipe has it in its
    epochs.
    """
    settings = asdict(recipe)
    del settings["deeper_epochs"]
    fixed = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    weights = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if name not in fixed:
            weights.update(tensor.detach().cpu().contiguous().numpy().data)
    return {
        **{f"recipe's {key}": value for key, value in settings.items()},
        "model": str(model),
        "seed": seed,
        "data": f"{data.name} {data.fingerprint}",
        "training transform": str(train_transform),
        "test transform": str(test_transform),
        "first weights": weights.hexdigest()[:16],
    }


def save_checkpoint(
    path: str | Path,
    identity: dict[str, Any],
    parts: dict[str, Any],
    device: torch.device,
    training: Training,
) -> None:
    """Replace the checkpoint by one of now, when that is whole. All processes call it; one writes.

    Args:
        path: of the file.
        identity: see :func:`identify`.
        parts: what has a ``state_dict``, by its name.
        device: that computes.
        training: history and devices so far.

    Raises:
        OSError: it cannot be written; the one before is whole.
    """
    random_states = distributed.from_all(_random_state(device))
    distributed.from_first(lambda: _write(path, identity, parts, training, random_states))


def _write(
    path: str | Path,
    identity: dict[str, Any],
    parts: dict[str, Any],
    training: Training,
    random_states: list[dict[str, torch.Tensor]],
) -> None:
    state = {
        "identity": identity,
        "random_state": random_states[0],
        "random_states_of_others": random_states[1:],
        **{name: part.state_dict() for name, part in parts.items()},
        **asdict(training),
    }
    try:
        with atomic_write(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as RuntimeError
        raise OSError(
            f"cannot write the checkpoint {str(path)!r} ({error}): the one before, if any, is"
            " whole; make room on the disk, or choose another folder, and run again"
        ) from error


def load_checkpoint(
    path: str | Path, identity: dict[str, Any], parts: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """Bring all parts and the random state to where the checkpoint left them.

    Args:
        path: of the file; process 0 alone reads it.
        identity: of this run.
        parts: as for :func:`save_checkpoint`.
        device: that computes.

    Returns:
        ``"history"`` and ``"devices"`` of the training.

    Raises:
        ValueError: the file is damaged or belongs to another run; the message says what differs.
        OSError: it cannot be read.
    """
    state = distributed.from_first(lambda: _read(path, identity))
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
    return {"history": state["history"], "devices": state["devices"]}


def _read(path: str | Path, identity: dict[str, Any]) -> dict[str, Any]:
    content = Path(path).read_bytes()  # apart: where the disk fails, the file may be whole
    try:
        # weights_only: a pickle could run any code when it is loaded.
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        found = dict(state["identity"])
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is damaged or no checkpoint of this package"
            f" ({type(error).__name__}): remove it to train from the start"
        ) from error
    # A setting that came after the checkpoint was written had its default then.
    for field in fields(Recipe):
        found.setdefault(f"recipe's {field.name}", field.default)
    for key, value in identity.items():
        if found.get(key) != value:
            long = len(str(value)) > 60
            difference = "" if long else f" ({found.get(key)!r} there, {value!r} here)"
            raise ValueError(
                f"the checkpoint {str(path)!r} belongs to another run: its {key} differs"
                f"{difference}. Choose another file, or remove this one to train from the start"
            )
    return state


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def _set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type in state and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state[device.type], device)
