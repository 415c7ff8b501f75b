#!/usr/bin/env bash
# Guess: GuidedBackprop of a network that calls F.relu is guided, or is refused.
# What happens: captum 0.9.0 guides at modules nn.ReLU only: with F.relu it gives the plain
#   gradient, without a word. So does Deconvolution.
# What to do: nn.ReLU modules, one for each place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check captum==0.9.0 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from torch import nn

print("captum", version("captum"), "torch", torch.__version__)


class Functional(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x.flatten(1))


torch.manual_seed(0)
layers = nn.ModuleList([nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8 * 4 * 4, 10)])
functional = Functional(layers)
modules = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), nn.Flatten(), layers[2])
x = torch.rand(1, 3, 8, 8, requires_grad=True)
assert torch.equal(functional(x), modules(x))  # one function, written twice
gradient = Saliency(modules).attribute(x, target=3, abs=False)
for method in (GuidedBackprop, Deconvolution):
    off = {
        name: (method(model).attribute(x, target=3) - gradient).abs().max().item()
        for name, model in (("nn.ReLU", modules), ("F.relu", functional))
    }
    print(method.__name__, "differs from the plain gradient by at most", off)
    assert off["nn.ReLU"] > 1e-3 and off["F.relu"] < 1e-7
PYTHON
