"""The shape trace against counts by hand, and that it allocates nothing."""

import pytest
import torch
from torch import nn

from vgglib.architecture import VGG
from vgglib.configurations import CONFIGURATIONS, vgg
from vgglib.tracing import trace


def find(rows, layer):
    return next(row for row in rows if row.layer == layer)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_parameters_are_those_of_the_network(name):
    with torch.device("meta"):
        parameters = sum(p.numel() for p in vgg(name).parameters())
    assert trace(name).parameters == parameters


def test_shapes_of_configuration_d_halve_after_each_stack():
    pools = [row.output_shape for row in trace("D") if row.kind == "maxpool"]
    assert pools == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_each_layer_gets_what_the_layer_before_gives():
    rows = [row for row in trace("C") if not row.kind.startswith("FC")]
    assert rows[0].input_shape == (3, 224, 224)
    assert [r.input_shape for r in rows[1:]] == [r.output_shape for r in rows[:-1]]


def test_kinds_are_in_the_notation_of_table_1():
    kinds = [row.kind for row in trace("C")]
    assert kinds[:3] == ["conv3-64", "conv3-64", "maxpool"]
    assert "conv1-256" in kinds and kinds[-1] == "FC-1000"


def test_normalizations_are_layers_too():
    assert [row.kind for row in trace("A-LRN")][:2] == ["conv3-64", "LRN"]
    row = find(trace("I", batch_norm=True), "features.stack1.norm1")
    assert (row.kind, row.parameters, row.multiply_adds) == ("batch norm", 2 * 128, 0)


def test_normalizations_of_several_processes_are_counted_as_those_of_one():
    alone = vgg("I", batch_norm=True)
    rows = list(trace(alone))
    assert list(trace(nn.SyncBatchNorm.convert_sync_batchnorm(alone))) == rows


def test_multiply_adds_of_configuration_i_equal_those_counted_by_hand():
    convolutions = 9 * (3 * 128 * 32**2 + 128 * 256 * 16**2 + 256 * 512 * 8**2)
    assert trace("I").multiply_adds == convolutions + 512 * 4 * 4 * 1024 + 1024 * 10


def test_receptive_fields_of_configuration_d():
    rows = trace("D")
    fields = [row.receptive_field for row in rows if row.kind.startswith("conv")]
    assert fields == [3, 5, 10, 14, 24, 32, 40, 60, 76, 92, 132, 164, 196]
    assert [row.receptive_field for row in rows][-3:] == [None] * 3


def test_the_receptive_field_is_the_part_of_the_image_that_a_pixel_depends_on():
    # Weights of 1 without activation: a pixel far from the border has a gradient where it looks.
    conv = {"out_channels": 2, "activation": "identity"}
    model = VGG([[conv | {"layers": 2}], [conv | {"kernel_size": 5}]], [{"out_features": 2}])
    for layer in (model.features.stack1.conv1, *model.features.stack1, *model.features.stack2):
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    model.features.pool1 = nn.AvgPool2d(2)
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    model.features[:3](image)[0, 0, 8, 8].backward()
    side = image.grad[0, 0].any(dim=0).sum().item()
    assert find(trace(model), "features.stack2.conv1").receptive_field == side


def test_a_network_that_says_its_features_is_traced_at_another_size():
    linear = [{"out_features": 3, "in_features": 64}]
    network = VGG([[{"out_channels": 4}]], linear, image_size=8)
    assert find(trace(network, 16), "classifier.fc1").parameters == 3 * 257


def test_a_kernel_with_gaps_sees_more():
    network = vgg("I")
    network.features.stack1.conv1 = nn.Conv2d(3, 128, 3, padding=2, dilation=2)
    assert trace(network).rows[0].receptive_field == 5


def test_what_learns_besides_convolutions_is_counted_and_pools_put_in_by_hand_are_seen():
    stack = [{"out_channels": 4, "activation": nn.PReLU}]
    network = VGG([stack], [{"out_features": 2}], image_size=8)
    assert trace(network).parameters == sum(p.numel() for p in network.parameters())
    network.features.pool1 = nn.AdaptiveAvgPool2d(4)
    kinds = {row.kind: row.receptive_field for row in trace(network)}
    assert kinds == {"conv3-4": 3, "PReLU": 3, "avgpool": 4, "FC-2": None}
    network = VGG([stack], [{"out_features": 2}], image_size=8, global_pool=True)
    assert {row.kind: row.receptive_field for row in trace(network)}["maxpool, global"] is None


def test_image_size_and_options_are_those_asked_for():
    rows = trace("A", image_size=(64, 96), num_classes=7)
    assert find(rows, "features.pool5").output_shape == (512, 2, 3)
    assert rows.rows[-1].kind == "FC-7"


def test_a_built_network_is_traced_at_another_size_and_left_alone():
    model = vgg("I", width=1 / 16)
    rows = trace(model, image_size=64)
    assert find(rows, "features.pool3").output_shape == (32, 8, 8)
    assert model.training and model.image_size == (32, 32)
    assert not any(module._forward_hooks for module in model.modules())


def test_tracing_draws_no_random_numbers():
    before = torch.get_rng_state()
    trace("I")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_printed_table_has_a_line_for_each_layer_a_head_and_a_total():
    rows = trace("D")
    lines = str(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert "138,357,544" in lines[-1]
    assert rows._repr_html_().count("<tr>") == len(lines)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown configuration 'VGG-D'"):
        trace("VGG-D")


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="a configuration's name or a VGG, got Linear"):
        trace(nn.Linear(2, 2))


def test_a_built_network_takes_no_options():
    with pytest.raises(TypeError, match="a built network takes no num_classes"):
        trace(vgg("I", width=1 / 16), num_classes=3)
