"""Which layers go from a shallower to a deeper network, and that only they do."""

import pytest
import torch

from vgglib.architecture import VGG
from vgglib.configurations import vgg
from vgglib.transfer import match_layers, transfer_weights

FIRST_CONVOLUTIONS = [f"features.stack{i}.conv1" for i in (1, 2, 3)]
FC = [f"classifier.fc{i}" for i in (1, 2, 3)]


def small(name, **options):
    return vgg(name, width=1 / 32, image_size=32, num_classes=10, **options)


def same(*names):
    return {name: name for name in names}


PAIRS = {
    ("A", "D", "paper"): same(*FIRST_CONVOLUTIONS, "features.stack3.conv2", *FC),
    ("A", "B", "paper"): same(*FIRST_CONVOLUTIONS, "features.stack3.conv2", *FC),
    ("A", "D", "post"): same(
        *FIRST_CONVOLUTIONS, "features.stack4.conv1", "features.stack5.conv1", FC[0], FC[2]
    ),
    # I has only three convolutions, and one hidden layer: the rules agree.
    ("I", "II", "paper"): same(*FIRST_CONVOLUTIONS, FC[0]) | {FC[2]: FC[1]},
    ("I", "II", "post"): same(*FIRST_CONVOLUTIONS, FC[0]) | {FC[2]: FC[1]},
    ("II", "III", "paper"): same(
        *FIRST_CONVOLUTIONS[:2], "features.stack2.conv2", FIRST_CONVOLUTIONS[2], *FC
    ),
    ("II", "III", "post"): same(*FIRST_CONVOLUTIONS, FC[0], FC[2]),
}
each_pair = pytest.mark.parametrize(("shallow", "deep", "rule"), PAIRS)


@each_pair
def test_the_layers_of_each_rule(shallow, deep, rule):
    with torch.device("meta"):
        assert match_layers(vgg(shallow), vgg(deep), rule) == PAIRS[shallow, deep, rule]


@each_pair
def test_copied_weights_are_equal_and_the_others_unchanged(shallow, deep, rule):
    source, target = small(shallow), small(deep)
    for model in (source, target):
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # all 0 at the start, which would hide a bias not copied
                torch.nn.init.normal_(parameter)
    before = {key: tensor.clone() for key, tensor in target.state_dict().items()}
    report = transfer_weights(source, target, rule)
    for key, tensor in target.state_dict().items():
        layer, kind = key.rsplit(".", 1)
        if layer in report.copied:
            assert torch.equal(tensor, source.state_dict()[f"{report.copied[layer]}.{kind}"])
            assert not torch.equal(tensor, before[key])
        else:
            assert layer in report.random
            assert torch.equal(tensor, before[key])


def test_the_shallower_network_is_not_changed_nor_shared():
    source, target = small("A"), small("D")
    before = {key: tensor.clone() for key, tensor in source.state_dict().items()}
    transfer_weights(source, target)
    with torch.no_grad():
        target.features.stack1.conv1.weight.zero_()
    assert all(torch.equal(before[key], tensor) for key, tensor in source.state_dict().items())


def test_the_report_names_every_layer_once():
    report = transfer_weights(small("A"), small("D"))
    assert len(report.copied) + len(report.random) == 16
    assert not set(report.copied) & set(report.random)
    lines = str(report).splitlines()
    assert len(lines) == 16
    assert "features.stack1.conv2  stays random" in lines


def test_batch_normalization_goes_with_its_convolution():
    source, target = small("A", batch_norm=True), small("D", batch_norm=True)
    with torch.no_grad():
        for module in source.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.normal_()
                module.running_mean.normal_()
                module.num_batches_tracked.fill_(9)
    transfer_weights(source, target, "paper")
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        ours, theirs = (getattr(m.features.stack3.norm2, name) for m in (target, source))
        assert torch.equal(ours, theirs)
    assert target.features.stack3.norm3.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("shallow", "deep", "rule", "message"),
    [
        ("D", "A", "paper", "deeper network has no layer 'features.stack1.conv2'"),
        ("A", "I", "post", "the deeper network has 2 fully connected layers, the shallower one 3"),
        ("I", "A", "post", r"'features.stack1.conv1' has weights of shape .* must agree in width"),
        ("A", "D", "papr", "unknown rule 'papr'; did you mean 'paper'"),
    ],
)
def test_networks_that_do_not_fit_are_refused(shallow, deep, rule, message):
    shallow, deep = small(shallow), small(deep)
    before = {key: tensor.clone() for key, tensor in deep.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        transfer_weights(shallow, deep, rule)
    assert all(torch.equal(before[key], tensor) for key, tensor in deep.state_dict().items())


def test_fewer_stacks_are_refused():
    stacks = [[{"out_channels": 4}], [{"out_channels": 4}]]
    shallow = VGG(stacks, [{"out_features": 2}], image_size=8)
    deep = VGG(stacks[:1], [{"out_features": 2}], image_size=4)
    with pytest.raises(ValueError, match=r"no layer 'features.stack2.conv1'.*at least as many"):
        match_layers(shallow, deep, "post")


def test_other_classes_are_refused():
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=r"'classifier.fc3' has weights .*classes"),
    ):
        match_layers(vgg("A"), vgg("D", num_classes=10))


@pytest.mark.parametrize("normalized", [0, 1])
def test_batch_normalization_in_only_one_network_is_refused(normalized):
    networks = [small("A", batch_norm=normalized == 0), small("D", batch_norm=normalized == 1)]
    with pytest.raises(ValueError, match="give both networks the same batch_norm and bias"):
        transfer_weights(*networks)


def test_biases_in_only_one_network_are_refused():
    networks = [
        VGG([[{"out_channels": 4, "bias": bias}]], [{"out_features": 2}]) for bias in (True, False)
    ]
    with pytest.raises(ValueError, match="give both networks the same batch_norm and bias"):
        transfer_weights(*networks)


def test_names_are_no_networks():
    with pytest.raises(TypeError, match=r"expected two networks .VGG., got str and VGG"):
        match_layers("A", small("D"))
