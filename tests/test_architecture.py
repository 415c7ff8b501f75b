"""The layers, the refusals, the papers' configurations, and agreement with torchvision."""

import math
from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

from vgglib.architecture import VGG, StackedConv2d, StackedLinear, initialize
from vgglib.configurations import CONFIGURATIONS, vgg
from vgglib.descriptors import ConvDescriptor, LinearDescriptor
from vgglib.tracing import trace
from vgglib.weights import load_torchvision, to_torchvision

# Kernel sides and output channels of each stack, and the fully connected features, written out
# here a second time, so that the parameters can be counted without vgglib.
_FC = (4096, 4096, 1000)
PLANS = {
    "A": ([[(3, 64)], [(3, 128)], [(3, 256)] * 2, [(3, 512)] * 2, [(3, 512)] * 2], _FC, 224),
    "A-LRN": ([[(3, 64)], [(3, 128)], [(3, 256)] * 2, [(3, 512)] * 2, [(3, 512)] * 2], _FC, 224),
    "B": ([[(3, c)] * 2 for c in (64, 128, 256, 512, 512)], _FC, 224),
    "C": (
        [[(3, 64)] * 2, [(3, 128)] * 2] + [[(3, c), (3, c), (1, c)] for c in (256, 512, 512)],
        _FC,
        224,
    ),
    "D": (
        [[(3, 64)] * 2, [(3, 128)] * 2, [(3, 256)] * 3, [(3, 512)] * 3, [(3, 512)] * 3],
        _FC,
        224,
    ),
    "E": (
        [[(3, 64)] * 2, [(3, 128)] * 2, [(3, 256)] * 4, [(3, 512)] * 4, [(3, 512)] * 4],
        _FC,
        224,
    ),
    "I": ([[(3, 128)], [(3, 256)], [(3, 512)]], (1024, 10), 32),
    "II": ([[(3, 128)], [(3, 256)] * 2, [(3, 512)] * 2], (1024, 1024, 10), 32),
    "III": ([[(3, 128)], [(3, 256)] * 2, [(3, 512)] * 6], (1024, 1024, 10), 32),
}
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}


def count_by_formula(name):
    """Weights and biases from the plan: k*k*in*out + out, and in*out + out."""
    stacks, features, size = PLANS[name]
    total, channels = 0, 3
    for stack in stacks:
        for kernel, out in stack:
            total += kernel * kernel * channels * out + out
            channels = out
    width = channels * (size // 2 ** len(stacks)) ** 2
    for out in features:
        total += width * out + out
        width = out
    return total


def count(model):
    return sum(p.numel() for p in model.parameters())


def tiny():
    """A network of two stacks for 8x8 images that builds in no time."""
    return VGG([[{"out_channels": 4}], [{"out_channels": 6}]], [{"out_features": 5}], image_size=8)


# --------------------------------------------------------------------------------------------------
# Configurations
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANS)
def test_parameters_of_each_configuration_equal_the_formula(name):
    with torch.device("meta"):
        assert count(vgg(name)) == count_by_formula(name)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("A", 132_863_336), ("B", 133_047_848), ("D", 138_357_544), ("E", 143_667_240)],
)
def test_parameters_equal_those_of_torchvision(name, parameters):
    with torch.device("meta"):
        assert count(vgg(name)) == parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [("A", 133), ("A-LRN", 133), ("B", 133), ("C", 134), ("D", 138), ("E", 144)],
)
def test_parameters_equal_table_2_of_the_paper(name, millions):
    with torch.device("meta"):
        assert round(count(vgg(name)) / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "layers"),
    [("A", 11), ("A-LRN", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)]
    + [("I", 5), ("II", 8), ("III", 12)],
)
def test_weight_layers_are_counted_as_in_table_1(name, layers):
    with torch.device("meta"):
        model = vgg(name)
    built = sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules())
    assert CONFIGURATIONS[name].weight_layers == built == layers


def test_every_configuration_has_a_plan():
    """But the networks of Jordan, which have batch normalization."""
    assert [*PLANS, "slim", "wide"] == list(CONFIGURATIONS)


