"""Looking inside: activations, class activation, neighbors and preferred images."""

import pytest
import torch
from torch import nn

from vgglib.architecture import VGG
from vgglib.configurations import vgg
from vgglib.inspection import activations, class_activation, nearest_neighbors, preferred_images


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vgg("I", image_size=16, width=1 / 16, num_classes=4).train()


@pytest.fixture
def images():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_activations_are_what_the_layers_give(model, images):
    found = activations(model, images, ["features.stack1", "classifier.fc1", "classifier"])
    model.eval()
    with torch.no_grad():
        assert torch.equal(found["features.stack1"], model.features.stack1(images))
        assert torch.equal(found["classifier"], model(images))
        hidden = model.classifier.fc1(model.features(images).flatten(1))
    assert torch.equal(found["classifier.fc1"], hidden)


def test_looking_leaves_mode_and_hooks_as_they_were(model, images):
    activations(model, images, ["features.stack1"])
    class_activation(model, images, torch.tensor([0, 1, 2]))
    preferred_images(model, nn.Identity(), torch.tensor([0]), steps=1)
    assert all(module.training for module in model.modules())
    assert not model.features.stack1._forward_hooks
    assert all(p.grad is None for p in model.parameters())


def test_a_layer_is_seen_before_an_activation_that_works_in_place(images):
    model = vgg("I", image_size=16, width=1 / 32)
    before = activations(model, images, ["features.stack1.conv1"])["features.stack1.conv1"]
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    seen = activations(model, images, ["features.stack1.conv1"])["features.stack1.conv1"]
    assert torch.equal(seen, before) and (seen < 0).any()


def test_an_unknown_layer_is_refused(model, images):
    with pytest.raises(ValueError, match=r"no layer 'features.stack9'.* features.stack3"):
        activations(model, images, ["features.stack9"])
    assert list(activations(model, images, "features.stack1")) == ["features.stack1"]
    assert not model.features._forward_hooks


def test_class_activation_of_an_earlier_pool_is_computed_there():
    """By the definition, with torch's own gradient."""
    torch.manual_seed(0)
    model = vgg("II", width=1 / 16).eval()
    images, classes = torch.randn(2, 3, 32, 32), torch.tensor([3, 8])
    maps = model.features[:2](images)
    maps = model.features.stack2(maps).detach().requires_grad_()
    logits = model.classifier(model.flatten(model.features[3:](maps)))
    logits[[0, 1], classes].sum().backward()
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)
    expected = (weights * maps.detach()).sum(dim=1).relu()
    found = class_activation(model, images, classes, pool=2)
    small = torch.nn.functional.interpolate(expected[:, None], (32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found, small / small.amax(dim=(1, 2), keepdim=True))
    last = class_activation(model, images, classes)
    assert torch.equal(last, class_activation(model, images, classes, pool=3))
    assert (last - found).abs().max() > 0.1


@pytest.mark.parametrize(
    ("pool", "error", "message"),
    [
        (0, ValueError, "pool must be at least 1, got 0"),
        (4, ValueError, "pool must be in 1 to 3, the pools of the network, got 4"),
        ("3", TypeError, "pool must be an int, got '3'"),
    ],
)
def test_class_activation_of_a_pool_that_is_not_there(pool, error, message):
    with pytest.raises(error, match=message):
        class_activation(
            vgg("I", width=1 / 32), torch.zeros(1, 3, 32, 32), torch.tensor([0]), pool=pool
        )


def test_class_activation_finds_the_only_evidence():
    """A network that knows one thing: class 1 is where the first channel is bright."""
    conv = {"out_channels": 1, "kernel_size": 1, "bias": False}
    model = VGG([[conv]], [{"out_features": 2}], image_size=8)
    with torch.no_grad():
        model.features.stack1.conv1.weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))
        model.classifier.fc1.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(-1, 16))
        model.classifier.fc1.bias.zero_()
    images = torch.zeros(2, 3, 8, 8)
    images[0, 0, 2, 5] = 3.0
    images[1, 1, 2, 5] = 3.0  # a channel that counts for nothing
    found = class_activation(model, images, torch.tensor([1, 1]))
    assert found.shape == (2, 8, 8)
    assert found[0].argmax() == 2 * 8 + 5 and found[0].sum() == 1
    assert found[1].abs().sum() == 0
    against = class_activation(model, images, torch.tensor([0, 0]))
    assert against.abs().sum() == 0  # what speaks against a class is left out


