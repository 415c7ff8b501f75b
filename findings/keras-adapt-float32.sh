#!/usr/bin/env bash
# Guess: Normalization.adapt finds mean and variance of the training images, whatever their type.
# What happens: Of a NumPy array of float32 Keras 3.15.1 has NumPy add up the images in float32,
#   color by color: past 2**24 a sum stands still, since what is added is less than half its last
#   digit. Of 50,000 images of 32x32 on [0, 1] the mean comes out as 0.33 in place of 0.50, with
#   no word. The same images as uint8 are summed in float64 and come out right.
# What to do: adapt to the uint8 images and leave Rescaling out; or to some thousands of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import keras
import numpy as np

print("keras", keras.__version__, "numpy", version("numpy"))

images = np.random.default_rng(0).integers(256, size=(50_000, 32, 32, 3), dtype=np.uint8)
found = {}
for name, given, white in (
    ("uint8", images, 255),
    ("float32", images.astype(np.float32) / 255, 1),
    ("float32, the first 5,000", images[:5000].astype(np.float32) / 255, 1),
):
    layer = keras.layers.Normalization()
    layer.adapt(given)
    mean = np.ravel(layer.mean) / white
    deviation = np.sqrt(np.ravel(layer.variance)) / white
    found[name] = mean[0]
    print(f"{name}: mean {mean.round(3)}, deviation {deviation.round(3)}")
assert abs(found["uint8"] - 0.5) < 1e-3 and abs(found["float32, the first 5,000"] - 0.5) < 1e-3
assert found["float32"] < 0.35
PYTHON