@pytest.mark.parametrize(("name", "narrow", "broad"), [("slim", 64, 256), ("wide", 128, 384)])
def test_the_networks_for_little_computation_are_as_planned(name, narrow, broad):
    """First filters of 2x2, with biases; 3x3 without; two for each normalized channel; logits."""
    channels = [24, narrow, narrow, *[broad] * 4]
    filters = sum(9 * a * b for a, b in pairwise(channels))
    with torch.device("meta"):
        network = vgg(name)
    assert count(network) == 24 * (3 * 4 + 1) + filters + 2 * sum(channels[1:]) + 10 * broad
    sides = [row.output_shape[1] for row in trace(network) if row.kind.startswith("maxpool")]
    assert sides == [15, 7, 3, 1]


def test_a_pool_within_a_stack_stands_before_the_normalization():
    conv = {"out_channels": 4, "batch_norm": True}
    stacks = [[{**conv, "pool": 2}], [conv]]
    network = VGG(stacks, [{"out_features": 3}], image_size=10, global_pool=True)
    kinds = [type(m).__name__ for m in network.features.modules() if not list(m.children())]
    tail = ["BatchNorm2d", "ReLU"]
    assert kinds == ["Conv2d", "MaxPool2d", *tail, "Conv2d", *tail, "AdaptiveMaxPool2d"]
    assert network.feature_size == (1, 1)
    stack = network.eval().features.stack1
    x = torch.randn(2, 3, 10, 10)
    pooled = torch.nn.functional.max_pool2d(stack.conv1(x), 2)
    assert torch.equal(stack(x), stack.activation1(stack.norm1(pooled)))
    again = VGG(**network.settings())
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(x), network(x))


def test_a_network_with_a_global_pool_takes_images_of_any_size():
    stacks = [[{"out_channels": 4}], [{"out_channels": 4}]]
    network = VGG(stacks, [{"out_features": 3}], image_size=8, global_pool=True)
    for size in (8, 5, (9, 12)):
        height, width = (size, size) if isinstance(size, int) else size
        assert network(torch.rand(2, 3, height, width)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"\(N, 3, height, width\), got \(2, 1, 8, 8\)"):
        network(torch.rand(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"at least 9 pixels of shape .* got \(1, 3, 8, 32\)"):
        vgg("slim", width=1 / 4)(torch.rand(1, 3, 8, 32))
    with pytest.raises(ValueError, match=r"\(N, 3, 8, 8\)"):
        VGG([[{"out_channels": 4}]], [{"out_features": 3}], image_size=8)(torch.rand(2, 3, 9, 9))


@pytest.mark.parametrize("pool", [1, 0, "max", 2.0])
def test_an_impossible_pool_is_refused(pool):
    with pytest.raises((ValueError, TypeError), match=r"pool must be (an int|at least 2), got"):
        ConvDescriptor(4, pool=pool)


def test_only_a_lrn_normalizes_and_only_after_its_first_convolution():
    with torch.device("meta"):
        found = {
            name: [
                key for key, m in vgg(name).named_modules() if isinstance(m, nn.LocalResponseNorm)
            ]
            for name in CONFIGURATIONS
        }
    assert found.pop("A-LRN") == ["features.stack1.lrn1"]
    assert not any(found.values())


def test_classes_image_size_and_width_can_be_chosen():
    model = vgg("D", num_classes=7, image_size=(64, 32), width=1 / 16)
    assert model(torch.rand(2, 3, 64, 32)).shape == (2, 7)
    assert model.features.stack1.conv1.out_channels == 4


def test_batch_norm_follows_each_convolution():
    with torch.device("meta"):
        kinds = [type(m) for m in vgg("II", batch_norm=True).features.modules()]
    after = [kinds[i + 1 : i + 3] for i, kind in enumerate(kinds) if kind is nn.Conv2d]
    assert after == [[nn.BatchNorm2d, nn.ReLU]] * 5


def test_dropout_follows_each_hidden_layer_and_not_the_logits():
    with torch.device("meta"):
        classifier = vgg("II", dropout=0.3).classifier
    assert [m.p for m in classifier.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]
    assert isinstance(classifier[-1], nn.Linear)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("vgg16", "'D'"), ("VGG16", "'D'"), ("VGG-11", "'A'"), ("vgg19_bn", "'E', batch_norm=True")],
)
def test_torchvisions_names_are_translated(wrong, right):
    with pytest.raises(ValueError, match=f"unknown configuration '{wrong}'; did you mean {right}"):
        vgg(wrong)