def test_class_activation_is_in_the_unit_range(model, images):
    found = class_activation(model, images, torch.tensor([3, 0, 1]))
    assert found.min() >= 0
    largest = found.amax(dim=(1, 2)).tolist()
    assert set(largest) <= {0, 1} and 1 in largest


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            torch.tensor([1]),
            r"class for each of 3 images, got torch.int64 of shape \(1,\)",
        ),
        (torch.tensor([0, 1, 4]), r"classes must be in 0..3, got 0 to 4"),
        (torch.tensor([0.0, 1, 2]), "one int64 class"),
    ],
)
def test_classes_that_do_not_fit_are_refused(model, images, classes, message):
    with pytest.raises(ValueError, match=message):
        class_activation(model, images, classes)


def test_what_else_does_not_fit_is_refused(model, images):
    with pytest.raises(ValueError, match=r"\(N, 3, 16, 16\), got \(3, 3, 8, 8\)"):
        class_activation(model, images[..., :8, :8], torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"classes must be in 0..3, got 7 to 7"):
        preferred_images(model, nn.Identity(), torch.tensor([7]))
    with pytest.raises(ValueError, match="must not be negative"):
        preferred_images(model, nn.Identity(), torch.tensor([0]), blur=-1.0)


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(model, images, without):
    expected = class_activation(model, images, torch.tensor([0, 1, 2]))
    with without():
        found = class_activation(model, images + 0, torch.tensor([0, 1, 2]))
        preferred_images(model, nn.Identity(), torch.tensor([0]), steps=2)
    assert torch.equal(found, expected)


def test_neighbors_are_by_direction_and_in_order():
    features = torch.tensor([[1.0, 0], [0, 1], [10, 1], [-1, 0]])
    found = nearest_neighbors(features, torch.tensor([[5.0, 0], [0, 0.1]]), 2)
    assert found.tolist() == [[0, 2], [1, 2]]
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(1, 3\)"):
        nearest_neighbors(features, torch.ones(1, 3), 1)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"in 1 to 4, got {count}"):
            nearest_neighbors(features, features, count)


def test_a_preferred_image_raises_its_class(model):
    classes = torch.arange(4)
    found = preferred_images(model, nn.Identity(), classes, steps=40)
    assert found.shape == (4, 3, 16, 16) and found.min() >= 0 and found.max() <= 1
    start = preferred_images(model, nn.Identity(), classes, steps=0)
    model.eval()
    with torch.no_grad():
        gained = model(found).diag() - model(start).diag()
    assert (gained > 0).all()
    again = preferred_images(model, nn.Identity(), classes, steps=40)
    assert torch.equal(found, again)


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(4)])
def test_average_pools_are_pools(pool):
    net = vgg("I", width=1 / 16).eval()
    images, classes = torch.rand(2, 3, 32, 32), torch.tensor([3, 3])
    of_second = class_activation(net, images, classes, pool=2)
    net.features.pool3 = pool
    of_last = class_activation(net, images, classes)
    assert torch.equal(of_last, class_activation(net, images, classes, pool=3))
    assert not torch.equal(class_activation(net, images, classes, pool=2), of_last)
    assert of_last.shape == of_second.shape == (2, 32, 32)
    for number in (1, 2, 3):
        setattr(net.features, f"pool{number}", nn.Identity())
    with pytest.raises(ValueError, match="the network has no pool: expected one"):
        class_activation(net, images, classes)
