#!/usr/bin/env bash
# Guess: after the same batch, batch normalization in Flax and Keras has the running variance that torch has, with the
#   momentum written the other way round (0.9 there for 0.1 in torch).
# What happens: torch 2.14.1 takes the variance of the batch over n - 1 into its average, flax 0.12.8 and keras 3.15.1 over n.
#   Of a batch of two numbers, 0 and 4, that is 8 in the one and 4 in the others. It shows where few numbers make a
#   channel's statistics: small batches, after the last pools.
# What to do: nothing with hundreds of numbers; to compare two implementations to many digits, multiply by n / (n - 1).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 keras==3.15.1 flax==0.12.8 jax==0.10.2 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch CUDA_VISIBLE_DEVICES= KERAS_HOME="$folder/keras" JAX_PLATFORMS=cpu
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import flax.linen
import jax
import keras
import numpy as np
import torch

print(*(f"{package} {version(package)}" for package in ("torch", "flax", "keras")))
batch = np.array([[0.0], [4.0]], np.float32)

of_torch = torch.nn.BatchNorm1d(1, momentum=0.1)
of_torch(torch.from_numpy(batch))

layer = flax.linen.BatchNorm(use_running_average=False, momentum=0.9)
_, changed = layer.apply(layer.init(jax.random.key(0), batch), batch, mutable=["batch_stats"])

of_keras = keras.layers.BatchNormalization(momentum=0.9)
of_keras(batch, training=True)

found = {
    "torch": of_torch.running_var.item(),
    "flax": float(changed["batch_stats"]["var"][0]),
    "keras": float(keras.ops.convert_to_numpy(of_keras.moving_variance)[0]),
}
print("running variance, 1 at the start, after a batch of 0 and 4:", {name: round(value, 4) for name, value in found.items()})
assert {name: round(value, 4) for name, value in found.items()} == {"torch": 1.7, "flax": 1.3, "keras": 1.3}
PYTHON
