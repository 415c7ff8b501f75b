"""The network is an ordinary module: traced, compiled, scripted, exported as torchvision's."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torchvision.models.feature_extraction import create_feature_extractor

from vgglib import evaluate, load_data, make_transforms, trace, transfer_weights, vgg
from vgglib.architecture import VGG, unwrap
from vgglib.inspection import activations, class_activation, preferred_images
from vgglib.protocols import ConvolutionalVGG, Protocol, multiply_adds, predict_by
from vgglib.recipes import Recipe
from vgglib.weights import to_torchvision


@pytest.fixture
def network():
    return vgg("I", width=1 / 32).eval()


IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.filterwarnings("ignore")  # of torch's own parts
@pytest.mark.parametrize(
    "through",
    [
        torch.fx.symbolic_trace,
        torch.jit.script,
        lambda model: torch.export.export(model, (IMAGES,)).module(),
        lambda model: torch.compile(model, fullgraph=True, backend="eager"),
        lambda model: create_feature_extractor(model, {"classifier": "logits"}),
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        nn.DataParallel,
    ],
    ids=["fx", "script", "export", "compile", "extractor", "copy", "pickle", "parallel"],
)
def test_it_goes_where_torchvisions_goes(network, through):
    with torch.no_grad():
        expected, found = network(IMAGES), through(network)(IMAGES)
    found = found["logits"] if isinstance(found, dict) else found
    torch.testing.assert_close(found, expected)


def test_features_of_a_stack_can_be_taken_out(network):
    extractor = create_feature_extractor(network, ["features.stack2", "classifier.fc1"])
    with torch.no_grad():
        found = extractor(IMAGES)
    assert found["features.stack2"].shape == (2, 8, 16, 16)
    assert found["classifier.fc1"].shape == (2, 32)


def test_the_check_of_the_images_stays(network):
    for model in (network, torch.fx.symbolic_trace(network)):
        with pytest.raises(ValueError, match=r"expected images of shape \(N, 3, 32, 32\)"):
            model(IMAGES[:, :, :16])
    with pytest.raises(TypeError, match="subtract the mean first"):
        network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def wrapped(model):
    return [torch.compile(model, backend="eager"), nn.DataParallel(model)]


def test_a_wrapped_network_is_traced_transferred_and_tested_as_itself(network):
    deep = vgg("II", width=1 / 32)
    plain = vgg("II", width=1 / 32)
    plain.load_state_dict(deep.state_dict())
    transfer_weights(network, plain)
    classes = torch.tensor([1, 2])
    preprocess = torch.Tensor.float
    protocol = Protocol((40,))
    for model in wrapped(network):
        assert unwrap(model) is network
        assert trace(model) == trace(network)
        transfer_weights(model, torch.compile(deep, backend="eager"))
        for name, weight in plain.state_dict().items():
            assert torch.equal(deep.state_dict()[name], weight)
        assert to_torchvision(model).keys() == to_torchvision(network).keys()
        assert multiply_adds(protocol, model) == multiply_adds(protocol, network)
        torch.testing.assert_close(
            predict_by(protocol, model, IMAGES, preprocess),
            predict_by(protocol, network, IMAGES, preprocess),
        )
        assert torch.equal(
            class_activation(model, IMAGES, classes), class_activation(network, IMAGES, classes)
        )
        assert "features.stack1" in activations(model, IMAGES, ["features.stack1"])
        assert preferred_images(model, preprocess, classes, steps=1).shape == (2, 3, 32, 32)
        ConvolutionalVGG(model)


# --------------------------------------------------------------------------------------------------
# A last layer that was exchanged by hand
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["by name", "by place"])
def test_an_exchanged_last_layer_is_told_as_it_is(network, how):
    layer = nn.Linear(32, 4, bias=False)
    if how == "by name":
        network.classifier.fc2 = layer
    else:
        network.classifier[-1] = layer
    assert network.num_classes == 4
    assert network.settings()["linear"][-1]["out_features"] == 4
    assert network.settings()["linear"][-1]["bias"] is False
    rows = trace(network)
    assert rows.rows[-1].kind == "FC-4"
    assert rows.parameters == sum(p.numel() for p in network.parameters())
    assert trace(network, image_size=64).rows[-1].kind == "FC-4"
    assert class_activation(network, IMAGES, torch.tensor([0, 3])).shape == (2, 32, 32)
    with pytest.raises(ValueError, match=r"classes must be in 0\.\.3"):
        class_activation(network, IMAGES, torch.tensor([0, 4]))
    again = type(network)(**network.settings())
    again.load_state_dict(network.state_dict())


def test_a_last_layer_of_several_is_described_as_they_are():
    network = VGG([[{"out_channels": 4}]], [{"out_features": 6, "layers": 2}], image_size=8)
    network.classifier.fc2 = nn.Linear(6, 3)
    assert [layer["out_features"] for layer in network.settings()["linear"]] == [6, 3]
    assert trace(network).parameters == trace(network, image_size=8).parameters
    VGG(**network.settings()).load_state_dict(network.state_dict())


@pytest.mark.parametrize("own", [{"dropout": 0.1}, {"activation": "elu"}, {"in_features": 64}])
def test_a_last_layer_of_several_keeps_what_is_of_the_hidden_ones(own):
    network = VGG([[{"out_channels": 4}]], [{"out_features": 6, "layers": 2, **own}], image_size=8)
    again = VGG(**network.settings())
    assert str(again) == str(network)
    again.load_state_dict(network.state_dict())


def test_a_last_layer_that_no_descriptor_describes_is_counted_and_said(network):
    network.classifier.fc2 = nn.Sequential(nn.Dropout(0.2), nn.Linear(32, 3))
    assert network.num_classes == 3
    assert trace(network).rows[-1].kind == "FC-3"
    assert class_activation(network, IMAGES, torch.tensor([0, 2])).shape == (2, 32, 32)
    with pytest.raises(ValueError, match="exchanged for Sequential, and descriptors describe none"):
        network.settings()


@pytest.mark.parametrize("change", ["bfloat16", "double", "pruned", "watched"])
def test_a_trace_takes_a_network_as_it_is(network, change):
    expected = trace(network).rows
    if change == "pruned":
        prune.l1_unstructured(network.features.stack1.conv1, "weight", 0.5)
    elif change == "watched":
        conv = network.features.stack1.conv1
        conv.register_forward_hook(lambda module, _, output: setattr(module, "seen", output))
        network(IMAGES)
    else:
        network.to(getattr(torch, change))
    assert trace(network).rows == expected


def test_a_trace_leaves_weights_hooks_and_mode_alone():
    network, calls = vgg("I", width=1 / 32, batch_norm=True), []
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.features.stack1.register_forward_hook(lambda *_: calls.append(1))
    trace(network)
    assert network.training and not calls
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert not any(parameter.is_meta for parameter in network.parameters())


# --------------------------------------------------------------------------------------------------
# One channel, and any shape
# --------------------------------------------------------------------------------------------------


def test_gray_images_that_are_not_square_go_all_the_way():
    from dataclasses import replace

    from vgglib import channel_statistics, make_network, train
    from vgglib.data import Data, Split

    color = load_data("shapes", image_size=32, train_images=60, test_images=20, validation=0.3)
    gray = Data(
        "gray",
        color.classes,
        *(
            Split(s.images.float().mean(1, keepdim=True).byte()[..., :24, :], s.labels)
            for s in color.splits.values()
        ),
    )
    assert (gray.channels, gray.image_size) == (1, (24, 32))
    assert "of 24x32" in repr(gray)
    statistics = channel_statistics(gray.train)
    assert statistics.mean.shape == (1,) and statistics.pca().eigenvalues.shape == (1,)
    recipe = Recipe("gray", epochs=1, batch_size=10, width=1 / 32, color_std=0.0, translation=2)
    augment, preprocess = make_transforms(gray, recipe)
    network = make_network("I", gray, recipe)
    assert trace(network).rows[0].input_shape == (1, 24, 32)
    train(network, gray, recipe, train_transform=augment, test_transform=preprocess, device="cpu")
    evaluate(network, gray.test, preprocess)
    with pytest.raises(ValueError, match="shifts colors, and 'gray' has images of 1 channel"):
        make_transforms(gray, replace(recipe, color_std=0.1))
    with pytest.raises(ValueError, match="expects RGB images"):
        from vgglib import PCAColorShift

        PCAColorShift([0.2, 0.1, 0.05], torch.eye(3))(gray.train.images)
