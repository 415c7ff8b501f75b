#!/usr/bin/env bash
# Guess: save_img(path, image) of a uint8 image stores its pixels.
# What happens: Keras 3.15.1 stretches every image to 0..255 first, by its own darkest and
#   brightest value: what lay between 100 and 150 is stored as 0 to 255, in PNG as well. That is
#   scale=True, the default, of which its documentation says that it brings values 'within [0,
#   255]', where they were. (array_to_img does the same, and says so.)
# What to do: save_img(path, image, scale=False), or PIL.Image.fromarray(image).save(path).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  pillow==13.0.0 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from PIL import Image

print("keras", keras.__version__)

image = np.random.default_rng(0).integers(100, 151, size=(32, 32, 3), dtype=np.uint8)
stored = {}
for options in ({}, {"scale": False}):
    keras.utils.save_img("image.png", image, **options)
    stored[str(options)] = found = np.asarray(Image.open("image.png"))
    print(f"{options}: {image.min()} to {image.max()} is stored as {found.min()} to {found.max()}")
assert (stored["{}"].min(), stored["{}"].max()) == (0, 255)
assert np.array_equal(stored["{'scale': False}"], image)
PYTHON
