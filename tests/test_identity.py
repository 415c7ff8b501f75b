"""What a run is, as data: it survives a new release of torch, and notices what has changed."""

import functools
import importlib.util
import json
import types
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import normalize

from vgglib import RECIPES, PCAColorShift, RandomHorizontalFlip, SubtractMean, vgg
from vgglib.machine.identity import describe, difference, digest_of_weights


def scaled(strength):
    """A function that takes a constant from where it was made."""
    return lambda images: images * strength


STRENGTH = 2.0


def by_a_global(images):
    return images * STRENGTH


def with_a_default(images, strength=2.0):
    return images * strength


def by_the_library(images):
    return normalize(images, mean=[0.5], std=[0.5])


history = "of no concern"


def by_an_attribute(run):
    return run.history


class Buffered(nn.Module):
    """An augmentation whose constants are buffers."""

    def __init__(self, strength):
        super().__init__()
        self.register_buffer("strength", torch.tensor(strength))

    def forward(self, images):
        return images * self.strength


def exchanged(activation):
    """A network with another activation in a place."""
    model = vgg("I", width=1 / 32)
    assert isinstance(model.classifier.activation1, nn.ReLU)
    model.classifier.activation1 = activation
    return model


class Brighter(nn.Module):
    """A reader's own augmentation."""

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def forward(self, images):
        return images * self.strength


class Plain:
    """A callable that is no module."""

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, images):
        return images * self.strength


THINGS = [
    lambda: scaled(2.0),
    lambda: by_a_global,
    lambda: with_a_default,
    lambda: functools.partial(with_a_default, strength=3.0),
    lambda: Brighter(2.0),
    lambda: Plain(2.0),
    lambda: Plain(2.0).__call__,
    lambda: v2.Lambda(scaled(2.0)),
    lambda: v2.Compose([RandomHorizontalFlip(), SubtractMean([0.1, 0.2, 0.3]), scaled(2.0)]),
    lambda: PCAColorShift([0.2, 0.1, 0.05], torch.eye(3), std=0.3),
    lambda: torch.Tensor.float,
    lambda: v2.ToDtype(torch.float32, scale=True),
    lambda: vgg("I", width=1 / 32),
    lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.3), nn.Flatten()),
    lambda: torch.arange(5),
    lambda: {"a": [1, (2.0, None)], 3: {"b", "a"}, with_a_default: 1},
    lambda: by_the_library,
    lambda: Buffered(2.0),
]


def seeded(make):
    """Made with the same first weights each time."""
    torch.manual_seed(0)
    return make()


@pytest.mark.parametrize("make", THINGS, ids=range(len(THINGS)))
def test_the_same_thing_made_twice_is_told_alike_in_json(make):
    told, again = (describe(seeded(make)) for _ in range(2))
    assert told == again
    assert json.loads(json.dumps(told)) == told
    assert "0x" not in json.dumps(told)  # no address


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaled(2.0), scaled(3.0)),
        (v2.Lambda(scaled(2.0)), v2.Lambda(scaled(3.0))),
        (Brighter(2.0), Brighter(3.0)),
        (Plain(2.0), Plain(3.0)),
        (Plain(2.0).__call__, Plain(3.0).__call__),
        (functools.partial(with_a_default, strength=2.0), functools.partial(with_a_default)),
        (lambda x: x * 2.0, lambda x: x * 3.0),
        (v2.Compose([Brighter(2.0)]), v2.Compose([Brighter(3.0)])),
        (RandomHorizontalFlip(0.5), RandomHorizontalFlip(0.4)),
        (nn.Dropout(0.3), nn.Dropout(0.4)),
        (nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, padding=1)),
        (nn.ReLU(), nn.GELU()),
        (vgg("I", width=1 / 32), vgg("I", width=1 / 32, dropout=0.4)),
        (vgg("I", width=1 / 32), vgg("I", width=1 / 32, batch_norm=True)),
        (torch.arange(5), torch.arange(1, 6)),
        (Buffered(2.0), Buffered(3.0)),
        (nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 4)),
        (exchanged(nn.ReLU()), exchanged(nn.LeakyReLU())),
        (exchanged(nn.LeakyReLU(0.1)), exchanged(nn.LeakyReLU(0.2))),
    ],
)
def test_another_constant_is_another_thing(one, other):
    # Weights are drawn: by them any two networks would differ.
    drawn = isinstance(one, nn.Module) and any(True for _ in one.parameters())
    assert describe(one, weights=not drawn) != describe(other, weights=not drawn)


