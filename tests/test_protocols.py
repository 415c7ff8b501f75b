"""Test protocols: the convolutional network, crops, scales, ensembles (the paper, section 3.2)."""

import pytest
import torch
from torch import nn

from vgglib.architecture import VGG
from vgglib.configurations import vgg
from vgglib.evaluation import predict
from vgglib.protocols import (
    ConvolutionalVGG,
    Protocol,
    average_probabilities,
    grid_crops,
    map_size,
    multiply_adds,
    predict_by,
    scales_around,
)
from vgglib.tracing import trace
from vgglib.transforms import SubtractMean

SUBTRACT = SubtractMean((0.5, 0.4, 0.3))
SMALL = {"width": 1 / 32, "num_classes": 4}


def network(name="I", image_size=16, **options):
    """A network whose logits differ enough for probabilities to tell views apart."""
    torch.manual_seed(0)
    net = vgg(name, image_size=image_size, **(SMALL | options)).eval()
    with torch.no_grad():
        net.classifier[-1].weight.mul_(100)  # they start at a deviation of 0.01
    return net


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (3, 3, 20, 20), dtype=torch.uint8, generator=generator)


# --------------------------------------------------------------------------------------------------
# Fully connected layers as convolutions
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size"),
    [(n, 64) for n in ("A", "A-LRN", "B", "C", "D", "E")]
    + [(n, s) for n in ("I", "II", "III") for s in (16, 28, 37)]
    + [("slim", 32), ("slim", 64), ("I", (24, 40))],
)
def test_at_the_training_size_the_logits_are_the_same(name, size):
    net = network(name, size, width=1 / 8 if name == "slim" else 1 / 32, num_classes=4)
    x = torch.randn(2, 3, *net.image_size)
    with torch.no_grad():
        logits = ConvolutionalVGG(net)(x)
        expected = net(x)
    assert logits.shape == (2, 4, 1, 1)
    assert expected.std() > 1e-4  # so that the comparison can fail
    torch.testing.assert_close(logits[:, :, 0, 0], expected)


def test_configuration_d_at_its_full_size_has_7x7_kernels():
    with torch.device("meta"):
        d = vgg("D")
        net = ConvolutionalVGG(d)
    fc1, fc2, fc3 = (m for m in net.classifier if isinstance(m, nn.Conv2d))
    assert fc1.weight.shape == (4096, 512, 7, 7)
    assert fc2.weight.shape == (4096, 4096, 1, 1) and fc3.weight.shape == (1000, 4096, 1, 1)
    assert [map_size(d, q, q) for q in (224, 256, 384, 512)] == [(1, 1), (2, 2), (6, 6), (10, 10)]


def test_the_miniature_has_the_papers_map_at_the_smallest_scale():
    net = network("III", 28)
    assert [map_size(net, q, q) for q in (28, 32, 48, 64)] == [(1, 1), (2, 2), (4, 4), (6, 6)]


def test_each_place_of_the_map_is_what_the_network_says_of_that_window():
    """Exactly so without padding, which at a window's border stands for what is not in it."""
    torch.manual_seed(0)
    conv = {"out_channels": 6, "padding": 0}
    net = VGG([[conv], [conv]], [{"out_features": 5}, {"out_features": 3}], image_size=22).eval()
    x = torch.randn(1, 3, 30, 34)
    with torch.no_grad():
        logits = ConvolutionalVGG(net)(x)[0]
        assert logits.shape == (3, 3, 4)
        for row in range(3):
            for column in range(4):
                window = x[:, :, 4 * row : 4 * row + 22, 4 * column : 4 * column + 22]
                torch.testing.assert_close(logits[:, row, column], net(window)[0])


def test_the_weights_are_shared_and_the_mode_is_kept():
    net = network().train()
    convolutional = ConvolutionalVGG(net)
    assert convolutional.training and convolutional.classifier.dropout1.training
    with torch.no_grad():
        net.classifier.fc1.weight.mul_(2)
        net.classifier.fc1.bias.add_(1)
    fc1 = convolutional.classifier.fc1
    assert torch.equal(fc1.weight.flatten(1), net.classifier.fc1.weight)
    assert torch.equal(fc1.bias, net.classifier.fc1.bias)
    assert not ConvolutionalVGG(net.eval()).classifier.dropout1.training


def test_a_layer_that_is_frozen_stays_so():
    net = network()
    net.classifier.fc1.weight.requires_grad_(False)
    net.train().features.eval()
    convolutional = ConvolutionalVGG(net)
    assert not convolutional.classifier.fc1.weight.requires_grad
    assert convolutional.classifier.fc2.weight.requires_grad
    assert not net.features.training and net.classifier.training


