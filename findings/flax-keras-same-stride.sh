#!/usr/bin/env bash
# Guess: a 3x3 convolution with a stride of 2 and padding "same" in Keras and Flax is torch's with padding=1: both
#   halve an even side.
# What happens: keras 3.15.1 and jax 0.10.2 pad an even side at its end alone, torch 2.14.1 at both ends. The sizes
#   agree and the windows lie one pixel apart: weights moved from the one to the other run, and compute something
#   else.
# What to do: in torch, pad with (0, 1, 0, 1) first and give the convolution padding=0.
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
import keras
import numpy as np
import torch
from torch.nn import functional as F

print(*(f"{package} {version(package)}" for package in ("torch", "flax", "keras", "jax")))
generator = np.random.default_rng(0)
image = generator.random((1, 8, 8, 1), dtype=np.float32)
kernel = generator.random((3, 3, 1, 1), dtype=np.float32)
image_of_torch = torch.from_numpy(image).permute(0, 3, 1, 2)
kernel_of_torch = torch.from_numpy(kernel).permute(3, 2, 0, 1)

layer = flax.linen.Conv(1, (3, 3), strides=(2, 2), padding="SAME", use_bias=False)
found = {
    "flax": np.asarray(layer.apply({"params": {"kernel": kernel}}, image)),
    "keras": keras.ops.convert_to_numpy(keras.ops.conv(image, kernel, strides=2, padding="same")),
    "torch, padding=1": F.conv2d(image_of_torch, kernel_of_torch, stride=2, padding=1).numpy(),
    "torch, padded at the end": F.conv2d(F.pad(image_of_torch, (0, 1, 0, 1)), kernel_of_torch, stride=2).numpy(),
}
found = {name: output.reshape(4, 4) for name, output in found.items()}
apart = {name: float(np.abs(output - found["keras"]).max()) for name, output in found.items()}
print("all 4x4; from Keras's by:", {name: round(value, 4) for name, value in apart.items()})
assert apart["torch, padding=1"] > 0.1 and max(apart["flax"], apart["torch, padded at the end"]) < 1e-5
PYTHON
