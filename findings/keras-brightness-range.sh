#!/usr/bin/env bash
# Guess: keras.layers.RandomBrightness(0.2) changes images of floats from 0 to 1 by at most 0.2, as it changes bytes
#   by at most a fifth of 255.
# What happens: keras 3.15.1 adds up to 0.2 * 255 to floats as well, if value_range is not given, and cuts off at 0
#   and 255. Half of the images in [0, 1] become black, and the others so bright that nothing is left of what they
#   showed; no error or warning.
# What to do: value_range=(0, 1) for such images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 keras==3.15.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch CUDA_VISIBLE_DEVICES= KERAS_HOME="$folder/keras" JAX_PLATFORMS=cpu
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import keras
import numpy as np

print(*(f"{package} {version(package)}" for package in ("keras", "torch")))
gray = np.full((200, 4, 4, 3), 0.5, np.float32)


def brightness(**given):
    layer = keras.layers.RandomBrightness(0.2, seed=1, **given)
    return keras.ops.convert_to_numpy(layer(gray, training=True)).mean(axis=(1, 2, 3))


plain, told = brightness(), brightness(value_range=(0, 1))
print(f"200 grays of 0.5: {np.mean(plain == 0):.0%} become black, the brightest {plain.max():.1f}")
print(f"with value_range=(0, 1): from {told.min():.2f} to {told.max():.2f}")
assert 0.3 < np.mean(plain == 0) < 0.7 and plain.max() > 20
assert 0.3 <= told.min() + 1e-6 and told.max() <= 0.7 + 1e-6
PYTHON
