#!/usr/bin/env bash
# Guess: quantize_(model, Int8WeightOnlyConfig()) makes the weights of a convolutional network a quarter in size.
# What happens: torchao 0.18.0 quantizes its Linear layers only. A network of convolutions comes back as it was, in
#   float32 and of the same size, without a warning. The docstrings of both speak of linear layers, their names do not.
# What to do: look at the types of the parameters afterwards; for convolutions export the network and quantize it
#   with torchao's pt2e.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchao==0.18.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>messages.txt <<'PYTHON' || { cat messages.txt >&2; exit 1; }
from importlib.metadata import version

import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

print("torchao", version("torchao"), "torch", torch.__version__)


def kinds(*layers):
    network = nn.Sequential(*layers)
    quantize_(network, Int8WeightOnlyConfig())
    weights = {name: value.data for name, value in network.named_parameters() if value.ndim > 1}
    return {name: f"{type(value).__name__} of {value.dtype}" for name, value in weights.items()}


found = kinds(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3))
print("convolutions:", found)
assert set(found.values()) == {"Tensor of torch.float32"}
found = kinds(nn.Conv2d(3, 64, 3), nn.Flatten(), nn.Linear(64, 10))
print("a convolution and a linear layer:", found)
assert found["0.weight"] == "Tensor of torch.float32"
assert found["2.weight"].startswith("Int8Tensor")
PYTHON
if grep -i -E 'conv|float|skip' messages.txt; then exit 1; fi  # others are of what the machine lacks
