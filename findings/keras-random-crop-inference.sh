#!/usr/bin/env bash
# Guess: RandomCrop(24, 24) gives the network the 24x24 in the middle of a 32x32 image at
#   inference, or, as its documentation has it, the largest window of that shape, resized to
#   24x24.
# What happens: Keras 3.15.1 hands the image on as it is, 32x32, though model.output_shape says
#   24x24. A network that ends in a global pool is tested, without a word, on images of another
#   size than it was trained on; one with Flatten and Dense cannot predict at all.
# What to do: crop outside of the model, or put CenterCrop(24, 24) behind RandomCrop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  jaxlib==0.10.2 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax KERAS_HOME="$folder/keras" JAX_PLATFORMS=cpu CUDA_VISIBLE_DEVICES=
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers

print("Keras", keras.__version__)
images = np.random.default_rng(0).random((2, 32, 32, 3), dtype="float32")


def model(*others):
    """A random crop, and what comes behind it."""
    return keras.Sequential([layers.Input((32, 32, 3)), layers.RandomCrop(24, 24), *others])


crop = model()
trained, tested = crop(images, training=True).shape, crop.predict(images, verbose=0).shape
print("the model says", crop.output_shape, "training", trained, "predict", tested)
assert crop.output_shape == (None, 24, 24, 3)
assert trained == (2, 24, 24, 3) and tested == (2, 32, 32, 3)

dense = model(layers.Flatten(), layers.Dense(10))
dense(images, training=True)
try:
    dense.predict(images, verbose=0)
except ValueError as error:
    print("predict with Flatten and Dense:", str(error).split(":")[0])
else:
    raise SystemExit("it could predict")
pooled = model(layers.GlobalAveragePooling2D()).predict(images, verbose=0)
assert np.allclose(pooled, images.mean(axis=(1, 2)), atol=1e-5)  # of all 32x32 pixels
print("a global pool has the mean of 32x32 pixels")
mended = model(layers.CenterCrop(24, 24)).predict(images, verbose=0).shape
print("with CenterCrop behind it:", mended)
assert mended == (2, 24, 24, 3)
PYTHON