@pytest.mark.parametrize(("wrong", "right"), [("d", "D"), ("A_LRN", "A-LRN"), ("IIII", "III")])
def test_unknown_configuration_names_the_nearest(wrong, right):
    with pytest.raises(
        ValueError, match=f"unknown configuration '{wrong}'; did you mean '{right}'"
    ):
        vgg(wrong)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_classes": 0}, ValueError, "num_classes must be at least 1, got 0"),
        ({"num_classes": 10.0}, TypeError, r"num_classes must be an int, got 10.0 \(float\)"),
        ({"batch_norm": 1}, TypeError, "batch_norm must be True or False, got 1"),
        ({"dropout": 1.0}, ValueError, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": "half"}, TypeError, "dropout must be a number, got 'half'"),
        ({"width": 0.3}, ValueError, r"whole numbers of channels, got 128 \* 0.3"),
        ({"width": math.inf}, ValueError, "width must be a finite number, above 0, got inf"),
        ({"width": 0}, ValueError, "width must be above 0, got 0"),
        ({"width": "wide"}, TypeError, "width must be a number, got 'wide'"),
        ({"image_size": 7}, ValueError, "7x7 pixels are too small for 3 stacks.* that fits is 8"),
        ({"image_size": (32, 4)}, ValueError, "32x4 pixels are too small"),
        ({"image_size": "32"}, TypeError, r"image_size must be an int or \(height, width\)"),
        ({"image_size": (32, 32, 3)}, TypeError, r"image_size must be an int or \(height, width\)"),
        ({"image_size": 0}, ValueError, "image_size must be at least 1, got 0"),
        ({"initialization": "glrot"}, ValueError, "did you mean 'glorot'"),
        ({"initialization": None}, TypeError, "initialization must be a str, got None"),
    ],
)
def test_vgg_refuses_bad_options(options, error, message):
    with pytest.raises(error, match=message), torch.device("meta"):
        vgg("I", **options)


@pytest.mark.parametrize("name", [16, None])
def test_configuration_name_must_be_a_string(name):
    with pytest.raises(TypeError, match="configuration must be a str"):
        vgg(name)


# --------------------------------------------------------------------------------------------------
# Descriptors
# --------------------------------------------------------------------------------------------------


def test_channels_come_from_the_layer_before():
    stack = StackedConv2d([{"out_channels": 8, "layers": 2}, {"out_channels": 16}], in_channels=3)
    convolutions = [m for m in stack if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(3, 8), (8, 8), (8, 16)]


def test_features_come_from_the_layer_before():
    stack = StackedLinear([{"out_features": 8, "layers": 2}, {"out_features": 4}], in_features=6)
    layers = [m for m in stack if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(6, 8), (8, 8), (8, 4)]


def test_a_descriptor_may_be_the_dataclass():
    stack = StackedConv2d([ConvDescriptor(8, in_channels=3), ConvDescriptor(4, kernel_size=1)])
    assert stack(torch.rand(1, 3, 5, 5)).shape == (1, 4, 5, 5)


def test_every_setting_of_a_convolution_reaches_its_layer():
    settings = {"kernel_size": 5, "stride": 2, "padding": 1, "bias": False}
    (conv, norm, activation) = StackedConv2d(
        [
            {"out_channels": 4, "padding_mode": "reflect", "activation": "tanh", "batch_norm": True}
            | settings
        ],
        in_channels=3,
    )
    assert (conv.kernel_size, conv.stride, conv.padding) == ((5, 5), (2, 2), (1, 1))
    assert conv.bias is None and conv.padding_mode == "reflect"
    assert isinstance(norm, nn.BatchNorm2d) and isinstance(activation, nn.Tanh)


