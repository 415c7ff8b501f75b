#!/usr/bin/env bash
# Guess: SGDW(lr=0.1, weight_decay=0.1) with a gradient of 0 draws each weight towards 0, by a hundredth of it in a step
#   (Loshchilov & Hutter 2019).
# What happens: torch_optimizer 0.3.0 subtracts a hundredth, of whatever weight: 1 goes to 0.99, 0.5 to 0.49, and -1 to -1.01.
#   All weights go down for ever, and the negative ones grow.
# What to do: torch.optim.SGD with weight_decay, which is the same for a constant rate without momentum; or AdamW.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torch_optimizer==0.3.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torch_optimizer import SGDW

print("torch_optimizer", version("torch_optimizer"), "torch", torch.__version__)


def after_a_step(optimizer):
    weights = torch.nn.Parameter(torch.tensor([1.0, 0.5, -1.0]))
    weights.grad = torch.zeros(3)
    optimizer([weights], lr=0.1, weight_decay=0.1).step()
    return [round(weight, 4) for weight in weights.tolist()]


found, expected = after_a_step(SGDW), after_a_step(torch.optim.SGD)
print("1, 0.5 and -1 after a step of weight decay alone:", found, "and by torch.optim.SGD:", expected)
assert expected == [0.99, 0.495, -0.99]
assert found == [0.99, 0.49, -1.01]
PYTHON
