"""Weights from elsewhere are loaded, or refused as what they are."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from vgglib import load_torchvision, transfer_weights, vgg
from vgglib.weights import plain_state_dict


@pytest.fixture(scope="module")
def theirs():
    """torchvision's vgg11 for four classes, as thin as its class allows: its features alone."""
    torch.manual_seed(0)
    return models.vgg11(num_classes=4).eval()


@pytest.fixture(scope="module")
def state(theirs):
    return theirs.state_dict()


def ours(classes=4):
    return vgg("A", num_classes=classes).eval()


def loaded(source, **options):
    model = ours()
    load_torchvision(model, source, **options)
    return model.features.stack5.conv2.weight


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"epoch": 3, "arch": "vgg11", "state_dict": state, "best_acc1": 0.5},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"model": state, "optimizer": {}},
    ],
    ids=["plain", "DDP", "compile", "both", "imagenet example", "within and DDP", "model"],
)
def test_what_training_scripts_put_around_weights_is_taken_off(state, wrap):
    assert torch.equal(loaded(wrap(state)), state["features.18.weight"])


def test_timms_vgg_has_convolutions_for_connected_layers(theirs, state):
    timm = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
    shapes = {"pre_logits.fc1": (4096, 512, 7, 7), "pre_logits.fc2": (4096, 4096, 1, 1)}
    for (name, shape), number in zip(shapes.items(), (0, 3), strict=True):
        timm[f"{name}.weight"] = state[f"classifier.{number}.weight"].reshape(shape)
        timm[f"{name}.bias"] = state[f"classifier.{number}.bias"]
    timm["head.fc.weight"] = state["classifier.6.weight"]
    timm["head.fc.bias"] = state["classifier.6.bias"]
    model, images = ours(), torch.randn(1, 3, 224, 224)
    load_torchvision(model, timm)
    with torch.no_grad():
        torch.testing.assert_close(model(images), theirs(images))


def test_other_classes_are_loaded_but_for_the_last_layer_on_request(state):
    model = ours(classes=7)
    before = model.classifier.fc3.weight.clone()
    with pytest.raises(ValueError, match=r"for other classes alone: but_last=True"):
        load_torchvision(model, state)
    assert load_torchvision(model, state, but_last=True) == ("classifier.fc3",)
    assert torch.equal(model.classifier.fc3.weight, before)
    assert torch.equal(model.classifier.fc2.weight, state["classifier.3.weight"])
    assert load_torchvision(ours(), state) == ()


def test_transfer_leaves_the_last_layer_out_on_request():
    shallow, deep = vgg("I", width=1 / 32, num_classes=3), vgg("II", width=1 / 32, num_classes=5)
    with pytest.raises(ValueError, match=r"other classes alone: but_last=True"):
        transfer_weights(shallow, deep)
    done = transfer_weights(shallow, deep, but_last=True)
    assert "classifier.fc3" in done.random and "classifier.fc1" in done.copied


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.0.bias": np.zeros(64)}, r"'features.0.bias' .* is no tensor but numpy.ndarray"),
        ({"features.0.bias": [0.0] * 64}, r"'features.0.bias' .* is no tensor but list"),
        (
            {"features.0.bias": torch.zeros(64, device="meta")},
            "'features.0.bias' is on the meta device",
        ),
        (
            {"classifier.6.bias": torch.full((4,), torch.nan)},
            "'classifier.6.bias' has numbers that are not finite",
        ),
    ],
)
def test_what_is_no_weight_is_refused_by_name(state, change, message):
    model = ours()
    before = model.features.stack1.conv1.weight.clone()
    with pytest.raises((TypeError, ValueError), match=message):
        load_torchvision(model, state | change)
    assert torch.equal(model.features.stack1.conv1.weight, before)


@pytest.mark.parametrize("source", [[1, 2], nn.Linear(2, 2), None])
def test_what_is_no_state_dict_is_refused(source):
    with pytest.raises(TypeError, match="expected a state dict"):
        plain_state_dict(source)
    with pytest.raises(ValueError, match="the state dict is empty"):
        plain_state_dict({})


def test_every_entry_of_torchvision_is_preprocessed_as_the_docstring_says():
    plain = ("VGG11", "VGG13", "VGG16", "VGG19")
    for name in (*plain, *(f"{name}_BN" for name in plain)):
        for entry in getattr(models, f"{name}_Weights"):
            transform = entry.transforms()
            usual = (transform.mean, transform.std) == (
                [0.485, 0.456, 0.406],
                [0.229, 0.224, 0.225],
            )
            assert usual or entry.name == "IMAGENET1K_FEATURES"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (torch.int8, "'features.0.bias' is torch.int8: expected floats"),
        (torch.complex64, "'features.0.bias' is torch.complex64: expected floats"),
    ],
)
def test_weights_that_are_no_floats_are_refused_by_name(state, kind, message):
    with pytest.raises(ValueError, match=message):
        load_torchvision(ours(), state | {"features.0.bias": torch.zeros(64, dtype=kind)})


def test_a_number_that_float32_cannot_hold_is_refused(state):
    bias = torch.full((64,), 1e300, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"features.0.bias' has numbers that are not finite"):
        load_torchvision(ours(), state | {"features.0.bias": bias})


def test_nothing_is_copied_to_or_from_the_meta_device(state):
    with torch.device("meta"):
        shapes = ours()
    with pytest.raises(ValueError, match=r"meta device.*: make it outside of"):
        load_torchvision(shapes, state)
    with pytest.raises(ValueError, match=r"meta device.*: make it outside of"):
        transfer_weights(ours(), shapes)
    with pytest.raises(ValueError, match="is on the meta device"):
        transfer_weights(shapes, ours())


def test_weights_of_a_training_that_diverged_are_not_transferred():
    shallow, deep = ours(), ours()
    before = deep.features.stack1.conv1.weight.clone()
    with torch.no_grad():
        shallow.features.stack1.conv1.weight[0] = torch.nan
    with pytest.raises(ValueError, match=r"conv1.weight' has numbers that are not finite"):
        transfer_weights(shallow, deep)
    assert torch.equal(deep.features.stack1.conv1.weight, before)


def test_names_that_wrap_a_part_of_the_network_are_taken_off(state):
    """As ImageNet's example saves a VGG, whose features alone it wraps; Lightning wraps all."""
    example = {name.replace("features.", "features.module."): w for name, w in state.items()}
    lightning = {f"model.{name}": w for name, w in state.items()}
    for saved in ({"state_dict": example}, {"state_dict": lightning}):
        assert plain_state_dict(saved).keys() == state.keys()