def test_an_activation_may_be_a_callable_that_makes_one_module_for_each_layer():
    stack = StackedConv2d(
        [{"out_channels": 4, "layers": 2, "activation": lambda: nn.LeakyReLU(0.2)}], in_channels=3
    )
    first, second = (m for m in stack if isinstance(m, nn.LeakyReLU))
    assert first is not second and first.negative_slope == 0.2


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_default_padding_keeps_the_size(kernel_size):
    stack = StackedConv2d([{"out_channels": 2, "kernel_size": kernel_size}], in_channels=3)
    assert stack(torch.rand(1, 3, 9, 9)).shape == (1, 2, 9, 9)


@pytest.mark.parametrize("settings", [{}, {"kernel_size": 4, "stride": 3, "padding": 2}])
@pytest.mark.parametrize("layers", [1, 3])
def test_output_size_is_what_the_layers_give(settings, layers):
    descriptor = ConvDescriptor(2, layers=layers, **settings)
    given = StackedConv2d([descriptor], in_channels=3)(torch.rand(1, 3, 60, 60)).shape[-1]
    assert descriptor.output_size(60) == given


def test_local_response_norm_is_the_formula_of_alexnet():
    channels, k, n, alpha, beta = 8, 2, 5, 1e-4, 0.75
    stack = StackedConv2d([{"out_channels": channels, "local_response_norm": True}], in_channels=3)
    a = 100 * torch.rand(1, channels, 2, 2)
    squares = a.square()
    expected = torch.stack(
        [
            a[:, i] / (k + alpha * squares[:, max(0, i - n // 2) : i + n // 2 + 1].sum(1)) ** beta
            for i in range(channels)
        ],
        dim=1,
    )
    torch.testing.assert_close(stack.lrn1(a), expected)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"in_chanels": 3}, ValueError, "unknown setting 'in_chanels'; did you mean 'in_channels'"),
        ({"colour": 3}, ValueError, "unknown setting 'colour'.*Known: out_channels, layers"),
        ({"out_channels": "64"}, TypeError, r"out_channels must be an int, got '64' \(str\)"),
        ({"out_channels": True}, TypeError, r"out_channels must be an int, got True \(bool\)"),
        ({"out_channels": 0}, ValueError, "out_channels must be at least 1, got 0"),
        ({"layers": 0}, ValueError, "layers must be at least 1, got 0"),
        ({"kernel_size": (3, 3)}, TypeError, r"kernel_size must be an int, got \(3, 3\)"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
        ({"padding": "same"}, TypeError, "padding must be an int, got 'same'"),
        ({"bias": None}, TypeError, "bias must be True or False, got None"),
        ({"batch_norm": 1}, TypeError, "batch_norm must be True or False, got 1"),
        ({"padding_mode": "reflct"}, ValueError, "unknown padding_mode.*did you mean 'reflect'"),
        ({"activation": "rleu"}, ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        ({"activation": nn.ReLU()}, TypeError, r"activation must be .* \(nn.ReLU, not nn.ReLU"),
        ({"activation": 3}, TypeError, "activation must be a name or a callable"),
    ],
)
def test_bad_convolution_settings_are_refused_with_their_place(settings, error, message):
    with pytest.raises(error, match=f"^stack 2, descriptor 1: {message}"):
        VGG([[{"out_channels": 4}], [{"out_channels": 4} | settings]], [{"out_features": 2}])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"out_feature": 3},
            ValueError,
            "unknown setting 'out_feature'; did you mean 'out_features'",
        ),
        ({"out_features": 4.0}, TypeError, r"out_features must be an int, got 4.0 \(float\)"),
        ({"layers": -1}, ValueError, "layers must be at least 1, got -1"),
        ({"bias": "yes"}, TypeError, "bias must be True or False, got 'yes'"),
        ({"dropout": 1.5}, ValueError, r"dropout must be in \[0, 1\), got 1.5"),
        ({"dropout": True}, TypeError, "dropout must be a number, got True"),
        ({"activation": "gellu"}, ValueError, "unknown activation 'gellu'; did you mean 'gelu'"),
    ],
)
def test_bad_linear_settings_are_refused_with_their_place(settings, error, message):
    hidden = {"out_features": 4} | settings
    with pytest.raises(error, match=f"^linear, descriptor 1: {message}"):
        VGG([[{"out_channels": 4}]], [hidden, {"out_features": 2}])