def test_a_global_constant_that_changed_is_noticed(monkeypatch):
    before = describe(by_a_global)
    monkeypatch.setitem(globals(), "STRENGTH", 3.0)
    assert describe(by_a_global) != before


def test_a_variable_that_only_shares_its_name_with_an_attribute_does_not_count(monkeypatch):
    before = describe(by_an_attribute)
    monkeypatch.setitem(globals(), "history", "another")
    assert describe(by_an_attribute) == before


def test_functions_of_libraries_are_told_by_name():
    assert len(json.dumps(describe(by_the_library))) < 1000


def test_the_weights_of_a_network_are_told_by_their_digest_alone():
    networks = [vgg("I", width=1 / 32) for _ in range(2)]
    one, other = (describe(network, weights=False) for network in networks)
    assert one == other


def test_a_new_release_of_torch_changes_nothing(monkeypatch):
    """Its modules may print otherwise, and hold what they did not hold before."""
    things = [make() for make in THINGS]
    before = [describe(thing) for thing in things]
    monkeypatch.setattr(nn.Module, "__repr__", lambda self: "new")
    for kind in (nn.Conv2d, nn.Dropout, nn.Linear, nn.ReLU):
        monkeypatch.setattr(kind, "extra_repr", lambda self: "new")
    for thing in things:
        for module in thing.modules() if isinstance(thing, nn.Module) else ():
            if type(module).__module__.startswith("torch."):
                module.new_attribute = 3
    assert [describe(thing) for thing in things] == before


CHANGED = {
    "in forward": """
class Augment(nn.Module):
    def forward(self, images):
        return images * VALUE
""",
    "of a class": """
class Augment(nn.Module):
    strength = VALUE

    def forward(self, images):
        return images * self.strength
""",
    "private": """
class Augment(nn.Module):
    def __init__(self):
        super().__init__()
        self._strength = VALUE
""",
    "global": """
STRENGTH = VALUE

class Augment(nn.Module):
    def forward(self, images):
        return images * STRENGTH
""",
    "of a base": """
class Base:
    def __call__(self, images):
        return images * VALUE

class Augment(Base):
    pass
""",
    "a slot": """
class Augment:
    __slots__ = ("strength",)

    def __init__(self):
        self.strength = VALUE
""",
    "a dataclass": """
@dataclass
class Augment:
    strength: float = 1.0

    def __call__(self, images):
        return images * self.strength + VALUE
""",
    "of a module": """
settings = types.ModuleType("settings")
settings.strength = VALUE

class Augment:
    def __call__(self, images):
        return images * settings.strength
""",
    "a method": """
class Outer:
    @classmethod
    def augment(cls, images):
        return images * VALUE

def Augment():
    return Outer.augment
""",
    "an array": """
class Augment:
    def __init__(self):
        self.table = np.ones(5000)
        self.table[2500] = VALUE
""",
    "a generator": """
class Augment:
    def __init__(self):
        self.generator = torch.Generator().manual_seed(int(VALUE))
""",
    "another operation": """
def Augment():
    return lambda images: torch.NAME(images)
""",
}


@pytest.mark.parametrize("where", CHANGED)
def test_what_a_class_computes_with_is_noticed_wherever_it_stands(where):
    """Without a file that has the source, as in a console."""
    told = []
    for value, name in (("2.0", "sin"), ("2.0", "sin"), ("3.0", "cos")):
        space = {"__name__": "somebodys", "nn": nn, "torch": torch, "np": np, "types": types}
        space["dataclass"] = dataclass
        exec(CHANGED[where].replace("VALUE", value).replace("NAME", name), space)
        told.append(json.loads(json.dumps(describe(space["Augment"]()))))
    assert told[0] == told[1] != told[2]


