#!/usr/bin/env bash
# Guess: flax.linen.max_pool(maps, (2, 2)) halves the sides of the maps, as a pool of 2 does in torch and Keras, whose
#   stride is the size of the window if none is given.
# What happens: flax 0.12.8 takes a stride of 1: sides of 8 become 7. A VGG that is moved to Flax word for word
#   trains, with maps and a first fully connected layer many times as large.
# What to do: strides=(2, 2).
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
maps = np.zeros((1, 8, 8, 3), np.float32)
sides = {
    "torch": torch.nn.functional.max_pool2d(torch.zeros(1, 3, 8, 8), 2).shape[-1],
    "keras": keras.layers.MaxPooling2D(2)(maps).shape[1],
    "flax": flax.linen.max_pool(jnp.array(maps), (2, 2)).shape[1],
    "flax, average": flax.linen.avg_pool(jnp.array(maps), (2, 2)).shape[1],
    "flax, strides=(2, 2)": flax.linen.max_pool(jnp.array(maps), (2, 2), strides=(2, 2)).shape[1],
}
print("a side of 8 after a pool of 2:", sides)
assert sides == {"torch": 4, "keras": 4, "flax": 7, "flax, average": 7, "flax, strides=(2, 2)": 4}
PYTHON