@pytest.mark.parametrize(
    ("descriptor", "error", "message"),
    [
        ({"layers": 2}, ValueError, "the setting 'out_channels' is missing: expected an int"),
        (64, TypeError, r"a descriptor must be a dict .* got 64 \(int\)"),
        (LinearDescriptor(4), TypeError, "a descriptor must be .* got LinearDescriptor"),
    ],
)
def test_what_is_no_convolution_descriptor_is_refused(descriptor, error, message):
    with pytest.raises(error, match=f"stack 1, descriptor 1: {message}"):
        VGG([[descriptor]], [{"out_features": 2}])


@pytest.mark.parametrize(
    ("conv_stacks", "error", "message"),
    [
        ([], ValueError, "conv_stacks is empty"),
        ({"out_channels": 4}, TypeError, "conv_stacks must be a list of stacks, got dict"),
        ([{"out_channels": 4}], TypeError, "stack 1: expected a list of descriptors, got dict"),
        ([[]], ValueError, "stack 1: the list of descriptors is empty"),
    ],
)
def test_lists_of_the_wrong_form_are_refused(conv_stacks, error, message):
    with pytest.raises(error, match=message):
        VGG(conv_stacks, [{"out_features": 2}])


def test_channels_that_contradict_the_layer_before_are_refused():
    with pytest.raises(
        ValueError, match=r"stack 2, .*in_channels is 1, but the layer before gives 4"
    ):
        VGG(
            [[{"out_channels": 4}], [{"out_channels": 8, "in_channels": 1}]],
            [{"out_features": 2}],
        )


def test_features_that_contradict_the_layer_before_are_refused():
    with pytest.raises(ValueError, match="in_features is 9, but the layer before gives 64"):
        VGG([[{"out_channels": 4}]], [{"out_features": 2, "in_features": 9}], image_size=8)


def test_the_first_layer_needs_its_channels():
    with pytest.raises(ValueError, match="nothing stands before this layer, so in_channels must"):
        StackedConv2d([{"out_channels": 4}])


@pytest.mark.parametrize(
    ("stacked", "descriptor"),
    [(StackedConv2d, {"out_channels": 4}), (StackedLinear, {"out_features": 4})],
)
def test_the_width_of_the_input_must_be_an_int(stacked, descriptor):
    with pytest.raises(TypeError, match=r"in_\w+ must be an int, got '3' \(str\)"):
        stacked([descriptor], "3")


@pytest.mark.parametrize("setting", [{"activation": "relu"}, {"dropout": 0.5}])
def test_the_layer_of_the_logits_takes_no_activation_or_dropout(setting):
    with pytest.raises(ValueError, match=f"gives the logits and takes no {next(iter(setting))}"):
        StackedLinear([{"out_features": 2} | setting], in_features=4)


def test_an_image_too_small_for_a_convolution_is_refused():
    stack = [{"out_channels": 4, "kernel_size": 9, "padding": 0}]
    with pytest.raises(ValueError, match=r"8x8 pixels are too small.* that fits is 10"):
        VGG([stack], [{"out_features": 2}], image_size=8)
    # Nor does the padding of the next layer make an image of nothing.
    stack.append({"out_channels": 4, "padding": 2})
    with pytest.raises(ValueError, match=r"8x8 pixels are too small.* that fits is 9"):
        VGG([stack], [{"out_features": 2}], image_size=8)


