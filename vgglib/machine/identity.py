"""What a run is, as data: what must be equal for a checkpoint to belong to it.

Everything is told in JSON's values: settings by their names, functions by where they are defined
and by their source, with the constants that they use, tensors by a digest; what torch or Python
brings along, by its name. Nothing is told by ``repr``, which changes with a release of torch, nor
by an address, which changes at each start.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vgglib.architecture import VGG
from vgglib.data import Data
from vgglib.recipes import Recipe

# Whose functions and classes are told by their names alone, with what they were made with.
_LIBRARIES = {*sys.stdlib_module_names, "numpy", "PIL", "torch", "torchvision", "vgglib"}
_LIBRARIES -= {"__main__"}

# What torch keeps of each module, besides its settings.
_KEPT_BY_TORCH = set(vars(nn.Module()))


def identify(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    train_transform: Callable,
    test_transform: Callable,
    seed: int,
    first_weights: str,
) -> dict[str, Any]:
    """What must be equal for a checkpoint to belong to a run; ``first_weights`` is a digest.

    What the recipe gives deeper networks is left out: their own recipe has it in its epochs.
    """
    settings = asdict(recipe)
    del settings["deeper_epochs"]
    return {
        **{f"recipe's {key}": describe(value) for key, value in settings.items()},
        "network": describe(model, weights=False),
        "seed": seed,
        "data": f"{data.name} {data.fingerprint}",
        "training transform": describe(train_transform),
        "test transform": describe(test_transform),
        "first weights": first_weights,
    }


def difference(found: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """Where two identities differ first, in words, or ``None``.

    A setting that came after a checkpoint was written had its default then.
    """
    defaults = {f"recipe's {field.name}": describe(field.default) for field in fields(Recipe)}
    for key, value in own.items():
        there = found.get(key, defaults.get(key))
        if there != value:
            path, there, here = _first_difference(key, there, value)
            long = max(len(repr(there)), len(repr(here))) > 60
            return f"{path} differs" + ("" if long else f" ({there!r} there, {here!r} here)")
    return None


def digest_of_weights(
    model: nn.Module, recipe: Recipe, state: Mapping[str, Tensor] | None = None
) -> str:
    """16 digits of a model's weights, or of those in a state dict of it.

    Filters that whiten, which are fixed, are left out: they follow from the data, but not to the
    last bit on every machine.
    """
    whitening = None
    if recipe.whitening:
        filters = ((name, w) for name, w in model.named_parameters() if w.dim() == 4)
        whitening = next((name for name, w in filters if not w.requires_grad), None)
    digest = hashlib.sha256()
    for name, tensor in (model.state_dict() if state is None else state).items():
        if name != whitening:
            digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def describe(thing: Any, around: tuple[int, ...] = (), *, weights: bool = True) -> Any:
    """Anything that a training may be given, in JSON's values.

    Args:
        thing: a setting, a transform, a network, a function, a tensor, or a collection of these.
        around: what it is a part of, so that circles end.
        weights: whether the parameters and buffers of modules are told, too.
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if id(thing) in around:
        return "itself"
    around = (*around, id(thing))
    parts = functools.partial(describe, around=around, weights=weights)
    # What torch.compile made of a function is told as the function.
    thing = getattr(thing, "_torchdynamo_orig_callable", thing)
    if isinstance(thing, (np.ndarray, np.generic)):
        if thing.dtype.hasobject:  # whose bytes would be addresses
            return {"array": parts(thing.tolist()), "shape": list(thing.shape)}
        thing = np.ascontiguousarray(thing)
        return f"{thing.dtype} {thing.shape} {_digest(thing.tobytes())}"
    if isinstance(thing, torch.Generator):
        return {"class": _name(type(thing)), "seed": thing.initial_seed()}
    if isinstance(thing, Tensor):
        return f"{thing.dtype} {tuple(thing.shape)} {_digest(_bytes(thing))}"
    if isinstance(thing, Mapping):
        return {_as_key(parts(key)): parts(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [parts(value) for value in thing]
    if isinstance(thing, (set, frozenset)):
        return sorted(map(_as_key, map(parts, thing)))
    if isinstance(thing, functools.partial):
        return {"function": parts(thing.func), "with": parts([thing.args, thing.keywords])}
    if isinstance(thing, MethodType):
        return {"method": parts(thing.__func__), "of": parts(thing.__self__)}
    if isinstance(thing, FunctionType):
        return _function(thing, parts)
    if isinstance(thing, type):
        return _class(thing, parts)
    if isinstance(thing, BuiltinFunctionType):
        return _name(thing)
    if isinstance(thing, nn.Module):
        told = _module(thing, parts)
        if weights:
            own = (*thing.named_parameters(recurse=False), *thing.named_buffers(recurse=False))
            told |= parts(dict(own))
        return told
    if isinstance(thing, PurePath):  # which holds what it was asked for before
        return str(thing)
    # An object is its class and what it holds; one that holds nothing, such as a dtype, its name.
    slots = [name for kind in type(thing).__mro__ for name in vars(kind).get("__slots__", ())]
    held = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    held |= getattr(thing, "__dict__", {})
    kind = _class(type(thing), parts)
    if held or not isinstance(kind, str):
        return {"class": kind, **parts(held)}
    return str(thing).split(" at 0x")[0]


def _module(module: nn.Module, parts: Callable) -> dict[str, Any]:
    """A module by its class, its own settings and its parts, without its weights."""
    # What several processes make of it is the same layer.
    kind = nn.BatchNorm2d if type(module) is nn.SyncBatchNorm else type(module)
    if isinstance(module, VGG) and ends_in_logits(module):
        settings = module.settings()
    elif _package(kind) == "torch" or isinstance(module, VGG):
        # What it was made with; what else it holds may change with a release.
        names = inspect.signature(kind.__init__).parameters
        settings = {name: vars(module)[name] for name in names if name in vars(module)}
    else:
        settings = {
            name: value for name, value in vars(module).items() if name not in _KEPT_BY_TORCH
        }
    return {"class": _class(kind, parts), **parts(settings), **parts(dict(module.named_children()))}


def ends_in_logits(network: VGG) -> bool:
    """Whether the last layer is fully connected, as a VGG is made: all may have been exchanged."""
    layers = network.classifier
    return isinstance(layers, nn.Sequential) and isinstance([None, *layers][-1], nn.Linear)


def _class(kind: type, parts: functools.partial) -> Any:
    """A class by its name; one from outside of the libraries also by what stands in its body."""
    own = [k for k in kind.__mro__ if _package(k) not in _LIBRARIES]
    around = parts.keywords["around"]
    holds_its_own = issubclass(kind, Enum)  # whose members would be told within each other
    if not own or (holds_its_own and id(kind) in around[:-1]):
        return _name(kind)
    if holds_its_own:
        parts = functools.partial(parts, around=(*around, id(kind)))
    told: dict[str, Any] = {"name": _name(kind)}
    for part in reversed(own):
        for name, value in vars(part).items():
            value = getattr(value, "__func__", value)  # of a classmethod or a staticmethod
            value = getattr(value, "fget", value)  # of a property
            if isinstance(value, FunctionType) or not name.startswith("__"):
                told[name] = _name(value) if isinstance(value, type) else parts(value)
    return told


def _function(function: FunctionType, parts: Callable) -> dict[str, Any]:
    """A function by its qualified name and source, and by the values that it takes from outside."""
    if _package(function) in _LIBRARIES:
        return {"function": _name(function)}
    code = function.__code__
    # Of what a decorator made, the decorator's source, but not that of a library, which may change.
    made_by = function.__globals__.get("__name__", "").partition(".")[0]
    try:
        source = inspect.getsource(function if made_by in _LIBRARIES else code)
        source = textwrap.dedent(source).strip()
    except (OSError, TypeError):  # typed in where nothing keeps it
        source = [code.co_code.hex(), list(code.co_names)]
    outside = {}
    for name in _names(code):
        value = function.__globals__.get(name)
        if not isinstance(value, ModuleType):
            outside |= {name: value} if name in function.__globals__ else {}
        elif value.__name__.partition(".")[0] not in _LIBRARIES:
            used = [attribute for attribute in _attributes(code) if hasattr(value, attribute)]
            outside |= {f"{name}.{attribute}": getattr(value, attribute) for attribute in used}
    inside = [_content(cell) for cell in function.__closure__ or ()]
    return {
        "function": _name(function),
        "source": source,
        "constants": parts(_constants(code)),  # of two lambdas in one line, which have one source
        "defaults": parts([function.__defaults__, function.__kwdefaults__]),
        "uses": parts([outside, inside]),
    }


def _constants(code: CodeType) -> list[Any]:
    """The constants in some code, functions within it included."""
    found = []
    for constant in code.co_consts:
        found += _constants(constant) if _is_code(constant) else [constant]
    return [constant for constant in found if constant is not None]


def _names(code: CodeType) -> list[str]:
    """The global names that some code looks up, functions within it included."""
    own = [
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    inner = [name for constant in code.co_consts if _is_code(constant) for name in _names(constant)]
    return sorted({*own, *inner})


def _attributes(code: CodeType) -> set[str]:
    """All names of attributes in some code, functions within it included."""
    inner = [_attributes(constant) for constant in code.co_consts if _is_code(constant)]
    return set(code.co_names).union(*inner)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return None


def _is_code(constant: Any) -> bool:
    return isinstance(constant, CodeType)


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _package(thing: Any) -> str:
    return (thing.__module__ or "").partition(".")[0]


def _as_key(told: Any) -> str:
    return told if isinstance(told, str) else json.dumps(told, sort_keys=True)


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _digest(content: memoryview | bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _first_difference(path: str, there: Any, here: Any) -> tuple[str, Any, Any]:
    """The innermost value that differs, and the way to it."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in (*here, *there):
            if there.get(key) != here.get(key):
                return _first_difference(f"{path}, {key}", there.get(key), here.get(key))
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (one, other) in enumerate(zip(there, here, strict=True)):
            if one != other:
                return _first_difference(f"{path}, {i + 1}", one, other)
    return path, there, here
