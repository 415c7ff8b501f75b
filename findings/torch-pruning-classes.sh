#!/usr/bin/env bash
# Guess: MagnitudePruner(pruning_ratio=0.5) takes half of the channels within a network, and leaves its inputs and outputs.
# What happens: torch-pruning 1.6.1 leaves the inputs, and takes half of the outputs, too: a network that told ten classes
#   apart tells five, and no longer says which.
# What to do: ignored_layers=[the last layer], as the first example of its README has it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torch-pruning==1.6.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
import torch_pruning
from torch import nn

print("torch-pruning", version("torch-pruning"), "torch", torch.__version__)
images = torch.randn(1, 3, 8, 8)


def pruned(ignore_last):
    layers = [nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    pruner = torch_pruning.pruner.MagnitudePruner(
        network,
        images,
        importance=torch_pruning.importance.MagnitudeImportance(),
        pruning_ratio=0.5,
        ignored_layers=[network[-1]] if ignore_last else [],
    )
    pruner.step()
    return network[0].out_channels, network(images).shape[1]


for ignore_last, expected in ((False, (32, 5)), (True, (32, 10))):
    channels, classes = pruned(ignore_last)
    print(f"last layer ignored: {ignore_last}; channels of the first layer {channels}, classes {classes}")
    assert (channels, classes) == expected
PYTHON
