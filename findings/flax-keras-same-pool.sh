#!/usr/bin/env bash
# Guess: an average pool with padding "same" means the same in Flax and Keras, which both have the word from
#   TensorFlow.
# What happens: flax 0.12.8 counts the zeros of the border in its means, as torch does, and keras 3.15.1 leaves them
#   out. Of a map of ones the one gives 4/9 in a corner with a 3x3 pool, the other 1.
# What to do: count_include_pad=False in Flax for Keras's means, as in torch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 keras==3.15.1 flax==0.12.8 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch CUDA_VISIBLE_DEVICES= KERAS_HOME="$folder/keras" JAX_PLATFORMS=cpu
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import flax.linen
import jax.numpy as jnp
import keras
import numpy as np
import torch

print(*(f"{package} {version(package)}" for package in ("torch", "flax", "keras")))
ones = np.ones((1, 4, 4, 1), np.float32)
options = {"strides": (1, 1), "padding": "SAME"}
found = {
    "flax": flax.linen.avg_pool(jnp.array(ones), (3, 3), **options),
    "flax, count_include_pad=False": flax.linen.avg_pool(
        jnp.array(ones), (3, 3), count_include_pad=False, **options
    ),
    "keras": keras.ops.convert_to_numpy(keras.layers.AveragePooling2D(3, 1, "same")(ones)),
    "torch": torch.nn.functional.avg_pool2d(torch.ones(1, 1, 4, 4), 3, 1, 1)[..., None],
}
corners = {name: round(float(np.asarray(pooled).reshape(4, 4)[0, 0]), 4) for name, pooled in found.items()}
print("a corner of a map of ones:", corners)
assert corners == {"flax": 0.4444, "flax, count_include_pad=False": 1.0, "keras": 1.0, "torch": 0.4444}
PYTHON
