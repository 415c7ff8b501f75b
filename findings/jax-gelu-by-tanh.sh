#!/usr/bin/env bash
# Guess: jax.nn.gelu, Keras' gelu and torch's F.gelu are one function, since none is given an
#   option.
# What happens: jax 0.10.2 computes the approximation by tanh, torch 2.14.1 and keras 3.15.1 (on
#   jax, too) the exact one by the error function. They differ by up to 0.0005 for one value;
#   weights that are moved from one to the other give other logits.
# What to do: jax.nn.gelu(x, approximate=False), or F.gelu(x, approximate='tanh').
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check jax==0.10.2 keras==3.15.1 \
  torch==2.14.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jax
import keras
import numpy as np
import torch
import torch.nn.functional as F

print(*(f"{name} {version(name)}" for name in ("jax", "keras", "torch")))

x = np.linspace(-5, 5, 1001, dtype=np.float32)
exact = F.gelu(torch.from_numpy(x)).numpy()
by_tanh = F.gelu(torch.from_numpy(x), approximate="tanh").numpy()
found = {
    "jax": np.asarray(jax.nn.gelu(x)),
    "keras": np.asarray(keras.ops.convert_to_numpy(keras.activations.gelu(x))),
}
for name, values in found.items():
    off, near = abs(values - exact).max(), abs(values - by_tanh).max()
    print(f"{name}: at most {off:.6f} from torch's, {near:.6f} from its approximation by tanh")
assert abs(found["jax"] - exact).max() > 4e-4
assert abs(found["jax"] - by_tanh).max() < 1e-5
assert abs(found["keras"] - exact).max() < 1e-5
PYTHON
