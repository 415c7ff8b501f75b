#!/usr/bin/env bash
# Guess: in a file of torch.onnx.export, the tensor with the name of a parameter holds the values
#   of that parameter, so that weights can be read out of it, or compared, by name.
# What happens: torch 2.14.1 multiplies a convolution that is followed by batch normalization with
#   what the normalization does to it, and leaves the products under the convolution's name, in its
#   shape. The normalization is gone. Whoever loads the file's tensors into the network by name,
#   and keeps the network's own batch normalization since the file has none, normalizes twice. do_constant_folding
#   has no say in it.
# What to do: optimize=False, where weights are to be found again (or rounded, as to 16 bits).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6 \
    onnx==1.23.2 onnxscript==0.7.2
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io

import onnx
import torch
from onnx import numpy_helper
from torch import nn

print("torch", torch.__version__, "onnx", onnx.__version__)
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
model[1].weight.data.fill_(3.0)
model[1].running_var.fill_(4.0)  # so a map is multiplied by 3 / sqrt(4) = 1.5
images = torch.randn(2, 3, 16, 16)

def tensors(**settings):
    with contextlib.redirect_stdout(io.StringIO()):
        program = torch.onnx.export(model, (images,), dynamo=True, **settings)
    graph = program.model_proto.graph
    return {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}

own = model.state_dict()
ratios = {}
for name, settings in {
    "as it is": {},
    "do_constant_folding=False": {"do_constant_folding": False},
    "optimize=False": {"optimize": False},
}.items():
    found = tensors(**settings)
    ratios[name] = (found["0.weight"] / own["0.weight"]).mean().item()
    there = sorted(key for key in found if key in own)
    print(f"{name}: 0.weight of the file / 0.weight of the network = {ratios[name]:.3f}; {there}")
assert abs(ratios["as it is"] - 1.5) < 1e-3
assert abs(ratios["do_constant_folding=False"] - 1.5) < 1e-3
assert ratios["optimize=False"] == 1.0

network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
network.load_state_dict(own | {k: v for k, v in tensors().items() if k in own})
with torch.no_grad():
    apart = (network(images) - model(images)).abs().max()
print(f"the network with the file's tensors differs from itself by up to {apart:.2f}")
assert apart > 0.5
PYTHON