@pytest.mark.parametrize(("mode", "smallest"), [("zeros", 4), ("circular", 4), ("reflect", 6)])
def test_what_is_mirrored_at_the_border_must_be_there(mode, smallest):
    stack = [{"out_channels": 2, "kernel_size": 5, "padding_mode": mode}]
    network = VGG([stack, stack], [{"out_features": 2}], image_size=smallest)
    assert network(torch.rand(1, 3, smallest, smallest)).shape == (1, 2)
    if smallest > 4:
        with pytest.raises(ValueError, match=f"too small.* that fits is {smallest}"):
            VGG([stack, stack], [{"out_features": 2}], image_size=smallest - 1)


def test_the_smallest_size_named_by_the_refusal_works():
    with pytest.raises(ValueError, match="the smallest side that fits is 32"), torch.device("meta"):
        vgg("D", image_size=31)
    assert vgg("D", image_size=32, width=1 / 64)(torch.rand(1, 3, 32, 32)).shape == (1, 1000)


# --------------------------------------------------------------------------------------------------
# The network
# --------------------------------------------------------------------------------------------------


def test_forward_gives_logits_and_probabilities_are_their_softmax():
    model, images = tiny().eval(), torch.randn(3, 3, 8, 8)
    logits = model(images)
    assert (logits < 0).any() and not torch.allclose(logits.sum(1), torch.ones(3))
    probabilities = model.probabilities(images)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(3))
    torch.testing.assert_close(probabilities, logits.exp() / logits.exp().sum(1, keepdim=True))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 3, 9, 8)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 3, 8, 8\), got"):
        tiny()(torch.rand(shape))


def test_uint8_images_are_refused():
    with pytest.raises(TypeError, match=r"expected float images, got torch.uint8.*SubtractMean"):
        tiny()(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_normalizations_of_several_processes_begin_anew_too():
    model = nn.SyncBatchNorm.convert_sync_batchnorm(vgg("I", width=1 / 32, batch_norm=True))
    norm = model.features.stack1.norm1
    nn.init.constant_(norm.weight, 3.0)
    norm.running_mean.fill_(2.0)
    initialize(model)
    assert (norm.weight == 1).all() and (norm.running_mean == 0).all()


def test_settings_rebuild_the_network():
    model = VGG(
        [[{"out_channels": 4, "activation": "elu", "batch_norm": True}]],
        [{"out_features": 6, "dropout": 0.1}, {"out_features": 5}],
        in_channels=1,
        image_size=(8, 12),
    )
    again = VGG(**model.settings())
    assert str(again) == str(model)
    again.load_state_dict(model.state_dict())
    images = torch.rand(2, 1, 8, 12)
    assert torch.equal(again.eval()(images), model.eval()(images))


# --------------------------------------------------------------------------------------------------
# Initialization
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "conv_std", "hidden_std", "last_std"),
    [
        ("he", (2 / (9 * 32)) ** 0.5, (2 / 512) ** 0.5, 0.01),
        (
            "glorot",
            (2 / (9 * (32 + 32))) ** 0.5,
            (2 / (512 + 256)) ** 0.5,
            (2 / (256 + 100)) ** 0.5,
        ),
        ("paper", 0.01, 0.01, 0.01),
    ],
)
def test_initialization_has_the_deviations_of_its_source(scheme, conv_std, hidden_std, last_std):
    model = VGG(
        [[{"out_channels": 32, "layers": 2}]],
        [{"out_features": 256}, {"out_features": 100}],
        image_size=8,
        initialization=scheme,
    )
    for layer, std in (
        (model.features.stack1.conv2, conv_std),
        (model.classifier.fc1, hidden_std),
        (model.classifier.fc2, last_std),
    ):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.05 * std)
        assert not layer.bias.any()


def test_identity_passes_the_channels_on():
    """Each of the first filters gives its own channel, also where there are fewer filters."""
    convs = [{"out_channels": 6, "layers": 2}, {"out_channels": 4}]
    network = VGG([convs], [{"out_features": 3}], image_size=8, initialization="identity")
    stack = network.features.stack1
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(stack.conv1(x)[:, :3], x, atol=1e-6)
    y = torch.randn(2, 6, 8, 8)
    assert torch.allclose(stack.conv2(y), y, atol=1e-6)
    assert torch.allclose(stack.conv3(y), y[:, :4], atol=1e-6)
    lengths = stack.conv1.weight[3:].detach().flatten(1).norm(dim=1)
    assert lengths == pytest.approx(torch.full((3,), 3**-0.5), rel=0.3)
    assert network.classifier.fc1.weight.std().item() == pytest.approx(0.01, rel=0.2)


