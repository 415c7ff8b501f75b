#!/usr/bin/env bash
# Guess: trunc_normal_(weight, std=0.02) cuts off what is more than two deviations from 0, as
#   Keras' TruncatedNormal does.
# What happens: torch 2.14.1 cuts at -2 and 2, whatever the deviation: with std=0.02 at 100
#   deviations, so never. keras 3.15.1 cuts at two deviations (and its deviation is therefore 0.88
#   of the one asked for).
# What to do: trunc_normal_(weight, std=std, a=-2 * std, b=2 * std).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 keras==3.15.1 \
  jax==0.10.2 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import keras
import numpy as np
import torch

print(*(f"{name} {version(name)}" for name in ("torch", "keras")))

torch.manual_seed(0)
std = 0.02
found = {
    "torch": torch.nn.init.trunc_normal_(torch.empty(1_000_000), std=std).numpy(),
    "torch, a=-2 * std, b=2 * std": torch.nn.init.trunc_normal_(
        torch.empty(1_000_000), std=std, a=-2 * std, b=2 * std
    ).numpy(),
    "keras": np.asarray(keras.initializers.TruncatedNormal(stddev=std, seed=0)((1_000_000,))),
}
farthest = {name: abs(values).max() / std for name, values in found.items()}
for name, values in found.items():
    print(f"{name}: the farthest of a million is {farthest[name]:.2f} deviations from 0,", end=" ")
    print(f"their deviation {values.std():.4f}")
assert farthest["torch"] > 4
assert farthest["keras"] < 2.01 and farthest["torch, a=-2 * std, b=2 * std"] < 2.01
PYTHON
