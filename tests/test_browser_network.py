"""The network that the reader's browser runs, against the one that torch runs."""

from __future__ import annotations

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn import functional as F

import vgglib
from tools.browser_network import ForBrowser, back, export
from vgglib.inspection import class_activation

NETWORKS = {
    "slim": {},
    "I": {"batch_norm": True, "width": 1 / 16},
    "II": {"width": 1 / 16},
}


def make(name):
    torch.manual_seed(0)
    network = vgglib.vgg(name, **NETWORKS[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it was trained
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return network.eval(), torch.randn(2, 3, 32, 32)


@pytest.mark.parametrize(
    ("name", "pool"), [("slim", 1), ("slim", 3), ("slim", 4), ("I", 2), ("I", 3), ("II", 1)]
)
def test_logits_first_maps_and_evidence_are_those_of_torch(name, pool):
    network, images = make(name)
    with torch.no_grad():
        for chosen in (0, 7):
            wanted = F.one_hot(torch.tensor([chosen]), 10).float()
            logits, maps, evidence = ForBrowser(network, pool)(images, wanted)
            heat = F.interpolate(evidence.relu()[:, None], (32, 32), mode="bilinear")[:, 0]
            expected = class_activation(network, images, torch.tensor([chosen] * 2), pool=pool)
            heat = heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
            torch.testing.assert_close(heat, expected, rtol=0, atol=1e-4)
        assert torch.equal(logits, network(images))
        stack = network.features.stack1
        first = stack.activation1(
            stack.norm1(stack.conv1(images)) if name == "I" else stack.conv1(images)
        )
        assert torch.equal(maps, first)


def test_where_no_class_is_chosen_the_evidence_is_that_for_the_most_probable():
    network, images = make("I")
    with torch.no_grad():
        best = network.probabilities(images).mean(dim=0).argmax()
        browser = ForBrowser(network, 3)
        _, _, expected = browser(images, F.one_hot(best[None], 10).float())
        _, _, evidence = browser(images, torch.zeros(1, 10))
    assert torch.equal(evidence, expected)


def test_a_layer_without_a_way_back_is_named():
    with pytest.raises(TypeError, match="the way back through LocalResponseNorm is not written"):
        back(nn.LocalResponseNorm(5), torch.ones(1, 8, 2, 2), torch.ones(1, 8, 2, 2))


def test_the_file_computes_the_same_with_half_of_the_bytes(tmp_path):
    network, images = make("I")
    network.half().float()  # weights that 16 bits can hold
    export(network, tmp_path / "network.onnx", pool=3)
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]
    weights = 2 * sum(p.numel() for p in network.parameters())
    size = (tmp_path / "network.onnx").stat().st_size
    assert weights < size < weights + 100_000
    onnx.checker.check_model(tmp_path / "network.onnx")
    chosen = torch.zeros(1, 10)
    feeds = {"images": images.numpy(), "chosen": chosen.numpy()}
    found = ReferenceEvaluator(str(tmp_path / "network.onnx")).run(None, feeds)
    with torch.no_grad():
        expected = ForBrowser(network, 3)(images, chosen)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=1e-3, atol=1e-4)
