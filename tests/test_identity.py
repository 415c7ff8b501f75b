"""What a run is, as data: it survives a new release of torch, and notices what has changed."""

import functools
import json

import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from vgglib import PCAColorShift, RandomHorizontalFlip, SubtractMean, vgg
from vgglib.machine.identity import describe, difference, digest_of_weights


def scaled(strength):
    """A function that takes a constant from where it was made."""
    return lambda images: images * strength


STRENGTH = 2.0


def by_a_global(images):
    return images * STRENGTH


def with_a_default(images, strength=2.0):
    return images * strength


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
    lambda: {"a": [1, (2.0, None)], 3: {"b", "a"}},
]


@pytest.mark.parametrize("make", THINGS, ids=range(len(THINGS)))
def test_the_same_thing_made_twice_is_told_alike_in_json(make):
    told = describe(make())
    assert told == describe(make())
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(describe(make())))
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
    ],
)
def test_another_constant_is_another_thing(one, other):
    assert describe(one) != describe(other)


def test_a_global_constant_that_changed_is_noticed(monkeypatch):
    before = describe(by_a_global)
    monkeypatch.setitem(globals(), "STRENGTH", 3.0)
    assert describe(by_a_global) != before


def test_a_new_release_of_torch_changes_nothing(monkeypatch):
    """Its modules may print otherwise, and hold what they did not hold before."""
    things = [make() for make in THINGS]
    before = [describe(thing) for thing in things]
    monkeypatch.setattr(nn.Module, "__repr__", lambda self: "new")
    for kind in (nn.Conv2d, nn.Dropout, nn.Linear, nn.ReLU):
        monkeypatch.setattr(kind, "extra_repr", lambda self: "new")
        monkeypatch.setattr(kind, "new_attribute", 3, raising=False)
    assert [describe(thing) for thing in things] == before


def test_a_circle_ends():
    one = Plain(2.0)
    one.itself = one
    assert describe(one)["itself"] == "itself"


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


def test_the_digest_is_of_the_weights_that_are_learned():
    model = vgg("I", width=1 / 32, batch_norm=True)
    before = digest_of_weights(model)
    assert digest_of_weights(model.to(memory_format=torch.channels_last)) == before
    assert digest_of_weights(model, model.state_dict()) == before
    first = model.features.stack1.conv1.weight
    first.requires_grad_(False).zero_()
    fixed = digest_of_weights(model)
    first.fill_(1)
    assert digest_of_weights(model) == fixed
    with torch.no_grad():
        model.classifier.fc2.bias += 1
    assert digest_of_weights(model) != fixed
