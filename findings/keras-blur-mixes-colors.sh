#!/usr/bin/env bash
# Guess: ops.image.gaussian_blur(images) blurs each color along rows and columns, and leaves an
#   image of one gray as it is.
# What happens: Called with an array, and without data_format=, keras 3.15.1 takes images of (N,
#   H, W, C), its own default, for (N, C, H, W), on the JAX and the torch backend: it blurs along
#   the columns and from color to color, and not along the rows. With data_format='channels_last',
#   which the layer RandomGaussianBlur gives, each color is blurred by itself; black is put around
#   the image then, so that a gray of 0.5 becomes 0.36 at the edges. (Of a keras.Input, in a
#   functional model, the format is taken right.)
# What to do: data_format='channels_last'; pad with mode='reflect' before, and crop after.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cd "$folder"
cat > check.py <<'PYTHON'
import sys

import keras
import numpy as np
import torch
from torchvision.transforms.v2 import functional as F

backend = keras.backend.backend()
print("keras", keras.__version__, "on", backend, sys.modules[backend].__version__)


def of_keras(image, **options):
    blurred = keras.ops.image.gaussian_blur(image[None], (3, 3), (1.0, 1.0), **options)
    return keras.ops.convert_to_numpy(blurred)[0]


def of_torchvision(image):
    blurred = F.gaussian_blur(torch.from_numpy(image).permute(2, 0, 1), [3, 3], [1.0, 1.0])
    return blurred.permute(1, 2, 0).numpy()


red_dot, gray = np.zeros((9, 9, 3), np.float32), np.full((9, 9, 3), 0.5, np.float32)
red_dot[4, 4, 0] = 1
found = {}
for name, blur in {
    "by default": of_keras,
    "channels_last": lambda image: of_keras(image, data_format="channels_last"),
    "torchvision": of_torchvision,
}.items():
    dot = blur(red_dot)
    place = {"a pixel up": dot[3, 4, 0], "a pixel left": dot[4, 3, 0], "green there": dot[4, 4, 1]}
    found[name] = [bool(value > 0.01) for value in place.values()]
    edge = blur(gray)[4, 0, 1]
    print(name, {key: round(float(value), 2) for key, value in place.items()}, f"gray edge {edge:.2f}")
    assert (abs(edge - 0.5) > 0.1) == (name != "torchvision")
assert found["by default"] == [False, True, True]
assert found["channels_last"] == found["torchvision"] == [True, True, False]
PYTHON
for backend in jax torch; do
  KERAS_BACKEND=$backend "$folder/venv/bin/python" check.py
done
