#!/usr/bin/env bash
# Guess: captum's LayerGradCam gives the map of the paper (Selvaraju et al. 2017): what speaks for the class, and 0
#   where nothing does.
# What happens: captum 0.9.0 leaves out the paper's last step, the ReLU, unless relu_attributions=True. A place that
#   speaks against the class has a negative value. Scaled to colors from the smallest value to the largest, as a
#   figure usually is, a place with no evidence at all gets the color of half of it.
# What to do: relu_attributions=True.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 captum==0.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from captum.attr import LayerGradCam
from torch import nn

print("captum", version("captum"), "torch", torch.__version__)
# The two maps are the image and its negative; class 0 likes the first, and the second speaks against it.
features = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU())
features[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
last = nn.Linear(2, 2, bias=False)
last.weight.data = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
network = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()
image = torch.zeros(1, 1, 3, 3)
image[0, 0, 0, 0], image[0, 0, 2, 2] = 1.0, -1.0

method = LayerGradCam(network, features)
plain = method.attribute(image, target=0)[0, 0]
cured = method.attribute(image, target=0, relu_attributions=True)[0, 0]
print("by default:", plain.tolist())
print("with relu_attributions=True:", cured.tolist())
assert plain[0, 0] > 0 > plain[2, 2] and plain[1, 1] == 0
assert cured.min() == 0 and torch.equal(cured, plain.relu())
PYTHON