def test_a_changed_decorator_is_noticed(tmp_path):
    text = """
import functools

def changed(function):
    @functools.wraps(function)
    def wrapper(images):
        return function(images) OPERATION 2
    return wrapper

@changed
def augment(images):
    return images
"""
    told = []
    for number, operation in enumerate("**+"):
        path = tmp_path / f"{number}.py"
        path.write_text(text.replace("OPERATION", operation))
        spec = importlib.util.spec_from_file_location("somebodys", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        told.append(describe(module.augment))
    assert told[0] == told[1] != told[2]


def test_a_decorator_of_a_library_is_not_told_by_its_source():
    told = describe(torch.no_grad()(by_a_global))
    assert told["source"] == describe(by_a_global)["source"]


def test_a_compiled_function_is_told_as_the_function():
    assert describe(torch.compile(by_a_global)) == describe(by_a_global)


def test_a_path_is_told_as_such_whatever_it_was_asked_for():
    path = Path("photos")
    before = describe(path)
    hash(path), str(path)
    assert describe(path) == before != describe(Path("pictures"))


def test_batch_normalization_of_several_processes_is_that_of_one():
    alone = vgg("I", width=1 / 32, batch_norm=True)
    before = describe(alone, weights=False)
    together = nn.SyncBatchNorm.convert_sync_batchnorm(alone)
    assert any(isinstance(m, nn.SyncBatchNorm) for m in together.modules())
    assert describe(together, weights=False) == before


def test_a_circle_ends():
    one = Plain(2.0)
    one.itself = one
    assert describe(one)["itself"] == "itself"


# With as many members as would take forever if each were told within all others.
Fill = Enum("Fill", list("abcdefghijkl"))


def test_a_member_of_an_enum_is_told_at_once_and_from_another():
    told = [json.dumps(describe(member)) for member in (Fill.a, Fill.a, Fill.b)]
    assert told[0] == told[1] != told[2] and len(told[0]) < 20_000


class Multiplied(nn.Module):
    """As many write one, with a call of its own class."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, images):
        return images * self.factor


def test_what_was_told_of_classes_and_numbers_stays():
    """A checkpoint of an earlier version goes on only if the same is told of the same."""
    (inside,) = describe(Multiplied(2.0))["class"]["__init__"]["uses"][1]
    assert inside["name"].endswith("Multiplied") and "forward" in inside
    assert describe(np.float32(2)) == "float32 (1,) d88c86f15bbea365"


@pytest.mark.parametrize(
    "array",
    [
        np.array([1 + 2j, 3]),
        np.array(["cat", "dog", "dog"]),
        np.array([1.0, 2.0], dtype=">f4"),
        np.zeros((0, 3)),
        np.array([None, "dog"], dtype=object),
    ],
)
def test_arrays_of_all_kinds_are_told(array):
    assert describe(array) == describe(array.copy())
    if array.size:
        assert describe(array) != describe(np.full_like(array, array.flat[-1]))


def test_a_function_without_source_is_told_by_its_code():
    found = []
    for factor in (2.0, 2.0, 3.0):
        space = {}
        exec(f"def typed(x): return x * {factor}", space)
        found.append(describe(space["typed"]))
    assert found[0] == found[1] != found[2]


def test_the_innermost_difference_is_named():
    one, other = ({"transform": describe(v2.Compose([Brighter(s)]))} for s in (2.0, 3.0))
    assert difference(one, one) is None
    told = difference(one, other)
    assert told == "transform, transforms, 1, strength differs (2.0 there, 3.0 here)"


def test_the_digest_is_of_all_weights_but_filters_that_whiten():
    model = vgg("I", width=1 / 32, batch_norm=True)
    plain, whitened = RECIPES["quick"], replace(RECIPES["quick"], whitening=True)
    assert digest_of_weights(model, whitened) == digest_of_weights(model, plain)  # none whitens yet
    model.features.stack1.conv1.weight.requires_grad_(False)
    before = {recipe: digest_of_weights(model, recipe) for recipe in (plain, whitened)}
    assert digest_of_weights(model.to(memory_format=torch.channels_last), plain) == before[plain]
    assert digest_of_weights(model, plain, model.state_dict()) == before[plain]
    model.features.stack1.conv1.weight.add_(1)
    assert digest_of_weights(model, plain) != before[plain]  # frozen, and other ones
    assert digest_of_weights(model, whitened) == before[whitened]
    with torch.no_grad():
        model.classifier.fc2.bias += 1
    assert digest_of_weights(model, whitened) != before[whitened]
    assert digest_of_weights(nn.Linear(3, 2), whitened)  # has no filters at all