def test_initialize_draws_from_the_given_generator():
    models = [tiny(), tiny()]
    for model in models:
        initialize(model, "paper", torch.Generator().manual_seed(3))
    assert all(map(torch.equal, *(model.parameters() for model in models)))


def test_the_first_loss_is_near_the_logarithm_of_the_classes():
    model = vgg("I", width=1 / 8).eval()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8))
    assert loss.item() == pytest.approx(math.log(10), abs=0.1)


# --------------------------------------------------------------------------------------------------
# torchvision
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_has_the_same_names_and_shapes(name, batch_norm):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, TORCHVISION[name] + "_bn" * batch_norm)().state_dict()
        ours = to_torchvision(vgg(name, batch_norm=batch_norm))
    assert {key: t.shape for key, t in ours.items()} == {key: t.shape for key, t in theirs.items()}


def torchvision_pair(name, batch_norm):
    """torchvision's network with random weights and ours with none yet, both on 224x224 pixels.

    The fully connected layers have 64 features: the full 4096 take half a gigabyte and seconds to
    draw, and would show nothing besides.
    """
    with torch.device("meta"):
        theirs = getattr(torchvision.models, TORCHVISION[name] + "_bn" * batch_norm)()
        theirs.classifier[0] = nn.Linear(512 * 7 * 7, 64)
        theirs.classifier[3] = nn.Linear(64, 64)
        theirs.classifier[6] = nn.Linear(64, 10)
        stacks = [
            [descriptor | {"batch_norm": batch_norm} for descriptor in stack]
            for stack in CONFIGURATIONS[name].conv_stacks
        ]
        linear = [{"out_features": 64, "layers": 2}, {"out_features": 10}]
        ours = VGG(stacks, linear, image_size=224)
    theirs, ours = theirs.to_empty(device="cpu").eval(), ours.to_empty(device="cpu").eval()
    for parameter in ours.parameters():
        parameter.zero_()
    for module in theirs.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.uniform_(-1, 1).mul_((6 / fan_in) ** 0.5)
            module.bias.uniform_(-0.1, 0.1)
        elif isinstance(module, nn.BatchNorm2d):
            # Averages of a trained network are not 0 and 1: if they were lost, it would show.
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5)
    return theirs, ours


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", TORCHVISION)
@torch.no_grad()
def test_torchvisions_weights_load_with_equal_logits_and_go_back_unchanged(name, batch_norm):
    theirs, ours = torchvision_pair(name, batch_norm)
    images = torch.randn(1, 3, 224, 224)
    load_torchvision(ours, theirs.state_dict())
    logits = ours(images)
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, theirs(images))

    back = to_torchvision(ours)
    assert all(torch.equal(back[key], tensor) for key, tensor in theirs.state_dict().items())
    theirs.load_state_dict(back)


def test_weights_of_another_depth_are_refused():
    with torch.device("meta"):
        model, weights = vgg("A"), torchvision.models.vgg13().state_dict()
    with pytest.raises(ValueError, match=r"of another network: .*missing, .* superfluous"):
        load_torchvision(model, weights)


def test_weights_with_batch_norm_are_refused_without_it():
    with torch.device("meta"):
        model, weights = vgg("A"), torchvision.models.vgg11_bn().state_dict()
    with pytest.raises(ValueError, match="use the configuration and batch_norm of the source"):
        load_torchvision(model, weights)


def test_weights_for_other_classes_are_refused_and_nothing_is_copied():
    model, other = tiny(), VGG(**tiny().settings() | {"linear": [{"out_features": 7}]})
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"has shape \(7, 24\), but .* needs \(5, 24\): use the same"
    ):
        load_torchvision(model, to_torchvision(other))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