def test_images_of_another_shape_or_type_are_refused():
    net = ConvolutionalVGG(network())
    with pytest.raises(ValueError, match=r"\(N, 3, height, width\), got \(3, 20, 20\)"):
        net(torch.rand(3, 20, 20))
    with pytest.raises(TypeError, match="expected float images"):
        net(torch.zeros(1, 3, 20, 20, dtype=torch.uint8))


def test_it_is_made_of_a_vgg_only():
    with pytest.raises(TypeError, match="expected a VGG, got Linear"):
        ConvolutionalVGG(nn.Linear(2, 2))


def test_an_image_below_the_reach_is_refused_with_the_numbers():
    net = ConvolutionalVGG(network("I", 28))
    with pytest.raises(ValueError, match=r"20x40 px .* 3x3 features.* at least 24x24 px"):
        net(torch.randn(1, 3, 20, 40))


# --------------------------------------------------------------------------------------------------
# Crops and scales
# --------------------------------------------------------------------------------------------------


def test_a_grid_reaches_the_borders_and_is_regular():
    x = torch.arange(9 * 13).reshape(1, 9, 13)
    crops = grid_crops(x, 5, grid=3)
    assert len(crops) == 9 and all(c.shape == (1, 5, 5) for c in crops)
    corners = [(int(c[0, 0, 0]) // 13, int(c[0, 0, 0]) % 13) for c in crops]
    assert corners == [(r, c) for r in (0, 2, 4) for c in (0, 4, 8)]


def test_one_place_is_the_center():
    x = torch.arange(81).reshape(1, 9, 9)
    (crop,) = grid_crops(x, 5, grid=1)
    assert torch.equal(crop, x[:, 2:7, 2:7])


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match=r"9x13 px are smaller than a crop of 10x10"):
        grid_crops(torch.zeros(1, 9, 13), 10)
    with pytest.raises(ValueError, match="got 0"):
        grid_crops(torch.zeros(1, 9, 13), 5, grid=0)


def test_the_paper_takes_50_crops_a_scale_and_150_over_three():
    """Section 3.2."""
    assert Protocol((256,), "crops").crops == 50
    assert Protocol((256, 384, 512), "both").crops == 150
    assert Protocol((256, 384, 512)).crops == 0
    assert Protocol((256,), "crops", mirror=False).crops == 25


def test_the_papers_test_scales():
    """Section 4.2."""
    assert scales_around(256) == (224, 256, 288)
    assert scales_around(384) == (352, 384, 416)
    assert scales_around((256, 512)) == (256, 384, 512)
    assert scales_around(32, step=4) == (28, 32, 36)
    for scale in (32, (512, 256)):
        with pytest.raises(ValueError, match="no test scales around"):
            scales_around(scale)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": ()}, r"one test scale or more, .* got \(\)"),
        ({"scales": 256}, "one test scale or more"),
        ({"scales": "256"}, "one test scale or more"),
        ({"scales": (256, 0)}, r"ints of 1 or more, got \(256, 0\)"),
        ({"scales": (256.0,)}, "ints of 1 or more"),
        ({"scales": (True,)}, "ints of 1 or more"),
        ({"scales": (256,), "method": "sparse"}, "dense, crops, both"),
        ({"scales": (256,), "grid": 0}, "grid must be at least 1, got 0"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**settings)


def test_a_list_of_scales_will_do_and_equals_a_tuple():
    assert Protocol([32, 48]) == Protocol((32, 48)) and hash(Protocol([32])) == hash(
        Protocol((32,))
    )


# --------------------------------------------------------------------------------------------------
# Prediction
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dense", "crops", "both"])
def test_at_the_training_size_every_protocol_is_the_plain_prediction(method, images):
    net = network(image_size=20)
    expected = predict(net, images, SUBTRACT)
    found = predict_by(Protocol((20,), method), net, images, SUBTRACT)
    assert found.shape == (3, 4) and found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_dense_averages_places_before_the_softmax():
    net = network()
    x = torch.rand(2, 3, 40, 40)
    found = predict_by(Protocol((40,), mirror=False), net, x, nn.Identity())
    with torch.no_grad():
        logits = ConvolutionalVGG(net)(x)
    assert logits.shape[2:] == (4, 4)
    torch.testing.assert_close(found, logits.mean(dim=(2, 3)).softmax(dim=1))
    other_order = logits.softmax(dim=1).mean(dim=(2, 3))
    assert (found - other_order).abs().max() > 1e-3


def test_multi_crop_is_the_mean_of_the_crops_and_their_mirror_images(images):
    net = network()
    found = predict_by(Protocol((20,), "crops", grid=2), net, images, SUBTRACT)
    places = [(0, 0), (0, 4), (4, 0), (4, 4)]
    crops = [images[:, :, r : r + 16, c : c + 16] for r, c in places]
    views = [net(SUBTRACT(v)).softmax(dim=1) for crop in crops for v in (crop, crop.flip(-1))]
    torch.testing.assert_close(found, torch.stack(views).mean(dim=0))


def test_both_is_the_mean_of_dense_and_crops_over_all_scales(images):
    net = network()
    parts = [
        predict_by(Protocol((scale,), method), net, images, SUBTRACT)
        for scale in (16, 20, 33)
        for method in ("dense", "crops")
    ]
    found = predict_by(Protocol((16, 20, 33), "both"), net, images, SUBTRACT)
    torch.testing.assert_close(found, torch.stack(parts).mean(dim=0))
    assert not torch.allclose(parts[0], parts[-1], atol=1e-4)


def test_the_size_of_a_batch_changes_nothing(images):
    net = network()
    protocol = Protocol((20, 33), "both", grid=2)
    whole = predict_by(protocol, net, images, SUBTRACT)
    torch.testing.assert_close(predict_by(protocol, net, images, SUBTRACT, batch_size=2), whole)


def test_images_need_not_be_square():
    net = network()
    found = predict_by(Protocol((16, 24), "both"), net, torch.rand(2, 3, 18, 30), nn.Identity())
    assert found.shape == (2, 4)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2))


