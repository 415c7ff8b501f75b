#!/usr/bin/env bash
# Guess: create_feature_extractor(vgg11(), ["features.0", "features.1"]) returns the first
#   convolution's output before the ReLU, with negative values, and after it.
# What happens: torchvision's VGG (0.29.1) has ReLU(inplace=True): it writes into the tensor that
#   the extractor holds. So features.0 and features.1 are the same values, and no negative one is
#   left. A forward hook that keeps the output has the same fault. Only where no later layer is
#   asked for, the ReLU is cut off, and the output is what its name says. Style losses, perceptual
#   losses and figures of several layers that say "before the ReLU" are after it.
# What to do: set inplace = False in each nn.ReLU first, or clone the output within the hook.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch, torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

print("torch", torch.__version__, "torchvision", torchvision.__version__)
torch.manual_seed(0)
network = torchvision.models.vgg11().eval()
image = torch.randn(1, 3, 32, 32)

@torch.no_grad()
def negative_parts():
    kept = {}
    hook = network.features[0].register_forward_hook(lambda *call: kept.update(hook=call[-1]))
    network(image)
    hook.remove()
    found = create_feature_extractor(network, ["features.0", "features.1"])(image)
    kept["extractor"] = found["features.0"]
    same = torch.equal(found["features.0"], found["features.1"])
    assert same == network.features[1].inplace, "the two layers are the same values"
    return {name: (output < 0).float().mean().item() for name, output in kept.items()}

as_made = negative_parts()
alone = create_feature_extractor(network, ["features.0"])(image)["features.0"]
alone = (alone < 0).float().mean().item()
for module in network.modules():
    if isinstance(module, nn.ReLU):
        module.inplace = False
cured = negative_parts()
print("negative part of the first convolution's output:", as_made)
print("where no later layer is asked for:", alone)
print("after inplace = False:", cured)
assert set(as_made.values()) == {0.0} and min(alone, *cured.values()) > 0.2
PYTHON
