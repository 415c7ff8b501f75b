#!/usr/bin/env bash
# Guess: The first step of Adam is as long as the rate, as Kingma and Ba's correction of the bias
#   makes it.
# What happens: mlx 0.32.4 leaves the correction out unless bias_correction=True is given: the
#   first step is 3.2 times the rate (0.1 / sqrt(0.001)), and with a steady gradient the tenth 6.5
#   times.
# What to do: Adam(rate, bias_correction=True).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'mlx[cpu]==0.32.4' torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import mlx.core as mx
import mlx.optimizers as optim
import torch

print("mlx", version("mlx"), "torch", torch.__version__)

mx.set_default_device(mx.cpu)


def of_mlx(**options):
    """Lengths of ten steps for a gradient of 1, at the rate 0.001."""
    optimizer = optim.Adam(learning_rate=1e-3, **options)
    weights, lengths = {"w": mx.array([0.0])}, []
    for _ in range(10):
        after = optimizer.apply_gradients({"w": mx.array([1.0])}, weights)
        lengths.append(weights["w"].item() - after["w"].item())
        weights = after
    return lengths


def of_torch():
    weight, lengths = torch.zeros(1, requires_grad=True), []
    optimizer = torch.optim.Adam([weight], lr=1e-3)
    for _ in range(10):
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
        lengths.append(before - weight.item())
    return lengths


found = {
    "mlx": of_mlx(),
    "mlx, bias_correction=True": of_mlx(bias_correction=True),
    "torch": of_torch(),
}
for name, steps in found.items():
    print(f"{name}: first step {steps[0]:.5f}, tenth {steps[9]:.5f}")
assert found["mlx"][0] > 3 * found["torch"][0] and found["mlx"][9] > 5 * found["torch"][9]
assert abs(found["mlx, bias_correction=True"][9] - found["torch"][9]) < 1e-5
PYTHON
