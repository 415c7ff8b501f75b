#!/usr/bin/env bash
# Guess: softmax_cross_entropy_with_integer_labels treats -1, which is no class (though many data
#   sets write it for 'no label'), as it treats 10 of 10 classes: nan.
# What happens: optax 0.2.8 counts from the end, as indices of NumPy do: -1 is the last class, and
#   the network learns to name it. The labels 10 (of 10 classes) and -11 give nan.
# What to do: losses.mean(where=labels >= 0).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check optax==0.2.8 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
import optax

print(*(f"{name} {version(name)}" for name in ("optax", "jax")))

logits = jnp.arange(10.0)[None]
losses = {}
for label in (9, -1, 0, 10, -11):
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.array([label]))
    losses[label] = float(loss[0])
    print(f"label {label}: loss {losses[label]:.4f}")
assert losses[-1] == losses[9] != losses[0]
assert np.isnan(losses[10]) and np.isnan(losses[-11])
PYTHON