def test_an_image_without_a_batch_is_refused(images):
    with pytest.raises(ValueError, match=r"\(N, channels, H, W\), got \(3, 20, 20\)"):
        predict_by(Protocol((20,)), network(), images[0], SUBTRACT)


@pytest.mark.parametrize("training", [True, False])
def test_prediction_has_no_dropout_and_keeps_the_mode(training, images):
    net = network().train(training)
    net.features.eval()
    modes = [module.training for module in net.modules()]
    protocol = Protocol((20,), "both", grid=2)
    first, second = (predict_by(protocol, net, images, SUBTRACT) for _ in range(2))
    assert torch.equal(first, second)
    assert [module.training for module in net.modules()] == modes


def test_scales_below_crop_or_reach_are_refused_with_the_numbers(images):
    net = network("I", 28)
    for method in ("crops", "both"):
        with pytest.raises(ValueError, match=r"24 px is below the crop of 28 px.*, or the method"):
            predict_by(Protocol((24, 32), method), net, images, SUBTRACT)
        with pytest.raises(ValueError, match=r"20 px is below .* of 28 px or more$"):  # dense, too
            predict_by(Protocol((20, 32), method), net, images, SUBTRACT)
    with pytest.raises(ValueError, match=r"20x20 px .* at least 24x24 px"):
        predict_by(Protocol((20,)), net, images, SUBTRACT)
    assert predict_by(Protocol((24,)), net, images, SUBTRACT).shape == (3, 4)
    with pytest.raises(ValueError, match=r"square crops, got one for 16x24 px"):
        predict_by(Protocol((24,)), network("I", (16, 24)), images, SUBTRACT)


def test_an_ensemble_averages_probabilities():
    a, b = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])
    torch.testing.assert_close(average_probabilities([a, b]), torch.tensor([[0.55, 0.45]]))
    for wrong in ([], [a, b[0]]):
        with pytest.raises(ValueError, match="one shape"):
            average_probabilities(wrong)


# --------------------------------------------------------------------------------------------------
# Cost
# --------------------------------------------------------------------------------------------------


def test_the_cost_of_crops_is_that_of_so_many_images():
    net = network("II", 28)
    one = trace(net).multiply_adds
    assert multiply_adds(Protocol((28,), mirror=False), net) == one
    assert multiply_adds(Protocol((32, 48), "crops"), net) == 100 * one
    dense, crops, both = (
        multiply_adds(Protocol((32, 48), m), net) for m in ("dense", "crops", "both")
    )
    assert both == dense + crops


def test_the_cost_of_a_dense_pass_is_counted_layer_by_layer():
    """Against the multiply-adds that hooks see in a real pass."""
    net = network("II", 28)
    convolutional = ConvolutionalVGG(net)
    counted = 0

    def count(module, _, output):
        nonlocal counted
        counted += module.weight.numel() * output.shape[-2] * output.shape[-1]

    for module in convolutional.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        convolutional(torch.rand(1, 3, 48, 72))
    assert multiply_adds(Protocol((48,), mirror=False), net, (32, 48)) == counted
    assert multiply_adds(Protocol((48,), mirror=False), net, [32, 48]) == counted  # as JSON has it
